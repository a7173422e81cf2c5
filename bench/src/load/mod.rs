//! The load generator: a process of its own that makes a scenario's requests and checks every answer.
//!
//! Its standard output tells what happens: `begin` when counting begins, then one line of JSON, the `Report`. Threads share a phase and
//! nothing else; each has its own worker and its own connections.

mod closed;
mod idle;
mod lane;
mod open;
mod pour;
mod slot;
mod streams;
mod verify;

use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering::Relaxed, Ordering::SeqCst};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use ringway_io::WorkerOptions;
use serde::{Deserialize, Serialize};

use crate::scenario::{Kind, Load, Scenario};
use crate::secured::Client;
use lane::{Lane, Tally};
pub(crate) use verify::matches;

/// What to do.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Spec {
    pub(crate) scenario: Scenario,
    /// The proxy.
    pub(crate) address: SocketAddr,
    /// One worker on each; empty: one, anywhere.
    pub(crate) cpus: Vec<usize>,
    /// Where certificates lie, if the scenario needs them.
    #[serde(default)]
    pub(crate) certificates: PathBuf,
}

/// What came of it.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Report {
    /// Seconds that were counted.
    pub(crate) seconds: f64,
    /// Requests answered in them.
    pub(crate) requests: u64,
    /// Body bytes, up and down.
    pub(crate) body_bytes: u64,
    /// Connections that the proxy closed between two requests and that were opened again.
    pub(crate) reconnects: u64,
    /// Latencies: quantile and microseconds, rising.
    pub(crate) latency: Vec<(f64, f64)>,
    /// The first error, if any: the run has failed.
    pub(crate) error: Option<String>,
}

/// Before counting, counting, after.
pub(crate) const WARMING: u8 = 0;
pub(crate) const COUNTING: u8 = 1;
pub(crate) const OVER: u8 = 2;

/// What the threads share.
#[derive(Debug, Default)]
pub(crate) struct Stage {
    phase: AtomicU8,
    /// Connections that have had their first answer.
    ready: AtomicUsize,
    error: Mutex<Option<String>>,
}

impl Stage {
    pub(crate) fn phase(&self) -> u8 {
        self.phase.load(Relaxed)
    }

    pub(crate) fn connected(&self) {
        self.ready.fetch_add(1, Relaxed);
    }

    /// The first error ends the run.
    pub(crate) fn fail(&self, error: String) {
        let mut first = self.error.lock().unwrap_or_else(PoisonError::into_inner);
        first.get_or_insert(error);
        self.phase.store(OVER, SeqCst);
    }
}

/// All connections must have had an answer after this.
const CONNECTED_WITHIN: Duration = Duration::from_secs(30);
const LOOK_EVERY: Duration = Duration::from_millis(2);

/// What comes in at a time: `body` bytes, or as much as there is.
pub(crate) fn largest(load: &Load, body: usize) -> usize {
    if load.kind == Kind::Pour {
        return usize::MAX;
    }
    body
}

/// Buffers for what comes in: large ones where bodies are.
pub(crate) fn worker_options(cpu: Option<usize>, body: usize) -> WorkerOptions {
    let mut options = WorkerOptions {
        cpu,
        ..WorkerOptions::default()
    };
    if body >= 64 * 1024 {
        options.buffer_size = 64 * 1024;
        options.receive_quota = 256 * 1024;
        options.buffers = 2048;
    }
    options
}

/// Make the requests.
pub(crate) fn make(spec: &str) -> io::Result<()> {
    let spec: Spec = serde_json::from_str(spec)?;
    let stage = Arc::new(Stage::default());
    let cpus: Vec<Option<usize>> = if spec.cpus.is_empty() {
        vec![None]
    } else {
        spec.cpus.iter().copied().map(Some).collect()
    };
    let count = cpus.len().min(spec.scenario.load.connections);
    let threads: Vec<_> = cpus
        .into_iter()
        .take(count)
        .enumerate()
        .map(|(index, cpu)| {
            let (spec, stage) = (spec.clone(), stage.clone());
            std::thread::spawn(move || work(&spec, stage, Share { index, count }, cpu))
        })
        .collect();
    let mut report = direct(&spec.scenario, &stage)?;
    let mut tally = Tally::default();
    for thread in threads {
        match thread.join() {
            Ok(Ok(part)) => tally.add(&part),
            Ok(Err(e)) => stage.fail(format!("a load worker could not run: {e}")),
            Err(_) => stage.fail("a load worker panicked".to_owned()),
        }
    }
    tally.fill(&mut report);
    report.error = stage
        .error
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .clone();
    say(&serde_json::to_string(&report)?)
}

