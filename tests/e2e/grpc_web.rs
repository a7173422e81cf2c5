//! gRPC-Web through the proxy to a server of gRPC by another implementation (Python's grpcio), where it is installed: by HTTP/1.1 and HTTP/2, binary
//! and in text. What the proxy says itself, and what it does with answers that are not right, is in `grpc_web_answers.rs`.

use crate::grpc::{between, grpcio, server};
use ringway_tests::grpc_web::{OpenCall, Told, Web, message, read, read_text};
use ringway_tests::{Proxy, both_drivers};

const BRIDGED: &str = "grpc_web = true";

/// Its messages, and the status in its trailers or, without messages, in its head.
fn outcome(told: &Told) -> (Vec<String>, String) {
    assert_eq!(told.status, 200, "{told:?}");
    let status = match &told.trailers {
        Some(_) => told.trailer("grpc-status"),
        None => told.field("grpc-status"),
    };
    (told.texts(), status.unwrap_or("none").to_owned())
}

fn expected(messages: &[&str], status: &str) -> (Vec<String>, String) {
    (
        messages.iter().map(|text| (*text).to_owned()).collect(),
        status.to_owned(),
    )
}

both_drivers! {
    fn calls_of_every_kind_are_translated(io) {
        if !grpcio() {
            return;
        }
        let (_server, address) = server();
        let proxy = Proxy::start(io, &between(address, BRIDGED));
        let large = "x".repeat(300_000);
        for web in Web::ALL {
            let call = |method: &str, messages: &[&str]| {
                let messages: Vec<&[u8]> = messages.iter().map(|text| text.as_bytes()).collect();
                web.call(proxy.web(), &format!("/test.Peer/{method}"), &[], &messages)
            };
            let told = call("Unary", &["hello"]);
            assert_eq!(outcome(&told), expected(&["hello"], "0"), "{web:?}");
            assert_eq!(told.field("content-type").map(|t| t.starts_with(web.content_type())), Some(true), "{told:?}");
            assert_eq!(outcome(&call("Unary", &[&large])), expected(&[&large], "0"), "{web:?}");
            assert_eq!(outcome(&call("Gather", &["a", "b", "c"])), expected(&["a+b+c"], "0"), "{web:?}");
            assert_eq!(outcome(&call("Count", &["4"])), expected(&["0", "1", "2", "3"], "0"), "{web:?}");
            assert_eq!(outcome(&call("Echo", &["a", "", "b"])), expected(&["a", "", "b"], "0"), "{web:?}");
            let told = call("FailLate", &["x"]);
            assert_eq!(outcome(&told), expected(&["one"], "15"), "{web:?}");
            assert_eq!((told.trailer("grpc-message"), told.field("grpc-status")), (Some("after one"), None));
            // Without messages the status stands in the answer's head, as with gRPC.
            let told = call("Fail", &["gr\u{fc}n"]);
            assert_eq!((outcome(&told), told.trailers.is_none()), (expected(&[], "5"), true), "{web:?}");
            assert_eq!(told.field("grpc-message"), Some("gr%C3%BCn"));
            assert_eq!(outcome(&call("Nothing", &["x"])), expected(&[], "12"), "{web:?}");
        }
        for (status, method) in [("OK", "Echo"), ("NOT_FOUND", "Fail"), ("DATA_LOSS", "FailLate")] {
            let path = format!("/test.Peer/{method}");
            let line = proxy.await_access(method, |line| line["path"] == *path);
            assert_eq!((line["grpc_status"].as_str(), line["status"].as_u64(), line["flag"].as_str()), (Some(status), Some(200), Some("-")));
        }
        let counted = proxy.metrics();
        for (status, n) in [("OK", 20.0), ("NOT_FOUND", 4.0), ("DATA_LOSS", 4.0), ("UNIMPLEMENTED", 4.0)] {
            assert_eq!(counted.sum("ringway_route_grpc_total", &["route-1", status]), n, "{status}");
        }
    }

    fn a_message_is_passed_on_before_the_next_one_comes(io) {
        if !grpcio() {
            return;
        }
        let (_server, address) = server();
        let proxy = Proxy::start(io, &between(address, BRIDGED));
        for web in Web::ALL {
            let mut open = OpenCall::begin(web, proxy.web(), "/test.Peer/Echo", b"one");
            let mut body = Vec::new();
            for next in ["two", "three", ""] {
                let mut said = Vec::new();
                let came = |said: &Vec<u8>| match web.text {
                    true => said.len().is_multiple_of(4) && read_text(said).len() > 7,
                    false => said.len() > 7,
                };
                while !came(&said) {
                    let piece = open.piece().expect("a piece");
                    assert!(!piece.is_empty(), "{web:?} ended behind {said:?}");
                    said.extend(piece);
                }
                body.extend(said);
                match next {
                    "" => open.finish(),
                    text => open.send(&web.write(text.as_bytes())),
                }
            }
            body.extend(open.rest().expect("a whole answer"));
            let (messages, trailers) = read(&if web.text { read_text(&body) } else { body });
            assert_eq!(messages, [b"one".as_slice(), b"two", b"three"], "{web:?}");
            assert_eq!(trailers.expect("trailers")[0], ("grpc-status".to_owned(), "0".to_owned()));
        }
    }

    fn text_may_be_padded_and_cut_anywhere(io) {
        if !grpcio() {
            return;
        }
        let (_server, address) = server();
        let proxy = Proxy::start(io, &between(address, BRIDGED));
        let engine = base64::engine::general_purpose::STANDARD;
        for http2 in [false, true] {
            let web = Web { http2, text: true };
            let octets = message(b"padded everywhere");
            for piece in [1, 2, 5, 100] {
                let text: String = octets.chunks(piece).map(|piece| base64::Engine::encode(&engine, piece)).collect();
                let told = web.ask(proxy.web(), "/test.Peer/Unary", &[], text.as_bytes());
                assert_eq!(outcome(&told), expected(&["padded everywhere"], "0"), "{web:?}, {piece}");
            }
            // One octet in each piece that is sent.
            let mut open = OpenCall::begin(web, proxy.web(), "/test.Peer/Echo", b"begun");
            for octet in web.write(b"bit by bit") {
                open.send(&[octet]);
            }
            open.finish();
            let body = open.rest().expect("a whole answer");
            let (messages, _) = read(&read_text(&body));
            assert_eq!(messages, [b"begun".as_slice(), b"bit by bit"], "{web:?}");
        }
    }

    fn a_call_has_the_time_that_its_client_gives_it(io) {
        if !grpcio() {
            return;
        }
        let (server, address) = server();
        let proxy = Proxy::start(io, &between(address, &format!("timeouts = {{ total = \"30s\" }}\n{BRIDGED}")));
        let mut calls = 0;
        for web in Web::ALL {
            let told = web.call(proxy.web(), "/test.Peer/TimeLeft", &[("grpc-timeout", "20S")], &[b"x"]);
            let left: u32 = told.texts()[0].parse().expect("milliseconds");
            assert!((1..=20_000).contains(&left), "{left}");
            let brief = [("grpc-timeout", "300m")];
            let told = web.call(proxy.web(), "/test.Peer/HangUnary", &brief, &[b"x"]);
            assert_eq!(outcome(&told), expected(&[], "4"), "{web:?}");
            let told = web.call(proxy.web(), "/test.Peer/Hang", &brief, &[b"x"]);
            assert_eq!((outcome(&told), told.trailers.is_some()), (expected(&["begun"], "4"), true), "{web:?}");
            calls += 2;
            server.await_taken_back_times(calls);
        }
        let counted = proxy.metrics();
        assert_eq!(counted.sum("ringway_route_grpc_total", &["route-1", "DEADLINE_EXCEEDED"]), 8.0);
    }

    fn a_call_that_its_client_leaves_is_taken_back(io) {
        if !grpcio() {
            return;
        }
        for http2 in [false, true] {
            let (server, address) = server();
            let proxy = Proxy::start(io, &between(address, BRIDGED));
            let web = Web { http2, text: true };
            let mut open = OpenCall::begin(web, proxy.web(), "/test.Peer/Hang", b"x");
            assert!(open.piece().is_ok_and(|piece| !piece.is_empty()));
            open.finish();
            open.leave();
            server.await_taken_back_times(1);
            let line = proxy.await_access("the call", |line| line["path"] == "/test.Peer/Hang");
            assert_eq!((line["flag"].as_str(), line["grpc_status"].as_str()), (Some("DC"), None));
        }
    }
}
