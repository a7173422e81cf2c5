//! Faults: tiny rings, futures dropped at every await point, resets in each state, cancel races, endings with everything in flight.

mod support;

use std::cell::RefCell;
use std::future::{Future, poll_fn};
use std::io::Write;
use std::net::TcpListener;
use std::os::fd::AsFd;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use ringway_io::{
    Buf, Listener, OutBuf, Stream, WorkerOptions, dial, mailbox, pooled, run, sleep, spawn, tunnel,
    yield_now,
};
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
            println!("overflows: {}", counters.cq_overflow.load(Relaxed));
            assert!(
                counters.sq_full.load(Relaxed) > 0,
                "the queue was meant to be full"
            );
        }
    }
}

#[test]
fn starved_streams_wait_for_buffers_without_spinning() {
    for setup in SETUPS {
        let options = tiny(setup);
        let counters = options.counters.clone();
        worker(options, || async move {
            // Four streams, whose bytes are held, take all buffers; a fifth must wait.
            let mut held = Vec::new();
            let mut pairs = Vec::new();
            for _ in 0..4 {
                let (mut a, b) = tcp_pair();
                let b = stream(b);
                a.write_all(&[7; 64]).expect("sent");
                held.push(b.recv().await.expect("bytes").expect("no end"));
                pairs.push((a, b));
            }
            let (mut a, b) = tcp_pair();
            let b = stream(b);
            a.write_all(&[9; 64]).expect("sent");
            let loops = counters.loops.load(Relaxed);
            assert!(within(60, b.recv()).await.is_none(), "there is no buffer");
            let turns = counters.loops.load(Relaxed) - loops;
            assert!(turns < 100, "{turns} turns while starved");
            assert!(counters.buffers_exhausted.load(Relaxed) > 0);
            drop(held);
            assert_eq!(*b.recv().await.expect("bytes").expect("no end"), [9; 64]);
        });
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

#[test]
fn mailboxes_from_other_threads() {
    everywhere(|| async {
        let (tx, mut rx) = mailbox::<u64>(8);
        let threads: Vec<_> = (0..4u64)
            .map(|t| {
                let tx = tx.clone();
                std::thread::spawn(move || {
                    for i in 0..5_000 {
                        let mut message = t << 32 | i;
                        while let Err(back) = tx.send(message) {
                            message = back;
                            std::thread::yield_now();
                        }
                    }
                })
            })
            .collect();
        drop(tx);
        let mut next = [0u64; 4];
        while let Some(message) = rx.recv().await {
            let of = &mut next[(message >> 32) as usize];
            assert_eq!(message & 0xffff_ffff, *of);
            *of += 1;
        }
        assert_eq!(next, [5_000; 4]);
        for t in threads {
            t.join().expect("no panic");
        }
        let (tx, rx) = mailbox(1);
        drop(rx);
        assert_eq!(tx.send(1), Err(1));
    });
}

#[test]
fn wakers_outlive_tasks_and_workers() {
    for setup in SETUPS {
        let kept = Arc::new(Mutex::new(Vec::<Waker>::new()));
        for _ in 0..3 {
            let theirs = kept.clone();
            worker(options(setup), move || async move {
                for waker in theirs.lock().expect("not poisoned").iter() {
                    waker.wake_by_ref();
                }
                for _ in 0..50 {
                    let theirs = theirs.clone();
                    let mut left = 2;
                    spawn(poll_fn(move |cx| {
                        theirs
                            .lock()
                            .expect("not poisoned")
                            .push(cx.waker().clone());
                        left -= 1;
                        if left == 0 {
                            Poll::Ready(())
                        } else {
                            Poll::Pending
                        }
                    }));
                }
                yield_now().await;
                // Wakes from another thread, more than the inbox holds, among them stale ones.
                let wakers = theirs.lock().expect("not poisoned").clone();
                let thread = std::thread::spawn(move || {
                    for _ in 0..200 {
                        wakers.iter().for_each(Waker::wake_by_ref);
                    }
                });
                while !thread.is_finished() {
                    sleep(1).await;
                }
            });
        }
        for waker in kept.lock().expect("not poisoned").drain(..) {
            let copy = waker.clone();
            waker.wake();
            drop(copy);
        }
    }
}

#[test]
fn a_sleeping_worker_is_woken_from_outside() {
    for setup in SETUPS {
        worker(options(setup), || async {
            for _ in 0..200 {
                let flag = Arc::new(AtomicBool::new(false));
                let theirs = flag.clone();
                let mut thread = None;
                poll_fn(|cx| {
                    if flag.load(Relaxed) {
                        return Poll::Ready(());
                    }
                    let (waker, theirs) = (cx.waker().clone(), theirs.clone());
                    thread.get_or_insert_with(|| {
                        std::thread::spawn(move || {
                            theirs.store(true, Relaxed);
                            waker.wake();
                        })
                    });
                    Poll::Pending
                })
                .await;
                thread.take().expect("spawned").join().expect("no panic");
            }
        });
    }
}

#[test]
fn the_end_with_everything_in_flight() {
    thread_local! {
        static KEPT: RefCell<Vec<(Stream, Buf, OutBuf)>> = const { RefCell::new(Vec::new()) };
    }
    for setup in SETUPS {
        for options in [options(setup), tiny(setup)] {
            let counters = options.counters.clone();
            let mut peers = Vec::new();
            let peers_of = &mut peers;
            let result = run(options, || {
                for _ in 0..20 {
                    peers_of.push(tcp_pair());
                }
                let streams: Vec<_> = peers_of
                    .drain(10..)
                    .map(|(a, b)| (stream(a), stream(b)))
                    .collect();
                let half: Vec<_> = peers_of.drain(..).map(|(a, b)| (a, stream(b))).collect();
                let std = TcpListener::bind("127.0.0.1:0").expect("bind");
                let listener = Listener::from_std(std).expect("listener");
                async move {
                    spawn(async move { while listener.accept().await.is_ok() {} });
                    for (i, (a, b)) in streams.into_iter().enumerate() {
                        spawn(async move {
                            let mut out = OutBuf::take();
                            out.resize(if i % 2 == 0 { 64 << 20 } else { 10 }, 1);
                            a.queue(out).expect("room");
                            let _ = a.flush().await;
                            let _ = a.recv().await;
                        });
                        spawn(async move {
                            let _bytes = b.recv().await;
                            std::future::pending::<()>().await;
                        });
                    }
                    for (mut peer, s) in half {
                        peer.write_all(b"kept").expect("sent");
                        if KEPT.with_borrow(Vec::is_empty)
                            && let Ok(Some(buf)) = s.recv().await
                        {
                            // These three outlive the worker.
                            KEPT.with_borrow_mut(|k| k.push((s, buf, OutBuf::take())));
                        } else {
                            spawn(async move {
                                let _ = s.recv().await;
                                drop(peer);
                            });
                        }
                    }
                    spawn(async { sleep(100_000).await });
                    for _ in 0..3 {
                        yield_now().await;
                    }
                    // Tasks, streams and listener are still at work: the end comes now.
                }
            });
            result.expect("the worker ended");
            assert_eq!(counters.slots_in_use.load(Relaxed), 0, "slots left");
            assert_eq!(counters.tasks.load(Relaxed), 0, "tasks left");
            KEPT.with_borrow_mut(|kept| {
                assert_eq!(kept.len(), 1);
                let (s, buf, out) = &kept[0];
                assert_eq!(**buf, *b"kept");
                assert!(
                    s.try_recv().is_none()
                        && s.peer_addr().is_err()
                        && !s.is_quiet()
                        && out.is_empty()
                );
                assert!(s.queue(&b"x"[..]).is_ok());
                s.submit();
                s.unread(buf.clone());
                s.set_deadline(1);
                let mut cx = Context::from_waker(Waker::noop());
                assert!(matches!(s.poll_recv(&mut cx), Poll::Ready(Err(_))));
                assert!(matches!(s.poll_flush(&mut cx), Poll::Ready(Err(_))));
            });
            // They are dropped inside the next worker of this thread, whose slots and buffers must not notice.
            worker(support::options(setup), || async {
                let kept = KEPT.take();
                let (a, b) = streams();
                send_all(&a, b"fresh").await.expect("sent");
                let fresh = b.recv().await.expect("bytes").expect("no end");
                let copy = kept[0].1.clone();
                drop(kept);
                drop(copy);
                assert_eq!(*fresh, *b"fresh");
            });
        }
    }
}

#[test]
fn a_panicking_task_ends_alone() {
    for setup in SETUPS {
        let options = options(setup);
        let counters = options.counters.clone();
        run(options, || async {
            struct Loud;
            impl Drop for Loud {
                fn drop(&mut self) {
                    panic!("in drop");
                }
            }
            spawn(async { panic!("in poll") });
            spawn(async {
                let _loud = Loud;
                yield_now().await;
            });
            let (a, b) = streams();
            spawn(echo(b));
            sleep(1).await;
            send_all(&a, b"fine").await.expect("sent");
            assert_eq!(recv_exactly(&a, 4).await, b"fine");
        })
        .expect("the worker goes on");
        assert_eq!(counters.task_panics.load(Relaxed), 2);
        assert!(
            run(
                WorkerOptions {
                    counters,
                    ..support::options(setup)
                },
                || async { panic!("main") }
            )
            .is_err()
        );
    }
}

/// A waker whose clone, wake and drop work on streams of the worker: the worst a combinator could do.
struct Nosy(Arc<AtomicBool>);

impl Wake for Nosy {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Relaxed);
        let (a, b) = streams();
        drop(a);
        assert!(b.try_recv().is_none());
    }
}

