//! A host in the one form in which hosts are compared. Not a validator: a request's authority was checked at parse.

use std::io::Write;
use std::net::Ipv6Addr;

/// Longest host that can be compared, in bytes. A DNS name has at most 253 (RFC 1035 section 2.3.4).
pub(super) const LONGEST: usize = 255;

/// A host in lower case, without port and trailing dot; an IPv6 address in its canonical text (RFC 5952), without brackets.
pub(super) struct Host {
    bytes: [u8; LONGEST],
    len: usize,
}

impl Host {
    /// From `host`, `host:port`, `[v6]`, `[v6]:port` or a bare IPv6 address. `None` if longer than [`LONGEST`].
    pub(super) fn of(authority: &[u8]) -> Option<Host> {
        let (text, may_be_v6) = without_port(authority);
        let mut host = Host {
            bytes: [0; LONGEST],
            len: 0,
        };
        if may_be_v6 && let Some(address) = parse_v6(text) {
            let mut rest = &mut host.bytes[..];
            // The longest text of an IPv6 address has 45 bytes.
            let written = write!(rest, "{address}").map(|()| LONGEST - rest.len());
            host.len = written.unwrap_or(0);
            return Some(host);
        }
        let text = text.strip_suffix(b".").unwrap_or(text);
        let room = host.bytes.get_mut(..text.len())?;
        room.copy_from_slice(text);
        room.make_ascii_lowercase();
        host.len = text.len();
        Some(host)
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

/// The host's text, and whether it may be an IPv6 address.
pub(super) fn without_port(authority: &[u8]) -> (&[u8], bool) {
    if let Some(inside) = authority.strip_prefix(b"[")
        && let Some(end) = memchr::memchr(b']', inside)
    {
        return (&inside[..end], true);
    }
    let mut colons = memchr::memchr_iter(b':', authority);
    match (colons.next(), colons.next()) {
        (Some(colon), None) => (&authority[..colon], false),
        (Some(_), Some(_)) => (authority, true),
        (None, _) => (authority, false),
    }
}

fn parse_v6(text: &[u8]) -> Option<Ipv6Addr> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_as_a_table() {
        let cases = [
            ("shop.example", "shop.example"),
            ("Shop.EXAMPLE", "shop.example"),
            ("shop.example:8080", "shop.example"),
            ("shop.example:", "shop.example"),
            ("shop.example.", "shop.example"),
            ("shop.example.:443", "shop.example"),
            ("shop.example..", "shop.example."),
            ("127.0.0.1:80", "127.0.0.1"),
            ("[::1]", "::1"),
            ("[::1]:8080", "::1"),
            ("::1", "::1"),
            ("[0:0:0:0:0:0:0:1]:80", "::1"),
            ("[2001:DB8::A]", "2001:db8::a"),
            ("[::ffff:1.2.3.4]", "::ffff:1.2.3.4"),
            ("[V7.x]:80", "v7.x"),
            ("[::1", "[::1"),
            ("a:b:c", "a:b:c"),
            ("", ""),
            (":80", ""),
            (".", ""),
        ];
        for (authority, expected) in cases {
            let host = Host::of(authority.as_bytes()).unwrap();
            assert_eq!(
                std::str::from_utf8(host.as_bytes()).unwrap(),
                expected,
                "{authority}"
            );
        }
    }

    #[test]
    fn the_longest_is_taken_and_no_longer() {
        let longest = "a".repeat(LONGEST);
        assert_eq!(
            Host::of(longest.as_bytes()).unwrap().as_bytes().len(),
            LONGEST
        );
        assert!(Host::of(format!("{longest}.:80").as_bytes()).is_some());
        assert!(Host::of(format!("{longest}a").as_bytes()).is_none());
        assert!(
            Host::of(b"\xff\xfe\x00:1").is_some(),
            "any bytes do no harm"
        );
    }
}
