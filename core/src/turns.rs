//! Work that takes long comes in turns: so much of it in one turn of a worker's loop, whoever is over that waits in a line. So a storm of
//! handshakes, of fresh connections to upstreams, or of requests that end before they are whole, costs established connections a bounded time per turn, and not their service. Not a limit on how many wait: each of them
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

    /// Wake somebody when there is a place in a turn.
    pub(crate) fn wake(&self, waker: Waker) {
        let at_once = self.0.borrow_mut().has_place();
        if at_once {
            waker.wake();
        } else {
            self.join(waker);
        }
    }

    /// Stand in the line; answers the number in it.
    fn join(&self, waker: Waker) -> u64 {
        let mut line = self.0.borrow_mut();
        let number = line.next;
        line.next += 1;
        line.waiting.push_back(waker);
        if !std::mem::replace(&mut line.is_served, true) {
            io::spawn(serve(self.0.clone()));
        }
        number
    }

    fn poll(&self, number: &mut Option<u64>, cx: &mut Context<'_>) -> Poll<()> {
        if let Some(number) = *number {
            return if number < self.0.borrow().first {
                Poll::Ready(())
            } else {
                Poll::Pending
            };
        }
        let at_once = self.0.borrow_mut().has_place();
        if at_once {
            return Poll::Ready(());
        }
        *number = Some(self.join(cx.waker().clone()));
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

    /// Whether there is a place at once; then it is taken.
    fn has_place(&mut self) -> bool {
        self.look_at_the_clock();
        let has = self.left > 0 && self.waiting.is_empty();
        self.left -= u32::from(has);
        has
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
