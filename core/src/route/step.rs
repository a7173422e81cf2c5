//! Step 4: which route takes the request, and which cluster it goes to. Matching itself is pure and lives beside this; this
//! step gives it the request and acts on the answer.

use std::io::Write;

use ringway_config::SplitBy;
use ringway_protocols::http1::Known;
use ringway_protocols::path;

use super::host::without_port;
use super::template::push_uri;
use super::{Ask, Split, Variables, cookie, hash_for_split};
use crate::answer::{Body, Reply};
use crate::exchange::Exchange;
use crate::facts::Facts;
use crate::flow::Stop;
use crate::outcome::Flag;
use crate::plan::ActionPlan;
use crate::policy::allow;
use crate::session::Received;
use crate::session::tcp::Heard;

/// Proof that a route took the request and named a cluster. Only [`find`] and [`of_listener`] make it.
#[derive(Debug)]
pub(crate) struct Routed {
    route: usize,
    cluster: usize,
}

impl Routed {
    pub(crate) fn route(&self) -> usize {
        self.route
    }

    pub(crate) fn cluster(&self) -> usize {
        self.cluster
    }
}

/// Find the route. Ends the exchange with an answer for no route, a refused path, `respond` and `redirect`.
pub(crate) fn find(exchange: &mut Exchange<'_>, _received: Received) -> Result<Routed, Stop> {
    normalize(exchange)?;
    let route = match exchange.listener().only_route {
        Some(route) => route,
        None => matching(exchange).ok_or_else(|| {
            let text = String::from_utf8_lossy(exchange.request().authority()).into_owned();
            exchange.note(
                Flag::NoRoute,
                format_args!("no route matches host `{text}` and this path, method and headers"),
            );
            Reply::new(404, Flag::NoRoute)
        })?,
    };
    exchange.facts_mut().route = Some(route);
    // Before anything is told of what the route leads to.
    allow::request(exchange, route)?;
    let plan = exchange.plan.clone();
    match &plan.plan.routes[route].action {
        ActionPlan::Respond { status, .. } => Err(Reply {
            body: Body::Respond(route),
            retry_after: None,
            ..Reply::new(*status, Flag::None)
        }
        .into()),
        ActionPlan::Redirect { status, location } => {
            let mut text = std::mem::take(&mut exchange.facts_mut().text);
            text.clear();
            location.expand_uri(&variables(exchange), &mut text);
            exchange.facts_mut().text = text;
            Err(Reply {
                body: Body::Redirect,
                ..Reply::new(*status, Flag::None)
            }
            .into())
        }
        ActionPlan::ToHttps { port } => {
            let mut text = std::mem::take(&mut exchange.facts_mut().text);
            text.clear();
            let has_host = to_https(exchange, *port, &mut text);
            exchange.facts_mut().text = text;
            if !has_host {
                exchange.note(
                    Flag::ClientProtocol,
                    format_args!(
                        "this port only says where to go by https, and the request names no host"
                    ),
                );
                return Err(Reply::new(400, Flag::ClientProtocol).into());
            }
            Err(Reply {
                body: Body::Redirect,
                ..Reply::new(308, Flag::None)
            }
            .into())
        }
        ActionPlan::Forward {
            split, split_by, ..
        } => {
            let cluster = split.choose(draw(exchange, split, split_by.as_ref()));
            exchange.facts_mut().cluster = Some(cluster);
            Ok(Routed { route, cluster })
        }
    }
}

/// The same for a connection whose bytes are nobody's requests: an entry of its listener's `tcp` takes it, or none.
pub(crate) fn of_listener(exchange: &mut Exchange<'_>, heard: Heard) -> Result<Routed, Stop> {
    let Some(route) = heard.route() else {
        let name = match exchange.facts().server_name.as_str() {
            "" => "a connection that names no host".to_owned(),
            name => format!("the name `{name}` and what is offered with it"),
        };
        exchange.note(
            Flag::NoRoute,
            format_args!("no entry of the listener's `tcp` matches {name}"),
        );
        return Err(Reply::new(404, Flag::NoRoute).into());
    };
    exchange.facts_mut().route = Some(route);
    let plan = exchange.plan.clone();
    let ActionPlan::Forward { split, .. } = &plan.plan.routes[route].action else {
        return Err(Stop::NoRequest);
    };
    let draw = if split.is_single() {
        0
    } else {
        exchange.lane.roll()
    };
    let cluster = split.choose(draw);
    exchange.facts_mut().cluster = Some(cluster);
    Ok(Routed { route, cluster })
}

