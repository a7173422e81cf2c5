//! Work that takes long comes in turns: so much of it in one turn of a worker's loop, whoever is over that waits in a line. So a storm of
//! handshakes, of fresh connections to upstreams, or of requests that end before they are whole, costs established connections a bounded time per
//! turn, and not their service. Not a limit on how many wait: each of them holds a connection or a stream, and these are limited.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Poll, Waker};

use ringway_io as io;
use rustc_hash::FxHashMap;

/// Of a line that is nobody's in particular.
pub(crate) const NOBODY: usize = 0;

/// See the module.
#[derive(Debug, Clone)]
pub(crate) struct Turns(Rc<RefCell<Lines>>);

/// Each owner has a line, and the lines are served one after the other: who brings many does not stand before who brings one.
#[derive(Debug)]
struct Lines {
    /// In one turn.
    most: u32,
    /// Of the turn `turn`.
    left: u32,
    turn: u64,
    waiting: FxHashMap<usize, VecDeque<Waiter>>,
    /// Those of whom somebody waits, the next one first.
    owners: VecDeque<usize>,
    /// A task lets them in.
    is_served: bool,
}

#[derive(Debug)]
struct Waiter {
    waker: Waker,
    /// Set with the place, where somebody looks at it; nobody else has it any more when that one has stopped waiting.
    is_let_in: Option<Rc<Cell<bool>>>,
}

impl Turns {
    /// `most` in one turn.
    pub(crate) fn new(most: u32) -> Turns {
        Turns(Rc::new(RefCell::new(Lines {
            most,
            left: most,
            turn: 0,
            waiting: FxHashMap::default(),
            owners: VecDeque::new(),
            is_served: false,
        })))
    }

    /// Ready when there is a place in this turn, first come first served among those of one owner.
    pub(crate) async fn enter(&self, owner: usize) {
        if self.0.borrow_mut().has_place() {
            return;
        }
        let is_let_in = Rc::new(Cell::new(false));
        let mut waits = false;
        poll_fn(|cx| {
            if is_let_in.get() {
                return Poll::Ready(());
            }
            if !std::mem::replace(&mut waits, true) {
                let waiter = Waiter {
                    waker: cx.waker().clone(),
                    is_let_in: Some(is_let_in.clone()),
                };
                self.join(owner, waiter);
            }
            Poll::Pending
        })
        .await;
    }

    /// Wake somebody when there is a place in a turn.
    pub(crate) fn wake(&self, waker: Waker) {
        let at_once = self.0.borrow_mut().has_place();
        if at_once {
            return waker.wake();
        }
        let waiter = Waiter {
            waker,
            is_let_in: None,
        };
        self.join(NOBODY, waiter);
    }

    fn join(&self, owner: usize, waiter: Waiter) {
        let mut lines = self.0.borrow_mut();
        let line = lines.waiting.entry(owner).or_default();
        line.push_back(waiter);
        if line.len() == 1 {
            lines.owners.push_back(owner);
        }
        if !std::mem::replace(&mut lines.is_served, true) {
            io::spawn(serve(self.0.clone()));
        }
    }
}

impl Lines {
    fn look_at_the_clock(&mut self) {
        let turn = io::turn();
        if std::mem::replace(&mut self.turn, turn) != turn {
            self.left = self.most;
        }
    }

    /// Whether there is a place at once; then it is taken.
    fn has_place(&mut self) -> bool {
        self.look_at_the_clock();
        let has = self.left > 0 && self.owners.is_empty();
        self.left -= u32::from(has);
        has
    }

    /// Whose turn it is.
    fn next(&mut self) -> Option<Waiter> {
        let owner = self.owners.pop_front()?;
        let line = self.waiting.get_mut(&owner)?;
        let waiter = line.pop_front();
        match line.is_empty() {
            true => drop(self.waiting.remove(&owner)),
            false => self.owners.push_back(owner),
        }
        waiter
    }
}

impl Waiter {
    /// Let it in, if it still waits.
    fn let_in(self) -> bool {
        if let Some(is_let_in) = self.is_let_in {
            if Rc::strong_count(&is_let_in) == 1 {
                return false;
            }
            is_let_in.set(true);
        }
        self.waker.wake();
        true
    }
}

