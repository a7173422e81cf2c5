//! The log thread: takes full buffers from every worker, writes them, gives them back, sleeps when there is nothing to do.
//!
//! Not a worker: it may block, and then buffers run out and lines are dropped where they are made.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::Receiver;
use std::thread;
use std::time::{Duration, Instant};

use ringway_config::LogTo;

use super::{BUFFERS, Batch, Shared};

/// After the log was turned off its destination stays open this long, for what workers still hold; they hand over every 200 ms.
const STRAGGLERS: Duration = Duration::from_secs(1);

/// A destination that takes nothing for so long has failed. Only for one in non-blocking mode, such as a terminal or a pipe that
/// another process has switched.
const PATIENCE: Duration = Duration::from_secs(1);

/// How long to wait before such a destination is tried again.
const RETRY: Duration = Duration::from_millis(5);

/// Where the lines go. Opened by the side thread, so that a wrong path is an error of the configuration and not of a worker.
pub struct Destination {
    to: To,
}

enum To {
    Off,
    /// The path is for opening it again.
    File(File, PathBuf),
    Stream(Box<dyn Write + Send>),
}

impl std::fmt::Debug for Destination {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match &self.to {
            To::Off => "Off",
            To::File(..) => "File",
            To::Stream(_) => "Stream",
        })
    }
}

impl Destination {
    /// Open it. Errors: those of opening the file for appending, or of duplicating the descriptor of stdout or stderr.
    pub fn open(to: &LogTo) -> io::Result<Destination> {
        // Descriptors of our own: the standard library's stdout has a lock and a buffer that are not wanted here.
        let to = match to {
            LogTo::Off => To::Off,
            LogTo::Stdout => To::Stream(Box::new(File::from(
                io::stdout().as_fd().try_clone_to_owned()?,
            ))),
            LogTo::Stderr => To::Stream(Box::new(File::from(
                io::stderr().as_fd().try_clone_to_owned()?,
            ))),
            LogTo::File(path) => To::File(append_to(path)?, path.clone()),
        };
        Ok(Destination { to })
    }

    /// Anything that can be written to.
    #[cfg(test)]
    pub(super) fn stream(stream: impl Write + Send + 'static) -> Destination {
        Destination {
            to: To::Stream(Box::new(stream)),
        }
    }

    /// Whether it takes no lines.
    pub fn is_off(&self) -> bool {
        matches!(self.to, To::Off)
    }
}

/// Client addresses are personal: the file is not readable by everyone. Non-blocking says nothing for a file, but opening a
/// named pipe that nobody reads is then an error instead of an endless wait.
fn append_to(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o640)
        .custom_flags(libc::O_NONBLOCK)
        .open(path)
}

/// What the owner tells the log thread.
#[derive(Debug)]
pub(super) enum Command {
    Switch(Destination),
    Reopen,
}

/// A destination that fails goes on failing for each buffer; the process log hears of it so often at most.
const COMPLAIN_EVERY: Duration = Duration::from_secs(10);

/// After a round that wrote something, so long passes before the next look. Meanwhile the thread is not parked, so under load a
/// hand-over costs the worker no system call to wake it; short against the time in which a worker could run out of buffers.
const GATHER: Duration = Duration::from_millis(1);

/// Everything that the log thread owns.
pub(super) struct LogThread {
    shared: Arc<Shared>,
    commands: Receiver<Command>,
    to: To,
    /// Turned off at this time; the destination is still there for stragglers.
    off_since: Option<Instant>,
    /// The last write ended within a line.
    torn: bool,
    /// When a failure was last said in the process log.
    complained: Option<Instant>,
}

impl LogThread {
    pub(super) fn new(shared: Arc<Shared>, commands: Receiver<Command>, to: Destination) -> Self {
        LogThread {
            shared,
            commands,
            to: to.to,
            off_since: None,
            torn: false,
            complained: None,
        }
    }