/// The same address by `https`. False where the client named no host.
fn to_https(exchange: &Exchange<'_>, port: u16, text: &mut Vec<u8>) -> bool {
    let request = exchange.request();
    let (host, _) = without_port(request.authority());
    text.extend_from_slice(b"https://");
    // An IPv6 address, which is shown without its brackets.
    if host.contains(&b':') {
        text.push(b'[');
        push_uri(host, b"", text);
        text.push(b']');
    } else {
        push_uri(host, b"", text);
    }
    if port != 443 {
        // Writing to a Vec cannot fail.
        let _ = write!(text, ":{port}");
    }
    let path = &exchange.facts().path;
    push_uri(if path.starts_with(b"/") { path } else { b"/" }, b"", text);
    if let Some(query) = request.query() {
        text.push(b'?');
        push_uri(query, b"?[]", text);
    }
    !host.is_empty()
}

/// Bring the path into the form that is matched and forwarded.
fn normalize(exchange: &mut Exchange<'_>) -> Result<(), Stop> {
    let Facts {
        head,
        bytes,
        path: normal,
        ..
    } = exchange.facts_mut();
    let raw = head.view(bytes).path();
    match path::normalize(raw, normal) {
        Ok(path::Normal::Rewritten) => Ok(()),
        Ok(path::Normal::Unchanged) => {
            normal.clear();
            normal.extend_from_slice(raw);
            Ok(())
        }
        Err(fault) => {
            let cells = exchange.listener().cells.of(exchange.lane.index);
            cells.protocol_error("path");
            exchange.note(
                Flag::ClientProtocol,
                format_args!("the path was refused: {}", fault.reason()),
            );
            Err(Reply::new(400, Flag::ClientProtocol).into())
        }
    }
}

fn matching(exchange: &mut Exchange<'_>) -> Option<usize> {
    let listener = exchange.listener;
    let client = exchange.client;
    let plan = exchange.plan.clone();
    let Facts {
        head,
        bytes,
        path,
        captures,
        ..
    } = exchange.facts_mut();
    let request = head.view(bytes);
    let ask = Ask {
        listener,
        method: request.method(),
        authority: request.authority(),
        path,
        query: request.query(),
        identity: client.stream.identity(),
        fields: &request,
    };
    plan.plan.router.find(&ask, captures)
}

/// What a weighted split is decided by: chance, or a hash of what `split_by` names (chance where the request has no such value).
fn draw(exchange: &Exchange<'_>, split: &Split, split_by: Option<&SplitBy>) -> u64 {
    if split.is_single() {
        // Most routes have one target: no dice for them.
        return 0;
    }
    let request = exchange.request();
    let value = match split_by {
        None => None,
        Some(SplitBy::ClientIp) => Some(exchange.facts().client_ip.as_bytes()),
        Some(SplitBy::Header(name)) => request.values(name.as_bytes()).next(),
        Some(SplitBy::Cookie(name)) => request
            .fields()
            .filter(|(known, ..)| *known == Known::Cookie)
            .find_map(|(_, _, value)| cookie(value, name.as_bytes())),
    };
    value.map_or_else(|| exchange.lane.roll(), hash_for_split)
}

/// What templates of this exchange may name.
pub(crate) fn variables<'x>(exchange: &'x Exchange<'_>) -> Variables<'x> {
    let facts = exchange.facts();
    let request = exchange.request();
    Variables {
        captures: &facts.captures,
        host: request.authority(),
        path: &facts.path,
        query: request.query(),
        client_ip: facts.client_ip.as_bytes(),
        identity: exchange.client.stream.identity().unwrap_or(""),
        request_id: exchange.id(),
        listener: &exchange.listener().name,
        route: facts.route.map_or("", |r| &exchange.route(r).name),
    }
}
