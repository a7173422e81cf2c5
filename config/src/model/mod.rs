//! The checked configuration: every name resolved, every unit converted, every default filled in. What `core` assembles from.
#![allow(missing_docs)]
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    pub server: Server,
    pub listeners: Vec<Listener>,
    pub routes: Vec<Route>,
    /// Named clusters, and one for each route or listener with inline endpoints (named `route:<name>`, `listener:<name>`).
    pub clusters: Vec<Cluster>,
    pub admin: Admin,
    pub access_log: AccessLog,
}
/// Where in the text something was defined.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Place { pub path: String, pub line: u32 }

#[derive(Debug, Clone, PartialEq)]
pub struct Server {
    pub workers: Workers, pub io: Io, pub drain: Duration, pub trusted_proxies: Vec<Cidr>,
    /// Our name in Via; default `ringway`.
    pub name: String,
}
#[derive(Debug, Clone, Copy, PartialEq, Eq)] pub enum Workers { Auto, Count(u16) }
#[derive(Debug, Clone, Copy, PartialEq, Eq)] pub enum Io { Auto, Uring, Epoll }
/// An address block; a bare address is a /32 or /128.
#[derive(Debug, Clone, Copy, PartialEq, Eq)] pub struct Cidr { pub addr: IpAddr, pub prefix: u8 }

#[derive(Debug, Clone, PartialEq)]
pub struct Listener {
    pub name: String, pub at: Place,
    /// `":8080"` is all IPv4 and IPv6 addresses (one dual-stack socket on `[::]`); port 0 is allowed (tests).
    pub bind: Vec<SocketAddr>,
    pub timeouts: ListenerTimeouts, pub limits: ListenerLimits,
    /// This listener serves one cluster, no routes needed (index into `clusters`).
    pub to: Option<usize>,
    /// The timeouts of exchanges through `to`: those of `[defaults]`.
    pub route_timeouts: RouteTimeouts,
}
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListenerTimeouts { pub headers: Duration, pub idle: Duration, /// Between reads of a request body.
    pub body: Duration }
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListenerLimits { pub header_bytes: u32, pub headers: u16, pub target_bytes: u32, pub body: Option<u64>, /// Client connections over all workers.
    pub connections: Option<u32> }

#[derive(Debug, Clone, PartialEq)]
pub struct Route {
    /// Given, or made from the position: `route-1`.
    pub name: String, pub at: Place,
    pub matches: Match, pub action: Action,
    pub request_headers: Vec<HeaderEdit>, pub response_headers: Vec<HeaderEdit>,
    pub timeouts: RouteTimeouts,
    /// Body limit of this route, before the listener's.
    pub body_limit: Option<u64>,
}
/// All given conditions must hold.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Match {
    /// Any of these listeners (by index); empty: all.
    pub listeners: Vec<usize>,
    /// Any of these; empty: any host.
    pub hosts: Vec<HostMatch>,
    /// Any of these; empty: any path.
    pub paths: Vec<PathMatch>,
    /// Upper-case; empty: any.
    pub methods: Vec<String>,
    pub headers: Vec<(String, ValueMatch)>,
    pub query: Vec<(String, ValueMatch)>,
}
#[derive(Debug, Clone, PartialEq, Eq)] pub enum HostMatch { /// Lower-case, without port.
    Exact(String), /// `*.x`: one or more labels in front of `.x`; holds `x`.
    Wildcard(String) }
#[derive(Debug, Clone, PartialEq, Eq)] pub enum PathMatch { Exact(String), /// `"/api/*"`: holds `/api`; matches it and what is below at a segment boundary. `"/*"` holds the empty string.
    Prefix(String), /// Must match the whole path.
    Regex(String) }
#[derive(Debug, Clone, PartialEq, Eq)] pub enum ValueMatch { Exact(String), Present, Regex(String) }

#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    Forward { /// Weights relative, at least one above 0.
        targets: Vec<Target>, split_by: Option<SplitBy>, rewrite: Option<Rewrite> },
    Redirect { /// 301, 302, 303, 307 or 308.
        status: u16, /// Template: `https://{host}{path}{query}` and captures.
        location: Template },
    Respond { status: u16, body: String, content_type: String },
}
#[derive(Debug, Clone, Copy, PartialEq, Eq)] pub struct Target { pub cluster: usize, pub weight: u32 }
#[derive(Debug, Clone, PartialEq, Eq)] pub enum SplitBy { Header(String), Cookie(String), ClientIp }
#[derive(Debug, Clone, PartialEq)]
pub enum Rewrite { /// The matched prefix (of the route's only prefix path) is replaced by this.
    Prefix(String), /// The whole path becomes this template.
    Path(Template) }
/// Text with `{name}` parts: captures of the route's regexes, or `host`, `path`, `query` (with its `?`), `client_ip`, `request_id`, `listener`, `route`. `{{` is `{`.
#[derive(Debug, Clone, PartialEq, Eq)] pub struct Template { pub parts: Vec<Part> }
#[derive(Debug, Clone, PartialEq, Eq)] pub enum Part { Literal(String), Variable(String) }
#[derive(Debug, Clone, PartialEq)]
pub enum HeaderEdit { Set { name: String, value: Template }, Add { name: String, value: Template }, Remove { name: String } }
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RouteTimeouts { pub connect: Duration, pub first_byte: Duration, pub idle: Duration, /// For upgraded streams.
    pub tunnel_idle: Duration, pub total: Option<Duration> }

#[derive(Debug, Clone, PartialEq)]
pub struct Cluster {
    pub name: String, pub at: Place, pub endpoints: Vec<Endpoint>, pub balance: Balance, pub limits: ClusterLimits,
    pub host: HostSent, /// Idle upstream connections are closed after this.
    pub pool_idle: Duration,
}
#[derive(Debug, Clone, PartialEq, Eq)] pub struct Endpoint { pub address: Address, pub weight: u32, pub backup: bool }
#[derive(Debug, Clone, PartialEq, Eq, Hash)] pub enum Address { Ip(SocketAddr), Name { host: String, port: u16 }, Unix(PathBuf) }
#[derive(Debug, Clone, Copy, PartialEq, Eq)] pub enum Balance { P2c, RoundRobin, Random }
#[derive(Debug, Clone, Copy, PartialEq, Eq)] pub struct ClusterLimits { pub connections: u32, pub requests: u32, pub queue: u32, pub queue_for: Duration }
#[derive(Debug, Clone, PartialEq, Eq)] pub enum HostSent { /// The client's.
    Keep, /// `host = "upstream"`: the endpoint's address as written.
    Upstream, Literal(String) }

#[derive(Debug, Clone, PartialEq)]
pub struct Admin { pub bind: Vec<AdminBind>, pub token: Option<Secret> }
/// Default: `unix:` + a path under the runtime directory (see defaults).
#[derive(Debug, Clone, PartialEq, Eq)] pub enum AdminBind { Tcp(SocketAddr), Unix(PathBuf) }
/// Shown as `***`.
#[derive(Clone, PartialEq, Eq)] pub enum Secret { Literal(String), File(PathBuf), Env(String) }
impl std::fmt::Debug for Secret { fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result { f.write_str("***") } }
#[derive(Debug, Clone, PartialEq, Eq)] pub struct AccessLog { pub to: LogTo }
#[derive(Debug, Clone, PartialEq, Eq)] pub enum LogTo { Off, Stdout, Stderr, File(PathBuf) }
