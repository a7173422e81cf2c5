//! Every built-in default, once: the model is filled from these constants and `defaults()` shows the same ones.
//! Not the `[defaults]` table of a file, which comes before them.

use crate::model::{
    Balance, ClientCert, ClusterLimits, HostSent, Intercept, Io, ListenerLimits, ListenerTimeouts,
    LogTo, Protocol, ProxySent, RouteTimeouts, SourceSent, TlsVersion, Workers,
};
use crate::units::{show_duration, show_size};
use std::sync::LazyLock;
use std::time::Duration;

/// A built-in default, for `ringway config defaults`.
#[derive(Debug, Clone, Copy)]
pub struct Default {
    /// The key with the table it stands in, as in `[listeners.x] timeouts.headers`.
    pub key: &'static str,
    /// As it would be written in a file; `none` where leaving the key out is the only way to say it.
    pub value: &'static str,
    /// Why this value.
    pub reason: &'static str,
}

pub(crate) const WORKERS: Workers = Workers::Auto;
pub(crate) const IO: Io = Io::Auto;
pub(crate) const DRAIN: Duration = Duration::from_secs(30);
pub(crate) const NAME: &str = "ringway";
pub(crate) const LISTENER_TIMEOUTS: ListenerTimeouts = ListenerTimeouts {
    headers: Duration::from_secs(10),
    idle: Duration::from_secs(75),
    body: Duration::from_secs(30),
    handshake: Duration::from_secs(10),
    detect: Duration::from_secs(1),
    max_age: None,
};
pub(crate) const SOCKET_MODE: u32 = 0o660;
pub(crate) const DETECT: bool = false;
pub(crate) const LISTENER_LIMITS: ListenerLimits = ListenerLimits {
    header_bytes: 64 << 10,
    headers: 100,
    target_bytes: 16 << 10,
    body: None,
    connections: None,
    max_requests: None,
};
pub(crate) const UDP_IDLE: Duration = Duration::from_secs(60);
pub(crate) const UDP_SESSIONS: u32 = 10_000;
pub(crate) const ROUTE_TIMEOUTS: RouteTimeouts = RouteTimeouts {
    connect: Duration::from_secs(1),
    first_byte: Duration::from_secs(15),
    idle: Duration::from_secs(300),
    tunnel_idle: Duration::from_secs(3600),
    total: None,
};
pub(crate) const GRPC_WEB: bool = false;
pub(crate) const HTTPS_PORT: u16 = 443;
pub(crate) const CLIENT_CERT: ClientCert = ClientCert::Unasked;
pub(crate) const MIN_VERSION: TlsVersion = TlsVersion::Tls12;
pub(crate) const ENFORCE: bool = true;
pub(crate) const REDIRECT_STATUS: u16 = 307;
pub(crate) const RESPOND_STATUS: u16 = 200;
pub(crate) const RESPOND_TYPE: &str = "text/plain; charset=utf-8";
pub(crate) const WEIGHT: u32 = 1;
pub(crate) const BACKUP: bool = false;
pub(crate) const BALANCE: Balance = Balance::P2c;
pub(crate) const CLUSTER_LIMITS: ClusterLimits = ClusterLimits {
    connections: 10_000,
    requests: 10_000,
    queue: 1_000,
    queue_for: Duration::from_secs(1),
};
pub(crate) const HOST: HostSent = HostSent::Keep;
pub(crate) const SOURCE_SENT: SourceSent = SourceSent::Own;
pub(crate) const INTERCEPT: Intercept = Intercept::Off;
/// The same as ztunnel's, so that rules written for it fit.
pub const MARK: u32 = 1337;
pub(crate) const PROXY_SENT: ProxySent = ProxySent::Off;
pub(crate) const PROTOCOL: Protocol = Protocol::H1;
pub(crate) const POOL_IDLE: Duration = Duration::from_secs(4);
pub(crate) const ADMIN_SOCKET: &str = "/run/ringway/admin.sock";
pub(crate) const LOG_TO: LogTo = LogTo::Stdout;

/// Every default with its reason; the values are rendered from the same constants that the model uses (a test holds them together).
pub fn defaults() -> &'static [Default] {
    static TABLE: LazyLock<Vec<Default>> = LazyLock::new(table);
    &TABLE
}

fn table() -> Vec<Default> {
    let mut rows = server();
    rows.extend(listener());
    rows.extend(route());
    rows.extend(cluster());
    rows.extend(security());
    rows.extend(seen_from_outside());
    rows
}

/// The table lives as long as the process and is made once, so its texts may be leaked.
fn row(key: &'static str, value: String, reason: &'static str) -> Default {
    Default {
        key,
        value: value.leak(),
        reason,
    }
}

