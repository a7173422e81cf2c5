//! The PROXY protocol, versions 1 and 2, reading and writing (HAProxy, `doc/proxy-protocol.txt`; sections are those of that text).
//!
//! Not here: who may send a header, and how long to wait for one. A listener is told to expect it; it is never guessed, since
//! whoever can choose whether to send one can choose who to be (section 5).
//!
//! `v1` and `v2` find and check the header, `tlv` and `ssl` read what v2 carries behind the addresses, `write` says it all again.

mod crc32c;
mod fault;
mod ssl;
mod tlv;
mod unix;
mod v1;
mod v2;
mod write;

use std::net::SocketAddr;

pub use fault::{ProxyFault, WriteFault};
pub use ssl::Ssl;
pub use tlv::{Tlv, Tlvs};
pub use unix::UnixAddress;
pub use v1::V1_BYTES;
pub use v2::V2_BYTES;
pub use write::{Checksum, write_v1, write_v2};

/// The longest value of `UNIQUE_ID` (section 2.2.5).
pub const UNIQUE_ID_BYTES: usize = 128;

/// What the bytes of a connection begin with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(
    clippy::large_enum_variant,
    reason = "one per connection, looked at where it was made; a box would be an allocation"
)]
pub enum Reading<'a> {
    /// The beginning of a header. With fewer than `at_least` bytes from the first one on there is none yet; calling earlier is
    /// allowed and may show a fault earlier.
    More {
        /// Always more than there are; never more than the header has.
        at_least: usize,
    },
    /// A whole header.
    Header(Header<'a>),
}

/// A header that was accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header<'a> {
    /// Its bytes. What stands behind them belongs to the connection.
    pub length: usize,
    /// How it was written.
    pub version: Version,
    /// Who talks to whom.
    pub claim: Claim<'a>,
    /// What else it says; nothing in version 1.
    pub details: Details<'a>,
    tlvs: &'a [u8],
}

impl<'a> Header<'a> {
    /// Every TLV in its order, also those that are in `details`. For the types that are private to a site (0xE0 to 0xEF).
    pub fn tlvs(&self) -> Tlvs<'a> {
        Tlvs::new(self.tlvs)
    }
}

/// The two forms of a header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Version {
    /// A line of text (section 2.1).
    V1,
    /// Binary (section 2.2).
    V2,
}

/// Who talks to whom, by the word of the sender.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Claim<'a> {
    /// The sender itself, e.g. its health check: the addresses of the socket hold.
    Local,
    /// Relayed for somebody whom the sender cannot name (`UNKNOWN`, `AF_UNSPEC`): the addresses of the socket hold.
    Unknown,
    /// By IPv4 or IPv6, both the same in what was read. An IPv4 address written as IPv6 (`::ffff:192.0.2.1`) stays what it is.
    Inet {
        /// TCP or UDP.
        transport: Transport,
        /// The client.
        source: SocketAddr,
        /// Where the client connected to.
        destination: SocketAddr,
    },
    /// By a Unix socket.
    Unix {
        /// Stream or datagram.
        transport: Transport,
        /// The client.
        source: UnixAddress<'a>,
        /// Where the client connected to.
        destination: UnixAddress<'a>,
    },
}

/// What carries the proxied bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Transport {
    /// `SOCK_STREAM`.
    Stream,
    /// `SOCK_DGRAM`.
    Datagram,
}

/// The TLVs that we read and write (section 2.2). All others are skipped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Details<'a> {
    /// `ALPN`: the protocol that was agreed on, e.g. `h2`.
    pub alpn: Option<&'a [u8]>,
    /// `AUTHORITY`: the host name that the client asked for. Text without control characters; not checked to be a name.
    pub authority: Option<&'a str>,
    /// `UNIQUE_ID`: opaque, at most [`UNIQUE_ID_BYTES`].
    pub unique_id: Option<&'a [u8]>,
    /// `SSL`: the client's TLS connection to the sender.
    pub ssl: Option<Ssl<'a>>,
}

/// Read the header at the beginning of a connection. Any prefix of some bytes gives `More` or the answer for the whole.
pub fn read(bytes: &[u8]) -> Result<Reading<'_>, ProxyFault> {
    match bytes {
        [] => Ok(Reading::More {
            at_least: v1::SHORTEST,
        }),
        [b'P', ..] => v1::read(bytes),
        [b'\r', ..] => v2::read(bytes),
        _ => Err(ProxyFault::NotProxy),
    }
}

/// As [`read`], for who takes a header only when it came as a whole, which the protocol allows. Beware: a header of version 2
/// with a certificate in it is longer than a segment.
pub fn read_whole(bytes: &[u8]) -> Result<Header<'_>, ProxyFault> {
    match read(bytes)? {
        Reading::Header(header) => Ok(header),
        Reading::More { .. } => Err(ProxyFault::Incomplete),
    }
}
