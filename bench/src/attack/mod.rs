//! The command `attack`: what a client that means harm does to a client beside it, to the proxy's memory and to the origin.
//!
//! The proxy has a CPU of its own. On the other one are the bystander, the origin, and the attacker with the lowest priority. Two figures of the
//! bystander come from one run: without the attack, and under it.

mod bystander;
mod client;
mod kinds;
mod origin;

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

pub(crate) use bystander::stand_by;
pub(crate) use client::attack as make;
pub(crate) use origin::serve;

use crate::child::{Own, Process};
use crate::compare;
use crate::machine;
use crate::measure;
use crate::peers::{Job, Place, Subject};
use crate::pin::Plan;
use crate::run::{free_port, last_lines};
use crate::scenario::Scenario;

/// Clients of HTTP/2; the origin's version is changed where need be.
const SCENARIO: &str = "h2-small";
/// How often the proxy's memory is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(20);
const START_WITHIN: Duration = Duration::from_secs(20);

/// Attack proxies by HTTP/2, and see how a client beside the attacker fares
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Attacks by name [default: all]
    #[arg(long, value_delimiter = ',')]
    attack: Vec<String>,
    /// Proxies besides Ringway: nginx, haproxy, envoy, or ringway-WORD for another build
    #[arg(long = "with", value_delimiter = ',')]
    with: Vec<String>,
    /// Where a proxy's program is, if not on PATH
    #[arg(long, value_name = "NAME=PATH")]
    peer: Vec<String>,
    /// The origin speaks HTTP/2
    #[arg(long)]
    http2_origin: bool,
    /// Rounds of an attack's frames per second, over all its connections
    #[arg(long, default_value_t = 20_000.0)]
    rate: f64,
    /// Seconds of quiet, and of the attack
    #[arg(long, default_value_t = 2.0)]
    seconds: f64,
    /// Write the result to this file as well
    #[arg(long)]
    record: Option<PathBuf>,
}

/// What one attack did to one proxy.
struct Row {
    quiet: bystander::Seen,
    under: bystander::Seen,
    /// What the proxy's memory grew by at most under the attack, in bytes.
    grown: u64,
    /// Of a CPU, under the attack.
    busy: f64,
    done: client::Done,
    asked: u64,
}

/// Do it.
pub(crate) fn run(ringway: Option<&Path>, options: &Options) -> io::Result<()> {
    let _ = rlimit::increase_nofile_limit(u64::MAX);
    let attacks: Vec<kinds::Attack> = match options.attack.is_empty() {
        true => kinds::ALL.to_vec(),
        false => {
            let named = options.attack.iter().map(|name| kinds::find(name));
            named.collect::<io::Result<_>>()?
        }
    };
    let (subjects, missing) = compare::subjects(ringway, &options.with, &options.peer)?;
    if let Some(missing) = missing.first() {
        return Err(io::Error::other(missing.why.clone()));
    }
    let plan = Plan::parse("auto", 1)?;
    let folder = std::env::temp_dir().join(format!("ringway-attack-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let mut text = format!(
        "{}Origin: {}. {}; {} rounds/s of an attack's frames, {} s of quiet and of attack.\n\n{HEAD}",
        machine::facts().line(),
        if options.http2_origin {
            "HTTP/2"
        } else {
            "HTTP/1.1"
        },
        plan.describe(),
        options.rate,
        options.seconds,
    );
    print(&text)?;
    let mut done = Ok(());
    'all: for attack in &attacks {
        for subject in &subjects {
            match once(attack, subject, options, &plan, &folder) {
                Ok(row) => {
                    let line = line(attack, subject, &row);
                    print(&line)?;
                    text.push_str(&line);
                }
                Err(e) => {
                    let line = format!(
                        "| {} | {} | failed: {e} | | | | | | | |\n",
                        attack.name, subject.name
                    );
                    print(&line)?;
                    text.push_str(&line);
                    if subject.name == "ringway" {
                        done = Err(e);
                        break 'all;
                    }
                }
            }
        }
    }
    // Only our own files are in it.
    let _ = std::fs::remove_dir_all(&folder);
    if let Some(path) = &options.record {
        std::fs::write(path, text)?;
    }
    done
}

const HEAD: &str = "| attack | proxy | p50 quiet, attacked (us) | p99 quiet, attacked (us) | ratio of p99 | slowest | lost | memory grown by (MB) | proxy's CPU | frames until cut off, GOAWAY | connections | requests at the origin |\n\
    |---|---|---|---|---|---|---|---|---|---|---|---|\n";

