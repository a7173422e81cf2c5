//! Connections to origins of HTTP/2: who shares them, when another is opened, how they end, and what is asked once more. What passes over them is in
//! `http2`.

use crate::{request, web};
use bytes::Bytes;
use h2::Reason;
use http::Response;
use ringway_tests::frames::{END_HEADERS, END_STREAM, Frames, kind};
use ringway_tests::http2::{asking, get, pause, wait_for};
use ringway_tests::{
    Client, Gate, Http2Client, Http2Origin, Manners, Origin, PATIENCE, Proxy, Setup, both_drivers,
    until,
};
use std::collections::HashSet;
use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

fn to(address: SocketAddr, more: &str) -> String {
    web("")
        + &format!(
            "[[routes]]\nname = \"all\"\nto = \"two\"\n{more}\n\
             [clusters.two]\nendpoints = [\"{address}\"]\nprotocol = \"h2\"\n"
        )
}

/// Holds each answer until `crowd` requests are there at once.
fn crowding(manners: Manners, crowd: usize) -> Http2Origin {
    let here = Arc::new(AtomicUsize::new(0));
    Http2Origin::with(manners, move |_, mut respond| {
        let here = here.clone();
        async move {
            here.fetch_add(1, Ordering::SeqCst);
            while here.load(Ordering::SeqCst) < crowd {
                pause(Duration::from_millis(2)).await;
            }
            let _ = respond.send_response(Response::new(()), true);
        }
    })
}

/// So many clients of HTTP/1.1 ask at once; all of them must be answered.
fn ask_at_once(address: SocketAddr, crowd: usize) {
    let asking: Vec<_> = (0..crowd)
        .map(|_| std::thread::spawn(move || Client::connect(address).get("/").status))
        .collect();
    for asking in asking {
        assert_eq!(asking.join().expect("a client"), 200);
    }
}

