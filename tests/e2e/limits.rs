//! Limits: of a cluster over all workers, with its queue; of a listener; of bodies. The limits of heads are in the
//! conformance tables.

use crate::{request, web};
use ringway_tests::{
    Answer, Client, Gate, Origin, PATIENCE, Proxy, both_drivers, front, get, until,
};
use std::net::SocketAddr;
use std::sync::mpsc::{Receiver, channel};

/// Ask on `count` connections at once; answers come through the channel as they come.
fn ask_at_once(address: SocketAddr, count: usize) -> Receiver<Answer> {
    let (sender, receiver) = channel();
    for n in 0..count {
        let sender = sender.clone();
        std::thread::spawn(move || {
            let _ = sender.send(get(address, &format!("/{n}")));
        });
    }
    receiver
}

fn next(answers: &Receiver<Answer>) -> Answer {
    answers
        .recv_timeout(PATIENCE)
        .expect("an answer, since every request gets one")
}

both_drivers! {
    fn requests_are_limited_exactly_over_all_workers(io) {
        let gate = Gate::new();
        let origin = Origin::holding(&gate, "ok");
        let proxy = Proxy::start(io, &front(&origin, "limits = { requests = 4, queue = 3, queue_for = \"20s\" }"));
        let answers = ask_at_once(proxy.web(), 20);
        // 4 run, 3 wait, and the other 13 are told at once.
        for _ in 0..13 {
            let answer = next(&answers);
            assert_eq!(answer.status, 503);
            assert!(answer.field("retry-after").is_some(), "{:?}", answer.head.fields);
        }
        gate.await_arrivals(4);
        assert!(answers.try_recv().is_err(), "the rest waits");
        assert_eq!(gate.arrived(), 4, "no more than the limit reach the origin");
        gate.open();
        for _ in 0..7 {
            assert_eq!(next(&answers).status, 200);
        }
        assert_eq!(origin.asked().len(), 7);
        let line = proxy.await_access("of an overflow", |line| line["flag"] == "UO");
        assert_eq!(line["status"], 503);
        assert!(line["reason"].as_str().is_some_and(|reason| reason.len() > 5), "{line}");
        until("the limit to be given back", PATIENCE, || (get(proxy.web(), "/after").status == 200).then_some(()));
    }

    fn connections_are_limited_exactly_over_all_workers(io) {
        let gate = Gate::new();
        let origin = Origin::holding(&gate, "ok");
        let proxy = Proxy::start(io, &front(&origin, "limits = { connections = 3, queue = 2, queue_for = \"20s\" }"));
        let answers = ask_at_once(proxy.web(), 12);
        for _ in 0..7 {
            assert_eq!(next(&answers).status, 503);
        }
        gate.await_arrivals(3);
        assert_eq!(origin.connections(), 3);
        gate.open();
        for _ in 0..5 {
            assert_eq!(next(&answers).status, 200);
        }
    }

    fn the_queue_has_a_time(io) {
        let gate = Gate::new();
        let origin = Origin::holding(&gate, "ok");
        let proxy = Proxy::start(io, &front(&origin, "limits = { requests = 1, queue = 10, queue_for = \"250ms\" }"));
        let answers = ask_at_once(proxy.web(), 3);
        for _ in 0..2 {
            assert_eq!(next(&answers).status, 503, "who waits too long is told");
        }
        gate.open();
        assert_eq!(next(&answers).status, 200);
        assert_eq!(origin.asked().len(), 1, "who was told does not arrive afterwards");
    }

    fn a_client_that_leaves_the_queue_gives_its_place_back(io) {
        let gate = Gate::new();
        let origin = Origin::holding(&gate, "ok");
        let proxy = Proxy::start(io, &front(&origin, "limits = { requests = 1, queue = 1, queue_for = \"60s\" }"));
        let waiting = |wanted: f64| {
            until(&format!("{wanted} requests in the queue"), PATIENCE, || {
                (proxy.metrics().sum("ringway_cluster_waiting", &["of=\"requests\""]) == wanted).then_some(())
            });
        };
        let first = ask_at_once(proxy.web(), 1);
        gate.await_arrivals(1);
        let mut leaves = Client::connect(proxy.web());
        leaves.send(request("GET", "/leaves", ""));
        waiting(1.0);
        assert_eq!(get(proxy.web(), "/full").status, 503);
        leaves.reset();
        waiting(0.0);
        let mut stays = Client::connect(proxy.web());
        stays.send(request("GET", "/stays", ""));
        waiting(1.0);
        gate.open();
        assert_eq!(next(&first).status, 200);
        assert_eq!(stays.answer().status, 200);
        assert!(origin.asked().iter().all(|asked| asked.target != "/leaves"), "nobody wanted it any more");
    }

    fn a_listener_takes_so_many_connections_and_no_more(io) {
        let origin = Origin::saying("ok");
        let text = front(&origin, "").replace("bind = \"127.0.0.1:0\"", "bind = \"127.0.0.1:0\"\nlimits = { connections = 3 }");
        let proxy = Proxy::start(io, &text);
        let mut clients: Vec<Client> = (0..3).map(|_| Client::connect(proxy.web())).collect();
        for client in &mut clients {
            assert_eq!(client.get("/in").status, 200);
        }
        // Refused by a close, or told with a 503: never served.
        let mut fourth = Client::connect(proxy.web());
        let _ = fourth.try_send(request("GET", "/over", ""));
        assert!(!matches!(fourth.try_answer("GET"), Ok(answer) if answer.status == 200));
        for client in &mut clients {
            assert_eq!(client.get("/still").status, 200, "those inside do not suffer");
        }
        drop(clients.pop());
        until("the place to be free", PATIENCE, || {
            let mut client = Client::try_connect(proxy.web()).ok()?;
            client.try_send(request("GET", "/again", "")).ok()?;
            client.try_answer("GET").ok().filter(|answer| answer.status == 200)
        });
    }

    fn a_body_over_the_limit_is_a_413(io) {
        let origin = Origin::answering(|asked| ringway_tests::ok(&asked.body.len().to_string()));
        let text = web("limits = { body = \"10KiB\" }") + &format!(
            "[[routes]]\nmatch = {{ path = \"/small\" }}\nlimits = {{ body = \"100B\" }}\nto = \"origin\"\n\
             [[routes]]\nto = \"origin\"\n[clusters.origin]\nendpoints = [\"{}\"]\n", origin.address()
        );
        let proxy = Proxy::start(io, &text);
        let post = |target: &str, length: usize| {
            let body = "x".repeat(length);
            Client::connect(proxy.web()).ask(request("POST", target, &format!("Content-Length: {length}\r\n")) + &body)
        };
        assert_eq!(post("/", 10 * 1024).text(), "10240", "exactly the limit passes");
        assert_eq!(post("/", 10 * 1024 + 1).status, 413);
        assert_eq!(post("/small", 100).text(), "100");
        assert_eq!(post("/small", 101).status, 413);
        assert_eq!(origin.asked().len(), 2, "nothing over the limit arrives");
        assert_eq!(origin.faults(), Vec::<String>::new(), "nothing over the limit is begun");
        let line = proxy.await_access("of the 413", |line| line["status"] == 413);
        assert_eq!(line["flag"], "BL", "{line}");
    }

    fn a_chunked_body_over_the_limit_is_never_whole(io) {
        let origin = Origin::saying("ok");
        let text = front(&origin, "").replace("bind = \"127.0.0.1:0\"", "bind = \"127.0.0.1:0\"\nlimits = { body = \"1KiB\" }");
        let proxy = Proxy::start(io, &text);
        let mut client = Client::connect(proxy.web());
        client.send(request("POST", "/", "Transfer-Encoding: chunked\r\n"));
        let chunk = format!("200\r\n{}\r\n", "x".repeat(512));
        for _ in 0..3 {
            let _ = client.try_send(&chunk);
        }
        let _ = client.try_send("0\r\n\r\n");
        let answer = client.answer();
        assert_eq!(answer.status, 413);
        client.expect_closed();
        for (connection, bytes) in origin.since(&[]) {
            assert!(origin.await_end(connection));
            assert_eq!(ringway_tests::complete_requests(&bytes), 0);
        }
        assert_eq!(origin.asked().len(), 0);
    }

    fn the_limits_of_heads_may_be_lower(io) {
        let origin = Origin::saying("ok");
        let limits = "limits = { header_bytes = \"1KiB\", headers = 5, target_bytes = \"100B\" }";
        let text = front(&origin, "").replace("bind = \"127.0.0.1:0\"", &format!("bind = \"127.0.0.1:0\"\n{limits}"));
        let proxy = Proxy::start(io, &text);
        let ask = |target: &str, fields: &str| Client::connect(proxy.web()).ask(request("GET", target, fields)).status;
        assert_eq!(ask("/", "A: 1\r\nB: 1\r\nC: 1\r\nD: 1\r\n"), 200);
        assert_eq!(ask("/", "A: 1\r\nB: 1\r\nC: 1\r\nD: 1\r\nE: 1\r\n"), 431);
        assert_eq!(ask("/", &format!("A: {}\r\n", "x".repeat(1100))), 431);
        assert_eq!(ask(&format!("/{}", "x".repeat(100)), ""), 414);
    }
}
