//! Fields of HTTP/2 on their way into lines of HTTP/1.1, and which of those lines go back into HTTP/2.
//!
//! Not here: pseudo-fields.

use super::HeadFault;
use crate::http1::head::{FieldTable, imitates_known, put_field};
use crate::http1::{Known, decimal, is_ows, is_text, may_trail, token_table};

/// A field name as HTTP/2 has it: a token without capitals.
const NAME: u8 = 1;
/// It may be taken for `-` by whoever reads it behind us.
const UNDERSCORE: u8 = 2;

/// What each octet of a name is.
static CLASSES: [u8; 256] = {
    let tokens = token_table();
    let mut classes = [0; 256];
    let mut octet = 0;
    while octet < 256 {
        if tokens[octet] && !(octet as u8).is_ascii_uppercase() {
            classes[octet] = NAME;
        }
        octet += 1;
    }
    classes[b'_' as usize] |= UNDERSCORE;
    classes
};

/// Of all octets of a name: what each is, and what any is.
#[inline]
fn classes_of(name: &[u8]) -> (u8, u8) {
    // Most names have no more than sixteen octets, and are of letters.
    if let (8..=16, Some(first), Some(last)) = (name.len(), name.first_chunk(), name.last_chunk())
        && are_usual(*first)
        && are_usual(*last)
    {
        return (NAME, 0);
    }
    let classes = name.iter().map(|octet| CLASSES[usize::from(*octet)]);
    let all = if name.is_empty() { 0 } else { NAME };
    classes.fold((all, 0), |(all, any), class| (all & class, any | class))
}

/// All eight are small letters or `-`.
#[inline]
fn are_usual(octets: [u8; 8]) -> bool {
    const ONES: u64 = u64::MAX / 255;
    const TOPS: u64 = ONES << 7;
    let word = u64::from_le_bytes(octets);
    // As long as no octet has its top bit, none of these sums reaches into the next one.
    let from_a = word.wrapping_add(ONES * u64::from(0x80 - b'a'));
    let behind_z = word.wrapping_add(ONES * u64::from(0x80 - b'z' - 1));
    let no_dash = (word ^ (ONES * u64::from(b'-'))).wrapping_add(ONES * 0x7f);
    let usual = (from_a & !behind_z) | !no_dash;
    usual & !word & TOPS == TOPS
}

/// A field value without control octets and without white space at its ends.
#[inline]
pub(super) fn is_value(value: &[u8]) -> bool {
    let (Some(first), Some(last)) = (value.first(), value.last()) else {
        return true;
    };
    !is_ows(*first) && !is_ows(*last) && is_text(value)
}

/// Belongs to one connection of HTTP/1.1, and makes a head malformed (RFC 9113 section 8.2.2). TE is judged by its value.
pub(super) fn is_of_connection(known: Known) -> bool {
    matches!(
        known,
        Known::Connection
            | Known::KeepAlive
            | Known::ProxyConnection
            | Known::TransferEncoding
            | Known::Upgrade
    )
}

/// What shows when a field is checked.
#[derive(Debug, Clone, Copy)]
pub(super) struct Checked {
    pub(super) known: Known,
    /// See `http1`.
    pub(super) imitates: bool,
}

impl Checked {
    /// Write it behind `out`.
    #[inline]
    pub(super) fn write(
        self,
        table: &mut FieldTable,
        out: &mut Vec<u8>,
        name: &[u8],
        value: &[u8],
    ) {
        table.write(out, self.known, name, value);
        if self.imitates {
            table.mark_imitation();
        }
    }
}

/// Name and value may stand in a line.
#[inline]
pub(super) fn checked(name: &[u8], value: &[u8]) -> Result<Checked, HeadFault> {
    let (all, any) = classes_of(name);
    if all != NAME {
        return Err(HeadFault::FieldName);
    }
    let known = Known::of(name);
    if !is_value(value) {
        return Err(HeadFault::FieldValue);
    }
    if is_of_connection(known) {
        return Err(HeadFault::ConnectionField);
    }
    Ok(Checked {
        known,
        imitates: any & UNDERSCORE != 0 && known == Known::Other && imitates_known(name),
    })
}

/// Whether all of these may stand in a head. Whoever writes one finds out as well.
pub fn are_fields<'a>(mut fields: impl Iterator<Item = (&'a [u8], &'a [u8])>) -> bool {
    fields.all(|(name, value)| checked(name, value).is_ok())
}

/// The number that a Content-Length says; the reader of HTTP/1.1 judges one that is none.
pub(super) fn announces_body(value: &[u8]) -> bool {
    decimal(value).is_none_or(|length| length > 0)
}

/// Append the trailer fields that may be passed on as lines of HTTP/1.1, without the empty line. A fault ends the message: a trailer section
/// that cannot be passed on must not look like a message without one.
pub fn write_trailers<'a>(
    out: &mut Vec<u8>,
    fields: impl Iterator<Item = (&'a [u8], &'a [u8])>,
) -> Result<(), HeadFault> {
    let mark = out.len();
    for (name, value) in fields {
        match checked(name, value) {
            Ok(_) if may_trail(name) => put_field(out, name, value),
            Ok(_) => {}
            Err(fault) => {
                out.truncate(mark);
                return Err(fault);
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_judged_the_same_whatever_their_length() {
        for length in 1..20 {
            for at in 0..length {
                for octet in 0..=255 {
                    let mut name = vec![b"az-"[at % 3]; length];
                    name[at] = octet;
                    let class = CLASSES[usize::from(octet)];
                    let expected = (class & NAME, NAME | class);
                    let (all, any) = classes_of(&name);
                    assert_eq!(all, expected.0, "{octet} {at} {length}");
                    assert_eq!(
                        any & UNDERSCORE,
                        expected.1 & UNDERSCORE,
                        "{octet} {at} {length}"
                    );
                }
            }
        }
    }

    #[test]
    fn eight_letters_are_usual_alone_and_beside_others() {
        for octet in 0..=255_u8 {
            for at in 0..8 {
                for other in [b'a', b'z', b'-'] {
                    let mut octets = [other; 8];
                    octets[at] = octet;
                    let usual = octet.is_ascii_lowercase() || octet == b'-';
                    assert_eq!(are_usual(octets), usual, "{octet} at {at} beside {other}");
                }
            }
        }
    }
}
