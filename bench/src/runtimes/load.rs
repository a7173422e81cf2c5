//! The load on a subject, and the origin behind it: both in one worker on one core, so that the subject has the other to itself.
//! A closed loop: each connection asks again when its answer is complete. Every byte of every answer is compared.

use std::cell::{Cell, RefCell};
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::rc::Rc;

use ringway_io::{Listener, Stream, WorkerOptions, dial, now_us, run, sleep, spawn};

use super::cpu::{self, Cpu};

/// What a client asks.
pub(super) const REQUEST: &[u8] =
    b"GET /small HTTP/1.1\r\nHost: origin.example\r\nUser-Agent: bench\r\nAccept: */*\r\n\r\n";
/// What the origin answers.
pub(super) const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nServer: origin\r\nContent-Type: text/plain\r\nContent-Length: 100\r\n\r\n\
0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789";
/// Before the first reading: connections are made, pools filled, code paths warm. No longer than the turn itself.
const WARM_MS: u32 = 400;

/// What is asked of a subject.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ask {
    pub(crate) subject: SocketAddr,
    pub(crate) pid: u32,
    pub(crate) connections: usize,
    pub(crate) turn_ms: u32,
    /// The core of the load.
    pub(crate) core: Option<usize>,
}

/// What one round showed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Window {
    pub(crate) requests: u64,
    pub(crate) seconds: f64,
    /// Of the subject.
    pub(crate) cpu: Cpu,
    /// Of the load and the origin.
    pub(crate) load_cpu: Cpu,
}

#[derive(Debug, Default)]
struct Shared {
    requests: Cell<u64>,
    over: Cell<bool>,
    fault: RefCell<Option<String>>,
}

/// Drive one subject for one round. Errors: a connection broke, or an answer was not the origin's.
pub(crate) fn drive(origin: TcpListener, ask: Ask) -> io::Result<Window> {
    let shared = Rc::new(Shared::default());
    let window = Rc::new(Cell::new(None));
    let options = WorkerOptions {
        cpu: ask.core,
        ..WorkerOptions::default()
    };
    let (of_worker, result) = (shared.clone(), window.clone());
    run(options, move || async move {
        match measure(origin, ask, &of_worker).await {
            Ok(measured) => result.set(Some(measured)),
            Err(error) => fault(&of_worker, &error),
        }
    })?;
    if let Some(fault) = shared.fault.take() {
        return Err(io::Error::other(fault));
    }
    window
        .get()
        .ok_or_else(|| io::Error::other("the load ended without a result"))
}

async fn measure(origin: TcpListener, ask: Ask, shared: &Rc<Shared>) -> io::Result<Window> {
    let origin = Listener::from_std(origin)?;
    spawn(async move {
        while let Ok(stream) = origin.accept().await {
            // An end of a connection is the client's to report.
            spawn(async move { drop(answer(stream).await) });
        }
    });
    for _ in 0..ask.connections {
        let shared = shared.clone();
        spawn(async move {
            if let Err(error) = request(ask.subject, &shared).await {
                fault(&shared, &error);
            }
        });
    }
    sleep(WARM_MS.min(ask.turn_ms)).await;
    let before = (
        now_us(),
        shared.requests.get(),
        cpu::of(ask.pid)?,
        cpu::of(std::process::id())?,
    );
    sleep(ask.turn_ms).await;
    let window = Window {
        requests: shared.requests.get() - before.1,
        seconds: (now_us() - before.0) as f64 / 1e6,
        cpu: cpu::of(ask.pid)? - before.2,
        load_cpu: cpu::of(std::process::id())? - before.3,
    };
    shared.over.set(true);
    Ok(window)
}

fn fault(shared: &Shared, error: &io::Error) {
    // What breaks once all is over is only the end.
    if !shared.over.get() {
        shared
            .fault
            .borrow_mut()
            .get_or_insert_with(|| error.to_string());
    }
}

async fn request(subject: SocketAddr, shared: &Shared) -> io::Result<()> {
    let stream = dial(&subject.into(), 5_000).await?;
    while !shared.over.get() {
        let _ = stream.queue(REQUEST);
        stream.submit();
        let mut left = ANSWER;
        while !left.is_empty() {
            let Some(got) = stream.recv().await? else {
                return Err(io::Error::other("the subject closed a connection"));
            };
            left = left
                .strip_prefix(&got[..])
                .ok_or_else(|| io::Error::other("an answer is not the origin's"))?;
        }
        shared.requests.set(shared.requests.get() + 1);
    }
    Ok(())
}

/// The origin: an answer per request's worth of bytes.
async fn answer(stream: Stream) -> io::Result<()> {
    let mut got = 0;
    while let Some(buf) = stream.recv().await? {
        got += buf.len();
        while got >= REQUEST.len() {
            got -= REQUEST.len();
            let _ = stream.queue(ANSWER);
        }
        stream.submit();
    }
    Ok(())
}