    /// Until the owner is dropped; then one more round, so that all that was handed over is written.
    pub(super) fn run(mut self) {
        loop {
            // Read before the round: what was handed over before the owner closed is then seen by it.
            let closed = self.shared.closed.load(Ordering::SeqCst);
            // Commands too: what was handed over before `set` still goes to the old place.
            let commands: Vec<Command> = self.commands.try_iter().collect();
            let wrote = self.write_all();
            for command in &mut commands.into_iter() {
                self.obey(command);
            }
            if closed {
                return;
            }
            if wrote {
                thread::sleep(GATHER);
            } else {
                self.sleep();
            }
        }
    }

    /// Write what the workers have handed over, in turns, at most as much as there are buffers. Says whether there was anything.
    fn write_all(&mut self) -> bool {
        let shared = self.shared.clone();
        let mut wrote = false;
        for _ in 0..BUFFERS {
            let mut any = false;
            for pipe in &shared.pipes {
                if let Some(mut batch) = pipe.full.pop() {
                    self.write(&batch);
                    batch.bytes.clear();
                    // There is a place for every buffer; should there be none, the buffer is freed.
                    let _ = pipe.empty.push(batch.bytes);
                    any = true;
                }
            }
            if !any {
                break;
            }
            wrote = true;
        }
        wrote
    }

    fn write(&mut self, batch: &Batch) {
        let mut result = Ok(());
        if self.torn {
            result = write_to(&mut self.to, b"\n").map_err(|(_, e)| (0, e));
            self.torn = result.is_err();
        }
        if result.is_ok() {
            result = write_to(&mut self.to, &batch.bytes);
            if let Err((written @ 1.., _)) = result {
                self.torn = batch.bytes[written - 1] != b'\n';
            }
        }
        if let Err((written, error)) = result {
            let lost = memchr::memchr_iter(b'\n', &batch.bytes[written..]).count() as u64;
            self.shared.registry.process().log_lines_lost(lost);
            if self
                .complained
                .is_none_or(|at| at.elapsed() > COMPLAIN_EVERY)
            {
                self.complained = Some(Instant::now());
                tracing::error!(%error, "access log cannot be written, lines are lost");
            }
        }
    }

    fn obey(&mut self, command: Command) {
        match command {
            Command::Switch(Destination { to: To::Off }) => self.off_since = Some(Instant::now()),
            Command::Switch(Destination { to }) => {
                self.to = to;
                self.off_since = None;
                self.torn = false;
                self.complained = None;
            }
            Command::Reopen => {
                if let To::File(file, path) = &mut self.to {
                    match append_to(path) {
                        Ok(new) => {
                            *file = new;
                            self.torn = false;
                        }
                        Err(error) => {
                            tracing::error!(%error, path = %path.display(), "access log cannot be opened again, the old file stays in use")
                        }
                    }
                }
            }
        }
    }

    fn sleep(&mut self) {
        match self.off_since {
            None => thread::park(),
            Some(since) if since.elapsed() < STRAGGLERS => thread::park_timeout(STRAGGLERS),
            Some(_) => {
                self.to = To::Off;
                self.off_since = None;
            }
        }
    }
}

/// Write all of it. An error comes with the number of bytes that were written before.
fn write_to(to: &mut To, bytes: &[u8]) -> Result<(), (usize, io::Error)> {
    let stream: &mut dyn Write = match to {
        To::Off => return Err((0, io::Error::other("the access log is off"))),
        To::File(file, _) => file,
        To::Stream(stream) => stream,
    };
    let mut written = 0;
    let mut waiting: Option<Instant> = None;
    while written < bytes.len() {
        match stream.write(&bytes[written..]) {
            Ok(0) => return Err((written, io::ErrorKind::WriteZero.into())),
            Ok(n) => {
                written += n;
                waiting = None;
            }
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => {
                if waiting.get_or_insert_with(Instant::now).elapsed() > PATIENCE {
                    return Err((written, e));
                }
                thread::sleep(RETRY);
            }
            Err(e) => return Err((written, e)),
        }
    }
    Ok(())
}
