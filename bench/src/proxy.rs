//! A proxy under measurement: a child process with a configuration of its own in a fresh folder, ended with this value.

use std::io::{self, BufRead, BufReader};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

/// A running `ringway`.
pub(crate) struct Proxy {
    child: Child,
    folder: PathBuf,
    /// Where its listener `web` listens.
    pub(crate) address: SocketAddr,
}

impl Proxy {
    /// Start it and wait until it is ready.
    pub(crate) fn start(binary: Option<PathBuf>, config: &str) -> io::Result<Proxy> {
        let binary = match binary {
            Some(binary) => binary,
            None => std::env::current_exe()?.with_file_name("ringway"),
        };
        if !binary.exists() {
            return Err(io::Error::other(format!(
                "no {}; build it with `cargo build --release -p ringway`",
                binary.display()
            )));
        }
        let folder = std::env::temp_dir().join(format!("ringway-bench-{}", std::process::id()));
        std::fs::create_dir_all(&folder)?;
        let file = folder.join("ringway.toml");
        std::fs::write(
            &file,
            format!(
                "{config}\n[admin]\nbind = [\"unix:{}\"]\n",
                folder.join("admin.sock").display()
            ),
        )?;
        let mut child = Command::new(binary)
            .arg("run")
            .arg(&file)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()?;
        let mut log = BufReader::new(
            child
                .stderr
                .take()
                .ok_or_else(|| io::Error::other("no stderr"))?,
        );
        let mut address = None;
        let mut line = String::new();
        loop {
            line.clear();
            if log.read_line(&mut line)? == 0 {
                return Err(io::Error::other("the proxy ended at its start"));
            }
            if let Some((_, rest)) = line.split_once("listening listener=web address=") {
                address = rest.trim().parse().ok();
            } else if line.trim_end().ends_with("ready") {
                break;
            }
        }
        std::thread::spawn(move || io::copy(&mut log, &mut io::stderr()));
        let address =
            address.ok_or_else(|| io::Error::other("the proxy did not say where it listens"))?;
        Ok(Proxy {
            child,
            folder,
            address,
        })
    }

    /// Resident memory in bytes (RSS of /proc/PID/statm, pages of 4 KiB).
    pub(crate) fn resident(&self) -> io::Result<u64> {
        let statm = std::fs::read_to_string(format!("/proc/{}/statm", self.child.id()))?;
        let pages = statm.split(' ').nth(1).and_then(|p| p.parse::<u64>().ok());
        pages
            .map(|p| p * 4096)
            .ok_or_else(|| io::Error::other("statm has no RSS"))
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        // Both may fail only because it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}
