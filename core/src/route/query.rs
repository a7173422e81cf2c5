//! A query string as pairs, decoded for comparison. Not a validator: a bad escape stands for itself.

/// The pairs of a query, in order: name and value as received. A pair without `=` has an empty value; empty pairs are left out.
pub(super) fn pairs(query: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    query
        .split(|&b| b == b'&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| match memchr::memchr(b'=', pair) {
            Some(equals) => (&pair[..equals], &pair[equals + 1..]),
            None => (pair, &pair[pair.len()..]),
        })
}

/// The bytes that `text` stands for: `+` is a space, `%41` is `A` (the form encoding of the URL standard).
pub(super) fn decoded(text: &[u8]) -> impl Iterator<Item = u8> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let (&first, behind) = rest.split_first()?;
        rest = behind;
        match first {
            b'+' => Some(b' '),
            b'%' => match behind {
                [high, low, after @ ..] => match (hex(*high), hex(*low)) {
                    (Some(high), Some(low)) => {
                        rest = after;
                        Some(high << 4 | low)
                    }
                    _ => Some(b'%'),
                },
                _ => Some(b'%'),
            },
            other => Some(other),
        }
    })
}

pub(super) fn hex(digit: u8) -> Option<u8> {
    (digit as char).to_digit(16).map(|d| d as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_as_a_table() {
        let cases: &[(&str, &[(&str, &str)])] = &[
            ("", &[]),
            ("a=1", &[("a", "1")]),
            ("a", &[("a", "")]),
            ("a=", &[("a", "")]),
            ("=b", &[("", "b")]),
            ("a=1&b=2&a=3", &[("a", "1"), ("b", "2"), ("a", "3")]),
            ("&&a=1=2&", &[("a", "1=2")]),
            ("a;b=1", &[("a;b", "1")]),
        ];
        for (query, expected) in cases {
            let found: Vec<(&str, &str)> = pairs(query.as_bytes())
                .map(|(n, v)| {
                    (
                        std::str::from_utf8(n).unwrap(),
                        std::str::from_utf8(v).unwrap(),
                    )
                })
                .collect();
            assert_eq!(&found, expected, "{query}");
        }
    }

    #[test]
    fn decoding_as_a_table() {
        let cases: &[(&str, &[u8])] = &[
            ("plain", b"plain"),
            ("a+b", b"a b"),
            ("a%20b%2Bc", b"a b+c"),
            ("%c3%A9", "é".as_bytes()),
            ("%ff%00", b"\xff\x00"),
            ("%", b"%"),
            ("%4", b"%4"),
            ("%4g%zz", b"%4g%zz"),
            ("%%41", b"%A"),
            ("%+1", b"% 1"),
        ];
        for (text, expected) in cases {
            assert_eq!(
                &decoded(text.as_bytes()).collect::<Vec<u8>>(),
                expected,
                "{text}"
            );
        }
    }
}
