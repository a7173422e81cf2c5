//! The proxy as a child process: its configuration, its log lines, its end. Not its insides.

use crate::Io;
use crate::admin::{Metrics, ask_admin};
use crate::binary::binary;
use crate::client::Answer;
use crate::origin::Origin;
use crate::scratch::Scratch;
use crate::wait::{PATIENCE, until};
use serde_json::Value;
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Lines that a thread reads from a stream of the child. Clones are the same lines.
#[derive(Clone, Default)]
pub struct Lines(Arc<(Mutex<Vec<String>>, Condvar)>);

impl Lines {
    fn lock(&self) -> MutexGuard<'_, Vec<String>> {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Read this stream from now on.
    pub fn follow(&self, stream: impl Read + Send + 'static) {
        let lines = self.clone();
        std::thread::spawn(move || {
            let mut reader = BufReader::new(stream);
            let mut line = Vec::new();
            while matches!(reader.read_until(b'\n', &mut line), Ok(n) if n > 0) {
                lines
                    .lock()
                    .push(String::from_utf8_lossy(&line).trim_end().to_owned());
                lines.0.1.notify_all();
                line.clear();
            }
        });
    }

    /// All lines so far.
    pub fn all(&self) -> Vec<String> {
        self.lock().clone()
    }

    /// How many lines there are; a place to wait from.
    pub fn len(&self) -> usize {
        self.lock().len()
    }

