//! Replays what the fuzz targets of the first bytes start from, and many changed copies, on the stable toolchain.
//!
//! Not here: the targets' bodies; they are shared with `tests/fuzz`.
#![forbid(unsafe_code)]

mod support;
#[path = "../../tests/fuzz/src/l4.rs"]
#[allow(unreachable_pub, reason = "public in the crate that it belongs to")]
#[allow(missing_docs, reason = "documented there")]
mod targets;
#[path = "support/wire.rs"]
mod wire;

use std::fs;
use std::path::Path;

fn seeds(target: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fuzz/corpus");
    let mut seeds: Vec<_> = fs::read_dir(folder.join(target))
        .expect("the corpus is part of the repository")
        .map(|entry| fs::read(entry.expect("a readable folder").path()).expect("a readable seed"))
        .collect();
    assert!(seeds.len() >= 15, "only {} seeds", seeds.len());
    seeds.sort();
    seeds
}

fn words(table: &str) -> impl Iterator<Item = Vec<u8>> {
    support::cases(table)
        .into_iter()
        .map(|case| wire::bytes(&case.raw))
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

/// What hurts readers of lengths and of lines most, to be dropped in anywhere.
const PIECES: [&[u8]; 14] = [
    b"\0",
    b"\x01",
    b"\xff",
    b"\0\0",
    b"\xff\xff",
    b"\x03\0\x04",
    b"\x20\0\x05\x01\0\0\0\0",
    b"\x16\x03\x01\0\x01",
    b"\x16\x03\x03\x40\0",
    b"\0\x10\0\x05\0\x03\x02h2",
    b"\r\n",
    b" ",
    b".",
    b"::ffff:1.2.3.4",
];

fn change(input: &[u8], dice: &mut Dice) -> Vec<u8> {
    let mut out = input.to_vec();
    for _ in 0..=dice.throw(3) {
        let at = dice.throw(out.len() + 1);
        match dice.throw(6) {
            0 if at < out.len() => out[at] = dice.throw(256) as u8,
            // Lengths are off by one more often than by anything else.
            1 if at < out.len() => out[at] = out[at].wrapping_add(1),
            2 if at < out.len() => out[at] = out[at].wrapping_sub(1),
            3 => out.truncate(at),
            4 => {
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
    for _ in 0..6000 {
        let input = &inputs[dice.throw(inputs.len())];
        if input.len() < 2000 {
            target(&change(input, &mut dice));
        }
    }
}

#[test]
fn proxy_headers() {
    let mut inputs = seeds("proxy_header");
    let lines = support::cases(include_str!("golden/proxy_v1.txt"));
    inputs.extend(lines.into_iter().map(|case| case.raw));
    inputs.extend(words(include_str!("golden/proxy_v2.txt")));
    replay(&inputs, targets::proxy_header);
}

#[test]
fn client_hellos() {
    let mut inputs = seeds("client_hello");
    let made = words(include_str!("golden/client_hello.txt"));
    let real = words(include_str!("golden/real_hellos.txt"));
    let others = support::cases(include_str!("golden/detect.txt"));
    let others = others.into_iter().map(|case| case.raw);
    for case in made.chain(real).chain(others) {
        inputs.push([&[7], &*case].concat());
    }
    replay(&inputs, targets::client_hello);
}