both_drivers! {
    fn requests_share_a_connection(io) {
        let origin = crowding(Manners::default(), 40);
        let proxy = Setup::on(io).workers(1).start(&to(origin.address(), ""));
        ask_at_once(proxy.web(), 40);
        assert_eq!(origin.connections(), 1);
        assert_eq!(proxy.metrics().sum("ringway_cluster_connections", &["cluster=\"two\""]), 1.0);
    }

    fn more_are_opened_when_the_peer_takes_no_more(io) {
        let origin = crowding(Manners { streams: Some(4), ..Manners::default() }, 20);
        let proxy = Setup::on(io).workers(1).start(&to(origin.address(), ""));
        ask_at_once(proxy.web(), 20);
        assert_eq!(origin.connections(), 5);
    }

    fn one_connection_waits_for_a_peer_that_takes_none(io) {
        let (allow, allowed) = std::sync::mpsc::channel();
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("an address");
        let connections = Arc::new(AtomicUsize::new(0));
        let count = connections.clone();
        let origin = std::thread::spawn(move || {
            let (socket, _) = listener.accept().expect("the proxy comes");
            count.fetch_add(1, Ordering::SeqCst);
            let mut frames = Frames::serve_with(socket, &[(3, 0)]);
            allowed.recv().expect("the word to go on");
            // The requests have waited, and no other connection has come for them.
            listener.set_nonblocking(true).expect("O_NONBLOCK");
            if listener.accept().is_ok() {
                count.fetch_add(1, Ordering::SeqCst);
            }
            frames.send(kind::SETTINGS, 0, 0, &[&3u16.to_be_bytes()[..], &100u32.to_be_bytes()].concat());
            let mut left = 4;
            while left > 0 {
                let asked = frames.until("a request", |f| f.kind == kind::HEADERS);
                frames.send(kind::HEADERS, END_STREAM | END_HEADERS, asked.stream, &[0x88]);
                left -= 1;
            }
            frames.rest();
        });
        let proxy = Setup::on(io).workers(1).start(&to(address, ""));
        let web = proxy.web();
        let asking: Vec<_> = (0..4).map(|_| std::thread::spawn(move || Client::connect(web).get("/").status)).collect();
        until("four requests that wait", PATIENCE, || {
            (proxy.metrics().sum("ringway_endpoint_active_requests", &[]) >= 4.0).then_some(())
        });
        allow.send(()).expect("the origin waits");
        for asking in asking {
            assert_eq!(asking.join().expect("a client"), 200);
        }
        assert_eq!(connections.load(Ordering::SeqCst), 1);
        drop(proxy);
        origin.join().expect("the origin is content");
    }

    fn a_peer_that_never_takes_any_is_given_up(io) {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("an address");
        let origin = std::thread::spawn(move || {
            let (socket, _) = listener.accept().expect("the proxy comes");
            Frames::serve_with(socket, &[(3, 0)]).rest();
            listener.set_nonblocking(true).expect("O_NONBLOCK");
            assert!(listener.accept().is_err(), "one connection for one request");
        });
        let proxy = Setup::on(io).workers(1).start(&to(address, "timeouts = { connect = \"300ms\" }"));
        assert_eq!(Client::connect(proxy.web()).get("/").status, 503);
        proxy.await_access("why", |line| line["reason"].as_str().is_some_and(|why| why.contains("takes no requests")));
        origin.join().expect("the origin is content");
    }

    fn a_connection_that_goes_away_is_replaced(io) {
        let origin = Http2Origin::with(Manners { requests: Some(5), ..Manners::default() }, |_, mut respond| async move {
            let _ = respond.send_response(Response::new(()), true);
        });
        let proxy = Setup::on(io).workers(1).start(&to(origin.address(), ""));
        let address = proxy.web();
        let clients: Vec<_> = (0..4).map(|_| std::thread::spawn(move || {
            let mut client = Http2Client::connect(address);
            for n in 0..50 {
                // A body forbids no retry as long as it was not read, and a POST does not either: nobody has looked at it.
                let method = if n % 2 == 0 { "GET" } else { "POST" };
                assert_eq!(client.ask(asking(method, "/", &[])).status, 200, "request {n}");
            }
        })).collect();
        for client in clients {
            client.join().expect("a client");
        }
        assert!(origin.connections() > 1, "{} connections", origin.connections());
    }

    fn what_was_refused_is_asked_again(io) {
        let seen = Arc::new(Mutex::new(HashSet::new()));
        let origin = Http2Origin::start(move |request, mut respond| {
            let first = seen.lock().expect("a set").insert(request.uri().path().to_owned());
            async move {
                match first {
                    true => respond.send_reset(Reason::REFUSED_STREAM),
                    false => drop(respond.send_response(Response::new(()), true)),
                }
            }
        });
        let proxy = Proxy::start(io, &to(origin.address(), ""));
        let mut client = Http2Client::connect(proxy.web());
        assert_eq!(client.ask(asking("POST", "/a", &[])).status, 200);
        assert_eq!(Client::connect(proxy.web()).ask(request("DELETE", "/b", "")).status, 200);
        assert_eq!(origin.requests(), 4);
        // What was reset in another way may have been done: it is not asked again.
        let line = proxy.await_access("asked twice", |line| line["path"] == "/a");
        assert_eq!(line["attempts"], 2);
    }

    fn a_reset_answer_is_not_taken_for_whole(io) {
        let origin = Http2Origin::start(|request, mut respond| async move {
            if request.uri().path() == "/whole" {
                return drop(respond.send_response(Response::new(()), true));
            }
            if request.uri().path() == "/nothing" {
                return respond.send_reset(Reason::INTERNAL_ERROR);
            }
            if let Ok(mut stream) = respond.send_response(Response::new(()), false) {
                let _ = stream.send_data(Bytes::from_static(b"half"), false);
                pause(Duration::from_millis(30)).await;
                stream.send_reset(Reason::INTERNAL_ERROR);
            }
        });
        let proxy = Proxy::start(io, &to(origin.address(), ""));
        let mut client = Http2Client::connect(proxy.web());
        let error = client.begin(get("/half"), true).try_answer().expect_err("a cut answer");
        assert_eq!(error.reason(), Some(Reason::INTERNAL_ERROR));
        assert_eq!(client.ask(asking("POST", "/nothing", &[])).status, 502);
        // The connection goes on.
        assert_eq!(client.ask(get("/whole")).status, 200);
        let mut old = Client::connect(proxy.web());
        old.send(request("GET", "/half", ""));
        assert!(old.try_answer("GET").is_err(), "a cut body must not look whole");
        proxy.await_access("cut", |line| line["flag"] == "UR" && line["path"] == "/half");
    }

    fn a_client_that_leaves_ends_its_stream_at_the_origin(io) {
        let left = Arc::new(AtomicUsize::new(0));
        let count = left.clone();
        let origin = Http2Origin::start(move |_, mut respond| {
            let count = count.clone();
            async move {
                let reason = std::future::poll_fn(|cx| respond.poll_reset(cx)).await;
                assert_eq!(reason.ok(), Some(Reason::CANCEL));
                count.fetch_add(1, Ordering::SeqCst);
            }
        });
        let proxy = Proxy::start(io, &to(origin.address(), ""));
        let mut client = Http2Client::connect(proxy.web());
        let mut asking = client.begin(get("/"), true);
        until("the request at the origin", PATIENCE, || (origin.requests() == 1).then_some(()));
        asking.body.send_reset(Reason::CANCEL);
        until("the end of the stream", PATIENCE, || (left.load(Ordering::SeqCst) == 1).then_some(()));
        let mut old = Client::connect(proxy.web());
        old.send(request("GET", "/", ""));
        until("the request at the origin", PATIENCE, || (origin.requests() == 2).then_some(()));
        old.reset();
        until("the end of the stream", PATIENCE, || (left.load(Ordering::SeqCst) == 2).then_some(()));
        proxy.await_access("of a client that left", |line| line["flag"] == "DC" && line["protocol"] == "HTTP/2");
    }

    fn a_stream_that_is_reset_ends_its_connection_to_an_origin_of_http1(io) {
        let gate = Gate::new();
        let origin = Origin::holding(&gate, "late");
        let proxy = Proxy::start(io, &ringway_tests::front(&origin, ""));
        let mut client = Http2Client::connect(proxy.web());
        let mut asking = client.begin(get("/"), true);
        gate.await_arrivals(1);
        asking.body.send_reset(Reason::CANCEL);
        proxy.await_access("of a client that left", |line| line["flag"] == "DC");
        gate.open();
        // And the connection of the client is as good as before.
        assert_eq!(client.ask(get("/")).text(), "late");
        assert_eq!(origin.connections(), 2);
    }

    fn an_endpoint_without_http2_is_not_reachable(io) {
        let origin = Origin::saying("HTTP/1.1 only");
        let proxy = Proxy::start(io, &to(origin.address(), ""));
        assert_eq!(Client::connect(proxy.web()).get("/").status, 503);
        let line = proxy.await_access("without HTTP/2", |line| line["status"] == 503);
        assert_eq!(line["flag"], "UF");
        let reason = line["reason"].as_str().unwrap_or_default().to_owned();
        assert!(reason.contains("no HTTP/2 there"), "{reason}");
    }

    fn a_slow_reader_holds_the_origin_back(io) {
        let sent = Arc::new(AtomicUsize::new(0));
        let count = sent.clone();
        let origin = Http2Origin::start(move |_, mut respond| {
            let count = count.clone();
            async move {
                let Ok(mut stream) = respond.send_response(Response::new(()), false) else { return };
                let piece = vec![7; 16 * 1024];
                while ringway_tests::http2::put(&mut stream, &piece, false).await.is_ok() {
                    count.fetch_add(piece.len(), Ordering::SeqCst);
                }
            }
        });
        let proxy = Setup::on(io).workers(1).start(&to(origin.address(), "timeouts = { idle = \"60s\" }"));
        let mut client = Http2Client::connect(proxy.web());
        let (answer, _body) = client.begin(get("/"), true).head();
        let mut body = answer.into_body();
        // The client takes what its window allows and gives nothing back; then all must stand still.
        let mut taken = 0;
        while taken < 65_535 {
            let piece = wait_for("a piece", body.data()).expect("more to come").expect("a piece");
            taken += piece.len();
        }
        let mut before = usize::MAX;
        until("the origin to stand still", PATIENCE, || {
            std::thread::sleep(Duration::from_millis(100));
            let now = sent.load(Ordering::SeqCst);
            (std::mem::replace(&mut before, now) == now).then_some(())
        });
        // What the client took, a window of ours, what a stream may have waiting, and what the origin had begun.
        assert!(before < 65_535 + 64 * 1024 + 4 * 16 * 1024, "{before} bytes have left the origin");
        // It goes on when the client does.
        body.flow_control().release_capacity(taken).expect("an open stream");
        wait_for("a piece", body.data()).expect("more to come").expect("a piece");
    }

    fn a_drain_lets_streams_end(io) {
        let gate = Gate::new();
        let held = gate.clone();
        let origin = Http2Origin::start(move |_, mut respond| {
            let held = held.clone();
            async move {
                tokio_wait(held).await;
                let _ = respond.send_response(Response::new(()), true);
            }
        });
        let mut proxy = Setup::on(io).server("drain = \"20s\"").start(&to(origin.address(), ""));
        let mut client = Http2Client::connect(proxy.web());
        let idle = Http2Client::connect(proxy.web());
        let asking = client.begin(get("/"), true);
        gate.await_arrivals(1);
        let from = proxy.log.len();
        proxy.terminate();
        proxy.await_log(from, "drain");
        // Who has nothing under way is told to go, and goes.
        let ended = until("the end of the idle connection", PATIENCE, || idle.ended());
        assert_eq!(ended, Ok(()));
        gate.open();
        assert_eq!(asking.answer().status, 200);
        assert!(proxy.exit(PATIENCE).success());
    }
}

/// Wait for a gate in a script, which must not block its thread.
async fn tokio_wait(gate: Gate) {
    let waiting = std::thread::spawn(move || gate.wait());
    while !waiting.is_finished() {
        pause(Duration::from_millis(2)).await;
    }
}
