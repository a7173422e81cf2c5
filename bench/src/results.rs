//! What was measured, as it is written to JSON, and what follows from it.
//!
//! Everything that the reports show is computed from here, so that a recorded file can be shown again.

use serde::{Deserialize, Serialize};

use crate::load;
use crate::machine::Machine;
use crate::measure::Used;
use crate::pin::Plan;
use crate::scenario::{Cost, Kind, Scenario};
use crate::stats::{Spread, spread};
use crate::workers::Worker;

/// A whole comparison.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Results {
    /// Of this format.
    pub(crate) format: u32,
    /// UTC.
    pub(crate) when: String,
    pub(crate) machine: Machine,
    /// 1, 5 and 15 minutes.
    pub(crate) load_before: [f64; 3],
    pub(crate) load_after: [f64; 3],
    /// Cores of the proxy.
    pub(crate) cores: usize,
    pub(crate) pinned: Plan,
    pub(crate) rounds: usize,
    pub(crate) scenarios: Vec<Compared>,
}

/// One scenario with all its runs.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Compared {
    pub(crate) scenario: Scenario,
    /// The first is what the others are compared with.
    pub(crate) subjects: Vec<Told>,
    pub(crate) runs: Vec<Run>,
    /// Who did not take part, and why.
    pub(crate) skipped: Vec<Skipped>,
}

/// A subject as the reader needs to know it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Told {
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) config_sha256: String,
}

/// Who did not take part, and why.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Skipped {
    pub(crate) name: String,
    pub(crate) why: String,
    /// It was tried, and an answer was wrong or missing.
    pub(crate) failed: bool,
}

/// One subject in one round.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Run {
    pub(crate) subject: String,
    pub(crate) round: usize,
    pub(crate) load: load::Report,
    /// By the proxy's processes, while counting.
    pub(crate) used: Used,
    /// Resident memory of the proxy's processes at the end.
    pub(crate) resident: u64,
    /// Resident memory per connection that was opened while counting (idle connections).
    pub(crate) bytes_per_connection: Option<f64>,
    /// How busy their CPUs were, 0 to 1.
    pub(crate) proxy_busy: f64,
    pub(crate) load_busy: f64,
    /// Which part of all these CPUs' time other processes had, 0 to 1, where that can be told; kernel threads count as others.
    pub(crate) others: Option<f64>,
    pub(crate) load_cpu_us: f64,
    pub(crate) origin_cpu_us: f64,
    /// Connections that the origin has seen, from the start.
    pub(crate) upstream_connections: u64,
    pub(crate) reloads: Option<u32>,
    /// What each worker did, where that was asked.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) workers: Vec<Worker>,
}

/// Busier than this is full.
const FULL: f64 = 0.9;
/// More than this for others, and the machine was not quiet. Timers and kernel threads alone stay below half of it.
const DISTURBED: f64 = 0.05;

impl Run {
    /// Less is better. `None` where there is nothing to divide.
    pub(crate) fn cost(&self, of: Cost) -> Option<f64> {
        let requests = self.load.requests as f64;
        let cost = match of {
            Cost::CpuPerRequest => self.used.cpu_us() / requests,
            Cost::CpuPerByte => {
                self.used.cpu_us() * 1000.0 / (self.load.body_bytes as f64 / 1024.0)
            }
            Cost::P50 => self.latency(0.5)?,
            Cost::P99 => self.latency(0.99)?,
            Cost::P999 => self.latency(0.999)?,
            Cost::BytesPerConnection => self.bytes_per_connection?,
        };
        (cost.is_finite() && cost > 0.0).then_some(cost)
    }

    /// Microseconds.
    pub(crate) fn latency(&self, quantile: f64) -> Option<f64> {
        let found = self.load.latency.iter().find(|(q, _)| *q >= quantile);
        found.map(|(_, us)| *us)
    }

    pub(crate) fn per_second(&self) -> f64 {
        self.load.requests as f64 / self.load.seconds.max(1e-9)
    }

    /// That have passed (10^9 bytes).
    pub(crate) fn gigabytes(&self) -> f64 {
        self.load.body_bytes as f64 / 1e9
    }

