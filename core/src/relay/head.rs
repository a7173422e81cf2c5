//! Heads as they go on: the request's for the upstream, the response's for the client, with the route's changes in them.

use std::ops::Range;

use ringway_config::HostSent;
use ringway_io::OutBuf;
use ringway_protocols::http1::{
    BodyFraming, ClientConnection, FieldEdit, Forwarded, Removed, Request, RequestEdit, Response,
    ResponseEdit, write_request, write_response,
};
use ringway_protocols::path;
use smallvec::SmallVec;

use crate::exchange::Exchange;
use crate::plan::{ActionPlan, EditPlan, RewritePlan, Target};
use crate::policy::Admitted;
use crate::route::step::variables;
use crate::{grpc, grpc_web};

/// Where the expanded values of a route's edits stand in the exchange's text.
type Values = SmallVec<[Range<usize>; 8]>;

/// The request's head for `target`, as lines.
pub(crate) fn request(exchange: &mut Exchange<'_>, admitted: &Admitted, target: &Target) -> OutBuf {
    let mut out = OutBuf::take();
    with_request(exchange, admitted, target, |request, edit| {
        write_request(&mut out, request, edit);
    });
    out
}

/// The request's head for `target`, written by `write`.
pub(crate) fn with_request(
    exchange: &mut Exchange<'_>,
    admitted: &Admitted,
    target: &Target,
    write: impl FnOnce(&Request<'_>, &RequestEdit<'_>),
) {
    let mut text = std::mem::take(&mut exchange.facts_mut().text);
    text.clear();
    let plan = exchange.plan.clone();
    let route = &plan.plan.routes[admitted.route()];
    let new_target = rewritten_target(exchange, &route.action, &mut text).then_some(0..text.len());
    let values = expand(exchange, &route.request_edits.list, &mut text);
    let timeout = grpc::put_time_left(exchange, &route.request_edits.list, &mut text);
    let own_type = grpc_web::put_asked_type(exchange, &mut text);
    let facts = exchange.facts();
    let host = match &plan.plan.clusters[admitted.cluster()].host {
        HostSent::Keep => None,
        // A socket's path is no host: the client's stays.
        HostSent::Upstream if target.address.is_unix() => None,
        HostSent::Upstream => Some(target.text.as_bytes()),
        HostSent::Literal(host) => Some(host.as_bytes()),
    };
    let request = exchange.request();
    let mut edit = RequestEdit {
        target: new_target.map(|range| &text[range]),
        host,
        via: plan.plan.via.as_bytes(),
        forwarded: Forwarded {
            trusted: facts.peer_trusted,
            peer: facts.peer_text.as_bytes(),
            proto: if exchange.client.stream.tls().is_some() {
                b"https"
            } else {
                b"http"
            },
            port: exchange.client.door.port().as_bytes(),
            client_cert: exchange.client.stream.client_cert(),
        },
        request_id: (!facts.id_kept).then_some(&facts.id.0[..]),
        websocket: request.wants_websocket(),
        into_grpc: own_type.is_some(),
        removed: route.request_edits.removed,
        edits: &[],
    };
    if values.is_none() && timeout.is_none() && own_type.is_none() {
        write(&request, &edit);
    } else {
        let values = values.unwrap_or_default();
        let mut edits = field_edits(&route.request_edits.list, &values, own_type, &text);
        edits.extend(timeout.map(|left| FieldEdit::Set {
            name: grpc::TIMEOUT,
            value: &text[left],
        }));
        edit.edits = &edits;
        write(&request, &edit);
    }
    exchange.facts_mut().text = text;
}

/// Write the target into `text` if it is not the one received. Decided on the path in normal form: what was matched is what
/// is sent, lest the upstream sees a path that the routes did not.
fn rewritten_target(exchange: &Exchange<'_>, action: &ActionPlan, text: &mut Vec<u8>) -> bool {
    let facts = exchange.facts();
    let request = exchange.request();
    let rewrite = match action {
        ActionPlan::Forward { rewrite, .. } => rewrite.as_ref(),
        _ => None,
    };
    match rewrite {
        None if facts.path == request.path() => return false,
        None => text.extend_from_slice(&facts.path),
        Some(RewritePlan::Prefix { matched, with }) => {
            let rest = facts.path.get(*matched..).unwrap_or_default();
            text.extend_from_slice(with.trim_end_matches('/').as_bytes());
            text.extend_from_slice(rest);
        }
        Some(RewritePlan::Path(template)) => {
            template.expand_uri(&variables(exchange), text);
            renormalize(text);
        }
    }
    if text.first() != Some(&b'/') && request.path() != b"*" {
        text.insert(0, b'/');
    }
    if let Some(query) = request.query() {
        text.push(b'?');
        text.extend_from_slice(query);
    }
    true
}

