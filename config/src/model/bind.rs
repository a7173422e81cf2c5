//! Where a listener listens.
//! Not whether that can be had.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;

/// One address to listen on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Bind {
    /// `":8080"` is all IPv4 and IPv6 addresses (one dual-stack socket on `[::]`); port 0 is allowed (tests).
    Tcp(SocketAddr),
    /// `unix:/path` or `unix:@name`.
    Unix(UnixBind),
}

/// A Unix socket to listen on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnixBind {
    /// An absolute path, or `@` and a name that is no file (abstract).
    pub path: PathBuf,
    /// Permissions of the file. Means nothing for an abstract name: there all of the machine (of its network namespace) may connect.
    pub mode: u32,
    /// Owner of the file, by name or number; None: who runs the process.
    pub user: Option<String>,
    /// The same for its group.
    pub group: Option<String>,
}

impl UnixBind {
    /// Whether it is no file.
    pub fn is_abstract(&self) -> bool {
        self.path.as_os_str().as_encoded_bytes().first() == Some(&b'@')
    }
}

impl fmt::Display for Bind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Bind::Tcp(address) => write!(f, "{address}"),
            Bind::Unix(unix) => write!(f, "unix:{}", unix.path.display()),
        }
    }
}
