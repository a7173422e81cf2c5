//! `uri-host [ ":" port ]` as it stands in Host and in an absolute-form target (RFC 3986 section 3.2, RFC 9110 section 4.2).
//!
//! Not here: resolving a name, or comparing it with a route.

use std::net::Ipv6Addr;
use std::ops::Range;

use super::octets::decimal;
use super::scan::plain_end;

/// What stands at `at` is a host that is not empty, with an optional port. No userinfo, no list, no zone; a comma is refused although RFC 3986 allows
/// it in a name, because it is what two Host fields joined by someone look like.
#[inline]
pub(crate) fn is_valid(bytes: &[u8], at: Range<usize>) -> bool {
    // Most hosts are a plain name and nothing else, or with a port.
    let name_end = plain_end(bytes, at.start).min(at.end);
    let port = bytes.get(name_end..at.end).unwrap_or_default();
    match port {
        _ if name_end == at.start => is_authority(port),
        [] => true,
        [b':', digits @ ..] => is_port(digits),
        _ => is_authority(bytes.get(at).unwrap_or_default()),
    }
}

pub(crate) fn is_authority(text: &[u8]) -> bool {
    let (host_is_valid, port) = match text {
        [b'[', rest @ ..] => {
            let Some(end) = memchr::memchr(b']', rest) else {
                return false;
            };
            let (address, after) = rest.split_at(end);
            (is_ipv6(address), after.get(1..).unwrap_or_default())
        }
        _ => {
            let end = memchr::memchr(b':', text).unwrap_or(text.len());
            let (name, after) = text.split_at(end);
            (is_reg_name(name), after)
        }
    };
    host_is_valid
        && match port {
            [] => true,
            [b':', digits @ ..] => is_port(digits),
            _ => false,
        }
}

fn is_ipv6(text: &[u8]) -> bool {
    std::str::from_utf8(text).is_ok_and(|text| text.parse::<Ipv6Addr>().is_ok())
}

fn is_reg_name(name: &[u8]) -> bool {
    let mut rest = name;
    while let [octet, after @ ..] = rest {
        rest = match octet {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => after,
            b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b';' | b'=' => after,
            b'%' => match after {
                [high, low, after @ ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                    after
                }
                _ => return false,
            },
            _ => return false,
        };
    }
    !name.is_empty()
}

/// `*DIGIT`, and a number that a port can be.
fn is_port(digits: &[u8]) -> bool {
    digits.is_empty() || decimal(digits).is_some_and(|port| port <= 65535)
}
