//! Deadlines and sleeps: one wheel of 1024 buckets of 16 ms, coarse and lazy.
//!
//! A slot is in the wheel at most once, never later than its deadline. Moving a deadline further away is a store; the wheel finds
//! out when it comes to the bucket and links the slot anew. Not precise: up to 16 ms late, never early.

use std::task::{Context, Poll};

use crate::driver::Io;
use crate::slot::{NIL, SlotTable, flag};
use crate::stream::Owner;
use crate::worker::{Worker, with_worker};

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
    let mut alarm = None;
    std::future::poll_fn(|cx| {
        let alarm = alarm.get_or_insert_with(|| {
            // The clock itself, not the loop's copy of it: a sleep is rare, and must not be short by a long turn.
            with_worker(Worker::tick_clock);
            let alarm = Alarm::new();
            alarm.set(ms.max(1));
            alarm
        });
        alarm.poll(cx)
    })
    .await;
}

/// A deadline that belongs to no socket. As with those of a [`crate::Stream`], to move it away is a store. It is over at once when the
/// worker ends.
#[derive(Debug)]
pub struct Alarm {
    /// None outside of a worker.
    owner: Option<Owner>,
}

impl Alarm {
    /// Not set.
    #[allow(
        clippy::new_without_default,
        reason = "it takes a place in the worker's table; that should be seen"
    )]
    pub fn new() -> Alarm {
        let owner = with_worker(|w| Owner::new(w, w.io.borrow_mut().take_alarm(w)));
        Alarm { owner }
    }

    /// Over after `ms` from now (the loop's clock), until set anew or cleared. Resolution is the wheel's tick; never early.
    pub fn set(&self, ms: u32) {
        self.io(|w, io, index| io.set_deadline(w, index, u64::from(ms)));
    }

    /// Never over.
    pub fn clear(&self) {
        self.io(|_, io, index| io.clear_deadline(index));
    }

    /// The time is over.
    pub fn is_over(&self) -> bool {
        self.io(|w, io, index| io.slots.at(index).has(flag::TIMED_OUT) || w.stopping.get())
            .unwrap_or(true)
    }

    /// Ready when the time is over. One task waits.
    pub fn poll(&self, cx: &mut Context<'_>) -> Poll<()> {
        self.io(|w, io, index| io.poll_deadline(w, index, cx))
            .map_or(Poll::Ready(()), |over| over.map(drop))
    }

    fn io<R>(&self, f: impl FnOnce(&Worker, &mut Io, u32) -> R) -> Option<R> {
        self.owner.as_ref().and_then(|owner| owner.io(f))
    }
}

impl Drop for Alarm {
    fn drop(&mut self) {
        if self.io(|w, io, index| io.keep_alarm(w, index)) == Some(true) {
            // It owns the slot no more.
            std::mem::forget(self.owner.take());
        }
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
