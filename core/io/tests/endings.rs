//! Tasks, wakers and other threads; how workers end, and what outlives them.

mod support;

use std::cell::RefCell;
use std::future::{Future, poll_fn};
use std::io::Write;
use std::net::TcpListener;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};

use ringway_io::{
    Buf, Listener, OutBuf, Stream, WorkerOptions, mailbox, pooled, run, sleep, spawn, yield_now,
};
use support::*;

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
