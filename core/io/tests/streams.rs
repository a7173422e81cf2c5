//! Streams, listeners and dials as they are meant to be used, on every setup.

mod support;

use std::io::{ErrorKind, Read, Write};
use std::net::TcpListener;
use std::os::fd::AsFd;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use ringway_io::{DriverKind, Listener, OutBuf, Segment, Stream, dial, driver, sleep, spawn};
use socket2::{SockAddr, SockRef};
use support::*;

#[test]
fn the_chosen_driver_runs() {
    for setup in SETUPS {
        worker(options(setup), move || async move {
            assert_eq!(driver() == DriverKind::Epoll, setup == Setup::Epoll);
        });
    }
}

#[test]
fn this_kernel_has_what_the_ring_needs() {
    let probe = ringway_io::probe();
    let features = probe.uring.expect("these tests need io_uring");
    assert!(features.suffices(), "{features:?}");
    assert!(!probe.kernel.is_empty());
    println!("{} {features:?}", probe.kernel);
}

#[test]
fn accepted_connections_echo() {
    everywhere(|| async {
        let std = TcpListener::bind("127.0.0.1:0").expect("bind");
        let address = SockAddr::from(std.local_addr().expect("address"));
        let listener = Listener::from_std(std).expect("listener");
        assert_eq!(
            SockAddr::from(listener.local_addr().expect("address")),
            address
        );
        spawn(async move {
            while let Ok(s) = listener.accept().await {
                assert!(
                    s.with_socket(|s| s.tcp_nodelay()).expect("option"),
                    "NODELAY is inherited"
                );
                spawn(echo(s));
            }
        });
        all((0..20u8).map(|i| {
            let address = address.clone();
            async move {
                let s = dial(&address, 1000).await.expect("connected");
                assert!(s.with_socket(|s| s.tcp_nodelay()).expect("option"));
                assert_eq!(s.peer_addr().expect("address"), address);
                for round in 0..50 {
                    let message = [i, round, 3, 4];
                    send_all(&s, &message).await.expect("sent");
                    assert_eq!(recv_exactly(&s, 4).await, message);
                }
                s.shutdown_write();
                assert_eq!(recv_to_end(&s).await, b"");
                assert_eq!((s.bytes_sent(), s.bytes_received()), (200, 200));
            }
        }))
        .await;
    });
}

#[test]
fn segments_of_every_kind_arrive_in_order() {
    everywhere(|| async {
        let (a, b) = streams();
        send_all(&b, b"buffer").await.expect("sent");
        let mut got = recv_exactly(&a, 0).await;
        assert!(got.is_empty());
        let buf = a.recv().await.expect("bytes").expect("no end");
        let mut out = OutBuf::take();
        out.extend_from_slice(b"out ");
        for s in [
            Segment::Static(b"static "),
            buf.into(),
            Segment::Static(b""),
            out.into(),
            Segment::Shared(Arc::from(&b" shared"[..])),
        ] {
            a.queue(s).expect("room");
        }
        assert_eq!(a.room(), Stream::QUEUE - 4);
        a.flush().await.expect("sent");
        assert_eq!(a.room(), Stream::QUEUE);
        drop(a);
        got.extend(recv_to_end(&b).await);
        assert_eq!(got, b"static bufferout  shared");
    });
}

#[test]
fn a_full_queue_gives_the_segment_back() {
    everywhere(|| async {
        let (a, b) = streams();
        for _ in 0..Stream::QUEUE {
            a.queue(&b"x"[..]).expect("room");
        }
        assert!(matches!(a.queue(&b"y"[..]), Err(Segment::Static(b"y"))));
        a.flush().await.expect("sent");
        a.queue(&b"y"[..]).expect("room again");
        drop(a);
        assert_eq!(recv_to_end(&b).await, b"xxxxxxxxxxxxxxxxy");
    });
}

