//! HTTP/2 between a link and the exchanges: a connection with its frames and windows (`connection`; its end: `ending`; in: `receiving`, `blocks`, `bodies`, `window`; out: `writing`, `out`), a stream of it
//! (`stream`), one direction of a stream with what waits for a window (`sending`, `octets`), what a connection may have of a turn (`share`), heads of our own and trailers (`heads`), memory for those that come (`spares`), what an exchange has of its client (`call`), and what a client may send before it is a flood (`watch`).
//!
//! Not here: frames, HPACK and the rules for heads, which have no clock and no link (`ringway_protocols::http2`); the session with a client
//! (`session::http2`); connections to upstreams (`upstream::shared`).

mod blocks;
mod bodies;
pub(crate) mod call;
pub(crate) mod connection;
pub(crate) mod ending;
mod few;
pub(crate) mod heads;
mod held;
mod octets;
mod out;
mod receiving;
pub(crate) mod sending;
mod share;
pub(crate) mod spares;
pub(crate) mod stream;
mod watch;
mod window;
mod writing;

pub(crate) use call::Call;
pub(crate) use connection::{Connection, Driven};
pub(crate) use ending::Leaving;
pub(crate) use held::Held;
pub(crate) use octets::Octets;
pub(crate) use sending::Sending;
pub(crate) use stream::{Fault, Holder, Stream};
pub(crate) use watch::Watch;
pub(crate) use window::Growth;

/// Requests that one connection may have at once (semantics 51).
pub(crate) const STREAMS: u32 = 100;
/// A stream's window to begin with.
pub(crate) const STREAM_WINDOW: u32 = 64 * 1024;
/// That of a stream to an upstream, whose answer may have to wait for its client: there may be many. It grows with the first of it that was passed on.
pub(crate) const UPSTREAM_WINDOW: u32 = 8 * 1024;
/// It grows to this where a body shows that it needs more.
pub(crate) const MOST_STREAM_WINDOW: u32 = 1024 * 1024;
/// A connection's window.
pub(crate) const CONNECTION_WINDOW: u32 = 1024 * 1024;
/// What upstreams may bring for the streams of one client before it can be sent, beyond a piece of HTTP/1.1 or an [`UPSTREAM_WINDOW`] for each.
pub(crate) const MOST_AHEAD: u32 = 256 * 1024;
/// What windows of a worker's upstreams may have grown by in all.
pub(crate) const MOST_GROWN: u32 = 8 * 1024 * 1024;
/// Bytes of a header list, each field with 32 bytes for itself (RFC 9113 section 6.5.2).
pub(crate) const HEADER_LIST: u32 = 64 * 1024;
/// Fields of a header list. More than a listener may allow, which says so in an answer.
pub(crate) const FIELDS: usize = 1024;
