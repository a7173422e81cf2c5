//! Golden tables of ClientHellos, whole, cut at every place, and split over records in many ways.
//!
//! Not here: handshakes. What real clients say is kept in `golden/real_hellos.txt`.
#![forbid(unsafe_code)]

mod support;
#[path = "support/wire.rs"]
mod wire;

use ringway_protocols::client_hello::*;
use ringway_protocols::detect::{Detection, detect};
use support::*;

const MADE: &str = include_str!("golden/client_hello.txt");
const REAL: &str = include_str!("golden/real_hellos.txt");

fn all_cases() -> Vec<Case> {
    let mut all = cases(MADE);
    assert!(all.len() >= 110, "only {} cases", all.len());
    let real = cases(REAL);
    assert!(real.len() >= 14, "only {} cases", real.len());
    all.extend(real);
    for case in &mut all {
        case.raw = wire::bytes(&case.raw);
    }
    all
}

/// The answer in the table's words. What a hello was put together in must be untouched where it came in one record.
fn say(bytes: &[u8], limit: usize) -> String {
    let mut scratch = b"left over".to_vec();
    let mut said = match read(bytes, limit, &mut scratch) {
        Err(fault) => return fault.label().to_owned(),
        Ok(Reading::NotTls) => return "not_tls".to_owned(),
        Ok(Reading::More { at_least }) => return format!("more {at_least}"),
        Ok(Reading::Hello(hello)) => {
            let name = hello.server_name.as_ref().map_or("-", ServerName::as_str);
            let offered: Vec<_> = hello.alpn().map(escape).collect();
            let mut said = format!("ok {name}");
            if !offered.is_empty() {
                said.push_str(&format!(" alpn={}", offered.join(",")));
            }
            said
        }
    };
    if scratch != b"left over" {
        said.push_str(" split");
    }
    said
}

#[test]
fn hellos() {
    let mut wrong = Vec::new();
    for case in all_cases() {
        let got = say(&case.raw, HELLO_BYTES);
        if got != case.expected {
            wrong.push(format!("{}: {got}, not {}", case.name, case.expected));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_fault_has_a_case_and_a_name_of_its_own() {
    let cases = all_cases();
    for fault in HelloFault::ALL {
        let label = fault.label();
        assert!(cases.iter().any(|case| case.expected == label), "{label}");
        assert!(fault.explain().contains("(RFC "), "{label}");
        let same = HelloFault::ALL
            .iter()
            .filter(|other| other.label() == label);
        assert_eq!(same.count(), 1, "{label}");
    }
}

/// A prefix is open or has the answer of the whole; with fewer than `at_least` bytes there is no hello.
#[test]
fn hellos_in_pieces() {
    for case in all_cases() {
        let whole = say(&case.raw, HELLO_BYTES);
        let mut open = 0;
        for cut in 0..=case.raw.len() {
            let said = say(&case.raw[..cut], HELLO_BYTES);
            if let Some(at_least) = said.strip_prefix("more ") {
                open = at_least.parse().unwrap();
                assert!(
                    open > cut && open <= bytes_at_most(HELLO_BYTES),
                    "{}",
                    case.name
                );
            } else {
                assert!(
                    cut >= open || !said.starts_with("ok"),
                    "{} at {cut}",
                    case.name
                );
                assert_eq!(said, whole, "{} cut at {cut}", case.name);
            }
        }
    }
}

/// Whoever waits for `at_least` comes to the same answer, and asks a bounded number of times.
#[test]
fn waiting_as_told() {
    for case in all_cases() {
        let whole = say(&case.raw, HELLO_BYTES);
        let (mut come, mut calls) = (0, 0);
        let said = loop {
            let said = say(&case.raw[..come], HELLO_BYTES);
            calls += 1;
            let Some(at_least) = said.strip_prefix("more ") else {
                break said;
            };
            come = at_least.parse().unwrap();
            if come > case.raw.len() {
                break say(&case.raw, HELLO_BYTES);
            }
        };
        assert_eq!(said, whole, "{}", case.name);
        assert!(calls <= 2 * RECORDS + 1, "{}: {calls} calls", case.name);
    }
}

/// The message of a hello that came in one record or several.
fn message(bytes: &[u8]) -> Vec<u8> {
    let mut message = Vec::new();
    let mut rest = bytes;
    while let [0x16, 3, _, high, low, behind @ ..] = rest {
        let length = usize::from(u16::from_be_bytes([*high, *low])).min(behind.len());
        let (fragment, behind) = behind.split_at(length);
        message.extend_from_slice(fragment);
        rest = behind;
    }
    message
}

/// However a hello is split over records, it says the same.
#[test]
fn hellos_split_over_records() {
    let mut splits = 0;
    for case in all_cases() {
        let Some(expected) = case.expected.strip_prefix("ok") else {
            continue;
        };
        let expected = expected.trim_end_matches(" split");
        let message = message(&case.raw);
        for at in 1..message.len() {
            let (first, second) = message.split_at(at);
            let bytes = [wire::record(first), wire::record(second)].concat();
            let said = say(&bytes, HELLO_BYTES);
            let said = said.trim_end_matches(" split");
            assert_eq!(said, format!("ok{expected}"), "{} split at {at}", case.name);
            splits += 1;
        }
        for size in [message.len().div_ceil(RECORDS), message.len().div_ceil(7)] {
            let bytes: Vec<_> = message.chunks(size).flat_map(wire::record).collect();
            let said = say(&bytes, HELLO_BYTES);
            assert_eq!(said, format!("ok{expected} split"), "{}", case.name);
        }
    }
    assert!(splits > 4000, "only {splits} splits");
}

/// The limit is that of the message, whatever its records.
#[test]
fn limits() {
    for case in all_cases() {
        if !case.expected.starts_with("ok") {
            continue;
        }
        let [_, high, middle, low] = message(&case.raw)[..4] else {
            panic!("no header");
        };
        let length = 4 + u32::from_be_bytes([0, high, middle, low]) as usize;
        assert_eq!(say(&case.raw, length), case.expected, "{}", case.name);
        assert_eq!(say(&case.raw, length - 1), "too_large", "{}", case.name);
    }
}

/// What is detected as TLS is read as TLS.
#[test]
fn hellos_are_detected() {
    for case in all_cases() {
        let detected = detect(&case.raw);
        if case.expected.starts_with("ok") && case.raw[2] <= 4 {
            assert_eq!(detected, Detection::Tls, "{}", case.name);
        }
        if case.expected == "not_tls" {
            assert!(
                matches!(detected, Detection::Opaque | Detection::Http1),
                "{}",
                case.name
            );
        }
    }
}

#[test]
fn offers() {
    let bytes = wire::bytes(b"hello[ sni[\"A.Example\"] alpn[\"h2\" \"http/1.1\"] ]");
    let mut scratch = Vec::new();
    let Ok(Reading::Hello(hello)) = read(&bytes, HELLO_BYTES, &mut scratch) else {
        panic!("no hello");
    };
    assert!(hello.offers(b"h2") && hello.offers(b"http/1.1"));
    assert!(!hello.offers(b"h") && !hello.offers(b"http/1.0") && !hello.offers(b""));
    assert_eq!(
        format!("{:?}", hello.server_name),
        "Some(ServerName(\"a.example\"))"
    );
}
