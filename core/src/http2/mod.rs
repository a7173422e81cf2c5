//! What both sides of HTTP/2 stand on: the octets of a link for the library that reads and writes frames (`face`), heads between its form
//! and the one that both versions share (`heads`), one direction of a stream with its flow control (`sending`, `octets`, `handing`), and what a
//! client may send before it is a flood (`watch`).
//!
//! Not here: the session with a client (`session::http2`), connections to upstreams (`upstream::shared`).

pub(crate) mod call;
pub(crate) mod face;
mod handing;
pub(crate) mod heads;
mod octets;
pub(crate) mod sending;
mod watch;

pub(crate) use call::Call;
pub(crate) use octets::Octets;
pub(crate) use sending::Sending;
pub(crate) use watch::Watch;

/// A stream's window to begin with. It grows where a body shows that it needs more.
pub(crate) const STREAM_WINDOW: u32 = 64 * 1024;
/// A connection's window.
pub(crate) const CONNECTION_WINDOW: u32 = 1024 * 1024;
/// What a stream may have waiting to be sent: one frame, so that many streams of a peer that takes nothing hold little.
pub(crate) const SEND_BUFFER: usize = 16 * 1024;
/// Bytes of a header list, each field with 32 bytes for itself (RFC 9113 section 6.5.2).
pub(crate) const HEADER_LIST: u32 = 64 * 1024;
