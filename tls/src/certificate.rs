//! What a certificate says of itself: times, names, whether it is an authority (RFC 5280). Bytes of attackers: `None` for what cannot be
//! read, never a panic.
//!
//! Not a judgement: signatures, chains and names are verified by webpki (`verify`); this is what is shown and compared afterwards.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::civil;
use crate::der::{self, Reader};

/// The readable part of one certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate {
    /// In hexadecimal, upper case, without leading zeros.
    pub serial: String,
    /// As RFC 4514 writes it: `CN=edge,O=Example`.
    pub subject: String,
    /// The same of who signed it.
    pub issuer: String,
    /// Unix time in seconds.
    pub not_before: u64,
    /// Unix time in seconds: valid up to and with this second.
    pub not_after: u64,
    /// DNS names of the subject alternative name, as they stand there; wildcards too.
    pub dns: Vec<String>,
    /// URIs of it.
    pub uris: Vec<String>,
    /// IP addresses of it.
    pub ips: Vec<IpAddr>,
    /// basicConstraints say that it may sign others.
    pub is_authority: bool,
}

/// More names than anyone needs; what is behind them is not read (a certificate has at most 64 KiB anyway).
const NAMES: usize = 1_000;

impl Certificate {
    /// Reads DER.
    pub fn read(der: &[u8]) -> Option<Certificate> {
        let mut outer = Reader::new(der);
        let mut certificate = outer.enter(der::SEQUENCE)?;
        if !outer.is_empty() {
            return None;
        }
        let mut tbs = certificate.enter(der::SEQUENCE)?;
        // version [0], absent in version 1
        tbs.optional(0xa0)?;
        let serial = hexadecimal(tbs.expect(der::INTEGER)?);
        tbs.expect(der::SEQUENCE)?;
        let issuer = name(tbs.expect(der::SEQUENCE)?)?;
        let mut validity = tbs.enter(der::SEQUENCE)?;
        let not_before = time(&mut validity)?;
        let not_after = time(&mut validity)?;
        let subject = name(tbs.expect(der::SEQUENCE)?)?;
        // subjectPublicKeyInfo, issuerUniqueID [1], subjectUniqueID [2]
        tbs.expect(der::SEQUENCE)?;
        tbs.optional(0x81)?;
        tbs.optional(0x82)?;
        let mut read = Certificate {
            serial,
            subject,
            issuer,
            not_before,
            not_after,
            dns: Vec::new(),
            uris: Vec::new(),
            ips: Vec::new(),
            is_authority: false,
        };
        if let Some(extensions) = tbs.optional(0xa3)? {
            read.extensions(Reader::new(extensions).enter(der::SEQUENCE)?)?;
        }
        tbs.is_empty().then_some(read)
    }

    fn extensions(&mut self, mut list: Reader<'_>) -> Option<()> {
        let mut has_names = false;
        while !list.is_empty() {
            let mut extension = list.enter(der::SEQUENCE)?;
            let id = extension.expect(der::OID)?;
            extension.optional(der::BOOLEAN)?;
            let value = extension.expect(der::OCTET_STRING)?;
            match id {
                // subjectAltName 2.5.29.17; twice would be two opinions on who this is
                [0x55, 0x1d, 0x11] if has_names => return None,
                [0x55, 0x1d, 0x11] => {
                    has_names = true;
                    self.names(Reader::new(value).enter(der::SEQUENCE)?)?;
                }
                // basicConstraints 2.5.29.19
                [0x55, 0x1d, 0x13] => {
                    let mut constraints = Reader::new(value).enter(der::SEQUENCE)?;
                    let authority = constraints.optional(der::BOOLEAN)?;
                    self.is_authority = authority.is_some_and(|value| value == [0xff]);
                }
                _ => {}
            }
        }
        Some(())
    }

    fn names(&mut self, mut list: Reader<'_>) -> Option<()> {
        let mut left = NAMES;
        while !list.is_empty() && left > 0 {
            left -= 1;
            let (tag, value) = list.value()?;
            match tag {
                0x82 => self.dns.push(ascii(value)?),
                0x86 => self.uris.push(ascii(value)?),
                0x87 => self.ips.extend(address(value)),
                _ => {}
            }
        }
        Some(())
    }

    /// Is this second within its time?
    pub fn is_valid_at(&self, now: u64) -> bool {
        self.not_before <= now && now <= self.not_after
    }
}

/// IA5String without control characters: a name with a NUL or a line end in it is an attack on whoever prints or compares it.
fn ascii(value: &[u8]) -> Option<String> {
    let printable = value.iter().all(|byte| (0x21..0x7f).contains(byte));
    (printable && !value.is_empty()).then(|| value.iter().map(|&byte| char::from(byte)).collect())
}

