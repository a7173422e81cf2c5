//! A limit that is exact over all workers, with a bounded queue in which the first to come is the first to go.
//! Not a clock: how long to wait is the caller's matter (drop the [`Enter`]). Not a rate limit.
//!
//! One word holds everything that the fast path needs, so that entering and leaving are one compare-and-swap each, and
//! a limit is exact even in the moment of a [`Gate::resize`]:
//!
//! ```text
//!   63          32  31        30          0
//!   [   limit    ] [waiting] [   in use    ]
//! ```
//!
//! `waiting` is set exactly while the queue holds someone. While it is set, the word changes only under the queue's
//! lock: newcomers do not try, and who leaves hands the place over. Hence nobody overtakes, and no place is lost.
//!
//! The lock is taken only where something waits (to queue up, to hand over, to leave the queue, to resize). It is held
//! for a few list operations, never across a wake or a drop of foreign code. At that moment the cluster is at its
//! limit: the exchange at hand is going to wait for milliseconds, the lock costs a fraction of a microsecond.

mod queue;

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, PoisonError};
use std::task::{Context, Poll};

use crossbeam_utils::CachePadded;

// The library's are those of std; `tests/interleavings.rs` puts loom's in their place.
use crate::sync::{AtomicU32, AtomicU64, Mutex, MutexGuard, Ordering};
use queue::{Left, Queue, Turn};

const WAITING: u64 = 1 << 31;
const IN_USE: u64 = WAITING - 1;
/// Limits above this are taken as this: about two thousand million.
const LARGEST_LIMIT: u32 = IN_USE as u32;

fn limit_of(word: u64) -> u64 {
    word >> 32
}

fn in_use_of(word: u64) -> u64 {
    word & IN_USE
}

/// A limit that is exact over all workers, with a bounded FIFO queue of waiters.
#[derive(Debug)]
pub struct Gate {
    /// See the module. Padded: every exchange of every worker writes it.
    word: CachePadded<AtomicU64>,
    queue: Mutex<Queue>,
    /// The queue's length, to be read without its lock. Written under it.
    waiting: AtomicU32,
}

/// A place behind the gate; dropping it gives the place to the first in the queue, or back.
#[derive(Debug)]
#[must_use = "dropping a permit gives its place back"]
pub struct Permit {
    gate: Arc<Gate>,
}

/// Why there is no place and no waiting for one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Overflow {
    /// The queue was full as well.
    QueueFull,
}

impl Gate {
    /// A gate for `limit` holders at once and `queue` waiters. A limit of 0 lets nobody in until it is resized.
    pub fn new(limit: u32, queue: u32) -> Arc<Gate> {
        Arc::new(Gate {
            word: CachePadded::new(AtomicU64::new(u64::from(limit.min(LARGEST_LIMIT)) << 32)),
            queue: Mutex::new(Queue::new(queue)),
            waiting: AtomicU32::new(0),
        })
    }

    /// A reload changed the numbers. Holders and waiters stay, even above the new numbers; after this returns nobody
    /// enters beyond the new limit. Places that a higher limit makes go to the queue first.
    pub fn resize(&self, limit: u32, queue: u32) {
        {
            let mut waiters = self.lock();
            waiters.capacity = queue;
            let limit = u64::from(limit.min(LARGEST_LIMIT)) << 32;
            self.change(|word| limit | (word & (WAITING | IN_USE)));
        }
        while self.hand_over(self.lock()) {}
    }

    /// At once or not at all; the fast path: one compare-and-swap if nobody interferes. Does not overtake waiters.
    pub fn try_enter(self: &Arc<Self>) -> Option<Permit> {
        let mut word = self.word.load(Ordering::Relaxed);
        loop {
            if word & WAITING != 0 || in_use_of(word) >= limit_of(word) {
                return None;
            }
            // AcqRel: what the last holder did under its permit happens before what this one does.
            match self.word.compare_exchange_weak(
                word,
                word + 1,
                Ordering::AcqRel,
                Ordering::Relaxed,
            ) {
                Ok(_) => return Some(Permit { gate: self.clone() }),
                Err(seen) => word = seen,
            }
        }
    }

    /// Wait for a place (first come, first served). The caller bounds the time; dropping the future leaves the queue
    /// and loses no permit. The place in the queue is taken here, not at the first poll.
    ///
    /// The waker given to the future may be called from any worker's thread.
    ///
    /// # Errors
    /// [`Overflow::QueueFull`] if no place is free and as many wait as may.
    pub fn enter(self: &Arc<Self>) -> Result<Enter, Overflow> {
        loop {
            if let Some(permit) = self.try_enter() {
                return Ok(Enter::granted(permit));
            }
            let mut waiters = self.lock();
            let word = self.word.load(Ordering::Relaxed);
            if word & WAITING == 0 {
                if in_use_of(word) < limit_of(word) {
                    continue; // Someone left in between; the place is for whoever is quick, nobody waits.
                }
                if waiters.capacity == 0 {
                    return Err(Overflow::QueueFull);
                }
                // Tell those who leave. If one left just now, the word has changed and we look again.
                if self
                    .word
                    .compare_exchange(word, word | WAITING, Ordering::AcqRel, Ordering::Relaxed)
                    .is_err()
                {
                    continue;
                }
            } else if waiters.len() >= waiters.capacity {
                return Err(Overflow::QueueFull);
            }
            let slot = waiters.push();
            self.waiting.store(waiters.len(), Ordering::Relaxed);
            return Ok(Enter {
                state: State::Queued {
                    gate: self.clone(),
                    slot,
                },
            });
        }
    }

