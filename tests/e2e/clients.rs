//! Real clients and servers with the proxy's tunnels between them, where they are installed: Redis, iperf3, TLS by OpenSSL and curl.
//! Each takes seconds at most. What a tunnel does by itself is in `tcp.rs` and `passthrough.rs`.

use crate::programs::{Peer, free_port, is_installed};
use ringway_tests::{Io, PATIENCE, Proxy, Scratch, Setup, both_drivers, until};
use std::io::Write as _;
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Command, Output, Stdio};

/// Start a server, and wait until it listens on this port of loopback.
fn serve(command: &mut Command, port: u16) -> (Peer, SocketAddr) {
    let child = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    let peer = Peer::new(child.expect("it has said its version"));
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    until("the server to listen", PATIENCE, || {
        TcpStream::connect(address).ok()
    });
    (peer, address)
}

/// Run it to its end, which must come soon and be good; its output.
fn tool(program: &str, arguments: &[&str], input: &str) -> String {
    let mut all = vec!["60", program];
    all.extend(arguments);
    let mut child = Command::new("timeout")
        .args(all)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it has said its version");
    let mut stdin = child.stdin.take().expect("it was asked to be a pipe");
    stdin
        .write_all(input.as_bytes())
        .expect("it reads its input");
    drop(stdin);
    let Output {
        status,
        stdout,
        stderr,
    } = child.wait_with_output().expect("it ends");
    let said = String::from_utf8_lossy(&stdout).into_owned();
    let errors = String::from_utf8_lossy(&stderr);
    assert!(
        status.success(),
        "{program} {arguments:?}: {status}\n{said}\n{errors}"
    );
    said
}

/// A listener `db` that passes all to this server.
fn between(io: Io, to: SocketAddr) -> (Proxy, SocketAddr) {
    let proxy = Proxy::start(
        io,
        &format!("[listeners.db]\nbind = \"127.0.0.1:0\"\ntcp = [\"{to}\"]\n"),
    );
    let address = proxy.address("db");
    (proxy, address)
}

/// A key and a certificate for this name, made by OpenSSL.
fn certificate(scratch: &Scratch, name: &str) -> (String, String) {
    let file = |kind: &str| {
        scratch
            .file(&format!("{name}.{kind}"))
            .display()
            .to_string()
    };
    let (key, certificate) = (file("key"), file("pem"));
    let subject = format!("/CN={name}");
    let alternative = format!("subjectAltName=DNS:{name}");
    tool(
        "openssl",
        &[
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
            "-nodes",
            "-days",
            "2",
            "-subj",
            &subject,
            "-addext",
            &alternative,
            "-keyout",
            &key,
            "-out",
            &certificate,
        ],
        "",
    );
    (key, certificate)
}

/// `openssl s_server` that answers a page about the session.
fn tls_server(scratch: &Scratch, name: &str) -> (Peer, SocketAddr, String) {
    let (key, certificate) = certificate(scratch, name);
    let port = free_port();
    let mut command = Command::new("openssl");
    command.args(["s_server", "-www", "-quiet", "-alpn", "http/1.1", "-accept"]);
    command
        .arg(format!("127.0.0.1:{port}"))
        .args(["-key", &key, "-cert", &certificate]);
    let (peer, address) = serve(&mut command, port);
    (peer, address, certificate)
}

/// The subject of the certificate that is shown to who asks for this name.
fn shown_to(name: &str, at: SocketAddr, roots: &str) -> String {
    let at = at.to_string();
    let said = tool(
        "openssl",
        &[
            "s_client",
            "-connect",
            &at,
            "-servername",
            name,
            "-verify_return_error",
            "-CAfile",
            roots,
        ],
        "",
    );
    let subject = said.lines().find_map(|line| line.strip_prefix("subject="));
    subject
        .unwrap_or_else(|| panic!("no certificate:\n{said}"))
        .replace(' ', "")
}

