//! Other people's TLS: openssl, curl, Python. Each is skipped where the program is missing, with a line that says so.

use super::{World, secure};
use ringway_tests::{Authority, Leaf, Proxy, both_drivers};
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

const RESPOND: &str = "[[routes]]\nrespond = { status = 200, body = \"hello\" }\n";

/// Run it in the test's directory with this on its standard input; None where there is no such program.
fn program(directory: &Path, name: &str, arguments: &[&str], input: &str) -> Option<String> {
    let child = Command::new(name)
        .args(arguments)
        .current_dir(directory)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let Ok(mut child) = child else {
        eprintln!("skipped: {name} is not installed");
        return None;
    };
    let mut stdin = child.stdin.take().expect("a pipe");
    let input = input.to_owned();
    let writer = std::thread::spawn(move || {
        let _ = stdin.write_all(input.as_bytes());
        stdin
    });
    let stdout = child.stdout.take().expect("a pipe");
    let reading = std::thread::spawn(move || std::io::read_to_string(stdout).unwrap_or_default());
    let stderr = std::io::read_to_string(child.stderr.take().expect("a pipe")).unwrap_or_default();
    let stdout = reading.join().expect("read");
    drop(writer.join());
    let _ = child.wait();
    Some(stdout + &stderr)
}

fn start(io: ringway_tests::Io, tls: &str) -> (Authority, Proxy) {
    let world = World::new();
    let caller = world
        .authority
        .issue(&Leaf::of(&["spiffe://example.org/edge"]));
    caller.write(&world.scratch, "caller");
    world.start(io, &(secure(tls, "") + RESPOND))
}

both_drivers! {
    fn openssl_speaks_both_versions_and_resumes(io) {
        let (_, proxy) = start(io, "public");
        let address = proxy.web().to_string();
        let request = "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
        for (version, name) in [("-tls1_2", "TLSv1.2"), ("-tls1_3", "TLSv1.3")] {
            let plain = ["s_client", "-connect", &address, "-servername", "localhost", "-CAfile", "ca.pem", "-verify_return_error", "-alpn", "http/1.1", version, "-ign_eof"];
            let ask = |more: [&str; 2]| program(proxy.scratch.path(), "openssl", &[&plain[..], &more[..]].concat(), request);
            let Some(first) = ask(["-sess_out", "session.pem"]) else { return };
            assert!(first.contains("hello") && first.contains(name) && first.contains("Verification: OK"), "{first}");
            assert!(first.contains("ALPN protocol: http/1.1"), "{first}");
            let again = ask(["-sess_in", "session.pem"]).expect("it is installed");
            assert!(again.contains("hello") && again.contains("Reused"), "{again}");
        }
        let old = ["s_client", "-connect", &address, "-tls1_1"];
        let refused = program(proxy.scratch.path(), "openssl", &old, "").expect("it is installed");
        assert!(!refused.contains("hello"), "{refused}");
    }

    fn openssl_shows_its_certificate(io) {
        let (_, proxy) = start(io, "mesh");
        let address = proxy.web().to_string();
        let request = "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
        let plain = ["s_client", "-connect", &address, "-CAfile", "ca.pem", "-ign_eof"];
        let with = [&plain[..], &["-cert", "caller.pem", "-key", "caller.key"]].concat();
        let Some(served) = program(proxy.scratch.path(), "openssl", &with, request) else { return };
        assert!(served.contains("hello"), "{served}");
        let without = program(proxy.scratch.path(), "openssl", &plain, request).expect("it is installed");
        assert!(!without.contains("hello"), "{without}");
    }

    fn curl_is_served(io) {
        let (_, proxy) = start(io, "public");
        let url = format!("https://localhost:{}/", proxy.web().port());
        let Some(said) = program(proxy.scratch.path(), "curl", &["-sS", "--cacert", "ca.pem", &url, &url], "") else { return };
        assert_eq!(said, "hellohello");
        let (_, proxy) = start(io, "mesh");
        let url = format!("https://localhost:{}/", proxy.web().port());
        let shown = ["-sS", "--cacert", "ca.pem", "--cert", "caller.pem", "--key", "caller.key", &url];
        assert_eq!(program(proxy.scratch.path(), "curl", &shown, "").as_deref(), Some("hello"));
    }

    fn curl_speaks_http_2_where_it_can(io) {
        let (_, proxy) = start(io, "public");
        let url = format!("https://localhost:{}/", proxy.web().port());
        let asked = ["-sS", "--http2", "--cacert", "ca.pem", "-w", " %{http_version}", &url];
        let Some(said) = program(proxy.scratch.path(), "curl", &asked, "") else { return };
        assert!(["hello 2", "hello 1.1"].contains(&said.as_str()), "{said}");
        let features = program(proxy.scratch.path(), "curl", &["--version"], "").expect("it is installed");
        assert_eq!(said.ends_with(" 2"), features.contains("HTTP2"), "{said}: {features}");
    }

    fn python_is_served_and_sees_the_end(io) {
        let (_, proxy) = start(io, "public");
        let script = format!(
            "import socket, ssl\n\
             c = ssl.create_default_context(cafile='ca.pem')\n\
             s = c.wrap_socket(socket.create_connection(('127.0.0.1', {})), server_hostname='localhost', suppress_ragged_eofs=False)\n\
             s.sendall(b'GET / HTTP/1.1\\r\\nHost: a\\r\\nConnection: close\\r\\n\\r\\n')\n\
             got = b''\n\
             while True:\n    piece = s.recv(4096)\n    got += piece\n    if not piece: break\n\
             print(got[-5:].decode(), s.version(), s.unwrap() is not None)\n",
            proxy.web().port()
        );
        let Some(said) = program(proxy.scratch.path(), "python3", &["-c", &script], "") else { return };
        assert!(said.starts_with("hello TLSv1.3 True"), "{said}");
    }
}
