//! Our HPACK and another one read each other, whatever fields there are, and with tables of sizes that change.
//!
//! Not here: what only one of the two does; `golden/hpack.txt` has it.
#![forbid(unsafe_code)]

#[allow(dead_code, reason = "only the dice are used here")]
#[path = "support/replay.rs"]
mod replay;

use replay::Dice;
use ringway_protocols::http2::hpack::{Decoder, Encoder, Fields, Indexing};

type Pair = (Vec<u8>, Vec<u8>);

const NAMES: [&str; 14] = [
    ":method",
    ":path",
    ":status",
    ":authority",
    "accept-encoding",
    "cookie",
    "set-cookie",
    "authorization",
    "content-length",
    "user-agent",
    "x-custom",
    "x-other-custom-name",
    "te",
    "date",
];

fn text(dice: &mut Dice, most: usize) -> Vec<u8> {
    let length = dice.throw(most);
    let any = dice.throw(3) == 0;
    let octet = |dice: &mut Dice| match any {
        true => dice.throw(256) as u8,
        false => b'-' + dice.throw(80) as u8,
    };
    (0..length).map(|_| octet(dice)).collect()
}

/// Some recur, some are new; few are large.
fn field(dice: &mut Dice, recurring: &[Pair]) -> Pair {
    if dice.throw(3) > 0 {
        return recurring[dice.throw(recurring.len())].clone();
    }
    let name = match dice.throw(3) {
        0 => text(dice, 30),
        _ => NAMES[dice.throw(NAMES.len())].as_bytes().to_vec(),
    };
    let most = [10, 60, 60, 300, 5_000][dice.throw(5)];
    (name, text(dice, most))
}

fn recurring(dice: &mut Dice) -> Vec<Pair> {
    let known = [
        (":method", "GET"),
        (":status", "404"),
        ("accept-encoding", "gzip, deflate"),
        (":path", "/"),
    ];
    let known = known.map(|(name, value)| (name.as_bytes().to_vec(), value.as_bytes().to_vec()));
    let none = known.to_vec();
    let mut all = none.clone();
    all.extend((0..60).map(|_| field(dice, &none)));
    all
}

fn fields(dice: &mut Dice, recurring: &[Pair]) -> Vec<Pair> {
    (0..dice.throw(30))
        .map(|_| field(dice, recurring))
        .collect()
}

fn kept(fields: &Fields) -> Vec<Pair> {
    fields
        .iter()
        .map(|(name, value)| (name.to_vec(), value.to_vec()))
        .collect()
}

#[test]
fn they_read_what_we_write() {
    let mut dice = Dice::new();
    for _ in 0..20 {
        let recurring = recurring(&mut dice);
        let (mut encoder, mut ours) = (Encoder::new(), Decoder::new(4096));
        let mut theirs = httlib_hpack::Decoder::with_dynamic_size(4096);
        let mut into = Fields::default();
        for _ in 0..150 {
            for _ in 0..dice.throw(4) / 2 {
                let sizes = [0, 31, 100, 500, 1_000, 4_096, 70_000];
                encoder.allow(sizes[dice.throw(sizes.len())]);
            }
            let fields = fields(&mut dice, &recurring);
            let mut block = Vec::new();
            encoder.begin(&mut block);
            for (name, value) in &fields {
                let ways = [
                    Indexing::Incremental,
                    Indexing::Incremental,
                    Indexing::Without,
                    Indexing::Never,
                ];
                encoder.field(name, value, &mut block, ways[dice.throw(ways.len())]);
            }
            into.clear();
            assert_eq!(ours.decode(&block, &mut into, 1 << 24, 100), Ok(()));
            assert_eq!(kept(&into), fields);
            let mut read = Vec::new();
            theirs.decode(&mut block, &mut read).expect("they read it");
            let read: Vec<Pair> = read
                .into_iter()
                .map(|(name, value, _)| (name, value))
                .collect();
            assert_eq!(read, fields);
        }
    }
}

#[test]
fn we_read_what_they_write() {
    let mut dice = Dice::new();
    for _ in 0..20 {
        let recurring = recurring(&mut dice);
        let (mut theirs, mut ours) = (
            httlib_hpack::Encoder::with_dynamic_size(4096),
            Decoder::new(4096),
        );
        let mut into = Fields::default();
        for _ in 0..150 {
            let mut block = Vec::new();
            if dice.throw(6) == 0 {
                let sizes = [0, 31, 100, 500, 1_000, 4_096];
                let size = sizes[dice.throw(sizes.len())];
                theirs
                    .update_max_dynamic_size(size, &mut block)
                    .expect("a size");
            }
            let fields = fields(&mut dice, &recurring);
            for (name, value) in &fields {
                // Huffman for the name, for the value; into the table; never; whatever is best.
                let flags = [0, 1, 2, 3][dice.throw(4)]
                    | [0, 4, 4, 8][dice.throw(4)]
                    | [0, 0x10, 0x10][dice.throw(3)];
                theirs
                    .encode((name.clone(), value.clone(), flags), &mut block)
                    .expect("they write it");
            }
            into.clear();
            assert_eq!(ours.decode(&block, &mut into, 1 << 24, 100), Ok(()));
            assert_eq!(kept(&into), fields);
        }
    }
}

#[test]
fn fields_that_recur_become_an_octet_each_and_secrets_never() {
    let (mut encoder, mut decoder) = (Encoder::new(), Decoder::new(4096));
    let request: [(&str, &str); 7] = [
        (":method", "GET"),
        (":authority", "shop.example.com"),
        ("user-agent", "curl/8.5.0"),
        ("x-custom", "1"),
        ("cookie", "session=4f3c2b1a09f8e7d6c5b4"),
        ("authorization", "Bearer 123456789012345678901234567890"),
        ("cookie", "short=1"),
    ];
    let mut blocks = Vec::new();
    for _ in 0..3 {
        let (mut block, mut fields) = (Vec::new(), Fields::default());
        encoder.begin(&mut block);
        for (name, value) in request {
            encoder.field(
                name.as_bytes(),
                value.as_bytes(),
                &mut block,
                Indexing::Incremental,
            );
        }
        assert_eq!(decoder.decode(&block, &mut fields, 10_000, 10), Ok(()));
        let never: Vec<&[u8]> = fields.never_indexed().map(|(name, _)| name).collect();
        assert_eq!(never, [&b"authorization"[..], b"cookie"]);
        blocks.push(block);
    }
    let secrets = 3 + "Bearer 123456789012345678901234567890".len() + 3 + "short=1".len();
    assert_eq!(blocks[1].len(), 5 + secrets);
    assert_eq!(blocks[2], blocks[1]);
}