fn text(value: &str) -> String {
    format!("\"{value}\"")
}

fn time(value: Duration) -> String {
    text(&show_duration(value))
}

fn bytes(value: u64) -> String {
    text(&show_size(value))
}

fn or_none<T>(value: Option<T>, show: impl Fn(T) -> String) -> String {
    value.map_or_else(|| "none".to_owned(), show)
}

fn server() -> Vec<Default> {
    let workers = match WORKERS {
        Workers::Auto => text("auto"),
        Workers::Count(count) => count.to_string(),
    };
    let io = match IO {
        Io::Auto => "auto",
        Io::Uring => "io_uring",
        Io::Epoll => "epoll",
    };
    vec![
        row(
            "[server] workers",
            workers,
            "One worker per core that the process may use: each has its own ring, and none waits for another.",
        ),
        row(
            "[server] io",
            text(io),
            "io_uring where the kernel allows it, else epoll, and the log says which. Containers often forbid io_uring.",
        ),
        row(
            "[server] drain",
            time(DRAIN),
            "Between Envoy's seconds and HAProxy's forever: readiness fails first, and what is cut at the end is logged.",
        ),
        row(
            "[server] trusted_proxies",
            "[]".to_owned(),
            "Forwarding fields from a peer that is not listed are replaced: anybody can write them.",
        ),
        row(
            "[server] mark",
            "none".to_owned(),
            "Where a listener intercepts and this user may set marks it is 1337, ztunnel's figure: rules leave our own connections alone by it. 0 for none.",
        ),
        row(
            "[server] name",
            text(NAME),
            "A proxy must name itself in Via (RFC 9110 §7.6.3); give each its own, so that a request that comes back is seen at once (508); with the default name it goes round eight times.",
        ),
    ]
}

fn listener() -> Vec<Default> {
    let timeouts = LISTENER_TIMEOUTS;
    let limits = LISTENER_LIMITS;
    vec![
        row(
            "[listeners.x] timeouts.headers",
            time(timeouts.headers),
            "A client that sends its request head drop by drop holds a connection for nothing. Answered 408.",
        ),
        row(
            "[listeners.x] timeouts.idle",
            time(timeouts.idle),
            "nginx's figure: longer than browsers pause within a page, short enough to give the memory back.",
        ),
        row(
            "[listeners.x] timeouts.body",
            time(timeouts.body),
            "Between two reads of a body, so a long upload lives as long as it moves.",
        ),
        row(
            "[listeners.x] tcp: timeouts.connect",
            time(ROUTE_TIMEOUTS.connect),
            "As for routes. The next endpoint is tried after it; that of [defaults] timeouts comes before it.",
        ),
        row(
            "[listeners.x] tcp: timeouts.idle",
            time(ROUTE_TIMEOUTS.tunnel_idle),
            "Database sessions are quiet for long. [defaults] timeouts.tunnel_idle comes before it.",
        ),
        row(
            "[listeners.x] timeouts.handshake",
            time(timeouts.handshake),
            "For the whole handshake of TLS, and for a ClientHello where `tcp` asks for sni or alpn: several round trips of the slowest network, and who stops in the middle holds nothing for longer.",
        ),
        row(
            "[listeners.x] detect: timeouts.detect",
            time(timeouts.detect),
            "What has not begun by then is waiting for the server to speak; longer would be felt with each connection of such a protocol.",
        ),
        row(
            "[listeners.x] timeouts.max_age",
            or_none(timeouts.max_age, time),
            "A connection that works is worth keeping. Where clients should look around again now and then (balancers in front, new workers), an hour does it; each ends up to a tenth earlier, so that not all come back at once.",
        ),
        row(
            "[listeners.x] bind.mode",
            text(&format!("{SOCKET_MODE:04o}")),
            "Owner and group of the socket's file may connect, not everybody on the machine.",
        ),
        row(
            "[listeners.x] bind.owner",
            "none".to_owned(),
            "The file belongs to whoever runs the process.",
        ),
        row(
            "[listeners.x] detect",
            DETECT.to_string(),
            "Who speaks what is known where it is written; guessing costs server-first protocols a second.",
        ),
        row(
            "[listeners.x] limits.header_bytes",
            bytes(limits.header_bytes.into()),
            "Large cookies fit, a memory attack does not. Answered 431.",
        ),
        row(
            "[listeners.x] limits.headers",
            limits.headers.to_string(),
            "Envoy's and HAProxy's figure; real requests have 10 to 40 fields. Answered 431.",
        ),
        row(
            "[listeners.x] limits.target_bytes",
            bytes(limits.target_bytes.into()),
            "Longer than any browser sends. Never more than header_bytes. Answered 414.",
        ),
        row(
            "[listeners.x] limits.body",
            or_none(limits.body, bytes),
            "Bodies are streamed and cost no memory here; what is too large only the service knows. Answered 413 if set.",
        ),
        row(
            "[listeners.x] limits.connections",
            or_none(limits.connections, |count| count.to_string()),
            "The limit of open files is the bound until one is written.",
        ),
        row(
            "[listeners.x] limits.max_requests",
            or_none(limits.max_requests, |count| count.to_string()),
            "As for timeouts.max_age, which says the same in time.",
        ),
        row(
            "[listeners.x] udp: timeouts.idle",
            time(UDP_IDLE),
            "Envoy's figure. nginx's ten minutes keep a socket for each client that is long gone, and connection tracking on the way (30 s, 120 s for streams) forgets them earlier anyway.",
        ),
        row(
            "[listeners.x] udp: limits.connections",
            UDP_SESSIONS.to_string(),
            "Sessions. Anybody can write any sender into a datagram, so there must be a bound; that of a cluster's connections.",
        ),
        row(
            "[listeners.x] responses",
            "none".to_owned(),
            "Only who knows the protocol knows how many answers a datagram has; one for DNS. Without it, silence ends a session.",
        ),
        row(
            "[listeners.x] proxy_protocol",
            "none".to_owned(),
            "Whoever may send a PROXY header may choose who to be, so it is never guessed: only where it is written, only from whom it says.",
        ),
        row(
            "[listeners.x] intercept",
            match INTERCEPT {
                Intercept::Off => "none",
                Intercept::Redirect => "\"redirect\"",
                Intercept::Tproxy => "\"tproxy\"",
            }
            .to_owned(),
            "Connections are for us unless rules of the kernel bring those of others here (`ringway intercept`).",
        ),
    ]
}

