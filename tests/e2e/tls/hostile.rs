//! What is not TLS, or stops in the middle of it: closed in time, counted by reason, and nobody else waits for it.

use super::{World, secure};
use ringway_tests::{
    Authority, Client, End, Origin, PATIENCE, Proxy, Socket, both_drivers, front, until,
};
use std::io::{Read, Write};
use std::net::TcpListener;

const RESPOND: &str = "[[routes]]\nrespond = { status = 200, body = \"ok\" }\n";

fn count(proxy: &Proxy, result: &str) -> f64 {
    let result = format!("result=\"{result}\"");
    let labels = ["listener=\"web\"", result.as_str()];
    proxy
        .metrics()
        .sum("ringway_listener_tls_handshakes_total", &labels)
}

/// What a client of the authority says first.
fn hello(authority: &Authority) -> Vec<u8> {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("bound");
    let connector = authority.connector(None);
    let client = std::thread::spawn(move || {
        let _ = Client::try_connect_tls(address, &connector, "localhost");
    });
    let (mut socket, _) = listener.accept().expect("it connects");
    let mut bytes = vec![0; 16 * 1024];
    let n = socket.read(&mut bytes).expect("it speaks first");
    drop(socket);
    client.join().expect("it gives up");
    bytes.truncate(n);
    bytes
}

/// Still served, on one worker.
fn bystander(authority: &Authority, proxy: &Proxy) {
    let mut client = Client::connect_tls(proxy.web(), &authority.connector(None));
    assert_eq!(client.get("/").text(), "ok");
}

both_drivers! {
    fn plain_requests_are_told(io) {
        let (_, proxy) = World::new().start(io, &(secure("public", "") + RESPOND));
        let mut client = Client::connect(proxy.web());
        let answer = client.get("/");
        assert_eq!(answer.status, 400);
        assert!(answer.text().contains("https://"), "{}", answer.text());
        assert!(answer.says_close());
        client.expect_closed();
        assert_eq!(count(&proxy, "plain_http"), 1.0);
        let line = proxy.await_access("of it", |line| line["flag"] == "DPE");
        assert_eq!(line["reason"], "plain HTTP was sent to a TLS port", "{line}");
    }

    fn garbage_is_closed_at_once(io) {
        let (authority, proxy) = World::new().start(io, &(secure("public", "") + RESPOND));
        let hello = hello(&authority);
        let mut oversized = vec![22, 3, 1, 0xff, 0xff];
        oversized.resize(20_000, 7);
        let mut broken = hello.clone();
        // Lengths within it.
        broken[43..].fill(0xff);
        let zeros = vec![0; 5_000];
        for (what, bytes) in [("noise", &b"\x05\xff\xfe\x07 this is no hello"[..]), ("zeros", &zeros), ("a record too long", &oversized), ("a broken hello", &broken)] {
            let mut client = Client::connect(proxy.web());
            let _ = client.try_send(bytes);
            match client.end() {
                End::Open(_) => panic!("{what}: the connection stays open"),
                End::Clean(_) | End::Reset(_) => {}
            }
        }
        bystander(&authority, &proxy);
        until("all are counted", PATIENCE, || {
            let all = proxy.metrics().sum("ringway_listener_tls_handshakes_total", &[]);
            // The bystander's are the two others.
            let bad = all - count(&proxy, "full") - count(&proxy, "truncated");
            (bad == 4.0).then_some(())
        });
    }

    fn who_stops_in_the_middle_is_closed_at_the_timeout(io) {
        let more = "timeouts = { handshake = \"700ms\" }";
        let (authority, proxy) = World::new().start(io, &(secure("public", more) + RESPOND));
        let hello = hello(&authority);
        let mut stopped: Vec<Client> = Vec::new();
        for cut in [1, 5, 6, hello.len() / 2, hello.len() - 1, hello.len()] {
            let mut client = Client::connect(proxy.web());
            client.send(&hello[..cut]);
            stopped.push(client);
        }
        // And one that never says anything.
        stopped.push(Client::connect(proxy.web()));
        bystander(&authority, &proxy);
        for client in &mut stopped {
            assert!(!matches!(client.end(), End::Open(_)));
        }
        until("all are counted", PATIENCE, || (count(&proxy, "timeout") == 7.0).then_some(()));
        let line = proxy.await_access("of one", |line| line["flag"] == "DT");
        assert!(line["reason"].as_str().is_some_and(|why| why.contains("timeouts.handshake")), "{line}");
    }

    fn one_octet_at_a_time_is_good_enough(io) {
        let (authority, proxy) = World::new().start(io, &(secure("public", "") + RESPOND));
        let hello = hello(&authority);
        let mut client = Client::connect(proxy.web());
        for octet in hello.chunks(1) {
            client.send(octet);
        }
        // The server's flight, whatever is in it, begins with a record of the handshake.
        client.wire.fill().expect("an answer");
        assert_eq!(client.wire.waiting()[0], 22);
        // And then nonsense in the place of the client's Finished.
        client.send(b"\x17\x03\x03\x00\x20 0123456789012345678901234567890");
        assert!(!matches!(client.end(), End::Open(_)));
        bystander(&authority, &proxy);
    }

    fn an_end_that_was_not_announced_is_counted(io) {
        let (authority, proxy) = World::new().start(io, &(secure("public", "") + RESPOND));
        let mut client = Client::connect_tls(proxy.web(), &authority.connector(None));
        assert_eq!(client.get("/").text(), "ok");
        client.half_close();
        until("it is counted", PATIENCE, || (count(&proxy, "truncated") == 1.0).then_some(()));
        // One that says so is not.
        let mut client = Client::connect_tls(proxy.web(), &authority.connector(None));
        assert_eq!(client.get("/").text(), "ok");
        let Socket::Tls(stream) = client.wire.socket_mut() else { panic!("by TLS") };
        stream.close_notify();
        assert_eq!(client.end(), End::Clean(Vec::new()));
        assert_eq!(count(&proxy, "truncated"), 1.0);
    }

    fn a_storm_of_handshakes_leaves_others_served(io) {
        let (authority, proxy) = World::new().start(io, &(secure("public", "") + RESPOND));
        let hello = hello(&authority);
        let mut established = Client::connect_tls(proxy.web(), &authority.connector(None));
        let mut storm: Vec<Client> = (0..400).map(|_| Client::connect(proxy.web())).collect();
        for client in &mut storm {
            client.send(&hello);
        }
        for _ in 0..20 {
            assert_eq!(established.get("/").text(), "ok");
        }
        for client in &mut storm {
            client.wire.fill().expect("each has its turn");
            assert_eq!(client.wire.waiting()[0], 22);
        }
    }

    fn a_record_that_was_changed_on_its_way_ends_the_connection(io) {
        let origin = Origin::saying("ok");
        let toml = front(&origin, "").replace("[listeners.web]\n", "[listeners.web]\ntls = \"public\"\n");
        let (authority, proxy) = World::new().start(io, &toml);
        let mut client = Client::connect_tls(proxy.web(), &authority.connector(None));
        assert_eq!(client.get("/").text(), "ok");
        let Socket::Tls(stream) = client.wire.socket_mut() else { panic!("by TLS") };
        stream.socket.write_all(b"\x17\x03\x03\x00\x20 0123456789012345678901234567890").expect("open");
        assert!(stream.read(&mut [0; 10]).is_err(), "an alert");
        assert_eq!(origin.asked().len(), 1);
    }
}
