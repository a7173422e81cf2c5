//! Faults under load: reloads all the time, origins that are killed, stopped and restarted, clients that break off.
//! What may fail is said in each test; everything else must not, nothing may hang, and service comes back by itself.
//!
//! `RINGWAY_SOAK_SECONDS` says how long the reload storm lasts: 5 by default, 60 for the figure that is promised.
#![forbid(unsafe_code)]

mod clients;
mod reloads;
mod upstreams;

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// How long a soak lasts.
pub(crate) fn soak() -> Duration {
    let seconds = std::env::var("RINGWAY_SOAK_SECONDS").ok();
    let seconds = seconds.map(|text| {
        text.parse()
            .unwrap_or_else(|_| panic!("RINGWAY_SOAK_SECONDS={text} is no number"))
    });
    Duration::from_secs(seconds.unwrap_or(5))
}

/// An origin in a process of its own.
pub(crate) struct OriginProcess {
    child: Child,
    /// Where it listens, or listened.
    pub(crate) address: SocketAddr,
    body: String,
}

impl OriginProcess {
    pub(crate) fn start(body: &str) -> OriginProcess {
        OriginProcess::at("127.0.0.1:0", body)
    }

    fn at(address: &str, body: &str) -> OriginProcess {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ringway-tests-origin"));
        command
            .args([address, body])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        let mut child = command
            .spawn()
            .expect("the origin's binary was built with the tests");
        let mut line = String::new();
        let stderr = child.stderr.take().expect("stderr was asked to be a pipe");
        BufReader::new(stderr)
            .read_line(&mut line)
            .expect("the origin says where it listens");
        let address = line
            .trim()
            .strip_prefix("ready ")
            .and_then(|address| address.parse().ok());
        let address = address.unwrap_or_else(|| panic!("the origin says `{line}`"));
        OriginProcess {
            child,
            address,
            body: body.to_owned(),
        }
    }

    pub(crate) fn kill(&mut self) {
        self.child.kill().expect("a child can be killed");
        self.child.wait().expect("a killed child ends");
    }

    /// Start it again on the same port.
    pub(crate) fn restart(&mut self) {
        *self = OriginProcess::at(&self.address.to_string(), &self.body.clone());
    }

    pub(crate) fn signal(&self, name: &str) {
        ringway_tests::signal(self.child.id(), name);
    }
}

impl Drop for OriginProcess {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
