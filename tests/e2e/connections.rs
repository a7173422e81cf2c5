//! Client connections: keep-alive, pipelining, interim answers, half-close, clients that leave. Not bodies, not timeouts.

use crate::request;
use ringway_tests::{
    Client, End, Framing, Gate, Origin, PATIENCE, Proxy, Setup, both_drivers, front, ok, until,
};

/// Answers with the target that was asked for.
fn echo() -> Origin {
    Origin::answering(|asked| match asked.method.as_str() {
        "HEAD" => format!(
            "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n",
            asked.target.len()
        )
        .into_bytes(),
        _ => ok(&asked.target),
    })
}

both_drivers! {
    fn many_connections_need_no_larger_table_of_files(io) {
        let origin = echo();
        let proxy = Proxy::start(io, &front(&origin, ""));
        let room = proxy.room_for_files();
        let mut clients: Vec<Client> = (0..300).map(|_| Client::connect(proxy.web())).collect();
        for client in &mut clients {
            assert_eq!(client.get("/").status, 200);
        }
        assert_eq!(proxy.room_for_files(), room, "a worker stood still for it");
    }

    fn a_connection_is_kept(io) {
        let origin = echo();
        let proxy = Proxy::start(io, &front(&origin, ""));
        let mut client = Client::connect(proxy.web());
        for path in ["/one", "/two", "/three"] {
            let answer = client.get(path);
            assert_eq!((answer.status, answer.text().as_str()), (200, path));
            assert!(!answer.says_close());
        }
        assert_eq!(origin.asked().len(), 3);
        assert_eq!(origin.connections(), 1, "the upstream connection is kept as well");
    }

    fn pipelined_requests_are_answered_in_order(io) {
        let origin = echo();
        let proxy = Proxy::start(io, &front(&origin, ""));
        let mut client = Client::connect(proxy.web());
        let paths: Vec<String> = (0..100).map(|n| format!("/pipelined/{n}")).collect();
        client.send(paths.iter().map(|path| request("GET", path, "")).collect::<String>());
        for path in &paths {
            assert_eq!(client.answer().text(), *path);
        }
        let arrived: Vec<String> = origin.asked().into_iter().map(|asked| asked.target).collect();
        assert_eq!(arrived, paths);
    }

    fn pipelined_bodies_and_heads_do_not_mix(io) {
        let origin = Origin::answering(|asked| ok(&String::from_utf8_lossy(&asked.body)));
        let proxy = Proxy::start(io, &front(&origin, ""));
        let mut client = Client::connect(proxy.web());
        client.send(
            "POST /a HTTP/1.1\r\nHost: t\r\nContent-Length: 3\r\n\r\noneGET /b HTTP/1.1\r\nHost: t\r\n\r\n\
             POST /c HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nthree\r\n0\r\n\r\nPOST /d HTTP/1.1\r\nHost: t\r\nContent-Length: 4\r\n\r\nfour",
        );
        for body in ["one", "", "three", "four"] {
            assert_eq!(client.answer().text(), body);
        }
    }

    fn head_has_no_body_and_the_next_request_is_not_lost(io) {
        let origin = echo();
        let proxy = Proxy::start(io, &front(&origin, ""));
        let mut client = Client::connect(proxy.web());
        client.send(request("HEAD", "/head", "") + &request("GET", "/get", ""));
        let answer = client.answer_to("HEAD");
        assert_eq!((answer.status, answer.field("content-length")), (200, Some("5")));
        assert_eq!(client.answer().text(), "/get");
    }

    fn answers_without_body_keep_the_connection(io) {
        let origin = Origin::answering(|asked| match asked.target.as_str() {
            "/204" => b"HTTP/1.1 204 No Content\r\n\r\n".to_vec(),
            "/304" => b"HTTP/1.1 304 Not Modified\r\nContent-Length: 1000\r\n\r\n".to_vec(),
            other => ok(other),
        });
        let proxy = Proxy::start(io, &front(&origin, ""));
        let mut client = Client::connect(proxy.web());
        assert_eq!(client.get("/204").status, 204);
        assert_eq!(client.get("/304").status, 304);
        assert_eq!(client.get("/after").text(), "/after");
    }

    fn continue_is_asked_for_and_relayed(io) {
        let origin = Origin::start(|visit| {
            let Some(mut asked) = visit.head() else { return };
            visit.send("HTTP/1.1 100 Continue\r\n\r\n");
            if visit.body(&mut asked) {
                visit.send(ok(&String::from_utf8_lossy(&asked.body)));
            }
        });
        let proxy = Proxy::start(io, &front(&origin, ""));
        let mut client = Client::connect(proxy.web());
        client.send(request("POST", "/", "Expect: 100-continue\r\nContent-Length: 5\r\n"));
        let interim = client.head();
        assert!(interim.start.starts_with("HTTP/1.1 100"), "{}", interim.start);
        client.send("hello");
        assert_eq!(client.answer().text(), "hello");
    }

    fn a_final_answer_instead_of_continue_ends_the_request(io) {
        let origin = Origin::start(|visit| {
            if visit.head().is_some() {
                visit.send("HTTP/1.1 413 Too Much\r\nContent-Length: 0\r\n\r\n");
                visit.until_closed();
            }
        });
        let proxy = Proxy::start(io, &front(&origin, ""));
        let mut client = Client::connect(proxy.web());
        client.send(request("POST", "/", "Expect: 100-continue\r\nContent-Length: 5\r\n"));
        let answer = client.answer();
        assert_eq!(answer.status, 413);
        assert!(answer.interim.is_empty(), "we never say 100 on our own");
        // What the client sends next could be the body or a request: nobody can tell.
        let _ = client.try_send(request("GET", "/smuggled", ""));
        client.expect_closed();
        assert!(origin.await_end(0), "the upstream connection cannot be used again");
        assert_eq!(origin.connections(), 1);
    }

    fn early_hints_come_before_the_answer_is_made(io) {
        let gate = Gate::new();
        let theirs = gate.clone();
        let origin = Origin::start(move |visit| {
            visit.request();
            visit.send("HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n");
            theirs.wait();
            visit.send(ok("late"));
        });
        let proxy = Proxy::start(io, &front(&origin, ""));
        let mut client = Client::connect(proxy.web());
        client.send(request("GET", "/", ""));
        let hints = client.head();
        assert!(hints.start.starts_with("HTTP/1.1 103"), "{}", hints.start);
        assert_eq!(hints.get("link"), Some("</a.css>; rel=preload"));
        gate.open();
        assert_eq!(client.answer().text(), "late");
    }

    fn an_old_client_gets_a_counted_or_closed_body(io) {
        let origin = Origin::answering(|_| b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n".to_vec());
        let proxy = Proxy::start(io, &front(&origin, ""));
        let mut client = Client::connect(proxy.web());
        let answer = client.ask("GET / HTTP/1.0\r\n\r\n");
        assert_eq!(answer.text(), "hello");
        assert_ne!(answer.framing, Framing::Chunked);
        client.expect_closed();
    }

    fn an_old_client_may_keep_its_connection(io) {
        let origin = echo();
        let proxy = Proxy::start(io, &front(&origin, ""));
        let mut client = Client::connect(proxy.web());
        for path in ["/one", "/two"] {
            let answer = client.ask(format!("GET {path} HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"));
            assert_eq!(answer.text(), path);
            let said = answer.field("connection").unwrap_or_default().to_ascii_lowercase();
            assert_eq!(said, "keep-alive", "an HTTP/1.0 client must be told");
        }
        let last = client.ask("GET /last HTTP/1.0\r\n\r\n");
        assert_eq!(last.text(), "/last");
        client.expect_closed();
    }

    fn a_client_that_half_closes_gets_its_answers(io) {
        let gate = Gate::new();
        let origin = Origin::holding(&gate, "held");
        let proxy = Proxy::start(io, &front(&origin, ""));
        let mut client = Client::connect(proxy.web());
        client.send(request("GET", "/one", "") + &request("GET", "/two", ""));
        client.half_close();
        gate.await_arrivals(1);
        gate.open();
        assert_eq!(client.answer().text(), "held");
        assert_eq!(client.answer().text(), "held");
        assert_eq!(client.end(), End::Clean(Vec::new()));
    }

    fn a_client_that_resets_ends_its_exchange(io) {
        let gate = Gate::new();
        let theirs = gate.clone();
        let origin = Origin::start(move |visit| {
            if visit.request().is_some() {
                theirs.wait();
                visit.until_closed();
            }
        });
        let proxy = Proxy::start(io, &front(&origin, ""));
        let mut client = Client::connect(proxy.web());
        client.send(request("GET", "/", ""));
        gate.await_arrivals(1);
        gate.open();
        client.reset();
        assert!(origin.await_end(0), "the upstream connection is closed as well");
        let line = proxy.await_access("of the client that left", |line| line["path"] == "/");
        assert_eq!(line["flag"], "DC", "{line}");
    }

    fn a_clean_end_without_a_request_is_silent(io) {
        let origin = echo();
        let proxy = Proxy::start(io, &front(&origin, ""));
        let mut client = Client::connect(proxy.web());
        client.half_close();
        assert_eq!(client.end(), End::Clean(Vec::new()));
        assert_eq!(Client::connect(proxy.web()).get("/still").text(), "/still");
    }

    fn idle_connections_hold_no_buffer(io) {
        let origin = echo();
        let proxy = Proxy::start(io, &front(&origin, "pool = { idle = \"200ms\" }"));
        let mut clients: Vec<Client> = (0..300).map(|_| Client::connect(proxy.web())).collect();
        for client in &mut clients {
            assert_eq!(client.get("/x").status, 200);
        }
        until("no buffer to be in use", PATIENCE, || {
            let metrics = proxy.metrics();
            assert_eq!(metrics.sum("ringway_listener_connections", &["listener=\"web\""]), 300.0);
            (metrics.sum("ringway_worker_buffers_in_use", &[]) == 0.0).then_some(())
        });
        for client in &mut clients {
            assert_eq!(client.get("/again").text(), "/again", "and they are still good");
        }
    }

    fn many_clients_at_once(io) {
        let origin = echo();
        let proxy = Setup::on(io).start(&front(&origin, ""));
        let mut clients: Vec<Client> = (0..200).map(|_| Client::connect(proxy.web())).collect();
        for round in 0..3 {
            for (n, client) in clients.iter_mut().enumerate() {
                client.send(request("GET", &format!("/{round}/{n}"), ""));
            }
            for (n, client) in clients.iter_mut().enumerate() {
                assert_eq!(client.answer().text(), format!("/{round}/{n}"));
            }
        }
    }
}
