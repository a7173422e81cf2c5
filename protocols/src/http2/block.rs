//! Heads on their way out, as the fields of a header block: what `http1::write_request` and `http1::write_response` write as lines.
//!
//! Not here: which fields go out, and in which order; cutting a block into frames.

use super::hpack::{Encoder, Indexing};
use super::lines::stays_behind;
use crate::http1::head::{Field, HeadSink, Own, put_target, write_request, write_response};
use crate::http1::{Known, Request, RequestEdit, Response, ResponseEdit, Version, is_text};
use crate::websocket;

/// What a request for an endpoint becomes.
#[derive(Debug, Clone, Copy)]
pub struct Asked {
    /// `:scheme`.
    pub scheme: &'static [u8],
    /// An extended CONNECT (RFC 8441 section 5) in place of a handshake of HTTP/1.1.
    pub websocket: bool,
}

/// Append the fields of a request for an endpoint.
pub fn encode_request(
    to: &mut Encoder,
    out: &mut Vec<u8>,
    request: &Request<'_>,
    edit: &RequestEdit<'_>,
    asked: Asked,
) {
    let mut block = Block::new(to, out, request.bytes, request.version());
    (block.scheme, block.websocket) = (asked.scheme, asked.websocket);
    write_request(&mut block, request, edit);
}

/// Append the fields of a response for a client. A 101 becomes the answer that accepts an extended CONNECT.
pub fn encode_response(
    to: &mut Encoder,
    out: &mut Vec<u8>,
    response: &Response<'_>,
    edit: &ResponseEdit<'_>,
) {
    let mut block = Block::new(to, out, response.bytes, response.version());
    block.websocket = response.status() == 101;
    write_response(&mut block, response, edit);
}

/// `:status`.
pub fn encode_status(to: &mut Encoder, out: &mut Vec<u8>, status: u16) {
    let digits = [status / 100, status / 10 % 10, status % 10].map(|d| b'0' + (d % 10) as u8);
    to.field(b":status", &digits, out, Indexing::Incremental);
}

/// Append the lines of a head of our own, or of a trailer section, as fields.
pub fn encode_lines(to: &mut Encoder, out: &mut Vec<u8>, head: &[u8], has_first_line: bool) {
    let mut block = Block::new(to, out, head, Version::Http11);
    for line in super::lines(head, has_first_line) {
        let name = head.get(line.name).unwrap_or_default();
        block.put(line.known, name, head.get(line.value).unwrap_or_default());
    }
    block.end();
}

struct Block<'a> {
    encoder: &'a mut Encoder,
    out: &'a mut Vec<u8>,
    /// The head as it was received.
    bytes: &'a [u8],
    /// Names that were received are in lower case.
    is_lower: bool,
    scheme: &'static [u8],
    websocket: bool,
    /// Of the encoder: to put something together.
    scratch: Vec<u8>,
}

impl<'a> Block<'a> {
    fn new(
        encoder: &'a mut Encoder,
        out: &'a mut Vec<u8>,
        bytes: &'a [u8],
        version: Version,
    ) -> Block<'a> {
        let scratch = encoder.take_scratch();
        Block {
            encoder,
            out,
            bytes,
            is_lower: version == Version::Http2,
            scheme: b"",
            websocket: false,
            scratch,
        }
    }

    /// Do something with these pieces, put together.
    fn joined(&mut self, pieces: &[&[u8]], put: impl FnOnce(&mut Self, &[u8])) {
        let mut joined = std::mem::take(&mut self.scratch);
        for piece in pieces {
            joined.extend_from_slice(piece);
        }
        put(self, &joined);
        joined.clear();
        self.scratch = joined;
    }

    /// A field whose name may have capitals.
    fn put(&mut self, known: Known, name: &[u8], value: &[u8]) {
        let mut lower = [0; 32];
        match lower.get_mut(..name.len()) {
            Some(lower) => {
                lower.copy_from_slice(name);
                lower.make_ascii_lowercase();
                self.put_lower(known, lower, value);
            }
            None => self.put_lower(known, &name.to_ascii_lowercase(), value),
        }
    }

    #[inline]
    fn put_lower(&mut self, known: Known, name: &[u8], value: &[u8]) {
        self.encode(known, name, value, indexing(known));
    }

    #[inline]
    fn encode(&mut self, known: Known, name: &[u8], value: &[u8], indexing: Indexing) {
        let of_handshake = || name == websocket::KEY || name == websocket::ACCEPT;
        if stays_behind(known) || (self.websocket && of_handshake()) {
            return;
        }
        self.encoder.field(name, value, self.out, indexing);
    }
}

impl HeadSink for Block<'_> {
    fn request(&mut self, request: &Request<'_>, edit: &RequestEdit<'_>) {
        let method: &[u8] = match self.websocket {
            true => b"CONNECT",
            false => request.method(),
        };
        let (to, out) = (&mut *self.encoder, &mut *self.out);
        to.field(b":method", method, out, Indexing::Incremental);
        to.field(b":scheme", self.scheme, out, Indexing::Incremental);
        let authority = edit.host.unwrap_or_else(|| request.authority());
        // Only a client of HTTP/1.0 may leave it out.
        if !authority.is_empty() && is_text(authority) {
            let host = request.head.table.position(Known::Host);
            let host = host.and_then(|at| request.head.table.fields().get(at));
            let indexing = match host.is_some_and(|host| host.secret) {
                true => Indexing::Never,
                false => Indexing::Incremental,
            };
            to.field(b":authority", authority, out, indexing);
        }
        put_target(&mut self.scratch, request, edit);
        let indexing = match request.head.secret_target {
            true => Indexing::Never,
            false => Indexing::Without,
        };
        to.field(b":path", &self.scratch, out, indexing);
        self.scratch.clear();
        if self.websocket {
            to.field(b":protocol", b"websocket", out, Indexing::Incremental);
        }
    }

    fn response(&mut self, response: &Response<'_>) {
        let status = match self.websocket {
            true => 200,
            false => response.status(),
        };
        encode_status(self.encoder, self.out, status);
    }

    #[inline]
    fn keep(&mut self, field: &Field) {
        let (name, value) = (field.name.of(self.bytes), field.value.of(self.bytes));
        if field.secret {
            let name = name.to_ascii_lowercase();
            return self.encode(field.known, &name, value, Indexing::Never);
        }
        self.field(field.known, name, value);
    }

    fn pieces(&mut self, known: Known, name: &[u8], value: [&[u8]; 3]) {
        self.joined(&value, |block, joined| block.field(known, name, joined));
    }

    #[inline]
    fn field(&mut self, known: Known, name: &[u8], value: &[u8]) {
        match self.is_lower && name.first().is_some_and(u8::is_ascii_lowercase) {
            true => self.put_lower(known, name, value),
            false => self.put(known, name, value),
        }
    }

    fn own(&mut self, own: Own, [one, other]: [&[u8]; 2]) {
        if other.is_empty() {
            return self.put_lower(own.known, own.name, one);
        }
        self.joined(&[one, other], |block, joined| {
            block.put_lower(own.known, own.name, joined);
        });
    }

    fn connection(&mut self, _: &[u8]) {}

    fn end(&mut self) {
        self.encoder.give_scratch(std::mem::take(&mut self.scratch));
    }
}

/// What is never the same twice would only be in the way of others in the peer's table (RFC 7541 section 2.3.2).
fn indexing(known: Known) -> Indexing {
    match known {
        Known::XRequestId | Known::ContentLength => Indexing::Without,
        Known::Authorization => Indexing::Never,
        _ => Indexing::Incremental,
    }
}
