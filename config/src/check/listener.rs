//! Listeners: unique names, unique addresses, limits with their defaults, and the cluster of a listener without routes.
//! Not the text of an address (`raw`).

use super::cluster::Clusters;
use super::policy::{self, Policies};
use super::tcp;
use super::tls::TlsTables;
use super::udp;
use crate::defaults;
use crate::findings::Findings;
use crate::model::{Allow, Bind, Listener, ListenerLimits, ListenerTimeouts};
use crate::place::Span;
use crate::raw::{self, Raw, To};
use crate::units::quote;
use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};

/// What a listener may name.
pub(crate) struct Named<'n, 'r> {
    pub(crate) clusters: &'n mut Clusters,
    pub(crate) tls: &'n mut TlsTables,
    pub(crate) policies: &'n mut Policies<'r>,
}

pub(crate) fn check<'r>(
    raw: &'r Raw,
    named: &mut Named<'_, 'r>,
    findings: &mut Findings<'_>,
) -> Vec<Listener> {
    let mut names: HashMap<&str, Span> = HashMap::new();
    let mut addresses: HashMap<Port, Bound<'_>> = HashMap::new();
    let mut listeners = Vec::new();
    for listener in &raw.listeners {
        let name = &listener.name;
        if let Some(first) = names.get(name.value.as_str()) {
            let place = findings.refer(name.span, *first);
            let message = format!(
                "listener {} is defined twice (first: {place})",
                quote(&name.value)
            );
            findings.error(name.span, message);
            continue;
        }
        names.insert(&name.value, name.span);
        check_addresses(listener, &mut addresses, findings);
        refuse_other_protocol(listener, findings);
        udp::refuse_other_protocol(listener, findings);
        let to = listener.to.as_ref().and_then(|to| {
            if let To::Split(_) = to.value {
                findings.error_help(
                    to.span,
                    "`to` of a listener is one cluster",
                    "a split needs a route: [[routes]] with match.listener",
                );
                return None;
            }
            let owner = format!("listener:{}", name.value);
            let targets = named.clusters.targets(&to.value, owner, findings);
            targets.first().map(|target| target.cluster)
        });
        let tcp = tcp::check(listener, raw, named.clusters, findings);
        refuse_with_redirect(listener, findings);
        refuse_with_tls(listener, findings);
        let tls = listener
            .tls
            .as_ref()
            .and_then(|name| named.tls.of_listener(name, findings));
        let allow = allow(listener, raw, named.policies, findings);
        let owner = format!("listener:{}", name.value);
        let udp = udp::udp(listener, owner, named.clusters, findings);
        listeners.push(Listener {
            name: name.value.clone(),
            at: findings.place(name.span),
            bind: listener
                .bind
                .iter()
                .map(|bind| bind.value.clone())
                .collect(),
            timeouts: timeouts(listener),
            limits: limits(listener, raw, findings),
            proxy_protocol: listener.proxy_protocol.clone(),
            intercept: listener.intercept,
            tls,
            redirect_https: listener.redirect.as_ref().and_then(|port| port.value),
            allow,
            to,
            detect: tcp.is_some() && detects(listener),
            tcp,
            udp,
        });
    }
    listeners
}

pub(super) fn detects(listener: &raw::Listener) -> bool {
    let typed = listener.detect.as_ref().map(|detect| detect.value);
    typed.unwrap_or(defaults::DETECT)
}

/// `idle` of a listener of bytes is that of its tunnels.
fn timeouts(listener: &raw::Listener) -> ListenerTimeouts {
    let built_in = defaults::LISTENER_TIMEOUTS;
    let own = listener.timeouts.as_ref().map_or(built_in, |t| t.own);
    let http = (listener.tcp.is_none() && listener.udp.is_none()) || detects(listener);
    ListenerTimeouts {
        idle: if http { own.idle } else { built_in.idle },
        ..own
    }
}

/// What asks for the ClientHello, or for what is in front of it.
fn refuse_with_tls(listener: &raw::Listener, findings: &mut Findings<'_>) {
    let Some(tls) = &listener.tls else {
        if let (Some(handshake), None) = (listener.handshake, &listener.tcp) {
            let message =
                "`handshake` has nothing to act on: this listener has neither `tls` nor `tcp`";
            findings.error(handshake, message);
        }
        return;
    };
    let asks = |tcp: &raw::Tcp| tcp.routes.iter().any(|route| !route.matches.is_any());
    if listener.tcp.as_ref().is_some_and(asks) {
        let message =
            "`tls` and conditions in `tcp` on one listener: it either opens TLS or passes it on";
        findings.error(tls.span, message);
    }
    if detects(listener) {
        findings.error(
            tls.span,
            "`tls` with detect = true is not in this version yet",
        );
    }
}

/// Every request is redirected, so nothing else is done with one.
fn refuse_with_redirect(listener: &raw::Listener, findings: &mut Findings<'_>) {
    let Some(redirect) = &listener.redirect else {
        return;
    };
    if let Some(tls) = &listener.tls {
        let message = "`redirect` and `tls` on one listener: it would send clients where they are";
        let help = "https has a listener of its own; this one is for plain HTTP";
        findings.error_help(tls.span, message, help);
    }
    if listener.to.is_some() {
        let message = "a listener has `redirect` or `to`, not both";
        findings.error(redirect.span, message);
    }
}

