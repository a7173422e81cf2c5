//! Bodies: long ones in both directions, back-pressure, early answers, broken ones. Not their malformed framing.

use crate::request;
use ringway_tests::{
    Client, Framing, Gate, Io, Origin, PATIENCE, Pattern, Proxy, Socket, Visit, Wire, both_drivers,
    front, ok,
};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

const LONG: usize = 64 << 20;
/// What the kernel may hold on both sides of the proxy and in the origin's and the client's own sockets (each up to 6 MiB
/// by default), and some.
const IN_KERNELS: usize = 32 << 20;

fn send_pattern(visit: &mut Visit, length: usize, sent: &AtomicUsize) {
    let mut pattern = Pattern::new();
    while pattern.position() < length {
        let left = length - pattern.position();
        if !visit.send(pattern.next(left)) {
            return;
        }
        sent.store(pattern.position(), Ordering::Relaxed);
    }
}

/// The figure has not moved for a while: everything that can take bytes is full.
pub(crate) fn await_stall(sent: &AtomicUsize) -> usize {
    let (start, mut seen, mut since) = (Instant::now(), 0, Instant::now());
    loop {
        let now = sent.load(Ordering::Relaxed);
        if now != seen {
            (seen, since) = (now, Instant::now());
        } else if now > 0 && since.elapsed() > Duration::from_millis(300) {
            return now;
        }
        assert!(
            start.elapsed() < PATIENCE,
            "the sender does not come to a stop: {now} bytes"
        );
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn memory_stays_bounded(proxy: &Proxy, before_kib: u64) {
    let (_, peak) = proxy.memory_kib();
    let grown = peak.saturating_sub(before_kib);
    assert!(
        grown < 16 * 1024,
        "resident memory has grown by {grown} KiB while one side was slow"
    );
}

fn download(io: Io, framing: Framing) {
    let origin = Origin::start(move |visit| {
        visit.request();
        let sent = AtomicUsize::new(0);
        match framing {
            Framing::Chunked => {
                visit.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
                let mut pattern = Pattern::new();
                while pattern.position() < LONG {
                    let piece = pattern
                        .next((LONG - pattern.position()).min(20_000))
                        .to_vec();
                    visit.send(
                        [format!("{:x}\r\n", piece.len()).as_bytes(), &piece, b"\r\n"].concat(),
                    );
                }
                visit.send("0\r\n\r\n");
            }
            Framing::UntilClose => {
                visit.send("HTTP/1.1 200 OK\r\n\r\n");
                send_pattern(visit, LONG, &sent);
            }
            _ => {
                visit.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {LONG}\r\n\r\n"));
                send_pattern(visit, LONG, &sent);
            }
        }
    });
    let proxy = Proxy::start(io, &front(&origin, ""));
    let before = proxy.memory_kib().1;
    let mut client = Client::connect(proxy.web());
    client.send(request("GET", "/long", ""));
    let head = client.head();
    let how = head.response_framing(200, "GET").expect("sound framing");
    if framing != Framing::UntilClose {
        assert_eq!(how, framing);
    }
    let mut pattern = Pattern::new();
    let read = client.wire.body_into(how, &mut |piece| {
        pattern
            .check(piece)
            .expect("the body arrives as it was sent")
    });
    assert!(read.is_ok(), "{read:?}");
    assert_eq!(pattern.position(), LONG);
    memory_stays_bounded(&proxy, before);
}

fn upload(io: Io, chunked: bool) {
    let origin = Origin::start(|visit| {
        let Some(asked) = visit.head() else { return };
        let mut pattern = Pattern::new();
        let mut fault = None;
        let read = visit.wire.body_into(asked.framing, &mut |piece| {
            fault = fault.take().or(pattern.check(piece).err())
        });
        let said = format!("{} {:?} {:?}", pattern.position(), fault, read.err());
        visit.send(ok(&said));
    });
    let proxy = Proxy::start(io, &front(&origin, ""));
    let before = proxy.memory_kib().1;
    let mut client = Client::connect(proxy.web());
    let mut pattern = Pattern::new();
    if chunked {
        client.send(request("PUT", "/long", "Transfer-Encoding: chunked\r\n"));
        while pattern.position() < LONG {
            let piece = pattern
                .next((LONG - pattern.position()).min(50_000))
                .to_vec();
            client.send(
                [
                    format!("{:X};ext=1\r\n", piece.len()).as_bytes(),
                    &piece,
                    b"\r\n",
                ]
                .concat(),
            );
        }
        client.send("0\r\n\r\n");
    } else {
        client.send(request(
            "PUT",
            "/long",
            &format!("Content-Length: {LONG}\r\n"),
        ));
        while pattern.position() < LONG {
            let piece = pattern.next(LONG - pattern.position()).to_vec();
            client.send(piece);
        }
    }
    assert_eq!(client.answer().text(), format!("{LONG} None None"));
    memory_stays_bounded(&proxy, before);
}

both_drivers! {
    fn a_long_counted_body_down(io) {
        download(io, Framing::Length(LONG as u64));
    }

    fn a_long_chunked_body_down(io) {
        download(io, Framing::Chunked);
    }

    fn a_long_body_down_until_close(io) {
        download(io, Framing::UntilClose);
    }

    fn a_long_counted_body_up(io) {
        upload(io, false);
    }

    fn a_long_chunked_body_up(io) {
        upload(io, true);
    }

    fn trailers_pass_in_both_directions(io) {
        let origin = Origin::answering(|asked| {
            let sum = asked.trailers.iter().find(|field| field.name == "X-Sum").map_or("none", |field| field.value.as_str());
            format!("HTTP/1.1 200 OK\r\nTrailer: X-Back\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX-Back: {sum}\r\n\r\n").into_bytes()
        });
        let proxy = Proxy::start(io, &front(&origin, ""));
        let fields = "TE: trailers\r\nConnection: TE\r\nTrailer: X-Sum\r\nTransfer-Encoding: chunked\r\n";
        let mut client = Client::connect(proxy.web());
        let answer = client.ask(request("POST", "/", fields) + "3\r\nabc\r\n0\r\nX-Sum: 42\r\n\r\n");
        assert_eq!(answer.text(), "ok");
        assert_eq!(answer.trailers.len(), 1, "{:?}", answer.trailers);
        assert_eq!((answer.trailers[0].name.as_str(), answer.trailers[0].value.as_str()), ("X-Back", "42"));
        assert_eq!(client.get("/again").text(), "ok");
    }

    fn chunks_are_passed_on_as_they_come(io) {
        let gate = Gate::new();
        let theirs = gate.clone();
        let origin = Origin::start(move |visit| {
            visit.request();
            visit.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n");
            theirs.wait();
            visit.send("4\r\nlast\r\n0\r\n\r\n");
        });
        let proxy = Proxy::start(io, &front(&origin, ""));
        let mut client = Client::connect(proxy.web());
        client.send(request("GET", "/", ""));
        client.head();
        assert_eq!(client.wire.chunk().expect("a chunk"), b"first");
        gate.open();
        assert_eq!(client.wire.chunk().expect("a chunk"), b"last");
        assert_eq!(client.wire.chunk().expect("the last chunk"), b"");
    }

    fn a_slow_reader_bounds_memory(io) {
        const VERY_LONG: usize = 1 << 30;
        let sent = Arc::new(AtomicUsize::new(0));
        let theirs = sent.clone();
        let origin = Origin::start(move |visit| {
            visit.request();
            visit.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {VERY_LONG}\r\n\r\n"));
            send_pattern(visit, VERY_LONG, &theirs);
        });
        let proxy = Proxy::start(io, &front(&origin, ""));
        let before = proxy.memory_kib().1;
        let stream = TcpStream::connect(proxy.web()).expect("the proxy listens");
        let socket = Socket::Tcp(stream);
        socket.small_receive_buffer(64 * 1024);
        let mut client = Client { wire: Wire::new(socket) };
        client.send(request("GET", "/", ""));
        let stalled = await_stall(&sent);
        assert!(stalled < IN_KERNELS, "{stalled} bytes were taken in for a client that reads nothing");
        memory_stays_bounded(&proxy, before);
        // And it goes on when the client does.
        client.head();
        let mut pattern = Pattern::new();
        let more = client.wire.take(stalled + (1 << 20)).expect("the body goes on");
        pattern.check(&more).expect("the body arrives as it was sent");
        drop(client);
        assert!(origin.await_end(0), "the origin is let go when the client leaves");
    }

    fn a_client_that_only_asks_bounds_memory(io) {
        let body = "x".repeat(10_000);
        let origin = Origin::answering(move |_| ok(&body));
        let proxy = Proxy::start(io, &front(&origin, ""));
        let before = proxy.memory_kib().1;
        let mut client = Client::connect(proxy.web());
        let asked = Arc::new(AtomicUsize::new(0));
        let theirs = asked.clone();
        let asking = std::thread::spawn(move || {
            let hundred = request("GET", "/", "").repeat(100);
            while client.try_send(&hundred).is_ok() {
                theirs.fetch_add(100, Ordering::Relaxed);
            }
        });
        await_stall(&asked);
        memory_stays_bounded(&proxy, before);
        assert!(origin.asked().len() * 10_000 < IN_KERNELS, "{} answers wait for a client that reads nothing", origin.asked().len());
        assert_eq!(Client::connect(proxy.web()).get("/").status, 200, "others do not notice");
        drop(proxy);
        asking.join().expect("the asking thread ends when the proxy does");
    }

    fn a_slow_origin_bounds_memory(io) {
        let gate = Gate::new();
        let theirs = gate.clone();
        let origin = Origin::start(move |visit| {
            visit.wire.socket().small_receive_buffer(64 * 1024);
            if visit.head().is_some() {
                theirs.wait();
            }
        });
        let proxy = Proxy::start(io, &front(&origin, ""));
        let before = proxy.memory_kib().1;
        let mut client = Client::connect(proxy.web());
        client.send(request("PUT", "/", "Content-Length: 1073741824\r\n"));
        gate.await_arrivals(1);
        let sent = Arc::new(AtomicUsize::new(0));
        let theirs = sent.clone();
        let uploading = std::thread::spawn(move || {
            let mut pattern = Pattern::new();
            while client.try_send(pattern.next(1 << 30)).is_ok() {
                theirs.fetch_add(1, Ordering::Relaxed);
            }
        });
        let stalled = await_stall(&sent) * 65_521;
        assert!(stalled < IN_KERNELS, "{stalled} bytes were taken in for an origin that reads nothing");
        memory_stays_bounded(&proxy, before);
        drop(proxy);
        gate.open();
        uploading.join().expect("the uploading thread ends when the proxy does");
    }

    fn an_early_answer_ends_the_upload(io) {
        let origin = Origin::start(|visit| {
            if visit.head().is_some() {
                visit.send("HTTP/1.1 403 No\r\nContent-Length: 2\r\n\r\nno");
                visit.until_closed();
            }
        });
        let proxy = Proxy::start(io, &front(&origin, ""));
        let mut client = Client::connect(proxy.web());
        client.send(request("PUT", "/", "Content-Length: 1073741824\r\n"));
        client.send(vec![b'x'; 10_000]);
        let answer = client.answer();
        assert_eq!((answer.status, answer.text().as_str()), (403, "no"));
        assert!(answer.says_close(), "the rest of the body will not be read");
        client.expect_closed();
        assert!(origin.await_end(0));
    }

    fn an_early_answer_while_the_client_is_sending(io) {
        let origin = Origin::start(|visit| {
            if visit.head().is_some() && visit.wire.take(1 << 20).is_ok() {
                visit.send("HTTP/1.1 403 No\r\nContent-Length: 2\r\n\r\nno");
                visit.until_closed();
            }
        });
        let proxy = Proxy::start(io, &front(&origin, ""));
        let mut client = Client::connect(proxy.web());
        client.send(request("PUT", "/", "Content-Length: 1073741824\r\n"));
        let start = Instant::now();
        let block = vec![b'x'; 64 * 1024];
        // Ends when the proxy stops taking the body; it must not take all of it.
        let mut sent = 0;
        while sent < 1 << 30 && client.try_send(&block).is_ok() {
            sent += block.len();
        }
        assert!(sent < 256 << 20, "{sent} bytes of the body were taken after the final answer");
        assert!(start.elapsed() < PATIENCE);
        assert!(origin.await_end(0));
        assert_eq!(Client::connect(proxy.web()).ask(request("PUT", "/", "Content-Length: 1048577\r\n") + &"x".repeat(1 << 20)).status, 403);
    }

    fn an_answer_that_breaks_off_is_not_ended_cleanly(io) {
        let origin = Origin::start(|visit| {
            visit.request();
            visit.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n");
        });
        let proxy = Proxy::start(io, &front(&origin, ""));
        let mut client = Client::connect(proxy.web());
        client.send(request("GET", "/broken", ""));
        let answer = client.try_answer("GET");
        assert!(answer.is_err(), "the client takes it for whole: {answer:?}");
        let line = proxy.await_access("of the broken answer", |line| line["path"] == "/broken");
        assert_eq!(line["flag"], "UC", "{line}");
    }

    fn an_upload_whose_origin_dies_is_answered(io) {
        let origin = Origin::taking(|mut visit| {
            if visit.head().is_some() && visit.wire.take(1000).is_ok() {
                visit.reset();
            }
        });
        let proxy = Proxy::start(io, &front(&origin, ""));
        let mut client = Client::connect(proxy.web());
        client.send(request("PUT", "/dies", "Content-Length: 2000\r\n") + &"x".repeat(1000));
        let answer = client.answer();
        assert!([502, 503].contains(&answer.status), "{}", answer.status);
        let line = proxy.await_access("of the upload", |line| line["path"] == "/dies");
        assert!(["UR", "UC"].contains(&line["flag"].as_str().unwrap_or_default()), "{line}");
    }
}
