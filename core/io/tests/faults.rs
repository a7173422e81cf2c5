//! Faults: tiny rings, futures dropped at every await point, resets in each state, cancel races, endings with everything in flight.

mod support;

use std::future::{Future, poll_fn};
use std::io::Write;
use std::net::TcpListener;
use std::os::fd::AsFd;
use std::rc::Rc;
use std::sync::atomic::Ordering::Relaxed;
use std::task::Poll;
use std::time::Duration;

use ringway_io::{Listener, OutBuf, Stream, dial, sleep, spawn, tunnel, yield_now};
use socket2::{SockAddr, SockRef};
use support::*;

#[test]
fn tiny_rings_carry_many_connections() {
    for setup in SETUPS {
        let counters = worker(tiny(setup), || async {
            let std = TcpListener::bind("127.0.0.1:0").expect("bind");
            let address = SockAddr::from(std.local_addr().expect("address"));
            let listener = Listener::from_std(std).expect("listener");
            spawn(async move {
                while let Ok(s) = listener.accept().await {
                    spawn(echo(s));
                }
            });
            all((0..64u8).map(|i| {
                let address = address.clone();
                async move {
                    let s = dial(&address, 20_000).await.expect("connected");
                    for round in 0..20 {
                        let message = [i ^ round; 200];
                        send_all(&s, &message).await.expect("sent");
                        assert_eq!(recv_exactly(&s, 200).await, message);
                    }
                }
            }))
            .await;
        });
        if setup != Setup::Epoll {
            // (Epoll holds one buffer at a time here, so only the ring runs out.)
            let dry = counters.buffers_exhausted.load(Relaxed);
            assert!(dry > 0, "the pool was meant to run dry");
            let overflows = counters.cq_overflow.load(Relaxed);
            assert!(overflows > 0, "the completion queue was meant to overflow");
            assert!(
                counters.sq_full.load(Relaxed) > 0,
                "the queue was meant to be full"
            );
        }
    }
}

