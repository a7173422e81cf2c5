//! `Via`: have we seen this request before? (RFC 9110 section 7.6.3)
//!
//! Not here: writing it; see `write_request` and `write_response`.

use super::field::Known;
use super::request::Request;

/// How often our own name stands in Via. Once is no circle: a request may pass the same proxy twice on purpose (a sidecar's two
/// listeners).
pub fn times_seen(request: &Request<'_>, via_name: &[u8]) -> usize {
    request
        .fields()
        .filter(|(known, _, _)| *known == Known::Via)
        .map(|(_, _, value)| times_named(value, via_name))
        .sum()
}

/// How many members of a Via value were received by `name`. Comments are skipped; they may hold commas.
fn times_named(value: &[u8], name: &[u8]) -> usize {
    let mut count = 0;
    let mut depth = 0usize;
    let mut word = 0;
    let mut start = None;
    for (at, &octet) in value.iter().chain(std::iter::once(&b',')).enumerate() {
        let ends_word = depth == 0 && matches!(octet, b' ' | b'\t' | b',' | b'(');
        if ends_word && let Some(from) = start.take() {
            word += 1;
            let text = value.get(from..at).unwrap_or_default();
            count += usize::from(word == 2 && text.eq_ignore_ascii_case(name));
        }
        match octet {
            b'(' => depth += 1,
            b')' => depth = depth.saturating_sub(1),
            b',' if depth == 0 => word = 0,
            b' ' | b'\t' => {}
            _ if depth == 0 && start.is_none() => start = Some(at),
            _ => {}
        }
    }
    count
}
