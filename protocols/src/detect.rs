//! Which protocol a client begins with: TLS, HTTP/2, HTTP/1, or none that we know.
//!
//! Not here: how long to wait for the bytes (a client that waits for the server to speak first sends none), and whether what
//! follows is sound; the readers of the protocols say that.
//!
//! The rules, each on a bounded number of bytes ([`BYTES`]), so that no client can make us wait for more:
//!
//! * TLS: a record of type 22, version 3.0 to 3.4 and a length from 1 to 2^14, and a ClientHello as the first octet in it
//!   (RFC 8446 sections 4, 5.1).
//! * HTTP/2: the whole preface of 24 octets (RFC 9113 section 3.4).
//! * HTTP/1: a method of 1 to 24 octets out of `A-Z` and `-`, beginning with a letter; one space; then `/`, or `* `, or
//!   `http://` or `https://` in either case, or behind `CONNECT` a letter, a digit or `[` (RFC 9112 section 3).
//!
//! A method may be any token, but all registered ones are of capitals and hyphens, and `get key` is what memcached hears. The two
//! errors are not equal: HTTP that is taken for opaque still passes through, but opaque bytes that are taken for HTTP are
//! refused. The rule for HTTP/1 keeps SSH, SMTP, IRC, Redis, memcached, SIP and RTSP out, except for `OPTIONS *` of RTSP.

/// The most bytes that are looked at: a method, a space, a scheme.
pub const BYTES: usize = METHOD_BYTES + 1 + b"https://".len();

/// The longest registered method, `UPDATEREDIRECTREF`, has 17 octets.
const METHOD_BYTES: usize = 24;

const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// What the first bytes are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Detection {
    /// Not decided. Never with [`BYTES`] bytes or more.
    More {
        /// With fewer bytes the answer stays the same; always more than there are.
        at_least: usize,
    },
    /// TLS; [`crate::client_hello`] reads on.
    Tls,
    /// HTTP/2 without negotiation.
    Http2Preface,
    /// HTTP/1.0 or HTTP/1.1.
    Http1,
    /// Anything else.
    Opaque,
}

/// Any prefix of some bytes gives `More` or the answer for the whole.
pub fn detect(bytes: &[u8]) -> Detection {
    match bytes {
        [] => more(bytes),
        [0x16, ..] => tls(bytes),
        _ if !matches(PREFACE, bytes) => http1(bytes),
        _ if bytes.len() < PREFACE.len() => more(bytes),
        _ => Detection::Http2Preface,
    }
}

fn more(bytes: &[u8]) -> Detection {
    Detection::More {
        at_least: bytes.len() + 1,
    }
}

/// As far as both go.
fn matches(wanted: &[u8], bytes: &[u8]) -> bool {
    wanted.iter().zip(bytes).all(|(wanted, got)| wanted == got)
}

/// A record header and the first octet within.
fn tls(bytes: &[u8]) -> Detection {
    const LOOKED_AT: usize = 6;
    let fits = |at: usize, octet: u8| match at {
        1 => octet == 3,
        2 => octet <= 4,
        3 => octet <= 0x40,
        4 => match bytes.get(3) {
            Some(0) => octet != 0,
            Some(0x40) => octet == 0,
            _ => true,
        },
        5 => octet == 1,
        _ => true,
    };
    let mut start = bytes.iter().take(LOOKED_AT).enumerate();
    if !start.all(|(at, octet)| fits(at, *octet)) {
        return Detection::Opaque;
    }
    if bytes.len() < LOOKED_AT {
        return Detection::More {
            at_least: LOOKED_AT,
        };
    }
    Detection::Tls
}

fn http1(bytes: &[u8]) -> Detection {
    let is_method = |octet: &u8| octet.is_ascii_uppercase() || *octet == b'-';
    let window = bytes.get(..METHOD_BYTES + 1).unwrap_or(bytes);
    let length = window.iter().take_while(|octet| is_method(octet)).count();
    if length > METHOD_BYTES || bytes.first() == Some(&b'-') {
        return Detection::Opaque;
    }
    let (method, rest) = bytes.split_at(length);
    match rest {
        [] => more(bytes),
        [b' '] if length > 0 => more(bytes),
        [b' ', target @ ..] if length > 0 => match begins_target(method, target) {
            Some(true) => Detection::Http1,
            Some(false) => Detection::Opaque,
            None => more(bytes),
        },
        _ => Detection::Opaque,
    }
}

/// `None` while it is open. `target` has at least one octet.
fn begins_target(method: &[u8], target: &[u8]) -> Option<bool> {
    match target {
        [b'/', ..] => Some(true),
        [b'*'] => None,
        [b'*', next, ..] => Some(*next == b' '),
        [first, ..] if method == b"CONNECT" => {
            Some(first.is_ascii_alphanumeric() || *first == b'[')
        }
        _ => {
            let schemes: [&[u8]; 2] = [b"http://", b"https://"];
            let mut open = schemes.iter().filter(|scheme| {
                let pairs = scheme.iter().zip(target);
                pairs.fold(true, |same, (wanted, got)| {
                    same & wanted.eq_ignore_ascii_case(got)
                })
            });
            match open.next() {
                None => Some(false),
                Some(scheme) if target.len() >= scheme.len() => Some(true),
                Some(_) => None,
            }
        }
    }
}
