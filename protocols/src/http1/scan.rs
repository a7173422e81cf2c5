//! Where a run of octets of one class ends, found sixteen octets at a time.
//!
//! Not here: what stands there and what that means.

use wide::u8x16;

const WIDTH: usize = 16;

/// The first octet from `at` on that may not stand in a field value (`octets::is_text_octet`), or the end.
#[inline]
pub(crate) fn text_end(bytes: &[u8], at: usize) -> usize {
    run_end(bytes, at, |octets| {
        let control = octets.simd_le(all(0x1f)) | octets.simd_eq(all(0x7f));
        control & !octets.simd_eq(all(b'\t'))
    })
}

/// The first octet from `at` on that may not stand in a request target (`octets::is_target_octet`), or the end.
#[inline]
pub(crate) fn target_end(bytes: &[u8], at: usize) -> usize {
    run_end(bytes, at, no_target)
}

/// As [`target_end`], and a `?` ends the run as well.
#[inline]
pub(crate) fn path_end(bytes: &[u8], at: usize) -> usize {
    run_end(bytes, at, |octets| {
        no_target(octets) | octets.simd_eq(all(b'?'))
    })
}

/// The first octet from `at` on that is no ASCII letter, digit, `-` or `.`, or the end. These are what names of fields and
/// hosts are usually made of, and every one of them may stand in both.
#[inline]
pub(crate) fn plain_end(bytes: &[u8], at: usize) -> usize {
    run_end(bytes, at, |octets| {
        let letter = within(octets | all(0x20), b'a', b'z');
        let other = within(octets, b'-', b'9') & !octets.simd_eq(all(b'/'));
        !(letter | other)
    })
}

#[inline(always)]
fn no_target(octets: u8x16) -> u8x16 {
    !within(octets, 0x21, 0x7e) | octets.simd_eq(all(b'#'))
}

#[inline(always)]
fn all(octet: u8) -> u8x16 {
    u8x16::splat(octet)
}

/// `first..=last`: moved down to begin at zero, it is one comparison.
#[inline(always)]
fn within(octets: u8x16, first: u8, last: u8) -> u8x16 {
    (octets - all(first)).simd_le(all(last - first))
}

/// `stops` marks the octets that end the run.
#[inline(always)]
fn run_end(bytes: &[u8], at: usize, stops: impl Fn(u8x16) -> u8x16) -> usize {
    let mut rest = bytes.get(at..).unwrap_or_default();
    while let Some((block, after)) = rest.split_first_chunk::<WIDTH>() {
        let found = stops(u8x16::new(*block)).to_bitmask();
        if found != 0 {
            return bytes.len() - rest.len() + found.trailing_zeros() as usize;
        }
        rest = after;
    }
    bytes.len() - rest.len() + last_run(bytes, rest.len(), stops)
}

/// The run at the end, where less than a block is left: looked at in the last block of `bytes`, which begins before it.
#[inline(never)]
fn last_run(bytes: &[u8], left: usize, stops: impl Fn(u8x16) -> u8x16) -> usize {
    let found = match bytes.last_chunk::<WIDTH>() {
        Some(block) => stops(u8x16::new(*block)).to_bitmask() >> (WIDTH - left),
        None => {
            let mut block = [0; WIDTH];
            for (to, from) in block.iter_mut().zip(bytes.iter().rev().take(left).rev()) {
                *to = *from;
            }
            stops(u8x16::new(block)).to_bitmask()
        }
    };
    // The end stops every run.
    (found | 1 << left).trailing_zeros() as usize
}

#[cfg(test)]
mod tests {
    use super::super::octets::{is_target_octet, is_text_octet, is_token_octet};
    use super::*;

    fn is_path_octet(octet: u8) -> bool {
        is_target_octet(octet) && octet != b'?'
    }

    fn is_plain_octet(octet: u8) -> bool {
        octet.is_ascii_alphanumeric() || octet == b'-' || octet == b'.'
    }

    #[test]
    fn plain_octets_may_stand_in_every_name() {
        assert!((0..=255).all(|octet| !is_plain_octet(octet) || is_token_octet(octet)));
    }

    /// A run ends at the right place wherever it begins, however much lies before and behind it, and whatever ends it.
    #[test]
    fn runs_end_where_they_end() {
        type Class = (fn(&[u8], usize) -> usize, fn(u8) -> bool);
        let classes: [Class; 4] = [
            (text_end, is_text_octet),
            (target_end, is_target_octet),
            (path_end, is_path_octet),
            (plain_end, is_plain_octet),
        ];
        for (end, holds) in classes {
            for octet in 0..=255 {
                for stop in 0..40 {
                    let mut bytes = [b'a'; 40];
                    bytes[stop] = octet;
                    for (at, length) in [(0, 40), (stop / 2, 40), (stop, stop + 1), (stop + 1, 40)]
                    {
                        let expected = match holds(octet) || at > stop {
                            true => length,
                            false => stop,
                        };
                        assert_eq!(end(&bytes[..length], at), expected, "{octet} {stop} {at}");
                    }
                }
            }
        }
    }
}
