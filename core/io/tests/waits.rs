//! Deadlines, dials and tunnels, on every setup.

mod support;

use std::cell::Cell;
use std::io::ErrorKind;
use std::net::TcpListener;
use std::rc::Rc;
use std::sync::atomic::Ordering::Relaxed;

use ringway_io::{OutBuf, dial, next_turn, now_ms, sleep, tunnel};
use socket2::SockAddr;
use support::*;

#[test]
fn deadlines_end_every_wait() {
    everywhere(|| async {
        // Receive.
        let (a, b) = streams();
        let start = now_ms();
        b.set_deadline(40);
        assert_eq!(
            b.recv().await.expect_err("late").kind(),
            ErrorKind::TimedOut
        );
        assert!(
            (40..400).contains(&(now_ms() - start)),
            "{} ms",
            now_ms() - start
        );
        assert_eq!(
            b.recv().await.expect_err("still late").kind(),
            ErrorKind::TimedOut
        );
        // Data that is here is not late.
        send_all(&a, b"x").await.expect("sent");
        b.clear_deadline();
        assert_eq!(recv_exactly(&b, 1).await, b"x");
        // A deadline moved closer counts at once, one moved away does not fire early.
        b.set_deadline(20_000);
        b.set_deadline(30);
        let start = now_ms();
        assert_eq!(
            b.recv().await.expect_err("late").kind(),
            ErrorKind::TimedOut
        );
        assert!((30..300).contains(&(now_ms() - start)));
        b.set_deadline(30);
        b.set_deadline(120);
        let start = now_ms();
        assert_eq!(
            b.recv().await.expect_err("late").kind(),
            ErrorKind::TimedOut
        );
        assert!((120..600).contains(&(now_ms() - start)));
        // Send to a peer that does not read.
        let (a, b) = tcp_pair();
        let a = stream(a);
        a.set_deadline(60);
        let block = vec![0; 1 << 20];
        let e = loop {
            if let Err(e) = send_all(&a, &block).await {
                break e;
            }
        };
        assert_eq!(e.kind(), ErrorKind::TimedOut);
        a.abort();
        drop(b);
    });
}

#[test]
fn a_stream_that_cannot_drain_is_closed_by_its_deadline() {
    for setup in SETUPS {
        let options = options(setup);
        let counters = options.counters.clone();
        worker(options, || async move {
            let (a, _b) = tcp_pair();
            let a = stream(a);
            let mut out = OutBuf::take();
            // More than the largest socket buffers.
            out.resize(128 << 20, 0);
            a.queue(out).expect("room");
            // Filling took a while, and deadlines count from the turn's beginning.
            sleep(1).await;
            a.set_deadline(50);
            drop(a);
            // One slot is the limit on the test's time.
            sleep(20).await;
            assert_eq!(counters.slots_in_use.load(Relaxed), 2);
            sleep(60).await;
            assert_eq!(counters.slots_in_use.load(Relaxed), 1);
        });
    }
}

/// A listener whose backlog is full: a further connect hangs.
fn full_listener() -> (SockAddr, Vec<std::net::TcpStream>, socket2::Socket) {
    let s =
        socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).expect("socket");
    s.bind(
        &"127.0.0.1:0"
            .parse::<std::net::SocketAddr>()
            .expect("address")
            .into(),
    )
    .expect("bind");
    s.listen(0).expect("listen");
    let address = s.local_addr().expect("address");
    let std = address.as_socket().expect("IPv4");
    let mut queued = Vec::new();
    while let Ok(c) =
        std::net::TcpStream::connect_timeout(&std, std::time::Duration::from_millis(50))
    {
        queued.push(c);
    }
    (address, queued, s)
}

#[test]
fn dials_fail_as_they_should() {
    everywhere(|| async {
        // Refused.
        let gone = TcpListener::bind("127.0.0.1:0")
            .expect("bind")
            .local_addr()
            .expect("address");
        let e = dial(&gone.into(), 1000).await.expect_err("nobody listens");
        assert_eq!(e.kind(), ErrorKind::ConnectionRefused);
        // Unix socket that does not exist.
        let e = dial(
            &SockAddr::unix("/nonexistent/socket").expect("address"),
            1000,
        )
        .await
        .expect_err("no such path");
        assert_eq!(e.kind(), ErrorKind::NotFound);
        // Times out.
        let (address, _queued, _s) = full_listener();
        let start = now_ms();
        let e = dial(&address, 60).await.expect_err("hangs");
        assert_eq!(e.kind(), ErrorKind::TimedOut);
        assert!((60..1000).contains(&(now_ms() - start)));
        // Dropped.
        assert!(within(20, dial(&address, 10_000)).await.is_none());
    });
}

