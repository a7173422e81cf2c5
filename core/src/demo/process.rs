//! The demo's proxy: this same program as a child process, with its log in a file.
//!
//! Not here: what it is asked.

use std::fs::{self, File};
use std::io::{Read as _, Seek as _, SeekFrom};
use std::net::SocketAddr;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use super::client::Client;
use super::in_words;

/// How long a start may take on a busy machine.
const START: Duration = Duration::from_secs(20);
/// The demo's drain time (2 s) and room for a slow machine.
const STOP: Duration = Duration::from_secs(10);
/// Between two looks at something that cannot tell us by itself.
const LOOK: Duration = Duration::from_millis(20);
/// Bytes of the log's end that are shown when something went wrong.
const LAST_WORDS: i64 = 3000;

/// The proxy's process. Dropping it ends it.
pub(super) struct Proxy {
    child: Child,
    /// Closing it asks the child to stop; it closes by itself however we end.
    life: Option<ChildStdin>,
    log: PathBuf,
}

impl Proxy {
    pub(super) fn start(config: &Path, log: &Path) -> Result<Proxy, String> {
        let program = std::env::current_exe().map_err(in_words("this program cannot be found"))?;
        let file = File::create(log).map_err(in_words(log.display()))?;
        let same = file.try_clone().map_err(in_words(log.display()))?;
        let mut child = Command::new(&program)
            .args(["run", "--stop-with-stdin"])
            .arg(config)
            // A group of its own: the terminal's Ctrl-C reaches us alone, and the child is asked once.
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(same)
            .stderr(file)
            .spawn()
            .map_err(in_words(program.display()))?;
        let life = child.stdin.take();
        Ok(Proxy {
            child,
            life,
            log: log.to_owned(),
        })
    }

    /// Wait until the admin listener says that it serves.
    pub(super) fn wait_until_ready(&mut self, admin: SocketAddr) -> Result<(), String> {
        let end = Instant::now() + START;
        loop {
            let ready = Client::connect(admin).and_then(|mut admin| admin.get("/readyz", &[]));
            match ready {
                Ok(answer) if answer.status == 200 => return Ok(()),
                _ if Instant::now() > end => {
                    return Err(format!("the proxy did not get ready within {START:?}"));
                }
                _ => thread::sleep(LOOK),
            }
            if let Some(status) = self.ended() {
                return Err(format!("the proxy could not start ({status})"));
            }
        }
    }

    /// Whether it ended by itself.
    pub(super) fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    /// Ask it to stop, and wait for it.
    pub(super) fn stop(&mut self) -> Result<(), String> {
        drop(self.life.take());
        let end = Instant::now() + STOP;
        while Instant::now() < end {
            match self.ended() {
                Some(status) if status.success() => return Ok(()),
                Some(status) => return Err(format!("the proxy ended badly ({status})")),
                None => thread::sleep(LOOK),
            }
        }
        Err(format!("the proxy did not end within {STOP:?}"))
    }

    /// The end of its log, for people.
    pub(super) fn last_words(&self) -> String {
        let mut bytes = Vec::new();
        if let Ok(mut file) = File::open(&self.log) {
            let length = fs::metadata(&self.log).map_or(0, |m| m.len());
            if length > LAST_WORDS.unsigned_abs() {
                let _ = file.seek(SeekFrom::End(-LAST_WORDS));
            }
            let _ = file.read_to_end(&mut bytes);
        }
        let text = String::from_utf8_lossy(&bytes);
        format!("The end of {}:\n{text}", self.log.display())
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        if self.stop().is_err() && self.ended().is_none() {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}
