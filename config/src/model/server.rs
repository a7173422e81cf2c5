//! `[server]`: what concerns the whole process.
//! Not what a listener or a route may say.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

/// Process-wide settings.
#[derive(Debug, Clone, PartialEq)]
pub struct Server {
    /// How many workers. A change needs a restart.
    pub workers: Workers,
    /// Which face of the kernel. A change needs a restart.
    pub io: Io,
    /// On stop: what is in flight may go on for this long, then it is cut.
    pub drain: Duration,
    /// Peers whose `X-Forwarded-*` and request ids count.
    pub trusted_proxies: Vec<Peer>,
    /// SO_MARK of our own connections, by which rules of interception leave them alone; 0: none. None: the built-in one where a
    /// listener intercepts and this user may set marks.
    pub mark: Option<u32>,
    /// Our name in Via (RFC 9110 §7.6.3); default `ringway`.
    pub name: String,
}

/// How many workers run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Workers {
    /// One for each core that the process may use.
    Auto,
    /// This many, at least 1.
    Count(u16),
}

/// Which face of the kernel the workers use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Io {
    /// io_uring where the probe finds it, else epoll.
    Auto,
    /// io_uring, or no start.
    Uring,
    /// epoll.
    Epoll,
}

/// An address block; a bare address is a /32 or /128. No bit behind the prefix is set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cidr {
    /// The first address of the block.
    pub addr: IpAddr,
    /// Bits that count, up to 32 or 128.
    pub prefix: u8,
}

/// Whose word is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Peer {
    /// Whoever connects from these addresses.
    Block(Cidr),
    /// `unix`: whoever connects by a Unix socket.
    Unix,
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Peer::Block(block) => write!(f, "{block}"),
            Peer::Unix => write!(f, "unix"),
        }
    }
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.addr, self.prefix)
    }
}