    /// Whether there is none yet.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The first line from number `from` on for which `found` gives something, waiting for it.
    pub fn wait<T>(
        &self,
        from: usize,
        limit: Duration,
        mut found: impl FnMut(&str) -> Option<T>,
    ) -> Option<T> {
        let (start, mut lines, mut at) = (Instant::now(), self.lock(), from);
        loop {
            while at < lines.len() {
                if let Some(value) = found(&lines[at]) {
                    return Some(value);
                }
                at += 1;
            }
            let left = limit.checked_sub(start.elapsed())?;
            lines = self
                .0
                .1
                .wait_timeout(lines, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }
}

/// How to start: `Setup::on(io).server("drain = \"1s\"").start(toml)`.
#[derive(Clone)]
pub struct Setup {
    io: Io,
    workers: u16,
    server: String,
    arguments: Vec<&'static str>,
    through: Vec<String>,
}

impl Setup {
    /// On this driver, with two workers.
    pub fn on(io: Io) -> Setup {
        Setup {
            io,
            workers: 2,
            server: String::new(),
            arguments: Vec::new(),
            through: Vec::new(),
        }
    }

    /// Another number of workers.
    pub fn workers(mut self, workers: u16) -> Setup {
        self.workers = workers;
        self
    }

    /// One more argument for `ringway run`.
    pub fn argument(mut self, argument: &'static str) -> Setup {
        self.arguments.push(argument);
        self
    }

    /// Run by way of another program, which must become the proxy (exec): its name and arguments.
    pub fn through(mut self, words: Vec<String>) -> Setup {
        self.through = words;
        self
    }

    /// More lines for `[server]`.
    pub fn server(mut self, lines: &str) -> Setup {
        self.server.push_str(lines);
        self.server.push('\n');
        self
    }

    /// Start the proxy with this configuration and wait until it is ready.
    pub fn start(self, toml: &str) -> Proxy {
        Proxy::launch(self, Scratch::new(), toml).wait_ready()
    }

    /// The same in a directory that the test has put files into.
    pub fn start_in(self, scratch: Scratch, toml: &str) -> Proxy {
        Proxy::launch(self, scratch, toml).wait_ready()
    }

    /// The whole text of the file: the test's, and `[server]`, `[admin]` and `[access_log]` where it has none.
    pub fn text(&self, toml: &str, admin: &std::path::Path) -> String {
        let mut text = format!("{toml}\n");
        if !toml.contains("[server]") {
            text += &format!(
                "\n[server]\nio = \"{}\"\nworkers = {}\n{}",
                self.io.name(),
                self.workers,
                self.server
            );
        }
        if !toml.contains("[admin]") {
            text += &format!("\n[admin]\nbind = [\"unix:{}\"]\n", admin.display());
        }
        if !toml.contains("[access_log]") {
            text += "\n[access_log]\nto = \"stdout\"\n";
        }
        text
    }
}

/// A running proxy; killed with the test.
pub struct Proxy {
    child: Child,
    /// Its directory, with the configuration in `ringway.toml`.
    pub scratch: Scratch,
    /// What it logs.
    pub log: Lines,
    /// Its access log.
    pub access: Lines,
    setup: Setup,
}

impl Proxy {
    /// Start on this driver with two workers, and wait until it is ready.
    pub fn start(io: Io, toml: &str) -> Proxy {
        Setup::on(io).start(toml)
    }

    fn launch(setup: Setup, scratch: Scratch, toml: &str) -> Proxy {
        let file = scratch.write(
            "ringway.toml",
            &setup.text(toml, &scratch.file("admin.sock")),
        );
        let mut command = match setup.through.split_first() {
            Some((program, words)) => {
                let mut command = Command::new(program);
                command.args(words).arg(binary());
                command
            }
            None => Command::new(binary()),
        };
        command.arg("run").args(&setup.arguments).arg(&file);
        command.current_dir(scratch.path());
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command
            .spawn()
            .unwrap_or_else(|e| panic!("cannot run {}: {e}", binary().display()));
        let (log, access) = (Lines::default(), Lines::default());
        log.follow(child.stderr.take().expect("stderr was asked to be a pipe"));
        access.follow(child.stdout.take().expect("stdout was asked to be a pipe"));
        Proxy {
            child,
            scratch,
            log,
            access,
            setup,
        }
    }

    fn wait_ready(mut self) -> Proxy {
        let start = Instant::now();
        while self
            .log
            .wait(0, Duration::from_millis(50), |line| {
                has_word(line, "ready").then_some(())
            })
            .is_none()
        {
            if let Ok(Some(status)) = self.child.try_wait() {
                panic!(
                    "the proxy ended before it was ready: {status}\n{}",
                    self.tail()
                );
            }
            assert!(
                start.elapsed() < PATIENCE,
                "the proxy is not ready after {PATIENCE:?}\n{}",
                self.tail()
            );
        }
        self
    }

    /// The address of the listener `web`.
    pub fn web(&self) -> SocketAddr {
        self.address("web")
    }

    /// The address of a listener by its name, waiting for the line that tells it.
    pub fn address(&self, listener: &str) -> SocketAddr {
        self.await_address(listener, 0)
    }

    /// The same from line `from` of the log on.
    pub fn await_address(&self, listener: &str, from: usize) -> SocketAddr {
        let found = self.log.wait(from, PATIENCE, |line| {
            has_word(line, "listening").then_some(())?;
            (value_of(line, "listener=")? == listener).then_some(())?;
            value_of(line, "address=")?.parse().ok()
        });
        found.unwrap_or_else(|| {
            panic!(
                "no line says where the listener {listener} is\n{}",
                self.tail()
            )
        })
    }

    /// Wait for a line of the log that contains `text`, from line `from` on.
    pub fn await_log(&self, from: usize, text: &str) -> String {
        let found = self.log.wait(from, PATIENCE, |line| {
            line.contains(text).then(|| line.to_owned())
        });
        found.unwrap_or_else(|| panic!("no line with `{text}` in the log\n{}", self.tail()))
    }

    /// The whole file's text for this test's part of it.
    pub fn text(&self, toml: &str) -> String {
        self.setup.text(toml, &self.scratch.file("admin.sock"))
    }

    /// Replace the file by rename and wait until that is in force.
    pub fn reload(&self, toml: &str) {
        let from = self.log.len();
        self.scratch.replace("ringway.toml", &self.text(toml));
        self.await_reloaded(from);
    }

    /// Wait for a reload to be in force, from line `from` of the log on.
    pub fn await_reloaded(&self, from: usize) {
        let found = self.log.wait(from, PATIENCE, |line| {
            let refused = line.contains("reload refused");
            (refused || has_word(line, "reloaded")).then(|| (refused, line.to_owned()))
        });
        match found {
            Some((false, _)) => {}
            Some((true, line)) => panic!("the reload was refused: {line}\n{}", self.tail()),
            None => panic!("no reload in {PATIENCE:?}\n{}", self.tail()),
        }
    }

    /// Replace the file by one that must be refused, and wait until it is; the log lines since.
    pub fn reload_refused(&self, toml: &str) -> Vec<String> {
        let from = self.log.len();
        self.scratch.replace("ringway.toml", &self.text(toml));
        self.await_log(from, "reload refused");
        self.log.all().split_off(from)
    }

    /// `GET path` on the admin socket.
    pub fn admin(&self, path: &str) -> Answer {
        let socket = self.scratch.file("admin.sock");
        ask_admin(&socket, path).unwrap_or_else(|e| panic!("admin {path}: {e}\n{}", self.tail()))
    }

    /// One scrape.
    pub fn metrics(&self) -> Metrics {
        let answer = self.admin("/metrics");
        assert_eq!(answer.status, 200, "/metrics: {}", answer.text());
        Metrics::read(&answer.text())
    }

    /// Wait for a line of the access log that `wanted` accepts.
    pub fn await_access(&self, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let found = self.access.wait(0, PATIENCE, |line| {
            let value: Value = serde_json::from_str(line)
                .unwrap_or_else(|e| panic!("an access log line is no JSON: {e}: {line}"));
            wanted(&value).then_some(value)
        });
        found.unwrap_or_else(|| {
            panic!(
                "no access log line: {what}; there are:\n{}",
                self.access.all().join("\n")
            )
        })
    }

    /// The process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Resident memory now and at most, in KiB.
    pub fn memory_kib(&self) -> (u64, u64) {
        (self.kernel_says("VmRSS:"), self.kernel_says("VmHWM:"))
    }

    /// Descriptors that its table has room for before the kernel makes it larger.
    pub fn room_for_files(&self) -> u64 {
        self.kernel_says("FDSize:")
    }

    /// A figure of its status, as the kernel sees it.
    fn kernel_says(&self, key: &str) -> u64 {
        let status = std::fs::read_to_string(PathBuf::from(format!("/proc/{}/status", self.id())))
            .unwrap_or_default();
        let line = status.lines().find(|line| line.starts_with(key));
        line.and_then(|line| line.split_whitespace().nth(1)?.parse().ok())
            .unwrap_or(0)
    }

    /// Send SIGTERM.
    pub fn terminate(&self) {
        signal(self.id(), "TERM");
    }

    /// Whether it still runs.
    pub fn runs(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Wait for its end.
    pub fn exit(&mut self, limit: Duration) -> ExitStatus {
        let child = &mut self.child;
        until("the proxy's end", limit, || child.try_wait().ok().flatten())
    }

    /// The last lines of the log, for a message.
    pub fn tail(&self) -> String {
        let lines = self.log.all();
        let from = lines.len().saturating_sub(60);
        format!(
            "--- the proxy's log, last lines\n{}\n---",
            lines[from..].join("\n")
        )
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", self.tail());
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Send a signal by name to a process that this test started.
pub fn signal(id: u32, name: &str) {
    let done = Command::new("sh")
        .args(["-c", "kill -\"$0\" \"$1\"", name, &id.to_string()])
        .status();
    assert!(
        done.is_ok_and(|status| status.success()),
        "cannot send SIG{name} to process {id}"
    );
}

/// A configuration with the listener `web` on a free port and one route `all` to the cluster `origin`; `more` follows
/// within `[clusters.origin]`.
pub fn front(origin: &Origin, more: &str) -> String {
    format!(
        "[listeners.web]\nbind = \"127.0.0.1:0\"\n\n[[routes]]\nname = \"all\"\nto = \"origin\"\n\n\
         [clusters.origin]\nendpoints = [\"{}\"]\n{more}\n",
        origin.address()
    )
}

fn has_word(line: &str, word: &str) -> bool {
    line.split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
        .any(|part| part == word)
}

fn value_of<'a>(line: &'a str, key: &str) -> Option<&'a str> {
    let at = line.find(key)? + key.len();
    let rest = &line[at..];
    match rest.strip_prefix('"') {
        Some(quoted) => quoted.split('"').next(),
        None => rest.split([' ', ',']).next(),
    }
}
