//! Replays what the fuzz target of frames of HTTP/2 starts from, and many changed copies, on the stable toolchain.
//!
//! Not here: the target's body; it is shared with `tests/fuzz`.
#![forbid(unsafe_code)]

#[path = "support/replay.rs"]
mod replay;
#[path = "../../tests/fuzz/src/http2.rs"]
#[allow(unreachable_pub, reason = "public in the crate that it belongs to")]
#[allow(missing_docs, reason = "documented there")]
mod target;

use replay::{Dice, drop_in, repeat, replay, seeds};

/// Frames, and fields of a block, to be dropped in anywhere.
const PIECES: [&[u8]; 12] = [
    b"\0",
    b"\xff",
    b"\0\0\0\x04\x01\0\0\0\0",
    b"\0\0\0\x09\x04\0\0\0\x01",
    b"\0\0\x08\x06\0\0\0\0\0ping....",
    b"\0\0\x04\x08\0\0\0\0\0\x7f\xff\xff\xff",
    b"\x82\x86\x84\x41\x01x",
    b"\0\x04host\x01y",
    b"\0\x0econtent-length\x011",
    b"\0\x11transfer-encoding\x07chunked",
    b"\0\x01a\x03\r\n\0",
    b":",
];

fn change(input: &[u8], dice: &mut Dice) -> Vec<u8> {
    let mut out = input.to_vec();
    for _ in 0..=dice.throw(3) {
        let at = dice.throw(out.len() + 1);
        match dice.throw(6) {
            0 if at < out.len() => out[at] = dice.throw(256) as u8,
            1 if at < out.len() => out[at] = out[at].wrapping_add(1),
            2 if at < out.len() => out[at] ^= 1 << dice.throw(8),
            3 => out.truncate(at),
            4 => repeat(&mut out, at, dice),
            _ => drop_in(&mut out, at, &PIECES, dice),
        }
    }
    out
}

#[test]
fn http2_frames() {
    let inputs = seeds("http2_frames", 15);
    replay(&inputs, 20_000, change, target::http2_frames);
}
