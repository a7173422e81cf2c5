//! What a call of gRPC is told by the proxy itself, on both versions of HTTP, and which requests are calls. Whole calls are in `grpc.rs`.

use crate::web;
use h2::Reason;
use http::Response;
use ringway_tests::http2::{asking, put};
use ringway_tests::{
    Answer, Client, Http2Answer, Http2Client, Http2Origin, Origin, PATIENCE, Proxy, both_drivers,
    until,
};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

const CALL: &[(&str, &str)] = &[
    ("content-type", "application/grpc+proto"),
    ("te", "trailers"),
];

fn routes() -> String {
    web("")
        + "[[routes]]\nname = \"method\"\nmatch = { grpc = \"shop.Orders/Get\" }\nrespond = { status = 401, body = \"who are you?\" }\n\
           [[routes]]\nname = \"service\"\nmatch = { grpc = \"shop.Orders/*\" }\nrespond = { status = 503, body = \"100 % gone\" }\n\
           [[routes]]\nname = \"page\"\nmatch = { path = \"/shop.Orders/Get\" }\nrespond = { status = 404, body = \"a page\" }\n\
           [[routes]]\nname = \"fine\"\nmatch = { path = \"/fine\" }\nrespond = { status = 200, body = \"as it is\" }\n\
           [[routes]]\nname = \"down\"\nmatch = { path = \"/down.S/*\" }\nto = [\"127.0.0.1:1\"]\n"
}

/// Answers nothing, or the head and a message, and then waits to be reset.
fn halting(resets: Arc<AtomicUsize>) -> Http2Origin {
    Http2Origin::start(move |request, mut respond| {
        let resets = resets.clone();
        async move {
            let path = request.uri().path().to_owned();
            if path == "/S/Silent" {
                let reason = std::future::poll_fn(|cx| respond.poll_reset(cx)).await;
                assert_eq!(reason.ok(), Some(Reason::CANCEL));
                resets.fetch_add(1, Ordering::SeqCst);
                return;
            }
            let Ok(mut stream) = respond.send_response(Response::new(()), false) else {
                return;
            };
            let _ = put(&mut stream, b"begun", false).await;
            let reason = std::future::poll_fn(|cx| stream.poll_reset(cx)).await;
            assert_eq!(reason.ok(), Some(Reason::CANCEL));
            resets.fetch_add(1, Ordering::SeqCst);
        }
    })
}

fn to(origin: SocketAddr, protocol: &str) -> String {
    web("")
        + &format!(
            "[[routes]]\nto = \"peer\"\n[clusters.peer]\nendpoints = [\"{}\"]\nprotocol = \"{protocol}\"\n",
            origin
        )
}

/// Status of HTTP, status of gRPC, its message, and the body.
type Told = (u16, Option<String>, Option<String>, String);

fn by_http2(answer: &Http2Answer) -> Told {
    let field = |name: &str| answer.field(name).map(str::to_owned);
    (
        answer.status,
        field("grpc-status"),
        field("grpc-message"),
        String::from_utf8_lossy(&answer.body).into_owned(),
    )
}

fn by_http1(answer: &Answer) -> Told {
    let field = |name: &str| answer.field(name).map(str::to_owned);
    (
        answer.status,
        field("grpc-status"),
        field("grpc-message"),
        answer.text(),
    )
}

fn told(status: u16, grpc: &str, message: &str) -> Told {
    (
        status,
        Some(grpc.to_owned()),
        Some(message.to_owned()),
        String::new(),
    )
}

