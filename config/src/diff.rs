//! What changed between two configurations, in words for the log.
//! Not places: a route that moved to another line did not change.

use crate::model::{
    Action, Address, Calls, Cluster, Config, Endpoint, Listener, Route, Server, Target, TcpMatch,
    TcpRoute, Tls, Udp, Workers,
};
use crate::units::show_duration;
use std::collections::HashMap;
use std::fmt::Debug;

/// What changed, a line each, for the log: `+ route corp-v2`, `- listener old`, `~ cluster products: endpoints +1 -1`; nothing when equal.
pub fn diff(old: &Config, new: &Config) -> Vec<String> {
    let mut lines = Vec::new();
    let changed = server(&old.server, &new.server);
    push(&mut lines, "server", changed);
    named(
        &mut lines,
        "listener",
        (&old.listeners, &new.listeners),
        |listener| &listener.name,
        |a, b| listener(a, b, old, new),
    );
    named(
        &mut lines,
        "route",
        (&old.routes, &new.routes),
        |route| &route.name,
        |a, b| route(a, b, old, new),
    );
    order(&mut lines, old, new);
    named(
        &mut lines,
        "cluster",
        (&old.clusters, &new.clusters),
        |cluster| &cluster.name,
        |a, b| cluster(a, b, old, new),
    );
    named(
        &mut lines,
        "tls",
        (&old.tls, &new.tls),
        |tls| &tls.name,
        tls,
    );
    let mut changed = Vec::new();
    note(&mut changed, "bind", &old.admin.bind, &new.admin.bind);
    note(&mut changed, "token", &old.admin.token, &new.admin.token);
    push(&mut lines, "admin", changed);
    let mut changed = Vec::new();
    note(&mut changed, "to", &old.access_log.to, &new.access_log.to);
    push(&mut lines, "access_log", changed);
    let mut changed = Vec::new();
    note(
        &mut changed,
        "timeouts",
        &old.default_timeouts,
        &new.default_timeouts,
    );
    push(&mut lines, "defaults", changed);
    lines
}

fn push(lines: &mut Vec<String>, what: &str, changed: Vec<String>) {
    if !changed.is_empty() {
        lines.push(format!("~ {what}: {}", changed.join(", ")));
    }
}

/// Notes a part that is not the same.
fn note<T: PartialEq>(changed: &mut Vec<String>, part: &str, old: &T, new: &T) {
    if old != new {
        changed.push(part.to_owned());
    }
}

/// Notes a part with its values.
fn note_values<T: PartialEq>(
    changed: &mut Vec<String>,
    part: &str,
    old: &T,
    new: &T,
    show: impl Fn(&T) -> String,
) {
    if old != new {
        changed.push(format!("{part} {} -> {}", show(old), show(new)));
    }
}

fn lower<T: Debug>(value: &T) -> String {
    format!("{value:?}").to_lowercase()
}

fn named<T>(
    lines: &mut Vec<String>,
    kind: &str,
    (old, new): (&[T], &[T]),
    name: impl Fn(&T) -> &String,
    compare: impl Fn(&T, &T) -> Vec<String>,
) {
    let before: HashMap<&String, &T> = old.iter().map(|item| (name(item), item)).collect();
    let after: HashMap<&String, &T> = new.iter().map(|item| (name(item), item)).collect();
    for item in old.iter().filter(|item| !after.contains_key(name(item))) {
        lines.push(format!("- {kind} {}", name(item)));
    }
    for item in new {
        match before.get(name(item)) {
            None => lines.push(format!("+ {kind} {}", name(item))),
            Some(was) => {
                let changed = compare(was, item);
                push(lines, &format!("{kind} {}", name(item)), changed);
            }
        }
    }
}

/// Routes that both have, in another order: the first that matches may be another one.
fn order(lines: &mut Vec<String>, old: &Config, new: &Config) {
    fn shared<'c>(these: &'c Config, others: &Config) -> Vec<&'c str> {
        let names: std::collections::HashSet<&str> =
            others.routes.iter().map(|r| r.name.as_str()).collect();
        let own = these.routes.iter().map(|r| r.name.as_str());
        own.filter(|name| names.contains(name)).collect()
    }
    if shared(old, new) != shared(new, old) {
        lines.push("~ routes: order".to_owned());
    }
}

