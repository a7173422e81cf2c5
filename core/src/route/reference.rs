//! The rules of matching in the obvious way: every route, every condition, strings. What the index is compared with.

use ringway_config::{Config, HostMatch, Match, PathMatch, ValueMatch};

/// A request in text.
#[derive(Debug, Clone)]
pub(super) struct Plain {
    pub(super) listener: usize,
    pub(super) method: String,
    pub(super) authority: String,
    pub(super) path: String,
    pub(super) query: Option<String>,
    pub(super) fields: Vec<(String, String)>,
}

pub(super) fn find(config: &Config, request: &Plain) -> Option<usize> {
    config
        .routes
        .iter()
        .position(|route| matches(&route.matches, request))
}

fn matches(wanted: &Match, request: &Plain) -> bool {
    let host = bare_host(&request.authority);
    let among = |name: &str, test: &ValueMatch, pairs: &[(String, String)]| {
        pairs.iter().any(|(n, v)| n == name && value_fits(test, v))
    };
    let query = decoded_query(request.query.as_deref().unwrap_or(""));
    (wanted.listeners.is_empty() || wanted.listeners.contains(&request.listener))
        && (wanted.methods.is_empty() || wanted.methods.contains(&request.method))
        && (wanted.hosts.is_empty() || wanted.hosts.iter().any(|h| host_fits(h, &host)))
        && (wanted.paths.is_empty() || wanted.paths.iter().any(|p| path_fits(p, &request.path)))
        && wanted
            .headers
            .iter()
            .all(|(name, test)| among(name, test, &request.fields))
        && wanted
            .query
            .iter()
            .all(|(name, test)| among(name, test, &query))
}

fn bare_host(authority: &str) -> String {
    let lower = authority.to_lowercase();
    let host = match lower.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|b| b.is_ascii_digit()) => host,
        _ => &lower,
    };
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host.strip_suffix('.').unwrap_or(host).to_owned()
}

fn host_fits(wanted: &HostMatch, host: &str) -> bool {
    match wanted {
        HostMatch::Exact(name) => host == name,
        HostMatch::Wildcard(suffix) => {
            host.ends_with(&format!(".{suffix}")) && host.len() > suffix.len() + 1
        }
    }
}

fn path_fits(wanted: &PathMatch, path: &str) -> bool {
    match wanted {
        PathMatch::Exact(exact) => path == exact,
        PathMatch::Prefix(prefix) => path == prefix || path.starts_with(&format!("{prefix}/")),
        PathMatch::Regex(regex) => whole(regex, path),
    }
}

fn value_fits(wanted: &ValueMatch, value: &str) -> bool {
    match wanted {
        ValueMatch::Exact(exact) => value == exact,
        ValueMatch::Present => true,
        ValueMatch::Regex(regex) => whole(regex, value),
    }
}

fn whole(regex: &str, value: &str) -> bool {
    regex::Regex::new(&format!("^(?:{regex})$"))
        .unwrap()
        .is_match(value)
}

fn decoded_query(query: &str) -> Vec<(String, String)> {
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decoded(name), decoded(value))
        })
        .collect()
}

/// Only the escapes that the generated requests use.
fn decoded(text: &str) -> String {
    text.replace('+', " ")
        .replace("%20", " ")
        .replace("%61", "a")
        .replace("%68", "h")
}
