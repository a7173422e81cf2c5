//! A scenario: what is asked of the proxies, and what is compared afterwards. Data, read from TOML.
//!
//! Not how it is done: `load` makes the requests, `origin` answers them, `compare` takes turns.

use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};

/// The scenarios that come with the program, by name.
const BUILT_IN: &[(&str, &str)] = &[
    ("h1-small", include_str!("../scenarios/h1-small.toml")),
    ("h1-1k", include_str!("../scenarios/h1-1k.toml")),
    ("h1-64k", include_str!("../scenarios/h1-64k.toml")),
    ("h1-1m", include_str!("../scenarios/h1-1m.toml")),
    ("h1-1m-up", include_str!("../scenarios/h1-1m-up.toml")),
    ("h1-close", include_str!("../scenarios/h1-close.toml")),
    ("h1-many", include_str!("../scenarios/h1-many.toml")),
    ("h1-headers", include_str!("../scenarios/h1-headers.toml")),
    ("h1-routes", include_str!("../scenarios/h1-routes.toml")),
    ("latency-10k", include_str!("../scenarios/latency-10k.toml")),
    ("idle-memory", include_str!("../scenarios/idle-memory.toml")),
    (
        "reload-storm",
        include_str!("../scenarios/reload-storm.toml"),
    ),
    ("h2-small", include_str!("../scenarios/h2-small.toml")),
    ("h2-small-h2", include_str!("../scenarios/h2-small-h2.toml")),
    ("h2-1m", include_str!("../scenarios/h2-1m.toml")),
    ("grpc-unary", include_str!("../scenarios/grpc-unary.toml")),
    (
        "h1-tls-small",
        include_str!("../scenarios/h1-tls-small.toml"),
    ),
    ("h1-tls-1m", include_str!("../scenarios/h1-tls-1m.toml")),
    (
        "tls-handshake",
        include_str!("../scenarios/tls-handshake.toml"),
    ),
    ("tls-resume", include_str!("../scenarios/tls-resume.toml")),
    ("mtls-small", include_str!("../scenarios/mtls-small.toml")),
    (
        "idle-memory-tls",
        include_str!("../scenarios/idle-memory-tls.toml"),
    ),
    ("l4-bulk", include_str!("../scenarios/l4-bulk.toml")),
    (
        "l4-bulk-bidirectional",
        include_str!("../scenarios/l4-bulk-bidirectional.toml"),
    ),
    ("l4-echo-64b", include_str!("../scenarios/l4-echo-64b.toml")),
    (
        "l4-connect-rate",
        include_str!("../scenarios/l4-connect-rate.toml"),
    ),
];

/// One scenario.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Scenario {
    /// What the command line calls it.
    pub(crate) name: String,
    /// One line for people.
    pub(crate) about: String,
    /// How long is counted, in seconds.
    pub(crate) seconds: f64,
    /// How long the same load runs before counting, in seconds.
    pub(crate) warm_up: f64,
    /// What is passed on.
    #[serde(default)]
    pub(crate) protocol: Protocol,
    /// What the clients do.
    pub(crate) load: Load,
    /// What the origin answers.
    #[serde(default)]
    pub(crate) origin: Origin,
    /// What the proxy has besides one listener and one upstream.
    #[serde(default)]
    pub(crate) proxy: Proxy,
    /// Clients come by TLS 1.3.
    #[serde(default)]
    pub(crate) tls: Option<Tls>,
    /// What is compared; the first is the main one.
    pub(crate) figures: Vec<Figure>,
}

/// What the proxies are to understand of it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Protocol {
    /// Requests and answers.
    #[default]
    Http,
    /// Bytes.
    Tcp,
}

/// What the clients do.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Load {
    pub(crate) kind: Kind,
    /// Open connections, over all load workers.
    pub(crate) connections: usize,
    /// How many of them have a request in flight (closed loop); all, if not said. They take turns.
    #[serde(default)]
    pub(crate) active: Option<usize>,
    /// Requests per second (open loop).
    #[serde(default)]
    pub(crate) rate: Option<f64>,
    /// A new connection for each request.
    #[serde(default)]
    pub(crate) close: bool,
    /// The host is a random one of so many; 0: always the same.
    #[serde(default)]
    pub(crate) hosts: usize,
    /// Header fields of a request, besides Host.
    #[serde(default = "three")]
    pub(crate) fields: usize,
    /// The request's head has at least so many bytes.
    #[serde(default)]
    pub(crate) head_bytes: usize,
    /// Bytes of a request's body; 0: a GET. Over TCP: of the message that is sent back.
    #[serde(default)]
    pub(crate) body: usize,
    /// A connection that is closed between two requests is opened again and counted, instead of failing the run.
    #[serde(default)]
    pub(crate) survive_close: bool,
    /// Not only the origin pours, the client does too.
    #[serde(default)]
    pub(crate) both: bool,
    /// Requests in flight on each connection, by HTTP/2; 0: one, by HTTP/1.1.
    #[serde(default)]
    pub(crate) streams: usize,
}

