//! Replays what the fuzz targets of the first bytes start from, and many changed copies, on the stable toolchain.
//!
//! Not here: the targets' bodies; they are shared with `tests/fuzz`.
#![forbid(unsafe_code)]

#[path = "support/replay.rs"]
mod replay;
mod support;
#[path = "../../tests/fuzz/src/l4.rs"]
#[allow(unreachable_pub, reason = "public in the crate that it belongs to")]
#[allow(missing_docs, reason = "documented there")]
mod targets;
#[path = "support/wire.rs"]
mod wire;

use replay::{Dice, drop_in, repeat, replay, seeds};

fn words(table: &str) -> impl Iterator<Item = Vec<u8>> {
    support::cases(table)
        .into_iter()
        .map(|case| wire::bytes(&case.raw))
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
            4 => repeat(&mut out, at, dice),
            _ => drop_in(&mut out, at, &PIECES, dice),
        }
    }
    out
}

#[test]
fn proxy_headers() {
    let mut inputs = seeds("proxy_header", 15);
    let lines = support::cases(include_str!("golden/proxy_v1.txt"));
    inputs.extend(lines.into_iter().map(|case| case.raw));
    inputs.extend(words(include_str!("golden/proxy_v2.txt")));
    replay(&inputs, 6000, change, targets::proxy_header);
}

#[test]
fn client_hellos() {
    let mut inputs = seeds("client_hello", 15);
    let made = words(include_str!("golden/client_hello.txt"));
    let real = words(include_str!("golden/real_hellos.txt"));
    let others = support::cases(include_str!("golden/detect.txt"));
    let others = others.into_iter().map(|case| case.raw);
    for case in made.chain(real).chain(others) {
        inputs.push([&[7], &*case].concat());
    }
    replay(&inputs, 6000, change, targets::client_hello);
}
