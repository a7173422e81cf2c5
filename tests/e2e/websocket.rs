//! WebSocket with HTTP/2 on one side or both (RFC 8441). With HTTP/1.1 on both sides it is in `upgrade`; what other people's programs make of it in
//! `websocket_peers`.

use crate::upgrade::{UPGRADE, send_back, upgraded};
use crate::{request, web};
use base64::Engine as _;
use bytes::Bytes;
use h2::{Reason, RecvStream, SendStream};
use http::Response;
use ringway_tests::http2::{connecting, get, put, read, wait_for};
use ringway_tests::{
    Client, End, Gate, Http2Client, Http2Origin, Manners, Origin, PATIENCE, Pattern, Proxy, Setup,
    Visit, both_drivers, front, ok,
};
use sha1::{Digest as _, Sha1};
use std::net::SocketAddr;

/// The whole site on an origin of HTTP/2.
fn to(address: SocketAddr, more: &str) -> String {
    web("")
        + &format!(
            "[[routes]]\nname = \"all\"\nto = \"two\"\n{more}\n\
             [clusters.two]\nendpoints = [\"{address}\"]\nprotocol = \"h2\"\n"
        )
}

/// What a server answers to this key.
fn accept(key: &str) -> String {
    let digest = Sha1::digest(format!("{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11"));
    base64::engine::general_purpose::STANDARD.encode(digest)
}

/// Read the handshake and switch, as a server of HTTP/1.1 does.
pub(crate) fn switch(visit: &mut Visit) -> bool {
    let Some(asked) = visit.request() else {
        return false;
    };
    let key = asked
        .field("sec-websocket-key")
        .unwrap_or_default()
        .to_owned();
    visit.send(format!(
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Accept: {}\r\nSec-WebSocket-Protocol: chat\r\n\r\n",
        accept(&key)
    ))
}

fn echoing() -> Origin {
    Origin::start(|visit| {
        if switch(visit) {
            send_back(visit);
        }
    })
}

const TAKES: Manners = Manners {
    streams: None,
    requests: None,
    websocket: true,
};

/// Accepts WebSockets and sends back what comes; anything else is answered with its path.
fn echoing2() -> Http2Origin {
    Http2Origin::with(TAKES, |request, mut respond| async move {
        let (head, mut body) = request.into_parts();
        if head.extensions.get::<h2::ext::Protocol>().is_none() {
            if let Ok(mut stream) = respond.send_response(Response::new(()), false) {
                let _ = put(&mut stream, head.uri.path().as_bytes(), true).await;
            }
            return;
        }
        let mut answer = Response::builder().header("sec-websocket-protocol", "chat");
        for name in [
            "sec-websocket-key",
            "sec-websocket-version",
            "upgrade",
            "x-more",
        ] {
            if let Some(value) = head.headers.get(name) {
                answer = answer.header(format!("x-{name}"), value);
            }
        }
        let answer = answer.header("x-scheme", head.uri.scheme_str().unwrap_or_default());
        let Ok(mut stream) = respond.send_response(answer.body(()).expect("an answer"), false)
        else {
            return;
        };
        while let Some(Ok(piece)) = body.data().await {
            let _ = body.flow_control().release_capacity(piece.len());
            if put(&mut stream, &piece, false).await.is_err() {
                return;
            }
        }
        let _ = stream.send_data(Bytes::new(), true);
    })
}

/// A WebSocket on a stream, both ways.
pub(crate) struct Socket {
    head: Response<()>,
    from: RecvStream,
    to: SendStream<Bytes>,
    _client: Http2Client,
}

impl Socket {
    pub(crate) fn open(address: SocketAddr) -> Socket {
        let mut client = Http2Client::connect(address);
        let fields = [
            ("sec-websocket-version", "13"),
            ("sec-websocket-protocol", "chat"),
            ("x-more", "yes"),
        ];
        let asking = client.connecting(connecting("websocket", "/socket", &fields));
        let (answer, to) = asking.head();
        let (head, from) = answer.into_parts();
        Socket {
            head: Response::from_parts(head, ()),
            from,
            to,
            _client: client,
        }
    }

    fn field(&self, name: &str) -> Option<&str> {
        self.head.headers().get(name).and_then(|v| v.to_str().ok())
    }

    pub(crate) fn send(&mut self, bytes: &[u8], last: bool) {
        wait_for("room in the stream", put(&mut self.to, bytes, last)).expect("the stream stands");
    }

    pub(crate) fn take(&mut self, n: usize) -> Vec<u8> {
        let mut all = Vec::new();
        while all.len() < n {
            let piece = wait_for("bytes of the WebSocket", self.from.data());
            let piece = piece.expect("not its end").expect("not a reset");
            let _ = self.from.flow_control().release_capacity(piece.len());
            all.extend_from_slice(&piece);
        }
        all
    }

