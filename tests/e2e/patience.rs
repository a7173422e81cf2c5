//! Who is waited for while both directions of an exchange flow: whoever moves no byte is cut in time, whoever moves
//! some is not, however slowly. The single timeouts are in `timeouts.rs`.

use crate::bodies::await_stall;
use crate::{narrow, request};
use ringway_tests::{Client, End, Origin, Proxy, Wire, both_drivers, front};
use std::io::{Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

fn with(origin: &Origin, listener: &str, route: &str) -> String {
    front(origin, "")
        .replace(
            "bind = \"127.0.0.1:0\"",
            &format!("bind = \"127.0.0.1:0\"\ntimeouts = {{ {listener} }}"),
        )
        .replace(
            "to = \"origin\"",
            &format!("to = \"origin\"\ntimeouts = {{ {route} }}"),
        )
}

/// Answers any request with this many bytes, as fast as they are taken; how many were, in the counter.
fn endless(length: usize) -> (Origin, Arc<AtomicUsize>) {
    let sent = Arc::new(AtomicUsize::new(0));
    let theirs = sent.clone();
    let origin = Origin::start(move |visit| {
        if visit.request().is_none() {
            return;
        }
        visit.send(format!(
            "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n"
        ));
        let block = vec![b'x'; 16 * 1024];
        while theirs.load(Ordering::Relaxed) < length && visit.send(&block) {
            theirs.fetch_add(block.len(), Ordering::Relaxed);
        }
        visit.until_closed();
    });
    (origin, sent)
}

both_drivers! {
    fn an_origin_that_falls_silent_after_an_early_answer_is_cut(io) {
        const UPLOAD: usize = 20 << 20;
        let gate = ringway_tests::Gate::new();
        let theirs = gate.clone();
        let origin = Origin::start(move |visit| {
            visit.wire.socket().small_receive_buffer(64 * 1024);
            let Some(mut asked) = visit.head() else { return };
            visit.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\na");
            theirs.wait();
            visit.body(&mut asked);
            visit.until_closed();
        });
        let proxy = Proxy::start(io, &with(&origin, "body = \"3s\"", "idle = \"3s\", first_byte = \"3s\""));
        let mut client = Client::connect(proxy.web());
        client.send(request("POST", "/early", &format!("Content-Length: {UPLOAD}\r\n")));
        assert!(client.head().start.starts_with("HTTP/1.1 200"));
        let sent = Arc::new(AtomicUsize::new(0));
        let count = sent.clone();
        let mut writing = client.wire.socket().again().expect("another name of the socket");
        let uploading = std::thread::spawn(move || {
            let block = [b'x'; 32 * 1024];
            while count.load(Ordering::Relaxed) < UPLOAD && writing.write_all(&block).is_ok() {
                count.fetch_add(block.len(), Ordering::Relaxed);
            }
        });
        // Everything on the way is full, and only then the origin reads: the upload waits once and goes on.
        assert!(await_stall(&sent) < UPLOAD, "the upload is long enough to come to a stop");
        gate.open();
        uploading.join().expect("the upload ends");
        assert_eq!(sent.load(Ordering::Relaxed), UPLOAD, "all of the body is taken");
        let start = Instant::now();
        let end = client.end();
        assert!(!matches!(end, End::Open(_)), "nobody waits for anything any more: {end:?}");
        assert!(start.elapsed() < Duration::from_secs(10), "the route's idle time is 3 s: {:?}", start.elapsed());
        assert_eq!(end.leftover(), b"a", "cut, not ended well");
        let line = proxy.await_access("of the cut answer", |line| line["path"] == "/early");
        assert_eq!(line["flag"], "SI", "{line}");
        assert_eq!(origin.asked().len(), 1);
    }

    fn a_client_may_fall_silent_while_its_answer_flows(io) {
        let origin = Origin::start(|visit| {
            if visit.head().is_none() {
                return;
            }
            visit.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
            for _ in 0..10 {
                visit.send("6\r\nevent \r\n");
                std::thread::sleep(Duration::from_millis(100));
            }
            visit.send("0\r\n\r\n");
            visit.until_closed();
        });
        let proxy = Proxy::start(io, &with(&origin, "body = \"300ms\"", "idle = \"2s\""));
        let mut client = Client::connect(proxy.web());
        client.send(request("POST", "/", "Transfer-Encoding: chunked\r\n") + "5\r\nhello\r\n");
        assert_eq!(client.answer().text(), "event ".repeat(10));
    }

    fn an_answer_may_fall_silent_while_the_upload_flows(io) {
        let origin = Origin::start(|visit| {
            let Some(mut asked) = visit.head() else { return };
            visit.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nbegun\r\n");
            if visit.body(&mut asked) {
                visit.send(format!("2\r\n{:02}\r\n0\r\n\r\n", asked.body.len()));
            }
            visit.until_closed();
        });
        let proxy = Proxy::start(io, &with(&origin, "body = \"5s\"", "idle = \"400ms\""));
        let mut client = Client::connect(proxy.web());
        client.send(request("POST", "/", "Transfer-Encoding: chunked\r\n"));
        for _ in 0..12 {
            client.send("1\r\nx\r\n");
            std::thread::sleep(Duration::from_millis(100));
        }
        client.send("0\r\n\r\n");
        assert_eq!(client.answer().text(), "begun12");
    }

    fn a_client_that_reads_slowly_is_not_cut(io) {
        let (origin, _) = endless(64 << 20);
        let proxy = Proxy::start(io, &with(&origin, "body = \"5s\"", "idle = \"500ms\""));
        let mut client = narrow(proxy.web(), 4096);
        client.write_all(request("GET", "/slowly", "").as_bytes()).expect("the request leaves");
        let (start, mut got, mut piece) = (Instant::now(), 0, [0; 4096]);
        while start.elapsed() < Duration::from_secs(3) {
            match client.read(&mut piece) {
                Ok(n) if n > 0 => got += n,
                end => panic!("cut after {got} bytes and {:?}: {end:?}", start.elapsed()),
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        assert!(proxy.access.is_empty(), "{:?}", proxy.access.all());
    }

    fn a_client_that_reads_nothing_is_cut(io) {
        let (origin, sent) = endless(64 << 20);
        let proxy = Proxy::start(io, &with(&origin, "body = \"5s\"", "idle = \"1s\""));
        let mut client = Client { wire: Wire::new(ringway_tests::Socket::Tcp(narrow(proxy.web(), 4096))) };
        let start = Instant::now();
        client.send(request("GET", "/nothing", ""));
        let line = proxy.await_access("of the client that reads nothing", |line| line["path"] == "/nothing");
        let took = start.elapsed();
        assert_eq!(line["flag"], "SI", "{line}");
        assert!(took >= Duration::from_millis(990), "never early: {took:?}");
        assert!(took < Duration::from_secs(3), "the route's idle time is 1 s: {took:?}");
        assert!(sent.load(Ordering::Relaxed) < 64 << 20);
        assert!(origin.await_end(0), "the origin is let go");
    }
}