both_drivers! {
    fn failures_are_told_as_statuses_of_grpc(io) {
        let proxy = Proxy::start(io, &routes());
        let mut two = Http2Client::connect(proxy.web());
        let mut one = Client::connect(proxy.web());
        let cases = [
            ("/shop.Orders/Get", told(200, "16", "who are you?"), "UNAUTHENTICATED"),
            ("/shop.Orders/List", told(200, "14", "100 %25 gone"), "UNAVAILABLE"),
            ("/shop.Ordersx/List", told(200, "12", "404 Not Found: no route matches host `test` and this path, method and headers"), "UNIMPLEMENTED"),
            ("/down.S/M", told(200, "14", "503 Service Unavailable"), "UNAVAILABLE"),
        ];
        for (path, expected, name) in cases {
            let answer = two.ask(asking("POST", path, CALL));
            assert_eq!(by_http2(&answer), expected, "{path}");
            assert_eq!(answer.field("content-type"), Some("application/grpc"));
            let answer = one.ask(format!("POST {path} HTTP/1.1\r\nHost: test\r\nContent-Type: application/grpc\r\nContent-Length: 0\r\n\r\n"));
            assert_eq!(by_http1(&answer), expected, "{path} by HTTP/1.1");
            let line = proxy.await_access(path, |line| line["path"] == path && line["protocol"] == "HTTP/2");
            assert_eq!((line["status"].as_u64(), line["grpc_status"].as_str()), (Some(200), Some(name)), "{path}");
        }
        let counted = proxy.metrics();
        assert_eq!(counted.sum("ringway_route_grpc_total", &["method", "UNAUTHENTICATED"]), 2.0);
        assert_eq!(counted.sum("ringway_route_grpc_total", &["service", "UNAVAILABLE"]), 2.0);
    }

    fn what_is_no_call_is_answered_as_ever(io) {
        let proxy = Proxy::start(io, &routes());
        let mut client = Http2Client::connect(proxy.web());
        let plain = |status: u16, body: &str| (status, None, None, body.to_owned());
        let page = plain(404, "a page");
        for (method, content_type) in [("POST", "text/plain"), ("POST", "application/grpc-websocket"), ("GET", "application/grpc-web"), ("GET", "application/grpc")] {
            let answer = client.ask(asking(method, "/shop.Orders/Get", &[("content-type", content_type)]));
            assert_eq!(by_http2(&answer), page, "{method} {content_type}");
        }
        // An answer that is no failure is the route's, whoever asks.
        let answer = client.ask(asking("POST", "/fine", CALL));
        assert_eq!(by_http2(&answer), plain(200, "as it is"));
        let line = proxy.await_access("a page", |line| line["route"] == "page");
        assert_eq!(line["grpc_status"].as_str(), None);
    }

    fn a_call_over_its_time_is_told_so_and_reset(io) {
        let resets = Arc::new(AtomicUsize::new(0));
        let origin = halting(resets.clone());
        let proxy = Proxy::start(io, &to(origin.address(), "h2"));
        let mut client = Http2Client::connect(proxy.web());
        let fields = [CALL, &[("grpc-timeout", "300m")]].concat();
        let answer = client.ask(asking("POST", "/S/Silent", &fields));
        assert_eq!(by_http2(&answer), told(200, "4", "504 Gateway Timeout"));
        let answer = client.ask(asking("POST", "/S/Begun", &fields));
        assert_eq!((answer.status, answer.text().as_str()), (200, "begun"));
        assert_eq!((answer.trailer("grpc-status"), answer.trailer("grpc-message")), (Some("4"), Some("504 Gateway Timeout")));
        until("both to be reset", PATIENCE, || (resets.load(Ordering::SeqCst) == 2).then_some(()));
        for path in ["/S/Silent", "/S/Begun"] {
            let line = proxy.await_access(path, |line| line["path"] == path);
            assert_eq!((line["flag"].as_str(), line["grpc_status"].as_str()), (Some("UMSDR"), Some("DEADLINE_EXCEEDED")));
            assert_eq!(line["reason"].as_str(), Some("the call took longer than its client allows (grpc-timeout)"));
        }
    }

    fn an_answer_of_no_octets_keeps_its_trailers(io) {
        let origin = Http2Origin::start(|_, mut respond| async move {
            let head = Response::builder()
                .header("content-type", "application/grpc")
                .header("content-length", "0");
            let Ok(mut stream) = respond.send_response(head.body(()).expect("a head"), false) else {
                return;
            };
            let mut trailers = http::HeaderMap::new();
            trailers.insert("grpc-status", http::HeaderValue::from_static("5"));
            let _ = stream.send_trailers(trailers);
        });
        let proxy = Proxy::start(io, &to(origin.address(), "h2"));
        let answer = Http2Client::connect(proxy.web()).ask(asking("POST", "/S/Empty", CALL));
        assert_eq!((answer.status, answer.field("content-length"), answer.text().as_str()), (200, Some("0"), ""));
        assert_eq!(answer.trailer("grpc-status"), Some("5"));
        let line = proxy.await_access("the call", |line| line["path"] == "/S/Empty");
        assert_eq!((line["flag"].as_str(), line["grpc_status"].as_str()), (Some("-"), Some("NOT_FOUND")));
        // HTTP/1.1 has no place for them behind a body of a known length.
        let mut one = Client::connect(proxy.web());
        let answer = one.ask("POST /S/One HTTP/1.1\r\nHost: test\r\nContent-Type: application/grpc\r\nContent-Length: 0\r\n\r\n");
        assert_eq!((answer.status, answer.text().as_str()), (200, ""));
    }

    fn an_answer_that_breaks_off_ends_with_a_status(io) {
        let origin = Origin::start(|visit| {
            visit.request();
            visit.send("HTTP/1.1 200 OK\r\nContent-Type: application/grpc\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nbegun\r\n");
        });
        let proxy = Proxy::start(io, &to(origin.address(), "h1"));
        let mut client = Http2Client::connect(proxy.web());
        let answer = client.ask(asking("POST", "/S/Broken", CALL));
        assert_eq!((answer.text().as_str(), answer.trailer("grpc-status")), ("begun", Some("14")));
        // What is no call is reset, so that it cannot be taken for whole.
        assert!(client.begin(asking("POST", "/S/Broken", &[]), true).try_answer().is_err());
    }
}
