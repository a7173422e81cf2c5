//! HTTP/1.1 (RFC 9112): heads, framing, chunked coding, rewriting.
#![allow(unused_variables, missing_docs)]

/// What a head may be at most.
#[derive(Debug, Clone, Copy)]
pub struct HeadLimits { pub head_bytes: u32, pub fields: u16, pub target_bytes: u32 }
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Version { Http10, #[default] Http11 }
/// How a message's body is delimited (RFC 9112 section 6.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum BodyFraming { #[default] None, Length(u64), Chunked, /// Responses only.
    UntilClose }
/// Field names that the proxy treats specially; found once, at parse.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Known { Other, Host, Connection, ContentLength, TransferEncoding, Te, Trailer, Upgrade, KeepAlive, ProxyConnection, Via,
    XForwardedFor, XForwardedProto, XForwardedHost, XForwardedPort, Forwarded, XRequestId, Expect, Cookie, Authorization, UserAgent, Date, Server, MaxForwards, Location }

/// Why a request is refused; knows its status and a stable label for the counter and the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RequestFault { /* one variant per reason, see framing.rs */ Placeholder }
impl RequestFault {
    /// 400, 414, 431, 501 or 505.
    pub fn status(self) -> u16 { todo!() }
    /// A stable, snake_case label, e.g. `content_length_with_transfer_encoding`.
    pub fn label(self) -> &'static str { todo!() }
    /// A sentence for people, with the RFC section.
    pub fn explain(self) -> &'static str { todo!() }
    pub const ALL: &'static [RequestFault] = &[];
}
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResponseFault { Placeholder }
impl ResponseFault { pub fn label(self) -> &'static str { todo!() } pub fn explain(self) -> &'static str { todo!() } pub const ALL: &'static [ResponseFault] = &[]; }
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChunkFault { Placeholder }
impl ChunkFault { pub fn label(self) -> &'static str { todo!() } pub fn explain(self) -> &'static str { todo!() } pub const ALL: &'static [ChunkFault] = &[]; }

/// A parsed request head as spans into its bytes; owns no text, is reused from request to request, allocates only until
/// its table has grown to the largest head seen.
#[derive(Debug, Default)]
pub struct RequestHead {}
impl RequestHead {
    pub fn new() -> Self { todo!() }
    /// `bytes` starts at the request (leading CRLFs are skipped and counted in the result). `Ok(None)`: more bytes are
    /// needed. `Ok(Some(n))`: the head is the first `n` bytes. Limits are enforced on partial heads as well.
    pub fn parse(&mut self, bytes: &[u8], limits: &HeadLimits) -> Result<Option<usize>, RequestFault> { todo!() }
    pub fn view<'a>(&'a self, bytes: &'a [u8]) -> Request<'a> { todo!() }
}
/// A request head with its bytes.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> { _p: std::marker::PhantomData<&'a ()> }
impl<'a> Request<'a> {
    pub fn method(&self) -> &'a [u8] { todo!() }
    pub fn is_head(&self) -> bool { todo!() }
    /// RFC 9110 section 9.2.2.
    pub fn is_idempotent(&self) -> bool { todo!() }
    /// As received: origin-form, absolute-form or `*`.
    pub fn target(&self) -> &'a [u8] { todo!() }
    /// Path without query; `/` for an absolute-form without a path; `*` for `OPTIONS *`.
    pub fn path(&self) -> &'a [u8] { todo!() }
    pub fn query(&self) -> Option<&'a [u8]> { todo!() }
    /// Authority (host with optional port): of the absolute-form if given, else of Host; empty for HTTP/1.0 without Host.
    pub fn authority(&self) -> &'a [u8] { todo!() }
    pub fn version(&self) -> Version { todo!() }
    pub fn framing(&self) -> BodyFraming { todo!() }
    /// The client is willing to send another request on this connection.
    pub fn keep_alive(&self) -> bool { todo!() }
    pub fn expects_continue(&self) -> bool { todo!() }
    /// `Upgrade: websocket` asked for properly (RFC 6455 4.1: GET, HTTP/1.1, Connection: upgrade, no body).
    pub fn wants_websocket(&self) -> bool { todo!() }
    pub fn fields(&self) -> impl Iterator<Item = (Known, &'a [u8], &'a [u8])> + use<'a> { std::iter::empty() }
    /// First value of a field that is in [`Known`].
    pub fn known(&self, k: Known) -> Option<&'a [u8]> { todo!() }
    /// Values of a field by lower-case name, in order.
    pub fn values<'n>(&self, name: &'n [u8]) -> impl Iterator<Item = &'a [u8]> + use<'a, 'n> { std::iter::empty() }
}
/// The same for a response.
#[derive(Debug, Default)]
pub struct ResponseHead {}
impl ResponseHead {
    pub fn new() -> Self { todo!() }
    /// `to_head`: the request was HEAD. Framing follows RFC 9112 6.3 for it and for 1xx, 204, 304.
    pub fn parse(&mut self, bytes: &[u8], limits: &HeadLimits, to_head: bool) -> Result<Option<usize>, ResponseFault> { todo!() }
    pub fn view<'a>(&'a self, bytes: &'a [u8]) -> Response<'a> { todo!() }
}
#[derive(Debug, Clone, Copy)]
pub struct Response<'a> { _p: std::marker::PhantomData<&'a ()> }
impl<'a> Response<'a> {
    pub fn status(&self) -> u16 { todo!() }
    pub fn version(&self) -> Version { todo!() }
    pub fn framing(&self) -> BodyFraming { todo!() }
    /// The upstream connection may be used again after this message.
    pub fn keep_alive(&self) -> bool { todo!() }
    /// 101 with `Upgrade: websocket` and `Connection: upgrade`.
    pub fn is_websocket_upgrade(&self) -> bool { todo!() }
    pub fn fields(&self) -> impl Iterator<Item = (Known, &'a [u8], &'a [u8])> + use<'a> { std::iter::empty() }
    pub fn known(&self, k: Known) -> Option<&'a [u8]> { todo!() }
}

