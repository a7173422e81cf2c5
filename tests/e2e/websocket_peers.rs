//! Other implementations of WebSocket at both ends, where Python has them: websockets by HTTP/1.1, h2 with wsproto by HTTP/2. They say frame by frame what
//! came back, with the proxy between them and without it; both must be the same. The cases are of the kinds that fuzzing clients try: fragments,
//! pings, codes of closes, text that is none, sizes. What they say is in `websocket_peers.py`.

use crate::programs::Peer;
use crate::web;
use ringway_tests::{Io, Proxy, both_drivers, repository};
use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

/// Whether Python has what the script needs; a line says so if not.
fn is_there() -> bool {
    let asked = Command::new("python3")
        .args([
            "-c",
            "import websockets.asyncio.server, websockets.sync.client, h2, wsproto",
        ])
        .stderr(Stdio::null())
        .status();
    let there = asked.is_ok_and(|status| status.success());
    if !there {
        eprintln!("skipped: python3 with websockets, h2 and wsproto is not installed");
    }
    there
}

/// The script, behind these words.
fn python(words: &[&str]) -> Command {
    let mut command = Command::new(words[0]);
    command
        .args(&words[1..])
        .arg(repository().join("tests/e2e/websocket_peers.py"))
        .stdin(Stdio::null());
    command
}

fn serve(kind: &str) -> (Peer, u16) {
    // By itself: what ends it must be its own process.
    let mut child = python(&["python3", "-B"])
        .args(["serve", kind])
        .stdout(Stdio::piped())
        // It complains of each client that breaks the rules.
        .stderr(Stdio::null())
        .spawn()
        .expect("python runs");
    let mut line = String::new();
    let mut said = BufReader::new(child.stdout.take().expect("its output"));
    said.read_line(&mut line).expect("it says its port");
    let port = line.trim().parse().expect("its port is a number");
    (Peer::new(child), port)
}

fn said(arguments: &[&str], port: u16) -> Vec<String> {
    let output = python(&["timeout", "120", "python3", "-B"])
        .args(arguments)
        .arg(port.to_string())
        .output()
        .expect("python runs");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {errors}");
    let said = String::from_utf8_lossy(&output.stdout);
    said.lines().map(str::to_owned).collect()
}

fn before(io: Io, port: u16, protocol: &str) -> Proxy {
    let text = web("")
        + &format!(
            "[[routes]]\nto = \"echo\"\n[clusters.echo]\nendpoints = [\"127.0.0.1:{port}\"]\nprotocol = \"{protocol}\"\n"
        );
    Proxy::start(io, &text)
}

/// By either version of the client, what comes through is what comes without.
fn compare(io: Io, kind: &str) {
    if !is_there() {
        return;
    }
    let (_server, port) = serve(kind);
    let direct = said(&["cases", kind], port);
    assert!(direct.len() > 50, "{direct:?}");
    let proxy = before(io, port, kind);
    for client in ["h1", "h2"] {
        let through = said(&["cases", client], proxy.web().port());
        for (wanted, came) in direct.iter().zip(&through) {
            assert_eq!(came, wanted, "a client of {client}, a server of {kind}");
        }
        assert_eq!(through.len(), direct.len());
    }
    let done = said(&["chat"], proxy.web().port());
    assert_eq!(done, ["done 1000"]);
}

both_drivers! {
    fn a_server_of_http1_answers_as_without_the_proxy(io) {
        compare(io, "h1");
    }

    fn a_server_of_http2_answers_as_without_the_proxy(io) {
        compare(io, "h2");
    }
}
