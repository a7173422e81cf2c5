//! The command `spread`: how connections and requests lie over two workers, with and without evening out; and what a request costs
//! with one worker and with two.
//!
//! Only Ringway. The evening out itself, and why it is as it is, is in `core/src/spread.rs`.

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use crate::machine;
use crate::peers::{self, Job, Subject};
use crate::pin::Plan;
use crate::results::Run;
use crate::run::{Bench, run};
use crate::scenario::Scenario;
use crate::stats::{Spread, spread as stats};

/// Workers over which connections are spread.
const WORKERS: usize = 2;
/// Connections of one worker where scaling is measured.
const EACH: usize = 64;
/// What is asked, but for the number of connections.
const SCENARIO: &str = "h1-small";

/// Show how connections lie over two workers, and what a request costs with one worker and with two
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Numbers of connections to spread
    #[arg(long, value_delimiter = ',', default_value = "16,64,1000")]
    connections: Vec<usize>,
    /// Rounds of each
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Seconds that are counted per run
    #[arg(long, default_value_t = 1.0)]
    seconds: f64,
    /// Use the epoll driver
    #[arg(long)]
    epoll: bool,
    /// Write the result to this file as well
    #[arg(long)]
    record: Option<PathBuf>,
}

/// Do it.
pub(crate) fn spread(ringway: Option<&Path>, options: &Options) -> io::Result<()> {
    let driver = if options.epoll { "-epoll" } else { "" };
    let even = peers::find(&format!("ringway{driver}"), ringway)?;
    let kernel = peers::find(&format!("ringway{driver}-kernel"), ringway)?;
    let mut text = format!(
        "# Connections and requests over {WORKERS} workers ({})\n\n\
         Made by `ringway-bench spread`. {}`{SCENARIO}`, {} rounds of {} s in turns; proxy, load and origin on the same {WORKERS} CPUs.\n",
        if options.epoll { "epoll" } else { "io_uring" },
        machine::facts().line(),
        options.rounds,
        options.seconds
    );
    let folder = std::env::temp_dir().join(format!("ringway-spread-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let _ = rlimit::increase_nofile_limit(u64::MAX);
    let done = spreads(&mut text, &folder, [&kernel, &even], options)
        .and_then(|()| scaling(&mut text, &folder, &even, options));
    // Only our own files are in it.
    let _ = std::fs::remove_dir_all(&folder);
    done?;
    io::stdout().write_all(text.as_bytes())?;
    let record = options.record.as_ref();
    record.map_or(Ok(()), |path| std::fs::write(path, text))
}

fn scenario(connections: usize, options: &Options) -> io::Result<Scenario> {
    let mut scenario = Scenario::find(SCENARIO)?;
    scenario.load.connections = connections;
    scenario.seconds = options.seconds;
    scenario.warm_up = 0.3;
    Ok(scenario)
}

fn spreads(
    text: &mut String,
    folder: &Path,
    subjects: [&Subject; 2],
    options: &Options,
) -> io::Result<()> {
    text.push_str(
        "\n## Spread\n\n\
         *Busier*: the share of the worker with more, median and most of the rounds; 50 % is even. Requests by the bytes that each\n\
         worker sent. *Handed*: connections that went to the other worker, median.\n\n\
         | connections | spread by | connections of each worker, by round | busier: connections | busier: requests | handed |\n\
         |---|---|---|---|---|---|\n",
    );
    let plan = Plan::parse("auto", WORKERS)?;
    for connections in &options.connections {
        let scenario = scenario(*connections, options)?;
        let mut runs = [Vec::new(), Vec::new()];
        for round in 1..=options.rounds {
            for (runs, subject) in runs.iter_mut().zip(subjects) {
                runs.push(once(&scenario, folder, subject, &plan, WORKERS, round)?);
            }
        }
        for (runs, who) in runs.iter().zip(["the kernel alone", "Ringway"]) {
            row(text, *connections, who, runs);
        }
    }
    Ok(())
}

fn once(
    scenario: &Scenario,
    folder: &Path,
    subject: &Subject,
    plan: &Plan,
    cores: usize,
    round: usize,
) -> io::Result<Run> {
    let job = Job {
        scenario,
        cores,
        odd: false,
        beside: false,
    };
    let bench = Bench {
        job,
        plan,
        folder,
        // Its scenarios are without TLS.
        certificates: folder,
        by_worker: true,
    };
    run(&bench, subject, round)
}

fn row(text: &mut String, connections: usize, who: &str, runs: &[Run]) {
    let each: Vec<String> = runs
        .iter()
        .map(|run| {
            let each: Vec<String> = run
                .workers
                .iter()
                .map(|w| w.connections.to_string())
                .collect();
            each.join("+")
        })
        .collect();
    let share = |of: fn(&crate::workers::Worker) -> f64| {
        percent(stats(
            runs.iter().map(|run| busier(run.workers.iter().map(of))),
        ))
    };
    let handed = runs
        .iter()
        .map(|run| run.workers.iter().map(|w| w.handed).sum());
    let _ = writeln!(
        text,
        "| {connections} | {who} | {} | {} | {} | {:.0} |",
        each.join(", "),
        share(|w| w.connections),
        share(|w| w.sent),
        stats(handed).map_or(0.0, |s| s.median)
    );
}

/// The part of the whole that the largest has.
fn busier(each: impl Iterator<Item = f64> + Clone) -> f64 {
    each.clone().fold(0.0, f64::max) / each.sum::<f64>()
}

fn percent(spread: Option<Spread>) -> String {
    spread.map_or("-".to_owned(), |s| {
        format!("{:.0} %, {:.0} %", s.median * 100.0, s.max * 100.0)
    })
}

/// One worker with load and origin on the other CPU, on its own, and on both; and two with both on both.
fn scaling(
    text: &mut String,
    folder: &Path,
    subject: &Subject,
    options: &Options,
) -> io::Result<()> {
    let plan = |text| Plan::parse(text, WORKERS);
    let cases = [
        (
            "one, load and origin far",
            plan("proxy=0;load=1;origin=1")?,
            1,
        ),
        (
            "one, load and origin near",
            plan("proxy=0;load=0;origin=0")?,
            1,
        ),
        (
            "one, load and origin on both",
            plan("proxy=0;load=0,1;origin=0,1")?,
            1,
        ),
        ("two", plan("proxy=0,1;load=0,1;origin=0,1")?, WORKERS),
        ("two", plan("proxy=0,1;load=0,1;origin=0,1")?, WORKERS),
    ];
    let connections = [EACH, EACH, EACH, EACH, EACH * WORKERS];
    let mut runs = connections.map(|_| Vec::new());
    for round in 1..=options.rounds {
        for ((runs, (_, plan, workers)), connections) in
            runs.iter_mut().zip(&cases).zip(connections)
        {
            let scenario = scenario(connections, options)?;
            runs.push(once(&scenario, folder, subject, plan, *workers, round)?);
        }
    }
    text.push_str(SCALING);
    let costs: Vec<Vec<f64>> = runs
        .iter()
        .map(|runs| runs.iter().map(cost).collect())
        .collect();
    for (i, (name, _, workers)) in cases.iter().enumerate() {
        let of = |f: fn(&Run) -> f64| stats(runs[i].iter().map(f)).map_or(0.0, |s| s.median);
        let _ = writeln!(
            text,
            "| {name} | {} | {:.2} | {:.2} | {:.0} | {:.0} | {} | {} |",
            connections[i],
            of(cost),
            of(|run| run.used.user_us / run.load.requests as f64),
            of(|run| 1e6 / cost(run)),
            of(|run| run.load.requests as f64 / run.load.seconds),
            gain(&costs[0], &costs[i], *workers),
            gain(&costs[2], &costs[i], *workers),
        );
    }
    Ok(())
}

const SCALING: &str = "
## Scaling

Throughput says little where load and origin take the same CPUs, so what counts is what one second of a worker's CPU does. Over
loopback that depends on where the other end runs: *far* on the other CPU, *near* on the same. Two workers, with load and origin on both
CPUs, have half of them near and half far, so they are compared with one worker that has the same load and origin on both CPUs, and
with the far one. *Gain*: the throughput of two workers with a CPU each to that of one, if CPU time decides; median, least and most of
the rounds' ratios.

| workers | connections | CPU us per request | of it user | requests per CPU-second of a worker | requests/s | gain over far | over one like it |
|---|---|---|---|---|---|---|---|
";

/// CPU time of the workers per request. The other threads of the process do nothing for a request.
fn cost(run: &Run) -> f64 {
    run.workers.iter().map(|w| w.cpu_us).sum::<f64>() / run.load.requests as f64
}

fn gain(one: &[f64], costs: &[f64], workers: usize) -> String {
    let pairs = one.iter().zip(costs);
    let ratios = pairs.map(|(one, n)| workers as f64 * one / n);
    stats(ratios).map_or("-".to_owned(), |s| {
        format!("{:.2} ({:.2} to {:.2})", s.median, s.min, s.max)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workers::Worker;

    fn run_of(requests: u64, cpu_us: &[f64]) -> Run {
        let worker = |cpu_us: &f64| Worker {
            cpu_us: *cpu_us,
            connections: *cpu_us,
            ..Worker::default()
        };
        Run {
            load: crate::load::Report {
                requests,
                ..crate::load::Report::default()
            },
            workers: cpu_us.iter().map(worker).collect(),
            ..Run::default()
        }
    }

    #[test]
    fn two_workers_that_cost_the_same_gain_twice() {
        let costs = |cpu_us: &[f64]| [cost(&run_of(100, cpu_us))];
        let one = costs(&[500.0]);
        assert_eq!(gain(&one, &one, 1), "1.00 (1.00 to 1.00)");
        assert_eq!(
            gain(&one, &costs(&[300.0, 200.0]), 2),
            "2.00 (2.00 to 2.00)"
        );
        assert_eq!(
            gain(&one, &costs(&[300.0, 300.0]), 2),
            "1.67 (1.67 to 1.67)"
        );
    }

    #[test]
    fn a_row_tells_who_has_more() {
        let mut text = String::new();
        row(
            &mut text,
            8,
            "x",
            &[run_of(1, &[6.0, 2.0]), run_of(1, &[4.0, 4.0])],
        );
        assert!(text.contains("| 8 | x | 6+2, 4+4 | 62 %, 75 % |"), "{text}");
    }
}
