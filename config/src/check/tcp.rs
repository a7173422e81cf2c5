//! `tcp` of a listener: its clusters, its patience, and entries that no connection reaches.
//! Not what stands in an entry (`raw`).

use super::cluster::Clusters;
use super::listener::detects;
use super::route::or_placeholder;
use crate::defaults;
use crate::findings::Findings;
use crate::model::{Tcp, TcpRoute};
use crate::raw::{self, Raw};

/// `tcp` with its patience: the listener's own `timeouts` whole, else `[defaults]`, else built in.
pub(crate) fn check(
    listener: &raw::Listener,
    raw: &Raw,
    clusters: &mut Clusters,
    findings: &mut Findings<'_>,
) -> Option<Tcp> {
    let tcp = listener.tcp.as_ref()?;
    let timeouts = match (&listener.timeouts, raw.defaults.timeouts) {
        (None, Some(general)) => general,
        _ => defaults::ROUTE_TIMEOUTS,
    };
    let own = listener.timeouts.as_ref();
    let name = &listener.name.value;
    let mut routes = Vec::new();
    for (position, route) in tcp.routes.iter().enumerate() {
        let owner = owner(name, position, tcp.routes.len());
        let targets = clusters.targets(&route.to.value, owner, findings);
        routes.push(TcpRoute {
            matches: route.matches.clone(),
            targets: or_placeholder(targets),
        });
    }
    if !tcp.torn {
        warn_unreachable(tcp, findings);
    }
    Some(Tcp {
        routes,
        connect: own.and_then(|t| t.connect).unwrap_or(timeouts.connect),
        // Where HTTP is spoken as well, `idle` is that of its connections.
        idle: own
            .filter(|_| !detects(listener))
            .and_then(|t| t.idle)
            .unwrap_or(timeouts.tunnel_idle),
    })
}

/// How an entry is named in the metrics, and the cluster of its own endpoints: by its listener, with a number where there are several.
fn owner(listener: &str, position: usize, entries: usize) -> String {
    match entries {
        1 => format!("listener:{listener}"),
        _ => format!("listener:{listener}:{}", position + 1),
    }
}

fn warn_unreachable(tcp: &raw::Tcp, findings: &mut Findings<'_>) {
    let Some(last) = tcp.routes.iter().position(|route| route.matches.is_any()) else {
        return;
    };
    for route in tcp.routes.iter().skip(last + 1) {
        let place = findings.refer(route.span, tcp.routes[last].span);
        let message =
            format!("this entry can never match: one without conditions ({place}) comes first");
        findings.warn(route.span, message, None);
    }
}
