//! Deadlines and sleeps: one wheel of 1024 buckets of 16 ms, coarse and lazy.
//!
//! A slot is in the wheel at most once, never later than its deadline. Moving a deadline further away is a store; the wheel finds
//! out when it comes to the bucket and links the slot anew. Not precise: up to 16 ms late, never early.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use crate::slot::{NIL, SlotTable, flag};
use crate::stream::Owner;
use crate::worker::with_worker;

const BUCKETS: usize = 1024;
/// Milliseconds of one bucket.
pub(crate) const TICK_MS: u64 = 16;
/// How far ahead a slot is linked at most; less than a whole turn, so that a bucket never holds two turns' worth.
const HORIZON: u64 = BUCKETS as u64 - 8;

/// Heads of the buckets and which of them are not empty.
pub(crate) struct Wheel {
    heads: Box<[u32; BUCKETS]>,
    occupied: [u64; BUCKETS / 64],
    /// The last tick that was worked off.
    tick: u64,
}

impl Wheel {
    pub(crate) fn new(now_ms: u64) -> Wheel {
        Wheel {
            heads: Box::new([NIL; BUCKETS]),
            occupied: [0; BUCKETS / 64],
            tick: now_ms / TICK_MS,
        }
    }

    /// See to it that the slot's deadline is noticed. The fast path is the first `if`.
    #[inline]
    pub(crate) fn track(&mut self, slots: &mut SlotTable, index: u32) {
        let slot = slots.at(index);
        let tick = slot.deadline.div_ceil(TICK_MS);
        if slot.has(flag::IN_WHEEL) {
            if slot.wheel_tick <= tick {
                return;
            }
            self.unlink(slots, index);
        }
        self.link(slots, index, tick);
    }

    fn link(&mut self, slots: &mut SlotTable, index: u32, tick: u64) {
        let tick = tick.clamp(self.tick + 1, self.tick + HORIZON);
        let bucket = tick as usize % BUCKETS;
        let head = std::mem::replace(&mut self.heads[bucket], index);
        self.occupied[bucket / 64] |= 1 << (bucket % 64);
        let slot = slots.at(index);
        slot.set(flag::IN_WHEEL);
        slot.wheel_tick = tick;
        slot.wheel_prev = NIL;
        slot.wheel_next = head;
        if head != NIL {
            slots.at(head).wheel_prev = index;
        }
    }

    fn unlink(&mut self, slots: &mut SlotTable, index: u32) {
        let slot = slots.at(index);
        slot.clear(flag::IN_WHEEL);
        let (prev, next, bucket) = (
            slot.wheel_prev,
            slot.wheel_next,
            slot.wheel_tick as usize % BUCKETS,
        );
        if next != NIL {
            slots.at(next).wheel_prev = prev;
        }
        if prev != NIL {
            slots.at(prev).wheel_next = next;
        } else {
            self.heads[bucket] = next;
            if next == NIL {
                self.occupied[bucket / 64] &= !(1 << (bucket % 64));
            }
        }
    }

    /// Work off the buckets up to `now_ms`; pushes the slots whose deadline has passed.
    pub(crate) fn advance(&mut self, slots: &mut SlotTable, now_ms: u64, due: &mut Vec<u32>) {
        let now = now_ms / TICK_MS;
        if now <= self.tick {
            return;
        }
        // After a pause of more than a turn, once round is enough: every bucket is looked at.
        let first = (self.tick + 1).max(now.saturating_sub(BUCKETS as u64 - 1));
        // Links made below go to ticks after `now`.
        self.tick = now;
        for tick in first..=now {
            let bucket = tick as usize % BUCKETS;
            if self.occupied[bucket / 64] & 1 << (bucket % 64) == 0 {
                continue;
            }
            // The list is taken off first, because a slot that is not due may be linked into this very bucket again.
            let mut index = std::mem::replace(&mut self.heads[bucket], NIL);
            self.occupied[bucket / 64] &= !(1 << (bucket % 64));
            while index != NIL {
                let slot = slots.at(index);
                let next = slot.wheel_next;
                slot.clear(flag::IN_WHEEL);
                let deadline = slot.deadline;
                if deadline != 0 {
                    if deadline <= now_ms {
                        due.push(index);
                    } else {
                        self.link(slots, index, deadline.div_ceil(TICK_MS));
                    }
                }
                index = next;
            }
        }
    }

