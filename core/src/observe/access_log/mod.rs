//! The access log: one line of JSON per exchange, formatted by the worker, written by a thread of its own.
//!
//! ```text
//!   worker: LogWriter -- full buffers --> Pipe -- full --> log thread: Sink -- write(2) --> file, stdout or stderr
//!                     <- empty buffers -- Pipe <- empty --
//! ```
//!
//! A worker never waits: each has a fixed number of buffers, and when all of them are on their way its lines are dropped and
//! counted. Files: `line.rs` (the format), `writer.rs` (a worker's side), `sink.rs` (the log thread's side).
//!
//! Not the process log (`process_log.rs`). No rotation: whoever rotates files calls [`AccessLog::reopen`] afterwards.

mod line;
mod sink;
mod writer;

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crossbeam_queue::ArrayQueue;
use ringway_config::LogTo;

use super::registry::Registry;
use crate::outcome::Flag;
pub use sink::Destination;
use sink::{Command, LogThread};
pub use writer::LogWriter;

/// Size of one buffer in bytes; its second part takes the line that crosses [`HAND_OVER_AT`].
const BUFFER: usize = 64 * 1024;

/// A buffer with so many bytes goes to the log thread: enough that the system call costs little per line.
const HAND_OVER_AT: usize = 16 * 1024;

/// Buffers of one worker. With lines of 300 bytes, 50,000 exchanges per second fill one in about a millisecond, so the log may
/// stand still for 30 ms at the highest load and for seconds at a usual one. They are made when needed, so a worker that the
/// log keeps up with has two or three.
const BUFFERS: usize = 32;

const _: () = assert!(
    HAND_OVER_AT + line::LINE_MAX <= BUFFER,
    "a buffer must never have to grow"
);

/// One exchange, as the log shows it. Texts are at most 1 KiB of the line each (the path 16 KiB); longer ones are cut.
#[derive(Debug, Clone, Copy)]
pub struct Record<'a> {
    /// When the exchange began, Unix time in microseconds.
    pub time_unix_us: u64,
    /// From its beginning to the last byte sent, in microseconds.
    pub duration_us: u64,
    /// Until the upstream's first byte, in microseconds.
    pub upstream_us: Option<u64>,
    /// Connecting to the upstream, in microseconds; None for a pooled connection.
    pub connect_us: Option<u64>,
    /// The client's address, without port.
    pub client: &'a str,
    /// The address that the connection came from; another one behind a trusted proxy.
    pub peer: &'a str,
    /// Whom the client's verified certificate names; empty without one.
    pub identity: &'a str,
    /// `TLSv1.3` and so on; empty for a plain connection.
    pub tls: &'static str,
    /// The listener's name.
    pub listener: &'a str,
    /// As received.
    pub method: &'a [u8],
    /// Host with optional port, as received.
    pub authority: &'a [u8],
    /// As received, with query.
    pub path: &'a [u8],
    /// `HTTP/1.1` and so on.
    pub protocol: &'static str,
    /// What the client was sent; 0 for no answer.
    pub status: u16,
    /// How a call of gRPC ended, by its status' name.
    pub grpc_status: &'a str,
    /// How it ended.
    pub flag: Flag,
    /// The same in plain English.
    pub reason: &'a str,
    /// The route's name.
    pub route: &'a str,
    /// The cluster's name.
    pub cluster: &'a str,
    /// Where an intercepted connection was going.
    pub destination: &'a str,
    /// The endpoint's address.
    pub endpoint: &'a str,
    /// How many attempts were made.
    pub attempts: u8,
    /// The last attempt used a pooled connection.
    pub reused: bool,
    /// Bytes received from the client.
    pub bytes_in: u64,
    /// Bytes sent to the client.
    pub bytes_out: u64,
    /// Datagrams from the client and to it, of a UDP session.
    pub datagrams: Option<(u64, u64)>,
    /// `X-Request-Id`.
    pub request_id: &'a [u8],
    /// `User-Agent`, as received.
    pub user_agent: &'a [u8],
    /// The worker that served it.
    pub worker: usize,
}

/// Lines on their way to the log thread.
#[derive(Debug)]
struct Batch {
    bytes: Vec<u8>,
    lines: u64,
}

