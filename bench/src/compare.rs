//! The command `compare`: subjects take turns, in another order in each round, and what came of it is told.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::machine;
use crate::peers::{self, Job, Reload, Subject};
use crate::pin::Plan;
use crate::report;
use crate::results::{Compared, Results, Skipped, Told};
use crate::run::{Bench, run};
use crate::scenario::Scenario;
use crate::secured;

/// Of `Results`.
const FORMAT: u32 = 1;
/// What the first subject is called, unless told otherwise.
pub(crate) const BASE: &str = "ringway";
/// A folder beside those of the scenarios.
const CERTIFICATES: &str = "certificates";

/// Compare Ringway with other proxies on the same work
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Scenarios by name, or files of your own
    #[arg(long, value_delimiter = ',', default_value = "h1-small", long_help = scenarios_help())]
    scenario: Vec<String>,
    /// Proxies besides Ringway: nginx, haproxy, haproxy-splice and haproxy-copy (TCP always
    /// and never spliced), haproxy-forwarding (the fields of Ringway's default added to heads), envoy, traefik, caddy, ringway-epoll (the other driver), ringway-unix
    /// (the origin by a Unix socket), ringway-kernel (connections stay with the worker that the
    /// kernel chose), ringway-plain (no fields added to heads, as by HAProxy and nginx), or ringway-WORD for another build
    #[arg(long = "with", value_delimiter = ',', default_value = "nginx,haproxy")]
    with: Vec<String>,
    /// Which Ringway the others are compared with, as `--with` names it
    #[arg(long, default_value = BASE)]
    base: String,
    /// Where a proxy's program is, if not on PATH; for another build: ringway-old=/path/to/ringway
    #[arg(long, value_name = "NAME=PATH")]
    peer: Vec<String>,
    /// Rounds; each subject runs once in each
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Seconds that are counted per run [default: as the scenario says]
    #[arg(long)]
    seconds: Option<f64>,
    /// Workers of each proxy, and CPUs for them
    #[arg(long, default_value_t = 1)]
    cores: usize,
    /// Who runs where: auto, off, or proxy=0;load=1;origin=1
    #[arg(long, default_value = "auto")]
    pin: String,
    /// Folder for configurations, logs, results.json and report.html [default: a new one among the temporary files]
    #[arg(long)]
    out: Option<PathBuf>,
}

fn scenarios_help() -> String {
    let mut text = String::from("Scenarios by name, or files of your own:\n");
    for name in Scenario::names() {
        if let Ok(scenario) = Scenario::find(name) {
            text.push_str(&format!("  {name:<22} {}\n", scenario.about));
        }
    }
    text
}

/// Do it.
pub(crate) fn compare(ringway: Option<&Path>, options: &Options) -> io::Result<()> {
    let scenarios = scenarios(options)?;
    let plan = Plan::parse(&options.pin, options.cores)?;
    let now = report::now();
    let out = match &options.out {
        Some(out) => out.clone(),
        None => std::env::temp_dir().join(format!("ringway-bench-{}", now.replace(':', ""))),
    };
    std::fs::create_dir_all(&out)?;
    let out = out.canonicalize()?;
    secured::write(&out.join(CERTIFICATES))?;
    // Idle connections need files, here and in the proxies, which inherit the limit.
    let _ = rlimit::increase_nofile_limit(u64::MAX);
    let (subjects, missing) = subjects(ringway, &options.base, &options.with, &options.peer)?;
    say(&format!(
        "pinning: {}\nconfigurations and results: {}\n",
        plan.describe(),
        out.display()
    ))?;
    for one in &missing {
        say(&format!("{}: {}\n", one.name, one.why))?;
    }
    let mut results = Results {
        format: FORMAT,
        when: now,
        machine: machine::facts(),
        load_before: machine::load_average(),
        load_after: [0.0; 3],
        cores: options.cores,
        pinned: plan,
        rounds: options.rounds,
        scenarios: Vec::new(),
    };
    for scenario in scenarios {
        let mut compared = one_scenario(scenario, &subjects, &results, &out)?;
        compared.skipped.extend(missing.iter().cloned());
        say(&report::table(&compared))?;
        results.scenarios.push(compared);
        results.load_after = machine::load_average();
        std::fs::write(out.join("results.json"), report::json(&results)?)?;
        std::fs::write(out.join("report.html"), report::html(&results))?;
    }
    say(&format!("\n{}\n", out.join("report.html").display()))?;
    let skipped = results.scenarios.iter().flat_map(|c| &c.skipped);
    match skipped.filter(|s| s.failed).count() {
        0 => Ok(()),
        n => Err(io::Error::other(format!("{n} failed; see above"))),
    }
}

fn scenarios(options: &Options) -> io::Result<Vec<Scenario>> {
    let mut scenarios = Vec::new();
    for name in &options.scenario {
        let mut scenario = Scenario::find(name)?;
        if let Some(seconds) = options.seconds {
            if !(0.1..=3600.0).contains(&seconds) {
                return Err(io::Error::other("--seconds must be from 0.1 to 3600"));
            }
            scenario.seconds = seconds;
        }
        scenarios.push(scenario);
    }
    Ok(scenarios)
}

