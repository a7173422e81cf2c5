//! Heads from the form that both versions share into the fields of a block. The way back, on which what may stand in them is judged, is in
//! `ringway_protocols::http2`.

use ringway_protocols::http1::{Known, Version};
use ringway_protocols::http2;
use ringway_protocols::http2::hpack::{Encoder, Indexing};
use ringway_protocols::websocket;

/// Where things stand in a request's head that `write_request` of HTTP/1.1 wrote.
#[derive(Debug)]
pub(crate) struct Asking<'h> {
    head: &'h [u8],
    method: &'h [u8],
    target: &'h [u8],
    authority: &'h [u8],
    scheme: &'static [u8],
}

impl<'h> Asking<'h> {
    /// None where it is no head.
    pub(crate) fn of(head: &'h [u8], scheme: &'static [u8]) -> Option<Asking<'h>> {
        let (method, target) = http2::request_line(head)?;
        Some(Asking {
            head,
            method: &head[method],
            target: &head[target],
            // Only a client of HTTP/1.0 may leave it out.
            authority: http2::host(head).map_or(b"", |host| &head[host]),
            scheme,
        })
    }

    /// There is somebody to connect to.
    pub(crate) fn has_authority(&self) -> bool {
        !self.authority.is_empty()
    }

    /// The request.
    pub(crate) fn write(&self, to: &mut Encoder, out: &mut Vec<u8>) {
        self.put_pseudo(self.method, to, out);
        put_lines(self.head, true, to, out, |_| true);
    }

    /// The handshake of a WebSocket as an extended CONNECT (RFC 8441 section 5).
    pub(crate) fn write_websocket(&self, to: &mut Encoder, out: &mut Vec<u8>) {
        self.put_pseudo(b"CONNECT", to, out);
        to.field(b":protocol", b"websocket", out, Indexing::Incremental);
        put_lines(self.head, true, to, out, stays_in_stream);
    }

    fn put_pseudo(&self, method: &[u8], to: &mut Encoder, out: &mut Vec<u8>) {
        to.field(b":method", method, out, Indexing::Incremental);
        to.field(b":scheme", self.scheme, out, Indexing::Incremental);
        if self.has_authority() {
            to.field(b":authority", self.authority, out, Indexing::Incremental);
        }
        to.field(b":path", self.target, out, Indexing::Without);
    }
}

/// The head that `write_response` or `answer` of HTTP/1.1 wrote, as a response.
pub(crate) fn response(status: u16, head: &[u8], to: &mut Encoder, out: &mut Vec<u8>) {
    put_status(status, to, out);
    put_lines(head, true, to, out, |_| true);
}

/// The 101 that `write_response` of HTTP/1.1 wrote, as the answer that accepts an extended CONNECT.
pub(crate) fn websocket_answer(head: &[u8], to: &mut Encoder, out: &mut Vec<u8>) {
    put_status(200, to, out);
    put_lines(head, true, to, out, stays_in_stream);
}

fn put_status(status: u16, to: &mut Encoder, out: &mut Vec<u8>) {
    let digits = [status / 100, status / 10 % 10, status % 10].map(|d| b'0' + d as u8);
    to.field(b":status", &digits, out, Indexing::Incremental);
}

/// A field of a WebSocket's handshake that is no part of an extended CONNECT.
fn stays_in_stream(name: &[u8]) -> bool {
    name != websocket::KEY && name != websocket::ACCEPT
}

/// Lines of a trailer section.
pub(crate) fn trailers(lines: &[u8], to: &mut Encoder, out: &mut Vec<u8>) {
    put_lines(lines, false, to, out, |_| true);
}

/// There is at least one.
pub(crate) fn are_trailers(lines: &[u8]) -> bool {
    http2::lines(lines, false).next().is_some()
}

fn put_lines(
    head: &[u8],
    has_first_line: bool,
    to: &mut Encoder,
    out: &mut Vec<u8>,
    wanted: impl Fn(&[u8]) -> bool,
) {
    // Names on the wire are in lower case.
    let mut lower = [0; 64];
    let mut longer = Vec::new();
    for line in http2::lines(head, has_first_line) {
        let name = &head[line.name];
        let name = match lower.get_mut(..name.len()) {
            Some(place) => {
                place.copy_from_slice(name);
                place
            }
            None => {
                longer.clear();
                longer.extend_from_slice(name);
                &mut longer[..]
            }
        };
        name.make_ascii_lowercase();
        if wanted(name) {
            to.field(name, &head[line.value], out, indexing(line.known));
        }
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

/// How the log calls it.
pub(crate) fn version_text(version: Version) -> &'static str {
    match version {
        Version::Http10 => "HTTP/1.0",
        Version::Http11 => "HTTP/1.1",
        Version::Http2 => "HTTP/2",
    }
}
