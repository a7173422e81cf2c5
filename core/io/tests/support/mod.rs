//! What the tests share: a worker per driver, connected pairs, a limit on time, a small generator of numbers.
#![allow(dead_code, missing_docs, unreachable_pub)]

use std::cell::RefCell;
use std::future::{Future, poll_fn};
use std::net::{TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::task::Poll;

use ringway_io::{Counters, DriverChoice, Stream, WorkerOptions, run, sleep};

/// What the tests run on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Setup {
    Uring,
    /// As on kernels before 6.17: receives over their quota are cancelled.
    UringWithoutCredit,
    Epoll,
}

pub const SETUPS: [Setup; 3] = [Setup::Uring, Setup::UringWithoutCredit, Setup::Epoll];

/// No test needs nearly as long; one that hangs fails instead.
const LIMIT_MS: u32 = 30_000;

pub fn options(setup: Setup) -> WorkerOptions {
    let driver = match setup {
        Setup::Uring | Setup::UringWithoutCredit => DriverChoice::Uring,
        Setup::Epoll => DriverChoice::Epoll,
    };
    let recv_credit = setup != Setup::UringWithoutCredit;
    WorkerOptions {
        driver,
        recv_credit,
        ..WorkerOptions::default()
    }
}

/// Rings and buffers so small that every queue overflows.
pub fn tiny(setup: Setup) -> WorkerOptions {
    WorkerOptions {
        sq_entries: 4,
        cq_entries: 8,
        buffer_size: 64,
        buffers: 4,
        receive_quota: 128,
        ..options(setup)
    }
}

/// Run `main` on a worker of its own; it must end in time, and leave no slot, task or buffer behind.
pub fn worker<F: Future<Output = ()> + 'static>(
    options: WorkerOptions,
    main: impl FnOnce() -> F,
) -> Arc<Counters> {
    let counters = options.counters.clone();
    run(options, || {
        let main = main();
        async move {
            within(LIMIT_MS, main)
                .await
                .expect("the test takes too long")
        }
    })
    .expect("the worker ran");
    assert_eq!(counters.slots_in_use.load(Relaxed), 0, "slots left");
    assert_eq!(counters.buffers_in_use.load(Relaxed), 0, "buffers left");
    assert_eq!(
        counters.stale_completions.load(Relaxed),
        0,
        "stale completions"
    );
    assert_eq!(counters.task_panics.load(Relaxed), 0, "a task panicked");
    counters
}

/// The same on every setup.
pub fn everywhere<F: Future<Output = ()> + 'static>(main: impl Fn() -> F) {
    for setup in SETUPS {
        worker(options(setup), &main);
    }
}

/// `None` when the time is over first.
pub async fn within<F: Future>(ms: u32, future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    let mut limit = pin!(sleep(ms));
    poll_fn(|cx| {
        if let Poll::Ready(r) = future.as_mut().poll(cx) {
            return Poll::Ready(Some(r));
        }
        limit.as_mut().poll(cx).map(|()| None)
    })
    .await
}

/// All futures, until the last has finished.
pub async fn all<F: Future<Output = ()>>(futures: impl IntoIterator<Item = F>) {
    let mut futures: Vec<_> = futures.into_iter().map(|f| Some(Box::pin(f))).collect();
    poll_fn(|cx| {
        for place in &mut futures {
            if let Some(f) = place
                && f.as_mut().poll(cx).is_ready()
            {
                *place = None;
            }
        }
        if futures.iter().all(Option::is_none) {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    })
    .await;
}

/// Spawn and get the result.
pub fn spawned<T: 'static>(f: impl Future<Output = T> + 'static) -> impl Future<Output = T> {
    type Place<T> = Rc<RefCell<(Option<T>, Option<std::task::Waker>)>>;
    let place: Place<T> = Rc::new(RefCell::new((None, None)));
    let theirs = place.clone();
    ringway_io::spawn(async move {
        let value = f.await;
        let waker = {
            let mut place = theirs.borrow_mut();
            place.0 = Some(value);
            place.1.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    });
    poll_fn(move |cx| {
        let mut place = place.borrow_mut();
        match place.0.take() {
            Some(value) => Poll::Ready(value),
            None => {
                place.1 = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    })
}

pub fn tcp_pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("bind");
    let a = TcpStream::connect(listener.local_addr().expect("address")).expect("connect");
    let (b, _) = listener.accept().expect("accept");
    (a, b)
}

pub fn stream(s: impl Into<OwnedFd>) -> Stream {
    Stream::from_fd(s.into()).expect("a stream")
}

/// Two streams of this worker, connected by TCP.
pub fn streams() -> (Stream, Stream) {
    let (a, b) = tcp_pair();
    (stream(a), stream(b))
}

pub async fn send_all(s: &Stream, mut bytes: &[u8]) -> std::io::Result<()> {
    while !bytes.is_empty() {
        let n = bytes.len().min(10_000);
        let mut out = ringway_io::OutBuf::take();
        out.extend_from_slice(&bytes[..n]);
        bytes = &bytes[n..];
        if s.room() == 0 {
            s.flush().await?;
        }
        assert!(s.queue(out).is_ok(), "there is room");
    }
    s.flush().await
}

/// Receive exactly `n` bytes; what came beyond is put back.
pub async fn recv_exactly(s: &Stream, n: usize) -> Vec<u8> {
    let mut all = Vec::new();
    while all.len() < n {
        let mut buf = s.recv().await.expect("bytes").expect("no end yet");
        let take = buf.len().min(n - all.len());
        all.extend_from_slice(&buf[..take]);
        buf.advance(take);
        s.unread(buf);
    }
    all
}

pub async fn recv_to_end(s: &Stream) -> Vec<u8> {
    let mut all = Vec::new();
    while let Some(buf) = s.recv().await.expect("bytes or end") {
        all.extend_from_slice(&buf);
    }
    all
}

/// Serve one stream: everything back.
pub async fn echo(s: Stream) {
    while let Ok(Some(buf)) = s.recv().await {
        if s.queue(buf).is_err() || s.flush().await.is_err() {
            break;
        }
    }
}

/// SplitMix64; the seed is printed, and may be given by RINGWAY_SEED.
pub struct Dice(u64);

impl Dice {
    pub fn new(name: &str) -> Dice {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let fresh = || {
            let now = std::time::SystemTime::now()
                .duration_since(std::time::UNIX_EPOCH)
                .expect("after 1970");
            now.as_nanos() as u64 ^ COUNT.fetch_add(1, Relaxed) << 56
        };
        let seed = std::env::var("RINGWAY_SEED")
            .ok()
            .and_then(|s| s.parse().ok())
            .unwrap_or_else(fresh);
        println!("{name}: RINGWAY_SEED={seed}");
        Dice(seed)
    }

    pub fn roll(&mut self, below: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % below
    }

    pub fn bytes(&mut self, n: usize) -> Vec<u8> {
        (0..n).map(|_| self.roll(256) as u8).collect()
    }
}
