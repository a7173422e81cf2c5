//! `[admin]`: where the proxy itself can be asked.
//! Not how a secret is read: the caller opens files and the environment.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;

/// Where the proxy itself can be asked.
#[derive(Debug, Clone, PartialEq)]
pub struct Admin {
    /// Empty: nowhere.
    pub bind: Vec<AdminBind>,
    /// What a caller must show.
    pub token: Option<Secret>,
}

/// An admin address. Default: `unix:/run/ringway/admin.sock` (see `defaults`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AdminBind {
    /// `127.0.0.1:9901`.
    Tcp(SocketAddr),
    /// `unix:/path`.
    Unix(PathBuf),
}

/// Shown as `***`.
#[derive(Clone, PartialEq, Eq)]
pub enum Secret {
    /// The secret itself.
    Literal(String),
    /// It is this file's content.
    File(PathBuf),
    /// It is this environment variable's value.
    Env(String),
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}
