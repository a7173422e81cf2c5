//! Tunnels whose bytes are spliced: over every change from copying to splicing and back nothing is lost, doubled or out of order.

mod support;

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::io::{self, ErrorKind};
use std::os::unix::net::UnixStream;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::task::Poll;

use ringway_io::{Counters, Stream, WorkerOptions, sleep, tunnel, yield_now};
use support::*;

/// Spliced sooner than in production.
fn soon(setup: Setup) -> WorkerOptions {
    WorkerOptions {
        buffer_size: 4096,
        receive_quota: 20 * 1024,
        splice_after: 64 * 1024,
        ..options(setup)
    }
}

/// Pipes of a page and buffers below that, so that everything is always full.
fn small(setup: Setup) -> WorkerOptions {
    WorkerOptions {
        buffer_size: 512,
        receive_quota: 2048,
        splice_after: 2048,
        pipe_size: 4096,
        pipes: 4,
        ..options(setup)
    }
}

fn everywhere_spliced<F: Future<Output = ()> + 'static>(main: impl Fn(Arc<Counters>) -> F) {
    for setup in SETUPS {
        for options in [soon(setup), small(setup)] {
            let counters = options.counters.clone();
            worker(options, || main(counters));
        }
    }
}

/// Socket buffers of `narrow`. (With much less, loopback's large segments wait for timers.)
const NARROW: usize = 32 * 1024;

/// A client and a server with a tunnel between: client | a <-> b | server.
struct Between {
    client: Rc<Stream>,
    server: Rc<Stream>,
    a: Rc<Stream>,
    b: Rc<Stream>,
    counts: Rc<(Cell<u64>, Cell<u64>)>,
}

impl Between {
    fn of((client, a): (Stream, Stream), (b, server): (Stream, Stream)) -> Between {
        Between {
            client: Rc::new(client),
            server: Rc::new(server),
            a: Rc::new(a),
            b: Rc::new(b),
            counts: Rc::default(),
        }
    }

    fn tcp() -> Between {
        Between::of(streams(), streams())
    }

    fn unix() -> Between {
        let pair = || {
            let (one, other) = UnixStream::pair().expect("a pair");
            (stream(one), stream(other))
        };
        Between::of(pair(), pair())
    }

    /// With little room for what is on its way.
    fn narrow() -> Between {
        let between = Between::tcp();
        for s in [&between.client, &between.a, &between.b, &between.server] {
            s.with_socket(|s| {
                s.set_send_buffer_size(NARROW)
                    .and_then(|()| s.set_recv_buffer_size(NARROW))
            })
            .expect("options");
        }
        between
    }

    fn tunnel(&self, idle_ms: u32) -> impl Future<Output = io::Result<()>> + use<> {
        let (a, b, counts) = (self.a.clone(), self.b.clone(), self.counts.clone());
        async move { tunnel(&a, &b, idle_ms, &counts.0, &counts.1).await }
    }
}

/// In pieces of any size, with pauses, then FIN.
async fn sends_oddly(s: Rc<Stream>, bytes: Rc<Vec<u8>>) {
    let mut dice = Dice::new("sender");
    let mut left = &bytes[..];
    while !left.is_empty() {
        let most = if dice.roll(3) == 0 { 100 } else { 60_000 };
        let (now, later) = left.split_at(left.len().min(1 + dice.roll(most) as usize));
        send_all(&s, now).await.expect("sent");
        left = later;
        match dice.roll(20) {
            0 => sleep(1).await,
            1..8 => yield_now().await,
            _ => {}
        }
    }
    s.shutdown_write();
}

/// With pauses, to the end.
async fn receives_oddly(s: Rc<Stream>) -> Vec<u8> {
    let mut dice = Dice::new("receiver");
    let mut all = Vec::new();
    while let Some(buf) = s.recv().await.expect("bytes or end") {
        all.extend_from_slice(&buf);
        drop(buf);
        match dice.roll(200) {
            0 => sleep(1).await,
            1..20 => yield_now().await,
            _ => {}
        }
    }
    all
}

