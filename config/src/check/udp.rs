//! Listeners of datagrams: their cluster, their patience, and what would have nothing to act on there.
//! Not their addresses (`listener`).

use super::cluster::Clusters;
use crate::defaults;
use crate::findings::Findings;
use crate::model::{Address, Listener, ProxySent, Udp};
use crate::place::At;
use crate::raw::{self, Raw, To};
use crate::units::quote;

/// `udp` with the listener's own `timeouts`; those of [defaults] are of connections.
pub(super) fn udp(
    listener: &raw::Listener,
    owner: String,
    clusters: &mut Clusters,
    findings: &mut Findings<'_>,
) -> Option<Udp> {
    let udp = listener.udp.as_ref()?;
    let cluster = match &udp.to.as_ref()?.value {
        To::Split(_) => {
            findings.error(udp.span, "`udp` of a listener is one cluster");
            None
        }
        to => clusters
            .targets(to, owner, findings)
            .first()
            .map(|target| target.cluster),
    };
    let own = listener.timeouts.as_ref();
    Some(Udp {
        // Errors keep the configuration from being used where there is none.
        cluster: cluster.unwrap_or(0),
        idle: own.and_then(|t| t.idle).unwrap_or(defaults::UDP_IDLE),
        responses: udp.responses,
    })
}

/// A key that nothing would act on is most likely a misunderstanding.
pub(super) fn refuse_other_protocol(listener: &raw::Listener, findings: &mut Findings<'_>) {
    let Some(udp) = &listener.udp else {
        for key in &listener.udp_keys {
            let message = format!("`{}` is a key of listeners with `udp`", key.value);
            findings.error(key.span, message);
        }
        return;
    };
    if listener.tcp.is_some() {
        findings.error_help(
            udp.span,
            "a listener has `tcp` or `udp`, not both",
            "make two: one port number may be bound by one of each",
        );
    }
    let of_connections = listener.connection_keys.iter().chain(&listener.tcp_keys);
    let of_connections = of_connections.chain(&listener.detect_keys);
    refuse(listener.http_keys.iter(), "reads no HTTP", findings);
    refuse(of_connections, "knows no connections", findings);
}

fn refuse<'k>(
    keys: impl Iterator<Item = &'k At<&'static str>>,
    why: &str,
    findings: &mut Findings<'_>,
) {
    for key in keys {
        let message = format!(
            "`{}` has nothing to act on: this listener passes datagrams on (`udp`) and {why}",
            key.value
        );
        findings.error(key.span, message);
    }
}

/// What a cluster has that datagrams cannot: endpoints that are files, headers in front of a stream.
pub(super) fn check_clusters(
    raw: &Raw,
    listeners: &[Listener],
    clusters: &Clusters,
    findings: &mut Findings<'_>,
) {
    for listener in listeners {
        let typed = raw.listeners.iter().find(|l| l.name.value == listener.name);
        let (Some(udp), Some(span)) =
            (listener.udp, typed.and_then(|l| Some(l.udp.as_ref()?.span)))
        else {
            continue;
        };
        let Some(cluster) = clusters.get(udp.cluster) else {
            continue;
        };
        let is_file =
            |endpoint: &&crate::model::Endpoint| matches!(endpoint.address, Address::Unix(_));
        if let Some(endpoint) = cluster.endpoints.iter().find(is_file) {
            let message = format!(
                "{} takes no datagrams: it is a Unix socket",
                endpoint.address
            );
            findings.error(span, message);
        }
        if cluster.proxy_protocol != ProxySent::Off {
            let message = format!(
                "cluster {} begins connections with a PROXY header, and datagrams have no connection",
                quote(&cluster.name)
            );
            findings.error_help(
                span,
                message,
                "give it a cluster of its own, without `proxy_protocol`",
            );
        }
    }
}