    pub(crate) fn end(&mut self) -> Vec<u8> {
        wait_for("the end of the WebSocket", read(&mut self.from)).expect("an orderly end")
    }

    fn reset(&mut self) -> Option<Reason> {
        wait_for("a reset", read(&mut self.from))
            .expect_err("a reset")
            .reason()
    }
}

fn refusal(answer: &Result<ringway_tests::Http2Answer, h2::Error>) -> u16 {
    answer
        .as_ref()
        .map(|answer| answer.status)
        .expect("an answer")
}

both_drivers! {
    fn a_stream_becomes_an_upgrade(io) {
        let origin = echoing();
        let proxy = Proxy::start(io, &front(&origin, ""));
        let mut socket = Socket::open(proxy.web());
        assert_eq!(socket.head.status(), 200);
        assert_eq!(socket.field("sec-websocket-protocol"), Some("chat"));
        for field in ["sec-websocket-accept", "upgrade", "connection"] {
            assert_eq!(socket.field(field), None, "{field}");
        }
        let asked = origin.last();
        assert_eq!((asked.method.as_str(), asked.target.as_str()), ("GET", "/socket"));
        assert_eq!(asked.field("upgrade"), Some("websocket"));
        assert_eq!(asked.field("connection"), Some("upgrade"));
        assert_eq!(asked.field("sec-websocket-version"), Some("13"));
        assert_eq!(asked.field("sec-websocket-protocol"), Some("chat"));
        assert_eq!(asked.field("host"), Some("test"));
        assert_eq!(asked.field("x-more"), Some("yes"));
        assert!(!asked.head.has("content-length") && !asked.head.has("transfer-encoding"), "{:?}", asked.head);
        for text in ["\x00\u{7f}hello", "GET / HTTP/1.1\r\n\r\n", "0\r\n\r\n"] {
            socket.send(text.as_bytes(), false);
            assert_eq!(socket.take(text.len()), text.as_bytes());
        }
        socket.send(b"bye", true);
        assert_eq!(socket.end(), b"bye");
        let line = proxy.await_access("of the tunnel", |line| line["path"] == "/socket");
        assert_eq!((&line["status"], &line["method"]), (&200.into(), &"GET".into()), "{line}");
        assert!(line["flag"].as_str().is_none_or(|flag| flag == "-" || flag.is_empty()), "{line}");
        assert!(line["bytes_in"].as_u64() >= Some(30) && line["bytes_out"].as_u64() >= Some(30), "{line}");
    }

    fn an_upgrade_becomes_a_stream(io) {
        let origin = echoing2();
        let proxy = Proxy::start(io, &to(origin.address(), ""));
        // It has looked at the Sec-WebSocket-Accept.
        let mut client = upgraded(&proxy);
        for text in ["\x00\u{7f}hello", "GET / HTTP/1.1\r\n\r\n", "0\r\n\r\n"] {
            client.send(text);
            assert_eq!(client.wire.take(text.len()).expect("the echo"), text.as_bytes());
        }
        client.half_close();
        assert_eq!(client.end(), End::Clean(Vec::new()));
        let line = proxy.await_access("of the tunnel", |line| line["path"] == "/socket");
        assert_eq!(line["status"], 101, "{line}");
    }

    fn an_upgrade_brings_its_fields_and_no_more(io) {
        let origin = echoing2();
        let proxy = Proxy::start(io, &to(origin.address(), ""));
        let mut client = Client::connect(proxy.web());
        client.send(request("GET", "/socket", &(UPGRADE.to_owned() + "X-More: yes\r\n")));
        let head = client.head();
        assert_eq!(head.get("x-x-more"), Some("yes"));
        assert_eq!(head.get("x-scheme"), Some("http"));
        assert_eq!(head.get("x-sec-websocket-version"), Some("13"));
        assert_eq!(head.get("sec-websocket-protocol"), Some("chat"));
        assert_eq!((head.get("x-sec-websocket-key"), head.get("x-upgrade")), (None, None));
        assert!(!head.has("content-length") && !head.has("transfer-encoding"), "{head:?}");
        drop(client);
    }

    fn a_stream_goes_on_as_a_stream(io) {
        let origin = echoing2();
        let proxy = Proxy::start(io, &to(origin.address(), ""));
        let mut socket = Socket::open(proxy.web());
        assert_eq!((socket.head.status().as_u16(), socket.field("x-x-more")), (200, Some("yes")));
        assert_eq!(socket.field("sec-websocket-protocol"), Some("chat"));
        assert_eq!((socket.field("x-sec-websocket-key"), socket.field("sec-websocket-accept")), (None, None));
        socket.send(b"hello", false);
        assert_eq!(socket.take(5), b"hello");
        socket.send(b"bye", true);
        assert_eq!(socket.end(), b"bye");
    }

    fn much_passes_over_all_pairings(io) {
        let (one, two) = (echoing(), echoing2());
        for text in [front(&one, ""), to(two.address(), "")] {
            let proxy = Proxy::start(io, &text);
            let mut socket = Socket::open(proxy.web());
            let (mut there, mut back) = (Pattern::new(), Pattern::new());
            for _ in 0..100 {
                let piece = there.next(40_000).to_vec();
                socket.send(&piece, false);
                back.check(&socket.take(piece.len())).expect("the echo is what was sent");
            }
        }
        let proxy = Proxy::start(io, &to(two.address(), ""));
        let mut client = upgraded(&proxy);
        let (mut there, mut back) = (Pattern::new(), Pattern::new());
        for _ in 0..100 {
            let piece = there.next(40_000).to_vec();
            client.send(&piece);
            back.check(&client.wire.take(piece.len()).expect("the echo")).expect("the echo is what was sent");
        }
    }

    fn many_small_messages_are_no_flood(io) {
        let origin = echoing();
        let proxy = Proxy::start(io, &front(&origin, ""));
        let mut socket = Socket::open(proxy.web());
        for _ in 0..3000 {
            socket.send(b"tick", false);
            assert_eq!(socket.take(4), b"tick");
        }
    }

    fn bytes_ahead_of_the_answer_wait_for_it(io) {
        let gate = Gate::new();
        let theirs = gate.clone();
        let origin = Origin::start(move |visit| {
            let Some(asked) = visit.request() else { return };
            theirs.wait();
            assert!(visit.wire.waiting().is_empty(), "nothing comes ahead of the 101");
            let accept = accept(asked.field("sec-websocket-key").unwrap_or_default());
            visit.send(format!("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: {accept}\r\n\r\nfirst"));
            send_back(visit);
        });
        let proxy = Proxy::start(io, &front(&origin, ""));
        let mut client = Http2Client::connect(proxy.web());
        let mut asking = client.connecting(connecting("websocket", "/", &[]));
        asking.send(b"early", false);
        gate.await_arrivals(1);
        gate.open();
        let (answer, to) = asking.head();
        let (head, from) = answer.into_parts();
        let mut socket = Socket { head: Response::from_parts(head, ()), from, to, _client: client };
        assert_eq!(socket.take(10), b"firstearly");
    }

    fn a_refusal_goes_back(io) {
        let one = Origin::answering(|asked| match asked.target.as_str() {
            "/socket" => b"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno".to_vec(),
            other => ok(other),
        });
        let proxy = Proxy::start(io, &front(&one, ""));
        let mut client = Http2Client::connect(proxy.web());
        let answer = client.connecting(connecting("websocket", "/socket", &[])).answer();
        assert_eq!((answer.status, answer.text().as_str()), (403, "no"));
        assert_eq!(client.ask(get("/after")).text(), "/after");

        let two = Http2Origin::with(TAKES, |request, mut respond| async move {
            let status = if request.uri().path() == "/socket" { 403 } else { 200 };
            let answer = Response::builder().status(status).body(()).expect("an answer");
            if let Ok(mut stream) = respond.send_response(answer, false) {
                let _ = put(&mut stream, b"no", true).await;
            }
        });
        let proxy = Proxy::start(io, &to(two.address(), ""));
        let mut client = Client::connect(proxy.web());
        client.send(request("GET", "/socket", UPGRADE) + &request("GET", "/behind", ""));
        let answer = client.answer();
        assert_eq!((answer.status, answer.text().as_str()), (403, "no"));
        assert_eq!(client.answer().status, 200, "what was behind is a request by itself");
        let mut client = Http2Client::connect(proxy.web());
        let answer = client.connecting(connecting("websocket", "/socket", &[])).answer();
        assert_eq!((answer.status, answer.text().as_str()), (403, "no"));
    }

    fn what_only_looks_like_an_acceptance_is_none(io) {
        let origin = Origin::answering(|asked| match asked.target.as_str() {
            "/overlooked" => ok("a page"),
            _ => b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                   Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n".to_vec(),
        });
        let proxy = Proxy::start(io, &front(&origin, ""));
        let mut client = Http2Client::connect(proxy.web());
        for path in ["/overlooked", "/of-another-key"] {
            let answer = client.connecting(connecting("websocket", path, &[])).try_answer();
            assert_eq!(refusal(&answer), 502, "{path}");
            let line = proxy.await_access(path, |line| line["path"] == path);
            assert_eq!(line["flag"], "UPE", "{line}");
        }
    }

    fn an_endpoint_that_takes_none_is_not_asked(io) {
        let origin = Http2Origin::saying("a page");
        let proxy = Proxy::start(io, &to(origin.address(), ""));
        assert_eq!(Client::connect(proxy.web()).ask(request("GET", "/one", UPGRADE)).status, 502);
        let mut client = Http2Client::connect(proxy.web());
        let answer = client.connecting(connecting("websocket", "/two", &[])).try_answer();
        assert_eq!(refusal(&answer), 502);
        assert_eq!(origin.requests(), 0);
        let line = proxy.await_access("of the refusal", |line| line["path"] == "/one");
        assert!(line["reason"].as_str().is_some_and(|reason| reason.contains("RFC 8441")), "{line}");
    }

    fn handshakes_that_are_none_are_refused(io) {
        let origin = echoing2();
        let proxy = Proxy::start(io, &to(origin.address(), ""));
        let head = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n";
        for key in ["", "Sec-WebSocket-Key: short\r\n", &"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n".repeat(2)] {
            let answer = Client::connect(proxy.web()).ask(request("GET", "/", &format!("{head}{key}")));
            assert_eq!(answer.status, 400, "{key:?}");
        }
        let mut client = Http2Client::connect(proxy.web());
        let answer = client.connecting(connecting("connect-udp", "/", &[])).try_answer();
        assert_eq!(refusal(&answer), 501);
        let length = connecting("websocket", "/", &[("content-length", "5")]);
        let answer = client.connecting(length).try_answer();
        assert_eq!(answer.err().and_then(|e| e.reason()), Some(Reason::PROTOCOL_ERROR));
        assert_eq!(origin.requests(), 0);
    }

    fn a_reset_passes_both_ways(io) {
        let one = Origin::taking(|mut visit| {
            if switch(&mut visit) {
                let asked = visit.wire.take(5).unwrap_or_default();
                match &asked[..] {
                    b"reset" => visit.reset(),
                    _ => visit.until_closed(),
                }
            }
        });
        let proxy = Proxy::start(io, &front(&one, ""));
        let mut socket = Socket::open(proxy.web());
        socket.send(b"reset", false);
        assert_eq!(socket.reset(), Some(Reason::CANCEL));
        let line = proxy.await_access("of the upstream's reset", |line| line["flag"] != "");
        assert_eq!(line["flag"], "UR", "{line}");
        let mut socket = Socket::open(proxy.web());
        socket.send(b"wait!", false);
        socket.to.send_reset(Reason::CANCEL);
        assert!(one.await_end(1), "the origin's connection ends with the stream");
        let line = proxy.await_access("of the client's reset", |line| line["flag"] == "DC");
        assert_eq!(line["path"], "/socket", "{line}");
    }

    fn one_that_is_silent_ends_after_its_time(io) {
        let one = echoing();
        let text = front(&one, "").replace("to = \"origin\"", "to = \"origin\"\ntimeouts = { tunnel_idle = \"400ms\" }");
        let proxy = Proxy::start(io, &text);
        let mut socket = Socket::open(proxy.web());
        socket.send(b"x", false);
        assert_eq!(socket.take(1), b"x");
        assert_eq!(socket.reset(), Some(Reason::CANCEL));
        assert!(one.await_end(0));
        let line = proxy.await_access("of the tunnel", |line| line["flag"] == "SI");
        assert!(line["reason"].as_str().is_some_and(|reason| reason.contains("tunnel_idle")), "{line}");
        let two = echoing2();
        let proxy = Proxy::start(io, &to(two.address(), "timeouts = { tunnel_idle = \"400ms\" }"));
        let mut client = upgraded(&proxy);
        client.send("x");
        assert_eq!(client.wire.take(1).expect("the echo"), b"x");
        client.expect_closed();
    }

    fn it_survives_a_reload(io) {
        let origin = echoing();
        let proxy = Proxy::start(io, &front(&origin, ""));
        let mut socket = Socket::open(proxy.web());
        proxy.reload(&(web("") + "[[routes]]\nname = \"all\"\nrespond = { status = 200, body = \"all gone\" }\n"));
        for text in [&b"still"[..], b"here"] {
            socket.send(text, false);
            assert_eq!(socket.take(text.len()), text);
        }
        socket.send(b"", true);
        assert_eq!(socket.end(), b"");
    }

    fn it_has_the_drain_time_and_no_more(io) {
        let origin = echoing();
        let mut proxy = Setup::on(io).server("drain = \"500ms\"").start(&front(&origin, ""));
        let mut socket = Socket::open(proxy.web());
        proxy.terminate();
        socket.send(b"still", false);
        assert_eq!(socket.take(5), b"still");
        // How it ends is for the connection to say.
        let _ = wait_for("its end", read(&mut socket.from));
        assert_eq!(proxy.exit(PATIENCE).code(), Some(0));
        let line = proxy.await_access("of the tunnel", |line| line["path"] == "/socket");
        assert_eq!(line["flag"], "LR", "{line}");
    }
}
