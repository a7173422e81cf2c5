//! Connections to origins: the pool, stale ones, retries that are safe, backup endpoints, Unix sockets. Under load, and
//! with whole processes dying: see `faults/`.

use crate::{request, web};
use ringway_tests::{
    Client, Gate, Origin, PATIENCE, Proxy, Scratch, Setup, both_drivers, front, get, ok, until,
};

both_drivers! {
    fn connections_that_the_origin_closed_are_not_used(io) {
        let origin = Origin::saying("ok");
        let proxy = Setup::on(io).workers(1).start(&front(&origin, ""));
        let mut client = Client::connect(proxy.web());
        for round in 0..20 {
            assert_eq!(client.get(&format!("/{round}")).status, 200, "round {round}");
            origin.close_connections();
        }
        // A POST may not be repeated: it succeeds only if the end of the idle connection was seen before.
        for round in 0..20 {
            let answer = client.ask(request("POST", &format!("/post/{round}"), "Content-Length: 2\r\n") + "xx");
            assert_eq!(answer.status, 200, "round {round}");
            let idle = || proxy.metrics().sum("ringway_cluster_pool_idle_connections", &["cluster=\"origin\""]);
            until("the connection to wait in the pool", PATIENCE, || (idle() == 1.0).then_some(()));
            origin.close_connections();
            until("the end of the idle connection to be seen", PATIENCE, || (idle() == 0.0).then_some(()));
        }
        assert_eq!(origin.asked().len(), 40, "nothing arrives twice");
    }

    fn a_reused_connection_that_dies_unanswered_is_retried_once(io) {
        let origin = Origin::start(|visit| {
            if visit.request().is_some() {
                visit.send(ok("first"));
            }
            // The first connection takes a second request and says nothing; others go on.
            if visit.number == 0 {
                visit.request();
                return;
            }
            while visit.request().is_some() {
                visit.send(ok("later"));
            }
        });
        let proxy = Setup::on(io).workers(1).start(&front(&origin, ""));
        let mut client = Client::connect(proxy.web());
        assert_eq!(client.get("/one").text(), "first");
        let answer = client.get("/two");
        assert_eq!((answer.status, answer.text().as_str()), (200, "first"), "on the second connection");
        let line = proxy.await_access("of the retried request", |line| line["path"] == "/two");
        assert_eq!(line["attempts"], 2, "{line}");
        assert_eq!(line["status"], 200, "{line}");
    }

    fn a_post_that_may_have_arrived_is_not_repeated(io) {
        let origin = Origin::start(|visit| {
            if visit.request().is_some() {
                visit.send(ok("first"));
            }
            visit.request();
        });
        let proxy = Setup::on(io).workers(1).start(&front(&origin, ""));
        let mut client = Client::connect(proxy.web());
        assert_eq!(client.get("/one").status, 200);
        let answer = client.ask(request("POST", "/two", "Content-Length: 2\r\n") + "xx");
        assert!([502, 503].contains(&answer.status), "{}", answer.status);
        let posts = origin.asked().iter().filter(|asked| asked.method == "POST").count();
        assert_eq!(posts, 1, "a POST may be run only once");
    }

    fn a_fresh_connection_that_dies_is_not_retried_for_ever(io) {
        let origin = Origin::start(|visit| {
            visit.request();
        });
        let proxy = Proxy::start(io, &front(&origin, ""));
        let answer = get(proxy.web(), "/dies");
        assert!([502, 503].contains(&answer.status), "{}", answer.status);
        assert!(origin.asked().len() <= 3, "{} attempts", origin.asked().len());
        let line = proxy.await_access("of the request", |line| line["path"] == "/dies");
        assert!(["UC", "UR"].contains(&line["flag"].as_str().unwrap_or_default()), "{line}");
    }

    fn idle_upstream_connections_end_after_their_time(io) {
        let origin = Origin::saying("ok");
        let proxy = Proxy::start(io, &front(&origin, "pool = { idle = \"300ms\" }"));
        assert_eq!(get(proxy.web(), "/").status, 200);
        assert!(origin.await_end(0), "the proxy closes it");
        assert_eq!(get(proxy.web(), "/").status, 200);
        assert_eq!(origin.connections(), 2);
    }

    fn what_an_idle_origin_says_answers_nobody(io) {
        // Servers that close an idle connection often say a 408 before.
        let origin = Origin::start(|visit| {
            if visit.request().is_some() {
                visit.send(ok("asked for"));
                visit.send("HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n");
                visit.until_closed();
            }
        });
        let proxy = Setup::on(io).workers(1).start(&front(&origin, ""));
        let mut client = Client::connect(proxy.web());
        for round in 0..20 {
            let answer = client.get(&format!("/{round}"));
            assert_eq!((answer.status, answer.text().as_str()), (200, "asked for"), "round {round}");
            assert!(origin.await_end(round), "a connection that spoke out of turn is closed");
        }
    }

    fn an_origin_that_asks_to_close_is_not_reused(io) {
        let origin = Origin::answering(|_| b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok".to_vec());
        let proxy = Setup::on(io).workers(1).start(&front(&origin, ""));
        let mut client = Client::connect(proxy.web());
        for _ in 0..5 {
            let answer = client.get("/");
            assert_eq!(answer.status, 200);
            assert!(!answer.says_close(), "the upstream's connection is not the client's");
        }
        assert_eq!(origin.connections(), 5);
    }

    fn an_old_origin_is_not_reused(io) {
        let origin = Origin::answering(|_| b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok".to_vec());
        let proxy = Setup::on(io).workers(1).start(&front(&origin, ""));
        let mut client = Client::connect(proxy.web());
        for _ in 0..3 {
            assert_eq!(client.get("/").text(), "ok");
        }
        assert_eq!(origin.connections(), 3);
    }

    fn a_dead_endpoint_is_passed_over(io) {
        let alive = Origin::saying("alive");
        let mut dead = Origin::saying("dead");
        dead.stop_listening();
        let text = web("") + &format!(
            "[[routes]]\nto = \"both\"\n[clusters.both]\nbalance = \"round_robin\"\nendpoints = [\"{}\", \"{}\"]\n",
            dead.address(), alive.address()
        );
        let proxy = Proxy::start(io, &text);
        let mut client = Client::connect(proxy.web());
        for _ in 0..20 {
            assert_eq!(client.get("/").text(), "alive", "a connection that failed has moved no byte");
        }
    }

    fn backups_serve_when_no_other_can(io) {
        let backup = Origin::saying("backup");
        let mut main = Origin::saying("main");
        let text = web("") + &format!(
            "[[routes]]\nto = \"both\"\n[clusters.both]\nendpoints = [\"{}\", {{ address = \"{}\", backup = true }}]\n",
            main.address(), backup.address()
        );
        let proxy = Proxy::start(io, &text);
        let mut client = Client::connect(proxy.web());
        for _ in 0..50 {
            assert_eq!(client.get("/").text(), "main");
        }
        assert_eq!(backup.asked().len(), 0);
        main.stop_listening();
        main.close_connections();
        until("the backup to serve", PATIENCE, || (client.get("/").text() == "backup").then_some(()));
        for _ in 0..10 {
            assert_eq!(client.get("/").text(), "backup");
        }
    }

    fn an_endpoint_may_be_a_unix_socket(io) {
        let scratch = Scratch::new();
        let path = scratch.file("origin.sock");
        let origin = Origin::at_path(&path, |mut visit| {
            while let Some(asked) = visit.request() {
                visit.send(ok(&format!("{} {}", asked.target, asked.body.len())));
            }
        });
        let text = web("") + &format!("[[routes]]\nto = \"local\"\n[clusters.local]\nendpoints = [\"unix:{}\"]\n", path.display());
        let proxy = Setup::on(io).start(&text);
        let mut client = Client::connect(proxy.web());
        assert_eq!(client.get("/one").text(), "/one 0");
        let body = "x".repeat(100_000);
        assert_eq!(client.ask(request("POST", "/two", "Content-Length: 100000\r\n") + &body).text(), "/two 100000");
        assert_eq!(origin.connections(), 1, "it is pooled like any other");
    }

    fn a_name_is_an_endpoint_as_well(io) {
        let origin = Origin::saying("named");
        let text = web("") + &format!("[[routes]]\nto = [\"localhost:{}\"]\n", origin.address().port());
        let proxy = Proxy::start(io, &text);
        assert_eq!(get(proxy.web(), "/").text(), "named");
    }

    fn each_exchange_has_its_own_connection_while_it_runs(io) {
        let gate = Gate::new();
        let origin = Origin::holding(&gate, "ok");
        let proxy = Proxy::start(io, &front(&origin, ""));
        let mut clients: Vec<Client> = (0..10).map(|_| Client::connect(proxy.web())).collect();
        for client in &mut clients {
            client.send(request("GET", "/", ""));
        }
        gate.await_arrivals(10);
        assert_eq!(origin.connections(), 10);
        gate.open();
        for client in &mut clients {
            assert_eq!(client.answer().status, 200);
        }
    }
}
