//! The stop in its corners: silent clients, pipelined requests behind a long answer, what the log says of what was cut.
//! The stop as such is in `stop.rs`.

use crate::upgrade::{echoing, upgraded};
use crate::{narrow, request};
use ringway_tests::{
    Client, Origin, PATIENCE, Proxy, Setup, Socket, Wire, both_drivers, front, ok, shown, until,
};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// Long enough to stand in several socket buffers of a client that takes in little.
const LONG: usize = 200_000;

/// Ask with one or two requests ahead of the answers, until the connection ends. The bytes of an answer that was not
/// whole, if there is one.
fn ask_ahead(stream: TcpStream, answers: &AtomicUsize) -> Option<String> {
    let mut client = Client {
        wire: Wire::new(Socket::Tcp(stream)),
    };
    let ask = request("GET", "/", "");
    let _ = client.try_send(ask.repeat(2));
    loop {
        let Ok(head) = client.wire.head() else {
            let rest = client.wire.waiting();
            return (!rest.is_empty()).then(|| shown(rest));
        };
        // What is asked now may not be answered any more, but it must not cost what is on its way.
        let _ = client.try_send(&ask);
        if let Err(e) = client.wire.take(LONG) {
            return Some(format!(
                "{e} after {:?} and {} bytes",
                head.get("connection"),
                client.wire.waiting().len()
            ));
        }
        answers.fetch_add(1, Ordering::Relaxed);
        if head.has("connection") {
            return None;
        }
    }
}

both_drivers! {
    fn a_client_that_says_nothing_does_not_hold_it_up(io) {
        let origin = Origin::saying("ok");
        let text = front(&origin, "").replace("bind = \"127.0.0.1:0\"", "bind = \"127.0.0.1:0\"\ntimeouts = { headers = \"10s\" }");
        let mut proxy = Setup::on(io).server("drain = \"30s\"").start(&text);
        let mut silent = Client::connect(proxy.web());
        until("the connection to be taken in", PATIENCE, || {
            (proxy.metrics().sum("ringway_listener_connections", &["listener=\"web\""]) == 1.0).then_some(())
        });
        let start = Instant::now();
        proxy.terminate();
        assert_eq!(proxy.exit(PATIENCE).code(), Some(0));
        assert!(start.elapsed() < Duration::from_secs(4), "{:?} for a client that said nothing", start.elapsed());
        silent.expect_closed();
    }

    fn an_answer_that_had_begun_arrives_whole(io) {
        let body = "x".repeat(LONG);
        let origin = Origin::answering(move |_| ok(&body));
        let mut proxy = Proxy::start(io, &front(&origin, ""));
        let answers = Arc::<AtomicUsize>::default();
        let clients: Vec<_> = (0..16)
            .map(|_| {
                let (stream, answers) = (narrow(proxy.web(), 16 * 1024), answers.clone());
                std::thread::spawn(move || ask_ahead(stream, &answers))
            })
            .collect();
        until("the answers to flow", PATIENCE, || (answers.load(Ordering::Relaxed) >= 48).then_some(()));
        proxy.terminate();
        for client in clients {
            let ended = client.join().expect("a client ends");
            assert_eq!(ended, None, "bytes of an answer that was cut");
        }
        assert_eq!(proxy.exit(PATIENCE).code(), Some(0));
    }

    fn an_answer_arrives_whole_though_requests_wait_behind_it(io) {
        const VERY_LONG: usize = 4 << 20;
        let body = "x".repeat(VERY_LONG);
        let origin = Origin::answering(move |_| ok(&body));
        let mut proxy = Proxy::start(io, &front(&origin, ""));
        let mut client = Client { wire: Wire::new(Socket::Tcp(narrow(proxy.web(), 20_000))) };
        client.send(request("GET", "/", "").repeat(17));
        let head = client.head();
        assert_eq!(head.get("content-length"), Some(VERY_LONG.to_string().as_str()));
        let from = proxy.log.len();
        proxy.terminate();
        proxy.await_log(from, "draining");
        let body = client.wire.take(VERY_LONG);
        assert_eq!(body.map(|bytes| bytes.len()), Ok(VERY_LONG), "the answer that had begun");
        drop(client);
        assert_eq!(proxy.exit(PATIENCE).code(), Some(0));
    }

    fn what_was_cut_is_in_the_access_log(io) {
        let origin = Origin::start(|visit| {
            visit.request();
            visit.send(format!("HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n{}", "d".repeat(700)));
            visit.until_closed();
        });
        let mut proxy = Setup::on(io).server("drain = \"300ms\"").start(&front(&origin, ""));
        let mut client = Client::connect(proxy.web());
        client.send(request("GET", "/cut", ""));
        client.head();
        client.wire.take(700).expect("what the origin has sent");
        proxy.terminate();
        assert_eq!(proxy.exit(PATIENCE).code(), Some(0));
        let line = proxy.await_access("of the cut answer", |line| line["path"] == "/cut");
        assert_eq!(line["flag"], "LR", "{line}");
        assert!(line["reason"].as_str().is_some_and(|reason| reason.len() > 5), "{line}");
        assert_eq!(line["status"], 200, "{line}");
        assert!(line["bytes_out"].as_u64() >= Some(700), "the bytes that the client got: {line}");
    }

    fn a_tunnel_that_was_cut_is_in_the_access_log(io) {
        let origin = echoing();
        let mut proxy = Setup::on(io).server("drain = \"300ms\"").start(&front(&origin, ""));
        let mut client = upgraded(&proxy);
        client.send("x".repeat(300));
        assert_eq!(client.wire.take(300).expect("the echo").len(), 300);
        proxy.terminate();
        assert_eq!(proxy.exit(PATIENCE).code(), Some(0));
        let line = proxy.await_access("of the tunnel", |line| line["status"] == 101);
        assert_eq!(line["flag"], "LR", "{line}");
        assert!(line["reason"].as_str().is_some_and(|reason| reason.len() > 5), "{line}");
        assert!(line["bytes_in"].as_u64() >= Some(300) && line["bytes_out"].as_u64() >= Some(300), "{line}");
    }
}
