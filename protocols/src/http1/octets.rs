//! Classes of octets and the small readings built on them (RFC 9110 sections 5.5 and 5.6).
//!
//! Not here: what a field means.

use super::scan::plain_end;

pub(crate) const fn token_table() -> [bool; 256] {
    let mut table = [false; 256];
    let mut octet = 0usize;
    while octet < 256 {
        let value = octet as u8;
        table[octet] = value.is_ascii_alphanumeric()
            || matches!(
                value,
                b'!' | b'#' | b'$' | b'%' | b'&' | b'\'' | b'*' | b'+'
            )
            || matches!(value, b'-' | b'.' | b'^' | b'_' | b'`' | b'|' | b'~');
        octet += 1;
    }
    table
}

static TOKEN: [bool; 256] = token_table();

/// `tchar` (RFC 9110 section 5.6.2).
#[inline]
pub(crate) fn is_token_octet(octet: u8) -> bool {
    TOKEN[octet as usize]
}

/// `token`: at least one `tchar` and nothing else.
pub(crate) fn is_token(text: &[u8]) -> bool {
    !text.is_empty() && text.iter().all(|&octet| is_token_octet(octet))
}

/// May stand in a field value, a reason phrase or a chunk extension: HTAB, SP, visible ASCII, obs-text (RFC 9110 section 5.5).
#[inline]
pub(crate) fn is_text_octet(octet: u8) -> bool {
    (octet >= 0x20 || octet == b'\t') && octet != 0x7f
}

/// All octets may stand in a field value.
#[inline]
pub(crate) fn is_text(text: &[u8]) -> bool {
    let (words, rest) = text.as_chunks::<8>();
    let mut odd = words.iter().fold(0, |odd, word| odd | odd_in(*word));
    if !rest.is_empty() {
        // The last eight again, where there are so many.
        match text.last_chunk::<8>() {
            Some(last) => odd |= odd_in(*last),
            None => return rest.iter().all(|&octet| is_text_octet(octet)),
        }
    }
    odd == 0 || text.iter().all(|&octet| is_text_octet(octet))
}

/// Not 0 where one of eight octets is a control octet. HTAB is one as well.
#[inline]
fn odd_in(octets: [u8; 8]) -> u64 {
    const ONES: u64 = u64::from_ne_bytes([1; 8]);
    let word = u64::from_ne_bytes(octets);
    let delete = word ^ (ONES * 0x7f);
    let below = word.wrapping_sub(ONES * 0x20) & !word;
    let deletes = delete.wrapping_sub(ONES) & !delete;
    (below | deletes) & (ONES * 0x80)
}

/// May stand in a request target: visible ASCII without `#`. Wider than RFC 3986, because browsers do send `|`, `{` or `"`, and
/// none of those is read as an end of anything.
#[inline]
pub(crate) fn is_target_octet(octet: u8) -> bool {
    (0x21..=0x7e).contains(&octet) && octet != b'#'
}

#[inline]
pub(crate) fn is_ows(octet: u8) -> bool {
    octet == b' ' || octet == b'\t'
}

/// Without optional whitespace (SP, HTAB and nothing else: vertical tab is a control octet) at both ends.
#[inline]
pub(crate) fn trim_ows(mut text: &[u8]) -> &[u8] {
    while let [first, rest @ ..] = text {
        if !is_ows(*first) {
            break;
        }
        text = rest;
    }
    while let [rest @ .., last] = text {
        if !is_ows(*last) {
            break;
        }
        text = rest;
    }
    text
}

/// The elements of a comma-separated list, trimmed; empty ones are skipped (RFC 9110 section 5.6.1.2).
pub(crate) fn elements(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value
        .split(|&octet| octet == b',')
        .map(trim_ows)
        .filter(|element| !element.is_empty())
}

/// `1*DIGIT` up to 2^63-1. The bound is the signed one, because a receiver that keeps lengths in a signed integer must not see
/// another number than we do.
pub(crate) fn decimal(text: &[u8]) -> Option<u64> {
    let mut number = 0u64;
    for &octet in text {
        let digit = octet.wrapping_sub(b'0');
        // Below this bound the next step stays below 2^64.
        if digit > 9 || number > i64::MAX as u64 / 10 {
            return None;
        }
        number = number * 10 + u64::from(digit);
    }
    (!text.is_empty() && number <= i64::MAX as u64).then_some(number)
}

/// A decimal number is written as we would write it: without leading zeros.
#[inline]
pub(crate) fn is_shortest(digits: &[u8]) -> bool {
    digits.len() == 1 || digits.first() != Some(&b'0')
}

/// A number in decimal.
#[derive(Debug)]
pub(crate) struct Digits {
    digits: [u8; 20],
    start: usize,
}

impl Digits {
    pub(crate) fn of(mut number: u64) -> Digits {
        let mut digits = [0u8; 20];
        let mut start = digits.len();
        for digit in digits.iter_mut().rev() {
            *digit = b'0' + (number % 10) as u8;
            number /= 10;
            start -= 1;
            if number == 0 {
                break;
            }
        }
        Digits { digits, start }
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.digits.get(self.start..).unwrap_or_default()
    }
}

/// Append a number in decimal.
pub(crate) fn put_decimal(out: &mut Vec<u8>, number: u64) {
    out.extend_from_slice(Digits::of(number).as_bytes());
}

/// The first octet from `at` on that may not stand in a token, or the end. Most names are plain.
#[inline]
pub(crate) fn token_end(bytes: &[u8], at: usize) -> usize {
    let mut end = plain_end(bytes, at);
    while let Some(&octet) = bytes.get(end)
        && is_token_octet(octet)
    {
        end += 1;
    }
    end
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_found_as_octet_by_octet() {
        for length in 0..40 {
            for octet in 0..=255 {
                for at in 0..length {
                    let mut text = vec![b'a'; length];
                    text[at] = octet;
                    assert_eq!(
                        is_text(&text),
                        is_text_octet(octet),
                        "{octet} {at} {length}"
                    );
                    if length > 1 {
                        text[(at + 1) % length] = b'\t';
                        assert_eq!(
                            is_text(&text),
                            is_text_octet(octet),
                            "{octet} {at} {length}"
                        );
                    }
                }
            }
        }
    }
}
