//! Unix sockets to listen on: their files, permissions and names that are no files (`@name`, abstract). A file that a dead process has
//! left is replaced, that of a living one is not. Runs on the side thread; accepting is the workers' affair.

use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use ringway_config::UnixBind;
use socket2::{Domain, SockAddr, Socket, Type};

/// Others of our kind hold a folder for as long as it takes to bind a socket in it.
const FOLDER_WAIT: Duration = Duration::from_millis(500);

/// Who may connect.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Permit {
    pub(crate) mode: u32,
    /// None: who runs the process.
    pub(crate) user: Option<u32>,
    pub(crate) group: Option<u32>,
}

impl Permit {
    /// Names are looked up in the system's files of users and groups.
    pub(crate) fn of(bind: &UnixBind) -> Result<Permit, String> {
        let id = |name: &Option<String>, file| name.as_ref().map(|n| id_of(n, file)).transpose();
        Ok(Permit {
            mode: bind.mode,
            user: id(&bind.user, "/etc/passwd")?,
            group: id(&bind.group, "/etc/group")?,
        })
    }

    fn put_on(&self, path: &Path) -> io::Result<()> {
        if self.user.is_some() || self.group.is_some() {
            chown(path, self.user, self.group)?;
        }
        fs::set_permissions(path, Permissions::from_mode(self.mode))
    }
}

/// Both files have the name first and the number third in each line.
fn id_of(name: &str, file: &str) -> Result<u32, String> {
    if let Ok(number) = name.parse() {
        return Ok(number);
    }
    let text = fs::read_to_string(file).map_err(|e| format!("{file}: {e}"))?;
    let mut lines = text.lines().map(|line| line.split(':'));
    let found = lines.find_map(|mut parts| {
        (parts.next() == Some(name)).then_some(())?;
        parts.nth(1)?.parse().ok()
    });
    found.ok_or_else(|| format!("`{name}` is not in {file} (a number can stand for a name)"))
}

/// A socket's file. Dropping it removes the file, if it still is ours.
#[derive(Debug)]
pub(crate) struct SocketFile {
    path: PathBuf,
    identity: (u64, u64),
}

impl SocketFile {
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The file's permissions, as a reload may change them.
    pub(crate) fn permit(&self, permit: &Permit) -> io::Result<()> {
        permit.put_on(&self.path)
    }
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

/// The address of a path as it is configured: `@` in front stands for an abstract name.
pub(crate) fn address(path: &Path) -> io::Result<SockAddr> {
    use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
    let text = path.as_os_str().as_bytes();
    match text.strip_prefix(b"@") {
        Some(name) => {
            let raw = [&[0], name].concat();
            SockAddr::unix(std::ffi::OsString::from_vec(raw))
        }
        None => SockAddr::unix(path),
    }
}

/// Listen on an abstract name.
pub(crate) fn listen_on_name(path: &Path, backlog: i32) -> io::Result<Socket> {
    let socket = socket()?;
    socket.bind(&address(path)?)?;
    socket.listen(backlog)?;
    Ok(socket)
}

/// Listen on a file, which has its permissions before anybody can connect.
///
/// # Errors
/// One line that does not name the path.
pub(crate) fn listen_on_file(
    path: &Path,
    permit: &Permit,
    backlog: i32,
) -> Result<(Socket, SocketFile), String> {
    // Two that start at once must not both find the same dead file, and the second remove what the first has bound.
    let _folder = path.parent().and_then(hold);
    remove_dead(path)?;
    let socket = socket().map_err(|e| e.to_string())?;
    let address = address(path).map_err(|e| e.to_string())?;
    socket.bind(&address).map_err(|e| e.to_string())?;
    let found = fs::symlink_metadata(path).map_err(|e| e.to_string())?;
    let file = SocketFile {
        path: path.to_owned(),
        identity: (found.dev(), found.ino()),
    };
    let set = |e: io::Error| format!("its mode or owner cannot be set: {e}");
    file.permit(permit).map_err(set)?;
    socket.listen(backlog).map_err(|e| e.to_string())?;
    Ok((socket, file))
}

fn socket() -> io::Result<Socket> {
    Socket::new(Domain::UNIX, Type::STREAM.nonblocking().cloexec(), None)
}

/// Hold the folder until the answer is dropped. Who cannot be waited for is not waited for: the lock is for processes that start at
/// the same moment, not a fence.
fn hold(folder: &Path) -> Option<File> {
    let folder = File::open(folder).ok()?;
    let until = Instant::now() + FOLDER_WAIT;
    while folder.try_lock().is_err() {
        if Instant::now() >= until {
            return None;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    Some(folder)
}

/// Anything but a socket stays; a socket that somebody answers on stays too.
fn remove_dead(path: &Path) -> Result<(), String> {
    let Ok(found) = fs::symlink_metadata(path) else {
        return Ok(());
    };
    if !found.file_type().is_socket() {
        return Err("there is something that is not a socket".into());
    }
    // Not blocking: one that lives and is busy would keep us waiting for a place in its queue.
    let asked = socket().and_then(|socket| socket.connect(&address(path)?));
    match asked {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            fs::remove_file(path).map_err(|e| format!("a dead process's socket stays: {e}"))
        }
        _ => Err("another process serves it".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::{UnixListener, UnixStream};

    fn folder(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("ringway-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
        folder
    }

    const PERMIT: Permit = Permit {
        mode: 0o640,
        user: None,
        group: None,
    };

    #[test]
    fn files_of_the_dead_are_replaced_and_others_stay() {
        let folder = folder("socket-file");
        let path = folder.join("x.sock");
        let said = |path: &Path| listen_on_file(path, &PERMIT, 8).map(|_| ()).unwrap_err();

        let living = UnixListener::bind(&path).unwrap();
        assert!(said(&path).contains("another process serves it"));
        assert!(UnixStream::connect(&path).is_ok(), "it is still there");
        drop(living);

        let (socket, file) = listen_on_file(&path, &PERMIT, 8).expect("its owner has gone");
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o640);
        assert!(UnixStream::connect(&path).is_ok());
        file.permit(&Permit {
            mode: 0o600,
            ..PERMIT
        })
        .unwrap();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        drop((socket, file));
        assert!(!path.exists(), "removed with us");

        fs::write(&path, "text").unwrap();
        assert!(said(&path).contains("not a socket"));
        assert_eq!(fs::read_to_string(&path).unwrap(), "text");
        fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn what_somebody_else_has_put_there_stays() {
        let folder = folder("socket-taken");
        let path = folder.join("x.sock");
        let (_socket, file) = listen_on_file(&path, &PERMIT, 8).unwrap();
        fs::remove_file(&path).unwrap();
        let _theirs = UnixListener::bind(&path).unwrap();
        drop(file);
        assert!(path.exists());
        fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn names_are_abstract_and_taken_once() {
        let name = PathBuf::from(format!("@ringway-test-{}", std::process::id()));
        let socket = listen_on_name(&name, 8).unwrap();
        let again = listen_on_name(&name, 8).unwrap_err();
        assert_eq!(again.kind(), io::ErrorKind::AddrInUse);
        let local = socket.local_addr().unwrap();
        assert_eq!(
            local.as_abstract_namespace(),
            Some(&name.to_str().unwrap().as_bytes()[1..])
        );
    }

    #[test]
    fn owners_by_name_and_number() {
        assert_eq!(id_of("root", "/etc/passwd"), Ok(0));
        assert_eq!(id_of("4711", "/etc/passwd"), Ok(4711));
        assert!(
            id_of("no-such-user", "/etc/passwd")
                .unwrap_err()
                .contains("/etc/passwd")
        );
    }
}
