//! The trailer section behind the last chunk (RFC 9112 section 7.1.2, RFC 9110 section 6.5).
//!
//! Not here: merging trailers into a head, which is never done.

use super::field::{Known, imitates_known, starts_with};
use super::line::{FieldLine, LineCursor};
use super::sink::put_field;
use super::{ChunkFault, HeadLimits};

/// Parse a trailer section (after the last chunk's line) up to and with the empty line. `Ok(None)`: more is needed. `Ok(Some(n))`:
/// the section is the first `n` bytes; the fields that may be passed on (no framing, routing, auth or hop-by-hop fields;
/// RFC 9110 6.5.1) were appended to `out` as lines, without the empty line.
pub fn parse_trailers(
    bytes: &[u8],
    limits: &HeadLimits,
    out: &mut Vec<u8>,
) -> Result<Option<usize>, ChunkFault> {
    // First only look for the end: what trickles in is searched again with every call, and that must stay cheap.
    let mut cursor = LineCursor::default();
    let mut fields = 0;
    loop {
        let lf = cursor.find(bytes);
        let Some(line) = cursor.take(bytes, lf, limits.head_bytes as usize)? else {
            return Ok(None);
        };
        if line.is_empty() {
            break;
        }
        fields += 1;
        if fields > limits.fields {
            return Err(ChunkFault::TrailersTooLarge);
        }
    }
    let end = cursor.start();
    let mark = out.len();
    let mut start = 0;
    while start + 2 < end {
        let Some(line) = FieldLine::read(bytes, start) else {
            out.truncate(mark);
            let section = bytes.get(start..end).unwrap_or_default();
            let length = memchr::memchr(b'\n', section).unwrap_or_default();
            let text = section.get(..length.saturating_sub(1));
            return Err(FieldLine::blame(text.unwrap_or_default()).into());
        };
        let name = bytes.get(line.name).unwrap_or_default();
        if may_trail(name) {
            put_field(out, name, bytes.get(line.value).unwrap_or_default());
        }
        start = line.end;
    }
    Ok(Some(end))
}

/// RFC 9110 section 6.5.1: no field that is needed for framing, routing, authentication, as a modifier of the request, as control of
/// the response, or for reading the content.
pub(crate) fn may_trail(name: &[u8]) -> bool {
    const NAMES: [&[u8]; 27] = [
        b"accept-encoding",
        b"age",
        b"authentication-info",
        b"cache-control",
        b"expires",
        b"max-forwards",
        b"pragma",
        b"range",
        b"accept-ranges",
        b"retry-after",
        b"set-cookie",
        b"vary",
        b"warning",
        b"www-authenticate",
        b"x-real-ip",
        b"traceparent",
        b"tracestate",
        b"x-http-method-override",
        b"if-match",
        b"if-none-match",
        b"if-modified-since",
        b"if-unmodified-since",
        b"if-range",
        b"content-encoding",
        b"content-type",
        b"content-range",
        b"content-location",
    ];
    const PREFIXES: [&[u8]; 4] = [b"proxy-", b"x-forwarded-", b"access-control-", b"sec-"];
    let trailing_known = matches!(
        Known::of(name),
        Known::Other | Known::UserAgent | Known::Server
    );
    trailing_known
        && !imitates_known(name)
        && !NAMES.iter().any(|known| name.eq_ignore_ascii_case(known))
        && !PREFIXES.iter().any(|prefix| starts_with(name, prefix))
}
