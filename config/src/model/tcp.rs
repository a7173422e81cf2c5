//! `tcp` of a listener: which connections go where, whatever protocol they speak.
//! Not requests: those have routes.

use super::{Cidr, HostMatch, Target};
use std::time::Duration;

/// Where the connections of a listener go, and how long they may take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tcp {
    /// The first that matches wins; a connection that none takes is refused. Never empty.
    pub routes: Vec<TcpRoute>,
    /// Until a connection to an endpoint stands.
    pub connect: Duration,
    /// No byte in either direction.
    pub idle: Duration,
}

/// One entry of `tcp`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TcpRoute {
    /// Which connections.
    pub matches: TcpMatch,
    /// Weights relative, at least one above 0.
    pub targets: Vec<Target>,
}

/// All given conditions must hold.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TcpMatch {
    /// The name that a TLS client asks for is any of these; empty: any connection.
    pub sni: Vec<HostMatch>,
    /// A TLS client offers any of these protocols; empty: any connection.
    pub alpn: Vec<String>,
    /// An intercepted connection was going to any of these; empty: any connection.
    pub destinations: Vec<Destination>,
}

/// Where an intercepted connection was going: `10.0.0.0/8:5432`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Destination {
    /// None: any address.
    pub block: Option<Cidr>,
    /// None: any port.
    pub port: Option<u16>,
}

impl TcpMatch {
    /// Whether every connection fits.
    pub fn is_any(&self) -> bool {
        self.sni.is_empty() && self.alpn.is_empty() && self.destinations.is_empty()
    }
}
