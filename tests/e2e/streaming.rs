//! What flows piece by piece is not held back: events (SSE) and long polls over all pairings of HTTP/1.1 and HTTP/2.

use crate::{request, web};
use bytes::Bytes;
use http::Response;
use ringway_tests::http2::{get, put, wait_for};
use ringway_tests::{Client, Gate, Http2Client, Http2Origin, Io, Origin, Proxy, both_drivers};
use std::time::Duration;

const EVENTS: u8 = 3;

fn event(n: u8) -> String {
    format!("data: {n}\n\n")
}

/// Each event waits until the one before has arrived.
fn one(gates: &[Gate]) -> Origin {
    let gates = gates.to_vec();
    Origin::start(move |visit| {
        let Some(asked) = visit.request() else { return };
        if asked.path() == "/poll" {
            gates[0].wait();
            visit.send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nnews");
            return;
        }
        visit.send("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n");
        for (n, gate) in (0..EVENTS).zip(&gates) {
            gate.wait();
            let event = event(n);
            visit.send(format!("{:x}\r\n{event}\r\n", event.len()));
        }
        visit.send("0\r\n\r\n");
    })
}

fn two(gates: &[Gate]) -> Http2Origin {
    let gates = gates.to_vec();
    Http2Origin::start(move |request, mut respond| {
        let gates = gates.clone();
        async move {
            if request.uri().path() == "/poll" {
                passing(&gates[0]).await;
                if let Ok(mut stream) = respond.send_response(Response::new(()), false) {
                    let _ = stream.send_data(Bytes::from_static(b"news"), true);
                }
                return;
            }
            let answer = Response::builder().header("content-type", "text/event-stream");
            let answer = answer.body(()).expect("an answer");
            let Ok(mut stream) = respond.send_response(answer, false) else {
                return;
            };
            for (n, gate) in (0..EVENTS).zip(&gates) {
                passing(gate).await;
                let _ = put(&mut stream, event(n).as_bytes(), n + 1 == EVENTS).await;
            }
        }
    })
}

/// A gate waits with its thread; the origin's other streams need it.
async fn passing(gate: &Gate) {
    let gate = gate.clone();
    let waiting = std::thread::spawn(move || gate.wait());
    while !waiting.is_finished() {
        ringway_tests::http2::pause(Duration::from_millis(1)).await;
    }
}

fn gates() -> Vec<Gate> {
    (0..EVENTS).map(|_| Gate::new()).collect()
}

/// The proxy before an origin of each version, whose events wait at these gates.
fn before(io: Io, gates: &[Gate], by_http2: bool) -> (Proxy, Box<dyn std::any::Any>) {
    let (address, protocol, origin): (_, _, Box<dyn std::any::Any>) = match by_http2 {
        true => {
            let origin = two(gates);
            (origin.address(), "h2", Box::new(origin))
        }
        false => {
            let origin = one(gates);
            (origin.address(), "h1", Box::new(origin))
        }
    };
    let text = web("")
        + &format!(
            "[[routes]]\nto = \"events\"\n[clusters.events]\nendpoints = [\"{address}\"]\nprotocol = \"{protocol}\"\n"
        );
    (Proxy::start(io, &text), origin)
}

both_drivers! {
    fn events_reach_a_client_of_http1_one_by_one(io) {
        for by_http2 in [false, true] {
            let gates = gates();
            let (proxy, _origin) = before(io, &gates, by_http2);
            let mut client = Client::connect(proxy.web());
            client.send(request("GET", "/events", ""));
            assert_eq!(client.head().get("content-type"), Some("text/event-stream"));
            for (n, gate) in (0..EVENTS).zip(&gates) {
                gate.open();
                assert_eq!(client.wire.chunk().expect("an event"), event(n).as_bytes());
            }
        }
    }

    fn events_reach_a_client_of_http2_one_by_one(io) {
        for by_http2 in [false, true] {
            let gates = gates();
            let (proxy, _origin) = before(io, &gates, by_http2);
            let mut client = Http2Client::connect(proxy.web());
            let (answer, _) = client.begin(get("/events"), true).head();
            let mut body = answer.into_body();
            for (n, gate) in (0..EVENTS).zip(&gates) {
                gate.open();
                let piece = wait_for("an event", body.data()).expect("not the end").expect("no reset");
                assert_eq!(piece, event(n).as_bytes());
            }
        }
    }

    fn a_long_poll_waits_for_its_news(io) {
        for by_http2 in [false, true] {
            let gates = gates();
            let (proxy, _origin) = before(io, &gates, by_http2);
            let mut client = Client::connect(proxy.web());
            client.send(request("GET", "/poll", ""));
            let mut other = Http2Client::connect(proxy.web());
            let asking = other.begin(get("/poll"), true);
            gates[0].await_arrivals(2);
            gates[0].open();
            assert_eq!(client.answer().text(), "news");
            assert_eq!(asking.answer().text(), "news");
        }
    }
}