fn three() -> usize {
    3
}

/// How requests follow each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Kind {
    /// The next request of a connection when the answer is in.
    Closed,
    /// At a fixed rate, whatever the answers do; latency counts from the intended start.
    Open,
    /// One request per connection, which then stays open.
    Idle,
    /// No requests: bytes without end (TCP). Each MiB that has passed counts as one.
    Pour,
}

/// What the origin answers.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Origin {
    /// Bytes of an answer's body.
    pub(crate) body: usize,
    /// Header fields of an answer, Content-Length included.
    #[serde(default = "three")]
    pub(crate) fields: usize,
    /// The answer's head has at least so many bytes.
    #[serde(default)]
    pub(crate) head_bytes: usize,
    /// It speaks HTTP/2.
    #[serde(default)]
    pub(crate) http2: bool,
    /// Bodies are messages of gRPC, and trailers end its answers. (By HTTP/2.)
    #[serde(default)]
    pub(crate) grpc: bool,
}

/// What a proxy has besides one listener and one upstream.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Proxy {
    /// So many routes, each for one host; 0: one for all.
    #[serde(default)]
    pub(crate) routes: usize,
    /// Reload so often while under load, in milliseconds.
    #[serde(default)]
    pub(crate) reload_every: Option<u64>,
}

/// How TLS is spoken.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Tls {
    /// A client's connections after its first resume a session; otherwise every handshake is a full one, and no tickets are asked for
    /// where that can be said.
    #[serde(default)]
    pub(crate) resume: bool,
    /// Clients have a certificate, and the origin speaks TLS as well and wants one of the proxy.
    #[serde(default)]
    pub(crate) mutual: bool,
}

/// What is compared. All are costs: less is better, and a ratio is the peer's cost divided by Ringway's.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Figure {
    pub(crate) of: Cost,
    /// The least ratio that is wanted, by peer.
    #[serde(default)]
    pub(crate) bars: std::collections::BTreeMap<String, f64>,
}

/// A cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Cost {
    /// CPU time of the proxy per request.
    CpuPerRequest,
    /// CPU time of the proxy per body byte (up and down).
    CpuPerByte,
    /// Median latency.
    P50,
    /// 99th percentile of latency.
    P99,
    /// 99.9th percentile of latency.
    P999,
    /// Resident memory per idle connection.
    BytesPerConnection,
}

impl Scenario {
    /// A built-in scenario by its name, or a file's.
    pub(crate) fn find(name: &str) -> io::Result<Scenario> {
        let text = match BUILT_IN.iter().find(|(known, _)| *known == name) {
            Some((_, text)) => (*text).to_owned(),
            None if Path::new(name).exists() => std::fs::read_to_string(name)?,
            None => {
                let known: Vec<&str> = BUILT_IN.iter().map(|(name, _)| *name).collect();
                return Err(io::Error::other(format!(
                    "no scenario `{name}`; there are {}, or give a TOML file",
                    known.join(", ")
                )));
            }
        };
        let scenario: Scenario =
            toml::from_str(&text).map_err(|e| io::Error::other(format!("{name}: {e}")))?;
        scenario.check().map_err(io::Error::other)?;
        Ok(scenario)
    }