#[test]
fn views_can_be_split_cloned_and_put_back() {
    everywhere(|| async {
        let (a, b) = streams();
        send_all(&a, b"hello world").await.expect("sent");
        let mut buf = b.recv().await.expect("bytes").expect("no end");
        let hello = buf.split_to(5);
        buf.advance(1);
        let again = buf.clone();
        assert_eq!(
            (&*hello, &*buf, &*again),
            (&b"hello"[..], &b"world"[..], &b"world"[..])
        );
        b.unread(again);
        b.unread(hello);
        drop(buf);
        assert_eq!(b.try_recv().as_deref(), Some(&b"hello"[..]));
        assert_eq!(recv_exactly(&b, 5).await, b"world");
        assert!(b.try_recv().is_none());
    });
}

#[test]
fn large_transfers_are_whole() {
    for setup in SETUPS {
        worker(options(setup), || async {
            let mut dice = Dice::new("large");
            let bytes = Rc::new(dice.bytes(8 << 20));
            let (a, b) = streams();
            let theirs = bytes.clone();
            let sender = spawned(async move {
                send_all(&a, &theirs).await.expect("sent");
                a.shutdown_write();
                recv_to_end(&a).await
            });
            let got = recv_to_end(&b).await;
            assert!(got == *bytes, "bytes differ");
            drop(b);
            assert_eq!(sender.await, b"");
        });
    }
}

#[test]
fn a_slow_reader_bounds_the_buffers() {
    for setup in SETUPS {
        let options = options(setup);
        let counters = options.counters.clone();
        let quota = u64::from(options.receive_quota.div_ceil(options.buffer_size));
        worker(options, || async move {
            let (a, b) = streams();
            spawn(async move {
                let block = vec![7u8; 1 << 20];
                for _ in 0..16 {
                    send_all(&a, &block).await.expect("sent");
                }
            });
            let mut total = 0;
            let mut most = 0;
            while let Some(buf) = b.recv().await.expect("bytes") {
                total += buf.len();
                drop(buf);
                // Each turn the kernel could bring as much as it is allowed to.
                ringway_io::yield_now().await;
                most = most.max(counters.buffers_in_use.load(Relaxed));
            }
            assert_eq!(total, 16 << 20);
            assert!(most <= quota + 28, "{most} buffers for one connection");
        });
    }
}

#[test]
fn single_bytes_do_not_take_the_pool() {
    // The peer sends thousands of one-byte segments, and nobody reads.
    for setup in SETUPS {
        let options = options(setup);
        let counters = options.counters.clone();
        worker(options, || async move {
            let (mut a, b) = tcp_pair();
            a.set_nodelay(true).expect("option");
            let b = stream(b);
            let (tell, mut done) = ringway_io::mailbox(1);
            std::thread::spawn(move || {
                for _ in 0..3000 {
                    a.write_all(b"x").expect("sent");
                }
                tell.send(()).expect("room");
            });
            // Arms the receive, reads nothing.
            assert!(
                within(1, std::future::poll_fn(|cx| b.poll_broken(cx)))
                    .await
                    .is_none()
            );
            done.recv().await.expect("told");
            let most = counters.buffers_in_use.load(Relaxed);
            assert!(most <= 64, "{most} buffers hold single bytes");
            assert_eq!(recv_to_end(&b).await.len(), 3000);
        });
    }
}

#[test]
fn half_close_works_both_ways() {
    everywhere(|| async {
        let (a, b) = streams();
        a.queue(&b"question"[..]).expect("room");
        a.shutdown_write();
        assert_eq!(recv_to_end(&b).await, b"question");
        assert!(b.recv().await.expect("end again").is_none());
        send_all(&b, b"answer").await.expect("sent");
        drop(b);
        assert_eq!(recv_to_end(&a).await, b"answer");
    });
}

#[test]
fn dropping_sends_what_is_queued() {
    everywhere(|| async {
        let bytes = Dice::new("drop").bytes(3_000_000);
        let (a, b) = streams();
        let mut out = OutBuf::take();
        out.extend_from_slice(&bytes);
        a.queue(out).expect("room");
        a.queue(&b"tail"[..]).expect("room");
        drop(a);
        let got = recv_to_end(&b).await;
        assert_eq!(got.len(), bytes.len() + 4);
        assert!(got.starts_with(&bytes) && got.ends_with(b"tail"));
    });
}

