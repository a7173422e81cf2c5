//! The command `attack`: what a client that means harm does to a client beside it, to the proxy's memory and to the origin.
//!
//! The proxy has a CPU of its own. On the other one are the bystander and its own origin, which go before the attacker and what that asks, so that what the
//! bystander has to wait for is the proxy. Two figures of it come from one run: without the attack, and under it.

mod bystander;
mod client;
mod kinds;
mod origin;
mod rank;
mod row;

use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

use bystander::Both;
pub(crate) use bystander::stand_by;
pub(crate) use client::attack as make;
pub(crate) use origin::serve;

use crate::child::{Own, Process};
use crate::compare;
use crate::machine;
use crate::measure::{self, Cpus};
use crate::peers::{Job, Place, Subject};
use crate::pin::{self, Plan};
use crate::run::{free_port, last_lines};
use crate::scenario::Scenario;
use rank::Ranks;
use row::Row;

/// Clients of HTTP/2; the origin's version is changed where need be.
const SCENARIO: &str = "h2-small";
/// How often the proxy's memory is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(20);
const START_WITHIN: Duration = Duration::from_secs(20);
/// What an origin is told to speak.
const HTTP2: &str = "HTTP/2";
/// Rounds at most, for each that is wanted: some are disturbed.
const TRIES: usize = 2;
/// Seconds of quiet that do not count.
const WARM_UP: f64 = 0.3;

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
    /// Origins speak HTTP/2
    #[arg(long)]
    http2_origin: bool,
    /// Rounds of an attack's frames per second, over all its connections
    #[arg(long, default_value_t = 20_000.0)]
    rate: f64,
    /// Rounds; each proxy is attacked once in each
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Seconds of quiet, and of the attack
    #[arg(long, default_value_t = 2.0)]
    seconds: f64,
    /// Write the result to this file as well
    #[arg(long)]
    record: Option<PathBuf>,
}

