//! HTTP/1.1 (RFC 9112): heads, framing, chunked coding, rewriting.
//!
//! Not here: reading or writing sockets, routing, who is trusted; those belong to `core`.
//!
//! One order of reading: `request` and `response` read heads line by line into a `table` of spans, `framing` decides once how
//! the body ends, `chunked` and `trailers` read it, `write_request` and `write_response` say the head again in canonical form.

mod answer;
mod authority;
mod chunked;
mod connection;
mod edit;
mod fault;
mod field;
mod framing;
mod line;
mod octets;
mod request;
mod response;
mod scan;
mod sink;
mod table;
mod target;
mod trailers;
mod via;
mod write_request;
mod write_response;

pub use answer::{answer, reason_phrase};
pub use chunked::{ChunkedDecoder, Piece};
pub use edit::{ClientConnection, FieldEdit, Forwarded, Removed, RequestEdit, ResponseEdit};
pub use fault::{ChunkFault, RequestFault, ResponseFault};
pub use field::Known;
pub use framing::BodyFraming;
pub use request::{Request, RequestHead};
pub use response::{Response, ResponseHead};
pub use trailers::parse_trailers;
pub use via::times_seen;
pub use write_request::write_request;
pub use write_response::write_response;

/// For another version that writes heads.
pub(crate) mod head {
    pub(crate) use super::field::imitates_known;
    pub(crate) use super::sink::{HeadSink, Own, put, put_field, put_target};
    pub(crate) use super::table::{Field, FieldTable};
    pub(crate) use super::write_request::write as write_request;
    pub(crate) use super::write_response::write as write_response;
}

pub(crate) use authority::is_authority;
pub(crate) use octets::{decimal, elements, is_ows, is_text, is_token, put_decimal, token_table};
pub(crate) use target::is_target;
pub(crate) use trailers::may_trail;

/// What a head may be at most.
#[derive(Debug, Clone, Copy)]
pub struct HeadLimits {
    /// Bytes of the whole head: start line, fields, empty line, and the empty lines skipped before it.
    pub head_bytes: u32,
    /// Field lines.
    pub fields: u16,
    /// Bytes of the request target.
    pub target_bytes: u32,
}

/// The versions that are spoken here; any other is refused (505, or 502 when an upstream says it).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Version {
    /// HTTP/1.0.
    Http10,
    /// HTTP/1.1.
    #[default]
    Http11,
    /// HTTP/2, for a head that came so and was written into the form of HTTP/1.1 (see [`crate::http2`]).
    Http2,
}
