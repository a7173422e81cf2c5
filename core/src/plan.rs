//! A plan is what a checked configuration becomes: compiled, resolved, immutable, shared by all workers. It is not the
//! configuration (that has text, places and names) and holds nothing that changes but shared counters and limits.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use ringway_balancer::{Endpoints, Gate, Load, Tried};
use ringway_config::{Cidr, HostSent, Intercept, Original, Peer, Protocol, ProxySent, SplitBy};
use ringway_protocols::http1::{HeadLimits, Removed};
use ringway_tls::{Acceptor, Connector};
use socket2::SockAddr;

use crate::observe::{ClusterCells, ListenerCells, RouteCells};
use crate::policy::allow::AllowPlan;
use crate::route::{Router, Split, TcpRouter, Template};

/// Everything that a worker needs to serve by one configuration.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) router: Router,
    pub(crate) listeners: Vec<ListenerPlan>,
    /// The file's routes in order, then those of listeners that need none of them: one for `to`, one for each entry of `tcp`.
    pub(crate) routes: Vec<RoutePlan>,
    pub(crate) clusters: Vec<ClusterPlan>,
    /// Ours, of all `[tls.x]`.
    pub(crate) certificates: Vec<CertificatePlan>,
    pub(crate) trusted: Trusted,
    /// SO_MARK of connections to endpoints; 0 for none.
    pub(crate) mark: u32,
    /// Where our listeners are bound: an intercepted connection that was meant for one of these goes nowhere.
    pub(crate) own: Vec<SocketAddr>,
    /// Our name in `Via`.
    pub(crate) via: String,
    /// How long tunnels of a listener that was removed may go on.
    pub(crate) drain_ms: u32,
    /// Where requests that matched no route are counted.
    pub(crate) unrouted: Arc<RouteCells>,
}

/// One certificate of ours, as far as people are told of it.
#[derive(Debug, Clone)]
pub(crate) struct CertificatePlan {
    /// The name of its `[tls.x]`.
    pub(crate) tls: String,
    pub(crate) file: String,
    /// Unix seconds.
    pub(crate) not_after: u64,
}

/// One listener. Durations are in milliseconds.
#[derive(Debug)]
pub(crate) struct ListenerPlan {
    pub(crate) name: String,
    /// Who may do what, where the route does not say it.
    pub(crate) allow: Option<Arc<AllowPlan>>,
    /// The sockets it accepts from.
    pub(crate) doors: Vec<DoorKey>,
    /// Makes the sessions of TLS; None for plain connections.
    pub(crate) tls: Option<Arc<Acceptor>>,
    pub(crate) headers_ms: u32,
    pub(crate) idle_ms: u32,
    pub(crate) body_ms: u32,
    pub(crate) handshake_ms: u32,
    pub(crate) detect_ms: u32,
    /// How long a connection serves, in time and in requests.
    pub(crate) max_age_ms: Option<u32>,
    pub(crate) max_requests: Option<u32>,
    pub(crate) limits: HeadLimits,
    pub(crate) body_limit: Option<u64>,
    /// Client connections over all workers.
    pub(crate) connections: Option<Arc<Gate>>,
    /// Connections come from these alone, and each begins with a PROXY header. None: no header is looked for.
    pub(crate) proxied_from: Option<Trusted>,
    pub(crate) cells: Arc<ListenerCells>,
    /// How connections come here that were meant for another address.
    pub(crate) intercept: Intercept,
    /// The route that takes everything, for a listener with `to` or `udp`.
    pub(crate) only_route: Option<usize>,
    pub(crate) speaks: Speaks,
    /// Which route takes a connection, for a listener that passes bytes.
    pub(crate) tcp: Option<TcpRouter>,
    /// For a listener with `udp`, whose doors are of datagrams.
    pub(crate) udp: Option<UdpPlan>,
}

/// What a listener of datagrams does with them.
#[derive(Debug)]
pub(crate) struct UdpPlan {
    pub(crate) cluster: usize,
    pub(crate) idle_ms: u32,
    /// Answers to each datagram, after which a session is over.
    pub(crate) responses: Option<u32>,
}