/// Let so many in with each turn, until nobody waits.
async fn serve(lines: Rc<RefCell<Lines>>) {
    loop {
        io::next_turn().await;
        let mut lines = lines.borrow_mut();
        lines.look_at_the_clock();
        while lines.left > 0
            && let Some(waiter) = lines.next()
        {
            lines.left -= u32::from(waiter.let_in());
        }
        if lines.owners.is_empty() {
            lines.is_served = false;
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[test]
    fn a_turn_lets_so_many_in_and_nobody_overtakes() {
        io::run(io::WorkerOptions::default(), || async {
            let turns = Turns::new(3);
            let order: Rc<RefCell<Vec<(u64, u32)>>> = Rc::default();
            let left = Rc::new(Cell::new(100));
            for i in 0..100 {
                let (turns, order, left) = (turns.clone(), order.clone(), left.clone());
                io::spawn(async move {
                    turns.enter(NOBODY).await;
                    order.borrow_mut().push((io::turn(), i));
                    left.set(left.get() - 1);
                });
            }
            while left.get() > 0 {
                io::next_turn().await;
            }
            let order = order.take();
            assert!(order.iter().map(|(_, i)| *i).eq(0..100), "in their order");
            for turn in order.chunk_by(|a, b| a.0 == b.0) {
                assert!(turn.len() <= 3, "{turn:?}");
            }
            // Nobody waits any more: a place is there at once.
            turns.enter(NOBODY).await;
        })
        .unwrap();
    }

    #[test]
    fn who_sleeps_is_woken_in_its_turn() {
        io::run(io::WorkerOptions::default(), || async {
            let turns = Turns::new(3);
            let woken: Rc<RefCell<Vec<(u64, u32)>>> = Rc::default();
            let sleepers: Rc<RefCell<Vec<Waker>>> = Rc::default();
            for i in 0..10 {
                let (woken, sleepers) = (woken.clone(), sleepers.clone());
                io::spawn(async move {
                    let mut slept = false;
                    poll_fn(|cx| match std::mem::replace(&mut slept, true) {
                        true => Poll::Ready(()),
                        false => {
                            sleepers.borrow_mut().push(cx.waker().clone());
                            Poll::Pending
                        }
                    })
                    .await;
                    woken.borrow_mut().push((io::turn(), i));
                });
            }
            while sleepers.borrow().len() < 10 {
                io::next_turn().await;
            }
            sleepers.take().into_iter().for_each(|w| turns.wake(w));
            while woken.borrow().len() < 10 {
                io::next_turn().await;
            }
            let woken = woken.take();
            assert!(woken.iter().map(|(_, i)| *i).eq(0..10), "in their order");
            let lots = woken.chunk_by(|a, b| a.0 == b.0).map(<[_]>::len);
            assert_eq!(lots.collect::<Vec<_>>(), [3, 3, 3, 1]);
        })
        .unwrap();
    }

    #[test]
    fn who_gave_up_does_not_hold_up_the_others() {
        io::run(io::WorkerOptions::default(), || async {
            let turns = Turns::new(1);
            turns.enter(NOBODY).await;
            {
                let mut gone = std::pin::pin!(turns.enter(NOBODY));
                let started = poll_fn(|cx| Poll::Ready(gone.as_mut().poll(cx).is_ready())).await;
                assert!(!started);
            }
            let turn = io::turn();
            turns.enter(NOBODY).await;
            assert_eq!(io::turn(), turn + 1, "the place of the next turn is free");
        })
        .unwrap();
    }

    #[test]
    fn who_brings_many_does_not_stand_before_who_brings_one() {
        io::run(io::WorkerOptions::default(), || async {
            let turns = Turns::new(2);
            let order: Rc<RefCell<Vec<usize>>> = Rc::default();
            for owner in [[1; 50].as_slice(), &[2, 3, 2]].concat() {
                let (turns, order) = (turns.clone(), order.clone());
                io::spawn(async move {
                    turns.enter(owner).await;
                    order.borrow_mut().push(owner);
                });
            }
            while order.borrow().len() < 53 {
                io::next_turn().await;
            }
            // Two at once, before anybody waited; then one of each.
            assert_eq!(order.borrow()[..8], [1, 1, 1, 2, 3, 1, 2, 1]);
        })
        .unwrap();
    }
}
