//! From records to the handshake message (RFC 8446 section 5.1).
//!
//! Not here: what the message says.

use super::HelloFault;

/// A ClientHello may be split over so many records. Clients use one; tools that hide the name from observers use a few. Without a
/// bound a client could send a record per octet and have us walk over all of them with each.
pub const RECORDS: usize = 64;

const HANDSHAKE: u8 = 22;
const CLIENT_HELLO: u8 = 1;
/// Type, version, length.
const RECORD_HEADER: usize = 5;
/// Type and length of a handshake message.
const MESSAGE_HEADER: usize = 4;
/// The most that a record may hold in plain text.
const FRAGMENT: usize = 1 << 14;

/// With so many bytes `read` has an answer, whatever they are: the size for a buffer.
pub const fn bytes_at_most(limit: usize) -> usize {
    limit + RECORDS * RECORD_HEADER
}

/// Where the message is.
pub(super) enum Found<'a> {
    More { at_least: usize },
    InOne(&'a [u8]),
    Split { length: usize },
}

/// One record, as far as it has come.
struct Record<'a> {
    fragment: &'a [u8],
    /// Where it ends.
    end: usize,
}

/// The record at `at`; `None` while its header is not complete. What has come of the header is judged.
fn record(bytes: &[u8], at: usize) -> Result<Option<Record<'_>>, HelloFault> {
    let rest = bytes.get(at..).unwrap_or_default();
    match rest {
        [kind, ..] if *kind != HANDSHAKE => return Err(HelloFault::RecordType),
        [_, major, ..] if *major != 3 => return Err(HelloFault::RecordVersion),
        _ => {}
    }
    let Some(([_, _, _, high, low], behind)) = rest.split_first_chunk::<RECORD_HEADER>() else {
        return Ok(None);
    };
    let length = usize::from(u16::from_be_bytes([*high, *low]));
    if length == 0 {
        return Err(HelloFault::RecordEmpty);
    }
    if length > FRAGMENT {
        return Err(HelloFault::RecordTooLong);
    }
    Ok(Some(Record {
        fragment: behind.get(..length).unwrap_or(behind),
        end: at + RECORD_HEADER + length,
    }))
}

/// The first octets of the message, and how many of it there are.
#[derive(Default)]
struct Start {
    octets: [u8; MESSAGE_HEADER],
    come: usize,
}

impl Start {
    fn add(&mut self, fragment: &[u8], limit: usize) -> Result<(), HelloFault> {
        let missing = self.octets.get_mut(self.come..).unwrap_or_default();
        for (place, octet) in missing.iter_mut().zip(fragment) {
            *place = *octet;
        }
        self.come += fragment.len();
        if self.come > 0 && self.octets[0] != CLIENT_HELLO {
            return Err(HelloFault::NotClientHello);
        }
        match self.length() {
            Some(length) if length > limit => Err(HelloFault::TooLarge),
            _ => Ok(()),
        }
    }

    /// Of the whole message with its header.
    fn length(&self) -> Option<usize> {
        let [_, high, middle, low] = self.octets;
        let length = u32::from_be_bytes([0, high, middle, low]) as usize;
        (self.come >= MESSAGE_HEADER).then_some(MESSAGE_HEADER + length)
    }

    /// How much of the message must still come, as far as that is known.
    fn missing(&self) -> usize {
        let wanted = self.length().unwrap_or(MESSAGE_HEADER);
        wanted.saturating_sub(self.come)
    }
}

pub(super) fn find(bytes: &[u8], limit: usize) -> Result<Found<'_>, HelloFault> {
    let mut start = Start::default();
    let mut at = 0;
    for number in 0..RECORDS {
        let Some(record) = record(bytes, at)? else {
            let at_least = at + RECORD_HEADER + 1;
            return Ok(Found::More { at_least });
        };
        start.add(record.fragment, limit)?;
        if start.missing() == 0 {
            let length = start.length().unwrap_or_default();
            let message = record.fragment.get(..length).filter(|_| number == 0);
            return Ok(message.map_or(Found::Split { length }, Found::InOne));
        }
        if bytes.len() < record.end {
            let at_least = record.end.min(bytes.len() + start.missing());
            return Ok(Found::More { at_least });
        }
        at = record.end;
    }
    Err(HelloFault::TooManyRecords)
}

/// Put the message together; `find` has judged its records and knows its length.
pub(super) fn join(bytes: &[u8], length: usize, message: &mut Vec<u8>) {
    message.clear();
    message.reserve(length);
    let mut at = 0;
    while message.len() < length {
        let Ok(Some(record)) = record(bytes, at) else {
            return;
        };
        let missing = length - message.len();
        let part = record.fragment.get(..missing).unwrap_or(record.fragment);
        message.extend_from_slice(part);
        at = record.end;
    }
}