fn server(old: &Server, new: &Server) -> Vec<String> {
    let mut changed = Vec::new();
    let workers = |workers: &Workers| match workers {
        Workers::Auto => "auto".to_owned(),
        Workers::Count(count) => count.to_string(),
    };
    note_values(&mut changed, "workers", &old.workers, &new.workers, workers);
    note_values(&mut changed, "io", &old.io, &new.io, lower);
    note_values(&mut changed, "drain", &old.drain, &new.drain, |drain| {
        show_duration(*drain)
    });
    note(
        &mut changed,
        "trusted_proxies",
        &old.trusted_proxies,
        &new.trusted_proxies,
    );
    note(&mut changed, "mark", &old.mark, &new.mark);
    note_values(&mut changed, "name", &old.name, &new.name, String::clone);
    changed
}

fn listener(old: &Listener, new: &Listener, a: &Config, b: &Config) -> Vec<String> {
    let mut changed = Vec::new();
    note(&mut changed, "bind", &old.bind, &new.bind);
    note(&mut changed, "timeouts", &old.timeouts, &new.timeouts);
    note(&mut changed, "limits", &old.limits, &new.limits);
    note(
        &mut changed,
        "proxy_protocol",
        &old.proxy_protocol,
        &new.proxy_protocol,
    );
    note_values(
        &mut changed,
        "intercept",
        &old.intercept,
        &new.intercept,
        lower,
    );
    let named = |l: &Listener, config: &Config| tls_name(l.tls, config);
    note(&mut changed, "tls", &named(old, a), &named(new, b));
    note(
        &mut changed,
        "redirect",
        &old.redirect_https,
        &new.redirect_https,
    );
    note(&mut changed, "allow", &old.allow, &new.allow);
    let to = |to: Option<usize>, config: &Config| to.map(|to| cluster_name(config, to).to_owned());
    note(&mut changed, "to", &to(old.to, a), &to(new.to, b));
    let patience = |l: &Listener| l.tcp.as_ref().map(|tcp| (tcp.connect, tcp.idle));
    let (was, is) = ((tcp(old, a), patience(old)), (tcp(new, b), patience(new)));
    note(&mut changed, "tcp", &was, &is);
    let udp = |udp: Option<Udp>, config: &Config| {
        udp.map(|u| (to(Some(u.cluster), config), u.idle, u.responses))
    };
    note(&mut changed, "udp", &udp(old.udp, a), &udp(new.udp, b));
    changed
}

/// `tcp` of a listener with names for indices.
fn tcp(listener: &Listener, config: &Config) -> Vec<(TcpMatch, String)> {
    let routes = listener.tcp.iter().flat_map(|tcp| &tcp.routes);
    let named = |route: &TcpRoute| (route.matches.clone(), sides(&route.targets, config));
    routes.map(named).collect()
}

/// Indices move when a cluster is added, so clusters are compared by name.
fn cluster_name(config: &Config, index: usize) -> &str {
    config.clusters.get(index).map_or("", |c| c.name.as_str())
}

fn route(old: &Route, new: &Route, a: &Config, b: &Config) -> Vec<String> {
    let mut changed = Vec::new();
    if !same_match(old, new, a, b) {
        changed.push("match".to_owned());
    }
    action(&mut changed, &old.action, &new.action, a, b);
    let edits = (&old.request_headers, &new.request_headers);
    note(&mut changed, "headers", edits.0, edits.1);
    let edits = (&old.response_headers, &new.response_headers);
    note(&mut changed, "response_headers", edits.0, edits.1);
    note(&mut changed, "timeouts", &old.timeouts, &new.timeouts);
    note(&mut changed, "limits", &old.body_limit, &new.body_limit);
    note(&mut changed, "allow", &old.allow, &new.allow);
    note(&mut changed, "grpc_web", &old.grpc_web, &new.grpc_web);
    changed
}

fn same_match(old: &Route, new: &Route, a: &Config, b: &Config) -> bool {
    fn listeners<'c>(route: &Route, config: &'c Config) -> Vec<&'c str> {
        let indices = route.matches.listeners.iter();
        indices
            .filter_map(|at| config.listeners.get(*at).map(|l| l.name.as_str()))
            .collect()
    }
    let (x, y) = (&old.matches, &new.matches);
    listeners(old, a) == listeners(new, b)
        && x.hosts == y.hosts
        && x.paths == y.paths
        && x.methods == y.methods
        && x.headers == y.headers
        && x.query == y.query
        && x.identities == y.identities
        && (x.calls == Calls::Unasked) == (y.calls == Calls::Unasked)
}