impl Drop for Nosy {
    fn drop(&mut self) {
        // Outside a worker (after its end) this makes no stream.
        let (a, _b) = tcp_pair();
        drop(Stream::from_fd(a.into()));
    }
}

#[test]
fn foreign_wakers_run_when_nothing_is_borrowed() {
    for setup in SETUPS {
        worker(options(setup), || async {
            let woken = Arc::new(AtomicBool::new(false));
            let (a, b) = streams();
            let waker = Waker::from(Arc::new(Nosy(woken.clone())));
            assert!(b.poll_recv(&mut Context::from_waker(&waker)).is_pending());
            send_all(&a, b"x").await.expect("sent");
            while !woken.load(Relaxed) {
                sleep(1).await;
            }
            assert_eq!(recv_exactly(&b, 1).await, b"x");
            // Stored, then replaced by another task's, then left in a stream that is dropped, then at the worker's end.
            assert!(b.poll_recv(&mut Context::from_waker(&waker)).is_pending());
            drop(waker);
            assert!(within(1, b.recv()).await.is_none());
            let waker = Waker::from(Arc::new(Nosy(woken.clone())));
            assert!(b.poll_recv(&mut Context::from_waker(&waker)).is_pending());
            drop(b);
            assert!(
                a.poll_recv(&mut Context::from_waker(&waker)).is_pending()
                    || a.try_recv().is_none()
            );
            drop(waker);
            std::mem::forget(a);
        });
    }
}