    pub(crate) fn gigabytes_per_cpu_second(&self) -> Option<f64> {
        let per = self.gigabytes() / (self.used.cpu_us() / 1e6);
        per.is_finite().then_some(per)
    }

    /// What others had, from the rest of the run. Only told of CPUs that are either the proxy's or the load's and the origin's.
    pub(crate) fn others_on(&self, plan: &Plan) -> Option<f64> {
        let mut cpus: Vec<usize> = [&plan.proxy[..], &plan.load, &plan.origin].concat();
        cpus.sort_unstable();
        cpus.dedup();
        let shared = plan.load.iter().any(|cpu| plan.proxy.contains(cpu));
        if cpus.is_empty() || shared || plan.load != plan.origin {
            return None;
        }
        let busy =
            self.proxy_busy * plan.proxy.len() as f64 + self.load_busy * plan.load.len() as f64;
        let ours = self.used.cpu_us() + self.load_cpu_us + self.origin_cpu_us;
        let others = busy - ours / 1e6 / self.load.seconds.max(1e-9);
        Some(others.max(0.0) / cpus.len() as f64)
    }

    /// The load side was full and the proxy was not: its throughput says nothing about the proxy.
    pub(crate) fn load_was_the_bottleneck(&self) -> bool {
        self.load_busy > FULL && self.proxy_busy < FULL
    }
}

impl Compared {
    pub(crate) fn runs_of<'a>(&'a self, subject: &'a str) -> impl Iterator<Item = &'a Run> {
        self.runs.iter().filter(move |run| run.subject == subject)
    }

    /// A subject whose run has failed has no figures: they would be of other work.
    pub(crate) fn fail(&mut self, subject: &str, why: &str) {
        self.runs.retain(|run| run.subject != subject);
        self.subjects.retain(|told| told.name != subject);
        self.skipped.push(Skipped {
            name: subject.to_owned(),
            why: why.to_owned(),
            failed: true,
        });
    }

    /// A value of a subject over all rounds.
    pub(crate) fn over_rounds(
        &self,
        subject: &str,
        value: impl Fn(&Run) -> Option<f64>,
    ) -> Option<Spread> {
        spread(self.runs_of(subject).filter_map(value))
    }

    /// The subject's cost divided by the first subject's, round by round: above 1, the first is better.
    pub(crate) fn ratio(&self, subject: &str, of: Cost) -> Option<Spread> {
        let base = &self.subjects.first()?.name;
        spread(self.runs_of(subject).filter_map(|run| {
            let with = self.runs_of(base).find(|b| b.round == run.round)?;
            Some(run.cost(of)? / with.cost(of)?)
        }))
    }

