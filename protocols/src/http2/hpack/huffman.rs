//! The Huffman code of RFC 7541 Appendix B. It is a canonical one: the lengths of its codes say the codes as well.
//!
//! Not here: which strings are encoded by it; the encoder decides.

use super::HpackFault;

/// The length of each octet's code in bits; the last is EOS.
const LENGTHS: [u8; 257] = [
    13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, //
    28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 28, //
    6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6, //
    5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10, //
    13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, //
    7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6, //
    15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5, //
    6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28, //
    20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23, //
    24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24, //
    22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23, //
    21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23, //
    26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25, //
    19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27, //
    20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23, //
    26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26, //
    30,
];
const EOS: u16 = 256;
/// The longest code.
const LONGEST: u32 = 30;
/// Codes of at most so many bits are found at once: all of letters, digits and of what is usual in a path. One bit more would double the table for
/// three signs.
const SHORT_BITS: u32 = 10;

/// A symbol's code and length.
static CODES: [(u32, u8); 257] = codes();
/// By the next bits: the length of the code in the upper octet, its symbol in the lower one. Nothing where the code is longer.
static SHORT: [u16; 1 << SHORT_BITS] = short();
/// The codes of each length, in order of the lengths, and the symbols in order of their codes.
static LONG: [Length; LONGEST as usize + 1] = long();
static SORTED: [u16; 257] = sorted();

/// Codes of one length. As numbers of 32 bits that begin with a code, those below `end` have it or a shorter one.
#[derive(Clone, Copy)]
struct Length {
    begin: u64,
    end: u64,
    /// Where the first symbol stands in the order.
    place: u16,
}

const fn sorted() -> [u16; 257] {
    let mut out = [0; 257];
    let (mut length, mut n) = (0, 0);
    while length as u32 <= LONGEST {
        let mut symbol = 0;
        while symbol < LENGTHS.len() {
            if LENGTHS[symbol] == length {
                out[n] = symbol as u16;
                n += 1;
            }
            symbol += 1;
        }
        length += 1;
    }
    out
}

const fn codes() -> [(u32, u8); 257] {
    let order = sorted();
    let mut out = [(0, 0); 257];
    // The next code, as a number of 32 bits that begins with it.
    let (mut next, mut n) = (0_u64, 0);
    while n < order.len() {
        let symbol = order[n] as usize;
        let length = LENGTHS[symbol];
        out[symbol] = ((next >> (32 - length)) as u32, length);
        next += 1 << (32 - length);
        n += 1;
    }
    // It is complete: each sequence of bits begins with a code.
    assert!(next == 1 << 32);
    out
}

const fn short() -> [u16; 1 << SHORT_BITS] {
    let codes = codes();
    let mut out = [0; 1 << SHORT_BITS];
    let mut symbol = 0;
    while symbol < codes.len() {
        let (code, length) = codes[symbol];
        if length as u32 <= SHORT_BITS {
            let free = SHORT_BITS - length as u32;
            let mut n = 0;
            while n < 1 << free {
                out[((code as usize) << free) + n] = (length as u16) << 8 | symbol as u16;
                n += 1;
            }
        }
        symbol += 1;
    }
    out
}

const fn long() -> [Length; LONGEST as usize + 1] {
    let none = Length {
        begin: 0,
        end: 0,
        place: 0,
    };
    let mut out = [none; LONGEST as usize + 1];
    let (mut begin, mut place, mut length) = (0_u64, 0, 0);
    while length < out.len() {
        let mut count = 0;
        let mut symbol = 0;
        while symbol < LENGTHS.len() {
            count += (LENGTHS[symbol] as usize == length) as u64;
            symbol += 1;
        }
        let end = begin + (count << (32 - length));
        out[length] = Length { begin, end, place };
        begin = end;
        place += count as u16;
        length += 1;
    }
    out
}

/// The symbol that the bits begin with, and the length of its code.
#[inline(always)]
fn next(bits: u64) -> Result<(u8, u32), HpackFault> {
    match SHORT[(bits >> (64 - SHORT_BITS)) as usize] {
        0 => next_long(bits >> 32),
        found => Ok((found as u8, u32::from(found >> 8))),
    }
}

/// Seldom: signs that are hardly in any field.
#[cold]
#[inline(never)]
fn next_long(bits: u64) -> Result<(u8, u32), HpackFault> {
    for length in SHORT_BITS + 1..=LONGEST {
        let codes = LONG[length as usize];
        if bits < codes.end {
            let nth = (bits - codes.begin) >> (32 - length);
            let symbol = SORTED.get(usize::from(codes.place) + nth as usize);
            return match symbol {
                Some(symbol) if *symbol != EOS => Ok((*symbol as u8, length)),
                _ => Err(HpackFault::Eos),
            };
        }
    }
    Err(HpackFault::Eos)
}

/// Append what the octets of a string stand for. A fault leaves `out` with some of it.
pub(super) fn decode(octets: &[u8], out: &mut Vec<u8>) -> Result<(), HpackFault> {
    let mark = out.len();
    // No code has less than five bits.
    out.resize(mark + octets.len() * 8 / 5, 0);
    let written = decode_into(octets, out.get_mut(mark..).unwrap_or_default())?;
    out.truncate(mark + written);
    Ok(())
}

