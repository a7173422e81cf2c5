//! The load generator against the origin, with no proxy between: the right bytes pass, any other fails the run.
//!
//! Both are run as `compare` runs them: as processes of their own.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Once;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

struct Process {
    child: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
}

impl Process {
    fn start(command: &str, spec: &Value) -> Process {
        Process::with(&[command, &spec.to_string()])
    }

    fn with(arguments: &[&str]) -> Process {
        let mut child = Command::new(env!("CARGO_BIN_EXE_ringway-bench"))
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("our own program");
        Process {
            to: child.stdin.take().expect("piped"),
            from: BufReader::new(child.stdout.take().expect("piped")),
            child,
        }
    }

    fn hear(&mut self) -> String {
        let mut line = String::new();
        self.from.read_line(&mut line).expect("a line");
        line.trim_end().to_owned()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Loads without header fields are of bytes.
fn protocol(load: &Value) -> &'static str {
    match load["kind"] == "pour" || load["fields"] == 0 {
        true => "tcp",
        false => "http",
    }
}

/// Loads with streams are by HTTP/2, and those with messages of 64 bytes are of gRPC.
fn origin(load: &Value, body: usize) -> Value {
    let http2 = load["streams"].as_u64().is_some();
    json!({ "body": body, "http2": http2, "grpc": http2 && load["body"] == 64 })
}

fn scenario(load: &Value, body: usize) -> Value {
    let figure = match load["kind"] == "idle" {
        true => "bytes-per-connection",
        false => "cpu-per-request",
    };
    json!({
        "name": "t", "about": "a test", "seconds": 0.2, "warm_up": 0.0,
        "protocol": protocol(load), "load": load, "origin": origin(load, body), "proxy": {}, "figures": [{ "of": figure }],
    })
}

/// What the load reports when it expects `expected` bytes and the origin sends `sent`; and what the origin has seen.
fn report(load: &Value, expected: usize, sent: usize) -> (Value, Value) {
    let origin = json!({ "protocol": protocol(load), "origin": origin(load, sent), "load": load, "cpus": [] });
    measured(
        &origin,
        json!({ "scenario": scenario(load, expected), "cpus": [] }),
    )
}

/// What the load reports of an origin, and what that has seen.
fn measured(origin: &Value, mut spec: Value) -> (Value, Value) {
    let mut origin = Process::start("origin", origin);
    spec["address"] = origin.hear().into();
    loaded(&mut origin, &spec)
}

fn loaded(origin: &mut Process, spec: &Value) -> (Value, Value) {
    let mut load = Process::start("load", spec);
    let mut line = load.hear();
    while !line.starts_with('{') {
        assert!(["begin", "open"].contains(&line.as_str()), "{line:?}");
        if line == "open" {
            writeln!(load.to, "close").expect("it listens");
        }
        line = load.hear();
    }
    writeln!(origin.to, "seen").expect("it listens");
    let seen = serde_json::from_str(&origin.hear()).expect("JSON");
    (serde_json::from_str(&line).expect("JSON"), seen)
}

#[test]
fn right_answers_pass_in_every_kind_of_loop() {
    let cases = [
        (json!({ "kind": "closed", "connections": 8 }), 100),
        (
            json!({ "kind": "closed", "connections": 8, "active": 3 }),
            0,
        ),
        (json!({ "kind": "closed", "connections": 2 }), 300_000),
        (
            json!({ "kind": "closed", "connections": 2, "body": 300_000 }),
            2,
        ),
        (
            json!({ "kind": "closed", "connections": 4, "close": true }),
            100,
        ),
        (
            json!({ "kind": "closed", "connections": 4, "hosts": 50, "fields": 40, "head_bytes": 3000 }),
            100,
        ),
        (
            json!({ "kind": "open", "connections": 8, "rate": 1000.0 }),
            100,
        ),
        (
            json!({ "kind": "closed", "connections": 3, "streams": 5 }),
            100,
        ),
        (
            json!({ "kind": "closed", "connections": 2, "streams": 2, "body": 300_000 }),
            300_000,
        ),
        (
            json!({ "kind": "closed", "connections": 2, "streams": 4, "body": 64 }),
            100,
        ),
        (
            json!({ "kind": "closed", "connections": 2, "streams": 3 }),
            1 << 20,
        ),
        (
            json!({ "kind": "closed", "connections": 2, "streams": 3, "body": 1 << 20 }),
            0,
        ),
        (
            json!({ "kind": "closed", "connections": 2, "streams": 4, "body": 64 }),
            1 << 20,
        ),
        (
            json!({ "kind": "closed", "connections": 1, "streams": 150 }),
            100,
        ),
        (json!({ "kind": "idle", "connections": 300 }), 100),
        (
            json!({ "kind": "closed", "connections": 8, "body": 64, "fields": 0 }),
            0,
        ),
        (
            json!({ "kind": "closed", "connections": 4, "body": 64, "fields": 0, "close": true }),
            0,
        ),
    ];
    for (load, body) in cases {
        let (report, seen) = report(&load, body, body);
        assert_eq!(report["error"], Value::Null, "{load}");
        let requests = report["requests"].as_u64().expect("a number");
        if load["kind"] == "idle" {
            // 200 to warm up, and those asked for.
            assert_eq!(seen["connections"], 500, "{load}");
            continue;
        }
        assert!(requests > 10, "{load}: {report}");
        assert!(
            seen["requests"].as_u64() >= Some(requests),
            "{load}: {seen}"
        );
        if load["close"] == true {
            assert!(
                seen["connections"].as_u64() >= Some(requests),
                "{load}: {seen}"
            );
        } else {
            assert_eq!(seen["connections"], load["connections"], "{load}");
        }
        if load["kind"] == "open" {
            assert!(
                (120..=220).contains(&requests),
                "1000/s for 0.2 s: {requests}"
            );
        }
        let curve = report["latency"].as_array().expect("a curve");
        assert!(curve.len() > 50);
    }
}

/// By the smallest forwarder on the `h2` crate, as `compare --with bare-h2` starts it.
#[test]
fn the_bare_forwarder_passes_heads_bodies_and_trailers_on() {
    for (load, body) in [
        (
            json!({ "kind": "closed", "connections": 3, "streams": 5 }),
            100,
        ),
        (
            json!({ "kind": "closed", "connections": 2, "streams": 2, "body": 300_000 }),
            300_000,
        ),
        (
            json!({ "kind": "closed", "connections": 2, "streams": 4, "body": 64 }),
            100,
        ),
    ] {
        let told =
            json!({ "protocol": "http", "origin": origin(&load, body), "load": load, "cpus": [] });
        let mut origin = Process::start("origin", &told);
        let free = TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr());
        let listen = free.expect("a free port").to_string();
        let _forwarder = Process::with(&["bare-h2", &listen, &origin.hear(), "1"]);
        let begun = Instant::now();
        while TcpStream::connect(&listen).is_err() {
            assert!(begun.elapsed() < Duration::from_secs(30), "it listens");
            std::thread::sleep(Duration::from_millis(5));
        }
        let spec = json!({ "scenario": scenario(&load, body), "cpus": [], "address": listen });
        let (report, seen) = loaded(&mut origin, &spec);
        assert_eq!(report["error"], Value::Null, "{load}");
        assert!(report["requests"].as_u64() > Some(10), "{load}: {report}");
        assert_eq!(seen["connections"], 1, "all streams fit on one: {load}");
    }
}

