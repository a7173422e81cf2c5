//! Reading the golden tables.
//!
//! Not here: what their bytes mean, so that tests of the whole proxy can read them too.
#![allow(dead_code, reason = "each test file uses its part")]
#![allow(clippy::unwrap_used, reason = "a table that cannot be read must fail")]

pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) raw: Vec<u8>,
    pub(crate) expected: String,
}

/// The cases of a table; it is a fault of the table if one has no section or no expectation.
pub(crate) fn cases(table: &str) -> Vec<Case> {
    let mut lines = table
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'));
    let mut cases = Vec::new();
    while let Some(name) = lines.next() {
        assert!(name.ends_with(']'), "no section in: {name}");
        let raw = lines.next().unwrap_or_else(|| panic!("no bytes: {name}"));
        let expected = lines.next().unwrap_or_else(|| panic!("no result: {name}"));
        let expected = expected
            .strip_prefix("  => ")
            .unwrap_or_else(|| panic!("no result: {name}"));
        cases.push(Case {
            name: name.to_owned(),
            raw: unescape(raw.get(2..).unwrap_or("")),
            expected: expected.to_owned(),
        });
    }
    cases
}

/// `\r \n \t \\ \xNN`, and `\{text*N}`.
pub(crate) fn unescape(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        out.extend_from_slice(&rest.as_bytes()[..at]);
        rest = &rest[at + 1..];
        let kind = rest.as_bytes()[0];
        rest = &rest[1..];
        match kind {
            b'r' => out.push(b'\r'),
            b'n' => out.push(b'\n'),
            b't' => out.push(b'\t'),
            b'\\' => out.push(b'\\'),
            b'x' => {
                out.push(u8::from_str_radix(&rest[..2], 16).unwrap());
                rest = &rest[2..];
            }
            b'{' => {
                let end = rest.find('}').unwrap();
                let (what, times) = rest[..end].rsplit_once('*').unwrap();
                let times = times.parse().unwrap();
                out.extend(unescape(what).repeat(times));
                rest = &rest[end + 1..];
            }
            other => panic!("unknown escape {}", other as char),
        }
    }
    out.extend_from_slice(rest.as_bytes());
    out
}
