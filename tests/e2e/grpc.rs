//! gRPC between a client and a server of another implementation (Python's grpcio), where it is installed: every kind of call, its ends, its deadline.
//! What is told without any of them is in `grpc_answers.rs`.

use crate::programs::{Peer, is_there};
use crate::web;
use ringway_tests::{Io, Lines, PATIENCE, Proxy, Scratch, both_drivers, until};
use serde_json::{Value, json};
use std::io::Write as _;
use std::net::SocketAddr;
use std::process::{ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};

const SERVER: &str = include_str!("peers/grpc_server.py");
const CLIENT: &str = include_str!("peers/grpc_client.py");

/// Streams of the storm, unless the environment says otherwise; how long it lasts.
const STREAMS: u32 = 100;
const STORM: Duration = Duration::from_secs(4);

/// A Python program that runs; it ends when its input does.
pub(crate) struct Python {
    _peer: Peer,
    input: Option<ChildStdin>,
    said: Lines,
    _scratch: Scratch,
}

fn python(program: &str, arguments: &[&str]) -> Python {
    let scratch = Scratch::new();
    let mut command = Command::new("python3");
    command
        .arg(scratch.write("peer.py", program))
        .args(arguments);
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("it has said that grpcio is there");
    let said = Lines::default();
    said.follow(child.stdout.take().expect("it was asked to be a pipe"));
    Python {
        input: child.stdin.take(),
        _peer: Peer::new(child),
        said,
        _scratch: scratch,
    }
}

impl Python {
    fn tell(&mut self, line: &str) {
        let input = self.input.as_mut().expect("its input is open");
        writeln!(input, "{line}").expect("it reads its input");
    }

    /// The line at this place of what it says.
    fn line(&self, at: usize) -> String {
        let found = self.said.wait(at, PATIENCE, |line| Some(line.to_owned()));
        found.unwrap_or_else(|| panic!("it said no more than {:?}", self.said.all()))
    }

    /// A call of the server's was taken back.
    fn await_taken_back(&self) {
        self.await_taken_back_times(1);
    }

    /// So many were.
    pub(crate) fn await_taken_back_times(&self, times: usize) {
        until("the server's calls to be taken back", PATIENCE, || {
            let heard = self.said.all();
            let n = heard.iter().filter(|line| *line == "taken back").count();
            (n >= times).then_some(())
        });
    }

    fn json(&self, at: usize) -> Value {
        let line = self.line(at);
        serde_json::from_str(&line).unwrap_or_else(|e| panic!("{line}: {e}"))
    }
}

pub(crate) fn grpcio() -> bool {
    is_there("python3", &["-c", "import grpc"], "Python's grpcio")
}

pub(crate) fn server() -> (Python, SocketAddr) {
    let server = python(SERVER, &[]);
    let line = server.line(0);
    let port = line.strip_prefix("port ").and_then(|p| p.parse().ok());
    let port: u16 = port.unwrap_or_else(|| panic!("no port: {line}"));
    (server, SocketAddr::from(([127, 0, 0, 1], port)))
}

pub(crate) fn between(to: SocketAddr, route: &str) -> String {
    web("")
        + &format!(
            "[[routes]]\nmatch = {{ grpc = \"test.Peer/*\" }}\nto = \"peer\"\n{route}\n\
             [clusters.peer]\nendpoints = [\"{to}\"]\nprotocol = \"h2\"\n"
        )
}

/// A server, the proxy, and a client that makes calls.
struct Way {
    server: Python,
    proxy: Proxy,
    client: Python,
    made: usize,
}

fn way(io: Io, route: &str) -> Way {
    let (server, address) = server();
    let proxy = Proxy::start(io, &between(address, route));
    let client = python(CLIENT, &["calls", &proxy.web().to_string()]);
    Way {
        server,
        proxy,
        client,
        made: 0,
    }
}

impl Way {
    fn call(&mut self, kind: &str, method: &str, send: &[&str], more: Value) -> Value {
        let mut wanted =
            json!({"kind": kind, "method": format!("/test.Peer/{method}"), "send": send});
        if let (Some(wanted), Some(more)) = (wanted.as_object_mut(), more.as_object()) {
            wanted.extend(more.clone());
        }
        self.client.tell(&wanted.to_string());
        self.made += 1;
        self.client.json(self.made - 1)
    }

