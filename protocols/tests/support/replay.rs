//! Seeds of the fuzz targets and changed copies of them, the same on every machine.
//!
//! Not here: how a copy is changed; that differs with what is read.

use std::fs;
use std::path::Path;

/// The committed seeds of a target, at least `least` of them, in order.
pub(crate) fn seeds(target: &str, least: usize) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fuzz/corpus");
    let mut seeds: Vec<_> = fs::read_dir(folder.join(target))
        .expect("the corpus is part of the repository")
        .map(|entry| fs::read(entry.expect("a readable folder").path()).expect("a readable seed"))
        .collect();
    assert!(seeds.len() >= least, "only {} seeds", seeds.len());
    seeds.sort();
    seeds
}

/// xorshift: the same changes on every machine.
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new() -> Dice {
        Dice(0x9e37_79b9_7f4a_7c15)
    }

    pub(crate) fn throw(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % sides.max(1) as u64) as usize
    }
}

/// Repeat up to 29 octets that stand at `at`.
pub(crate) fn repeat(out: &mut Vec<u8>, at: usize, dice: &mut Dice) {
    let end = (at + dice.throw(30)).min(out.len());
    let copy = out[at..end].to_vec();
    out.splice(at..at, copy);
}

/// Drop one of the pieces in at `at`.
pub(crate) fn drop_in(out: &mut Vec<u8>, at: usize, pieces: &[&[u8]], dice: &mut Dice) {
    let piece = pieces[dice.throw(pieces.len())];
    out.splice(at..at, piece.iter().copied());
}

/// Every input as it is, then `copies` changed ones.
pub(crate) fn replay(
    inputs: &[Vec<u8>],
    copies: usize,
    change: fn(&[u8], &mut Dice) -> Vec<u8>,
    target: fn(&[u8]),
) {
    let mut dice = Dice::new();
    for input in inputs {
        target(input);
    }
    for _ in 0..copies {
        let input = &inputs[dice.throw(inputs.len())];
        if input.len() < 2000 {
            target(&change(input, &mut dice));
        }
    }
}
