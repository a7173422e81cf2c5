//! `[clusters.x]`: sets of endpoints, how one is picked, how much they may carry.
//! Not whether an endpoint is well at the moment.

use super::{ClusterTls, Place};
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

/// A set of endpoints that serve the same.
#[derive(Debug, Clone, PartialEq)]
pub struct Cluster {
    /// Unique; `route:<name>` and `listener:<name>` are the inline ones.
    pub name: String,
    /// Where it is defined.
    pub at: Place,
    /// At least one, with a weight above 0; none where `original` says where.
    pub endpoints: Vec<Endpoint>,
    /// Not endpoints of its own, but where each connection was going when it was intercepted.
    pub original: Option<Original>,
    /// How one is picked.
    pub balance: Balance,
    /// How much the cluster may carry, over all workers.
    pub limits: ClusterLimits,
    /// Which Host the upstream sees.
    pub host: HostSent,
    /// Idle upstream connections are closed after this.
    pub pool_idle: Duration,
    /// As whom connections to endpoints are made.
    pub source: SourceSent,
    /// The PROXY header with which a connection to an endpoint begins.
    pub proxy_protocol: ProxySent,
    /// What is spoken to the endpoints.
    pub protocol: Protocol,
    /// How endpoints are spoken to by TLS, after the PROXY header. None: plain.
    pub tls: Option<ClusterTls>,
}

/// One address of a cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// Where to connect.
    pub address: Address,
    /// Relative to the others; 0: none, but it stays known.
    pub weight: u32,
    /// Used only when no other can be.
    pub backup: bool,
}

/// Where to connect. Shown as it is written in a file.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Address {
    /// `10.0.0.1:80`, `[::1]:80`.
    Ip(SocketAddr),
    /// `name:80`, resolved by the caller.
    Name {
        /// Lower-case.
        host: String,
        /// Above 0.
        port: u16,
    },
    /// `unix:/path`, or `unix:@name` (abstract); the `@` is kept.
    Unix(PathBuf),
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Ip(address) => write!(f, "{address}"),
            Address::Name { host, port } => write!(f, "{host}:{port}"),
            Address::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// Where an intercepted connection goes on to: the port is always that of its original destination. Shown as it is written in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Original {
    /// `original`: its original destination.
    Destination,
    /// `original:localhost`: the loopback address of the same family.
    Localhost,
    /// `original:10.0.0.1`: this address.
    At(IpAddr),
}

impl fmt::Display for Original {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Original::Destination => write!(f, "original"),
            Original::Localhost => write!(f, "original:localhost"),
            Original::At(ip) => write!(f, "original:{ip}"),
        }
    }
}

/// Which source address the upstream sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SourceSent {
    /// Ours, by the kernel's choice.
    Own,
    /// The client's (IP_TRANSPARENT, needs CAP_NET_ADMIN and a way back through us).
    Client,
}

/// How an endpoint is picked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Balance {
    /// The less loaded of two drawn by chance.
    P2c,
    /// In turn.
    RoundRobin,
    /// By chance.
    Random,
}

/// How much a cluster may carry, exact over all workers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClusterLimits {
    /// Upstream connections.
    pub connections: u32,
    /// Requests in flight.
    pub requests: u32,
    /// Requests that wait for one of the above; 0: none waits.
    pub queue: u32,
    /// How long one waits (503).
    pub queue_for: Duration,
}

/// The PROXY header that names the client to the upstream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProxySent {
    /// None.
    Off,
    /// A line of text.
    V1,
    /// Binary.
    V2,
    /// Binary with a checksum.
    V2Crc32c,
}

/// What is spoken to the endpoints of a cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// HTTP/1.1.
    H1,
    /// HTTP/2, from the first octet (prior knowledge).
    H2,
    /// Of both, what an endpoint chooses by ALPN. Only with `tls`.
    Auto,
}

/// Which Host the upstream sees.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HostSent {
    /// The client's.
    Keep,
    /// `host = "upstream"`: the endpoint's address as written.
    Upstream,
    /// This.
    Literal(String),
}
