//! Clusters without endpoints of their own (`endpoints = "original"`): only connections that were intercepted have an original destination.
//! Not how they are intercepted.

use super::cluster::Clusters;
use crate::findings::Findings;
use crate::model::{Action, Intercept, Listener, Route};
use crate::place::Span;
use crate::raw::{self, Raw};

const HELP: &str = "intercept = \"redirect\" or \"tproxy\" on the listener";

pub(crate) fn check(
    raw: &Raw,
    listeners: &[Listener],
    routes: &[Route],
    clusters: &Clusters,
    findings: &mut Findings<'_>,
) {
    for listener in listeners.iter().filter(|l| !intercepts(l)) {
        let tcp = listener.tcp.iter().flat_map(|tcp| &tcp.routes);
        let of_tcp = tcp.flat_map(|route| &route.targets).map(|t| t.cluster);
        let named = listener.to.into_iter().chain(of_tcp);
        for cluster in named.filter(|cluster| clusters.is_original(*cluster)) {
            let typed = raw.listeners.iter().find(|l| l.name.value == listener.name);
            let Some(span) = typed.map(|listener| listener.name.span) else {
                continue;
            };
            say(span, listener, clusters.name(cluster), findings);
        }
    }
    for typed in &raw.listeners {
        let entries = typed.tcp.iter().flat_map(|tcp| &tcp.routes);
        let asks = |route: &&raw::TcpRoute| !route.matches.destinations.is_empty();
        if let Some(entry) = entries
            .filter(|_| typed.intercept == Intercept::Off)
            .find(asks)
        {
            let message = "this entry can never match: connections of a listener that does not intercept have no original `destination`";
            findings.error_help(entry.span, message, HELP);
        }
    }
    for (position, route) in routes.iter().enumerate() {
        let Action::Forward { targets, .. } = &route.action else {
            continue;
        };
        let named = targets.iter().map(|target| target.cluster);
        let Some(cluster) = named
            .into_iter()
            .find(|cluster| clusters.is_original(*cluster))
        else {
            continue;
        };
        let asks = |position: usize, listener: &Listener| {
            let of_route = &route.matches.listeners;
            listener.asks_routes() && (of_route.is_empty() || of_route.contains(&position))
        };
        let mut asking = listeners.iter().enumerate();
        if let Some((_, listener)) = asking.find(|(at, l)| asks(*at, l) && !intercepts(l)) {
            say(
                raw.routes[position].span,
                listener,
                clusters.name(cluster),
                findings,
            );
        }
    }
}

fn intercepts(listener: &Listener) -> bool {
    listener.intercept != Intercept::Off
}

fn say(span: Span, listener: &Listener, cluster: &str, findings: &mut Findings<'_>) {
    let message = format!(
        "cluster \"{cluster}\" goes to original destinations, and connections of listener \"{}\" have none",
        listener.name
    );
    findings.error_help(span, message, HELP);
}
