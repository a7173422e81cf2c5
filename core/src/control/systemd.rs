//! Tells systemd, or what stands in for it, how far we are: `sd_notify(3)`'s protocol, which is a line or two over a datagram socket.
//!
//! Not here: what happens in these phases. Without `NOTIFY_SOCKET` all of this does nothing.

use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};

#[cfg(target_os = "linux")]
use std::os::linux::net::SocketAddrExt as _;

/// The way to systemd, if it started us.
#[derive(Debug, Default)]
pub(super) struct Notify(Option<UnixDatagram>);

impl Notify {
    /// From the environment. What cannot be reached is a warning: systemd will see a start that never ends.
    pub(super) fn from_env() -> Notify {
        let Some(path) = std::env::var_os("NOTIFY_SOCKET") else {
            return Notify(None);
        };
        match connect(path.as_bytes()) {
            Ok(socket) => Notify(Some(socket)),
            Err(error) => {
                tracing::warn!(%error, "NOTIFY_SOCKET cannot be reached");
                Notify(None)
            }
        }
    }

    /// Serving, with one line for `systemctl status`.
    pub(super) fn ready(&self, status: &str) {
        self.send(&format!("READY=1\nSTATUS={status}"));
    }

    /// Reading the configuration; `ready` follows, whatever came of it.
    pub(super) fn reloading(&self) {
        // `Type=notify-reload` wants CLOCK_MONOTONIC, which std does not give out. The uptime is that clock plus time asleep, cut
        // to 10 ms; rounded up it is never before systemd's own reading, which is all that is compared.
        let uptime = std::fs::read_to_string("/proc/uptime").unwrap_or_default();
        let seconds: f64 = uptime
            .split(' ')
            .next()
            .and_then(|text| text.parse().ok())
            .unwrap_or(0.0);
        let micros = (seconds * 1e6) as u64 + 10_000;
        self.send(&format!("RELOADING=1\nMONOTONIC_USEC={micros}"));
    }

    /// On the way out.
    pub(super) fn stopping(&self, status: &str) {
        self.send(&format!("STOPPING=1\nSTATUS={status}"));
    }

    fn send(&self, text: &str) {
        if let Some(socket) = &self.0 {
            // Nobody to tell it to.
            let _ = socket.send(text.as_bytes());
        }
    }
}

fn connect(path: &[u8]) -> io::Result<UnixDatagram> {
    let socket = UnixDatagram::unbound()?;
    let address = match path {
        [b'@', name @ ..] => SocketAddr::from_abstract_name(name)?,
        path => SocketAddr::from_pathname(std::ffi::OsStr::from_bytes(path))?,
    };
    socket.connect_addr(&address)?;
    // A reader that does not read must not stop us.
    socket.set_nonblocking(true)?;
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_it_in_the_protocol_of_sd_notify() {
        let name = format!("ringway-notify-test-{}", std::process::id());
        let address = SocketAddr::from_abstract_name(&name).unwrap();
        let systemd = UnixDatagram::bind_addr(&address).unwrap();
        let notify = Notify(Some(connect(format!("@{name}").as_bytes()).unwrap()));
        let mut buffer = [0; 256];
        let mut heard = || {
            let n = systemd.recv(&mut buffer).unwrap();
            String::from_utf8_lossy(&buffer[..n]).into_owned()
        };
        notify.ready("3 listeners");
        assert_eq!(heard(), "READY=1\nSTATUS=3 listeners");
        notify.reloading();
        let reloading = heard();
        let micros = reloading
            .strip_prefix("RELOADING=1\nMONOTONIC_USEC=")
            .unwrap();
        assert!(micros.parse::<u64>().unwrap() > 10_000, "{reloading}");
        notify.stopping("draining");
        assert_eq!(heard(), "STOPPING=1\nSTATUS=draining");
    }

    #[test]
    fn nobody_to_tell() {
        assert!(connect(b"/nonexistent/notify").is_err());
        Notify(None).ready("silent");
    }
}
