//! Writing headers. What is written is read back as the same claim (but for `Unknown`, see `write_v2`) and the same details.
//!
//! Not here: when to send one (first on the connection, in one piece with what follows).

use std::fmt;
use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::v2::{FIXED, LOCAL, PROXY, SIGNATURE};
use super::{Claim, Details, Ssl, Transport, UNIQUE_ID_BYTES, V2_BYTES, WriteFault, tlv};

/// Whether a header of version 2 gets a CRC32C.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Checksum {
    /// Seven bytes and a pass over the header.
    Crc32c,
    /// TCP has its own.
    None,
}

/// Both addresses in one family.
enum Pair {
    V4(Ipv4Addr, Ipv4Addr),
    V6(Ipv6Addr, Ipv6Addr),
}

impl Pair {
    /// Addresses of dual-stack sockets (`::ffff:192.0.2.1`) are IPv4. Where only one is, it is written in IPv6, as no header has
    /// two families.
    fn new(source: SocketAddr, destination: SocketAddr) -> Self {
        let wide = |address: IpAddr| match address {
            IpAddr::V4(address) => address.to_ipv6_mapped(),
            IpAddr::V6(address) => address,
        };
        match (source.ip().to_canonical(), destination.ip().to_canonical()) {
            (IpAddr::V4(source), IpAddr::V4(destination)) => Pair::V4(source, destination),
            (source, destination) => Pair::V6(wide(source), wide(destination)),
        }
    }
}

/// Append a line of version 1. It has words for TCP alone; any other claim is `UNKNOWN`.
pub fn write_v1(out: &mut Vec<u8>, claim: &Claim<'_>) {
    let written = match *claim {
        Claim::Inet {
            transport: Transport::Stream,
            source,
            destination,
        } => {
            let (from, to) = (source.port(), destination.port());
            match Pair::new(source, destination) {
                Pair::V4(source, destination) => {
                    write!(out, "PROXY TCP4 {source} {destination} {from} {to}\r\n")
                }
                Pair::V6(source, destination) => {
                    let (source, destination) = (Groups(source), Groups(destination));
                    write!(out, "PROXY TCP6 {source} {destination} {from} {to}\r\n")
                }
            }
        }
        _ => out.write_all(b"PROXY UNKNOWN\r\n"),
    };
    written.expect("a Vec takes whatever is written");
}

/// An IPv6 address in groups of hexadecimal digits alone, as the text has it; std writes `::ffff:192.0.2.1`.
struct Groups(Ipv6Addr);

impl fmt::Display for Groups {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.0.to_ipv4_mapped(), self.0.segments()) {
            (Some(_), [.., high, low]) => write!(f, "::ffff:{high:x}:{low:x}"),
            (None, _) => self.0.fmt(f),
        }
    }
}

/// Append a header of version 2. After a fault `out` is as it was.
///
/// `Unknown` is written as `LOCAL`, which has the receiver use the addresses of the socket just the same: HAProxy writes it so, and
/// refuses PROXY with UNSPEC (tried with 2.6). It refuses addresses of datagram and Unix sockets as well; those are written as they
/// are.
pub fn write_v2(
    out: &mut Vec<u8>,
    claim: &Claim<'_>,
    details: &Details<'_>,
    checksum: Checksum,
) -> Result<(), WriteFault> {
    let start = out.len();
    let written = put_header(out, claim, details, checksum);
    if written.is_err() {
        out.truncate(start);
    }
    written
}

fn put_header(
    out: &mut Vec<u8>,
    claim: &Claim<'_>,
    details: &Details<'_>,
    checksum: Checksum,
) -> Result<(), WriteFault> {
    let start = out.len();
    out.extend_from_slice(SIGNATURE);
    put_claim(out, claim)?;
    put_details(out, details)?;
    if checksum == Checksum::Crc32c {
        put_tlv(out, tlv::CRC32C, &[0; 4])?;
    }
    let header = out.get_mut(start..).unwrap_or_default();
    if header.len() > V2_BYTES {
        return Err(WriteFault::TooLong);
    }
    put_length(header, FIXED - 2, header.len() - FIXED)?;
    if checksum == Checksum::Crc32c {
        let computed = tlv::computed(header, 0);
        if let Some(field) = header.last_chunk_mut::<4>() {
            *field = computed.to_be_bytes();
        }
    }
    Ok(())
}

/// Command, family, a place for the length, and the addresses.
fn put_claim(out: &mut Vec<u8>, claim: &Claim<'_>) -> Result<(), WriteFault> {
    match *claim {
        Claim::Local | Claim::Unknown => out.extend([LOCAL, 0, 0, 0]),
        Claim::Inet {
            transport,
            source,
            destination,
        } => {
            match Pair::new(source, destination) {
                Pair::V4(source, destination) => {
                    out.extend([PROXY, 0x10 | half(transport), 0, 0]);
                    out.extend(source.octets());
                    out.extend(destination.octets());
                }
                Pair::V6(source, destination) => {
                    out.extend([PROXY, 0x20 | half(transport), 0, 0]);
                    out.extend(source.octets());
                    out.extend(destination.octets());
                }
            }
            out.extend(source.port().to_be_bytes());
            out.extend(destination.port().to_be_bytes());
        }
        Claim::Unix {
            transport,
            source,
            destination,
        } => {
            out.extend([PROXY, 0x30 | half(transport), 0, 0]);
            for address in [source, destination] {
                out.extend(address.block().ok_or(WriteFault::UnixPath)?);
            }
        }
    }
    Ok(())
}

fn half(transport: Transport) -> u8 {
    match transport {
        Transport::Stream => 1,
        Transport::Datagram => 2,
    }
}

fn put_details(out: &mut Vec<u8>, details: &Details<'_>) -> Result<(), WriteFault> {
    if let Some(alpn) = details.alpn {
        put_tlv(out, tlv::ALPN, alpn)?;
    }
    if let Some(authority) = details.authority {
        if !tlv::is_plain(authority) {
            return Err(WriteFault::AuthorityText);
        }
        put_tlv(out, tlv::AUTHORITY, authority.as_bytes())?;
    }
    if let Some(id) = details.unique_id {
        if id.len() > UNIQUE_ID_BYTES {
            return Err(WriteFault::UniqueIdTooLong);
        }
        put_tlv(out, tlv::UNIQUE_ID, id)?;
    }
    match &details.ssl {
        Some(ssl) => put_ssl(out, ssl),
        None => Ok(()),
    }
}

fn put_ssl(out: &mut Vec<u8>, ssl: &Ssl<'_>) -> Result<(), WriteFault> {
    let start = out.len();
    out.extend([tlv::SSL, 0, 0, ssl.client]);
    out.extend(ssl.verify.to_be_bytes());
    for inner in ssl.tlvs() {
        put_tlv(out, inner.kind, inner.value)?;
    }
    let all = out.get_mut(start..).unwrap_or_default();
    put_length(all, 1, all.len() - 3)
}

fn put_tlv(out: &mut Vec<u8>, kind: u8, value: &[u8]) -> Result<(), WriteFault> {
    let length = u16::try_from(value.len()).map_err(|_| WriteFault::TooLong)?;
    out.push(kind);
    out.extend(length.to_be_bytes());
    out.extend_from_slice(value);
    Ok(())
}

/// Put a length into the two octets at `at`.
fn put_length(bytes: &mut [u8], at: usize, length: usize) -> Result<(), WriteFault> {
    let length = u16::try_from(length).map_err(|_| WriteFault::TooLong)?;
    if let Some(field) = bytes.get_mut(at..at + 2) {
        field.copy_from_slice(&length.to_be_bytes());
    }
    Ok(())
}