#[test]
fn abort_resets() {
    everywhere(|| async {
        let (a, b) = streams();
        send_all(&a, b"x").await.expect("sent");
        assert_eq!(recv_exactly(&b, 1).await, b"x");
        a.abort();
        let e = b.recv().await.expect_err("reset");
        assert_eq!(e.kind(), ErrorKind::ConnectionReset);
        assert!(b.is_reset());
        let e = b.recv().await.expect_err("the error stays");
        assert_eq!(e.kind(), ErrorKind::ConnectionReset);
    });
}

#[test]
fn a_lingering_close_lets_the_answer_through() {
    everywhere(|| async {
        let (mut a, b) = tcp_pair();
        let b = stream(b);
        a.write_all(&[1; 100_000]).expect("sent");
        b.queue(&b"answer"[..]).expect("room");
        let reader = std::thread::spawn(move || {
            let mut got = Vec::new();
            a.write_all(&[1; 100_000]).expect("still taken");
            a.shutdown(std::net::Shutdown::Write).expect("FIN");
            a.read_to_end(&mut got).map(|_| got)
        });
        b.linger(1 << 20, 2000).await;
        drop(b);
        assert_eq!(
            reader.join().expect("no panic").expect("not reset"),
            b"answer"
        );
    });
}

#[test]
fn a_quiet_stream_notices_data_and_fin() {
    everywhere(|| async {
        for fin in [false, true] {
            let (mut a, b) = tcp_pair();
            let b = stream(b);
            a.write_all(b"1").expect("sent");
            assert_eq!(recv_exactly(&b, 1).await, b"1");
            assert!(b.is_quiet());
            if fin {
                drop(a);
            } else {
                a.write_all(b"2").expect("sent");
            }
            std::future::poll_fn(|cx| b.poll_readable(cx))
                .await
                .expect("readable");
            assert!(!b.is_quiet());
            assert_eq!(b.recv().await.expect("as told").is_none(), fin);
        }
    });
}

#[test]
fn fin_is_not_broken_but_a_later_reset_is() {
    everywhere(|| async {
        let (a, b) = tcp_pair();
        let b = stream(b);
        a.shutdown(std::net::Shutdown::Write).expect("FIN");
        assert!(b.recv().await.expect("end").is_none());
        assert!(
            within(50, std::future::poll_fn(|cx| b.poll_broken(cx)))
                .await
                .is_none()
        );
        SockRef::from(&a.as_fd())
            .set_linger(Some(std::time::Duration::ZERO))
            .expect("option");
        drop(a);
        std::future::poll_fn(|cx| b.poll_broken(cx)).await;
    });
}

#[test]
fn a_reset_is_noticed_while_the_queue_is_full() {
    everywhere(|| async {
        let (mut a, b) = tcp_pair();
        let b = stream(b);
        a.write_all(&vec![1; 300_000]).expect("sent");
        // Fills the quota, so that no receive is armed.
        let broken = std::future::poll_fn(|cx| b.poll_broken(cx));
        assert!(within(50, broken).await.is_none());
        SockRef::from(&a.as_fd())
            .set_linger(Some(std::time::Duration::ZERO))
            .expect("option");
        drop(a);
        std::future::poll_fn(|cx| b.poll_broken(cx)).await;
    });
}

#[test]
fn unix_sockets_work() {
    everywhere(|| async {
        let (a, b) = std::os::unix::net::UnixStream::pair().expect("pair");
        let (a, b) = (stream(a), stream(b));
        spawn(echo(b));
        send_all(&a, b"ping").await.expect("sent");
        assert_eq!(recv_exactly(&a, 4).await, b"ping");
        a.shutdown_write();
        assert_eq!(recv_to_end(&a).await, b"");
    });
}

