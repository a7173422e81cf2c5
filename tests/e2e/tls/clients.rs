//! Clients that come by TLS, well-behaved.

use super::{World, secure};
use crate::request;
use ringway_tests::{
    Client, End, Leaf, Origin, PATIENCE, Pattern, Setup, Socket, both_drivers, front, get, ok,
    until,
};
use ringway_tls::Version;
use std::io::Read;
use std::time::Duration;

fn to(origin: &Origin) -> String {
    let toml = front(origin, "");
    toml.replace("[listeners.web]\n", "[listeners.web]\ntls = \"public\"\n")
}

pub(super) fn pattern(bytes: usize) -> Vec<u8> {
    let mut pattern = Pattern::new();
    let mut all = Vec::new();
    while all.len() < bytes {
        all.extend_from_slice(pattern.next(bytes - all.len()));
    }
    all
}

both_drivers! {
    fn requests_and_answers(io) {
        let origin = Origin::answering(|asked| ok(&format!("{} {}", asked.method, asked.body.len())));
        let (authority, proxy) = World::new().start(io, &to(&origin));
        let mut client = Client::connect_tls(proxy.web(), &authority.connector(None));
        assert_eq!(client.tls().version, Version::Tls13);
        assert_eq!(client.get("/a").text(), "GET 0");
        assert_eq!(client.ask(request("POST", "/b", "Content-Length: 5\r\n") + "hello").text(), "POST 5");
        let chunked = request("POST", "/c", "Transfer-Encoding: chunked\r\n");
        assert_eq!(client.ask(chunked + "3\r\nabc\r\n0\r\n\r\n").text(), "POST 3");
        // Two at once, cut anywhere.
        let two = request("GET", "/d", "") + &request("GET", "/e", "");
        for piece in two.as_bytes().chunks(7) {
            client.send(piece);
        }
        assert_eq!((client.answer().text(), client.answer().text()), ("GET 0".into(), "GET 0".into()));
        let asked = origin.last();
        assert_eq!(asked.field("x-forwarded-proto"), Some("https"));
        assert_eq!(asked.field("x-forwarded-port"), Some(proxy.web().port().to_string().as_str()));
        let line = proxy.await_access("of the first", |line| line["path"] == "/a");
        assert_eq!(line["tls"], "TLSv1.3", "{line}");
    }

    fn large_bodies_both_ways(io) {
        const BYTES: usize = 3_000_000;
        let origin = Origin::answering(|asked| {
            let good = asked.body.len() == BYTES && Pattern::new().check(&asked.body).is_ok();
            let mut answer = format!("HTTP/1.1 200 OK\r\nx-good: {good}\r\nContent-Length: {BYTES}\r\n\r\n").into_bytes();
            answer.extend(pattern(BYTES));
            answer
        });
        let (authority, proxy) = World::new().start(io, &to(&origin));
        let mut client = Client::connect_tls(proxy.web(), &authority.connector(None));
        for _ in 0..2 {
            let head = request("POST", "/", &format!("Content-Length: {BYTES}\r\n"));
            client.send(head);
            client.send(pattern(BYTES));
            let answer = client.answer();
            assert_eq!((answer.field("x-good"), answer.body.len()), (Some("true"), BYTES));
            Pattern::new().check(&answer.body).expect("the same bytes");
        }
    }

    fn the_end_is_announced(io) {
        let origin = Origin::saying("ok");
        let (authority, proxy) = World::new().start(io, &to(&origin));
        let mut client = Client::connect_tls(proxy.web(), &authority.connector(None));
        assert_eq!(client.ask(request("GET", "/", "Connection: close\r\n")).status, 200);
        // Without a close_notify the harness would call it a broken connection.
        assert_eq!(client.end(), End::Clean(Vec::new()));
    }

    fn sessions_are_resumed_by_every_worker(io) {
        let origin = Origin::saying("ok");
        let (authority, proxy) = World::new().start(io, &to(&origin));
        let connector = authority.connector(None);
        for round in 0..12 {
            let mut client = Client::connect_tls(proxy.web(), &connector);
            assert_eq!(client.get("/").status, 200);
            assert_eq!(client.tls().resumed, round > 0, "connection {round}");
        }
        let metrics = proxy.metrics();
        let handshakes = |result: &str| metrics.sum("ringway_listener_tls_handshakes_total", &["listener=\"web\"", &format!("result=\"{result}\"")]);
        assert_eq!((handshakes("full"), handshakes("resumed")), (1.0, 11.0));
    }

    fn the_certificate_is_chosen_by_name(io) {
        let origin = Origin::saying("ok");
        let world = World::new();
        world.authority.issue(&Leaf::of(&["shop.test", "*.shop.test"])).write(&world.scratch, "shop");
        let toml = to(&origin).replace("\"public\"", "\"both\"")
            + "\n[tls.both]\ncertificates = [{ cert = \"proxy.pem\", key = \"proxy.key\" }, { cert = \"shop.pem\", key = \"shop.key\" }]\n";
        let (authority, proxy) = world.start(io, &toml);
        for (name, found) in [("localhost", true), ("shop.test", true), ("a.shop.test", true), ("other.test", false)] {
            let client = Client::try_connect_tls(proxy.web(), &authority.connector(None), name);
            assert_eq!(client.is_ok(), found, "{name}");
        }
    }

    fn tcp_listeners_end_tls_too(io) {
        let origin = Origin::start(|visit| {
            while let Ok(1..) = visit.wire.fill() {}
            let all = visit.wire.waiting().to_vec();
            visit.send([b"got ", all.as_slice()].concat());
        });
        let toml = secure("public", "tcp = \"origin\"") + &format!("[clusters.origin]\nendpoints = [\"{}\"]\n", origin.address());
        let (authority, proxy) = World::new().start(io, &toml);
        let mut client = Client::connect_tls(proxy.web(), &authority.connector(None));
        client.send("one ");
        client.send("two");
        let Socket::Tls(stream) = client.wire.socket_mut() else { panic!("by TLS") };
        stream.close_notify();
        let mut all = String::new();
        stream.read_to_string(&mut all).expect("announced");
        assert_eq!(all, "got one two");
    }

    fn a_slow_reader_bounds_memory(io) {
        let origin = Origin::start(|visit| {
            while visit.request().is_some() {
                visit.send("HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n");
                let piece = vec![7; 1 << 20];
                for _ in 0..64 {
                    if !visit.send(&piece) { return; }
                }
            }
        });
        let (authority, proxy) = World::new().start(io, &to(&origin));
        let before = proxy.memory_kib().0;
        let mut clients: Vec<Client> = (0..20).map(|_| Client::connect_tls(proxy.web(), &authority.connector(None))).collect();
        for client in &mut clients {
            client.wire.socket().small_receive_buffer(4096);
            client.send(request("GET", "/", ""));
            client.head();
        }
        // Until nothing more is taken from the origins; 64 MiB of each would be more than a gigabyte.
        let received = || proxy.metrics().sum("ringway_worker_received_bytes_total", &[]);
        let mut last = received();
        until("the origins' standstill", PATIENCE, || {
            std::thread::sleep(Duration::from_millis(100));
            let now = received();
            (std::mem::replace(&mut last, now) == now).then_some(())
        });
        let after = proxy.memory_kib().0;
        assert!(after < before + 40 * 1024, "{before} KiB, then {after}");
    }

    fn listeners_that_send_to_https(io) {
        let toml = crate::web("redirect = \"https:8443\"");
        let proxy = Setup::on(io).start(&toml);
        let answer = get(proxy.web(), "/a%20b/../c?d=e&f");
        assert_eq!((answer.status, answer.field("location")), (308, Some("https://test:8443/c?d=e&f")));
        let mut client = Client::connect(proxy.web());
        let answer = client.ask("GET /x HTTP/1.1\r\nHost: [::1]:80\r\n\r\n");
        assert_eq!(answer.field("location"), Some("https://[::1]:8443/x"));
    }
}
