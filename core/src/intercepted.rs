//! Connections that the kernel's rules brought to a listener with `intercept`: where they were going, and that it was not to us. It
//! writes no rules; `intercept/` does.

use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;

use ringway_config::Intercept;
use ringway_io as io;

use crate::accept::Client;
use crate::caller::Caller;
use crate::exchange::Exchange;
use crate::lane::Lane;
use crate::link::Link;
use crate::outcome::Flag;

/// Proof that the connection does not come back to us: it was not intercepted, or it was going elsewhere.
#[derive(Debug)]
pub(crate) struct Elsewhere {
    _only_here: (),
}

/// Where the connection was going, if its listener intercepts. One that came straight to us was going to us.
pub(crate) fn original(client: &Client) -> Option<SocketAddr> {
    let (plan, listener) = client.door.plan();
    let stream = &client.stream;
    let own = || stream.local_addr().ok()?.as_socket();
    let address = match plan.plan.listeners[listener].intercept {
        Intercept::Off => return None,
        Intercept::Tproxy => own(),
        Intercept::Redirect => redirected(stream).or_else(own),
    }?;
    Some(SocketAddr::new(address.ip().to_canonical(), address.port()))
}

/// What the kernel remembers of a connection whose destination it has rewritten. A socket of IPv6 may carry IPv4.
fn redirected(stream: &Link) -> Option<SocketAddr> {
    let peer = stream.peer_addr().ok()?.as_socket()?;
    let is_v4 = peer.ip().to_canonical().is_ipv4();
    stream.rewritten_destination(is_v4).ok()?.as_socket()
}

/// Refuse a connection that was meant for one of our own listening sockets: it would come back here for ever. Counted, said in the
/// access log, and reset.
pub(crate) fn check(client: Client, lane: &Rc<Lane>) -> Option<(Client, Elsewhere)> {
    let elsewhere = Elsewhere { _only_here: () };
    let (plan, listener) = client.door.plan();
    if plan.plan.listeners[listener].intercept == Intercept::Off {
        return Some((client, elsewhere));
    }
    let to = client.ends().original;
    match to.filter(|to| is_ours(*to, &plan.plan.own)) {
        None => Some((client, elsewhere)),
        Some(to) => {
            refuse(client, lane, to);
            None
        }
    }
}

/// Whether one of our sockets listens there. Which addresses this machine has is asked only where the port is one of ours.
fn is_ours(to: SocketAddr, own: &[SocketAddr]) -> bool {
    let here = |own: &SocketAddr| match own.ip().to_canonical() {
        IpAddr::V4(ip) if ip.is_unspecified() => to.is_ipv4() && io::is_local(to.ip()),
        IpAddr::V6(ip) if ip.is_unspecified() => io::is_local(to.ip()),
        ip => ip == to.ip(),
    };
    own.iter().any(|own| own.port() == to.port() && here(own))
}

fn refuse(client: Client, lane: &Rc<Lane>, to: SocketAddr) {
    client.door.cells().of(lane.index).loops();
    let caller = Caller::alone(false);
    let mut exchange = Exchange::begin(&client, &caller, lane);
    exchange.note_peer();
    exchange.note(
        Flag::Loop,
        format_args!("it was going to {to}, where we listen ourselves: it came straight to a listener that intercepts, or the rules do not exempt that port"),
    );
    drop(exchange);
    client.stream.abort();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn which_destinations_are_ours() {
        let own = [
            "[::]:15001",
            "0.0.0.0:15002",
            "127.0.0.1:15003",
            "[::1]:15004",
        ];
        let own: Vec<SocketAddr> = own.iter().map(|a| a.parse().unwrap()).collect();
        for (to, ours) in [
            ("127.0.0.1:15001", true),
            ("127.7.7.7:15001", true),
            ("[::1]:15001", true),
            // Documentation's, nobody's (RFC 5737, RFC 3849).
            ("192.0.2.1:15001", false),
            ("[2001:db8::1]:15001", false),
            ("127.0.0.1:15002", true),
            ("[::1]:15002", false),
            ("127.0.0.1:15003", true),
            ("127.0.0.2:15003", false),
            ("[::1]:15004", true),
            ("127.0.0.1:80", false),
        ] {
            assert_eq!(is_ours(to.parse().unwrap(), &own), ours, "{to}");
        }
    }
}
