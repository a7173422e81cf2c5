//! A request whose pooled connection dies must not be taken for another one: once something of its body was read, the
//! rest of that body belongs to nobody else. What may be repeated is in `upstreams.rs`.

use crate::request;
use ringway_tests::{
    Client, Gate, Io, Origin, PATIENCE, Proxy, Setup, WireError, both_drivers, front, latin1, ok,
    until,
};
use std::time::Duration;

/// Its first connection answers one request, takes the head of a second one and, when told, ends without a word. The
/// others answer everything.
fn dying_once(when: &Gate) -> Origin {
    let when = when.clone();
    Origin::start(move |visit| {
        if visit.request().is_some() {
            visit.send(ok("first"));
        }
        if visit.number == 0 {
            visit.head();
            when.wait();
            return;
        }
        while visit.request().is_some() {
            visit.send(ok("later"));
        }
    })
}

fn warm(io: Io, origin: &Origin, timeouts: &str) -> (Proxy, Client) {
    let text = front(origin, "").replace(
        "bind = \"127.0.0.1:0\"",
        &format!("bind = \"127.0.0.1:0\"\n{timeouts}"),
    );
    let proxy = Setup::on(io).workers(1).start(&text);
    let mut client = Client::connect(proxy.web());
    assert_eq!(client.get("/warm").status, 200);
    (proxy, client)
}

both_drivers! {
    fn the_rest_of_a_chunk_is_never_a_request(io) {
        let gate = Gate::new();
        let origin = dying_once(&gate);
        let (_proxy, mut client) = warm(io, &origin, "");
        let inner = "0\r\n\r\nGET /admin-smuggled HTTP/1.1\r\nHost: a\r\n\r\n";
        client.send(request("PUT", "/x", "Transfer-Encoding: chunked\r\n") + &format!("{:x}\r\n", inner.len()));
        gate.await_arrivals(1);
        gate.open();
        assert!(origin.await_end(0));
        // It answers, closes, or begins again elsewhere: only then comes the rest.
        client.wire.set_timeout(Duration::from_millis(20));
        until("the proxy to notice the end of the connection", PATIENCE, || {
            let silent = matches!(client.wire.fill(), Err(WireError::TimedOut(_)));
            (!silent || origin.connections() > 1).then_some(())
        });
        let _ = client.try_send(format!("{inner}\r\n0\r\n\r\n"));
        client.wire.set_timeout(PATIENCE);
        let end = latin1(client.end().leftover());
        assert!(end.is_empty() || end.starts_with("HTTP/1.1 502"), "{end}");
        assert_eq!(end.matches("HTTP/1.1 ").count(), usize::from(!end.is_empty()), "one answer at most: {end}");
        assert!(origin.asked().iter().all(|asked| asked.target == "/warm"), "{:?}", origin.asked());
        for record in origin.records_from(1) {
            assert!(record.is_empty(), "the PUT is repeated: {}", ringway_tests::shown(&record));
        }
    }

    fn an_empty_chunked_body_does_not_wait_for_more(io) {
        let gate = Gate::new();
        gate.open();
        let origin = dying_once(&gate);
        let (_proxy, mut client) = warm(io, &origin, "timeouts = { body = \"1s\" }");
        client.send(request("DELETE", "/x", "Transfer-Encoding: chunked\r\n") + "0\r\n\r\n");
        let answer = client.answer();
        assert!([200, 502].contains(&answer.status), "repeated or told, but never blamed on the client: {}", answer.status);
    }
}
