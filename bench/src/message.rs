//! The bytes of requests, answers and bodies, which both sides know, so that each can check what the other one got.
//!
//! Made once and kept for the life of the process.

use crate::scenario::{Load, Origin};

/// The one host of scenarios that have one.
pub(crate) const HOST: &str = "bench.test";

/// The host of a route.
pub(crate) fn host_of(route: usize) -> String {
    format!("h{route}.{HOST}")
}

/// The first `len` bytes of an endless row of random bytes, always the same.
pub(crate) fn body(len: usize) -> &'static [u8] {
    let mut dice = Dice::new(0x7269_6e67_7761_7921);
    let mut bytes = Vec::with_capacity(len + 8);
    while bytes.len() < len {
        bytes.extend_from_slice(&dice.roll().to_le_bytes());
    }
    bytes.truncate(len);
    bytes.leak()
}

/// Heads of the requests, one for each host.
pub(crate) fn request_heads(load: &Load) -> Vec<&'static [u8]> {
    let one = |host: &str| request_head(load, host);
    match load.hosts {
        0 => vec![one(HOST)],
        n => (0..n).map(|i| one(&host_of(i))).collect(),
    }
}

fn request_head(load: &Load, host: &str) -> &'static [u8] {
    let method = if load.body > 0 { "POST" } else { "GET" };
    let start = format!("{method} /bench HTTP/1.1\r\nHost: {host}\r\n");
    let mut fields = vec![
        ("User-Agent", "ringway-bench".to_owned()),
        ("Accept", "*/*".to_owned()),
    ];
    if load.body > 0 {
        fields.push(("Content-Length", load.body.to_string()));
    }
    if load.close {
        fields.push(("Connection", "close".to_owned()));
    }
    head(start, &fields, load.fields, load.head_bytes).leak()
}

/// The whole answer: head and body.
pub(crate) fn answer(origin: &Origin) -> &'static [u8] {
    let fields = [
        ("Content-Length", origin.body.to_string()),
        ("Content-Type", "application/octet-stream".to_owned()),
    ];
    let start = "HTTP/1.1 200 OK\r\n".to_owned();
    let mut bytes = head(start, &fields, origin.fields, origin.head_bytes);
    bytes.extend_from_slice(body(origin.body));
    bytes.leak()
}

/// Fill up with fields until there are so many, and with bytes in the last ones' values until it is so long.
fn head(start: String, fields: &[(&str, String)], count: usize, least: usize) -> Vec<u8> {
    let mut text = start;
    for (name, value) in fields {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    let more = count.saturating_sub(fields.len());
    for i in 0..more {
        let name = format!("X-Bench-{i:02}: ");
        // What is missing, shared evenly among the fields to come; 2 is the line's end, and 2 more end the head.
        let missing = least.saturating_sub(text.len() + 2) / (more - i);
        let value = missing.saturating_sub(name.len() + 2).max(1);
        text.push_str(&name);
        text.extend("abcdefghijklmnopqrstuvwxyz".chars().cycle().take(value));
        text.push_str("\r\n");
    }
    text.push_str("\r\n");
    text.into_bytes()
}

/// Random numbers that are the same in every run (xorshift64*).
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Dice {
        Dice(seed | 1)
    }

    pub(crate) fn roll(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// A number below `n`.
    pub(crate) fn below(&mut self, n: usize) -> usize {
        (self.roll() >> 33) as usize % n.max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::Scenario;

    #[test]
    fn heads_have_the_fields_and_the_length_that_a_scenario_names() {
        let scenario = Scenario::find("h1-headers").unwrap();
        let request = request_heads(&scenario.load)[0];
        let mut fields = [httparse::EMPTY_HEADER; 64];
        let mut parsed = httparse::Request::new(&mut fields);
        assert!(parsed.parse(request).unwrap().is_complete());
        assert_eq!(parsed.headers.len(), 40 + 1);
        assert!(
            (3072..3100).contains(&request.len()),
            "{} bytes",
            request.len()
        );
        let answer = answer(&scenario.origin);
        let mut fields = [httparse::EMPTY_HEADER; 64];
        let mut parsed = httparse::Response::new(&mut fields);
        let httparse::Status::Complete(head) = parsed.parse(answer).unwrap() else {
            panic!("incomplete");
        };
        assert_eq!(parsed.headers.len(), 12);
        assert!((600..620).contains(&head), "{head} bytes");
        assert_eq!(&answer[head..], body(100));
    }

    #[test]
    fn a_longer_body_begins_with_the_shorter() {
        assert_eq!(body(13), &body(1000)[..13]);
        assert_ne!(body(1000)[..500], body(1000)[500..]);
    }
}