#[test]
fn bulk_is_spliced_and_little_is_copied() {
    everywhere_spliced(|counters| async move {
        let between = Between::tcp();
        let done = spawned(between.tunnel(0));
        let mut spliced = 0;
        for round in 0..3u8 {
            let bytes = Rc::new(vec![round; 600_000]);
            let (client, theirs) = (between.client.clone(), bytes.clone());
            let sender = spawned(async move { send_all(&client, &theirs).await });
            assert!(recv_exactly(&between.server, bytes.len()).await == *bytes);
            sender.await.expect("sent");
            let now = counters.bytes_spliced.load(Relaxed);
            assert!(
                now > spliced + 100_000,
                "{} bytes were spliced",
                now - spliced
            );
            // Small messages, one at a time: after a few of them nothing is spliced any more.
            for i in 0..60u8 {
                if i == 20 {
                    spliced = counters.bytes_spliced.load(Relaxed);
                }
                send_all(&between.client, &[i, round]).await.expect("sent");
                assert_eq!(recv_exactly(&between.server, 2).await, [i, round]);
            }
            assert_eq!(counters.bytes_spliced.load(Relaxed), spliced);
            // The other direction never was.
            send_all(&between.server, b"well").await.expect("sent");
            assert_eq!(recv_exactly(&between.client, 4).await, b"well");
        }
        between.client.shutdown_write();
        between.server.shutdown_write();
        done.await.expect("both ended");
        assert_eq!(between.counts.0.get(), 3 * (600_000 + 120));
        assert_eq!(between.counts.1.get(), 3 * 4);
        assert_eq!(between.a.bytes_received(), between.b.bytes_sent());
        assert_eq!(between.b.bytes_received(), between.a.bytes_sent());
    });
}

#[test]
fn odd_traffic_is_whole_on_every_kind_of_socket() {
    for kind in [Between::tcp, Between::unix, Between::narrow] {
        everywhere_spliced(|counters| async move {
            let between = kind();
            let done = spawned(between.tunnel(20_000));
            let mut dice = Dice::new("odd traffic");
            let up = Rc::new(dice.bytes(400_000));
            let down = Rc::new(dice.bytes(300_000));
            let Between { client, server, .. } = &between;
            let senders = (
                spawned(sends_oddly(client.clone(), up.clone())),
                spawned(sends_oddly(server.clone(), down.clone())),
            );
            let received = spawned(receives_oddly(server.clone()));
            assert!(receives_oddly(client.clone()).await == *down, "down");
            assert!(received.await == *up, "up");
            senders.0.await;
            senders.1.await;
            done.await.expect("both ended");
            assert_eq!(
                (between.counts.0.get(), between.counts.1.get()),
                (400_000, 300_000)
            );
            assert_eq!(counters.pipes_in_use.load(Relaxed), 0);
        });
    }
}

/// Move so much that it is spliced, then pour until no more goes in: the pipe is full, if there is one. Returns what waits for the server.
async fn fill(between: &Between) -> usize {
    const BEFORE: usize = 400_000;
    let client = between.client.clone();
    let sender = spawned(async move { send_all(&client, &vec![7; BEFORE]).await });
    recv_exactly(&between.server, BEFORE).await;
    sender.await.expect("sent");
    let mut poured = 0;
    loop {
        let mut out = ringway_io::OutBuf::take();
        out.resize(10_000, 7);
        assert!(between.client.queue(out).is_ok(), "there is room");
        poured += 10_000;
        if within(30, between.client.flush()).await.is_none() {
            return poured;
        }
    }
}

#[test]
fn an_end_behind_a_full_pipe_is_passed_on() {
    everywhere_spliced(|counters| async move {
        let between = Between::narrow();
        let done = spawned(between.tunnel(0));
        let poured = fill(&between).await;
        assert!(counters.bytes_spliced.load(Relaxed) > 0);
        between.client.shutdown_write();
        // The other direction is none the worse.
        send_all(&between.server, b"still here")
            .await
            .expect("sent");
        assert_eq!(recv_exactly(&between.client, 10).await, b"still here");
        assert_eq!(recv_to_end(&between.server).await.len(), poured);
        send_all(&between.server, b"and now").await.expect("sent");
        between.server.shutdown_write();
        assert_eq!(recv_to_end(&between.client).await, b"and now");
        done.await.expect("both ended");
    });
}

#[test]
fn a_reset_of_either_side_ends_it() {
    for who in 0..2 {
        everywhere_spliced(move |counters| async move {
            let between = Between::narrow();
            let done = spawned(between.tunnel(0));
            fill(&between).await;
            assert!(counters.bytes_spliced.load(Relaxed) > 0);
            let Between {
                client,
                server,
                a,
                b,
                ..
            } = between;
            let (goes, stays, broken) = if who == 0 {
                (client, server, a.clone())
            } else {
                (server, client, b.clone())
            };
            Rc::into_inner(goes).expect("the only one").abort();
            // Whoever stays reads on: while the tunnel cannot send it does not look at the other side.
            let reading = spawned(async move { while let Ok(Some(_)) = stays.recv().await {} });
            let error = done.await.expect_err("reset");
            let kinds = [ErrorKind::ConnectionReset, ErrorKind::BrokenPipe];
            assert!(kinds.contains(&error.kind()), "{error}");
            assert!(broken.is_reset());
            drop((a, b, broken));
            reading.await;
        });
    }
}

