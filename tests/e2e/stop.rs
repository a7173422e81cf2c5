//! The end: what is in flight ends well, nothing new begins, and what had to be cut is said.

use crate::request;
use crate::upgrade::{echoing, upgraded};
use ringway_tests::{
    Client, Gate, Load, LoadPlan, Origin, PATIENCE, Proxy, Setup, both_drivers, front, get, signal,
    until,
};
use std::net::TcpStream;
use std::time::{Duration, Instant};

both_drivers! {
    fn what_is_in_flight_ends_well(io) {
        let gate = Gate::new();
        let origin = Origin::holding(&gate, "finished");
        let mut proxy = Proxy::start(io, &front(&origin, ""));
        let address = proxy.web();
        let mut busy = Client::connect(address);
        busy.send(request("GET", "/", ""));
        let mut idle = Client::connect(address);
        gate.await_arrivals(1);
        proxy.terminate();
        until("new connections to be refused", PATIENCE, || TcpStream::connect(address).is_err().then_some(()));
        idle.expect_closed();
        assert!(proxy.runs(), "an exchange is in flight");
        assert_eq!(proxy.admin("/readyz").status, 503, "readiness fails first");
        assert_eq!(proxy.admin("/healthz").status, 200);
        gate.open();
        let answer = busy.answer();
        assert_eq!(answer.text(), "finished");
        assert!(answer.says_close(), "the client is told not to send more");
        busy.expect_closed();
        assert_eq!(proxy.exit(PATIENCE).code(), Some(0));
    }

    fn nothing_in_flight_ends_at_once(io) {
        let origin = Origin::saying("ok");
        let mut proxy = Proxy::start(io, &front(&origin, ""));
        let mut idle: Vec<Client> = (0..20).map(|_| Client::connect(proxy.web())).collect();
        for client in &mut idle {
            assert_eq!(client.get("/").status, 200);
        }
        let start = Instant::now();
        signal(proxy.id(), "INT");
        assert_eq!(proxy.exit(PATIENCE).code(), Some(0));
        assert!(start.elapsed() < Duration::from_secs(5), "idle connections do not hold it up: {:?}", start.elapsed());
        for client in &mut idle {
            client.expect_closed();
        }
    }

    fn what_does_not_end_is_cut_and_said(io) {
        let gate = Gate::new();
        let origin = Origin::holding(&gate, "never");
        let mut proxy = Setup::on(io).server("drain = \"500ms\"").start(&front(&origin, ""));
        let mut client = Client::connect(proxy.web());
        client.send(request("GET", "/cut", ""));
        gate.await_arrivals(1);
        let (start, from) = (Instant::now(), proxy.log.len());
        proxy.terminate();
        assert_eq!(proxy.exit(PATIENCE).code(), Some(0));
        assert!(start.elapsed() >= Duration::from_millis(490), "it had its time: {:?}", start.elapsed());
        client.expect_closed();
        proxy.await_log(from, "cut");
        gate.open();
    }

    fn a_tunnel_has_the_drain_time_and_no_more(io) {
        let origin = echoing();
        let mut proxy = Setup::on(io).server("drain = \"500ms\"").start(&front(&origin, ""));
        let mut client = upgraded(&proxy);
        proxy.terminate();
        client.send("still");
        assert_eq!(client.wire.take(5).expect("the echo"), b"still");
        client.expect_closed();
        assert_eq!(proxy.exit(PATIENCE).code(), Some(0));
    }

    fn a_second_signal_ends_it_at_once(io) {
        let gate = Gate::new();
        let origin = Origin::holding(&gate, "never");
        let mut proxy = Proxy::start(io, &front(&origin, ""));
        let mut client = Client::connect(proxy.web());
        client.send(request("GET", "/", ""));
        gate.await_arrivals(1);
        let from = proxy.log.len();
        proxy.terminate();
        proxy.await_log(from, "draining");
        let start = Instant::now();
        proxy.terminate();
        proxy.exit(PATIENCE);
        assert!(start.elapsed() < Duration::from_secs(5), "the drain time is 30 s: {:?}", start.elapsed());
        gate.open();
    }

    fn no_request_fails_while_it_stops_under_load(io) {
        let origin = Origin::saying("ok");
        let mut proxy = Proxy::start(io, &front(&origin, ""));
        let plan = LoadPlan { address: proxy.web(), connections: 4, target: "/".into(), patience: PATIENCE };
        let load = Load::start(&plan);
        until("the load to run", PATIENCE, || (load.good() > 500).then_some(()));
        proxy.terminate();
        assert_eq!(proxy.exit(PATIENCE).code(), Some(0));
        let report = load.stop();
        let wrong: Vec<_> = report.failures.iter().filter(|(what, _)| {
            // Refused connections are what a stop looks like. A kept connection may close before the next request is
            // answered, which every client must expect (RFC 9112 9.3.1); an answer may not break off.
            !what.starts_with("connect") && *what != "closed without an answer" && *what != "reset"
        }).collect();
        assert!(wrong.is_empty(), "{report:?}");
        assert_eq!(report.answers.keys().copied().collect::<Vec<u16>>(), [200], "{report:?}");
    }

    fn a_new_process_may_take_the_port_at_once(io) {
        let origin = Origin::saying("ok");
        let mut first = Proxy::start(io, &front(&origin, ""));
        let address = first.web();
        let mut kept = Client::connect(address);
        assert_eq!(kept.get("/").status, 200);
        first.terminate();
        assert_eq!(first.exit(PATIENCE).code(), Some(0));
        let second = Proxy::start(io, &front(&origin, "").replace("127.0.0.1:0", &address.to_string()));
        assert_eq!(get(second.web(), "/").status, 200);
        assert_eq!(second.web(), address);
    }
}
