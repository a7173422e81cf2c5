//! Names of fields: which ones the proxy treats specially, and which ones a sender may not take away.
//!
//! Not here: values.

use std::ops::Range;

/// Field names that the proxy treats specially; found once, at parse.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
#[allow(missing_docs, reason = "each variant is the name of its field")]
pub enum Known {
    Other,
    Host,
    Connection,
    ContentLength,
    TransferEncoding,
    Te,
    Trailer,
    Upgrade,
    KeepAlive,
    ProxyConnection,
    Via,
    XForwardedFor,
    XForwardedProto,
    XForwardedHost,
    XForwardedPort,
    XForwardedClientCert,
    Forwarded,
    XRequestId,
    Expect,
    Cookie,
    Authorization,
    UserAgent,
    Date,
    Server,
    MaxForwards,
    Location,
    Http2Settings,
}

/// How many variants [`Known`] has.
pub(crate) const KNOWN_COUNT: usize = Known::Http2Settings as usize + 1;

/// Some of the known names.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct KnownSet(u32);

const _: () = assert!(KNOWN_COUNT <= u32::BITS as usize);

impl KnownSet {
    #[inline]
    pub(crate) fn has(self, known: Known) -> bool {
        self.0 & (1 << known as u32) != 0
    }

    #[inline]
    pub(crate) fn insert(&mut self, known: Known) {
        self.0 |= 1 << known as u32;
    }
}

impl Known {
    /// The variant of a name in any case.
    pub fn of(name: &[u8]) -> Known {
        Known::at(name, 0..name.len())
    }

    /// The variant of the name that stands there.
    #[inline]
    pub(crate) fn at(bytes: &[u8], name: Range<usize>) -> Known {
        match bytes.get(name.start) {
            Some(first) if may_be_known(*first, name.len()) => {
                Known::compared(bytes.get(name).unwrap_or_default())
            }
            _ => Known::Other,
        }
    }

    /// By length and first letter, then one comparison.
    #[inline(never)]
    fn compared(name: &[u8]) -> Known {
        let first = match name {
            [first, ..] => first | 0x20,
            [] => return Known::Other,
        };
        match (name.len(), first) {
            (2, b't') if is(name, b"te") => Known::Te,
            (3, b'v') if is(name, b"via") => Known::Via,
            (4, b'h') if is(name, b"host") => Known::Host,
            (4, b'd') if is(name, b"date") => Known::Date,
            (6, b'c') if is(name, b"cookie") => Known::Cookie,
            (6, b'e') if is(name, b"expect") => Known::Expect,
            (6, b's') if is(name, b"server") => Known::Server,
            (7, b't') if is(name, b"trailer") => Known::Trailer,
            (7, b'u') if is(name, b"upgrade") => Known::Upgrade,
            (8, b'l') if is(name, b"location") => Known::Location,
            (9, b'f') if is(name, b"forwarded") => Known::Forwarded,
            (10, b'c') if is(name, b"connection") => Known::Connection,
            (10, b'k') if is(name, b"keep-alive") => Known::KeepAlive,
            (10, b'u') if is(name, b"user-agent") => Known::UserAgent,
            (12, b'x') if is(name, b"x-request-id") => Known::XRequestId,
            (12, b'm') if is(name, b"max-forwards") => Known::MaxForwards,
            (13, b'a') if is(name, b"authorization") => Known::Authorization,
            (14, b'c') if is(name, b"content-length") => Known::ContentLength,
            (14, b'h') if is(name, b"http2-settings") => Known::Http2Settings,
            (15, b'x') if is(name, b"x-forwarded-for") => Known::XForwardedFor,
            (16, b'p') if is(name, b"proxy-connection") => Known::ProxyConnection,
            (17, b't') if is(name, b"transfer-encoding") => Known::TransferEncoding,
            (17, b'x') if is(name, b"x-forwarded-proto") => Known::XForwardedProto,
            (16, b'x') => sixteen_x(name),
            (23, b'x') if is(name, b"x-forwarded-client-cert") => Known::XForwardedClientCert,
            _ => Known::Other,
        }
    }

    /// Belongs to one connection and is never passed on as received (RFC 9110 section 7.6.1; `http2-settings` is RFC 7540's).
    pub(crate) fn is_hop_by_hop(self) -> bool {
        matches!(
            self,
            Known::Connection
                | Known::TransferEncoding
                | Known::Te
                | Known::Trailer
                | Known::Upgrade
                | Known::KeepAlive
                | Known::ProxyConnection
                | Known::Http2Settings
        )
    }

