//! Golden table of protocol detection, whole and cut at every place.
//!
//! Not here: the readers that take over afterwards.
#![forbid(unsafe_code)]

mod support;

use ringway_protocols::detect::{BYTES, Detection, detect};
use support::*;

const TABLE: &str = include_str!("golden/detect.txt");

fn say(bytes: &[u8]) -> String {
    match detect(bytes) {
        Detection::More { at_least } => format!("more {at_least}"),
        Detection::Tls => "tls".to_owned(),
        Detection::Http2Preface => "http2".to_owned(),
        Detection::Http1 => "http1".to_owned(),
        Detection::Opaque => "opaque".to_owned(),
    }
}

#[test]
fn detections() {
    let cases = cases(TABLE);
    assert!(cases.len() >= 60, "only {} cases", cases.len());
    let mut wrong = Vec::new();
    for case in &cases {
        let got = say(&case.raw);
        if got != case.expected {
            wrong.push(format!("{}: {got}, not {}", case.name, case.expected));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A prefix is open or has the answer of the whole, and `at_least` bytes are needed indeed.
#[test]
fn detections_in_pieces() {
    for case in cases(TABLE) {
        let whole = detect(&case.raw);
        for cut in 0..=case.raw.len() {
            match detect(&case.raw[..cut]) {
                Detection::More { at_least } => {
                    assert!(cut < at_least && at_least <= BYTES, "{}", case.name);
                }
                answer => assert_eq!(answer, whole, "{} cut at {cut}", case.name),
            }
        }
    }
}

/// Whatever a case is followed by, it is decided when so many bytes have come.
#[test]
fn no_client_keeps_us_waiting() {
    let mut full = 0;
    for case in cases(TABLE) {
        for filling in [0u8, b' ', b'A', b'*', b'/', 0xff] {
            let mut bytes = case.raw.clone();
            bytes.resize(bytes.len().max(BYTES), filling);
            assert!(
                !matches!(detect(&bytes), Detection::More { .. }),
                "{}",
                case.name
            );
        }
        full = full.max(match detect(&case.raw) {
            Detection::More { at_least } => at_least,
            _ => 0,
        });
    }
    assert_eq!(full, BYTES, "no case shows the bound");
}
