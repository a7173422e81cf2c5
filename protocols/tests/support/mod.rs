//! Reading the golden tables, and saying an outcome in their words.
//!
//! Not here: cases. They are text files in `golden/`, for people who do not read Rust.
#![allow(dead_code, reason = "each test file uses its part")]
#![allow(clippy::unwrap_used, reason = "a table that cannot be read must fail")]

use ringway_protocols::http1::*;

pub(crate) const LIMITS: HeadLimits = HeadLimits {
    head_bytes: 65536,
    fields: 100,
    target_bytes: 16384,
};

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

/// As in the tables.
pub(crate) fn escape(bytes: &[u8]) -> String {
    let mut out = String::new();
    for &octet in bytes {
        match octet {
            b'\r' => out.push_str("\\r"),
            b'\n' => out.push_str("\\n"),
            0x20..=0x7e => out.push(octet as char),
            _ => out.push_str(&format!("\\x{octet:02x}")),
        }
    }
    out
}

fn framing(framing: BodyFraming) -> String {
    match framing {
        BodyFraming::None => "none".to_owned(),
        BodyFraming::Length(length) => format!("length={length}"),
        BodyFraming::Chunked => "chunked".to_owned(),
        BodyFraming::UntilClose => "until_close".to_owned(),
    }
}

fn version(version: Version) -> &'static str {
    match version {
        Version::Http10 => "1.0",
        Version::Http11 => "1.1",
    }
}

fn keep(keep: bool) -> &'static str {
    if keep { "keep" } else { "close" }
}

pub(crate) fn say_request(
    head: &RequestHead,
    bytes: &[u8],
    outcome: Result<Option<usize>, RequestFault>,
) -> String {
    match outcome {
        Err(fault) => format!("{} {}", fault.status(), fault.label()),
        Ok(None) => "more".to_owned(),
        Ok(Some(_)) => {
            let request = head.view(bytes);
            let mut said = format!(
                "ok {} {} @{} {} {} {}",
                escape(request.method()),
                escape(request.target()),
                escape(request.authority()),
                version(request.version()),
                framing(request.framing()),
                keep(request.keep_alive())
            );
            if request.expects_continue() {
                said.push_str(" continue");
            }
            if request.wants_websocket() {
                said.push_str(" websocket");
            }
            said
        }
    }
}

pub(crate) fn say_response(
    head: &ResponseHead,
    bytes: &[u8],
    outcome: Result<Option<usize>, ResponseFault>,
) -> String {
    match outcome {
        Err(fault) => fault.label().to_owned(),
        Ok(None) => "more".to_owned(),
        Ok(Some(_)) => {
            let response = head.view(bytes);
            let mut said = format!(
                "ok {} {} {} {}",
                response.status(),
                version(response.version()),
                framing(response.framing()),
                keep(response.keep_alive())
            );
            if response.is_websocket_upgrade() {
                said.push_str(" websocket");
            }
            said
        }
    }
}

/// Places to cut a message at: all of a short one, some of a long one (near its ends, where its limits are, and spread).
pub(crate) fn cuts(length: usize) -> Vec<usize> {
    if length <= 600 {
        return (0..=length).collect();
    }
    let spread = (0..length).step_by(length / 97 + 1);
    let ends = (0..20).chain(length - 20..=length);
    let limits = [16384, 16388, 65535, 65536, 65537]
        .into_iter()
        .filter(|at| *at <= length);
    ends.chain(spread).chain(limits).collect()
}