    /// Decides boundaries or the connection, so configuration may not edit it: a wrong value would desynchronise peers.
    pub(crate) fn is_ours_alone(self) -> bool {
        self.is_hop_by_hop() || self == Known::ContentLength
    }
}

/// First letter and length of each known name, as in [`Known::compared`]; `tests/heads.rs` has every one of them.
const SHAPES: [(u8, u32); 25] = [
    (b't', 2),
    (b'v', 3),
    (b'h', 4),
    (b'd', 4),
    (b'c', 6),
    (b'e', 6),
    (b's', 6),
    (b't', 7),
    (b'u', 7),
    (b'l', 8),
    (b'f', 9),
    (b'c', 10),
    (b'k', 10),
    (b'u', 10),
    (b'x', 12),
    (b'm', 12),
    (b'a', 13),
    (b'c', 14),
    (b'h', 14),
    (b'x', 15),
    (b'p', 16),
    (b'x', 16),
    (b't', 17),
    (b'x', 17),
    (b'x', 23),
];

/// For each first letter, a bit for each length: most names are found unknown by it.
static LENGTHS: [u32; 32] = {
    let mut lengths = [0; 32];
    let mut at = 0;
    while at < SHAPES.len() {
        let (letter, length) = SHAPES[at];
        lengths[letter as usize % 32] |= 1 << length;
        at += 1;
    }
    lengths
};

/// False for a name that is not known; true for some of those as well.
#[inline]
fn may_be_known(first: u8, length: usize) -> bool {
    LENGTHS[first as usize % 32] & 1_u32.wrapping_shl(length as u32) != 0
}

/// `name` is `lower` in any case. Field text holds no control octet but HTAB, so that setting bit 5 maps nothing but letters
/// onto an octet of `lower`.
#[inline]
pub(crate) fn is<const N: usize>(name: &[u8], lower: &[u8; N]) -> bool {
    match <&[u8; N]>::try_from(name) {
        Ok(name) => {
            let mut differs = 0;
            for at in 0..N {
                differs |= (name[at] | 0x20) ^ lower[at];
            }
            differs == 0
        }
        Err(_) => false,
    }
}

fn sixteen_x(name: &[u8]) -> Known {
    if name.eq_ignore_ascii_case(b"x-forwarded-host") {
        Known::XForwardedHost
    } else if name.eq_ignore_ascii_case(b"x-forwarded-port") {
        Known::XForwardedPort
    } else {
        Known::Other
    }
}

/// Names that a `Connection` field may not remove although it lists them. RFC 9110 section 7.6.1 forbids listing fields that
/// all recipients need; clients have used it to strip what a proxy in front had said about them.
pub(crate) fn survives_connection(name: &[u8]) -> bool {
    match Known::of(name) {
        Known::Other => {}
        known => return !known.is_hop_by_hop(),
    }
    const NAMES: [&[u8]; 7] = [
        b"cache-control",
        b"x-real-ip",
        b"proxy-authorization",
        b"proxy-authenticate",
        b"www-authenticate",
        b"set-cookie",
        b"traceparent",
    ];
    const PREFIXES: [&[u8]; 2] = [b"x-forwarded-", b"content-"];
    NAMES.iter().any(|known| name.eq_ignore_ascii_case(known))
        || PREFIXES.iter().any(|prefix| starts_with(name, prefix))
}

/// Written with `_` for `-`, this is a field that the proxy treats specially. Many back-ends (CGI, WSGI and their kin) read both
/// spellings as one name, so `X_Forwarded_For` would be believed as if we had written it.
#[cold]
pub(crate) fn imitates_known(name: &[u8]) -> bool {
    if memchr::memchr(b'_', name).is_none() {
        return false;
    }
    // As long as the longest name that is known; a longer one is only asked for its beginning.
    let mut hyphens = [0u8; 17];
    let length = name.len().min(hyphens.len());
    let Some(start) = hyphens.get_mut(..length) else {
        return false;
    };
    for (to, from) in start.iter_mut().zip(name) {
        *to = if *from == b'_' { b'-' } else { *from };
    }
    starts_with(start, b"x-forwarded-")
        || (length == name.len() && Known::of(start) != Known::Other)
}

/// `name` begins with `prefix`, in any case.
pub(crate) fn starts_with(name: &[u8], prefix: &[u8]) -> bool {
    name.get(..prefix.len())
        .is_some_and(|start| start.eq_ignore_ascii_case(prefix))
}