    /// The same; status and replies.
    fn outcome(&mut self, kind: &str, method: &str, send: &[&str]) -> (String, String) {
        let said = self.call(kind, method, send, json!({}));
        let replies: Vec<&str> = said["replies"]
            .as_array()
            .expect("a list")
            .iter()
            .filter_map(Value::as_str)
            .collect();
        (text(&said["status"]), replies.join(","))
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn pair(status: &str, replies: &str) -> (String, String) {
    (status.to_owned(), replies.to_owned())
}

both_drivers! {
    fn calls_of_every_kind_pass(io) {
        if !grpcio() {
            return;
        }
        let mut way = way(io, "");
        let large = "x".repeat(300_000);
        assert_eq!(way.outcome("UU", "Unary", &["hello"]), pair("OK", "hello"));
        assert_eq!(way.outcome("UU", "Unary", &[&large]), pair("OK", &large));
        assert_eq!(way.outcome("SU", "Gather", &["a", "b", "c"]), pair("OK", "a+b+c"));
        assert_eq!(way.outcome("US", "Count", &["4"]), pair("OK", "0,1,2,3"));
        assert_eq!(way.outcome("SS", "Echo", &["a", "b"]), pair("OK", "a,b"));
        assert_eq!(way.outcome("SS", "Echo", &[]), pair("OK", ""));
        assert_eq!(way.outcome("US", "FailLate", &["x"]), pair("DATA_LOSS", "one"));
        // Without messages the status stands in the answer's head.
        let said = way.call("UU", "Fail", &["gr\u{fc}n, 100 %"], json!({}));
        assert_eq!((text(&said["status"]), text(&said["message"])), pair("NOT_FOUND", "gr\u{fc}n, 100 %"));
        assert_eq!(way.outcome("UU", "Nothing", &["x"]), pair("UNIMPLEMENTED", ""));
        for (status, method) in [("OK", "Echo"), ("NOT_FOUND", "Fail"), ("DATA_LOSS", "FailLate")] {
            let path = format!("/test.Peer/{method}");
            let line = way.proxy.await_access(method, |line| line["path"] == *path);
            assert_eq!((line["grpc_status"].as_str(), line["status"].as_u64(), line["flag"].as_str()), (Some(status), Some(200), Some("-")));
        }
        let counted = way.proxy.metrics();
        for (status, n) in [("OK", 6.0), ("NOT_FOUND", 1.0), ("DATA_LOSS", 1.0), ("UNIMPLEMENTED", 1.0)] {
            assert_eq!(counted.sum("ringway_route_grpc_total", &["route-1", status]), n, "{status}");
        }
    }

    fn a_call_has_the_time_that_its_client_gives_it(io) {
        if !grpcio() {
            return;
        }
        let mut way = way(io, "timeouts = { total = \"30s\" }");
        let left = |said: Value| said["replies"][0].as_str().and_then(|t| t.parse::<u32>().ok());
        let ours = left(way.call("UU", "TimeLeft", &["x"], json!({"timeout": 300})));
        assert!(ours.is_some_and(|ms| (1..=30_000).contains(&ms)), "the route's total is less: {ours:?}");
        let none = left(way.call("UU", "TimeLeft", &["x"], json!({})));
        assert!(none.is_some_and(|ms| (1..=30_000).contains(&ms)), "the route's total alone: {none:?}");
        let its = left(way.call("UU", "TimeLeft", &["x"], json!({"timeout": 20})));
        assert!(its.is_some_and(|ms| (1..=25_000).contains(&ms)), "the client's is less: {its:?}");
    }

    fn a_call_over_its_time_is_told_so_and_taken_back(io) {
        if !grpcio() {
            return;
        }
        for (kind, method, replies) in [("UU", "HangUnary", ""), ("SS", "Hang", "begun")] {
            let mut way = way(io, "timeouts = { total = \"300ms\" }");
            let said = way.call(kind, method, &["x"], json!({}));
            let first = said["replies"][0].as_str().unwrap_or_default();
            assert_eq!((text(&said["status"]).as_str(), first), ("DEADLINE_EXCEEDED", replies), "{said}");
            way.server.await_taken_back();
            let line = way.proxy.await_access(method, |line| line["route"] == "route-1");
            // Whoever was first: its server knows the deadline too.
            assert_eq!(line["grpc_status"].as_str(), Some("DEADLINE_EXCEEDED"));
        }
    }

    fn a_cancelled_call_is_taken_back(io) {
        if !grpcio() {
            return;
        }
        let mut way = way(io, "");
        let said = way.call("SS", "Hang", &["x"], json!({"cancel_after": 1}));
        assert_eq!(text(&said["status"]), "CANCELLED");
        way.server.await_taken_back();
        let line = way.proxy.await_access("the call", |line| line["path"] == "/test.Peer/Hang");
        assert_eq!((line["flag"].as_str(), line["grpc_status"].as_str()), (Some("DC"), None));
    }

    fn streams_outlive_a_storm_of_reloads(io) {
        if !grpcio() {
            return;
        }
        let streams = std::env::var("RINGWAY_GRPC_STREAMS").ok().map_or(STREAMS, |n| n.parse().expect("a number"));
        let (_server, address) = server();
        let (one, two) = (between(address, "timeouts = { idle = \"2m\" }"), between(address, ""));
        let proxy = Proxy::start(io, &one);
        let mut client = python(CLIENT, &["storm", &proxy.web().to_string(), &streams.to_string()]);
        assert_eq!(client.json(0)["open"], streams);
        let (start, mut round) = (Instant::now(), 0_usize);
        while start.elapsed() < STORM {
            // The pace of the storm, as promised; nothing is waited for.
            std::thread::sleep(Duration::from_millis(200));
            proxy.scratch.replace("ringway.toml", &proxy.text([&two, &one][round % 2]));
            round += 1;
        }
        proxy.reload(&(two + "# the last one\n"));
        drop(client.input.take());
        let end = client.json(1);
        eprintln!("{}: {streams} streams, {round} files, {} messages", io.name(), end["messages"]);
        assert_eq!(end["lost"], json!([]));
        assert!(end["messages"].as_u64() > Some(u64::from(streams) * 2), "{end}");
    }
}