    /// What is to be said of the runs besides figures.
    pub(crate) fn remarks(&self) -> Vec<String> {
        let mut remarks = Vec::new();
        let timed = self.scenario.load.kind != Kind::Idle;
        let disturbed = |run: &&Run| timed && run.others > Some(DISTURBED);
        let count = self.runs.iter().filter(disturbed).count();
        if count > 0 {
            remarks.push(format!(
                "the machine was not quiet: other processes had more than {:.0} % of the CPUs in {count} of {} runs",
                DISTURBED * 100.0,
                self.runs.len()
            ));
        }
        for subject in &self.subjects {
            let name = &subject.name;
            let full = self
                .runs_of(name)
                .filter(|r| r.load_was_the_bottleneck())
                .count();
            if full > 0 {
                remarks.push(format!(
                    "{name}: the load side was the bottleneck in {full} of {} runs; compare CPU time, not requests per second",
                    self.runs_of(name).count()
                ));
            }
            let sum = |value: fn(&Run) -> u64| self.runs_of(name).map(value).sum::<u64>();
            let again = sum(|r| r.load.reconnects);
            if again > 0 {
                remarks.push(format!(
                    "{name}: {again} kept connections were closed between two requests and opened again"
                ));
            }
            let reloads = sum(|r| u64::from(r.reloads.unwrap_or(0)));
            if reloads > 0 {
                remarks.push(format!("{name}: told to reload {reloads} times under load"));
            }
        }
        for skipped in &self.skipped {
            let word = if skipped.failed {
                "FAILED"
            } else {
                "not measured"
            };
            remarks.push(format!("{}: {word}: {}", skipped.name, skipped.why));
        }
        remarks
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A run with this CPU time per request.
    pub(crate) fn run(subject: &str, round: usize, cpu_us: f64) -> Run {
        Run {
            subject: subject.to_owned(),
            round,
            load: load::Report {
                seconds: 2.0,
                requests: 1000,
                body_bytes: 100_000,
                latency: vec![
                    (0.0, 10.0),
                    (0.5, 20.0),
                    (0.99, 90.0),
                    (0.999, 200.0),
                    (1.0, 900.0),
                ],
                ..load::Report::default()
            },
            used: Used {
                user_us: cpu_us * 250.0,
                system_us: cpu_us * 750.0,
                switches: 5,
                forced_switches: 1,
            },
            resident: 1 << 20,
            bytes_per_connection: None,
            proxy_busy: 0.95,
            load_busy: 0.6,
            others: None,
            load_cpu_us: 1.0,
            origin_cpu_us: 1.0,
            upstream_connections: 64,
            reloads: None,
            workers: Vec::new(),
        }
    }

    /// Two subjects, three rounds.
    pub(crate) fn compared() -> Compared {
        let told = |name: &str| Told {
            name: name.to_owned(),
            version: "1".to_owned(),
            config_sha256: "00".to_owned(),
        };
        let costs = [
            ("ringway", [10.0, 20.0, 10.0]),
            ("nginx", [15.0, 40.0, 14.0]),
        ];
        Compared {
            scenario: Scenario::find("h1-small").unwrap(),
            subjects: vec![told("ringway"), told("nginx")],
            runs: costs
                .iter()
                .flat_map(|(name, costs)| {
                    costs.iter().enumerate().map(|(i, c)| run(name, i + 1, *c))
                })
                .collect(),
            skipped: vec![],
        }
    }

    #[test]
    fn ratios_are_taken_round_by_round() {
        let ratio = compared().ratio("nginx", Cost::CpuPerRequest).unwrap();
        assert_eq!((ratio.median, ratio.min, ratio.max), (1.5, 1.4, 2.0));
        let own = compared().ratio("ringway", Cost::CpuPerRequest).unwrap();
        assert_eq!((own.min, own.max), (1.0, 1.0));
        assert_eq!(compared().ratio("nginx", Cost::BytesPerConnection), None);
    }

    #[test]
    fn costs_and_their_units() {
        let run = run("x", 1, 10.0);
        let close = |of, wanted: f64| {
            let got = run.cost(of).unwrap();
            assert!((got - wanted).abs() < 1e-9, "{of:?}: {got}");
        };
        close(Cost::CpuPerRequest, 10.0);
        close(Cost::CpuPerByte, 10_000_000.0 / (100_000.0 / 1024.0));
        close(Cost::P50, 20.0);
        close(Cost::P99, 90.0);
        close(Cost::P999, 200.0);
        assert_eq!(run.per_second(), 500.0);
    }

    #[test]
    fn a_full_load_side_is_told() {
        let mut compared = compared();
        assert!(compared.remarks().is_empty());
        compared.runs[0].load_busy = 0.99;
        assert!(compared.remarks().is_empty(), "the proxy was full too");
        compared.runs[0].proxy_busy = 0.5;
        assert!(compared.remarks()[0].contains("bottleneck in 1 of 3"));
    }

    #[test]
    fn what_others_use_is_told() {
        let plan = Plan {
            proxy: vec![0],
            load: vec![1],
            origin: vec![1],
        };
        let mut run = run("x", 1, 1900.0);
        (run.proxy_busy, run.load_busy) = (0.95, 0.6);
        (run.load_cpu_us, run.origin_cpu_us) = (500_000.0, 500_000.0);
        // Of two CPUs for two seconds: 0.95 + 0.6 busy, 0.95 + 0.5 ours.
        run.others = run.others_on(&plan);
        assert!((run.others.unwrap() - 0.05).abs() < 1e-9);
        assert_eq!(run.others_on(&Plan::default()), None);
        run.others = Some(DISTURBED);
        let mut compared = compared();
        compared.runs = vec![run];
        assert!(compared.remarks().is_empty());
        compared.runs[0].others = Some(DISTURBED * 1.01);
        assert!(compared.remarks()[0].contains("not quiet"));
    }
}
