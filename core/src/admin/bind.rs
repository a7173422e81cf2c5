//! The admin listener's sockets: bound so that nothing answers before its permissions are right, a dead process's socket file is
//! replaced and a living one's is not.
//!
//! Not here: serving them.

use std::fmt;
use std::fs::{self, DirBuilder, Permissions};
use std::io;
use std::net::TcpListener;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use ringway_config::AdminBind;

/// The address that the configuration has when none is written (`ringway config defaults`). Only for it another place is tried:
/// who wrote an address means it.
const DEFAULT: &str = "/run/ringway/admin.sock";

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
            Bound::Unix(_, file) => write!(f, "unix:{}", file.path.display()),
        }
    }
}

/// A socket's file. Dropping it removes the file, if it still is ours.
#[derive(Debug)]
pub(super) struct SocketFile {
    path: PathBuf,
    identity: (u64, u64),
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        let ours =
            fs::symlink_metadata(&self.path).is_ok_and(|m| (m.dev(), m.ino()) == self.identity);
        if ours {
            let _ = fs::remove_file(&self.path);
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
    let fault = |what: &str, e: io::Error| format!("unix:{}: {what}: {e}", path.display());
    if let Some(folder) = path.parent().filter(|p| !p.as_os_str().is_empty()) {
        make_folder(folder, 0o755).map_err(|e| fault("its folder cannot be made", e))?;
    }
    refuse_living(path)?;
    // Bound under another name first: the rename puts it in place with its permissions, and over a dead one's file at once.
    let mut fresh = path.as_os_str().to_owned();
    fresh.push(".new");
    let fresh = PathBuf::from(fresh);
    let _ = fs::remove_file(&fresh);
    let socket = UnixListener::bind(&fresh).map_err(|e| fault("cannot be bound", e))?;
    let placed = fs::set_permissions(&fresh, Permissions::from_mode(0o660))
        .and_then(|()| fs::symlink_metadata(&fresh))
        .and_then(|found| fs::rename(&fresh, path).map(|()| found))
        .and_then(|found| socket.set_nonblocking(true).map(|()| found));
    match placed {
        Ok(found) => {
            let file = SocketFile {
                path: path.to_owned(),
                identity: (found.dev(), found.ino()),
            };
            Ok(Bound::Unix(socket, file))
        }
        Err(error) => {
            let _ = fs::remove_file(&fresh);
            Err(fault("cannot be put in place", error))
        }
    }
}

/// Anything but a socket stays; a socket that somebody answers on stays too.
fn refuse_living(path: &Path) -> Result<(), String> {
    use std::os::unix::fs::FileTypeExt as _;
    let Ok(found) = fs::symlink_metadata(path) else {
        return Ok(());
    };
    if !found.file_type().is_socket() {
        return Err(format!(
            "unix:{}: there is something that is not a socket",
            path.display()
        ));
    }
    match UnixStream::connect(path) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => Ok(()),
        _ => Err(format!(
            "unix:{}: another process serves it",
            path.display()
        )),
    }
}
