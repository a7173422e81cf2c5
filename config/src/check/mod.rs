//! From sections as typed to the model: names resolved, defaults filled in, and what does not fit together reported.
//! Not the values by themselves (`raw`).

mod admin;
mod cluster;
mod edits;
mod listener;
mod original;
mod policy;
mod route;
mod shadow;
mod tcp;
mod template;
mod tls;
mod udp;

use crate::defaults;
use crate::findings::Findings;
use crate::model::{AccessLog, Config, Listener};
use crate::place::Span;
use crate::raw::{self, Raw};
use cluster::Clusters;
use policy::Policies;
use tls::TlsTables;

/// The configuration, as far as it could be made; whoever calls looks at the errors.
pub(crate) fn check(raw: &Raw, findings: &mut Findings<'_>) -> Option<Config> {
    let default_timeouts = raw.defaults.timeouts.unwrap_or(defaults::ROUTE_TIMEOUTS);
    let mut tls = TlsTables::read(&raw.tls, findings);
    let mut policies = Policies::read(&raw.policies, findings);
    let mut clusters = Clusters::read(&raw.clusters, &mut tls, findings);
    let mut named = listener::Named {
        clusters: &mut clusters,
        tls: &mut tls,
        policies: &mut policies,
    };
    let listeners = listener::check(raw, &mut named, findings);
    udp::check_clusters(raw, &listeners, &clusters, findings);
    let routes = route::check(raw, &listeners, &mut clusters, &mut policies, findings);
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
        tls.warn_unused(findings);
        policies.warn_unused(&raw.policies, findings);
        warn_unasked(raw, &listeners, &tls, findings);
        shadow::warn_of_listeners(raw, &routes, &listeners, findings);
    }
    Some(Config {
        server: raw.server.clone().unwrap_or_else(raw::built_in_server),
        listeners,
        routes,
        clusters: clusters.into_list(),
        tls: tls.into_list(),
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

/// Rules about identities, where no client is asked for one.
fn warn_unasked(raw: &Raw, listeners: &[Listener], tls: &TlsTables, findings: &mut Findings<'_>) {
    let asks = |listener: &Listener| listener.tls.is_some_and(|tls_of| tls.asks_clients(tls_of));
    if listeners.iter().any(asks) {
        return;
    }
    let of_policies = raw.policies.iter().map(|policy| &policy.allow);
    let of_routes = raw.routes.iter().map(|route| &route.allow);
    let all = of_policies.chain(of_routes).chain([&raw.defaults.allow]);
    for allow in all.flatten() {
        policy::warn_unasked(allow, findings);
    }
    for route in &raw.routes {
        if !route.matches.identities.is_empty() {
            let message = "this route can never match: no listener asks clients for certificates";
            findings.warn(route.span, message, None);
        }
    }
}
