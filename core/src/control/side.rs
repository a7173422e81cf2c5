//! The side thread: a tokio runtime for what is slow, rare or human (the admin listener), and for signals.
//!
//! Not here: the control loop, which is plain blocking code on the main thread and is told by `Inbox`.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

use tokio::runtime::{Builder, Handle};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;

use super::inbox::Inbox;

/// See [`stop_with_stdin`].
static STOP_WITH_STDIN: AtomicBool = AtomicBool::new(false);

/// From the next `control::run` of this process on, the end of standard input asks for a stop, like SIGTERM. For a parent that
/// must not leave the proxy behind, however the parent ends.
pub fn stop_with_stdin() {
    STOP_WITH_STDIN.store(true, Ordering::Relaxed);
}

/// The side thread. Dropping it ends the thread and all that runs there.
pub(crate) struct Side {
    runtime: Handle,
    end: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Side {
    pub(crate) fn start() -> io::Result<Side> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        let (end, ended) = oneshot::channel();
        let thread = thread::Builder::new()
            .name("ringway-side".into())
            .spawn(move || {
                // An error is the sender's drop: the end as well.
                let _ = runtime.block_on(ended);
            })?;
        Ok(Side {
            runtime: handle,
            end: Some(end),
            thread: Some(thread),
        })
    }

    pub(crate) fn runtime(&self) -> &Handle {
        &self.runtime
    }

    /// From the return on, signals arrive in `inbox` instead of ending the process. A second one to stop calls `at_once` with the
    /// exit code, whatever the control loop is doing.
    pub(crate) fn hear(&self, inbox: Inbox, at_once: fn(i32)) -> io::Result<()> {
        let _inside = self.runtime.enter();
        let mut hup = signal(SignalKind::hangup())?;
        let mut usr1 = signal(SignalKind::user_defined1())?;
        let mut term = signal(SignalKind::terminate())?;
        let mut int = signal(SignalKind::interrupt())?;
        self.runtime.spawn(async move {
            let mut stopping = false;
            loop {
                let (who, code) = tokio::select! {
                    _ = hup.recv() => {
                        inbox.ask(|calls| (calls.reload, calls.reopen_logs) = (true, true));
                        continue;
                    }
                    _ = usr1.recv() => {
                        inbox.ask(|calls| calls.reopen_logs = true);
                        continue;
                    }
                    _ = term.recv() => ("SIGTERM", 128 + 15),
                    _ = int.recv() => ("SIGINT", 128 + 2),
                };
                if stopping {
                    at_once(code);
                }
                stopping = true;
                inbox.ask(|calls| calls.stop = Some(who));
            }
        });
        Ok(())
    }
}

impl Drop for Side {
    fn drop(&mut self) {
        drop(self.end.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// If it was asked for, watch standard input until its end. The thread stays in its read until the process ends.
pub(super) fn hear_stdin(inbox: Inbox) -> io::Result<()> {
    if !STOP_WITH_STDIN.load(Ordering::Relaxed) {
        return Ok(());
    }
    let wait = move || {
        let _ = io::copy(&mut io::stdin().lock(), &mut io::sink());
        inbox.ask(|calls| calls.stop = Some("the end of standard input"));
    };
    thread::Builder::new()
        .name("ringway-stdin".into())
        .spawn(wait)?;
    Ok(())
}
