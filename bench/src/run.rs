//! One subject in one round: origin, proxy and load are started, measured and ended.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::SeqCst};
use std::time::{Duration, Instant};

use crate::child::{Own, Process};
use crate::http2;
use crate::load;
use crate::measure::{self, Cpus, Reading};
use crate::message;
use crate::origin::{self, Seen};
use crate::peers::{Job, ORIGIN_SOCKET, Place, Reload, Subject};
use crate::pin::Plan;
use crate::results::Run;
use crate::scenario::{Load, Protocol};
use crate::secured::Blocking;
use crate::workers::{self, Worker};

/// A proxy must answer within this after its start; ten thousand routes take some of them seconds.
const START_WITHIN: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// Below what the kernel gives to connections, so that none of them takes a proxy's port between the look and the bind.
const PORTS: std::ops::Range<u16> = 20_000..30_000;

/// What a run is made with.
pub(crate) struct Bench<'a> {
    pub(crate) job: Job<'a>,
    pub(crate) plan: &'a Plan,
    /// Where this subject's files go.
    pub(crate) folder: &'a Path,
    /// Where certificates lie.
    pub(crate) certificates: &'a Path,
    /// Ask the proxy, which is Ringway, what each of its workers did.
    pub(crate) by_worker: bool,
}

/// Measure once.
pub(crate) fn run(bench: &Bench<'_>, subject: &Subject, round: usize) -> io::Result<Run> {
    let scenario = bench.job.scenario;
    let unix = subject
        .asks_unix()
        .then(|| bench.folder.join(ORIGIN_SOCKET));
    if let Some(left) = unix.as_ref().filter(|path| path.exists()) {
        std::fs::remove_file(left)?;
    }
    let mutual = scenario.tls.as_ref().is_some_and(|tls| tls.mutual);
    let spec = serde_json::to_string(&origin::Spec {
        protocol: scenario.protocol,
        origin: scenario.origin.clone(),
        load: scenario.load.clone(),
        cpus: bench.plan.origin.clone(),
        unix,
        certificates: mutual.then(|| bench.certificates.to_owned()),
    })?;
    let mut origin = Own::start(&bench.plan.origin, "origin", &spec)?;
    let origin_address: SocketAddr = origin
        .hear()?
        .parse()
        .map_err(|_| io::Error::other("the origin did not say where it is"))?;
    let at = Place {
        listen: free_port()?,
        origin: origin_address,
        beside: origin_address,
        folder: bench.folder,
        certificates: bench.certificates,
    };
    subject.write(bench.job, at)?;
    let log = bench.folder.join("output.log");
    let mut proxy = Process::start(&bench.plan.proxy, subject.command(bench.job, at), &log)?;
    wait_until_it_answers(&mut proxy, at.listen, bench)
        .map_err(|e| io::Error::other(format!("{e}\n{}", last_lines(&log))))?;

    let reloading = Reloading::new(bench, subject, at, &proxy);
    let stop = AtomicBool::new(false);
    let mut run = std::thread::scope(|scope| {
        if let Some(every) = scenario.proxy.reload_every {
            let (reloading, stop) = (&reloading, &stop);
            scope.spawn(move || reloading.again_and_again(Duration::from_millis(every), stop));
        }
        let measured = under_load(bench, at.listen, &proxy, &origin);
        stop.store(true, SeqCst);
        measured
    })?;
    if scenario.proxy.reload_every.is_some() {
        run.reloads = Some(reloading.done.load(SeqCst));
    }
    if run.load.error.is_none() && proxy.is_over() {
        run.load.error = Some("the proxy has ended".to_owned());
    }
    if let Some(error) = &run.load.error {
        return Err(io::Error::other(format!("{error}\n{}", last_lines(&log))));
    }
    origin.say("seen")?;
    let seen: Seen = serde_json::from_str(&origin.hear()?)?;
    run.upstream_connections = seen.connections;
    run.subject = subject.name.clone();
    run.round = round;
    Ok(run)
}

/// All that is read at one moment.
struct Moment {
    proxy: Reading,
    load: Reading,
    origin: Reading,
    cpus: Cpus,
    workers: Vec<Worker>,
}