fn decode_into(octets: &[u8], out: &mut [u8]) -> Result<usize, HpackFault> {
    // The bits that come next, from the top; below the `have` ones are zeros.
    let (mut bits, mut have) = (0_u64, 0_u32);
    let (mut rest, mut written) = (octets, 0);
    let mut put = |octet| {
        if let Some(place) = out.get_mut(written) {
            *place = octet;
            written += 1;
        }
    };
    while let Some((four, behind)) = rest.split_first_chunk::<4>() {
        bits |= u64::from(u32::from_be_bytes(*four)) << (32 - have);
        have += 32;
        rest = behind;
        while have >= 32 {
            let (octet, length) = next(bits)?;
            put(octet);
            bits <<= length;
            have -= length;
        }
    }
    for octet in rest {
        bits |= u64::from(*octet) << (56 - have);
        have += 8;
    }
    // Ones alone are padding, or too much of it: no code has none but ones, except EOS.
    while have > 0 && (have >= LONGEST || bits.leading_ones() < have) {
        // Behind the end are ones, so that a code that is not whole comes out as one that is too long, or as EOS.
        match next(bits | u64::MAX >> have) {
            Ok((octet, length)) if length <= have => {
                put(octet);
                bits <<= length;
                have -= length;
            }
            Err(fault) if bits.leading_ones() >= LONGEST => return Err(fault),
            _ => break,
        }
    }
    check_padding(bits, have)?;
    Ok(written)
}

fn check_padding(bits: u64, have: u32) -> Result<(), HpackFault> {
    if bits.leading_ones() != have {
        return Err(HpackFault::PaddingBits);
    }
    match have {
        0..=7 => Ok(()),
        _ => Err(HpackFault::PaddingLength),
    }
}

/// So many octets [`encode`] would append.
pub(super) fn encoded_len(octets: &[u8]) -> usize {
    let bits: usize = octets
        .iter()
        .map(|octet| usize::from(LENGTHS[usize::from(*octet)]))
        .sum();
    bits.div_ceil(8)
}

/// Append the codes of a string's octets.
pub(super) fn encode(octets: &[u8], out: &mut Vec<u8>) {
    // The lowest `have` bits are to be written, and are less than 32 between two octets.
    let (mut bits, mut have) = (0_u64, 0_u32);
    for octet in octets {
        let (code, length) = CODES[usize::from(*octet)];
        bits = bits << length | u64::from(code);
        have += u32::from(length);
        if have >= 32 {
            have -= 32;
            out.extend_from_slice(&((bits >> have) as u32).to_be_bytes());
        }
    }
    // What fills the last octet are ones.
    let filled = have.next_multiple_of(8);
    let last = bits << (filled - have) | ((1 << (filled - have)) - 1);
    let last = (last << (32 - filled)) as u32;
    let whole = last.to_be_bytes();
    out.extend_from_slice(whole.get(..filled as usize / 8).unwrap_or_default());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(text: &[u8]) -> Vec<u8> {
        let mut out = b"before".to_vec();
        encode(text, &mut out);
        assert!(out.starts_with(b"before"));
        out.split_off(6)
    }

    fn decoded(octets: &[u8]) -> Result<Vec<u8>, HpackFault> {
        let mut out = b"before".to_vec();
        decode(octets, &mut out)?;
        assert!(out.starts_with(b"before"));
        Ok(out.split_off(6))
    }

    #[test]
    fn codes_are_those_of_appendix_b() {
        let table = [
            (b'0', 0x0, 5),
            (b' ', 0x14, 6),
            (b'"', 0x3f9, 10),
            (b'|', 0x7fc, 11),
            (b'{', 0x7ffe, 15),
            (b'\\', 0x7fff0, 19),
            (0x80, 0xfffe6, 20),
            (249, 0xffffffe, 28),
            (b'\n', 0x3ffffffc, 30),
            (22, 0x3ffffffe, 30),
        ];
        for (octet, code, length) in table {
            assert_eq!(CODES[usize::from(octet)], (code, length), "{octet}");
        }
        assert_eq!(CODES[256], (0x3fff_ffff, 30));
    }

    #[test]
    fn every_octet_comes_back_wherever_it_stands() {
        for octet in 0..=255 {
            for before in 0..9 {
                for behind in 0..9 {
                    let text =
                        [&b"aaaaaaaaa"[..before], &[octet], &b"zzzzzzzzz"[..behind]].concat();
                    let octets = encoded(&text);
                    assert_eq!(octets.len(), encoded_len(&text));
                    assert_eq!(decoded(&octets), Ok(text));
                }
            }
        }
    }

    #[test]
    fn what_no_encoder_may_write_is_a_fault() {
        use HpackFault::{Eos, PaddingBits, PaddingLength};
        let table: &[(&[u8], HpackFault)] = &[
            (&[0xff], PaddingLength),
            (&[0xff, 0xff], PaddingLength),
            (&[0xff, 0xff, 0xff], PaddingLength),
            (&[0xff, 0xff, 0xff, 0xff], Eos),
            // EOS is 30 bits; the codes before it have five.
            (&[0x07, 0xff, 0xff, 0xff, 0xff, 0xff], Eos),
            (&[0x07, 0xff, 0xff, 0xff, 0xff], Eos),
            // A 0, and the padding of three bits.
            (&[0x06], PaddingBits),
            (&[0x00], PaddingBits),
            // A 0, and eleven bits that are no code.
            (&[0x07, 0xff], PaddingLength),
            (&[0xfe], PaddingBits),
            (&[0xff, 0xfe], PaddingBits),
        ];
        for (octets, fault) in table {
            assert_eq!(decoded(octets), Err(*fault), "{octets:x?}");
        }
        assert_eq!(decoded(&[0x07]), Ok(b"0".to_vec()));
        assert_eq!(decoded(&[]), Ok(Vec::new()));
    }
}