/// Poll a future `n` times (each time it is woken), then drop it. `None`: it was dropped; else it had finished.
async fn polled<F: Future>(n: usize, f: F) -> Option<F::Output> {
    let mut f = Box::pin(f);
    let mut left = n;
    poll_fn(|cx| {
        if left == 0 {
            return Poll::Ready(None);
        }
        left -= 1;
        match f.as_mut().poll(cx) {
            Poll::Ready(v) => Poll::Ready(Some(v)),
            Poll::Pending if left == 0 => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}

#[test]
fn receives_dropped_at_every_point_lose_nothing() {
    for setup in SETUPS {
        for options in [options(setup), tiny(setup)] {
            worker(options, || async {
                let mut dice = Dice::new("dropped receives");
                let bytes = dice.bytes(20_000);
                let (a, b) = streams();
                let theirs = bytes.clone();
                let sender = spawned(async move {
                    for chunk in theirs.chunks(700) {
                        send_all(&a, chunk).await.expect("sent");
                        yield_now().await;
                    }
                });
                let mut got = Vec::new();
                loop {
                    let n = dice.roll(3) as usize;
                    match polled(n, b.recv()).await {
                        Some(Ok(Some(buf))) => got.extend_from_slice(&buf),
                        Some(Ok(None)) => break,
                        Some(Err(e)) => panic!("{e}"),
                        None => yield_now().await,
                    }
                }
                assert!(got == bytes, "lost or doubled");
                sender.await;
            });
        }
    }
}

/// A whole exchange: dial, send, receive, half-close.
async fn exchange(address: SockAddr) {
    let s = dial(&address, 5_000).await.expect("connected");
    send_all(&s, &[5; 3000]).await.expect("sent");
    assert_eq!(recv_exactly(&s, 3000).await, [5; 3000]);
    s.shutdown_write();
    assert!(recv_to_end(&s).await.is_empty());
    sleep(1).await;
}

#[test]
fn an_exchange_dropped_at_every_await_point_leaves_nothing() {
    for setup in SETUPS {
        for options in [options(setup), tiny(setup)] {
            worker(options, || async {
                let std = TcpListener::bind("127.0.0.1:0").expect("bind");
                let address = SockAddr::from(std.local_addr().expect("address"));
                let listener = Listener::from_std(std).expect("listener");
                spawn(async move {
                    while let Ok(s) = listener.accept().await {
                        spawn(echo(s));
                    }
                });
                let mut finished = 0;
                for n in 0.. {
                    if polled(n, exchange(address.clone())).await.is_some() {
                        finished += 1;
                        if finished == 3 {
                            assert!(n > 4, "there are several await points");
                            break;
                        }
                    }
                }
            });
        }
    }
}

#[test]
fn tunnels_dropped_at_every_point_leave_the_streams_usable() {
    for setup in SETUPS {
        worker(options(setup), || async {
            for n in 0..12 {
                let (client, a) = streams();
                let (b, server) = streams();
                send_all(&client, b"abc").await.expect("sent");
                let (up, down) = Default::default();
                let ended = polled(n, tunnel(&a, &b, 0, &up, &down));
                // Each poll needs a wake; bytes trickle in to cause them.
                let trickle = async {
                    for _ in 0..n {
                        send_all(&client, b"d").await.expect("sent");
                        yield_now().await;
                    }
                    std::future::pending::<()>().await;
                };
                let mut trickle = Box::pin(trickle);
                let mut ended = Box::pin(ended);
                poll_fn(|cx| {
                    let _ = trickle.as_mut().poll(cx);
                    ended.as_mut().poll(cx)
                })
                .await;
                drop((trickle, ended));
                b.flush().await.expect("what was queued goes out");
                let moved = up.get() as usize;
                let got = recv_exactly(&server, moved).await;
                assert!(got.iter().all(|b| b"abcd".contains(b)));
                drop(client);
                let rest = recv_to_end(&a).await;
                assert!(moved + rest.len() >= 3, "bytes went missing");
            }
        });
    }
}

fn reset(s: std::net::TcpStream) {
    SockRef::from(&s.as_fd())
        .set_linger(Some(Duration::ZERO))
        .expect("option");
}

#[test]
fn resets_in_each_state() {
    everywhere(|| async {
        // Idle with nobody waiting, then asked.
        let (a, b) = tcp_pair();
        let b = stream(b);
        reset(a);
        assert!(b.recv().await.is_err());
        // While a receive waits.
        let (a, b) = tcp_pair();
        let b = Rc::new(stream(b));
        let theirs = b.clone();
        let waiting = spawned(async move { theirs.recv().await });
        yield_now().await;
        reset(a);
        assert!(waiting.await.is_err());
        assert!(b.is_reset());
        // While a send waits for room; the receive tells too, and not a clean end.
        let (a, b) = tcp_pair();
        let b = Rc::new(stream(b));
        let theirs = b.clone();
        let sending = spawned(async move { send_all(&theirs, &vec![0; 64 << 20]).await });
        sleep(20).await;
        reset(a);
        assert!(sending.await.is_err());
        assert!(b.recv().await.is_err(), "a reset must not look like an end");
        assert!(b.flush().await.is_err(), "a failed send stays failed");
        // With unread bytes in front of it: bytes first, or at least no clean end.
        let (mut a, b) = tcp_pair();
        let b = stream(b);
        a.write_all(b"bytes").expect("sent");
        std::future::poll_fn(|cx| b.poll_readable(cx))
            .await
            .expect("readable");
        reset(a);
        let mut got = Vec::new();
        let error = loop {
            match b.recv().await {
                Ok(Some(buf)) => got.extend_from_slice(&buf),
                Ok(None) => panic!("a clean end"),
                Err(e) => break e,
            }
        };
        assert_eq!(got, b"bytes", "{error}");
        // While closing with bytes queued.
        let (a, b) = tcp_pair();
        let b = stream(b);
        let mut out = OutBuf::take();
        out.resize(64 << 20, 1);
        b.queue(out).expect("room");
        drop(b);
        reset(a);
    });
}

#[test]
fn cancel_races() {
    for setup in SETUPS {
        for options in [options(setup), tiny(setup)] {
            worker(options, || async {
                let mut dice = Dice::new("races");
                for _ in 0..300 {
                    let std = TcpListener::bind("127.0.0.1:0").expect("bind");
                    let address = SockAddr::from(std.local_addr().expect("address"));
                    let listener = Listener::from_std(std).expect("listener");
                    let accepts = dice.roll(3) as usize;
                    let dials: Vec<_> = (0..4).map(|_| dice.roll(4) as usize).collect();
                    let serve = async {
                        for _ in 0..accepts {
                            if let Some(Ok(s)) = within(20, listener.accept()).await {
                                s.queue(&b"hello"[..]).expect("room");
                                s.submit();
                            }
                        }
                        drop(listener);
                    };
                    let connect = all(dials.into_iter().map(|n| {
                        let address = &address;
                        async move {
                            if let Some(Ok(s)) = polled(n, dial(address, 50)).await {
                                let _ = s.queue(&b"x"[..]);
                                if n % 2 == 0 {
                                    s.submit();
                                }
                                let _ = polled(n, s.recv()).await;
                                if n == 3 {
                                    s.abort();
                                }
                            }
                        }
                    }));
                    let mut serve = Box::pin(serve);
                    let mut connect = Box::pin(connect);
                    let (mut served, mut connected) = (false, false);
                    poll_fn(|cx| {
                        served = served || serve.as_mut().poll(cx).is_ready();
                        connected = connected || connect.as_mut().poll(cx).is_ready();
                        if served && connected {
                            Poll::Ready(())
                        } else {
                            Poll::Pending
                        }
                    })
                    .await;
                }
            });
        }
    }
}

#[test]
fn streams_dropped_while_sending() {
    for setup in SETUPS {
        for options in [options(setup), tiny(setup)] {
            worker(options, || async {
                let mut dice = Dice::new("dropped senders");
                for _ in 0..200 {
                    let (a, b) = streams();
                    let n = dice.roll(200_000) as usize;
                    let bytes = dice.bytes(n);
                    for chunk in bytes.chunks(bytes.len() / 8 + 1) {
                        let mut out = OutBuf::take();
                        out.extend_from_slice(chunk);
                        a.queue(out).expect("room");
                        if dice.roll(2) == 0 {
                            a.submit();
                        }
                    }
                    match dice.roll(3) {
                        0 => {
                            drop(a);
                            assert!(recv_to_end(&b).await == bytes);
                        }
                        1 => {
                            a.abort();
                            while let Ok(Some(_)) = b.recv().await {}
                            assert!(b.recv().await.is_err(), "an abort is no clean end");
                        }
                        _ => {
                            drop(b);
                            drop(a);
                        }
                    }
                }
            });
        }
    }
}

/// The worker's own bookkeeping breaks in no case: thousands of random steps on a few sockets.
#[test]
fn random_walks() {
    for setup in SETUPS {
        for options in [options(setup), tiny(setup)] {
            worker(options, || async {
                let mut dice = Dice::new("walk");
                let mut pairs: Vec<(Option<Stream>, Option<Stream>)> = Vec::new();
                let mut kept = Vec::new();
                let mut cx_flag = 0u64;
                for _ in 0..6_000 {
                    if pairs.len() < 6 {
                        let (a, b) = streams();
                        pairs.push((Some(a), Some(b)));
                    }
                    let at = dice.roll(pairs.len() as u64) as usize;
                    let pair = &mut pairs[at];
                    let side = if dice.roll(2) == 0 {
                        &mut pair.0
                    } else {
                        &mut pair.1
                    };
                    let Some(s) = side.as_ref() else {
                        if pair.0.is_none() && pair.1.is_none() {
                            pairs.swap_remove(at);
                        }
                        continue;
                    };
                    match dice.roll(16) {
                        0 | 1 => {
                            let n = dice.roll(3_000) as usize;
                            let mut out = OutBuf::take();
                            out.extend_from_slice(&dice.bytes(n));
                            let _ = s.queue(out);
                        }
                        2 => s.submit(),
                        3..=5 => kept.extend(s.try_recv()),
                        6 => {
                            if let Some(Ok(Some(buf))) = polled(1, s.recv()).await {
                                s.unread(buf);
                            }
                        }
                        7 => drop(polled(1, s.flush()).await),
                        8 => drop(polled(1, poll_fn(|cx| s.poll_broken(cx))).await),
                        9 => drop(polled(1, poll_fn(|cx| s.poll_readable(cx))).await),
                        10 => s.set_deadline(dice.roll(60) as u32),
                        11 => s.clear_deadline(),
                        12 => cx_flag += u64::from(s.is_quiet()),
                        13 if dice.roll(8) == 0 => s.shutdown_write(),
                        14 if dice.roll(8) == 0 => match (dice.roll(3), side.take()) {
                            (0, Some(s)) => s.abort(),
                            (1, Some(s)) => spawn(async move { s.linger(1000, 30).await }),
                            (_, s) => drop(s),
                        },
                        _ => {
                            kept.truncate(dice.roll(3) as usize);
                            yield_now().await;
                        }
                    }
                    if dice.roll(50) == 0 {
                        sleep(1).await;
                    }
                }
                assert!(cx_flag > 0, "some stream was quiet at some time");
            });
        }
    }
}