fn under_load(
    bench: &Bench<'_>,
    address: SocketAddr,
    proxy: &Process,
    origin: &Own,
) -> io::Result<Run> {
    let scenario = bench.job.scenario;
    let spec = serde_json::to_string(&load::Spec {
        scenario: scenario.clone(),
        address,
        cpus: bench.plan.load.clone(),
        certificates: bench.certificates.to_owned(),
    })?;
    let mut load = Own::start(&bench.plan.load, "load", &spec)?;
    let look = |load: &Own, workers: Vec<Worker>| Moment {
        proxy: measure::read(proxy.id()),
        load: measure::read(load.id()),
        origin: measure::read(origin.id()),
        cpus: Cpus::read(),
        workers,
    };
    // Asking costs the proxy time, which is not counted: it is asked before the first reading and after the last.
    let ask = || match bench.by_worker {
        true => workers::ask(bench.folder, proxy.id()),
        false => Ok(Vec::new()),
    };
    let begun = load.hear()?;
    if begun != "begin" {
        return Err(io::Error::other(format!("the load said {begun}")));
    }
    let before = look(&load, ask()?);
    let mut line = load.hear()?;
    let mut after = look(&load, Vec::new());
    after.workers = ask()?;
    let mut bytes_per_connection = None;
    if line == "open" {
        let grown = after.proxy.resident.saturating_sub(before.proxy.resident);
        bytes_per_connection = Some(grown as f64 / scenario.load.connections as f64);
        load.say("close")?;
        line = load.hear()?;
    }
    let mut run = Run {
        subject: String::new(),
        round: 0,
        load: serde_json::from_str(&line)?,
        used: after.proxy.since(&before.proxy),
        resident: after.proxy.resident,
        bytes_per_connection,
        proxy_busy: after.cpus.busy_since(&before.cpus, &bench.plan.proxy),
        load_busy: after.cpus.busy_since(&before.cpus, &bench.plan.load),
        others: None,
        load_cpu_us: after.load.since(&before.load).cpu_us(),
        origin_cpu_us: after.origin.since(&before.origin).cpu_us(),
        upstream_connections: 0,
        reloads: None,
        workers: workers::between(&before.workers, &after.workers),
    };
    run.others = run.others_on(bench.plan);
    Ok(run)
}

pub(crate) fn free_port() -> io::Result<SocketAddr> {
    // Each run another, so that what the last one left in the kernel does not matter.
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let span = u32::from(PORTS.end - PORTS.start);
    for _ in 0..span {
        let n = NEXT.fetch_add(1, SeqCst) + std::process::id();
        let port = PORTS.start + (n % span) as u16;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        if TcpListener::bind(address).is_ok() {
            return Ok(address);
        }
    }
    Err(io::Error::other("no free port from 20000 to 30000"))
}

/// A whole answer has come through it.
fn wait_until_it_answers(
    proxy: &mut Process,
    address: SocketAddr,
    bench: &Bench<'_>,
) -> io::Result<()> {
    let begun = Instant::now();
    loop {
        let last = match first_answer(address, bench) {
            Ok(()) => return Ok(()),
            Err(e) => e,
        };
        if proxy.is_over() {
            return Err(io::Error::other("it ended at its start"));
        }
        if begun.elapsed() > START_WITHIN {
            return Err(io::Error::other(format!("it does not answer: {last}")));
        }
        std::thread::sleep(LOOK_EVERY);
    }
}

fn first_answer(address: SocketAddr, bench: &Bench<'_>) -> io::Result<()> {
    let load = &bench.job.scenario.load;
    if load.streams > 0 {
        return http2::first_answer(address, bench.job.scenario);
    }
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    if bench.job.scenario.protocol == Protocol::Tcp {
        stream.write_all(message::body(load.body))?;
        // An echo, or the beginning of the row.
        return stream.read_exact(&mut [0; 12]);
    }
    match &bench.job.scenario.tls {
        Some(tls) => {
            let mut secured = Blocking::shake(stream, tls, bench.certificates)?;
            first_head(&mut secured, load)
        }
        None => first_head(&mut stream, load),
    }
}

fn first_head(stream: &mut (impl Read + Write), load: &Load) -> io::Result<()> {
    let heads = message::request_heads(&Load {
        hosts: load.hosts.min(1),
        ..load.clone()
    });
    stream.write_all(heads[0])?;
    stream.write_all(message::body(load.body))?;
    let mut got = [0; 12];
    stream.read_exact(&mut got)?;
    if &got != b"HTTP/1.1 200" {
        return Err(io::Error::other(format!(
            "its answer begins with {:?}",
            String::from_utf8_lossy(&got)
        )));
    }
    Ok(())
}

/// What a proxy said last, for an error.
pub(crate) fn last_lines(log: &Path) -> String {
    const LINES: usize = 8;
    let text = std::fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(LINES)..].join("\n")
}

/// Reloads while the load runs.
struct Reloading<'a> {
    bench: &'a Bench<'a>,
    subject: &'a Subject,
    at: Place<'a>,
    proxy: &'a Process,
    done: AtomicU32,
}

impl<'a> Reloading<'a> {
    fn new(bench: &'a Bench<'a>, subject: &'a Subject, at: Place<'a>, proxy: &'a Process) -> Self {
        Reloading {
            bench,
            subject,
            at,
            proxy,
            done: AtomicU32::new(0),
        }
    }

    fn again_and_again(&self, every: Duration, stop: &AtomicBool) {
        let mut next = Instant::now();
        while !stop.load(SeqCst) {
            next += every;
            let count = self.done.fetch_add(1, SeqCst);
            let job = Job {
                odd: count.is_multiple_of(2),
                ..self.bench.job
            };
            if let Err(e) = self.subject.write(job, self.at) {
                eprintln!("ringway-bench: cannot write a configuration: {e}");
            }
            if let Reload::Signal(signal) = self.subject.reload() {
                self.proxy.signal(signal);
            }
            std::thread::sleep(next.saturating_duration_since(Instant::now()));
        }
    }
}
