//! Golden table of path normalisation.
//!
//! Not here: matching.
#![forbid(unsafe_code)]

mod support;

use ringway_protocols::path::{Normal, normalize};
use support::*;

const PATHS: &str = include_str!("golden/paths.txt");

fn say(raw: &[u8]) -> String {
    let mut out = b"left over".to_vec();
    match normalize(raw, &mut out) {
        Ok(Normal::Unchanged) => {
            assert!(out.is_empty());
            "same".to_owned()
        }
        Ok(Normal::Rewritten) => format!("-> {}", escape(&out)),
        Err(fault) => format!("{fault:?}"),
    }
}

#[test]
fn paths() {
    let cases = cases(PATHS);
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

/// The normal form is normal, of every path of three segments out of a mean alphabet.
#[test]
fn normalising_twice_changes_nothing() {
    const PARTS: [&str; 11] = [
        "", ".", "..", "a", "%2e", "%2E%2e", "%41", "%c3", "...", ".%2e", "b%25",
    ];
    let mut accepted = 0;
    for a in PARTS {
        for b in PARTS {
            for c in PARTS {
                let raw = format!("/{a}/{b}/{c}");
                let mut once = Vec::new();
                if normalize(raw.as_bytes(), &mut once) == Ok(Normal::Rewritten) {
                    accepted += 1;
                    assert_eq!(say(&once), "same", "{raw}");
                }
            }
        }
    }
    assert!(accepted > 500, "only {accepted} accepted");
}
