//! A process that we have started, ended with this value and with it all that came from it.

use std::ffi::OsStr;
use std::io::{self, BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::measure;
use crate::pin;

/// How long a process may take to end by itself.
const END_WITHIN: Duration = Duration::from_secs(2);
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// A proxy, whose output goes to a file.
pub(crate) struct Process {
    child: Child,
}

impl Process {
    /// Start it on these CPUs.
    pub(crate) fn start(cpus: &[usize], mut command: Command, log: &Path) -> io::Result<Process> {
        let log = std::fs::File::create(log)?;
        command
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log);
        let child = pin::spawn_on(cpus, &mut command)?;
        Ok(Process { child })
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Has it ended?
    pub(crate) fn is_over(&mut self) -> bool {
        !matches!(self.child.try_wait(), Ok(None))
    }

    pub(crate) fn signal(&self, signal: Signal) {
        send(self.child.id(), signal);
    }
}

fn send(pid: u32, signal: Signal) {
    if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
        // It may have ended.
        let _ = kill_process(pid, signal);
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let tree = measure::tree(self.child.id());
        self.signal(Signal::TERM);
        let begun = Instant::now();
        while begun.elapsed() < END_WITHIN && !self.is_over() {
            std::thread::sleep(LOOK_EVERY);
        }
        // Only what still runs and descended from it: a number may belong to another process by now.
        let alive = measure::tree(self.child.id());
        for pid in tree.into_iter().filter(|pid| alive.contains(pid)) {
            send(pid, Signal::KILL);
        }
        let _ = self.child.wait();
    }
}

/// One of our own: this program with a hidden command, spoken to by lines.
pub(crate) struct Own {
    child: Child,
    to: Option<ChildStdin>,
    from: BufReader<ChildStdout>,
}

impl Own {
    /// Start `command` with its orders.
    pub(crate) fn start(cpus: &[usize], command: &str, spec: &str) -> io::Result<Own> {
        Own::start_by(&[], cpus, command, spec)
    }

    /// The same by a program that becomes it: its name and its arguments.
    pub(crate) fn start_by(
        starter: &[&str],
        cpus: &[usize],
        command: &str,
        spec: &str,
    ) -> io::Result<Own> {
        let own = std::env::current_exe()?;
        let mut words = starter.iter().map(OsStr::new).chain([own.as_os_str()]);
        let mut own = Command::new(words.next().unwrap_or_default());
        own.args(words)
            .args([command, spec])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let mut child = pin::spawn_on(cpus, &mut own)?;
        let lost = || io::Error::other("a pipe of our own process is missing");
        let from = child.stdout.take().ok_or_else(lost)?;
        Ok(Own {
            to: child.stdin.take(),
            from: BufReader::new(from),
            child,
        })
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// The next line that it says.
    pub(crate) fn hear(&mut self) -> io::Result<String> {
        let mut line = String::new();
        if self.from.read_line(&mut line)? == 0 {
            return Err(io::Error::other("the load or the origin has ended early"));
        }
        Ok(line.trim_end().to_owned())
    }

    /// Say a line to it.
    pub(crate) fn say(&mut self, line: &str) -> io::Result<()> {
        match &mut self.to {
            Some(to) => {
                writeln!(to, "{line}")?;
                to.flush()
            }
            None => Ok(()),
        }
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        // The end of its input ends it; should it hang, the signal does. Either may fail only because it has ended.
        self.to = None;
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