    /// Places taken now. Above [`Gate::limit`] after a resize to less, until enough have left.
    pub fn in_use(&self) -> u32 {
        in_use_of(self.word.load(Ordering::Relaxed)) as u32
    }

    /// Waiters in the queue now.
    pub fn waiting(&self) -> u32 {
        self.waiting.load(Ordering::Relaxed)
    }

    /// How many may be in at once.
    pub fn limit(&self) -> u32 {
        limit_of(self.word.load(Ordering::Relaxed)) as u32
    }

    fn leave(&self) {
        let mut word = self.word.load(Ordering::Relaxed);
        while word & WAITING == 0 {
            match self.word.compare_exchange_weak(
                word,
                word - 1,
                Ordering::AcqRel,
                Ordering::Relaxed,
            ) {
                Ok(_) => return,
                Err(seen) => word = seen,
            }
        }
        let waiters = self.lock();
        // The queue may have emptied meanwhile; giving the place back is right in both cases.
        self.change(|word| word - 1);
        if self.hand_over(waiters) {
            while self.hand_over(self.lock()) {}
        }
    }

    /// Give the first waiter a free place, if there are both, and wake it after unlocking. Whether it did.
    fn hand_over(&self, mut waiters: MutexGuard<'_, Queue>) -> bool {
        let word = self.word.load(Ordering::Relaxed);
        if in_use_of(word) >= limit_of(word) {
            return false;
        }
        let Some(waker) = waiters.grant_first() else {
            return false;
        };
        self.waiting.store(waiters.len(), Ordering::Relaxed);
        let flag = if waiters.len() == 0 { WAITING } else { 0 };
        self.change(|word| (word + 1) & !flag);
        drop(waiters);
        if let Some(waker) = waker {
            waker.wake();
        }
        true
    }

    /// Change the word under the lock. Loops only against the fast path, and only while nobody waits.
    fn change(&self, to: impl Fn(u64) -> u64) {
        let mut word = self.word.load(Ordering::Relaxed);
        while let Err(seen) =
            self.word
                .compare_exchange_weak(word, to(word), Ordering::AcqRel, Ordering::Relaxed)
        {
            word = seen;
        }
    }

    /// A panic of ours elsewhere while the lock was held would have left the queue whole: no foreign code runs under it.
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.gate.leave();
    }
}

/// Waiting for a [`Permit`]; see [`Gate::enter`].
#[derive(Debug)]
#[must_use = "dropping it leaves the queue"]
pub struct Enter {
    state: State,
}

/// ```text
///   Queued --granted while waiting, seen by poll--> Done
///   Granted --poll--> Done
/// ```
#[derive(Debug)]
enum State {
    /// In the queue, or granted since; the queue knows which.
    Queued { gate: Arc<Gate>, slot: usize },
    /// There was a place at once.
    Granted(Permit),
    /// The permit was given out.
    Done,
}

impl Enter {
    fn granted(permit: Permit) -> Self {
        Enter {
            state: State::Granted(permit),
        }
    }
}

impl Future for Enter {
    type Output = Permit;

    /// # Panics
    /// If polled again after it gave its permit, as futures may.
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Permit> {
        if let State::Queued { gate, slot } = &self.state {
            let turn = gate.lock().poll(*slot, cx.waker());
            if let Turn::Wait { replaced } = turn {
                drop(replaced); // Unlocked: dropping a waker may run the end of a task.
                return Poll::Pending;
            }
        }
        match std::mem::replace(&mut self.state, State::Done) {
            State::Queued { gate, .. } => Poll::Ready(Permit { gate }),
            State::Granted(permit) => Poll::Ready(permit),
            State::Done => panic!("Enter was polled after it gave its permit"),
        }
    }
}

impl Drop for Enter {
    fn drop(&mut self) {
        let State::Queued { gate, slot } = std::mem::replace(&mut self.state, State::Done) else {
            return;
        };
        let mut waiters = gate.lock();
        match waiters.leave(slot) {
            Left::Granted => {
                drop(waiters);
                drop(Permit { gate }); // Nobody saw it: pass it on.
            }
            Left::Queued { waker } => {
                gate.waiting.store(waiters.len(), Ordering::Relaxed);
                if waiters.len() == 0 {
                    gate.change(|word| word & !WAITING);
                }
                drop(waiters);
                drop(waker);
            }
        }
    }
}