both_drivers! {
    fn a_redis_session(io) {
        if !is_installed("redis-server", "--version") || !is_installed("redis-cli", "--version") {
            return;
        }
        let port = free_port();
        let mut command = Command::new("redis-server");
        command.args(["--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--port", &port.to_string()]);
        let (_redis, address) = serve(&mut command, port);
        let (proxy, front) = between(io, address);
        let front = front.port().to_string();
        let large = "x".repeat(300_000);
        let session = format!("SET small 1\nINCR small\nSET large {large}\nSTRLEN large\nGET large\nMULTI\nINCR small\nGET small\nEXEC\n");
        let said = tool("redis-cli", &["-h", "127.0.0.1", "-p", &front], &session);
        let said: Vec<&str> = said.split_whitespace().collect();
        assert_eq!(said[..4], ["OK", "2", "OK", "300000"]);
        assert_eq!(said[4], large);
        assert_eq!(said[5..], ["OK", "QUEUED", "QUEUED", "3", "3"]);
        let many = tool("redis-cli", &["-h", "127.0.0.1", "-p", &front, "--pipe"], &"PING\r\n".repeat(5_000));
        assert!(many.contains("errors: 0, replies: 5000"), "{many}");
        proxy.await_access("of the session", |line| line["protocol"] == "TCP" && line["flag"] == "-");
    }

    fn an_iperf3_run(io) {
        if !is_installed("iperf3", "--version") {
            return;
        }
        let port = free_port();
        let mut command = Command::new("iperf3");
        // It takes one test at a time, and the connection that found it listening was none.
        command.args(["--server", "--bind", "127.0.0.1", "--port", &port.to_string()]);
        let (_server, address) = serve(&mut command, port);
        let (_proxy, front) = between(io, address);
        let front = front.port().to_string();
        for way in ["--reverse", "--bidir"] {
            let said = tool("iperf3", &["--client", "127.0.0.1", "--port", &front, "--bytes", "64M", "--parallel", "2", "--json", way], "");
            let report: serde_json::Value = serde_json::from_str(&said).expect("its report");
            let received = |sum: &str| report["end"][sum]["bytes"].as_u64().unwrap_or(0);
            let (one, other) = (received("sum_received"), received("sum_received_bidir_reverse"));
            // Both ways together send what was asked for, in whatever shares; what is under way at the end stands in the buffers of many sockets, and is cut.
            assert!(one + other >= 4 << 20, "{way}: {one} and {other}\n{said}");
        }
    }

    fn tls_by_name(io) {
        if !is_installed("openssl", "version") {
            return;
        }
        let scratch = Scratch::new();
        let (_one, a, root_a) = tls_server(&scratch, "a.test");
        let (_other, b, root_b) = tls_server(&scratch, "b.example.test");
        let proxy = Setup::on(io).start(&format!(
            "[listeners.tls]\nbind = \"127.0.0.1:0\"\n\
             tcp = [{{ sni = \"a.test\", to = [\"{a}\"] }}, {{ sni = \"*.example.test\", to = [\"{b}\"] }}]\n"
        ));
        let front = proxy.address("tls");
        assert_eq!(shown_to("a.test", front, &root_a), "CN=a.test");
        assert_eq!(shown_to("b.example.test", front, &root_b), "CN=b.example.test");
        if is_installed("curl", "--version") {
            page_by_curl("a.test", front, Path::new(&root_a));
            page_by_curl("b.example.test", front, Path::new(&root_b));
        }
        let line = proxy.await_access("of the name", |line| line["authority"] == "b.example.test");
        assert_eq!((&line["route"], &line["flag"]), (&"listener:tls:2".into(), &"-".into()), "{line}");
    }
}

/// curl verifies the certificate and its name, and gets the server's page.
fn page_by_curl(name: &str, at: SocketAddr, root: &Path) {
    let port = at.port();
    let (resolve, url) = (
        format!("{name}:{port}:127.0.0.1"),
        format!("https://{name}:{port}/"),
    );
    let root = root.display().to_string();
    let page = tool(
        "curl",
        &[
            "-sS",
            "--noproxy",
            "*",
            "--cacert",
            &root,
            "--resolve",
            &resolve,
            &url,
        ],
        "",
    );
    assert!(page.contains("Protocol"), "{page}");
}
