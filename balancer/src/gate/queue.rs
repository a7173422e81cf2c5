//! Who waits at a gate, in order: a doubly linked list in a slab, so that joining, leaving from anywhere and granting
//! are constant time and memory is bounded by the waiters there were at once. Not shared by itself: the gate locks it.

use std::task::Waker;

/// The end of a list.
const NONE: usize = usize::MAX;

#[derive(Debug)]
struct Entry {
    waker: Option<Waker>,
    granted: bool,
    before: usize,
    /// The next waiter, or the next free slot.
    behind: usize,
}

#[derive(Debug)]
pub(super) struct Queue {
    /// How many may wait; checked by the gate.
    pub(super) capacity: u32,
    entries: Vec<Entry>,
    first: usize,
    last: usize,
    free: usize,
    len: u32,
}

/// What a poll learns.
pub(super) enum Turn {
    /// The place is the waiter's; its slot is free again.
    Go,
    /// Not yet. `replaced` is for the caller to drop once the lock is released.
    Wait { replaced: Option<Waker> },
}

/// What a waiter had when it left without a poll saying [`Turn::Go`].
pub(super) enum Left {
    /// A place, which the caller must pass on.
    Granted,
    /// Only its place in the queue. The waker is for the caller to drop once the lock is released.
    Queued { waker: Option<Waker> },
}

impl Queue {
    pub(super) fn new(capacity: u32) -> Self {
        Queue {
            capacity,
            entries: Vec::new(),
            first: NONE,
            last: NONE,
            free: NONE,
            len: 0,
        }
    }

    /// Waiters that have no place yet.
    pub(super) fn len(&self) -> u32 {
        self.len
    }

    /// Join at the end; the slot is the waiter's until [`Turn::Go`] or [`Queue::leave`].
    pub(super) fn push(&mut self) -> usize {
        let entry = Entry {
            waker: None,
            granted: false,
            before: self.last,
            behind: NONE,
        };
        let slot = if self.free == NONE {
            self.entries.push(entry);
            self.entries.len() - 1
        } else {
            let slot = self.free;
            self.free = self.entries[slot].behind;
            self.entries[slot] = entry;
            slot
        };
        match self.last {
            NONE => self.first = slot,
            last => self.entries[last].behind = slot,
        }
        self.last = slot;
        self.len += 1;
        slot
    }

    /// Give the first its place; the waker to call for it, if it was polled yet. None if nobody waits.
    pub(super) fn grant_first(&mut self) -> Option<Option<Waker>> {
        if self.first == NONE {
            return None;
        }
        let slot = self.first;
        self.unlink(slot);
        self.entries[slot].granted = true;
        Some(self.entries[slot].waker.take())
    }

    pub(super) fn poll(&mut self, slot: usize, waker: &Waker) -> Turn {
        let entry = &mut self.entries[slot];
        if entry.granted {
            self.release(slot);
            return Turn::Go;
        }
        let replaced = match &entry.waker {
            Some(known) if known.will_wake(waker) => None,
            _ => entry.waker.replace(waker.clone()),
        };
        Turn::Wait { replaced }
    }

    pub(super) fn leave(&mut self, slot: usize) -> Left {
        if self.entries[slot].granted {
            self.release(slot);
            return Left::Granted;
        }
        let waker = self.entries[slot].waker.take();
        self.unlink(slot);
        self.release(slot);
        Left::Queued { waker }
    }

    fn unlink(&mut self, slot: usize) {
        let (before, behind) = (self.entries[slot].before, self.entries[slot].behind);
        match before {
            NONE => self.first = behind,
            before => self.entries[before].behind = behind,
        }
        match behind {
            NONE => self.last = before,
            behind => self.entries[behind].before = before,
        }
        self.len -= 1;
    }

    fn release(&mut self, slot: usize) {
        self.entries[slot].behind = self.free;
        self.free = slot;
    }

    #[cfg(test)]
    pub(super) fn slots(&self) -> usize {
        self.entries.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drain(queue: &mut Queue, slots: &[usize]) -> Vec<usize> {
        let mut order = Vec::new();
        while queue.grant_first().is_some() {
            for &slot in slots {
                if !order.contains(&slot) && matches!(queue.poll(slot, Waker::noop()), Turn::Go) {
                    order.push(slot);
                }
            }
        }
        order
    }

    #[test]
    fn keeps_the_order_when_some_leave() {
        // (who of five leaves, the order of the rest)
        let cases: &[(&[usize], &[usize])] = &[
            (&[], &[0, 1, 2, 3, 4]),
            (&[0], &[1, 2, 3, 4]),
            (&[4], &[0, 1, 2, 3]),
            (&[2], &[0, 1, 3, 4]),
            (&[1, 2], &[0, 3, 4]),
            (&[3, 0], &[1, 2, 4]),
            (&[0, 1, 2, 3, 4], &[]),
        ];
        for (leaving, expected) in cases {
            let mut queue = Queue::new(9);
            let slots: Vec<usize> = (0..5).map(|_| queue.push()).collect();
            for &slot in *leaving {
                assert!(matches!(queue.leave(slots[slot]), Left::Queued { .. }));
            }
            assert_eq!(queue.len() as usize, expected.len());
            let rest: Vec<usize> = slots
                .iter()
                .copied()
                .filter(|s| !leaving.contains(s))
                .collect();
            assert_eq!(&drain(&mut queue, &rest), expected, "{leaving:?}");
            assert_eq!(queue.len(), 0);
        }
    }

    #[test]
    fn slots_are_used_again() {
        let mut queue = Queue::new(9);
        let front = queue.push();
        for _ in 0..1000 {
            let middle = queue.push();
            let back = queue.push();
            queue.leave(middle);
            queue.leave(back);
        }
        assert_eq!(queue.slots(), 3);
        assert!(matches!(
            queue.poll(front, Waker::noop()),
            Turn::Wait { .. }
        ));
    }

    #[test]
    fn leaving_after_the_grant_says_so() {
        let mut queue = Queue::new(9);
        let slot = queue.push();
        assert!(matches!(queue.grant_first(), Some(None)));
        assert!(queue.grant_first().is_none());
        assert!(matches!(queue.leave(slot), Left::Granted));
    }
}