// ---------------------------------------------------------------------------------------------------------------- write

/// A change to the fields of a head; names are lower-case.
#[derive(Debug, Clone, Copy)]
pub enum FieldEdit<'a> { Remove { name: &'a [u8] }, /// Replaces all fields of this name.
    Set { name: &'a [u8], value: &'a [u8] }, Add { name: &'a [u8], value: &'a [u8] } }
/// Who the client is, for X-Forwarded-* (semantics 39).
#[derive(Debug, Clone, Copy)]
pub struct Forwarded<'a> { /// The peer is a trusted proxy: append to what it sent; else replace -For/-Proto/-Host/-Port and drop Forwarded.
    pub trusted: bool, /// The peer's address in text.
    pub peer: &'a [u8], /// `http` or `https`.
    pub proto: &'a [u8], /// The listener's port in text.
    pub port: &'a [u8] }
/// How a request head is rewritten for the upstream.
#[derive(Debug, Clone, Copy)]
pub struct RequestEdit<'a> {
    /// Origin-form to send; None keeps the received one (absolute-form becomes origin-form).
    pub target: Option<&'a [u8]>,
    /// Host to send; None keeps the client's (with an absolute-form target: its authority).
    pub host: Option<&'a [u8]>,
    /// Our name in Via.
    pub via: &'a [u8],
    pub forwarded: Forwarded<'a>,
    /// Some: replaces the client's X-Request-Id; None keeps it.
    pub request_id: Option<&'a [u8]>,
    /// Keep `Connection: upgrade` + `Upgrade: websocket`; otherwise any Upgrade is stripped.
    pub websocket: bool,
    pub edits: &'a [FieldEdit<'a>],
}
/// Append the upstream's request head to `out`: HTTP/1.1, order and spelling of fields kept, hop-by-hop fields removed
/// (semantics 38), framing fields as [`Request::framing`] says, ends with the empty line.
pub fn write_request(out: &mut Vec<u8>, request: &Request<'_>, edit: &RequestEdit<'_>) { todo!() }

/// What the connection to the client does after this response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientConnection { KeepAlive, Close }
#[derive(Debug, Clone, Copy)]
pub struct ResponseEdit<'a> {
    pub via: &'a [u8],
    /// The client's version: HTTP/1.0 gets no chunked coding and an explicit keep-alive.
    pub client: Version,
    pub connection: ClientConnection,
    /// How the body will be sent to this client (differs from the received framing where an HTTP/1.0 client gets a chunked one).
    pub framing: BodyFraming,
    pub request_id: Option<&'a [u8]>,
    pub websocket: bool,
    pub edits: &'a [FieldEdit<'a>],
}
pub fn write_response(out: &mut Vec<u8>, response: &Response<'_>, edit: &ResponseEdit<'_>) { todo!() }

// -------------------------------------------------------------------------------------------------------------- chunked

/// A validating decoder of the chunked coding (RFC 9112 section 7.1). It copies nothing: it names the next piece of the
/// input and what may be done with it.
#[derive(Debug, Default, Clone)]
pub struct ChunkedDecoder {}
/// The next piece: always the first `n` bytes of the input given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Piece {
    /// Chunk data.
    Data(usize),
    /// A complete chunk-size line without extension, or the CRLF behind chunk data: may be forwarded as it is. Never the last chunk's line.
    Framing(usize),
    /// Extension bytes, or part of a size line that is held back: not to be forwarded as they are; if `line` is given, that canonical
    /// size must be written instead (`<hex>\r\n`).
    Skip { n: usize, line: Option<u64> },
    /// The last chunk's size line was read (n bytes, not to be forwarded yet): what follows is the trailer section, for [`parse_trailers`].
    Last(usize),
    /// Input is used up; more is needed.
    More,
}
impl ChunkedDecoder {
    pub fn new() -> Self { todo!() }
    pub fn next(&mut self, input: &[u8]) -> Result<Piece, ChunkFault> { todo!() }
}
/// Parse a trailer section (after the last chunk's line) up to and with the empty line. `Ok(None)`: more is needed. `Ok(Some(n))`: the section is the
/// first `n` bytes; the fields that may be passed on (no framing, routing, auth or hop-by-hop fields; RFC 9110 6.5.1) were appended to `out`
/// as lines, without the empty line.
pub fn parse_trailers(bytes: &[u8], limits: &HeadLimits, out: &mut Vec<u8>) -> Result<Option<usize>, ChunkFault> { todo!() }