/// The way between one worker and the log thread. One of each per worker, so workers do not touch each other's cache lines.
#[derive(Debug)]
struct Pipe {
    full: ArrayQueue<Batch>,
    empty: ArrayQueue<Vec<u8>>,
}

/// What the owner, the workers and the log thread share.
#[derive(Debug)]
struct Shared {
    pipes: Box<[Pipe]>,
    /// Whether lines are wanted. Written by the owner alone, so workers read it from their own cache.
    enabled: AtomicBool,
    /// The log thread is going, or gone.
    closed: AtomicBool,
    registry: Arc<Registry>,
}

/// The owner of the log; lives on the side thread. Dropping it writes everything that was handed over and ends the log thread;
/// drop the [`LogWriter`]s first, since what they hold back is handed over by their own drop. Lines that come later are
/// counted as dropped.
#[derive(Debug)]
pub struct AccessLog {
    shared: Arc<Shared>,
    commands: mpsc::Sender<Command>,
    thread: Option<JoinHandle<()>>,
}

impl AccessLog {
    /// Open the destination and start the log thread. Errors: the file cannot be opened for appending, or there can be no
    /// thread.
    pub fn start(to: &LogTo, workers: usize, registry: Arc<Registry>) -> io::Result<AccessLog> {
        AccessLog::start_on(Destination::open(to)?, workers, registry)
    }

    fn start_on(to: Destination, workers: usize, registry: Arc<Registry>) -> io::Result<AccessLog> {
        let pipe = || Pipe {
            full: ArrayQueue::new(BUFFERS),
            empty: ArrayQueue::new(BUFFERS),
        };
        let shared = Arc::new(Shared {
            pipes: (0..workers).map(|_| pipe()).collect(),
            enabled: AtomicBool::new(!to.is_off()),
            closed: AtomicBool::new(false),
            registry,
        });
        let (commands, inbox) = mpsc::channel();
        let log = LogThread::new(shared.clone(), inbox, to);
        let thread = thread::Builder::new()
            .name("ringway-log".into())
            .spawn(move || log.run())?;
        Ok(AccessLog {
            shared,
            commands,
            thread: Some(thread),
        })
    }

    /// Write to another place from now on. Lines that were handed over before still go to the old one. Errors: the file cannot
    /// be opened; nothing has changed then.
    pub fn set(&self, to: &LogTo) -> io::Result<()> {
        self.switch(Destination::open(to)?);
        Ok(())
    }

    /// The second half of [`AccessLog::set`], which cannot fail: for a reload that opens everything before it changes anything.
    pub fn switch(&self, to: Destination) {
        self.shared.enabled.store(!to.is_off(), Ordering::Relaxed);
        self.command(Command::Switch(to));
    }

    /// Open the file again by its path, after it was renamed. If that fails, the old file stays in use and the process log
    /// says so.
    pub fn reopen(&self) {
        self.command(Command::Reopen);
    }

    /// The side of a worker. One for each worker: two at once for the same one would count wrongly. Panics if there is no such
    /// worker.
    pub fn writer(&self, worker: usize) -> LogWriter {
        assert!(
            worker < self.shared.pipes.len(),
            "the log was started for fewer workers"
        );
        let thread = self.thread.as_ref().map(|t| t.thread().clone());
        LogWriter::new(self.shared.clone(), worker, thread)
    }

    fn command(&self, command: Command) {
        // The inbox is gone only if the log thread has panicked; then there is nobody left to tell.
        let _ = self.commands.send(command);
        if let Some(thread) = &self.thread {
            thread.thread().unpark();
        }
    }
}

/// How long a stop waits for whoever reads the log (a pipe may be full, and its reader stopped).
const LAST_LINES: Duration = Duration::from_secs(2);

impl Drop for AccessLog {
    fn drop(&mut self) {
        self.shared.enabled.store(false, Ordering::Relaxed);
        self.shared.closed.store(true, Ordering::SeqCst);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            let until = Instant::now() + LAST_LINES;
            while !thread.is_finished() {
                if Instant::now() > until {
                    tracing::warn!("nobody takes the access log's last lines; they are lost");
                    return;
                }
                std::thread::sleep(Duration::from_millis(1));
            }
            // A panic of the log thread has been reported by the panic hook; stopping goes on.
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests;