    /// When the next bucket that is not empty comes up, in milliseconds of the worker's clock.
    pub(crate) fn next_ms(&self) -> Option<u64> {
        let start = (self.tick + 1) as usize % BUCKETS;
        let words = self.occupied.len();
        for i in 0..=words {
            let word = (start / 64 + i) % words;
            let mut bits = self.occupied[word];
            if i == 0 {
                bits &= u64::MAX << (start % 64);
            } else if i == words {
                bits &= !(u64::MAX << (start % 64));
            }
            if bits != 0 {
                let bucket = word * 64 + bits.trailing_zeros() as usize;
                let ahead = (bucket + BUCKETS - start) % BUCKETS;
                return Some((self.tick + 1 + ahead as u64) * TICK_MS);
            }
        }
        None
    }
}

/// Wait at least `ms`. Ends at once when the worker ends.
pub async fn sleep(ms: u32) {
    let _ = Sleep { owner: None, ms }.await;
}

struct Sleep {
    owner: Option<Owner>,
    ms: u32,
}

impl Future for Sleep {
    type Output = io::Result<()>;
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let ms = self.ms;
        let owner = match &self.owner {
            Some(owner) => owner,
            None => {
                // The clock itself, not the loop's copy of it: a sleep is rare, and must not be short by a long turn.
                let made = with_worker(|w| {
                    w.tick_clock();
                    let mut io = w.io.borrow_mut();
                    let index = io.new_slot(w, None);
                    io.set_deadline(w, index, u64::from(ms).max(1));
                    Owner::new(w, index)
                });
                match made {
                    Some(owner) => self.owner.insert(owner),
                    None => return Poll::Ready(Ok(())),
                }
            }
        };
        owner
            .io(|w, io, index| io.poll_deadline(w, index, cx))
            .unwrap_or(Poll::Ready(Ok(())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Deadlines fire in the first advance at or after them, whatever the steps, and never before.
    #[test]
    fn never_early_and_at_most_one_tick_late() {
        for step in [1, 7, 16, 17, 160, 5_000, 16_384, 40_000] {
            let mut slots = SlotTable::new();
            let start = 1_000_000_007;
            let mut wheel = Wheel::new(start);
            let mut waiting = std::collections::BTreeMap::new();
            for i in 0..400u64 {
                let index = slots.allocate();
                let deadline = start + 1 + i * i * 3 % 50_000;
                slots.at(index).deadline = deadline;
                wheel.track(&mut slots, index);
                waiting.insert(index, deadline);
            }
            let mut now = start;
            while !waiting.is_empty() {
                let next = wheel.next_ms().expect("something waits");
                let earliest = *waiting.values().min().expect("not empty");
                assert!(next <= earliest + TICK_MS, "the wait would miss a deadline");
                now += step;
                let mut due = Vec::new();
                wheel.advance(&mut slots, now, &mut due);
                for index in due {
                    let deadline = waiting.remove(&index).expect("fired twice");
                    assert!(deadline <= now, "early by {}", deadline - now);
                }
                let late = now.saturating_sub(TICK_MS);
                assert!(waiting.values().all(|&d| d > late), "late at step {step}");
            }
            assert_eq!(wheel.next_ms(), None);
        }
    }

    #[test]
    fn moving_a_deadline() {
        let mut slots = SlotTable::new();
        let mut wheel = Wheel::new(160);
        let index = slots.allocate();
        let mut due = Vec::new();
        for (deadline, now, fires) in [
            (1000, 200, false),
            (300, 299, false),
            (5000, 1100, false),
            (0, 6000, false),
            (6100, 6112, true),
        ] {
            slots.at(index).deadline = deadline;
            if deadline != 0 {
                wheel.track(&mut slots, index);
            }
            wheel.advance(&mut slots, now, &mut due);
            assert_eq!(!due.is_empty(), fires, "deadline {deadline} at {now}");
        }
    }
}