#[test]
fn a_tunnel_dropped_at_every_point_loses_nothing() {
    everywhere_spliced(|_| async move {
        let bytes = Rc::new(Dice::new("dropped tunnels").bytes(200_000));
        for polls in 0..30 {
            let between = Between::narrow();
            let Between {
                client,
                server,
                a,
                b,
                ..
            } = &between;
            let sender = spawned(sends_oddly(client.clone(), bytes.clone()));
            let theirs = server.clone();
            let received = spawned(async move {
                let all = receives_oddly(theirs.clone()).await;
                theirs.shutdown_write();
                all
            });
            let mut left = polls;
            let mut tunnel = Some(Box::pin(between.tunnel(0)));
            poll_fn(|cx| {
                left -= 1;
                match &mut tunnel {
                    Some(running) if left >= 0 => {
                        running.as_mut().poll(cx).map(|r| r.expect("no error"))
                    }
                    _ => {
                        tunnel = None;
                        Poll::Ready(())
                    }
                }
            })
            .await;
            // What it had taken goes out, and the streams are as usable as before.
            let theirs = b.clone();
            let rest = spawned(async move { theirs.flush().await });
            rest.await.expect("what was on its way goes out");
            b.shutdown_write();
            let rest = recv_to_end(a).await;
            let mut all = received.await;
            all.extend(rest);
            assert!(all == *bytes, "{} bytes after {polls} polls", all.len());
            sender.await;
        }
    });
}

#[test]
fn without_a_pipe_bytes_are_copied() {
    for setup in SETUPS {
        for pipes in [0, 1] {
            let options = WorkerOptions {
                pipes,
                ..small(setup)
            };
            let counters = options.counters.clone();
            worker(options, move || async move {
                // Its reader does not read: if there is a pipe, it has it.
                let stuck = Between::narrow();
                let stuck_done = spawned(stuck.tunnel(0));
                let poured = fill(&stuck).await;
                assert_eq!(counters.pipes_in_use.load(Relaxed), u64::from(pipes));
                let bytes = Rc::new(Dice::new("without a pipe").bytes(200_000));
                for _ in 0..3 {
                    let between = Between::tcp();
                    let done = spawned(between.tunnel(0));
                    let sender = spawned(sends_oddly(between.client.clone(), bytes.clone()));
                    assert!(receives_oddly(between.server.clone()).await == *bytes);
                    sender.await;
                    between.server.shutdown_write();
                    done.await.expect("both ended");
                }
                assert!(counters.pipes_exhausted.load(Relaxed) > 0);
                stuck.client.shutdown_write();
                assert_eq!(recv_to_end(&stuck.server).await.len(), poured);
                stuck.server.shutdown_write();
                stuck_done.await.expect("both ended");
            });
        }
    }
}

#[test]
fn spliced_bytes_count_against_idleness() {
    everywhere_spliced(|counters| async move {
        let between = Between::tcp();
        let done = spawned(between.tunnel(700));
        let block = Rc::new(vec![3u8; 150_000]);
        // For longer than it may be idle.
        for _ in 0..20 {
            let (client, theirs) = (between.client.clone(), block.clone());
            let sender = spawned(async move { send_all(&client, &theirs).await });
            assert_eq!(
                recv_exactly(&between.server, block.len()).await.len(),
                block.len()
            );
            sender.await.expect("sent");
            sleep(40).await;
        }
        assert!(counters.bytes_spliced.load(Relaxed) > 1_000_000);
        let error = done.await.expect_err("idle");
        assert_eq!(error.kind(), ErrorKind::TimedOut);
    });
}

#[test]
fn a_worker_ends_amid_splices() {
    for setup in SETUPS {
        for options in [soon(setup), small(setup)] {
            let counters = options.counters.clone();
            let seen = counters.clone();
            worker(options, move || async move {
                for kind in [Between::tcp, Between::unix, Between::narrow] {
                    let between = kind();
                    let done = between.tunnel(0);
                    ringway_io::spawn(async move {
                        let error = done.await.expect_err("the worker ends");
                        drop(error);
                    });
                    fill(&between).await;
                    std::mem::forget(spawned(async move {
                        let _between = between;
                        std::future::pending::<()>().await;
                    }));
                }
                assert!(seen.bytes_spliced.load(Relaxed) > 0);
                assert!(seen.pipes_in_use.load(Relaxed) > 0);
            });
            assert_eq!(counters.pipes_in_use.load(Relaxed), 0);
        }
    }
}
