//! The control side of a running proxy: reload, stop, and what the admin listener knows. One blocking loop on the main thread.
//!
//! Not here: how a configuration becomes sockets and workers; that is behind [`Proxy`].

mod files;
pub(crate) mod inbox;
mod named;
mod reload;
#[cfg(test)]
pub(crate) mod scratch;
pub(crate) mod side;
mod status;
mod systemd;
mod time;
mod watch;

pub(crate) use files::read_bounded;
pub use files::{ConfigFiles, Loaded, Names, Place, Read, Rejected, read, resolve};
pub use side::stop_with_stdin;
pub use status::{Facts, Phase, Refusal, Running, Status};
pub use time::utc;
pub use watch::{Pace, Watch};

use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ringway_config::Config;

use crate::admin::Admin;
use inbox::Inbox;
use reload::Control;
use side::Side;

/// What the proxy does with a checked configuration.
pub trait Proxy {
    /// Everything that can fail first (names resolved, sockets bound), then publish. The first call starts serving.
    ///
    /// # Errors
    /// Lines for people; then nothing was changed. `Ok` has notes: keys that need a restart, and the like.
    fn apply(&mut self, config: &Config) -> Result<Vec<String>, Vec<String>>;
    /// Listening addresses by listener name.
    fn listeners(&self) -> Vec<(String, String)>;
    /// Stop accepting, close idle connections, `Connection: close` on what is in flight.
    fn begin_drain(&mut self);
    /// The drain is nearly over: say so to whom it can be said.
    fn part(&mut self);
    /// What is still going on.
    fn in_flight(&self) -> InFlight;
    /// End what is left; returns what was cut, a line each (bounded). Joins the workers.
    fn stop(&mut self) -> Vec<String>;
    /// Called a few times a second: for what is done now and then.
    fn tick(&mut self) {}
    /// A worker thread died (panic outside of a task): the process must end with an error.
    fn failed_worker(&self) -> Option<String>;
}

/// What a stop waits for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct InFlight {
    /// Client connections.
    pub connections: u64,
    /// Exchanges on them, tunnels included.
    pub exchanges: u64,
}

/// What the metrics and the logs learn of reloads and the stop.
pub trait ReloadEvents: Send {
    /// A configuration came into force (the first one too).
    fn applied(&mut self);
    /// A configuration was refused.
    fn rejected(&mut self, errors: usize);
    /// The stop began.
    fn draining(&mut self);
    /// Log files were rotated away: open them anew (SIGHUP, SIGUSR1).
    fn reopen_logs(&mut self);
}

/// How often the loop looks by itself: a dead worker is found so late, a finished drain seen so late.
#[derive(Debug, Clone, Copy)]
struct Beat {
    serving: Duration,
    draining: Duration,
}

/// So long before the end of a drain those are told that can be told; of a short drain, its last fifth. A round trip of the slowest network and a bit.
const PARTING: Duration = Duration::from_secs(1);

const BEAT: Beat = Beat {
    serving: Duration::from_millis(250),
    draining: Duration::from_millis(20),
};

/// Put the configuration in force, then serve until the stop: follow the files, signals and the admin listener. Blocking; call it
/// on the main thread. Makes the first `apply` itself, so that the first configuration takes the same way as all others.
///
/// Says by `tracing`: `listening listener=<name> address=<addr>` for each address and then `ready`; after each reload `listening`
/// for what came new and `reloaded`, or the reasons and `reload refused`.
///
/// Returns 0 after a stop that was asked for, 1 if it could not begin or a worker died.
pub fn run(
    proxy: impl Proxy + 'static,
    files: ConfigFiles,
    config: Config,
    metrics: Box<dyn Fn() -> String + Send + Sync>,
    events: impl ReloadEvents,
) -> ExitCode {
    let side = match Side::start() {
        Ok(side) => side,
        Err(error) => {
            tracing::error!(%error, "the side thread cannot be started");
            return ExitCode::FAILURE;
        }
    };
    let inbox = Inbox::default();
    let heard = side
        .hear(inbox.clone(), |code| std::process::exit(code))
        .and_then(|()| side::hear_stdin(inbox.clone()));
    if let Err(error) = heard {
        tracing::error!(%error, "signals cannot be received");
        return ExitCode::FAILURE;
    }
    let status = Status::default();
    let admin = Admin::new(side.runtime().clone(), status.clone(), Arc::from(metrics));
    let mut control = Control {
        proxy,
        files,
        status,
        admin,
        events,
        notify: systemd::Notify::from_env(),
    };
    if let Err(rejected) = control.begin(config) {
        for line in &rejected.lines {
            tracing::error!("{line}");
        }
        tracing::error!("not started");
        return ExitCode::FAILURE;
    }
    let watch = control.watch(&inbox, Pace::default());
    control.ready();
    let code = control.serve(&inbox, BEAT);
    drop(watch);
    code
}

