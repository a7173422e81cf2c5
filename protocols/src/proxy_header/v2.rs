//! Reading version 2: sixteen bytes, addresses, TLVs (section 2.2).
//!
//! Not here: what the TLVs say (`tlv`).

use std::net::{IpAddr, SocketAddr};

use super::unix::{self, UnixAddress};
use super::{Claim, Header, ProxyFault, Reading, Transport, Version, tlv};
use crate::cursor::Cursor;

pub(super) const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";

/// Signature, version and command, family and transport, length.
pub(super) const FIXED: usize = 16;

/// The longest header that is read or written: the fixed part, the addresses of the largest family (Unix) and 4 KiB of TLVs. The
/// protocol would allow 64 KiB. Names and ids take a few hundred bytes; what is large is a client's certificate (subtype 0x28),
/// of 1 to 2 KiB as a rule.
pub const V2_BYTES: usize = FIXED + 2 * unix::BYTES + 4096;

pub(super) const LOCAL: u8 = 0x20;
pub(super) const PROXY: u8 = 0x21;

#[derive(Clone, Copy)]
enum Family {
    Unspec,
    Inet(Transport),
    Inet6(Transport),
    Unix(Transport),
}

impl Family {
    fn read(octet: u8) -> Result<Self, ProxyFault> {
        let transport = match octet & 0x0f {
            0 => None,
            1 => Some(Transport::Stream),
            2 => Some(Transport::Datagram),
            _ => return Err(ProxyFault::V2Transport),
        };
        match (octet >> 4, transport) {
            (0, None) => Ok(Family::Unspec),
            (1, Some(transport)) => Ok(Family::Inet(transport)),
            (2, Some(transport)) => Ok(Family::Inet6(transport)),
            (3, Some(transport)) => Ok(Family::Unix(transport)),
            (0..=3, _) => Err(ProxyFault::V2HalfUnspec),
            _ => Err(ProxyFault::V2Family),
        }
    }

    fn address_bytes(self) -> usize {
        match self {
            Family::Unspec => 0,
            Family::Inet(_) => 2 * (4 + 2),
            Family::Inet6(_) => 2 * (16 + 2),
            Family::Unix(_) => 2 * unix::BYTES,
        }
    }

    /// `None` where the addresses are cut off.
    fn claim<'a>(self, addresses: &mut Cursor<'a>) -> Option<Claim<'a>> {
        match self {
            Family::Unspec => Some(Claim::Unknown),
            Family::Inet(transport) => inet::<4>(transport, addresses),
            Family::Inet6(transport) => inet::<16>(transport, addresses),
            Family::Unix(transport) => Some(Claim::Unix {
                transport,
                source: UnixAddress::read(addresses.take(unix::BYTES)?),
                destination: UnixAddress::read(addresses.take(unix::BYTES)?),
            }),
        }
    }
}

fn inet<const N: usize>(transport: Transport, addresses: &mut Cursor<'_>) -> Option<Claim<'static>>
where
    IpAddr: From<[u8; N]>,
{
    let source = IpAddr::from(addresses.array::<N>()?);
    let destination = IpAddr::from(addresses.array::<N>()?);
    Some(Claim::Inet {
        transport,
        source: SocketAddr::new(source, addresses.u16()?),
        destination: SocketAddr::new(destination, addresses.u16()?),
    })
}

/// What the fixed part says besides the length.
#[derive(Clone, Copy)]
enum Command {
    /// The family is ignored. TLVs are read only behind a family octet of zero, as senders write it: behind any other nobody
    /// knows whether addresses stand there, and the text has the block discarded.
    Local {
        has_tlvs: bool,
    },
    Proxy(Family),
}

impl Command {
    fn read(command: u8, family: u8) -> Result<Self, ProxyFault> {
        match command {
            LOCAL => Ok(Command::Local {
                has_tlvs: family == 0,
            }),
            PROXY => Family::read(family).map(Command::Proxy),
            _ => Err(ProxyFault::V2Command),
        }
    }

    fn address_bytes(self) -> usize {
        match self {
            Command::Local { .. } => 0,
            Command::Proxy(family) => family.address_bytes(),
        }
    }
}

pub(super) fn read(bytes: &[u8]) -> Result<Reading<'_>, ProxyFault> {
    if !SIGNATURE
        .iter()
        .zip(bytes)
        .all(|(wanted, got)| wanted == got)
    {
        return Err(ProxyFault::NotProxy);
    }
    if let Some(octet) = bytes.get(SIGNATURE.len()) {
        match *octet {
            LOCAL | PROXY => {}
            octet if octet >> 4 == LOCAL >> 4 => return Err(ProxyFault::V2Command),
            _ => return Err(ProxyFault::V2Version),
        }
    }
    let [.., command, family, high, low] = match bytes.first_chunk::<FIXED>() {
        Some(fixed) => *fixed,
        None => return Ok(Reading::More { at_least: FIXED }),
    };
    let command = Command::read(command, family)?;
    let length = FIXED + usize::from(u16::from_be_bytes([high, low]));
    if length > V2_BYTES {
        return Err(ProxyFault::V2TooLong);
    }
    if length < FIXED + command.address_bytes() {
        return Err(ProxyFault::V2AddressesCut);
    }
    let Some(whole) = bytes.get(..length) else {
        return Ok(Reading::More { at_least: length });
    };
    let mut rest = Cursor(whole.get(FIXED..).unwrap_or_default());
    let claim = match command {
        Command::Local { has_tlvs } => {
            if !has_tlvs {
                rest = Cursor(&[]);
            }
            Claim::Local
        }
        Command::Proxy(family) => family.claim(&mut rest).ok_or(ProxyFault::V2AddressesCut)?,
    };
    Ok(Reading::Header(Header {
        length,
        version: Version::V2,
        claim,
        details: tlv::read(whole, rest.0)?,
        tlvs: rest.0,
    }))
}