#[test]
fn pooled_futures_move_and_outlive() {
    let outside = pooled(async { 7 });
    everywhere(|| async {
        let big = pooled(async {
            let block = [3u8; 5000];
            yield_now().await;
            block.iter().map(|&b| u32::from(b)).sum::<u32>()
        });
        assert!(std::mem::size_of_val(&big) <= 8);
        let moved = Box::new(big);
        assert_eq!((*moved).await, 15_000);
    });
    let mut outside = outside;
    assert_eq!(
        Pin::new(&mut outside).poll(&mut Context::from_waker(Waker::noop())),
        Poll::Ready(7)
    );
}

#[test]
fn a_thread_runs_one_worker_at_a_time() {
    everywhere(|| async {
        assert!(run(WorkerOptions::default(), || async {}).is_err());
    });
}

#[test]
fn the_last_words_are_sent() {
    for setup in SETUPS {
        let (mut a, b) = tcp_pair();
        worker(options(setup), || async {
            let b = stream(b);
            b.queue(&b"bye"[..]).expect("room");
        });
        let mut got = Vec::new();
        std::io::Read::read_to_end(&mut a, &mut got).expect("a clean end");
        assert_eq!(got, b"bye");
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
                            (1, Some(s)) => s.close_lingering(1000, 30),
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
