//! Golden table of chunked bodies, whole and in pieces.
//!
//! Not here: heads (`heads.rs`).
#![forbid(unsafe_code)]

mod support;

use ringway_protocols::http1::*;
use support::*;

const BODIES: &str = include_str!("golden/chunked.txt");

/// What came of a body: the outcome in the table's words, and what would have been forwarded.
struct Read {
    said: String,
    forwarded: Vec<u8>,
}

/// Feed a body in pieces that end at the given places.
fn read(raw: &[u8], ends: &[usize]) -> Read {
    let mut decoder = ChunkedDecoder::new();
    let mut content = Vec::new();
    let mut forwarded = Vec::new();
    let mut at = 0;
    let said = 'all: {
        for &end in ends {
            while !decoder.is_done() {
                let input = &raw[at..end];
                match decoder.next(input) {
                    Err(fault) => break 'all fault.label().to_owned(),
                    Ok(Piece::More) => break,
                    Ok(Piece::Data(n)) => {
                        content.extend_from_slice(&input[..n]);
                        forwarded.extend_from_slice(&input[..n]);
                        at += n;
                    }
                    Ok(Piece::Framing(n)) => {
                        forwarded.extend_from_slice(&input[..n]);
                        at += n;
                    }
                    Ok(Piece::Skip { n, line }) => {
                        if let Some(size) = line {
                            forwarded.extend_from_slice(format!("{size:x}\r\n").as_bytes());
                        }
                        at += n;
                    }
                    Ok(Piece::Last(n)) => at += n,
                }
            }
            if !decoder.is_done() {
                continue;
            }
            let mut trailers = Vec::new();
            match parse_trailers(&raw[at..end], &LIMITS, &mut trailers) {
                Err(fault) => {
                    assert!(trailers.is_empty(), "something of a refused section");
                    break 'all fault.label().to_owned();
                }
                Ok(None) => assert!(trailers.is_empty()),
                Ok(Some(n)) => {
                    forwarded.extend_from_slice(b"0\r\n");
                    forwarded.extend_from_slice(&trailers);
                    forwarded.extend_from_slice(b"\r\n");
                    let mut said = format!("ok [{}]", escape(&content));
                    if !trailers.is_empty() {
                        said.push_str(&format!(" {}", escape(&trailers)));
                    }
                    // Bytes behind the body belong to the next message; how many have come depends on the pieces.
                    match raw.len() - at - n {
                        0 => {}
                        behind => said.push_str(&format!(" +{behind}")),
                    }
                    break 'all said;
                }
            }
        }
        "more".to_owned()
    };
    Read { said, forwarded }
}

#[test]
fn bodies() {
    let cases = cases(BODIES);
    assert!(cases.len() >= 60, "only {} cases", cases.len());
    let mut wrong = Vec::new();
    for case in &cases {
        let got = read(&case.raw, &[case.raw.len()]).said;
        if got != case.expected {
            wrong.push(format!("{}: {got}, not {}", case.name, case.expected));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn bodies_in_pieces() {
    for case in cases(BODIES) {
        for cut in cuts(case.raw.len()) {
            let got = read(&case.raw, &[cut, case.raw.len()]).said;
            assert_eq!(got, case.expected, "{} cut at {cut}", case.name);
        }
        if case.raw.len() < 30_000 {
            let ends: Vec<_> = (0..=case.raw.len()).collect();
            let got = read(&case.raw, &ends).said;
            assert_eq!(got, case.expected, "{} octet by octet", case.name);
        }
    }
}

/// What is forwarded is a body of its own, with the same content and no extension.
#[test]
fn forwarded_bodies_say_the_same() {
    for case in cases(BODIES) {
        for cut in cuts(case.raw.len()) {
            let first = read(&case.raw, &[cut, case.raw.len()]);
            if !first.said.starts_with("ok") {
                continue;
            }
            let again = read(&first.forwarded, &[first.forwarded.len()]);
            let said = first.said.split(" +").next().unwrap_or_default();
            assert_eq!(again.said, said, "{} cut at {cut}", case.name);
            assert_eq!(again.forwarded, first.forwarded, "{}", case.name);
        }
    }
}

/// The pieces themselves: size lines that came whole are forwarded as they are, others are held back.
#[test]
fn pieces() {
    let mut decoder = ChunkedDecoder::new();
    assert_eq!(decoder.next(b"5\r\nhello\r\n"), Ok(Piece::Framing(3)));
    assert_eq!(decoder.next(b"hel"), Ok(Piece::Data(3)));
    assert_eq!(decoder.next(b""), Ok(Piece::More));
    assert_eq!(decoder.next(b"lo\r\n"), Ok(Piece::Data(2)));
    assert_eq!(decoder.next(b"\r\n"), Ok(Piece::Framing(2)));
    assert_eq!(decoder.next(b"1"), Ok(Piece::Skip { n: 1, line: None }));
    let size = Some(0x1a);
    assert_eq!(decoder.next(b"a\r\n"), Ok(Piece::Skip { n: 3, line: size }));
    assert_eq!(decoder.next(&[b'x'; 30]), Ok(Piece::Data(26)));
    assert_eq!(decoder.next(b"\r"), Ok(Piece::Framing(1)));
    assert_eq!(decoder.next(b"\n"), Ok(Piece::Framing(1)));
    assert_eq!(
        decoder.next(b"2;ext=1\r\nab"),
        Ok(Piece::Skip {
            n: 9,
            line: Some(2)
        })
    );
    assert_eq!(decoder.next(b"ab\r\n"), Ok(Piece::Data(2)));
    assert_eq!(decoder.next(b"\r\n0\r\n"), Ok(Piece::Framing(2)));
    assert_eq!(decoder.next(b"0\r\n\r\n"), Ok(Piece::Last(3)));
    assert_eq!(decoder.next(b"\r\n"), Ok(Piece::More));
    assert!(decoder.is_done());
}