/// Who takes part, `base` first, and who is missing. `peers`: where their programs are, each NAME=PATH.
pub(crate) fn subjects(
    ringway: Option<&Path>,
    base: &str,
    with: &[String],
    peers: &[String],
) -> io::Result<(Vec<Subject>, Vec<Skipped>)> {
    let mut given = Vec::new();
    for peer in peers {
        let (name, path) = peer
            .split_once('=')
            .ok_or_else(|| io::Error::other(format!("`{peer}` is not NAME=PATH")))?;
        given.push((name, Path::new(path)));
    }
    let path_of = |name: &str| {
        let found = given.iter().find(|(n, _)| *n == name);
        found.map(|(_, path)| *path)
    };
    // Another driver is the same program.
    let find = |name: &str| {
        let same = ringway.or_else(|| path_of(BASE));
        let path = path_of(name).or(same.filter(|_| peers::is_same_program(name)));
        peers::find(name, path)
    };
    let first = find(base).map_err(|e| io::Error::other(format!("{base}: {e}")))?;
    let mut subjects = vec![first];
    let mut missing = Vec::new();
    for name in with.iter().filter(|name| *name != base) {
        match find(name) {
            Ok(subject) => subjects.push(subject),
            Err(e) if e.kind() == io::ErrorKind::NotFound => missing.push(Skipped {
                name: name.clone(),
                why: e.to_string(),
                failed: false,
            }),
            Err(e) => return Err(e),
        }
    }
    Ok((subjects, missing))
}

fn one_scenario(
    scenario: Scenario,
    subjects: &[Subject],
    results: &Results,
    out: &Path,
) -> io::Result<Compared> {
    let job = Job {
        scenario: &scenario,
        cores: results.cores,
        odd: false,
        beside: false,
    };
    let (mut part, skipped) = who_can(subjects, &scenario);
    let told = part.iter().map(|subject| Told {
        name: subject.name.clone(),
        version: subject.version(),
        config_sha256: subject.config_hash(job),
    });
    let mut compared = Compared {
        subjects: told.collect(),
        runs: Vec::new(),
        skipped,
        scenario: scenario.clone(),
    };
    let base = subjects.first().map_or(BASE, |first| &first.name);
    let all = part.len() * results.rounds;
    let mut done = 0;
    for round in 1..=results.rounds {
        for subject in turns(&part, round) {
            progress(&format!(
                "{} {} {}: round {round} of {}",
                bar(done, all),
                scenario.name,
                subject.name,
                results.rounds
            ));
            done += 1;
            let folder = out.join(&scenario.name).join(&subject.name);
            std::fs::create_dir_all(&folder)?;
            let bench = Bench {
                job,
                plan: &results.pinned,
                folder: &folder,
                certificates: &out.join(CERTIFICATES),
                by_worker: false,
            };
            match run(&bench, subject, round) {
                Ok(measured) => compared.runs.push(measured),
                Err(e) if subject.name == base => {
                    progress("");
                    return Err(io::Error::other(format!("{}: {base}: {e}", scenario.name)));
                }
                Err(e) => {
                    part.retain(|other| other.name != subject.name);
                    compared.fail(&subject.name, &e.to_string());
                }
            }
        }
    }
    progress("");
    Ok(compared)
}

/// Who runs in a round (the first is 1), in order: a balanced design (E. J. Williams, 1949). In as many rounds as there are subjects, or twice as many where their number
/// is odd, each comes first equally often and each comes behind each other one equally often. What ran before matters: on a virtual machine who comes first, or behind one who
/// had the CPU to the full, may pay some 7 % more.
fn turns<T: Copy>(part: &[T], round: usize) -> Vec<T> {
    let n = part.len();
    let round = round - 1;
    // 0, n - 1, 1, n - 2, 2 and so on: each step has another length.
    let zigzag = (0..n).map(|i| if i % 2 == 0 { i / 2 } else { n - 1 - i / 2 });
    let mut turns: Vec<T> = zigzag.map(|at| part[(at + round) % n]).collect();
    if round / n.max(1) % 2 == 1 {
        turns.reverse();
    }
    turns
}

/// Who can do this scenario, and who cannot and why.
fn who_can<'a>(subjects: &'a [Subject], scenario: &Scenario) -> (Vec<&'a Subject>, Vec<Skipped>) {
    let mut part = Vec::new();
    let mut skipped = Vec::new();
    for subject in subjects {
        let why = match (subject.lacks(scenario), subject.reload()) {
            (Some(why), _) => why,
            (None, Reload::No(why)) if scenario.proxy.reload_every.is_some() => why,
            (None, _) => {
                part.push(subject);
                continue;
            }
        };
        skipped.push(Skipped {
            name: subject.name.clone(),
            why: why.to_owned(),
            failed: false,
        });
    }
    (part, skipped)
}

fn bar(done: usize, all: usize) -> String {
    const WIDTH: usize = 24;
    let full = WIDTH * done / all.max(1);
    format!("[{}{}]", "#".repeat(full), ".".repeat(WIDTH - full))
}

/// Over the last one; it is for people, so it goes where errors go.
fn progress(line: &str) {
    eprint!("\r\x1b[K{line}");
    let _ = io::stderr().flush();
}

fn say(text: &str) -> io::Result<()> {
    io::stdout().write_all(text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_comes_first_and_behind_each_other_one_equally_often() {
        assert!(turns::<usize>(&[], 1).is_empty());
        for n in 1..8 {
            let part: Vec<usize> = (0..n).collect();
            let rounds = if n % 2 == 0 { n } else { 2 * n };
            let mut first = vec![0; n];
            let mut behind = vec![vec![0; n]; n];
            for round in 1..=rounds {
                let turns = turns(&part, round);
                let mut all = turns.clone();
                all.sort_unstable();
                assert_eq!(all, part, "each once");
                first[turns[0]] += 1;
                turns
                    .windows(2)
                    .for_each(|pair| behind[pair[0]][pair[1]] += 1);
            }
            assert!(first.iter().all(|times| *times == rounds / n), "{first:?}");
            for (one, times) in behind.iter().enumerate() {
                for (other, times) in times.iter().enumerate() {
                    let expected = if one == other { 0 } else { rounds / n };
                    assert_eq!(*times, expected, "{other} behind {one} of {n}");
                }
            }
        }
    }
}
