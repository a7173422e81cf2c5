//! What the format has and nothing acts on yet: refused, since a configuration that is nodded at is worse than one that is not read.
//!
//! Not for good: each line goes with the code that makes it true.

use ringway_config::Config;

/// A line for each.
pub(super) fn refuse(config: &Config) -> Vec<String> {
    let mut lines = Vec::new();
    let mut refuse = |what: &str, name: &str| {
        lines.push(format!("{what} `{name}`: not in this version yet"));
    };
    for listener in &config.listeners {
        if listener.tls.is_some() {
            refuse("`tls` of listener", &listener.name);
        }
        if listener.redirect_https.is_some() {
            refuse("`redirect` of listener", &listener.name);
        }
        if listener.allow.is_some() {
            refuse("`allow` of listener", &listener.name);
        }
    }
    for route in &config.routes {
        if route.allow.is_some() {
            refuse("`allow` of route", &route.name);
        }
        if !route.matches.identities.is_empty() {
            refuse("`match.identity` of route", &route.name);
        }
    }
    for cluster in &config.clusters {
        if cluster.tls.is_some() {
            refuse("`tls` of cluster", &cluster.name);
        }
    }
    lines
}
