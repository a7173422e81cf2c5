//! What happens when nothing happens: slow clients, slow origins, nobody there. Times are short here; the defaults are
//! asserted by the configuration's own tests.

use crate::{request, web};
use ringway_tests::{Client, End, Gate, Origin, Proxy, both_drivers, front, get, ok};
use socket2_listener::full_backlog;
use std::time::{Duration, Instant};

fn listening(origin: &Origin, timeouts: &str) -> String {
    front(origin, "").replace(
        "bind = \"127.0.0.1:0\"",
        &format!("bind = \"127.0.0.1:0\"\ntimeouts = {{ {timeouts} }}"),
    )
}

fn routed(origin: &Origin, timeouts: &str) -> String {
    front(origin, "").replace(
        "to = \"origin\"",
        &format!("to = \"origin\"\ntimeouts = {{ {timeouts} }}"),
    )
}

/// An origin that reads requests and never answers; its connections end with the proxy's.
fn mute() -> Origin {
    Origin::start(|visit| {
        visit.request();
        visit.until_closed();
    })
}

mod socket2_listener {
    //! An address that takes no connection in: the backlog of its listener is full.

    use socket2::{Domain, Socket, Type};
    use std::net::{SocketAddr, TcpStream};
    use std::time::Duration;

    pub(super) struct Full {
        pub(super) address: SocketAddr,
        _listener: Socket,
        _inside: Vec<TcpStream>,
    }

    pub(super) fn full_backlog() -> Full {
        let listener = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
        listener
            .bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into())
            .expect("a free port");
        listener.listen(0).expect("listening");
        let address = listener
            .local_addr()
            .expect("an address")
            .as_socket()
            .expect("an IP address");
        let mut inside = Vec::new();
        while let Ok(stream) = TcpStream::connect_timeout(&address, Duration::from_millis(200)) {
            inside.push(stream);
            assert!(inside.len() < 100, "a backlog of 0 takes in more and more");
        }
        Full {
            address,
            _listener: listener,
            _inside: inside,
        }
    }
}

