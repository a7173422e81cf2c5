//! The runtimes compared: the same small TCP relay and HTTP/1.1 forwarder on each, in turns, under the same load, so that the
//! choice of a runtime of our own stays a measured one. Not a comparison of proxies: a subject here does next to nothing.
//!
//! Each subject is this program again, as a child on a core of its own. Each is written as that runtime's documentation
//! would have it, with its default settings: one thread, keep-alive and no delay on both sides, 16 KiB receive buffers (monoio's
//! own copy loop has 4 KiB, which is no limit for the messages here).

mod cpu;
mod load;
mod on_compio;
mod on_monoio;
mod on_tokio;
mod on_tokio_uring;
mod ours;
mod report;
mod wire;

use std::io::{self, BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use clap::{Args, ValueEnum};
use ringway_io::DriverChoice;

use load::{Ask, Window};

// All subjects allocate from the same allocator, the proxy's.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Where servers and origin listen.
const ANY: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 0);

/// What a subject does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Kind {
    /// Bytes both ways, an upstream connection per client connection.
    Relay,
    /// Heads are read to their end, upstream connections are pooled.
    Http,
}

/// Who is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Subject {
    RingwayUring,
    RingwayEpoll,
    MonoioUring,
    MonoioEpoll,
    TokioUring,
    Compio,
    Tokio,
}

/// Compare runtimes: the same relay and forwarder on each.
#[derive(Debug, Args)]
pub(crate) struct RuntimesArgs {
    /// How often each subject has its turn.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Milliseconds of a turn that are counted.
    #[arg(long, default_value_t = 2_000)]
    turn_ms: u32,
    /// Client connections.
    #[arg(long, default_value_t = 64)]
    connections: usize,
    /// Core of the subject.
    #[arg(long, default_value_t = 0)]
    core: usize,
    /// Core of the load and the origin.
    #[arg(long, default_value_t = 1)]
    load_core: usize,
    /// Which subjects; by default all.
    #[arg(long, value_delimiter = ',')]
    subjects: Vec<Subject>,
    /// Write the result to this file as well.
    #[arg(long)]
    record: Option<PathBuf>,
    /// Be this subject (this is how the subjects are started).
    #[arg(long, hide = true, requires_all = ["kind", "origin"])]
    serve: Option<Subject>,
    #[arg(long, hide = true)]
    kind: Option<Kind>,
    #[arg(long, hide = true)]
    origin: Option<SocketAddr>,
}

/// One subject's rounds at one kind of work.
#[derive(Debug)]
struct Row {
    subject: Subject,
    kind: Kind,
    windows: Vec<Window>,
}

/// Measure and print, or be a subject.
pub(crate) fn run(args: &RuntimesArgs) -> io::Result<()> {
    if let (Some(subject), Some(kind), Some(origin)) = (args.serve, args.kind, args.origin) {
        cpu::pin(args.core)?;
        end_with_parent();
        return serve(subject, kind, origin);
    }
    let subjects = if args.subjects.is_empty() {
        Subject::value_variants().to_vec()
    } else {
        args.subjects.clone()
    };
    let mut rows = Vec::new();
    for &kind in Kind::value_variants() {
        let mut of_kind: Vec<Row> = subjects
            .iter()
            .map(|&subject| Row {
                subject,
                kind,
                windows: Vec::new(),
            })
            .collect();
        for round in 1..=args.rounds {
            for row in &mut of_kind {
                eprintln!("{} {}, round {round}", name(row.subject), name(kind));
                let window = turn(row.subject, kind, args).map_err(|error| {
                    io::Error::other(format!("{} {}: {error}", name(row.subject), name(kind)))
                })?;
                row.windows.push(window);
            }
        }
        rows.extend(of_kind);
    }
    let text = report::text(&rows, args);
    io::stdout().write_all(text.as_bytes())?;
    args.record
        .as_ref()
        .map_or(Ok(()), |path| std::fs::write(path, text))
}

/// The name of a value as it is typed.
fn name(value: impl ValueEnum) -> String {
    value
        .to_possible_value()
        .map(|v| v.get_name().to_owned())
        .unwrap_or_default()
}

/// A child that is killed and waited for when dropped.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// One subject, one round.
fn turn(subject: Subject, kind: Kind, args: &RuntimesArgs) -> io::Result<Window> {
    let origin = TcpListener::bind(ANY)?;
    let child = Command::new(std::env::current_exe()?)
        .args(["runtimes", "--serve", &name(subject)])
        .args(["--kind", &name(kind)])
        .args(["--origin", &origin.local_addr()?.to_string()])
        .args(["--core", &args.core.to_string()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let mut running = Running(child);
    let mut line = String::new();
    if let Some(stdout) = running.0.stdout.take() {
        BufReader::new(stdout).read_line(&mut line)?;
    }
    let address = line
        .trim()
        .parse()
        .map_err(|_| io::Error::other("the subject did not say where it listens"))?;
    load::drive(
        origin,
        Ask {
            subject: address,
            pid: running.0.id(),
            connections: args.connections,
            turn_ms: args.turn_ms,
            core: Some(args.load_core),
        },
    )
}

/// A subject must not outlive the run that started it: the end of its standard input is the end of that run.
fn end_with_parent() {
    std::thread::spawn(|| {
        let _ = io::copy(&mut io::stdin().lock(), &mut io::sink());
        std::process::exit(0);
    });
}

/// Tell the parent where to connect.
fn ready(address: SocketAddr) {
    let mut out = io::stdout().lock();
    // A parent that does not listen any more has ended, and so will we.
    let _ = writeln!(out, "{address}").and_then(|()| out.flush());
}

fn serve(subject: Subject, kind: Kind, origin: SocketAddr) -> io::Result<()> {
    match subject {
        Subject::RingwayUring => ours::serve(DriverChoice::Uring, kind, origin),
        Subject::RingwayEpoll => ours::serve(DriverChoice::Epoll, kind, origin),
        Subject::MonoioUring => on_monoio::serve_uring(kind, origin),
        Subject::MonoioEpoll => on_monoio::serve_epoll(kind, origin),
        Subject::TokioUring => on_tokio_uring::serve(kind, origin),
        Subject::Compio => on_compio::serve(kind, origin),
        Subject::Tokio => on_tokio::serve(kind, origin),
    }
}