/// Which part of the connections (and of the rate) a thread has.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Share {
    pub(crate) index: usize,
    pub(crate) count: usize,
}

impl Share {
    /// This thread's part of `whole`; all parts together are `whole`.
    pub(crate) fn of(self, whole: usize) -> usize {
        whole / self.count + usize::from(self.index < whole % self.count)
    }
}

/// The phases, by the clock.
fn direct(scenario: &Scenario, stage: &Stage) -> io::Result<Report> {
    let begun = Instant::now();
    let wanted = scenario.load.connections;
    let first = if scenario.load.kind == Kind::Idle {
        idle::WARM
    } else {
        wanted
    };
    wait(stage, first, begun)?;
    rest(stage, scenario.warm_up);
    say("begin")?;
    let counted = Instant::now();
    let _ = stage
        .phase
        .compare_exchange(WARMING, COUNTING, SeqCst, SeqCst);
    if scenario.load.kind == Kind::Idle {
        wait(stage, idle::WARM + wanted, Instant::now())?;
    }
    rest(stage, scenario.seconds);
    let report = Report {
        seconds: counted.elapsed().as_secs_f64(),
        ..Report::default()
    };
    if scenario.load.kind == Kind::Idle && stage.phase() != OVER {
        // The connections stay until whoever measures has measured.
        say("open")?;
        let _ = io::stdin().read(&mut [0])?;
    }
    stage.phase.store(OVER, SeqCst);
    Ok(report)
}

fn wait(stage: &Stage, connections: usize, since: Instant) -> io::Result<()> {
    while stage.ready.load(Relaxed) < connections && stage.phase() != OVER {
        if since.elapsed() > CONNECTED_WITHIN {
            stage.fail(format!(
                "{} of {connections} connections had an answer within {} s",
                stage.ready.load(Relaxed),
                CONNECTED_WITHIN.as_secs()
            ));
        }
        std::thread::sleep(LOOK_EVERY);
    }
    Ok(())
}

fn rest(stage: &Stage, seconds: f64) {
    let until = Instant::now() + Duration::from_secs_f64(seconds);
    loop {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() || stage.phase() == OVER {
            return;
        }
        std::thread::sleep(left.min(Duration::from_millis(20)));
    }
}

fn say(line: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{line}")?;
    out.flush()
}

fn work(spec: &Spec, stage: Arc<Stage>, share: Share, cpu: Option<usize>) -> io::Result<Tally> {
    let options = worker_options(cpu, largest(&spec.scenario.load, spec.scenario.origin.body));
    let (spec, result) = (spec.clone(), Arc::new(Mutex::new(Tally::default())));
    let out = result.clone();
    let client = match &spec.scenario.tls {
        Some(tls) => Some(Client::new(tls, &spec.certificates)?),
        None => None,
    };
    ringway_io::run(options, move || async move {
        let lane = Lane::new(&spec, stage, share, client);
        match spec.scenario.load.kind {
            Kind::Closed if lane.load.streams > 0 => streams::run(lane.clone()).await,
            Kind::Closed => closed::run(lane.clone()).await,
            Kind::Open => open::run(lane.clone()).await,
            Kind::Idle => idle::run(lane.clone()).await,
            Kind::Pour => pour::run(lane.clone()).await,
        }
        *out.lock().unwrap_or_else(PoisonError::into_inner) = lane.tally.take();
    })?;
    let tally = std::mem::take(&mut *result.lock().unwrap_or_else(PoisonError::into_inner));
    Ok(tally)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_add_up() {
        for (whole, count) in [(64, 1), (64, 3), (5, 4), (4, 4), (10_000, 7)] {
            let sum: usize = (0..count)
                .map(|index| Share { index, count }.of(whole))
                .sum();
            assert_eq!(sum, whole);
        }
    }
}
