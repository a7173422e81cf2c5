//! Numbers with a prefix of some bits (RFC 7541 section 5.1).
//!
//! Not here: what a number says.

use super::HpackFault;
use crate::cursor::Cursor;

/// Read the number whose prefix are the lowest `prefix` bits of `first`, at most seven. More than four octets behind it are a fault: what is below
/// 2^28 says any length that a block may have.
#[inline]
pub(super) fn read(first: u8, prefix: u32, rest: &mut Cursor<'_>) -> Result<usize, HpackFault> {
    let mask = (1 << prefix) - 1;
    let begun = first & mask;
    if begun < mask {
        return Ok(begun.into());
    }
    let mut number = usize::from(mask);
    for shift in [0, 7, 14, 21] {
        let octet = rest.u8().ok_or(HpackFault::Truncated)?;
        number += usize::from(octet & 0x7f) << shift;
        if octet & 0x80 == 0 {
            return Ok(number);
        }
    }
    Err(HpackFault::Integer)
}

/// Append a number behind the bits of `first` above its prefix.
#[inline]
pub(super) fn write(number: usize, first: u8, prefix: u32, out: &mut Vec<u8>) {
    let mask = (1_usize << prefix) - 1;
    if number < mask {
        out.push(first | number as u8);
        return;
    }
    out.push(first | mask as u8);
    let mut left = number - mask;
    while left >= 0x80 {
        out.push(left as u8 | 0x80);
        left >>= 7;
    }
    out.push(left as u8);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_all(octets: &[u8], prefix: u32) -> Result<usize, HpackFault> {
        let (first, rest) = octets.split_first().expect("a first octet");
        let mut rest = Cursor(rest);
        let number = read(*first, prefix, &mut rest)?;
        assert!(rest.is_empty());
        Ok(number)
    }

    #[test]
    fn the_examples_of_appendix_c_1() {
        let table: &[(usize, u8, u32, &[u8])] = &[
            (10, 0xe0, 5, &[0xea]),
            (1337, 0xe0, 5, &[0xff, 0x9a, 0x0a]),
            (42, 0, 7, &[0x2a]),
        ];
        for (number, first, prefix, octets) in table {
            let mut out = Vec::new();
            write(*number, *first, *prefix, &mut out);
            assert_eq!(out, *octets);
            assert_eq!(read_all(octets, *prefix), Ok(*number));
        }
    }

    #[test]
    fn what_is_written_is_read() {
        for prefix in 4..=7 {
            for number in (0..70_000).chain([(1 << 28) - 1, 1 << 28]) {
                let mut out = Vec::new();
                write(number, 0, prefix, &mut out);
                assert_eq!(read_all(&out, prefix), Ok(number));
            }
        }
    }

    #[test]
    fn a_number_has_an_end() {
        use HpackFault::{Integer, Truncated};
        let table: &[(&[u8], HpackFault)] = &[
            (&[0x7f], Truncated),
            (&[0x7f, 0x80], Truncated),
            (&[0x7f, 0xff, 0xff, 0xff], Truncated),
            (&[0x7f, 0xff, 0xff, 0xff, 0xff], Integer),
            (&[0x7f, 0x80, 0x80, 0x80, 0x80, 0], Integer),
            (
                &[
                    0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f,
                ],
                Integer,
            ),
        ];
        for (octets, fault) in table {
            assert_eq!(read_all(octets, 7), Err(*fault), "{octets:x?}");
        }
    }
}
