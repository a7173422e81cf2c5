//! Configurations and requests made by hand, for the tests of matching.

use std::time::Duration;

use ringway_config::{
    AccessLog, Action, Admin, Config, HeaderEdit, HostMatch, Io, LogTo, Match, Part, PathMatch,
    Place, Route, RouteTimeouts, Server, Target, Template, ValueMatch, Workers,
};

use super::Fields;

/// A template from its text.
pub(super) fn template(text: &str) -> Template {
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some(open) = rest.find('{') {
        parts.push(Part::Literal(rest[..open].to_owned()));
        rest = &rest[open + 1..];
        if let Some(behind) = rest.strip_prefix('{') {
            parts.push(Part::Literal("{".to_owned()));
            rest = behind;
        } else {
            let (name, behind) = rest.split_once('}').expect("a closing brace");
            parts.push(Part::Variable(name.to_owned()));
            rest = behind;
        }
    }
    parts.push(Part::Literal(rest.to_owned()));
    Template { parts }
}

/// `*.x` or a name.
pub(super) fn host(text: &str) -> HostMatch {
    match text.strip_prefix("*.") {
        Some(suffix) => HostMatch::Wildcard(suffix.to_owned()),
        None => HostMatch::Exact(text.to_owned()),
    }
}

/// `~regex`, `/x/*` or a path.
pub(super) fn path(text: &str) -> PathMatch {
    match (text.strip_prefix('~'), text.strip_suffix("/*")) {
        (Some(regex), _) => PathMatch::Regex(regex.to_owned()),
        (None, Some(prefix)) => PathMatch::Prefix(prefix.to_owned()),
        (None, None) => PathMatch::Exact(text.to_owned()),
    }
}

/// `~regex`, `*` or a value.
pub(super) fn value(text: &str) -> ValueMatch {
    match (text.strip_prefix('~'), text) {
        (Some(regex), _) => ValueMatch::Regex(regex.to_owned()),
        (None, "*") => ValueMatch::Present,
        (None, exact) => ValueMatch::Exact(exact.to_owned()),
    }
}

/// Named values from pairs.
pub(super) fn values(pairs: &[(&str, &str)]) -> Vec<(String, ValueMatch)> {
    pairs
        .iter()
        .map(|(name, text)| (name.to_string(), value(text)))
        .collect()
}

/// A route that sets the field `x` to this template.
pub(super) fn route(matches: Match, sets: &str) -> Route {
    Route {
        name: "made".to_owned(),
        at: Place {
            path: "made.toml".to_owned(),
            line: 7,
        },
        matches,
        action: Action::Forward {
            targets: vec![Target {
                cluster: 0,
                weight: 1,
            }],
            split_by: None,
            rewrite: None,
        },
        request_headers: vec![HeaderEdit::Set {
            name: "x".to_owned(),
            value: template(sets),
        }],
        response_headers: Vec::new(),
        timeouts: timeouts(),
        body_limit: None,
        allow: None,
        grpc_web: false,
    }
}

fn timeouts() -> RouteTimeouts {
    let second = Duration::from_secs(1);
    RouteTimeouts {
        connect: second,
        first_byte: second,
        idle: second,
        tunnel_idle: second,
        total: None,
    }
}

/// A configuration with these routes and nothing else.
pub(super) fn config(routes: Vec<Route>) -> Config {
    Config {
        server: Server {
            workers: Workers::Auto,
            io: Io::Auto,
            drain: Duration::ZERO,
            trusted_proxies: Vec::new(),
            mark: None,
            name: "ringway".to_owned(),
        },
        listeners: Vec::new(),
        routes,
        default_timeouts: timeouts(),
        clusters: Vec::new(),
        tls: Vec::new(),
        admin: Admin {
            bind: Vec::new(),
            token: None,
        },
        access_log: AccessLog { to: LogTo::Off },
    }
}

/// Header fields by lower-case name.
pub(super) struct Head<'a>(pub(super) Vec<(&'a str, &'a [u8])>);

impl Fields for Head<'_> {
    fn values(&self, name: &[u8], each: &mut dyn FnMut(&[u8]) -> bool) {
        for (field, value) in &self.0 {
            if field.as_bytes() == name && each(value) {
                return;
            }
        }
    }
}
