//! `allow`: who may do what. Asked once the route is known, before anything is told of what it leads to; at L4 once the listener's entry is
//! known. Who somebody is, the handshake has found out.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

use ringway_config::{Allow, AllowRule, Calls, Cidr, Match};

use crate::answer::Reply;
use crate::exchange::Exchange;
use crate::flow::Stop;
use crate::outcome::Flag;
use crate::plan::{ListenerPlan, holds};
use crate::route::{Ask, Conditions, Fields, Patterns};

/// The rules of one place, compiled.
#[derive(Debug)]
pub(crate) struct AllowPlan {
    rules: Vec<Rule>,
    enforce: bool,
    /// What said so, for people.
    from: String,
}

#[derive(Debug)]
struct Rule {
    conditions: Conditions,
    /// Empty: from anywhere.
    addresses: Vec<Cidr>,
}

impl AllowPlan {
    /// Faults are lines for people; a checked configuration has none.
    pub(crate) fn compile(allow: &Allow, errors: &mut Vec<String>) -> Arc<AllowPlan> {
        let mut patterns = Patterns::default();
        let mut rule = |rule: &AllowRule| {
            let matches = Match {
                listeners: Vec::new(),
                hosts: Vec::new(),
                paths: rule.paths.clone(),
                methods: rule.methods.clone(),
                headers: rule.headers.clone(),
                query: Vec::new(),
                calls: Calls::Unasked,
                identities: rule.identities.clone(),
            };
            let mut faults = Vec::new();
            let none = BTreeSet::new();
            let conditions = Conditions::compile(&matches, &none, &mut patterns, &mut faults);
            errors.extend(faults.into_iter().map(|f| format!("{}: {f}", allow.from)));
            Rule {
                conditions,
                addresses: rule.addresses.clone(),
            }
        };
        Arc::new(AllowPlan {
            rules: allow.rules.iter().map(&mut rule).collect(),
            enforce: allow.enforce,
            from: allow.from.clone(),
        })
    }

    /// Some rule lets this through.
    fn allows(&self, ask: &Ask<'_>, client: Option<IpAddr>) -> bool {
        let mut decoded = Vec::new();
        self.rules.iter().any(|rule| {
            (rule.addresses.is_empty() || client.is_some_and(|ip| is_from(&rule.addresses, ip)))
                && rule.conditions.hold(ask, &mut decoded)
        })
    }
}

/// An IPv4-mapped IPv6 address counts as its IPv4 address. Whoever comes by a Unix socket comes from nowhere.
fn is_from(blocks: &[Cidr], ip: IpAddr) -> bool {
    let ip = ip.to_canonical();
    blocks.iter().any(|block| holds(block, ip))
}

/// May the client ask for this? Else 403.
pub(crate) fn request(exchange: &mut Exchange<'_>, route: usize) -> Result<(), Stop> {
    let Some(allow) = of(exchange, route) else {
        return Ok(());
    };
    let facts = exchange.facts();
    let request = exchange.request();
    let ask = Ask {
        listener: exchange.listener,
        method: request.method(),
        authority: request.authority(),
        path: &facts.path,
        query: request.query(),
        identity: exchange.client.stream.identity(),
        fields: &request,
    };
    // The client by its own address, or by that which a trusted proxy names.
    let client = facts.client_ip.parse().ok().or(exchange.client.peer);
    let allowed = allow.allows(&ask, client);
    decide(exchange, &allow, allowed)
}

/// May the client connect? Else it is closed.
pub(crate) fn connection(exchange: &mut Exchange<'_>, route: usize) -> Result<(), Stop> {
    let Some(allow) = of(exchange, route) else {
        return Ok(());
    };
    let client = exchange.client;
    let allowed = allow.allows(&opaque(client.stream.identity()), client.peer);
    decide(exchange, &allow, allowed)
}

/// May this address send datagrams? There is nothing else that is known of it.
pub(crate) fn datagrams(listener: &ListenerPlan, client: IpAddr) -> bool {
    let allow = listener.allow.as_ref();
    allow.is_none_or(|allow| !allow.enforce || allow.allows(&opaque(None), Some(client)))
}

/// What is no request.
fn opaque(identity: Option<&str>) -> Ask<'_> {
    Ask {
        // Rules belong to a listener already.
        listener: 0,
        method: b"",
        authority: b"",
        path: b"",
        query: None,
        identity,
        fields: &NoFields,
    }
}

/// What reads requests has nothing to say of a connection.
struct NoFields;

impl Fields for NoFields {
    fn values(&self, _: &[u8], _: &mut dyn FnMut(&[u8]) -> bool) {}
}

/// The route's rules before the listener's.
fn of(exchange: &Exchange<'_>, route: usize) -> Option<Arc<AllowPlan>> {
    let allow = exchange.route(route).allow.as_ref();
    allow.or(exchange.listener().allow.as_ref()).cloned()
}

fn decide(exchange: &mut Exchange<'_>, allow: &AllowPlan, allowed: bool) -> Result<(), Stop> {
    if allowed {
        return Ok(());
    }
    let who = exchange.client.stream.identity().map_or_else(
        || "a client without an identity".to_owned(),
        |identity| format!("`{identity}`"),
    );
    let from = &allow.from;
    if !allow.enforce {
        let facts = exchange.facts_mut();
        facts.would_deny = true;
        facts.reason = format!("no rule of {from} allows this to {who} (not enforced)");
        return Ok(());
    }
    exchange.note(
        Flag::Denied,
        format_args!("no rule of {from} allows this to {who}"),
    );
    Err(Reply::new(403, Flag::Denied).into())
}
