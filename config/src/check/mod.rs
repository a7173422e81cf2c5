//! From sections as typed to the model: names resolved, defaults filled in, and what does not fit together reported.
//! Not the values by themselves (`raw`).

mod admin;
mod cluster;
mod edits;
mod listener;
mod original;
mod route;
mod shadow;
mod tcp;
mod template;

use crate::defaults;
use crate::findings::Findings;
use crate::model::{AccessLog, Config};
use crate::place::Span;
use crate::raw::{self, Raw};
use cluster::Clusters;

/// The configuration, as far as it could be made; whoever calls looks at the errors.
pub(crate) fn check(raw: &Raw, findings: &mut Findings<'_>) -> Option<Config> {
    let default_timeouts = raw.defaults.timeouts.unwrap_or(defaults::ROUTE_TIMEOUTS);
    let mut clusters = Clusters::read(&raw.clusters, findings);
    let listeners = listener::check(raw, &mut clusters, findings);
    let routes = route::check(raw, &listeners, &mut clusters, findings);
    let admin = admin::check(raw, findings);
    if raw.listeners.is_empty() && !raw.listeners_meant {
        let start = Span {
            source: 0,
            start: 0,
            end: 0,
        };
        findings.error_help(
            start,
            "no listener: nothing would be served",
            "e.g. [listeners.web] with bind = \":8080\"",
        );
    }
    original::check(raw, &listeners, &routes, &clusters, findings);
    shadow::warn(raw, &routes, &listeners, findings);
    // A name that is misspelt elsewhere is no reason to say that nobody uses it.
    if findings.errors() == 0 {
        clusters.warn_unused(findings);
        shadow::warn_of_listeners(raw, &routes, &listeners, findings);
    }
    Some(Config {
        server: raw.server.clone().unwrap_or_else(raw::built_in_server),
        listeners,
        routes,
        clusters: clusters.into_list(),
        admin,
        access_log: AccessLog {
            to: raw
                .access_log
                .as_ref()
                .map_or(defaults::LOG_TO, |log| log.to.clone()),
        },
        default_timeouts,
    })
}