#[test]
fn endless_rows_pass_both_ways() {
    for both in [false, true] {
        let load = json!({ "kind": "pour", "connections": 3, "both": both });
        let (report, seen) = report(&load, 0, 0);
        assert_eq!(report["error"], Value::Null, "{load}");
        assert!(report["body_bytes"].as_u64() > Some(1 << 20), "{report}");
        assert_eq!(seen["connections"], 3, "{load}");
    }
}

#[test]
fn a_wrong_answer_fails_the_run() {
    for load in [
        json!({ "kind": "closed", "connections": 8 }),
        json!({ "kind": "closed", "connections": 2, "streams": 4 }),
        json!({ "kind": "open", "connections": 8, "rate": 1000.0 }),
        json!({ "kind": "idle", "connections": 8 }),
    ] {
        let (report, _) = report(&load, 100, 99);
        let error = report["error"].as_str().unwrap_or_default();
        assert!(error.contains("not the length"), "{load}: {report}");
    }
}

/// The same with TLS, which the origin always speaks as `mutual` says.
fn report_by_tls(load: &Value, tls: &Value) -> (Value, Value) {
    // Of this process: another may be running the same tests.
    let folder = format!("{}/{}", env!("CARGO_TARGET_TMPDIR"), std::process::id());
    static MADE: Once = Once::new();
    MADE.call_once(|| {
        let made = Command::new(env!("CARGO_BIN_EXE_ringway-bench"))
            .args(["certificates", &folder])
            .status();
        assert!(made.expect("our own program").success());
    });
    let origin =
        json!({ "origin": origin(load, 100), "load": load, "cpus": [], "certificates": folder });
    let mut scenario = scenario(load, 100);
    scenario["tls"] = tls.clone();
    measured(
        &origin,
        json!({ "scenario": scenario, "cpus": [], "certificates": folder }),
    )
}

#[test]
fn answers_pass_by_tls_and_handshakes_are_what_the_scenario_says() {
    for (load, resume) in [
        (json!({ "kind": "closed", "connections": 8 }), false),
        (
            json!({ "kind": "closed", "connections": 2, "body": 300_000 }),
            false,
        ),
        (
            json!({ "kind": "closed", "connections": 4, "close": true }),
            false,
        ),
        (
            json!({ "kind": "closed", "connections": 4, "close": true }),
            true,
        ),
        (
            json!({ "kind": "open", "connections": 8, "rate": 1000.0 }),
            false,
        ),
        (json!({ "kind": "idle", "connections": 20 }), false),
    ] {
        let tls = json!({ "mutual": true, "resume": resume });
        let (report, seen) = report_by_tls(&load, &tls);
        assert_eq!(report["error"], Value::Null, "{load}");
        assert!(
            seen["requests"].as_u64() >= load["connections"].as_u64(),
            "{load}: {seen}"
        );
    }
}

#[test]
fn a_load_without_the_certificate_that_is_demanded_fails_the_run() {
    let load = json!({ "kind": "closed", "connections": 2 });
    let (report, seen) = report_by_tls(&load, &json!({}));
    let error = report["error"].as_str().unwrap_or_default();
    assert!(error.contains("certificate"), "{report}");
    assert_eq!(seen["requests"], 0);
}

#[test]
fn a_load_without_tls_gets_no_answer_of_an_origin_with_it() {
    let load = json!({ "kind": "closed", "connections": 2 });
    let (report, seen) = report_by_tls(&load, &Value::Null);
    assert!(report["error"].is_string(), "{report}");
    assert_eq!(seen["requests"], 0);
}
