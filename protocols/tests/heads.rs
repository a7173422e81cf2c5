//! Golden tables of request and response heads, whole and in pieces.
//!
//! Not here: rewriting (`rewrite.rs`), bodies (`chunked.rs`).

mod support;

use std::collections::HashSet;

use ringway_protocols::http1::*;
use support::*;

const REQUESTS: &str = include_str!("golden/requests.txt");
const RESPONSES: &str = include_str!("golden/responses.txt");

fn request(bytes: &[u8]) -> String {
    let mut head = RequestHead::new();
    let outcome = head.parse(bytes, &LIMITS);
    say_request(&head, bytes, outcome)
}

fn response_case(case: &Case) -> (bool, &[u8]) {
    match case.raw.strip_prefix(b"HEAD ") {
        Some(raw) => (true, raw),
        None => (false, &case.raw),
    }
}

#[test]
fn requests() {
    let cases = cases(REQUESTS);
    assert!(cases.len() >= 150, "only {} cases", cases.len());
    let wrong: Vec<_> = cases
        .iter()
        .filter(|case| request(&case.raw) != case.expected)
        .map(|case| {
            let mut got = request(&case.raw);
            got.truncate(200);
            format!("{}: {got}, not {}", case.name, case.expected)
        })
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn responses() {
    let cases = cases(RESPONSES);
    assert!(cases.len() >= 60, "only {} cases", cases.len());
    let mut wrong = Vec::new();
    for case in &cases {
        let (to_head, raw) = response_case(case);
        let mut head = ResponseHead::new();
        let outcome = head.parse(raw, &LIMITS, to_head);
        let got = say_response(&head, raw, outcome);
        if got != case.expected {
            wrong.push(format!("{}: {got}, not {}", case.name, case.expected));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Each request in two pieces at every place, then octet by octet: the same answer, and never an acceptance before the end.
#[test]
fn requests_in_pieces() {
    for case in cases(REQUESTS) {
        let mut head = RequestHead::new();
        for cut in cuts(case.raw.len()) {
            head.reset();
            let mut seen = &case.raw[..cut];
            let mut outcome = head.parse(seen, &LIMITS);
            if outcome == Ok(None) {
                seen = &case.raw;
                outcome = head.parse(seen, &LIMITS);
            }
            let got = say_request(&head, seen, outcome);
            assert_eq!(got, case.expected, "{} cut at {cut}", case.name);
        }
        head.reset();
        let mut got = None;
        for end in (0..=case.raw.len()).step_by(case.raw.len() / 3000 + 1) {
            let seen = &case.raw[..end];
            let outcome = head.parse(seen, &LIMITS);
            if outcome != Ok(None) {
                got = Some(say_request(&head, seen, outcome));
                break;
            }
        }
        // A long head is fed in steps; its last one may have been left out.
        let got = got.unwrap_or_else(|| {
            let outcome = head.parse(&case.raw, &LIMITS);
            say_request(&head, &case.raw, outcome)
        });
        assert_eq!(got, case.expected, "{} octet by octet", case.name);
    }
}

#[test]
fn responses_in_pieces() {
    for case in cases(RESPONSES) {
        let (to_head, raw) = response_case(&case);
        let mut head = ResponseHead::new();
        for cut in cuts(raw.len()) {
            head.reset();
            let mut seen = &raw[..cut];
            let mut outcome = head.parse(seen, &LIMITS, to_head);
            if outcome == Ok(None) {
                seen = raw;
                outcome = head.parse(seen, &LIMITS, to_head);
            }
            let got = say_response(&head, seen, outcome);
            assert_eq!(got, case.expected, "{} cut at {cut}", case.name);
        }
    }
}

/// One head for many connections whose requests come in pieces, without `reset`: what it remembers of one may not change what
/// it says of another.
#[test]
fn pieces_of_other_requests_between() {
    let cases: Vec<_> = cases(REQUESTS)
        .into_iter()
        .filter(|case| case.raw.len() < 300 && case.expected.starts_with("ok"))
        .collect();
    let mut head = RequestHead::new();
    for (index, case) in cases.iter().enumerate() {
        for cut in 0..case.raw.len() {
            let other = &cases[(index * 7 + cut) % cases.len()];
            let part = &other.raw[..cut.min(other.raw.len())];
            let _ = head.parse(part, &LIMITS);
            let outcome = head.parse(&case.raw, &LIMITS);
            let got = say_request(&head, &case.raw, outcome);
            assert_eq!(got, case.expected, "{} after {}", case.name, other.name);
        }
    }
}

#[test]
fn labels_are_stable_and_unique() {
    let requests: Vec<_> = RequestFault::ALL.iter().map(|f| f.label()).collect();
    let responses: Vec<_> = ResponseFault::ALL.iter().map(|f| f.label()).collect();
    let chunks: Vec<_> = ChunkFault::ALL.iter().map(|f| f.label()).collect();
    for labels in [requests, responses, chunks] {
        let unique: HashSet<_> = labels.iter().collect();
        assert_eq!(unique.len(), labels.len(), "{labels:?}");
        for label in labels {
            let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
            assert!(label.chars().all(plain), "{label}");
        }
    }
}

/// Every fault that can be named is reached by a case.
#[test]
fn tables_reach_every_fault() {
    let seen = |table: &str| -> HashSet<String> {
        cases(table)
            .iter()
            .filter_map(|case| case.expected.split(' ').next_back().map(str::to_owned))
            .collect()
    };
    let requests = seen(REQUESTS);
    for fault in RequestFault::ALL {
        assert!(requests.contains(fault.label()), "{fault:?}");
        assert!([400, 414, 431, 501, 505].contains(&fault.status()));
        assert!(!fault.explain().is_empty());
    }
    let responses = seen(RESPONSES);
    for fault in ResponseFault::ALL {
        assert!(responses.contains(fault.label()), "{fault:?}");
    }
    let chunks = seen(include_str!("golden/chunked.txt"));
    for fault in ChunkFault::ALL {
        assert!(chunks.contains(fault.label()), "{fault:?}");
    }
}

/// A second reader (httparse) finds the same fields in what we accept.
#[test]
fn another_reader_agrees() {
    for case in cases(REQUESTS) {
        let mut head = RequestHead::new();
        let Ok(Some(length)) = head.parse(&case.raw, &LIMITS) else {
            continue;
        };
        let request = head.view(&case.raw);
        let mut fields = [httparse::EMPTY_HEADER; 128];
        let mut other = httparse::Request::new(&mut fields);
        let status = other.parse(&case.raw).unwrap();
        assert_eq!(status, httparse::Status::Complete(length), "{}", case.name);
        assert_eq!(other.method.unwrap().as_bytes(), request.method());
        assert_eq!(other.path.unwrap().as_bytes(), request.target());
        let theirs: Vec<_> = other
            .headers
            .iter()
            .map(|field| (field.name.as_bytes(), field.value))
            .collect();
        let ours: Vec<_> = request
            .fields()
            .map(|(_, name, value)| (name, value))
            .collect();
        assert_eq!(ours, theirs, "{}", case.name);
    }
}