/// What a listener expects of connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Speaks {
    /// HTTP, whatever they begin with.
    Http,
    /// Nothing: bytes are passed on.
    Bytes,
    /// HTTP for what begins like it, else bytes.
    Either,
}

/// Names a listening socket over reloads: the address as configured, with the listener's name where the port is 0 (two
/// listeners on port 0 are two sockets).
pub(crate) type DoorKey = String;

/// One route.
#[derive(Debug)]
pub(crate) struct RoutePlan {
    pub(crate) name: String,
    pub(crate) action: ActionPlan,
    /// Who may do what. None: the listener says it.
    pub(crate) allow: Option<Arc<AllowPlan>>,
    pub(crate) request_edits: EditsPlan,
    pub(crate) response_edits: EditsPlan,
    pub(crate) timeouts: Timeouts,
    pub(crate) body_limit: Option<u64>,
    /// Calls of gRPC-Web go on as calls of gRPC.
    pub(crate) grpc_web: bool,
    pub(crate) cells: Arc<RouteCells>,
}

/// A route's patience, in milliseconds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Timeouts {
    pub(crate) connect: u32,
    pub(crate) first_byte: u32,
    pub(crate) idle: u32,
    pub(crate) tunnel_idle: u32,
    pub(crate) total: Option<u32>,
}

/// What a route does.
#[derive(Debug)]
pub(crate) enum ActionPlan {
    Forward {
        split: Split,
        split_by: Option<SplitBy>,
        rewrite: Option<RewritePlan>,
    },
    Redirect {
        status: u16,
        location: Template,
    },
    /// The same address by `https`, on this port.
    ToHttps {
        port: u16,
    },
    Respond {
        status: u16,
        body: Arc<[u8]>,
        content_type: String,
    },
}

/// How the path changes on its way.
#[derive(Debug)]
pub(crate) enum RewritePlan {
    /// So many bytes of the path are replaced by the text.
    Prefix {
        matched: usize,
        with: String,
    },
    Path(Template),
}

/// What a route changes in a head.
#[derive(Debug, Default)]
pub(crate) struct EditsPlan {
    /// Before the list, and not in it.
    pub(crate) removed: Removed,
    pub(crate) list: Vec<EditPlan>,
}

/// A header change with its value compiled.
#[derive(Debug)]
pub(crate) enum EditPlan {
    Set { name: String, value: Template },
    Add { name: String, value: Template },
    Remove { name: String },
}

/// One cluster.
#[derive(Debug)]
pub(crate) struct ClusterPlan {
    pub(crate) name: String,
    pub(crate) endpoints: Endpoints,
    /// By the index that [`Endpoints::pick`] answers.
    pub(crate) targets: Vec<Arc<Target>>,
    pub(crate) requests: Arc<Gate>,
    pub(crate) connections: Arc<Gate>,
    pub(crate) queue_for_ms: u32,
    /// Its only target has no address: each connection's original destination is it.
    pub(crate) original: Option<Original>,
    /// Connections to its endpoints have the client's address.
    pub(crate) as_client: bool,
    pub(crate) host: HostSent,
    pub(crate) pool_idle_ms: u32,
    /// The header that a connection to an endpoint begins with.
    pub(crate) proxy_sent: ProxySent,
    pub(crate) protocol: Protocol,
    /// Whom a connection must find at its other end; None for plain ones.
    pub(crate) tls: Option<Arc<Connector>>,
    pub(crate) cells: Arc<ClusterCells>,
}

impl ClusterPlan {
    /// Whether there is an endpoint to choose that is not among these.
    pub(crate) fn has_untried(&self, tried: &Tried) -> bool {
        (0..self.endpoints.len()).any(|i| !tried.contains(i) && self.endpoints.get(i).weight > 0)
    }
}

