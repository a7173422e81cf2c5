//! The checked configuration: every name resolved, every unit converted, every default filled in.
//! Not the text's shape (that is `raw`), and not what a worker runs (core assembles that from this).

mod access_log;
mod admin;
mod bind;
mod cluster;
mod listener;
mod policy;
mod route;
mod server;
mod tcp;
mod tls;

pub use access_log::{AccessLog, LogTo};
pub use admin::{Admin, AdminBind, Secret};
pub use bind::{Bind, UnixBind};
pub use cluster::{
    Address, Balance, Cluster, ClusterLimits, Endpoint, HostSent, Original, Protocol, ProxySent,
    SourceSent,
};
pub use listener::{Intercept, Listener, ListenerLimits, ListenerTimeouts, Udp};
pub use policy::{Allow, AllowRule, IdentityMatch};
pub use route::{
    Action, Calls, HeaderEdit, HostMatch, Match, Part, PathMatch, Rewrite, Route, RouteTimeouts,
    SplitBy, Target, Template, ValueMatch,
};
pub use server::{Cidr, Io, Peer, Server, Workers};
pub use tcp::{Destination, Tcp, TcpMatch, TcpRoute};
pub use tls::{CertificateFiles, ClientCert, ClusterTls, Tls, TlsVersion};

/// One configuration, ready to be assembled. Indices point into `listeners`, `clusters` and `tls`.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// Process-wide settings.
    pub server: Server,
    /// In the order of the sources; at least one.
    pub listeners: Vec<Listener>,
    /// The first that matches wins; the main file's come before the included ones.
    pub routes: Vec<Route>,
    /// Named clusters, and one for each route or listener with inline endpoints (named `route:<name>`, `listener:<name>`).
    pub clusters: Vec<Cluster>,
    /// Certificates, trust and what is spoken, by name.
    pub tls: Vec<Tls>,
    /// Where metrics, health and the API are served.
    pub admin: Admin,
    /// Where the access log goes.
    pub access_log: AccessLog,
    /// `[defaults] timeouts`, for exchanges that no route decides (listeners with `to`).
    pub default_timeouts: RouteTimeouts,
}

/// Where in the text something was defined.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Place {
    /// The source's path, as the caller named it.
    pub path: String,
    /// From 1.
    pub line: u32,
}
