//! Saying an outcome in the words of the golden tables; `cases` reads them.
//!
//! Not here: the tables. They are text files in `golden/`, for people who do not read Rust.
#![allow(dead_code, reason = "each test file uses its part")]
#![allow(clippy::unwrap_used, reason = "a table that cannot be read must fail")]

mod cases;

#[allow(unused_imports, reason = "each test file uses its part")]
pub(crate) use cases::*;
use ringway_protocols::http1::*;

pub(crate) const LIMITS: HeadLimits = HeadLimits {
    head_bytes: 65536,
    fields: 100,
    target_bytes: 16384,
};

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
        Version::Http2 => "2",
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
