//! Heads of our own, and trailers, as the fields of a block. Heads that are passed on are encoded as they are written (`relay::head`); the way back, on
//! which what may stand in a head is judged, is in `ringway_protocols::http2`.

use ringway_protocols::http1::Version;
use ringway_protocols::http2::hpack::Encoder;
use ringway_protocols::http2::{self, encode_lines, encode_status};

/// The head that `answer` of HTTP/1.1 wrote, as a response.
pub(crate) fn response(status: u16, head: &[u8], to: &mut Encoder, out: &mut Vec<u8>) {
    encode_status(to, out, status);
    encode_lines(to, out, head, true);
}

/// Lines of a trailer section.
pub(crate) fn trailers(lines: &[u8], to: &mut Encoder, out: &mut Vec<u8>) {
    encode_lines(to, out, lines, false);
}

/// There is at least one.
pub(crate) fn are_trailers(lines: &[u8]) -> bool {
    http2::lines(lines, false).next().is_some()
}

/// How the log calls it.
pub(crate) fn version_text(version: Version) -> &'static str {
    match version {
        Version::Http10 => "HTTP/1.0",
        Version::Http11 => "HTTP/1.1",
        Version::Http2 => "HTTP/2",
    }
}
