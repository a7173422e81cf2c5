//! The stop in its corners: silent clients, pipelined requests behind a long answer, what the log says of what was cut.
//! The stop as such is in `stop.rs`.

use crate::upgrade::{echoing, upgraded};
use crate::{narrow, request};
use ringway_tests::{
    Client, Origin, PATIENCE, Proxy, Setup, Socket, Wire, both_drivers, front, ok, until,
};
use std::io::Read;
use std::time::{Duration, Instant};

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
        const LONG: usize = 4 << 20;
        let body = "x".repeat(LONG);
        let origin = Origin::answering(move |_| ok(&body));
        let mut proxy = Proxy::start(io, &front(&origin, ""));
        let mut client = Client { wire: Wire::new(Socket::Tcp(narrow(proxy.web(), 20_000))) };
        client.send(request("GET", "/", "").repeat(17));
        let head = client.head();
        assert_eq!(head.get("content-length"), Some(LONG.to_string().as_str()));
        let mut got = client.wire.waiting().len();
        let from = proxy.log.len();
        proxy.terminate();
        proxy.await_log(from, "draining");
        let mut socket = client.wire.socket().again().expect("another name of the socket");
        let mut piece = [0; 32 * 1024];
        let mut reads = 0;
        while got < LONG {
            match socket.read(&mut piece) {
                Ok(n) if n > 0 => got += n,
                end => panic!("cut after {got} of {LONG} bytes: {end:?}"),
            }
            reads += 1;
            if reads % 4 == 0 {
                std::thread::sleep(Duration::from_millis(1));
            }
        }
        drop((socket, client));
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
