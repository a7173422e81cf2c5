//! `Upgrade: websocket` becomes a byte tunnel. What may not be upgraded is in the conformance tables.

use crate::request;
use ringway_tests::{Client, End, Gate, Origin, Pattern, Proxy, Visit, both_drivers, front, ok};

pub(crate) const UPGRADE: &str = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
pub(crate) const SWITCHED: &str = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
    Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

/// Switches protocols and then sends back each byte that comes.
pub(crate) fn echoing() -> Origin {
    Origin::start(|visit| {
        if visit.request().is_some() {
            visit.send(SWITCHED);
            send_back(visit);
        }
    })
}

pub(crate) fn send_back(visit: &mut Visit) {
    loop {
        let waiting = visit.wire.waiting().len();
        if waiting > 0 {
            let Ok(bytes) = visit.wire.take(waiting) else {
                return;
            };
            if !visit.send(bytes) {
                return;
            }
        }
        if matches!(visit.wire.fill(), Ok(0) | Err(_)) {
            return;
        }
    }
}

/// A client behind its 101.
pub(crate) fn upgraded(proxy: &Proxy) -> Client {
    let mut client = Client::connect(proxy.web());
    client.send(request("GET", "/socket", UPGRADE));
    let head = client.head();
    assert!(head.start.starts_with("HTTP/1.1 101"), "{}", head.start);
    assert_eq!(
        head.get("upgrade").map(str::to_ascii_lowercase).as_deref(),
        Some("websocket")
    );
    assert_eq!(
        head.get("sec-websocket-accept"),
        Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")
    );
    client
}

both_drivers! {
    fn bytes_pass_both_ways(io) {
        let origin = echoing();
        let proxy = Proxy::start(io, &front(&origin, ""));
        let mut client = upgraded(&proxy);
        let asked = origin.last();
        assert_eq!(asked.field("upgrade").map(str::to_ascii_lowercase).as_deref(), Some("websocket"));
        assert_eq!(asked.field("sec-websocket-key"), Some("dGhlIHNhbXBsZSBub25jZQ=="));
        for text in ["\x00\u{7f}hello", "GET / HTTP/1.1\r\n\r\n", "0\r\n\r\n"] {
            client.send(text);
            assert_eq!(client.wire.take(text.len()).expect("the echo"), text.as_bytes());
        }
    }

    fn much_passes_both_ways(io) {
        let origin = echoing();
        let proxy = Proxy::start(io, &front(&origin, ""));
        let mut client = upgraded(&proxy);
        let (mut there, mut back) = (Pattern::new(), Pattern::new());
        for _ in 0..200 {
            let piece = there.next(40_000).to_vec();
            client.send(&piece);
            back.check(&client.wire.take(piece.len()).expect("the echo")).expect("the echo is what was sent");
        }
    }

    fn bytes_right_behind_the_101_are_not_lost(io) {
        let origin = Origin::start(|visit| {
            visit.request();
            visit.send(format!("{SWITCHED}first words"));
            send_back(visit);
        });
        let proxy = Proxy::start(io, &front(&origin, ""));
        let mut client = upgraded(&proxy);
        assert_eq!(client.wire.take(11).expect("bytes behind the head"), b"first words");
        client.send("next");
        assert_eq!(client.wire.take(4).expect("the echo"), b"next");
    }

    fn half_close_passes_through(io) {
        let origin = Origin::start(|visit| {
            visit.request();
            visit.send(SWITCHED);
            visit.until_closed();
            visit.send("goodbye");
        });
        let proxy = Proxy::start(io, &front(&origin, ""));
        let mut client = upgraded(&proxy);
        client.half_close();
        assert_eq!(client.end(), End::Clean(b"goodbye".to_vec()));
        let line = proxy.await_access("of the tunnel", |line| line["path"] == "/socket");
        assert_eq!(line["status"], 101, "{line}");
    }

    fn the_origins_end_reaches_the_client(io) {
        let gate = Gate::new();
        let theirs = gate.clone();
        let origin = Origin::start(move |visit| {
            visit.request();
            visit.send(SWITCHED);
            theirs.wait();
        });
        let proxy = Proxy::start(io, &front(&origin, ""));
        let mut client = upgraded(&proxy);
        gate.open();
        client.expect_closed();
    }

    fn a_refused_upgrade_is_an_ordinary_answer(io) {
        let origin = Origin::answering(|asked| match asked.target.as_str() {
            "/socket" => b"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno".to_vec(),
            other => ok(other),
        });
        let proxy = Proxy::start(io, &front(&origin, ""));
        let mut client = Client::connect(proxy.web());
        let answer = client.ask(request("GET", "/socket", UPGRADE));
        assert_eq!((answer.status, answer.text().as_str()), (403, "no"));
        assert_eq!(client.get("/after").text(), "/after");
    }

    fn bytes_ahead_of_a_refusal_are_the_next_request(io) {
        // Known as WebSocket smuggling: a proxy that opens the tunnel before the 101 lets them pass unseen.
        let origin = Origin::answering(|asked| match asked.target.as_str() {
            "/socket" => b"HTTP/1.1 426 Upgrade Required\r\nUpgrade: websocket\r\nConnection: upgrade\r\nContent-Length: 2\r\n\r\nno".to_vec(),
            other => ok(other),
        });
        let proxy = Proxy::start(io, &front(&origin, ""));
        let mut client = Client::connect(proxy.web());
        client.send(request("GET", "/socket", UPGRADE) + &request("GET", "/behind", ""));
        assert_eq!(client.answer().status, 426);
        assert_eq!(client.answer().text(), "/behind");
        assert!(origin.last().head.has("via"), "it was read as a request by the proxy: {:?}", origin.last().head);
    }

    fn bytes_ahead_of_the_101_are_not_lost(io) {
        let origin = echoing();
        let proxy = Proxy::start(io, &front(&origin, ""));
        let mut client = Client::connect(proxy.web());
        client.send(request("GET", "/socket", UPGRADE) + "early");
        assert!(client.head().start.starts_with("HTTP/1.1 101"));
        assert_eq!(client.wire.take(5).expect("the echo"), b"early");
    }

    fn a_101_to_something_else_is_refused(io) {
        let origin = Origin::start(|visit| {
            visit.request();
            visit.send("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n");
            visit.until_closed();
        });
        let proxy = Proxy::start(io, &front(&origin, ""));
        let answer = Client::connect(proxy.web()).ask(request("GET", "/socket", UPGRADE));
        assert_eq!(answer.status, 502);
    }

    fn an_idle_tunnel_ends_after_its_own_time(io) {
        let origin = echoing();
        let text = front(&origin, "").replace("to = \"origin\"", "to = \"origin\"\ntimeouts = { tunnel_idle = \"400ms\" }");
        let proxy = Proxy::start(io, &text);
        let mut client = upgraded(&proxy);
        client.send("x");
        assert_eq!(client.wire.take(1).expect("the echo"), b"x");
        client.expect_closed();
        assert!(origin.await_end(0));
    }
}
