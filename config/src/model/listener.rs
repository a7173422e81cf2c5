//! `[listeners.x]`: where clients come in, and what they may cost.
//! Not what is done with their requests (routes).

use super::{Allow, Bind, Peer, Place, Tcp};
use std::time::Duration;

/// A named set of listening addresses.
#[derive(Debug, Clone, PartialEq)]
pub struct Listener {
    /// Unique among listeners.
    pub name: String,
    /// Where it is defined.
    pub at: Place,
    /// Never empty.
    pub bind: Vec<Bind>,
    /// How long a client may take.
    pub timeouts: ListenerTimeouts,
    /// How much a client may send.
    pub limits: ListenerLimits,
    /// Connections come from these sources alone, and each begins with a PROXY header that names the client. None: no header is
    /// looked for. Never empty.
    pub proxy_protocol: Option<Vec<Peer>>,
    /// Connections come here that were meant for another address.
    pub intercept: Intercept,
    /// Connections are TLS (index into `tls`, which has certificates). None: plain.
    pub tls: Option<usize>,
    /// Every request is sent to `https` of the same host, on this port (308). None: routes decide.
    pub redirect_https: Option<u16>,
    /// Who may do what here, where the route does not say it: of the listener's policies, else of `[defaults]`.
    pub allow: Option<Allow>,
    /// This listener serves one cluster, no routes needed (index into `clusters`).
    pub to: Option<usize>,
    /// Bytes straight to clusters, whatever protocol they are; no HTTP is spoken here, but see `detect`.
    pub tcp: Option<Tcp>,
    /// What begins as HTTP does is served by `to` or the routes, the rest by `tcp`. Only with `tcp`.
    pub detect: bool,
    /// Datagrams to a cluster; these addresses are ports of UDP.
    pub udp: Option<Udp>,
}

impl Listener {
    /// Whether requests that come here are looked up in the routes.
    pub fn asks_routes(&self) -> bool {
        self.to.is_none()
            && self.udp.is_none()
            && self.redirect_https.is_none()
            && (self.tcp.is_none() || self.detect)
    }
}

/// How connections come to a listener that were meant for another address, their original destination.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Intercept {
    /// None do.
    Off,
    /// By a rule that rewrites the destination; the kernel remembers it (SO_ORIGINAL_DST).
    Redirect,
    /// By a rule that leaves the packets as they are; the socket takes any address (IP_TRANSPARENT, needs CAP_NET_ADMIN).
    Tproxy,
}

/// Where the datagrams of a UDP listener go, and when a session is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Udp {
    /// Index into `clusters`.
    pub cluster: usize,
    /// No datagram in either direction.
    pub idle: Duration,
    /// Answers to each datagram of a client, after which its session is over. None: only `idle` ends it.
    pub responses: Option<u32>,
}

/// How long a client may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListenerTimeouts {
    /// From the first byte of a request to the end of its head (408).
    pub headers: Duration,
    /// A connection between two requests.
    pub idle: Duration,
    /// Between reads of a request body.
    pub body: Duration,
    /// The whole handshake, with `tls`; a TLS client's ClientHello, where `tcp` asks for what it says.
    pub handshake: Duration,
    /// What a connection begins with, where that is looked for; then it is taken for bytes.
    pub detect: Duration,
    /// A connection of HTTP, from its accept; it ends between two requests. None: no limit.
    pub max_age: Option<Duration>,
}

/// How much a client may send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListenerLimits {
    /// Bytes of a request head (431).
    pub header_bytes: u32,
    /// Fields of a request head (431).
    pub headers: u16,
    /// Bytes of the request target (414); at most `header_bytes`.
    pub target_bytes: u32,
    /// Bytes of a request body (413); None: no limit. A route's `body_limit` comes before it.
    pub body: Option<u64>,
    /// Client connections over all workers; sessions of a UDP listener.
    pub connections: Option<u32>,
    /// Requests of one connection; it ends with the answer to the last. None: no limit.
    pub max_requests: Option<u32>,
}