both_drivers! {
    fn a_head_that_does_not_end_is_a_408(io) {
        let origin = Origin::saying("ok");
        let proxy = Proxy::start(io, &listening(&origin, "headers = \"300ms\""));
        let mut client = Client::connect(proxy.web());
        let start = Instant::now();
        client.send("GET / HTTP/1.1\r\nHost: te");
        let answer = client.answer();
        assert_eq!(answer.status, 408);
        assert!(answer.says_close());
        assert!(start.elapsed() >= Duration::from_millis(290), "never early: {:?}", start.elapsed());
        client.expect_closed();
        assert_eq!(origin.connections(), 0);
    }

    fn bytes_now_and_then_do_not_stretch_the_time_for_a_head(io) {
        let origin = Origin::saying("ok");
        let proxy = Proxy::start(io, &listening(&origin, "headers = \"500ms\""));
        let mut client = Client::connect(proxy.web());
        let start = Instant::now();
        client.send("GET / HTTP/1.1\r\nHost: test\r\n");
        client.wire.set_timeout(Duration::from_millis(50));
        // A slow client: a byte for each time that no answer has come yet.
        while let Err(ringway_tests::WireError::TimedOut(_)) = client.wire.fill() {
            let _ = client.try_send("X");
            assert!(start.elapsed() < Duration::from_secs(10), "a trickle keeps the connection for ever");
        }
        assert!(start.elapsed() >= Duration::from_millis(490));
        assert!(client.wire.waiting().starts_with(b"HTTP/1.1 408"), "{}", ringway_tests::shown(client.wire.waiting()));
    }

    fn a_connection_without_a_byte_is_closed_silently(io) {
        let origin = Origin::saying("ok");
        let proxy = Proxy::start(io, &listening(&origin, "headers = \"300ms\", idle = \"300ms\""));
        let mut client = Client::connect(proxy.web());
        assert_eq!(client.end(), End::Clean(Vec::new()));
    }

    fn an_idle_connection_is_closed_silently(io) {
        let origin = Origin::saying("ok");
        let proxy = Proxy::start(io, &listening(&origin, "idle = \"300ms\""));
        let mut client = Client::connect(proxy.web());
        assert_eq!(client.get("/").status, 200);
        let start = Instant::now();
        assert_eq!(client.end(), End::Clean(Vec::new()));
        assert!(start.elapsed() >= Duration::from_millis(290), "never early: {:?}", start.elapsed());
    }

    fn a_body_that_stalls_is_a_408(io) {
        let origin = Origin::saying("ok");
        let proxy = Proxy::start(io, &listening(&origin, "body = \"300ms\""));
        let mut client = Client::connect(proxy.web());
        client.send(request("POST", "/stalls", "Content-Length: 10\r\n") + "hello");
        let answer = client.answer();
        assert_eq!(answer.status, 408);
        client.expect_closed();
        assert_eq!(origin.asked().len(), 0, "the origin never sees it whole");
        let line = proxy.await_access("of the stalled body", |line| line["path"] == "/stalls");
        assert_eq!(line["flag"], "DT", "{line}");
    }

    fn an_origin_that_says_nothing_is_a_504(io) {
        let origin = mute();
        let proxy = Proxy::start(io, &routed(&origin, "first_byte = \"300ms\""));
        let mut client = Client::connect(proxy.web());
        let start = Instant::now();
        let answer = client.get("/mute");
        assert_eq!(answer.status, 504);
        assert!(start.elapsed() >= Duration::from_millis(290), "never early: {:?}", start.elapsed());
        assert!(origin.await_end(0), "the upstream connection is given up");
        let line = proxy.await_access("of the 504", |line| line["path"] == "/mute");
        assert_eq!(line["flag"], "UT", "{line}");
        assert_eq!(client.get("/mute").status, 504, "the client's connection goes on");
    }

    fn interim_answers_are_no_first_byte_for_ever(io) {
        let origin = Origin::start(|visit| {
            visit.request();
            visit.send("HTTP/1.1 103 Early Hints\r\n\r\n");
            visit.until_closed();
        });
        let proxy = Proxy::start(io, &routed(&origin, "first_byte = \"300ms\", idle = \"600ms\""));
        let answer = Client::connect(proxy.web()).get("/");
        assert_eq!(answer.status, 504);
    }

    fn a_long_upload_is_not_a_slow_answer(io) {
        let origin = Origin::saying("ok");
        let proxy = Proxy::start(io, &routed(&origin, "first_byte = \"400ms\""));
        let mut client = Client::connect(proxy.web());
        client.send(request("POST", "/", "Content-Length: 12\r\n"));
        // Longer than first_byte in all, which counts from the request's end.
        for _ in 0..6 {
            std::thread::sleep(Duration::from_millis(120));
            client.send("xx");
        }
        assert_eq!(client.answer().status, 200);
    }

    fn nobody_there_is_a_503(io) {
        let mut origin = Origin::saying("ok");
        origin.stop_listening();
        let proxy = Proxy::start(io, &front(&origin, ""));
        let mut client = Client::connect(proxy.web());
        assert_eq!(client.get("/gone").status, 503);
        let line = proxy.await_access("of the 503", |line| line["path"] == "/gone");
        assert_eq!(line["flag"], "UF", "{line}");
        assert_eq!(client.get("/gone").status, 503, "the client's connection goes on");
    }

    fn connecting_has_a_time(io) {
        let full = full_backlog();
        let text = web("") + &format!(
            "[[routes]]\ntimeouts = {{ connect = \"300ms\" }}\nto = [\"{}\"]\n", full.address
        );
        let proxy = Proxy::start(io, &text);
        let start = Instant::now();
        let answer = get(proxy.web(), "/full");
        assert_eq!(answer.status, 503);
        assert!(start.elapsed() >= Duration::from_millis(290) && start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
        let line = proxy.await_access("of the 503", |line| line["path"] == "/full");
        assert_eq!(line["flag"], "UF", "{line}");
    }

    fn an_answer_that_stalls_is_cut(io) {
        let origin = Origin::start(|visit| {
            visit.request();
            visit.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello");
            visit.until_closed();
        });
        let proxy = Proxy::start(io, &routed(&origin, "idle = \"300ms\""));
        let mut client = Client::connect(proxy.web());
        client.send(request("GET", "/stalls", ""));
        let answer = client.try_answer("GET");
        assert!(answer.is_err(), "the client takes it for whole: {answer:?}");
        assert!(origin.await_end(0));
        let line = proxy.await_access("of the stalled answer", |line| line["path"] == "/stalls");
        assert_eq!(line["flag"], "SI", "{line}");
    }

    fn bytes_in_either_direction_keep_a_stream_alive(io) {
        let gate = Gate::new();
        let theirs = gate.clone();
        let origin = Origin::start(move |visit| {
            visit.request();
            visit.send("HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\n");
            for _ in 0..8 {
                std::thread::sleep(Duration::from_millis(100));
                visit.send("x");
            }
            theirs.open();
        });
        let proxy = Proxy::start(io, &routed(&origin, "idle = \"400ms\""));
        assert_eq!(get(proxy.web(), "/").text(), "xxxxxxxx");
    }

    fn a_total_time_is_kept_if_asked_for(io) {
        let origin = mute();
        let proxy = Proxy::start(io, &routed(&origin, "total = \"300ms\""));
        let start = Instant::now();
        assert_eq!(get(proxy.web(), "/total").status, 504);
        assert!(start.elapsed() >= Duration::from_millis(290), "never early: {:?}", start.elapsed());
        let line = proxy.await_access("of the 504", |line| line["path"] == "/total");
        assert_eq!(line["flag"], "UMSDR", "{line}");
    }

    fn there_is_no_total_time_by_default(io) {
        let origin = Origin::start(|visit| {
            visit.request();
            visit.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
            for _ in 0..20 {
                std::thread::sleep(Duration::from_millis(50));
                visit.send("1\r\nx\r\n");
            }
            visit.send("0\r\n\r\n");
        });
        let proxy = Proxy::start(io, &routed(&origin, "first_byte = \"300ms\", idle = \"300ms\""));
        assert_eq!(get(proxy.web(), "/").text().len(), 20);
    }

    fn a_slow_client_does_not_slow_the_others(io) {
        let origin = Origin::answering(|_| ok("ok"));
        let proxy = Proxy::start(io, &front(&origin, ""));
        let slow: Vec<Client> = (0..50)
            .map(|_| {
                let mut client = Client::connect(proxy.web());
                client.send("GET / HTTP/1.1\r\nHost: te");
                client
            })
            .collect();
        for _ in 0..20 {
            assert_eq!(get(proxy.web(), "/").status, 200);
        }
        drop(slow);
    }

    fn an_address_that_swallows_connections_costs_one_connect_time(io) {
        let full = full_backlog();
        let text = web("") + &format!("[[routes]]\ntimeouts = {{ connect = \"600ms\" }}\nto = [\"{}\"]\n", full.address);
        let proxy = Proxy::start(io, &text);
        let start = Instant::now();
        assert_eq!(get(proxy.web(), "/").status, 503);
        let took = start.elapsed();
        assert!(took >= Duration::from_millis(590) && took < Duration::from_millis(1500), "there is no other endpoint to try: {took:?}");
    }

    fn who_expects_to_be_told_to_go_on_does_not_wait_for_itself(io) {
        let origin = Origin::start(|visit| {
            visit.head();
            visit.until_closed();
        });
        let text = listening(&origin, "body = \"1s\"").replace("to = \"origin\"", "to = \"origin\"\ntimeouts = { first_byte = \"300ms\" }");
        let proxy = Proxy::start(io, &text);
        let mut client = Client::connect(proxy.web());
        client.send(request("PUT", "/expects", "Expect: 100-continue\r\nContent-Length: 5\r\n"));
        let answer = client.answer();
        assert_eq!(answer.status, 504, "it is the origin that said nothing");
        assert!(answer.interim.is_empty());
        let line = proxy.await_access("of the 504", |line| line["path"] == "/expects");
        assert_eq!(line["flag"], "UT", "{line}");
    }

    fn the_total_time_counts_during_an_upload(io) {
        let origin = mute();
        let proxy = Proxy::start(io, &routed(&origin, "total = \"300ms\""));
        let mut client = Client::connect(proxy.web());
        client.send(request("PUT", "/upload", "Content-Length: 10\r\n") + "hel");
        assert_eq!(client.answer().status, 504);
        client.expect_closed();
        let line = proxy.await_access("of the 504", |line| line["path"] == "/upload");
        assert_eq!(line["flag"], "UMSDR", "{line}");
    }

    fn the_total_time_counts_in_a_queue(io) {
        let gate = Gate::new();
        let origin = Origin::holding(&gate, "ok");
        let text = front(&origin, "limits = { requests = 1, queue_for = \"10s\" }")
            + "\n[[routes]]\nto = \"origin\"\nmatch = { path = \"/queued\" }\ntimeouts = { total = \"300ms\" }\n";
        let text = text.replacen("name = \"all\"", "name = \"all\"\nmatch = { path = \"/runs\" }", 1);
        let proxy = Proxy::start(io, &text);
        let mut runs = Client::connect(proxy.web());
        runs.send(request("GET", "/runs", ""));
        gate.await_arrivals(1);
        let start = Instant::now();
        assert_eq!(get(proxy.web(), "/queued").status, 504);
        let took = start.elapsed();
        assert!(took >= Duration::from_millis(290) && took < Duration::from_secs(5), "the total is 300 ms: {took:?}");
        let line = proxy.await_access("of the 504", |line| line["path"] == "/queued");
        assert_eq!(line["flag"], "UMSDR", "{line}");
        gate.open();
        assert_eq!(runs.answer().status, 200);
    }

    fn line_ends_in_front_of_no_request_are_no_request(io) {
        let origin = Origin::saying("ok");
        let proxy = Proxy::start(io, &listening(&origin, "headers = \"300ms\", idle = \"10s\""));
        let mut client = Client::connect(proxy.web());
        assert_eq!(client.get("/").status, 200);
        client.send("\r\n");
        assert_eq!(client.end(), End::Clean(Vec::new()), "a 408 would answer the next request");
        let mut client = Client::connect(proxy.web());
        assert_eq!(client.get("/").status, 200);
        client.send("\r\n");
        assert_eq!(client.get("/behind").status, 200, "but one may follow");
    }
}