fn route() -> Vec<Default> {
    let timeouts = ROUTE_TIMEOUTS;
    vec![
        row(
            "[[routes]] timeouts.connect",
            time(timeouts.connect),
            "Within a data center a connection stands in milliseconds; a second means that nobody is there. Answered 503.",
        ),
        row(
            "[[routes]] timeouts.first_byte",
            time(timeouts.first_byte),
            "From the request sent to the head of the response, which is what a hanging service misses. Answered 504.",
        ),
        row(
            "[[routes]] timeouts.idle",
            time(timeouts.idle),
            "No byte in either direction; a stream that moves may live for ever.",
        ),
        row(
            "[[routes]] timeouts.tunnel_idle",
            time(timeouts.tunnel_idle),
            "WebSockets are quiet for long by their nature, hence an hour.",
        ),
        row(
            "[[routes]] timeouts.total",
            or_none(timeouts.total, time),
            "A total kills downloads and streams: Envoy's 15 s is its most hit surprise. Write one where it is meant.",
        ),
        row(
            "[[routes]] to.weight",
            WEIGHT.to_string(),
            "Weights are relative, so equal ones share equally.",
        ),
        row(
            "[[routes]] split_by",
            "none".to_owned(),
            "By chance, request by request; a header, a cookie or the address keeps a user on one side.",
        ),
        row(
            "[[routes]] redirect.status",
            REDIRECT_STATUS.to_string(),
            "Keeps the method and is not remembered by browsers, so a wrong rule can be taken back. 308 once it is right.",
        ),
        row(
            "[[routes]] respond.status",
            RESPOND_STATUS.to_string(),
            "The usual answer of a health or text route.",
        ),
        row(
            "[[routes]] respond.content_type",
            text(RESPOND_TYPE),
            "Text that no browser runs.",
        ),
        row(
            "[[routes]] grpc_web",
            GRPC_WEB.to_string(),
            "An endpoint may speak gRPC-Web itself: nothing is translated that nobody asked to be.",
        ),
    ]
}