#[test]
fn tunnels_carry_both_ways_with_half_close() {
    everywhere(|| async {
        let (client, a) = streams();
        let (b, server) = streams();
        let up = Rc::new(Dice::new("tunnel").bytes(3_000_000));
        let counts = Rc::new((Cell::new(0), Cell::new(0)));
        let counted = counts.clone();
        let tunnel = spawned(async move { tunnel(&a, &b, 5_000, &counted.0, &counted.1).await });
        let theirs = up.clone();
        let served = spawned(async move {
            let got = recv_to_end(&server).await;
            assert!(got == *theirs, "bytes differ");
            send_all(&server, b"thanks").await.expect("sent");
        });
        send_all(&client, &up).await.expect("sent");
        client.shutdown_write();
        assert_eq!(recv_to_end(&client).await, b"thanks");
        served.await;
        tunnel.await.expect("both ended");
        assert_eq!((counts.0.get(), counts.1.get()), (3_000_000, 6));
    });
}

#[test]
fn tunnels_end_when_idle_and_when_a_side_breaks() {
    everywhere(|| async {
        let (_client, a) = streams();
        let (b, server) = streams();
        let (up, down) = (Cell::new(0), Cell::new(0));
        let e = tunnel(&a, &b, 40, &up, &down).await.expect_err("idle");
        assert_eq!(e.kind(), ErrorKind::TimedOut);
        server.abort();
        let e = tunnel(&a, &b, 5_000, &up, &down).await.expect_err("reset");
        assert_eq!(e.kind(), ErrorKind::ConnectionReset);
    });
}

#[test]
fn a_full_unix_backlog_is_waited_for() {
    for setup in SETUPS {
        let options = options(setup);
        let counters = options.counters.clone();
        worker(options, move || async move {
            // An abstract name needs no file. (Linux only, as all of this.)
            let name = format!("\0ringway-test-{}-{setup:?}", std::process::id());
            let address = SockAddr::unix(name).expect("address");
            let listener = socket2::Socket::new(socket2::Domain::UNIX, socket2::Type::STREAM, None);
            let listener = listener.expect("socket");
            listener.bind(&address).expect("bind");
            listener.listen(0).expect("listen");
            let first = dial(&address, 1000).await.expect("one fits");
            let loops = counters.loops.load(Relaxed);
            let e = dial(&address, 60).await.expect_err("full");
            assert_eq!(e.kind(), ErrorKind::TimedOut);
            assert!(counters.loops.load(Relaxed) - loops < 30, "spinning");
            let accepting = std::thread::spawn(move || {
                (
                    listener.accept().expect("first"),
                    listener.accept().expect("second"),
                )
            });
            let second = dial(&address, 5_000).await.expect("room again");
            drop((first, second, accepting.join().expect("no panic")));
        });
    }
}

#[test]
fn whoever_waits_for_the_next_turn_lets_sockets_go_first() {
    for setup in SETUPS {
        let options = options(setup);
        let counters = options.counters.clone();
        worker(options, move || async move {
            let (a, b) = streams();
            let echoed = spawned(async move {
                let got = a.recv().await.expect("received").expect("bytes");
                a.queue(got).expect("room");
                a.flush().await.expect("sent");
            });
            // Busy all the time, yet the echo comes: each turn asks the kernel.
            send_all(&b, b"ping").await.expect("sent");
            let before = counters.loops.load(Relaxed);
            let mut waited = 0;
            while b.try_recv().is_none() {
                next_turn().await;
                waited += 1;
                assert!(waited < 1_000_000, "the echo never came");
            }
            let turns = counters.loops.load(Relaxed) - before;
            assert!(turns.abs_diff(waited) <= 1, "{waited} waits, {turns} turns");
            echoed.await;
        });
    }
}