/// A value that a template took from a header may hold dot segments: they must not climb out of where the template put it.
fn renormalize(text: &mut Vec<u8>) {
    let mut normal = OutBuf::take();
    match path::normalize(text, &mut normal) {
        Ok(path::Normal::Unchanged) => {}
        Ok(path::Normal::Rewritten) => {
            text.clear();
            text.extend_from_slice(&normal);
        }
        Err(_) => text.clear(),
    }
}

/// None for a route that changes nothing, as most do: even empty lists of this size are worth not moving about.
fn expand(exchange: &Exchange<'_>, edits: &[EditPlan], text: &mut Vec<u8>) -> Option<Values> {
    if edits.is_empty() {
        return None;
    }
    let mut values = Values::new();
    for edit in edits {
        let start = text.len();
        if let EditPlan::Set { value, .. } | EditPlan::Add { value, .. } = edit {
            value.expand(&variables(exchange), text);
        }
        values.push(start..text.len());
    }
    Some(values)
}

/// `own_type`: the content type of a call that is translated. It comes first: a route that sets the field has its way.
fn field_edits<'t>(
    edits: &'t [EditPlan],
    values: &Values,
    own_type: Option<Range<usize>>,
    text: &'t [u8],
) -> SmallVec<[FieldEdit<'t>; 8]> {
    let with_value = edits.iter().zip(values);
    let own_type = own_type.map(|range| FieldEdit::Set {
        name: grpc_web::CONTENT_TYPE,
        value: &text[range],
    });
    let of_route = with_value.map(|(edit, range)| match edit {
        EditPlan::Set { name, .. } => FieldEdit::Set {
            name: name.as_bytes(),
            value: &text[range.clone()],
        },
        EditPlan::Add { name, .. } => FieldEdit::Add {
            name: name.as_bytes(),
            value: &text[range.clone()],
        },
        EditPlan::Remove { name } => FieldEdit::Remove {
            name: name.as_bytes(),
        },
    });
    own_type.into_iter().chain(of_route).collect()
}

/// The final response's head for the client, as lines. `framing` is how its body will be sent.
pub(crate) fn response(
    exchange: &mut Exchange<'_>,
    admitted: &Admitted,
    framing: BodyFraming,
    connection: ClientConnection,
) -> OutBuf {
    let mut out = OutBuf::take();
    with_response(exchange, admitted, framing, connection, |response, edit| {
        write_response(&mut out, response, edit)
    });
    out
}

/// The final response's head for the client, written by `write`.
pub(crate) fn with_response<R>(
    exchange: &mut Exchange<'_>,
    admitted: &Admitted,
    framing: BodyFraming,
    connection: ClientConnection,
    write: impl FnOnce(&Response<'_>, &ResponseEdit<'_>) -> R,
) -> R {
    let mut text = std::mem::take(&mut exchange.facts_mut().text);
    text.clear();
    let plan = exchange.plan.clone();
    let route = &plan.plan.routes[admitted.route()];
    let values = expand(exchange, &route.response_edits.list, &mut text);
    let own_type = grpc_web::put_answer_type(exchange, &mut text);
    let edit = ResponseEdit {
        removed: route.response_edits.removed,
        ..response_edit(exchange, framing, connection, false)
    };
    let facts = exchange.facts();
    let received = facts.answer.view(&facts.answer_bytes);
    let written = if values.is_none() && own_type.is_none() {
        write(&received, &edit)
    } else {
        let values = values.unwrap_or_default();
        let edits = field_edits(&route.response_edits.list, &values, own_type, &text);
        let edits = &edits;
        write(&received, &ResponseEdit { edits, ..edit })
    };
    exchange.facts_mut().text = text;
    written
}

/// The head of an interim response, or of a 101 that switches to `websocket`, as lines. The route's changes are for the final one.
pub(crate) fn interim(exchange: &Exchange<'_>, websocket: bool) -> OutBuf {
    let mut out = OutBuf::take();
    with_interim(exchange, websocket, |response, edit| {
        write_response(&mut out, response, edit);
    });
    out
}

/// The same, written by `write`.
pub(crate) fn with_interim<R>(
    exchange: &Exchange<'_>,
    websocket: bool,
    write: impl FnOnce(&Response<'_>, &ResponseEdit<'_>) -> R,
) -> R {
    let (framing, connection) = (BodyFraming::None, ClientConnection::KeepAlive);
    let edit = response_edit(exchange, framing, connection, websocket);
    let facts = exchange.facts();
    write(&facts.answer.view(&facts.answer_bytes), &edit)
}

fn response_edit<'x>(
    exchange: &'x Exchange<'_>,
    framing: BodyFraming,
    connection: ClientConnection,
    websocket: bool,
) -> ResponseEdit<'x> {
    ResponseEdit {
        via: exchange.plan.plan.via.as_bytes(),
        client: exchange.request().version(),
        connection,
        framing,
        request_id: Some(exchange.id()),
        websocket,
        removed: Removed::default(),
        edits: &[],
    }
}