/// One endpoint at run time; the same over reloads as long as its cluster keeps it, so that pools and load counts stay. What a client has
/// an endpoint of its own for (`upstream/aim.rs`) has the id and the load of the cluster's.
#[derive(Debug)]
pub(crate) struct Target {
    /// Dense; indexes the workers' pools.
    pub(crate) id: u32,
    /// As written in the file.
    pub(crate) text: String,
    /// Its host, without the port: a name or an IP address; empty for a Unix socket.
    pub(crate) host: String,
    pub(crate) address: SockAddr,
    /// The source address that connections take; None for ours.
    pub(crate) source: Option<IpAddr>,
    /// Made for one client.
    pub(crate) aimed: bool,
    pub(crate) load: Arc<Load>,
}

impl Target {
    /// Whether they stand for the same endpoint of a cluster.
    pub(crate) fn is_kin(&self, other: &Target) -> bool {
        Arc::ptr_eq(&self.load, &other.load)
    }

    /// Whether a connection to one is as good as one to the other.
    pub(crate) fn is_same(&self, other: &Target) -> bool {
        std::ptr::eq(self, other)
            || (self.is_kin(other) && self.address == other.address && self.source == other.source)
    }
}

/// The proxies whose word about the client counts.
#[derive(Debug, Default)]
pub(crate) struct Trusted {
    blocks: Vec<Cidr>,
    /// Whoever comes by a Unix socket.
    unix: bool,
}

impl Trusted {
    pub(crate) fn new(peers: &[Peer]) -> Trusted {
        let block = |peer: &Peer| match peer {
            Peer::Block(block) => Some(*block),
            Peer::Unix => None,
        };
        Trusted {
            blocks: peers.iter().filter_map(block).collect(),
            unix: peers.contains(&Peer::Unix),
        }
    }

    /// Whether `ip` is one of them. An IPv4-mapped IPv6 address counts as its IPv4 address.
    pub(crate) fn contains(&self, ip: IpAddr) -> bool {
        !self.blocks.is_empty() && {
            let ip = ip.to_canonical();
            self.blocks.iter().any(|block| holds(block, ip))
        }
    }

    /// The same for the other end of a connection; None came by a Unix socket.
    pub(crate) fn takes(&self, peer: Option<IpAddr>) -> bool {
        peer.map_or(self.unix, |ip| self.contains(ip))
    }
}

/// Whether the address is in the block.
pub(crate) fn holds(block: &Cidr, ip: IpAddr) -> bool {
    match (block.addr, ip) {
        (IpAddr::V4(b), IpAddr::V4(a)) => same_prefix(
            u128::from(b.to_bits()) << 96,
            u128::from(a.to_bits()) << 96,
            block.prefix,
        ),
        (IpAddr::V6(b), IpAddr::V6(a)) => same_prefix(b.to_bits(), a.to_bits(), block.prefix),
        _ => false,
    }
}

fn same_prefix(a: u128, b: u128, bits: u8) -> bool {
    bits == 0 || (a ^ b) >> (128 - u32::from(bits.min(128))) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(text: &str) -> Peer {
        let (addr, prefix) = text.split_once('/').unwrap();
        Peer::Block(Cidr {
            addr: addr.parse().unwrap(),
            prefix: prefix.parse().unwrap(),
        })
    }

    #[test]
    fn trust_follows_the_prefix() {
        let trusted = Trusted::new(&[
            block("10.0.0.0/8"),
            block("192.168.1.4/32"),
            block("2001:db8::/33"),
        ]);
        for (ip, expected) in [
            ("10.200.3.4", true),
            ("11.0.0.1", false),
            ("192.168.1.4", true),
            ("192.168.1.5", false),
            ("::ffff:10.1.2.3", true),
            ("2001:db8:7fff::1", true),
            ("2001:db8:8000::1", false),
        ] {
            assert_eq!(trusted.contains(ip.parse().unwrap()), expected, "{ip}");
        }
        assert!(Trusted::new(&[block("0.0.0.0/0")]).contains("8.8.8.8".parse().unwrap()));
        assert!(!Trusted::new(&[block("0.0.0.0/0")]).contains("::1".parse().unwrap()));
        assert!(!Trusted::default().contains("10.0.0.1".parse().unwrap()));
        assert!(Trusted::new(&[Peer::Unix]).takes(None) && !trusted.takes(None));
        assert!(trusted.takes("10.0.0.1".parse().ok()));
    }
}