impl<P: Proxy, E: ReloadEvents> Control<P, E> {
    /// Follow the files. A main file that is no file (a pipe, say) is not followed: reading it again would wait for ever.
    fn watch(&self, inbox: &Inbox, pace: Pace) -> Option<Watch> {
        let main = self.files.main();
        if !std::fs::metadata(main).is_ok_and(|found| found.is_file()) {
            tracing::warn!(file = %main.display(), "not a regular file: its changes are not followed");
            return None;
        }
        let inbox = inbox.clone();
        let changed = move || inbox.ask(|calls| calls.files_changed = true);
        Watch::start(main, &self.files, pace, changed)
            .map_err(
                |error| tracing::error!(%error, "changes of the configuration are not followed"),
            )
            .ok()
    }

    /// Do what is asked for until the end.
    fn serve(&mut self, inbox: &Inbox, beat: Beat) -> ExitCode {
        loop {
            let calls = inbox.wait(beat.serving);
            self.proxy.tick();
            if calls.reopen_logs {
                self.events.reopen_logs();
            }
            if let Some(who) = calls.stop {
                return self.stop(who, inbox, beat);
            }
            if calls.reload || calls.files_changed {
                self.reload(calls.reload);
            }
            if self.worker_failed() {
                return ExitCode::FAILURE;
            }
        }
    }

    /// Workers that share nothing cannot replace each other's listeners and limits: without one of them the process is broken, and
    /// whoever started it starts it anew. `Proxy::stop` is not called, since it would wait for the dead one.
    fn worker_failed(&self) -> bool {
        let failed = self.proxy.failed_worker();
        if let Some(why) = &failed {
            tracing::error!(%why, "a worker died; ending");
        }
        failed.is_some()
    }

    /// Readiness fails, what is in flight ends or its time does, and what was cut is said.
    fn stop(&mut self, who: &str, inbox: &Inbox, beat: Beat) -> ExitCode {
        let drain = self.drain_time();
        self.status.update(|facts| facts.phase = Phase::Draining);
        self.events.draining();
        self.notify.stopping("draining");
        self.proxy.begin_drain();
        let InFlight {
            connections,
            exchanges,
        } = self.proxy.in_flight();
        tracing::info!(asked_by = who, connections, exchanges, at_most = ?drain, "draining");
        let end = Instant::now() + drain;
        let mut parts = Some(end - PARTING.min(drain / 5));
        while self.proxy.in_flight() != InFlight::default() && Instant::now() < end {
            // Log rotation goes on; a reload no longer matters, and a second stop ends the process elsewhere.
            if inbox.wait(beat.draining).reopen_logs {
                self.events.reopen_logs();
            }
            if self.worker_failed() {
                return ExitCode::FAILURE;
            }
            if parts.is_some_and(|at| Instant::now() >= at) {
                parts = None;
                self.proxy.part();
            }
        }
        let cut = self.proxy.stop();
        for line in &cut {
            tracing::warn!("cut: {line}");
        }
        tracing::info!(cut = cut.len(), "stopped");
        ExitCode::SUCCESS
    }
}

#[cfg(test)]
mod tests;
