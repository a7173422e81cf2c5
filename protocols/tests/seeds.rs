//! Replays what the fuzz targets start from, and a few thousand changed copies, on the stable toolchain.
//!
//! Not here: the targets' bodies; they are shared with `tests/fuzz`.
#![forbid(unsafe_code)]

mod support;

#[path = "support/replay.rs"]
mod replay;
#[path = "../../tests/fuzz/src/protocols.rs"]
#[allow(unreachable_pub, reason = "public in the crate that it belongs to")]
#[allow(missing_docs, reason = "documented there")]
mod targets;

use replay::{Dice, drop_in, repeat, replay, seeds};

/// Seeds of a target, and the golden cases, which have room for one more octet in front.
fn inputs(target: &str, golden: &str, front: &[u8]) -> Vec<Vec<u8>> {
    let mut inputs = seeds(target, 20);
    for case in support::cases(golden) {
        inputs.push([front, &case.raw].concat());
    }
    inputs
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
            3 => repeat(&mut out, at, dice),
            _ => drop_in(&mut out, at, &PIECES, dice),
        }
    }
    out
}

#[test]
fn request_heads() {
    let golden = include_str!("golden/requests.txt");
    replay(
        &inputs("request_head", golden, b""),
        4000,
        change,
        targets::request_head,
    );
}

#[test]
fn response_heads() {
    let golden = include_str!("golden/responses.txt");
    replay(
        &inputs("response_head", golden, b"\0"),
        4000,
        change,
        targets::response_head,
    );
}

#[test]
fn websocket_frames() {
    replay(
        &seeds("websocket_frames", 15),
        4000,
        change,
        targets::websocket_frames,
    );
}

#[test]
fn grpc_web_text() {
    replay(
        &seeds("grpc_web_text", 15),
        4000,
        change,
        targets::grpc_web_text,
    );
}

#[test]
fn chunked_bodies() {
    let golden = include_str!("golden/chunked.txt");
    replay(
        &inputs("chunked", golden, b"\x03"),
        4000,
        change,
        targets::chunked,
    );
}

#[test]
fn header_blocks() {
    replay(&seeds("hpack", 40), 8000, change, targets::hpack);
}
