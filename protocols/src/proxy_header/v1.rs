//! Reading version 1: one line of text (section 2.1).
//!
//! Not here: version 2.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::{Claim, Details, Header, ProxyFault, Reading, Transport, Version};

/// The longest line with its CRLF: `PROXY UNKNOWN` and two full IPv6 addresses and ports.
pub const V1_BYTES: usize = 107;

pub(super) const SHORTEST: usize = b"PROXY UNKNOWN\r\n".len();

const START: &[u8] = b"PROXY ";

/// The addresses are looked at when the line has its end, as the text demands: `10.0.0.1` may be the beginning of `10.0.0.12`.
pub(super) fn read(bytes: &[u8]) -> Result<Reading<'_>, ProxyFault> {
    if !START.iter().zip(bytes).all(|(wanted, got)| wanted == got) {
        return Err(ProxyFault::NotProxy);
    }
    // The line ends with its CR here, or it is too long whatever comes.
    let window = bytes.get(..V1_BYTES - 1).unwrap_or(bytes);
    let Some(end) = memchr::memchr2(b'\r', b'\n', window) else {
        if window.len() == V1_BYTES - 1 {
            return Err(ProxyFault::V1TooLong);
        }
        return Ok(more(bytes.len() + 2));
    };
    let (line, ending) = bytes.split_at(end);
    match ending {
        [b'\r'] => Ok(more(bytes.len() + 1)),
        [b'\r', b'\n', ..] => Ok(Reading::Header(Header {
            length: end + 2,
            version: Version::V1,
            claim: claim(line.get(START.len()..).unwrap_or_default())?,
            details: Details::default(),
            tlvs: &[],
        })),
        [b'\r', ..] => Err(ProxyFault::V1BareCr),
        _ => Err(ProxyFault::V1BareLf),
    }
}

fn more(at_least: usize) -> Reading<'static> {
    Reading::More {
        at_least: at_least.max(SHORTEST),
    }
}

fn claim(text: &[u8]) -> Result<Claim<'static>, ProxyFault> {
    let mut parts = text.split(|&octet| octet == b' ');
    let address: fn(&[u8]) -> Option<IpAddr> = match parts.next() {
        // Whatever follows must be ignored.
        Some(b"UNKNOWN") => return Ok(Claim::Unknown),
        Some(b"TCP4") => ipv4,
        Some(b"TCP6") => ipv6,
        _ => return Err(ProxyFault::V1Protocol),
    };
    let (Some(source), Some(destination), Some(source_port), Some(destination_port), None) = (
        parts.next(),
        parts.next(),
        parts.next(),
        parts.next(),
        parts.next(),
    ) else {
        return Err(ProxyFault::V1Fields);
    };
    let source = address(source).ok_or(ProxyFault::V1Source)?;
    let destination = address(destination).ok_or(ProxyFault::V1Destination)?;
    let source_port = port(source_port).ok_or(ProxyFault::V1SourcePort)?;
    let destination_port = port(destination_port).ok_or(ProxyFault::V1DestinationPort)?;
    Ok(Claim::Inet {
        transport: Transport::Stream,
        source: SocketAddr::new(source, source_port),
        destination: SocketAddr::new(destination, destination_port),
    })
}

/// Four decimal numbers without leading zeros; std's reader is that strict.
fn ipv4(text: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(text).ok()?;
    text.parse::<Ipv4Addr>().ok().map(IpAddr::V4)
}

/// Wider than the text, which knows groups of hexadecimal digits alone: nginx writes `::ffff:192.0.2.1`.
fn ipv6(text: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(text).ok()?;
    text.parse::<Ipv6Addr>().ok().map(IpAddr::V6)
}

fn port(digits: &[u8]) -> Option<u16> {
    match digits {
        [b'0'] => Some(0),
        // Not left to std's reader, which takes `+1`.
        [b'1'..=b'9', rest @ ..] if rest.iter().all(u8::is_ascii_digit) => {
            std::str::from_utf8(digits).ok()?.parse().ok()
        }
        _ => None,
    }
}
