//! Replays what the fuzz targets start from, and a few thousand changed copies, on the stable toolchain.
//!
//! Not here: the targets' bodies; they are shared with `tests/fuzz`.
#![forbid(unsafe_code)]

mod support;

#[path = "../../tests/fuzz/src/protocols.rs"]
#[allow(unreachable_pub, reason = "public in the crate that it belongs to")]
#[allow(missing_docs, reason = "documented there")]
mod targets;

use std::fs;
use std::path::Path;

/// Seeds of a target, and the golden cases, which have room for one more octet in front.
fn inputs(target: &str, golden: &str, front: &[u8]) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fuzz/corpus");
    let mut inputs: Vec<_> = fs::read_dir(folder.join(target))
        .expect("the corpus is part of the repository")
        .map(|entry| fs::read(entry.expect("a readable folder").path()).expect("a readable seed"))
        .collect();
    assert!(inputs.len() >= 20, "only {} seeds", inputs.len());
    inputs.sort();
    for case in support::cases(golden) {
        inputs.push([front, &case.raw].concat());
    }
    inputs
}

/// xorshift: the same changes on every machine.
struct Dice(u64);

impl Dice {
    fn throw(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % sides.max(1) as u64) as usize
    }
}

/// What hurts parsers most, to be dropped in anywhere.
const PIECES: [&[u8]; 20] = [
    b"\r\n",
    b"\n",
    b"\r",
    b"\0",
    b" ",
    b"\t",
    b":",
    b",",
    b";",
    b"\"",
    b"\x0b",
    b"\xff",
    b"0",
    b"#",
    b"\r\n\r\n",
    b"Content-Length: 5\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"Connection: ",
    b"0\r\n\r\n",
    b"HTTP/1.1",
];

fn change(input: &[u8], dice: &mut Dice) -> Vec<u8> {
    let mut out = input.to_vec();
    for _ in 0..=dice.throw(3) {
        let at = dice.throw(out.len() + 1);
        match dice.throw(5) {
            0 if at < out.len() => out[at] = dice.throw(256) as u8,
            1 if at < out.len() => {
                out.remove(at);
            }
            2 => out.truncate(at),
            3 => {
                let end = (at + dice.throw(30)).min(out.len());
                let copy = out[at..end].to_vec();
                out.splice(at..at, copy);
            }
            _ => {
                let piece = PIECES[dice.throw(PIECES.len())];
                out.splice(at..at, piece.iter().copied());
            }
        }
    }
    out
}

fn replay(inputs: &[Vec<u8>], target: fn(&[u8])) {
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
    for input in inputs {
        target(input);
    }
    for _ in 0..4000 {
        let input = &inputs[dice.throw(inputs.len())];
        if input.len() < 2000 {
            target(&change(input, &mut dice));
        }
    }
}

#[test]
fn request_heads() {
    let golden = include_str!("golden/requests.txt");
    replay(&inputs("request_head", golden, b""), targets::request_head);
}

#[test]
fn response_heads() {
    let golden = include_str!("golden/responses.txt");
    replay(
        &inputs("response_head", golden, b"\0"),
        targets::response_head,
    );
}

#[test]
fn chunked_bodies() {
    let golden = include_str!("golden/chunked.txt");
    replay(&inputs("chunked", golden, b"\x03"), targets::chunked);
}