    /// Its names, for help and tests.
    pub(crate) fn names() -> impl Iterator<Item = &'static str> {
        BUILT_IN.iter().map(|(name, _)| *name)
    }

    fn check(&self) -> Result<(), String> {
        let bad = |what: &str| Err(format!("{}: {what}", self.name));
        let load = &self.load;
        if load.connections == 0 || load.active == Some(0) {
            return bad("no connection");
        }
        if load.active.is_some_and(|a| a > load.connections) {
            return bad("more active connections than connections");
        }
        if (load.kind == Kind::Open) != load.rate.is_some() {
            return bad("`rate` belongs to an open loop, and an open loop needs it");
        }
        if load.hosts > self.proxy.routes {
            return bad("more hosts than routes");
        }
        if let Err(what) = self.check_http2() {
            return bad(what);
        }
        if let Err(what) = self.check_tls() {
            return bad(what);
        }
        if self.figures.is_empty() {
            return bad("no figure");
        }
        let pours = load.kind == Kind::Pour;
        match self.protocol {
            Protocol::Http if pours || load.both => return bad("pouring is for TCP"),
            Protocol::Tcp if pours == (load.body > 0) => {
                return bad("TCP either pours or sends messages of `body` bytes");
            }
            Protocol::Tcp if load.kind == Kind::Idle || self.proxy.routes > 0 => {
                return bad("TCP has neither routes nor idle connections");
            }
            Protocol::Http | Protocol::Tcp => {}
        }
        let memory = self
            .figures
            .iter()
            .any(|f| f.of == Cost::BytesPerConnection);
        if memory != (load.kind == Kind::Idle) {
            return bad("bytes-per-connection belongs to idle connections");
        }
        Ok(())
    }
}

impl Scenario {
    fn check_http2(&self) -> Result<(), &'static str> {
        let (load, origin) = (&self.load, &self.origin);
        let is_simple = load.kind == Kind::Closed
            && self.protocol == Protocol::Http
            && load.active.is_none()
            && !load.close
            && !load.survive_close
            && load.hosts == 0
            && load.head_bytes + origin.head_bytes == 0;
        if (load.streams > 0 || origin.http2) && !is_simple {
            return Err("HTTP/2 has one request, in a closed loop of connections that stay");
        }
        if origin.grpc && !(load.streams > 0 && origin.http2 && load.body > 0) {
            return Err("gRPC has messages both ways, by HTTP/2 on both sides");
        }
        Ok(())
    }
}

impl Scenario {
    fn check_tls(&self) -> Result<(), &'static str> {
        let Some(tls) = &self.tls else { return Ok(()) };
        if self.protocol != Protocol::Http || self.load.streams > 0 || self.origin.http2 {
            return Err("TLS is for HTTP/1.1");
        }
        if tls.resume && !self.load.close {
            return Err("to resume takes a new connection for each request");
        }
        Ok(())
    }
}

impl Cost {
    /// How a person calls it, with its unit.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Cost::CpuPerRequest => "CPU us per request",
            Cost::CpuPerByte => "CPU ns per KiB",
            Cost::P50 => "p50 us",
            Cost::P99 => "p99 us",
            Cost::P999 => "p99.9 us",
            Cost::BytesPerConnection => "bytes per idle connection",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_built_in_scenario_is_sound_and_has_its_own_name() {
        for name in Scenario::names() {
            let scenario = Scenario::find(name).unwrap();
            assert_eq!(scenario.name, name);
            assert!(scenario.about.len() > 20, "{name}: say what it is");
        }
    }

    type Change = fn(&mut Scenario);

    #[test]
    fn what_makes_no_sense_is_refused() {
        let good = toml::from_str::<Scenario>(BUILT_IN[0].1).unwrap();
        let change: [(&str, Change); 12] = [
            ("no connection", |s| s.load.connections = 0),
            ("more active", |s| s.load.active = Some(65)),
            ("open loop", |s| s.load.rate = Some(1.0)),
            ("more hosts", |s| s.load.hosts = 1),
            ("no figure", |s| s.figures.clear()),
            ("pouring", |s| s.load.kind = Kind::Pour),
            ("a closed loop", |s| {
                (s.load.streams, s.load.close) = (16, true);
            }),
            ("TLS is for", |s| {
                (s.load.streams, s.tls) = (16, Some(Tls::default()));
            }),
            ("to resume", |s| {
                s.tls = Some(Tls {
                    resume: true,
                    mutual: false,
                });
            }),
            ("messages both ways", |s| s.origin.grpc = true),
            ("either pours", |s| s.protocol = Protocol::Tcp),
            ("neither routes", |s| {
                (s.protocol, s.load.body, s.proxy.routes) = (Protocol::Tcp, 1, 1);
            }),
        ];
        assert_eq!(good.check(), Ok(()));
        for (what, change) in change {
            let mut bad = good.clone();
            change(&mut bad);
            let told = bad.check().unwrap_err();
            assert!(told.contains(what), "{told}");
        }
        assert!(toml::from_str::<Scenario>(&format!("{}\n[more]\n", BUILT_IN[0].1)).is_err());
    }
}
