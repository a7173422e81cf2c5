//! A load of keep-alive requests from a few threads, counted by what became of each. Not a benchmark: it checks answers.

use crate::client::Client;
use crate::wire::WireError;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// What to send.
#[derive(Debug, Clone)]
pub struct LoadPlan {
    /// Where.
    pub address: SocketAddr,
    /// How many connections, each on its own thread.
    pub connections: usize,
    /// The target of every request.
    pub target: String,
    /// How long to wait for an answer before it counts as hanging.
    pub patience: Duration,
}

/// What came of it.
#[derive(Debug, Clone, Default)]
pub struct LoadReport {
    /// Answers by status.
    pub answers: BTreeMap<u16, u64>,
    /// Requests without an answer, by what happened.
    pub failures: BTreeMap<String, u64>,
    /// The longest that one took.
    pub slowest: Duration,
    /// When the last 200 came, since the start.
    pub last_good: Duration,
}

impl LoadReport {
    /// Answers with 200.
    pub fn good(&self) -> u64 {
        self.answers.get(&200).copied().unwrap_or(0)
    }

    /// Everything that was not a 200.
    pub fn bad(&self) -> u64 {
        self.answers.values().sum::<u64>() - self.good() + self.failures.values().sum::<u64>()
    }
}

/// A running load.
pub struct Load {
    stop: Arc<AtomicBool>,
    good: Arc<AtomicU64>,
    threads: Vec<JoinHandle<LoadReport>>,
}

impl Load {
    /// Begin.
    pub fn start(plan: &LoadPlan) -> Load {
        let (stop, good) = (Arc::<AtomicBool>::default(), Arc::<AtomicU64>::default());
        let spawn = |_| {
            let (plan, stop, good) = (plan.clone(), stop.clone(), good.clone());
            std::thread::spawn(move || one_connection(&plan, &stop, &good))
        };
        let threads = (0..plan.connections).map(spawn).collect();
        Load {
            stop,
            good,
            threads,
        }
    }

    /// How many answers with 200 there are so far.
    pub fn good(&self) -> u64 {
        self.good.load(Ordering::Relaxed)
    }

    /// End after what is in flight, and count.
    pub fn stop(self) -> LoadReport {
        self.stop.store(true, Ordering::Relaxed);
        let mut sum = LoadReport::default();
        for thread in self.threads {
            let one = thread.join().expect("a load thread does not panic");
            for (status, n) in one.answers {
                *sum.answers.entry(status).or_default() += n;
            }
            for (what, n) in one.failures {
                *sum.failures.entry(what).or_default() += n;
            }
            sum.slowest = sum.slowest.max(one.slowest);
            sum.last_good = sum.last_good.max(one.last_good);
        }
        sum
    }
}

fn one_connection(plan: &LoadPlan, stop: &AtomicBool, good: &AtomicU64) -> LoadReport {
    let (begin, mut report) = (Instant::now(), LoadReport::default());
    let request = format!("GET {} HTTP/1.1\r\nHost: test\r\n\r\n", plan.target);
    let mut open: Option<Client> = None;
    while !stop.load(Ordering::Relaxed) {
        let start = Instant::now();
        let mut client = match open
            .take()
            .map_or_else(|| Client::try_connect(plan.address), Ok)
        {
            Ok(client) => client,
            Err(e) => {
                *report
                    .failures
                    .entry(format!("connect: {:?}", e.kind()))
                    .or_default() += 1;
                std::thread::sleep(Duration::from_millis(5));
                continue;
            }
        };
        client.wire.set_timeout(plan.patience);
        let answer = client
            .try_send(&request)
            .map_err(|_| WireError::Reset)
            .and_then(|()| client.try_answer("GET"));
        report.slowest = report.slowest.max(start.elapsed());
        match answer {
            Ok(answer) => {
                *report.answers.entry(answer.status).or_default() += 1;
                if answer.status == 200 {
                    report.last_good = begin.elapsed();
                    good.fetch_add(1, Ordering::Relaxed);
                }
                if !answer.says_close() {
                    open = Some(client);
                }
            }
            Err(e) => {
                let what = match e {
                    WireError::Truncated(_) => "truncated",
                    WireError::TimedOut(_) => "hangs",
                    WireError::Reset => "reset",
                    WireError::Closed => "closed without an answer",
                    WireError::Malformed(_) => "malformed",
                };
                *report.failures.entry(what.to_owned()).or_default() += 1;
            }
        }
    }
    report
}