fn cluster() -> Vec<Default> {
    let limits = CLUSTER_LIMITS;
    let balance = match BALANCE {
        Balance::P2c => "p2c",
        Balance::RoundRobin => "round_robin",
        Balance::Random => "random",
    };
    let host = match HOST {
        HostSent::Keep => "keep".to_owned(),
        HostSent::Upstream => "upstream".to_owned(),
        HostSent::Literal(host) => host,
    };
    let proxy_sent = match PROXY_SENT {
        ProxySent::Off => "off",
        ProxySent::V1 => "v1",
        ProxySent::V2 => "v2",
        ProxySent::V2Crc32c => "v2_crc32c",
    };
    vec![
        row(
            "[clusters.x] balance",
            text(balance),
            "The less loaded of two drawn by chance: close to the best choice, and a slow endpoint gets less by itself.",
        ),
        row(
            "[clusters.x] limits.connections",
            limits.connections.to_string(),
            "Envoy's 1024 bites large users; this is a fuse, exact over all workers. Beyond it requests queue.",
        ),
        row(
            "[clusters.x] limits.requests",
            limits.requests.to_string(),
            "Requests in flight, the same fuse.",
        ),
        row(
            "[clusters.x] limits.queue",
            limits.queue.to_string(),
            "A burst waits, an overload is refused with 503 instead of growing for ever.",
        ),
        row(
            "[clusters.x] limits.queue_for",
            time(limits.queue_for),
            "Longer than this a waiting client has mostly given up. Answered 503.",
        ),
        row(
            "[clusters.x] host",
            text(&host),
            "The service sees the Host that the client asked for, as with Envoy, HAProxy and Caddy.",
        ),
        row(
            "[clusters.x] pool.idle",
            time(POOL_IDLE),
            "Shorter than the idle timeout of common servers (5 s), so that they do not close just as we send.",
        ),
        row(
            "[clusters.x] proxy_protocol",
            text(proxy_sent),
            "A service that does not expect a PROXY header takes it for a broken request. With one, each client has upstream connections of its own.",
        ),
        row(
            "[clusters.x] source",
            text(match SOURCE_SENT {
                SourceSent::Own => "own",
                SourceSent::Client => "client",
            }),
            "Answers must find the way back to us, which for a client's address takes rules of routing.",
        ),
        row(
            "[clusters.x] protocol",
            text(match PROTOCOL {
                Protocol::H1 => "h1",
                Protocol::H2 => "h2",
                Protocol::Auto => "auto",
            }),
            "Every HTTP server speaks HTTP/1.1; whether one speaks HTTP/2 without TLS cannot be found out before it is asked.",
        ),
        row(
            "[clusters.x] endpoints.weight",
            WEIGHT.to_string(),
            "Weights are relative, so equal ones share equally.",
        ),
        row(
            "[clusters.x] endpoints.backup",
            BACKUP.to_string(),
            "Every endpoint takes part unless it is said to wait for the others to fail.",
        ),
    ]
}

fn security() -> Vec<Default> {
    let client_cert = match CLIENT_CERT {
        ClientCert::Unasked => "none",
        ClientCert::Optional => "optional",
        ClientCert::Required => "required",
    };
    let min_version = match MIN_VERSION {
        TlsVersion::Tls12 => "1.2",
        TlsVersion::Tls13 => "1.3",
    };
    vec![
        row(
            "[listeners.x] tls",
            "none".to_owned(),
            "Without certificates there is nothing to show.",
        ),
        row(
            "[listeners.x] redirect",
            "none".to_owned(),
            "Plain HTTP is served unless it is said. `\"https\"` means port 443, as browsers do, and is answered 308, which keeps the method.",
        ),
        row(
            "[tls.x] client_cert",
            client_cert.to_owned(),
            "Browsers ask their user about certificates, so a server asks only where it is meant.",
        ),
        row(
            "[tls.x] min_version",
            text(min_version),
            "Older versions are broken and not built in; 1.3 alone would lock out clients that are in use.",
        ),
        row(
            "[tls.x] trust",
            "none".to_owned(),
            "Upstreams are then verified by the system's roots. Clients are believed only by authorities that are written down.",
        ),
        row(
            "[clusters.x] tls",
            "none".to_owned(),
            "Services behind a proxy mostly speak plain HTTP. `true` verifies the endpoint's host against the system's roots.",
        ),
        row(
            "[clusters.x] tls.insecure",
            "false".to_owned(),
            "Encryption without verification protects from nobody who can answer; it is logged at each start.",
        ),
        row(
            "enforce",
            ENFORCE.to_string(),
            "Of `allow`: a rule that refuses nobody is for trying it out.",
        ),
    ]
}

fn seen_from_outside() -> Vec<Default> {
    let log = match LOG_TO {
        LogTo::Off => "off".to_owned(),
        LogTo::Stdout => "stdout".to_owned(),
        LogTo::Stderr => "stderr".to_owned(),
        LogTo::File(path) => format!("file:{}", path.display()),
    };
    vec![
        row(
            "[admin] bind",
            format!("[\"unix:{ADMIN_SOCKET}\"]"),
            "Metrics and configuration are for those who may open the file, not for the network.",
        ),
        row(
            "[admin] token",
            "none".to_owned(),
            "The socket's permissions decide; an address on the network should have one.",
        ),
        row(
            "[access_log] to",
            text(&log),
            "What containers and systemd collect; written by a thread of its own, never blocking a worker.",
        ),
    ]
}