impl Options {
    fn speaks(&self) -> &'static str {
        match self.http2_origin {
            true => HTTP2,
            false => "HTTP/1.1",
        }
    }
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
    let (subjects, missing) =
        compare::subjects(ringway, compare::BASE, &options.with, &options.peer)?;
    if let Some(missing) = missing.first() {
        return Err(io::Error::other(missing.why.clone()));
    }
    let plan = Plan::parse("auto", 1)?;
    // This process looks at the proxy again and again, which is not to take its time.
    pin::stay_on(&plan.load)?;
    let ranks = Ranks::find();
    let folder = std::env::temp_dir().join(format!("ringway-attack-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let mut text = head(options, &plan, &ranks);
    print(&text)?;
    let scene = Scene {
        options,
        plan: &plan,
        ranks: &ranks,
        folder: &folder,
    };
    let mut done = Ok(());
    'all: for attack in &attacks {
        for (subject, rounds) in subjects.iter().zip(scene.all_rounds(attack, &subjects)) {
            let line = match &rounds {
                Ok(rows) => row::line(attack, &subject.name, rows),
                Err(e) => format!(
                    "| {} | {} | failed: {e} | | | | | | | | | | | |\n",
                    attack.name, subject.name
                ),
            };
            print(&line)?;
            text.push_str(&line);
            if let Err(e) = rounds
                && subject.name == "ringway"
            {
                done = Err(e);
                break 'all;
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

fn head(options: &Options, plan: &Plan, ranks: &Ranks) -> String {
    format!(
        "{}Origins: {}. {}. {}. {} rounds/s of an attack's frames, {} s of quiet and of attack, {} rounds.\n\n{}",
        machine::facts().line(),
        options.speaks(),
        plan.describe(),
        ranks.describe(),
        options.rate,
        options.seconds,
        options.rounds,
        row::HEAD,
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

/// What all rounds have in it.
struct Scene<'a> {
    options: &'a Options,
    plan: &'a Plan,
    ranks: &'a Ranks,
    folder: &'a Path,
}

impl Scene<'_> {
    /// Of each subject, which take turns. Who has failed is left out of what follows.
    fn all_rounds(
        &self,
        attack: &kinds::Attack,
        subjects: &[Subject],
    ) -> Vec<io::Result<Vec<Row>>> {
        let mut all: Vec<io::Result<Vec<Row>>> = subjects.iter().map(|_| Ok(Vec::new())).collect();
        let enough = self.options.rounds.max(1);
        let still = |rows: &[Row]| rows.iter().filter(|r| r.stolen <= row::DISTURBED).count();
        for _ in 0..enough * TRIES {
            for (subject, rows) in subjects.iter().zip(&mut all) {
                if let Ok(rounds) = rows
                    && still(rounds) < enough
                {
                    match self.once(attack, subject) {
                        Ok(row) => rounds.push(row),
                        Err(e) => *rows = Err(e),
                    }
                }
            }
        }
        for rounds in all.iter_mut().flatten() {
            rounds.sort_by(|a, b| a.stolen.total_cmp(&b.stolen));
            rounds.truncate(enough);
        }
        all
    }

    fn once(&self, attack: &kinds::Attack, subject: &Subject) -> io::Result<Row> {
        let Scene {
            options,
            plan,
            ranks,
            folder,
        } = *self;
        let mut scenario = Scenario::find(SCENARIO)?;
        scenario.origin.http2 = options.http2_origin;
        let job = Job {
            scenario: &scenario,
            cores: 1,
            odd: false,
            beside: true,
        };
        if let Some(why) = subject.lacks(&scenario) {
            return Err(io::Error::other(why));
        }
        let origin = |rank, speaks| Own::start_by(rank, &plan.origin, "attack-origin", speaks);
        let mut beside = origin(ranks.first, options.speaks())?;
        // Bystanders speak HTTP/2, also without a proxy.
        let mut straight = origin(ranks.first, HTTP2)?;
        let mut origin = origin(ranks.last, options.speaks())?;
        let address = |of: &mut Own| of.hear()?.parse().map_err(io::Error::other);
        let at = Place {
            listen: free_port()?,
            origin: address(&mut origin)?,
            beside: address(&mut beside)?,
            folder,
            certificates: folder,
        };
        subject.write(job, at)?;
        let log = folder.join("output.log");
        let mut proxy = Process::start(&plan.proxy, subject.command(job, at), &log)?;
        wait(&mut proxy, at, &log)?;
        let bystander = |address: SocketAddr| {
            let address = address.to_string();
            Own::start_by(ranks.first, &plan.load, "attack-bystander", &address)
        };
        let mut stand = Standing {
            proxied: bystander(at.listen)?,
            straight: bystander(address(&mut straight)?)?,
        };
        stand.by(WARM_UP)?;
        let cpus = Cpus::read();
        let quiet = stand.by(options.seconds)?;
        let before = measure::read(proxy.id());
        let spec = serde_json::to_string(&client::Spec {
            attack: attack.name.to_owned(),
            address: at.listen,
            rate: options.rate,
        })?;
        let mut attacker = Own::start_by(ranks.last, &plan.load, "attack-client", &spec)?;
        attacker.hear()?;
        let begun = Instant::now();
        let (under, peak) = watched(proxy.id(), || stand.by(options.seconds))?;
        let used = measure::read(proxy.id()).since(&before);
        let busy = used.cpu_us() / begun.elapsed().as_micros() as f64;
        let stolen = Cpus::read().stolen_since(&cpus, &[&plan.proxy[..], &plan.load].concat());
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
            stolen,
        })
    }
}

/// The bystander, and one that goes to its origin without a proxy: what that one has to wait for is the machine's.
struct Standing {
    proxied: Own,
    straight: Own,
}

impl Standing {
    fn by(&mut self, seconds: f64) -> io::Result<Both> {
        let ms = ((seconds * 1000.0) as u64).to_string();
        self.proxied.say(&ms)?;
        self.straight.say(&ms)?;
        Ok(Both {
            proxied: serde_json::from_str(&self.proxied.hear()?)?,
            straight: serde_json::from_str(&self.straight.hear()?)?,
        })
    }
}

/// What came of it, and the most memory that the proxy had meanwhile.
fn watched<T>(proxy: u32, act: impl FnOnce() -> io::Result<T>) -> io::Result<(T, u64)> {
    let stop = &AtomicBool::new(false);
    std::thread::scope(|scope| {
        let watch = scope.spawn(move || {
            let mut peak = 0;
            while !stop.load(Relaxed) {
                peak = measure::read(proxy).resident.max(peak);
                std::thread::sleep(LOOK_EVERY);
            }
            peak
        });
        let done = act();
        stop.store(true, Relaxed);
        done.map(|done| (done, watch.join().unwrap_or_default()))
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