#[test]
fn a_burst_of_connections_waits_for_its_turn() {
    everywhere(|| async {
        let std = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None);
        let std = std.expect("socket");
        std.bind(
            &"127.0.0.1:0"
                .parse::<std::net::SocketAddr>()
                .expect("address")
                .into(),
        )
        .expect("bind");
        std.listen(1024).expect("listen");
        let address = std
            .local_addr()
            .expect("address")
            .as_socket()
            .expect("IPv4");
        let listener = Listener::from_fd(std.into()).expect("listener");
        // Arms the accept; nobody asks for what comes.
        assert!(within(1, listener.accept()).await.is_none());
        let clients = std::thread::spawn(move || {
            let clients: Vec<_> = (0..700)
                .map(|_| std::net::TcpStream::connect(address).expect("connected"))
                .collect();
            clients
        });
        while !clients.is_finished() {
            sleep(1).await;
        }
        let clients = clients.join().expect("no panic");
        let mut seen = Vec::new();
        for _ in 0..clients.len() {
            let s = listener.accept().await.expect("a connection");
            seen.push(
                s.peer_addr()
                    .expect("address")
                    .as_socket()
                    .expect("IPv4")
                    .port(),
            );
        }
        let mut ports: Vec<_> = clients
            .iter()
            .map(|c| c.local_addr().expect("address").port())
            .collect();
        ports.sort_unstable();
        seen.sort_unstable();
        assert_eq!(seen, ports);
    });
}

#[test]
fn a_stopped_listener_hands_over_what_came_before() {
    everywhere(|| async {
        let std = std::net::TcpListener::bind("127.0.0.1:0").expect("bind");
        let address = std.local_addr().expect("address");
        let listener = ringway_io::Listener::from_std(std).expect("listener");
        // Armed, and some accepted by the kernel that nobody asked for yet.
        let mut clients = vec![std::net::TcpStream::connect(address).expect("connected")];
        let first = listener.accept().await.expect("accepted");
        for _ in 0..20 {
            clients.push(std::net::TcpStream::connect(address).expect("connected"));
        }
        listener.stop();
        assert!(
            std::net::TcpStream::connect(address).is_err(),
            "refused at once"
        );
        let mut taken = vec![first];
        let end = loop {
            match listener.accept().await {
                Ok(stream) => taken.push(stream),
                Err(end) => break end,
            }
        };
        assert_eq!(end.raw_os_error(), Some(libc::EINVAL));
        assert_eq!(taken.len(), clients.len());
        for (stream, client) in taken.iter().zip(&mut clients) {
            send_all(stream, b"served").await.expect("sent");
            let mut got = [0; 6];
            std::io::Read::read_exact(client, &mut got).expect("not reset");
        }
    });
}

/// Accepted by one worker and served by another, whichever drivers they have; one that nobody takes is closed.
#[test]
fn an_accepted_connection_may_go_to_another_worker() {
    for (here, there) in [(Setup::Uring, Setup::Epoll), (Setup::Epoll, Setup::Uring)] {
        let std = TcpListener::bind("127.0.0.1:0").expect("bind");
        let address = std.local_addr().expect("address");
        let (sender, mut inbox) = ringway_io::mailbox::<ringway_io::Accepted>(4);
        let (ended, wait) = std::sync::mpsc::channel();
        let other = std::thread::spawn(move || {
            worker(options(there), move || async move {
                let accepted = inbox.recv().await.expect("one connection");
                echo(accepted.stream().expect("taken over")).await;
            });
            // The inbox is gone.
            ended.send(()).expect("somebody waits");
        });
        worker(options(here), move || async move {
            let listener = Listener::from_std(std).expect("listener");
            let mut client = std::net::TcpStream::connect(address).expect("connect");
            let accepted = listener.take().await.expect("accepted");
            assert!(sender.send(accepted).is_ok());
            client.write_all(b"hello").expect("sent");
            let mut got = [0; 5];
            client
                .read_exact(&mut got)
                .expect("the other worker's echo");
            assert_eq!(&got, b"hello");
            drop(client);
            wait.recv().expect("the other worker ends");
            let mut late = std::net::TcpStream::connect(address).expect("connect");
            let accepted = listener.take().await.expect("accepted");
            let back = sender.send(accepted).expect_err("nobody takes it");
            drop(back);
            assert_eq!(late.read(&mut got).expect("closed"), 0);
        });
        other.join().expect("the other worker ended well");
    }
}
