//! Type-length-value behind the addresses of version 2 (sections 2.2 to 2.2.5).
//!
//! Not here: what stands within `SSL` (`ssl`).

use super::crc32c::crc32c;
use super::{Details, ProxyFault, Ssl, UNIQUE_ID_BYTES};
use crate::cursor::Cursor;

pub(super) const ALPN: u8 = 0x01;
pub(super) const AUTHORITY: u8 = 0x02;
pub(super) const CRC32C: u8 = 0x03;
pub(super) const UNIQUE_ID: u8 = 0x05;
pub(super) const SSL: u8 = 0x20;

/// One TLV, its value as it stands there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tlv<'a> {
    /// E.g. 0x01 for `ALPN`.
    pub kind: u8,
    /// Up to 64 KiB by its form, less by the header's limit.
    pub value: &'a [u8],
}

/// TLVs in their order. Ends at the end, or before one that is cut off; `is_cut` tells which.
#[derive(Clone)]
pub struct Tlvs<'a> {
    rest: Cursor<'a>,
}

impl<'a> Tlvs<'a> {
    pub(super) fn new(block: &'a [u8]) -> Self {
        Tlvs {
            rest: Cursor(block),
        }
    }

    /// After the last one: did bytes remain?
    pub(super) fn is_cut(&self) -> bool {
        !self.rest.is_empty()
    }
}

impl<'a> Iterator for Tlvs<'a> {
    type Item = Tlv<'a>;

    fn next(&mut self) -> Option<Tlv<'a>> {
        let mut ahead = self.rest;
        let tlv = Tlv {
            kind: ahead.u8()?,
            value: ahead.long_field()?,
        };
        self.rest = ahead;
        Some(tlv)
    }
}

/// Fill a place that may be filled once.
pub(super) fn once<T, F>(place: &mut Option<T>, value: T, repeated: F) -> Result<(), F> {
    match place.replace(value) {
        None => Ok(()),
        Some(_) => Err(repeated),
    }
}

/// `whole` is the header, `block` its end from the first TLV on. `NOOP` and all that we do not know is skipped.
pub(super) fn read<'a>(whole: &[u8], block: &'a [u8]) -> Result<Details<'a>, ProxyFault> {
    let mut details = Details::default();
    let mut checksum = None;
    let mut tlvs = Tlvs::new(block);
    while let Some(Tlv { kind, value }) = tlvs.next() {
        let twice = ProxyFault::TlvRepeated;
        match kind {
            ALPN => once(&mut details.alpn, value, twice)?,
            AUTHORITY => once(&mut details.authority, authority(value)?, twice)?,
            CRC32C => {
                let said = <[u8; 4]>::try_from(value).map_err(|_| ProxyFault::Crc32cLength)?;
                let behind = tlvs.rest.0.len();
                once(&mut checksum, (u32::from_be_bytes(said), behind), twice)?;
            }
            UNIQUE_ID if value.len() > UNIQUE_ID_BYTES => return Err(ProxyFault::UniqueIdTooLong),
            UNIQUE_ID => once(&mut details.unique_id, value, twice)?,
            SSL => once(&mut details.ssl, Ssl::read(value)?, twice)?,
            _ => {}
        }
    }
    if tlvs.is_cut() {
        return Err(ProxyFault::TlvCut);
    }
    match checksum {
        Some((said, behind)) if said != computed(whole, behind) => Err(ProxyFault::Crc32cMismatch),
        _ => Ok(details),
    }
}

/// The checksum of a header whose checksum field, taken as zero, has `behind` bytes behind it.
pub(super) fn computed(whole: &[u8], behind: usize) -> u32 {
    let (upto, behind) = whole.split_at(whole.len().saturating_sub(behind));
    let before = upto
        .split_last_chunk::<4>()
        .map_or(upto, |(before, _)| before);
    crc32c(&[before, &[0; 4], behind])
}

fn authority(value: &[u8]) -> Result<&str, ProxyFault> {
    let text = std::str::from_utf8(value).map_err(|_| ProxyFault::AuthorityText)?;
    if is_plain(text) {
        Ok(text)
    } else {
        Err(ProxyFault::AuthorityText)
    }
}

/// It goes to logs and is compared with routes: no control characters.
pub(super) fn is_plain(text: &str) -> bool {
    !text.chars().any(char::is_control)
}
