//! Request ids: UUID version 7 (RFC 9562 section 5.7) as text, and the dice that they are made with.
//!
//! Not secrets: the dice are fast and well spread, but whoever sees some of their numbers can tell the next.

use std::hash::{BuildHasher, Hasher};

/// A small generator of random numbers (wyrand: one 64 by 64 bit multiplication), one for each worker. Not for secrets.
#[derive(Debug, Clone)]
pub struct Dice(u64);

impl Dice {
    /// The same seed gives the same numbers.
    pub fn new(seed: u64) -> Self {
        Dice(seed)
    }

    /// The next number, all 64 bits of it.
    #[expect(
        clippy::should_implement_trait,
        reason = "it never ends, so `Option` would be noise"
    )]
    #[inline]
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0xa076_1d64_78bd_642f);
        let product = u128::from(self.0) * u128::from(self.0 ^ 0xe703_7ed1_a0b4_28db);
        (product >> 64) as u64 ^ product as u64
    }
}

/// A seed that differs from call to call and from process to process, from the randomness that the operating system gave to
/// the standard library's hashers.
pub fn seed() -> u64 {
    std::hash::RandomState::new().build_hasher().finish()
}

/// Length of the text, `019abcde-f012-7345-8678-9abcdef01234`.
pub const LENGTH: usize = 36;

/// Bits after the time: 12 of `rand_a` and 62 of `rand_b`.
const TAIL: u128 = (1 << 74) - 1;

/// Makes ids that grow: each is greater, as text too, than the one before from the same maker.
#[derive(Debug, Clone)]
pub struct RequestIds {
    dice: Dice,
    unix_ms: u64,
    tail: u128,
}

impl RequestIds {
    /// Give each worker another seed.
    pub fn new(seed: u64) -> Self {
        RequestIds {
            dice: Dice::new(seed),
            unix_ms: 0,
            tail: 0,
        }
    }

    /// The next id as lower-case text. Within one millisecond, and when the clock stands or goes back, the random tail is
    /// increased by a random step (RFC 9562 section 6.2, method 2), so order and unpredictable distance both hold.
    pub fn next(&mut self, unix_ms: u64) -> [u8; LENGTH] {
        if unix_ms > self.unix_ms {
            self.unix_ms = unix_ms;
            // The top bit is left free, so that some 2^41 steps of 2^32 fit into the millisecond.
            self.tail = self.random_tail() >> 1;
        } else {
            self.tail += u128::from(self.dice.next() >> 32) + 1;
            if self.tail > TAIL {
                // No room left in this millisecond: borrow from the next one.
                self.unix_ms += 1;
                self.tail = self.random_tail() >> 1;
            }
        }
        text(self.unix_ms, self.tail)
    }

    fn random_tail(&mut self) -> u128 {
        (u128::from(self.dice.next()) << 64 | u128::from(self.dice.next())) & TAIL
    }
}

/// Lay out the fields: 48 bits of time, version 7, 12 bits, variant 10, 62 bits.
fn text(unix_ms: u64, tail: u128) -> [u8; LENGTH] {
    let time = u128::from(unix_ms & 0xffff_ffff_ffff) << 80;
    let high = (tail >> 62) << 64;
    let low = tail & ((1 << 62) - 1);
    let bytes = (time | 7 << 76 | high | 2 << 62 | low).to_be_bytes();
    let mut out = [b'-'; LENGTH];
    let mut at = 0;
    for (i, byte) in bytes.into_iter().enumerate() {
        if matches!(i, 4 | 6 | 8 | 10) {
            at += 1;
        }
        [out[at], out[at + 1]] = PAIRS[usize::from(byte)];
        at += 2;
    }
    out
}

/// Both digits of each octet.
static PAIRS: [[u8; 2]; 256] = {
    let digits = b"0123456789abcdef";
    let mut pairs = [[0; 2]; 256];
    let mut at = 0;
    while at < 256 {
        pairs[at] = [digits[at >> 4], digits[at & 15]];
        at += 1;
    }
    pairs
};

/// The lower-case digit of a number below 16.
pub(super) fn hex(nibble: u8) -> u8 {
    b"0123456789abcdef"[usize::from(nibble & 15)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    /// RFC 9562 appendix A.6.
    #[test]
    fn layout_is_that_of_the_rfc() {
        let unix_ms = 0x017F_22E2_79B0;
        let tail = 0xCC3_u128 << 62 | 0x18C4_DC0C_0C07_398F;
        assert_eq!(
            &text(unix_ms, tail),
            b"017f22e2-79b0-7cc3-98c4-dc0c0c07398f"
        );
    }

    #[test]
    fn ids_grow_even_when_the_clock_does_not() {
        let mut ids = RequestIds::new(7);
        let clock = [1_000, 1_000, 1_001, 1_001, 900, 0, 1_002, 1_002, 5];
        let mut last = [0; LENGTH];
        for unix_ms in clock.into_iter().cycle().take(5_000) {
            let id = ids.next(unix_ms);
            assert!(id > last);
            assert_eq!(
                (id[14], id[8], id[13], id[18], id[23]),
                (b'7', b'-', b'-', b'-', b'-')
            );
            assert!(b"89ab".contains(&id[19]));
            assert!(
                id.iter()
                    .all(|b| matches!(b, b'-' | b'0'..=b'9' | b'a'..=b'f'))
            );
            last = id;
        }
    }

    #[test]
    fn a_full_millisecond_borrows_from_the_next() {
        let mut ids = RequestIds::new(1);
        let first = ids.next(5);
        ids.tail = TAIL;
        let next = ids.next(5);
        assert!(next > first);
        assert_eq!(ids.unix_ms, 6);
    }

    #[test]
    fn workers_do_not_collide_in_the_same_millisecond() {
        let mut seen = HashSet::new();
        for worker in 0..4 {
            let mut ids = RequestIds::new(seed() ^ worker);
            for _ in 0..5_000 {
                assert!(seen.insert(ids.next(1_700_000_000_000)));
            }
        }
    }

    #[test]
    fn dice_are_fair_in_every_bit() {
        let mut dice = Dice::new(42);
        let rolls = 20_000;
        let mut ones = [0_u32; 64];
        for _ in 0..rolls {
            let n = dice.next();
            for (bit, count) in ones.iter_mut().enumerate() {
                *count += u32::from(n >> bit & 1 == 1);
            }
        }
        // Seven standard deviations of a fair coin are 495.
        for count in ones {
            assert!(count.abs_diff(rolls / 2) < 500, "{ones:?}");
        }
        assert_eq!(Dice::new(9).next(), Dice::new(9).next());
        assert_ne!(Dice::new(9).next(), Dice::new(10).next());
    }
}
