//! Work that takes long comes in turns: so much of it in one turn of a worker's loop, whoever is over that waits in a line. So a storm of
//! handshakes, or of fresh connections to upstreams, costs established connections a bounded time per turn, and not their service. Not a limit on how many wait: each of them
//! holds a connection, and these are limited.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use ringway_io as io;

/// See the module.
#[derive(Debug, Clone)]
pub(crate) struct Turns(Rc<RefCell<Line>>);

#[derive(Debug)]
struct Line {
    /// In one turn.
    most: u32,
    /// Of the turn `turn`.
    left: u32,
    turn: u64,
    waiting: VecDeque<Waker>,
    /// Numbers of those who wait: of the next who comes, and of the first who has not been let in.
    next: u64,
    first: u64,
    /// A task lets them in.
    is_served: bool,
}

impl Turns {
    /// `most` in one turn.
    pub(crate) fn new(most: u32) -> Turns {
        Turns(Rc::new(RefCell::new(Line {
            most,
            left: most,
            turn: 0,
            waiting: VecDeque::new(),
            next: 0,
            first: 0,
            is_served: false,
        })))
    }

    /// Ready when there is a place in this turn, first come first served. Whoever stops waiting loses its place, and a later one with it.
    pub(crate) async fn enter(&self) {
        let mut number = None;
        poll_fn(|cx| self.poll(&mut number, cx)).await;
    }

    fn poll(&self, number: &mut Option<u64>, cx: &mut Context<'_>) -> Poll<()> {
        let mut line = self.0.borrow_mut();
        if let Some(number) = *number {
            return if number < line.first {
                Poll::Ready(())
            } else {
                Poll::Pending
            };
        }
        line.look_at_the_clock();
        if line.left > 0 && line.waiting.is_empty() {
            line.left -= 1;
            return Poll::Ready(());
        }
        *number = Some(line.next);
        line.next += 1;
        line.waiting.push_back(cx.waker().clone());
        if !std::mem::replace(&mut line.is_served, true) {
            io::spawn(serve(self.0.clone()));
        }
        Poll::Pending
    }
}

impl Line {
    fn look_at_the_clock(&mut self) {
        let turn = io::turn();
        if std::mem::replace(&mut self.turn, turn) != turn {
            self.left = self.most;
        }
    }
}

/// Let so many in with each turn, until nobody waits.
async fn serve(line: Rc<RefCell<Line>>) {
    loop {
        io::next_turn().await;
        let mut line = line.borrow_mut();
        line.look_at_the_clock();
        while line.left > 0
            && let Some(waker) = line.waiting.pop_front()
        {
            line.left -= 1;
            line.first += 1;
            waker.wake();
        }
        if line.waiting.is_empty() {
            line.is_served = false;
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
                    turns.enter().await;
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
            turns.enter().await;
        })
        .unwrap();
    }

    #[test]
    fn who_gave_up_does_not_hold_up_the_others() {
        io::run(io::WorkerOptions::default(), || async {
            let turns = Turns::new(1);
            turns.enter().await;
            let mut gone = std::pin::pin!(turns.enter());
            let started = poll_fn(|cx| Poll::Ready(gone.as_mut().poll(cx).is_ready())).await;
            assert!(!started);
            // Its number is let in as if it were there.
            turns.enter().await;
            turns.enter().await;
        })
        .unwrap();
    }
}