fn line(attack: &kinds::Attack, subject: &Subject, row: &Row) -> String {
    let mut ends = row.done.until_end.clone();
    ends.sort_unstable();
    let mut cut = match ends.get(ends.len() / 2) {
        Some(median) => format!("{median} ({})", ends.last().unwrap_or(median)),
        None => "not".to_owned(),
    };
    if let Some(code) = row.done.said {
        let _ = write!(cut, ", {code}");
    }
    format!(
        "| {} | {} | {}, {} | {}, {} | {:.1} | {} | {} | {:.1} | {:.0} % | {cut} | {} | {} |\n",
        attack.name,
        subject.name,
        row.quiet.p50,
        row.under.p50,
        row.quiet.p99,
        row.under.p99,
        row.under.p99 as f64 / row.quiet.p99.max(1) as f64,
        row.under.most,
        row.under.lost,
        row.grown as f64 / 1e6,
        row.busy * 100.0,
        row.done.connections,
        row.asked,
    )
}

/// To who has started this process.
fn say(line: &str) -> io::Result<()> {
    print(&format!("{line}\n"))
}

fn print(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}

fn once(
    attack: &kinds::Attack,
    subject: &Subject,
    options: &Options,
    plan: &Plan,
    folder: &Path,
) -> io::Result<Row> {
    let mut scenario = Scenario::find(SCENARIO)?;
    scenario.origin.http2 = options.http2_origin;
    let job = Job {
        scenario: &scenario,
        cores: 1,
        odd: false,
    };
    if let Some(why) = subject.lacks(&scenario) {
        return Err(io::Error::other(why));
    }
    let speaks = if options.http2_origin {
        "http2"
    } else {
        "http1"
    };
    let mut origin = Own::start(&plan.origin, "attack-origin", speaks)?;
    let at = Place {
        listen: free_port()?,
        origin: origin.hear()?.parse().map_err(io::Error::other)?,
        folder,
        certificates: folder,
    };
    subject.write(job, at)?;
    let log = folder.join("output.log");
    let mut proxy = Process::start(&plan.proxy, subject.command(job, at), &log)?;
    wait(&mut proxy, at, &log)?;
    let mut bystander = Own::start(&plan.load, "attack-bystander", &at.listen.to_string())?;
    let mut stand = |seconds: f64| -> io::Result<bystander::Seen> {
        bystander.say(&((seconds * 1000.0) as u64).to_string())?;
        Ok(serde_json::from_str(&bystander.hear()?)?)
    };
    stand(0.5)?;
    let quiet = stand(options.seconds)?;
    let before = measure::read(proxy.id());
    let spec = serde_json::to_string(&client::Spec {
        attack: attack.name.to_owned(),
        address: at.listen,
        rate: options.rate,
    })?;
    let mut attacker = Own::start(&plan.load, "attack-client", &spec)?;
    attacker.hear()?;
    let begun = Instant::now();
    let stop = &AtomicBool::new(false);
    let (under, peak) = std::thread::scope(|scope| {
        let (proxy, before) = (&proxy, &before);
        let watch = scope.spawn(move || {
            let mut peak = before.resident;
            while !stop.load(Relaxed) {
                peak = peak.max(measure::read(proxy.id()).resident);
                std::thread::sleep(LOOK_EVERY);
            }
            peak
        });
        let under = stand(options.seconds);
        stop.store(true, Relaxed);
        under.map(|under| (under, watch.join().unwrap_or_default()))
    })?;
    let used = measure::read(proxy.id()).since(&before);
    let busy = used.cpu_us() / begun.elapsed().as_micros() as f64;
    attacker.say("stop")?;
    let done = serde_json::from_str(&attacker.hear()?)?;
    origin.say("asked")?;
    let asked: origin::Asked = serde_json::from_str(&origin.hear()?)?;
    if proxy.is_over() {
        return Err(io::Error::other(format!(
            "the proxy has ended\n{}",
            last_lines(&log)
        )));
    }
    Ok(Row {
        quiet,
        under,
        grown: peak.saturating_sub(before.resident),
        busy,
        done,
        asked: asked.requests,
    })
}

/// Until it takes connections.
fn wait(proxy: &mut Process, at: Place<'_>, log: &Path) -> io::Result<()> {
    let begun = Instant::now();
    while std::net::TcpStream::connect(at.listen).is_err() {
        if proxy.is_over() || begun.elapsed() > START_WITHIN {
            return Err(io::Error::other(format!(
                "it does not listen\n{}",
                last_lines(log)
            )));
        }
        std::thread::sleep(LOOK_EVERY);
    }
    Ok(())
}