fn address(value: &[u8]) -> Option<IpAddr> {
    if let Ok(four) = <[u8; 4]>::try_from(value) {
        return Some(Ipv4Addr::from(four).into());
    }
    <[u8; 16]>::try_from(value)
        .ok()
        .map(|sixteen| Ipv6Addr::from(sixteen).into())
}

fn hexadecimal(bytes: &[u8]) -> String {
    let start = bytes
        .iter()
        .position(|&byte| byte != 0)
        .unwrap_or(bytes.len());
    bytes[start..]
        .iter()
        .map(|byte| format!("{byte:02X}"))
        .collect()
}

/// UTCTime or GeneralizedTime as RFC 5280 4.1.2.5 allows them: with seconds, in UTC.
fn time(validity: &mut Reader<'_>) -> Option<u64> {
    let (tag, text) = validity.value()?;
    let (year, rest) = match tag {
        der::UTC_TIME => {
            let short = digits(text.get(..2)?)?;
            (if short < 50 { 2000 } else { 1900 } + short, &text[2..])
        }
        der::GENERALIZED_TIME => (digits(text.get(..4)?)?, &text[4..]),
        _ => return None,
    };
    let [month, day, hour, minute, second] = match rest {
        [rest @ .., b'Z'] if rest.len() == 10 => {
            let mut parts = [0; 5];
            for (part, two) in parts.iter_mut().zip(rest.chunks(2)) {
                *part = digits(two)?;
            }
            parts
        }
        _ => return None,
    };
    civil::seconds(year, month, day, hour, minute, second)
}

fn digits(text: &[u8]) -> Option<u64> {
    text.iter().try_fold(0, |number, byte| {
        byte.is_ascii_digit()
            .then(|| number * 10 + u64::from(byte - b'0'))
    })
}

/// A distinguished name as text, the most specific part first (RFC 4514 2.1).
fn name(sequence: &[u8]) -> Option<String> {
    let mut parts = Vec::new();
    let mut list = Reader::new(sequence);
    while !list.is_empty() {
        let mut set = list.enter(der::SET)?;
        let mut several = Vec::new();
        while !set.is_empty() {
            let mut pair = set.enter(der::SEQUENCE)?;
            let id = pair.expect(der::OID)?;
            let (tag, value) = pair.value()?;
            several.push(format!("{}={}", attribute(id), escaped(&text(tag, value)?)));
        }
        parts.push(several.join("+"));
    }
    parts.reverse();
    Some(parts.join(","))
}

/// The short names of RFC 4514 3 and what else is usual; numbers for the rest.
fn attribute(id: &[u8]) -> String {
    let name = match id {
        [0x55, 0x04, 0x03] => "CN",
        [0x55, 0x04, 0x05] => "serialNumber",
        [0x55, 0x04, 0x06] => "C",
        [0x55, 0x04, 0x07] => "L",
        [0x55, 0x04, 0x08] => "ST",
        [0x55, 0x04, 0x09] => "STREET",
        [0x55, 0x04, 0x0a] => "O",
        [0x55, 0x04, 0x0b] => "OU",
        [0x09, 0x92, 0x26, 0x89, 0x93, 0xf2, 0x2c, 0x64, 0x01, 0x19] => "DC",
        [0x09, 0x92, 0x26, 0x89, 0x93, 0xf2, 0x2c, 0x64, 0x01, 0x01] => "UID",
        [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x01] => "emailAddress",
        _ => return format!("oid.{}", hexadecimal(id)),
    };
    name.to_owned()
}

/// UTF8String, the ASCII ones, and the two old ones by code point.
fn text(tag: u8, value: &[u8]) -> Option<String> {
    match tag {
        0x0c => std::str::from_utf8(value).ok().map(str::to_owned),
        0x12 | 0x13 | 0x14 | 0x16 => Some(value.iter().map(|&byte| char::from(byte)).collect()),
        0x1e => {
            let units: Vec<u16> = value
                .chunks(2)
                .map(|two| match *two {
                    [high, low] => Some(u16::from_be_bytes([high, low])),
                    _ => None,
                })
                .collect::<Option<_>>()?;
            String::from_utf16(&units).ok()
        }
        _ => Some(format!("#{}", hexadecimal(value))),
    }
}

/// Escapes what RFC 4514 2.4 wants escaped, and all that could end or colour a line of a log.
fn escaped(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    for (at, character) in value.char_indices() {
        match character {
            '"' | '+' | ',' | ';' | '<' | '>' | '\\' => out.extend(['\\', character]),
            ' ' | '#' if at == 0 => out.extend(['\\', character]),
            _ if character.is_control() => {
                let mut bytes = [0; 4];
                for byte in character.encode_utf8(&mut bytes).bytes() {
                    out.push_str(&format!("\\{byte:02X}"));
                }
            }
            _ => out.push(character),
        }
    }
    out
}
