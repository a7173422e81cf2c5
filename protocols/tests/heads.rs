//! Golden tables of request and response heads, whole and in pieces.
//!
//! Not here: rewriting (`rewrite.rs`), bodies (`chunked.rs`).
#![forbid(unsafe_code)]

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

/// Parts of a request that the tables do not show: path, query, fields by name, Max-Forwards.
#[test]
fn parts_of_a_request() {
    let with = |line: &str, check: &dyn Fn(Request<'_>)| {
        let raw = format!("{line} HTTP/1.1\r\nHost: a\r\nX: 1\r\nx: 2\r\nMax-Forwards: 3\r\n\r\n");
        let mut head = RequestHead::new();
        let parsed = head.parse(raw.as_bytes(), &LIMITS);
        assert_eq!(parsed, Ok(Some(raw.len())), "{line}");
        check(head.view(raw.as_bytes()));
    };
    type Row = (&'static str, &'static str, Option<&'static str>);
    let targets: [Row; 9] = [
        ("GET /", "/", None),
        ("GET /a/b?c=d?e", "/a/b", Some("c=d?e")),
        ("GET /a?", "/a", Some("")),
        ("GET /?a/b", "/", Some("a/b")),
        ("GET http://b", "/", None),
        ("GET http://b?c", "/", Some("c")),
        ("GET https://b/c/?d", "/c/", Some("d")),
        ("OPTIONS *", "*", None),
        ("GET //b/c", "//b/c", None),
    ];
    for (line, path, query) in targets {
        with(line, &|request| {
            assert_eq!(request.path(), path.as_bytes(), "{line}");
            assert_eq!(request.query(), query.map(str::as_bytes), "{line}");
        });
    }
    with("OPTIONS /", &|request| {
        let values: Vec<_> = request.values(b"x").collect();
        assert_eq!(values, [b"1", b"2"]);
        assert_eq!(request.values(b"y").count(), 0);
        assert_eq!(request.known(Known::Host), Some(b"a".as_slice()));
        assert_eq!(request.known(Known::Via), None);
        assert_eq!(request.max_forwards(), Some(3));
        assert_eq!(request.fields().count(), 4);
    });
    with("GET /", &|request| assert_eq!(request.max_forwards(), None));
    let methods = [
        ("GET", true),
        ("HEAD", true),
        ("PUT", true),
        ("DELETE", true),
        ("OPTIONS", true),
        ("TRACE", true),
        ("POST", false),
        ("PATCH", false),
        ("get", false),
    ];
    for (method, idempotent) in methods {
        with(&format!("{method} /"), &|request| {
            assert_eq!(request.is_idempotent(), idempotent, "{method}");
            assert_eq!(request.is_head(), method == "HEAD");
        });
    }
}

/// Every name that is known is found in any case, and no other one of its length.
#[test]
fn known_names() {
    let names = [
        ("host", Known::Host),
        ("connection", Known::Connection),
        ("content-length", Known::ContentLength),
        ("transfer-encoding", Known::TransferEncoding),
        ("te", Known::Te),
        ("trailer", Known::Trailer),
        ("upgrade", Known::Upgrade),
        ("keep-alive", Known::KeepAlive),
        ("proxy-connection", Known::ProxyConnection),
        ("via", Known::Via),
        ("x-forwarded-for", Known::XForwardedFor),
        ("x-forwarded-proto", Known::XForwardedProto),
        ("x-forwarded-host", Known::XForwardedHost),
        ("x-forwarded-port", Known::XForwardedPort),
        ("forwarded", Known::Forwarded),
        ("x-request-id", Known::XRequestId),
        ("expect", Known::Expect),
        ("cookie", Known::Cookie),
        ("authorization", Known::Authorization),
        ("user-agent", Known::UserAgent),
        ("date", Known::Date),
        ("server", Known::Server),
        ("max-forwards", Known::MaxForwards),
        ("location", Known::Location),
        ("http2-settings", Known::Http2Settings),
    ];
    for (name, known) in names {
        assert_eq!(Known::of(name.as_bytes()), known);
        assert_eq!(Known::of(name.to_uppercase().as_bytes()), known);
        for at in 0..name.len() {
            let mut other = name.as_bytes().to_vec();
            other[at] = b'#';
            assert_eq!(Known::of(&other), Known::Other, "{name}");
        }
    }
    assert_eq!(Known::of(b""), Known::Other);
}
