//! The admin listener's sockets: bound so that nothing answers before its permissions are right, a dead process's socket file is
//! replaced and a living one's is not.
//!
//! Not here: serving them.

use std::fmt;
use std::fs::{self, DirBuilder};
use std::io;
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use ringway_config::AdminBind;

use crate::socket_file::{self, Permit, SocketFile};

/// The address that the configuration has when none is written (`ringway config defaults`). Only for it another place is tried:
/// who wrote an address means it.
const DEFAULT: &str = "/run/ringway/admin.sock";

/// Who runs the process, and its group.
const PERMIT: Permit = Permit {
    mode: 0o660,
    user: None,
    group: None,
};

/// More than people and scrapers open at once.
const BACKLOG: i32 = 128;

/// A bound socket, not served yet.
#[derive(Debug)]
pub(super) enum Bound {
    Tcp(TcpListener),
    Unix(UnixListener, SocketFile),
}

impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Bound::Tcp(socket) => match socket.local_addr() {
                Ok(address) => write!(f, "{address}"),
                Err(error) => write!(f, "({error})"),
            },
            Bound::Unix(_, file) => write!(f, "unix:{}", file.path().display()),
        }
    }
}

/// Bind one address.
///
/// # Errors
/// One line that names the address.
pub(super) fn bind(wanted: &AdminBind) -> Result<Bound, String> {
    match wanted {
        AdminBind::Tcp(address) => {
            let socket = TcpListener::bind(address).map_err(|e| format!("{address}: {e}"))?;
            socket
                .set_nonblocking(true)
                .map_err(|e| format!("{address}: {e}"))?;
            Ok(Bound::Tcp(socket))
        }
        AdminBind::Unix(path) => unix(path).or_else(|why| {
            if path != Path::new(DEFAULT) {
                return Err(why);
            }
            elsewhere(&why)
        }),
    }
}

/// A place that is ours without any rights, for a process that nobody gave `/run/ringway` (or that is not the first one here).
fn elsewhere(why: &str) -> Result<Bound, String> {
    let mut folders = Vec::new();
    if let Some(runtime) = std::env::var_os("XDG_RUNTIME_DIR").filter(|d| !d.is_empty()) {
        folders.push(PathBuf::from(runtime).join("ringway"));
    }
    // Our own user, as a number; the folder is checked to be ours below, since anybody may write to the temporary one.
    let user = fs::metadata("/proc/self").map(|m| m.uid()).unwrap_or(0);
    folders.push(std::env::temp_dir().join(format!("ringway-{user}")));
    let mut faults = vec![why.to_owned()];
    for folder in folders {
        let name = format!("admin-{}.sock", std::process::id());
        let bound = private_folder(&folder, user).and_then(|()| unix(&folder.join(name)));
        match bound {
            Ok(bound) => {
                tracing::warn!(
                    reason = %why,
                    instead = %bound,
                    "the default admin address is not to be had; set admin.bind to choose one"
                );
                return Ok(bound);
            }
            Err(why) => faults.push(why),
        }
    }
    Err(faults.join("; "))
}

/// Make the folder, or find it, as one that nobody else can put things into.
pub(super) fn private_folder(folder: &Path, user: u32) -> Result<(), String> {
    let fault = |e: io::Error| format!("{}: {e}", folder.display());
    make_folder(folder, 0o700).map_err(fault)?;
    let found = fs::symlink_metadata(folder).map_err(fault)?;
    if !found.is_dir() || found.uid() != user || found.mode() & 0o022 != 0 {
        return Err(format!(
            "{}: belongs to somebody else or may be written by others",
            folder.display()
        ));
    }
    Ok(())
}

fn make_folder(folder: &Path, mode: u32) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(mode).create(folder)
}

fn unix(path: &Path) -> Result<Bound, String> {
    if let Some(folder) = path.parent().filter(|p| !p.as_os_str().is_empty()) {
        make_folder(folder, 0o755)
            .map_err(|e| format!("unix:{}: its folder cannot be made: {e}", path.display()))?;
    }
    let (socket, file) = socket_file::listen_on_file(path, &PERMIT, BACKLOG)
        .map_err(|why| format!("unix:{}: {why}", path.display()))?;
    Ok(Bound::Unix(OwnedFd::from(socket).into(), file))
}