fn action(changed: &mut Vec<String>, old: &Action, new: &Action, a: &Config, b: &Config) {
    match (old, new) {
        (
            Action::Forward {
                targets,
                split_by,
                rewrite,
            },
            Action::Forward {
                targets: new_targets,
                split_by: new_split_by,
                rewrite: new_rewrite,
            },
        ) => {
            let (was, is) = (sides(targets, a), sides(new_targets, b));
            note_values(changed, "to", &was, &is, String::clone);
            note(changed, "split_by", split_by, new_split_by);
            note(changed, "rewrite", rewrite, new_rewrite);
        }
        (Action::Redirect { .. }, Action::Redirect { .. }) => note(changed, "redirect", old, new),
        (Action::Respond { .. }, Action::Respond { .. }) => note(changed, "respond", old, new),
        _ => changed.push(format!("{} -> {}", verb(old), verb(new))),
    }
}

fn verb(action: &Action) -> &'static str {
    match action {
        Action::Forward { .. } => "to",
        Action::Redirect { .. } => "redirect",
        Action::Respond { .. } => "respond",
    }
}

/// `products-v1 95, products-v2 5`, or the only cluster's name.
fn sides(targets: &[Target], config: &Config) -> String {
    match targets {
        [only] => cluster_name(config, only.cluster).to_owned(),
        several => {
            let sides: Vec<String> = several
                .iter()
                .map(|side| format!("{} {}", cluster_name(config, side.cluster), side.weight))
                .collect();
            format!("({})", sides.join(", "))
        }
    }
}

/// Indices move here too.
fn tls_name(index: Option<usize>, config: &Config) -> Option<String> {
    config.tls.get(index?).map(|tls| tls.name.clone())
}

fn tls(old: &Tls, new: &Tls) -> Vec<String> {
    let mut changed = Vec::new();
    note(
        &mut changed,
        "certificates",
        &old.certificates,
        &new.certificates,
    );
    note(&mut changed, "trust", &old.trust, &new.trust);
    note(&mut changed, "crl", &old.crl, &new.crl);
    note(
        &mut changed,
        "client_cert",
        &old.client_cert,
        &new.client_cert,
    );
    note(
        &mut changed,
        "min_version",
        &old.min_version,
        &new.min_version,
    );
    changed
}

fn cluster(old: &Cluster, new: &Cluster, a: &Config, b: &Config) -> Vec<String> {
    let mut changed = Vec::new();
    endpoints(&mut changed, &old.endpoints, &new.endpoints);
    note(&mut changed, "original", &old.original, &new.original);
    note(&mut changed, "source", &old.source, &new.source);
    note_values(
        &mut changed,
        "balance",
        &old.balance,
        &new.balance,
        |balance| match balance {
            crate::Balance::P2c => "p2c".to_owned(),
            crate::Balance::RoundRobin => "round_robin".to_owned(),
            crate::Balance::Random => "random".to_owned(),
        },
    );
    note(&mut changed, "limits", &old.limits, &new.limits);
    note(&mut changed, "host", &old.host, &new.host);
    let shown = |idle: &std::time::Duration| show_duration(*idle);
    note_values(
        &mut changed,
        "pool.idle",
        &old.pool_idle,
        &new.pool_idle,
        shown,
    );
    note(
        &mut changed,
        "proxy_protocol",
        &old.proxy_protocol,
        &new.proxy_protocol,
    );
    note(&mut changed, "protocol", &old.protocol, &new.protocol);
    let named = |cluster: &Cluster, config: &Config| {
        let tls = cluster.tls.as_ref()?;
        let of = tls_name(tls.of, config);
        Some((of, tls.name.clone(), tls.identities.clone(), tls.insecure))
    };
    note(&mut changed, "tls", &named(old, a), &named(new, b));
    changed
}

fn endpoints(changed: &mut Vec<String>, old: &[Endpoint], new: &[Endpoint]) {
    let before: HashMap<&Address, &Endpoint> = old.iter().map(|e| (&e.address, e)).collect();
    let after: HashMap<&Address, &Endpoint> = new.iter().map(|e| (&e.address, e)).collect();
    let added = after.keys().filter(|a| !before.contains_key(*a)).count();
    let removed = before.keys().filter(|a| !after.contains_key(*a)).count();
    let altered = after
        .iter()
        .filter(|(address, e)| before.get(*address).is_some_and(|was| was != *e))
        .count();
    let mut counts = Vec::new();
    for (sign, count) in [("+", added), ("-", removed), ("~", altered)] {
        if count > 0 {
            counts.push(format!("{sign}{count}"));
        }
    }
    if !counts.is_empty() {
        changed.push(format!("endpoints {}", counts.join(" ")));
    } else if old != new {
        changed.push("endpoints reordered".to_owned());
    }
}
