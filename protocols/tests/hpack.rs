//! Golden table of header blocks: connections of one or several.
//!
//! Not here: comparison with another implementation (`hpack_peers.rs`).
#![forbid(unsafe_code)]

mod support;
#[path = "support/wire.rs"]
mod wire;

use ringway_protocols::http2::hpack::{Decoder, Fields, HpackFault};
use support::escape;

const TABLE: &str = include_str!("golden/hpack.txt");

struct Case<'a> {
    name: &'a str,
    lines: Vec<&'a str>,
}

fn cases() -> Vec<Case<'static>> {
    let mut cases: Vec<Case<'_>> = Vec::new();
    for line in TABLE.lines().filter(|line| !line.starts_with('#')) {
        match line.strip_prefix("  ") {
            Some(line) => cases.last_mut().expect("a name first").lines.push(line),
            None if line.is_empty() => {}
            None => cases.push(Case {
                name: line,
                lines: Vec::new(),
            }),
        }
    }
    assert!(cases.len() >= 50, "only {} cases", cases.len());
    cases
}

/// What is said of a block, in the table's words.
fn said(decoded: Result<(), HpackFault>, fields: &Fields) -> Vec<String> {
    if let Err(fault) = decoded {
        return vec![format!("=> {}", fault.label())];
    }
    let mut never = fields.never_indexed().peekable();
    let mut out: Vec<String> = fields
        .iter()
        .map(|field| {
            let mark = match never.next_if(|never| *never == field) {
                Some(_) => "never ",
                None => "",
            };
            let line = format!("{mark}{}: {}", escape(field.0), escape(field.1));
            line.trim_end().to_owned()
        })
        .collect();
    assert_eq!(out.len(), fields.len());
    if fields.is_over() {
        out.push("over".to_owned());
    }
    out
}

fn check(case: &Case<'_>) {
    let (mut decoder, mut fields) = (Decoder::new(4096), Fields::default());
    let (mut octets, mut most) = (65_536, 100);
    let mut lines = case.lines.iter().peekable();
    while let Some(line) = lines.next() {
        let words: Vec<&str> = line.split(' ').collect();
        match words[..] {
            ["table", size] => decoder = Decoder::new(size.parse().expect("a size")),
            ["acknowledged"] => decoder.acknowledged(),
            ["limit", n, "octets", m, "fields"] => {
                (octets, most) = (n.parse().expect("octets"), m.parse().expect("fields"));
            }
            _ => {
                let block = line.strip_prefix('>').expect("a block");
                let block = wire::bytes(block.as_bytes());
                fields.clear();
                let decoded = decoder.decode(&block, &mut fields, octets, most);
                let mut expected = Vec::new();
                while let Some(line) = lines.next_if(|line| !line.starts_with('>')) {
                    expected.push((*line).to_owned());
                }
                assert_eq!(said(decoded, &fields), expected, "{}: {line}", case.name);
            }
        }
    }
}

#[test]
fn blocks_decode_as_the_table_says() {
    cases().iter().for_each(check);
}

#[test]
fn every_fault_is_in_the_table() {
    for fault in HpackFault::ALL {
        let line = format!("  => {}\n", fault.label());
        assert!(TABLE.contains(&line), "{}", fault.label());
    }
}