/// Of the listener's policies, else of `[defaults]`.
fn allow<'r>(
    listener: &raw::Listener,
    raw: &'r Raw,
    policies: &mut Policies<'r>,
    findings: &mut Findings<'_>,
) -> Option<Allow> {
    let of_policies = policies.allow(&listener.policies, findings);
    let (allow, from) = of_policies.or_else(|| {
        let general = raw.defaults.allow.as_ref()?;
        Some((general, "defaults".to_owned()))
    })?;
    if listener.tcp.is_some() || listener.udp.is_some() {
        policy::refuse_http(allow, listener.name.span, findings);
    }
    Some(policy::made(allow, from))
}

/// A key that nothing would act on is most likely a misunderstanding.
fn refuse_other_protocol(listener: &raw::Listener, findings: &mut Findings<'_>) {
    if listener.udp.is_some() {
        return;
    }
    if !detects(listener) {
        for key in &listener.detect_keys {
            let message = format!("`{}` has nothing to act on", key.value);
            findings.error_help(key.span, message, "it belongs to detect = true");
        }
    }
    let (keys, says, help) = match &listener.tcp {
        Some(_) if detects(listener) => return,
        None if detects(listener) => {
            if let Some(detect) = &listener.detect {
                let message = "`detect` has nothing to tell apart: without `tcp` this listener serves HTTP alone";
                let help = "`tcp` says where the rest goes";
                findings.error_help(detect.span, message, help);
            }
            return;
        }
        Some(_) => (
            &listener.http_keys,
            "has nothing to act on: this listener passes bytes on (`tcp`) and reads no HTTP",
            "without `tcp` it serves HTTP, with detect = true both",
        ),
        None => (
            &listener.tcp_keys,
            "is a key of listeners with `tcp`",
            "for HTTP it stands in [defaults] or a route: timeouts = { connect = \"1s\" }",
        ),
    };
    for key in keys {
        findings.error_help(key.span, format!("`{}` {says}", key.value), help);
    }
}

/// What can be bound once: an address with a port of UDP (true), or of TCP, which have ports of their own; or a Unix socket.
type Port = (bool, String);

/// An address that is taken, and by whom.
struct Bound<'r> {
    listener: &'r str,
    span: Span,
}

fn check_addresses<'r>(
    listener: &'r raw::Listener,
    addresses: &mut HashMap<Port, Bound<'r>>,
    findings: &mut Findings<'_>,
) {
    let is_udp = listener.udp.is_some();
    for bind in &listener.bind {
        let other = match &bind.value {
            // Port 0 is another port each time.
            Bind::Tcp(address) if address.port() == 0 => continue,
            Bind::Tcp(address) => other_family(*address),
            Bind::Unix(_) if is_udp => {
                let message =
                    "`udp` listens on addresses: Unix sockets of datagrams are not served";
                findings.error(bind.span, message);
                continue;
            }
            Bind::Unix(_) => None,
        };
        let shown = bind.value.to_string();
        // One port number of TCP and of UDP are two ports.
        if let Some(first) = addresses.get(&(is_udp, shown.clone())) {
            let place = findings.refer(bind.span, first.span);
            let who = if first.listener == listener.name.value {
                "here".to_owned()
            } else {
                format!("listener \"{}\"", first.listener)
            };
            let message = format!("{shown} is bound twice (first: {who}, {place})");
            findings.error(bind.span, message);
            continue;
        }
        if let Some(other) = other
            && let Some(first) = addresses.get(&(is_udp, other.to_string()))
            && first.listener != listener.name.value
        {
            let place = findings.refer(bind.span, first.span);
            let message = format!(
                "all IPv4 addresses of port {} are wanted by listener \"{}\" too ({place})",
                other.port(),
                first.listener
            );
            findings.error(bind.span, message);
            continue;
        }
        let bound = Bound {
            listener: &listener.name.value,
            span: bind.span,
        };
        addresses.insert((is_udp, shown), bound);
    }
}

/// `[::]` takes IPv4 too, so `0.0.0.0` of another listener would take its clients away. None for any other address.
fn other_family(address: SocketAddr) -> Option<SocketAddr> {
    if !address.ip().is_unspecified() {
        return None;
    }
    let other: IpAddr = if address.is_ipv4() {
        std::net::Ipv6Addr::UNSPECIFIED.into()
    } else {
        std::net::Ipv4Addr::UNSPECIFIED.into()
    };
    Some(SocketAddr::new(other, address.port()))
}

/// The listener's own `limits` whole, else `[defaults]`, else built in.
fn limits(listener: &raw::Listener, raw: &Raw, findings: &mut Findings<'_>) -> ListenerLimits {
    let default_body = raw.defaults.body.as_ref();
    if listener.udp.is_some() {
        let own = listener
            .limits
            .as_ref()
            .and_then(|own| own.limits.connections);
        return ListenerLimits {
            connections: own.or(Some(defaults::UDP_SESSIONS)),
            ..defaults::LISTENER_LIMITS
        };
    }
    match &listener.limits {
        None => ListenerLimits {
            body: default_body
                .map(|body| body.value)
                .or(defaults::LISTENER_LIMITS.body),
            ..defaults::LISTENER_LIMITS
        },
        Some(own) => {
            // A kind is taken whole; that a limit goes away by it is worth a word.
            if let (Some(body), false, None) = (default_body, own.has_body, &listener.tcp) {
                let place = findings.refer(own.span, body.span);
                let message = format!(
                    "`limits` of listener {} replaces that of [defaults] whole, so no `body` limit is left",
                    quote(&listener.name.value)
                );
                let help = format!("write `body` here too ([defaults]: {place})");
                findings.warn(own.span, message, Some(help));
            }
            own.limits
        }
    }
}
