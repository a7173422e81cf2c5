//! The gate under every interleaving of three threads with up to two preemptions, by loom; a lost wake-up is a deadlock,
//! which loom reports. Larger crowds are in `gate.rs`. The gate's own source is compiled here once more, on loom's atomics.
#![forbid(unsafe_code)]
#![allow(dead_code, unreachable_pub)]

/// Stands where the library has std's.
mod sync {
    pub(crate) use loom::sync::atomic::{AtomicU32, AtomicU64, Ordering};
    pub(crate) use loom::sync::{Mutex, MutexGuard};
}

#[path = "../src/gate/mod.rs"]
mod gate;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use gate::{Gate, Permit};
use loom::future::block_on;
use loom::thread;
use sync::{AtomicU32, Ordering};

/// A gate, and a count of who is inside.
#[derive(Clone)]
struct Room {
    gate: Arc<Gate>,
    inside: Arc<AtomicU32>,
}

impl Room {
    fn be_inside(&self, permit: Permit, limit: u32) {
        let now = self.inside.fetch_add(1, Ordering::SeqCst) + 1;
        assert!(now <= limit, "{now} inside, {limit} allowed");
        self.inside.fetch_sub(1, Ordering::SeqCst);
        drop(permit);
    }

    fn wait(&self, limit: u32) {
        let enter = self.gate.enter().expect("room in the queue");
        self.be_inside(block_on(enter), limit);
    }
}

/// Runs three parts side by side on a gate of one place; afterwards everything must be as at the start.
fn side_by_side([a, b, c]: [fn(&Room); 3]) {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(2);
    model.check(move || {
        let room = Room {
            gate: Gate::new(1, 4),
            inside: Arc::new(AtomicU32::new(0)),
        };
        let threads = [a, b].map(|part| {
            let room = room.clone();
            thread::spawn(move || part(&room))
        });
        c(&room);
        for thread in threads {
            thread.join().expect("a part went well");
        }
        assert_eq!((room.gate.in_use(), room.gate.waiting()), (0, 0));
        assert!(room.gate.try_enter().is_some());
    });
}

#[test]
fn three_waiters() {
    side_by_side([
        |room| room.wait(1),
        |room| room.wait(1),
        |room| room.wait(1),
    ]);
}

#[test]
fn one_gives_up_and_one_only_tries() {
    fn give_up(room: &Room) {
        let mut enter = room.gate.enter().expect("room in the queue");
        let polled = Pin::new(&mut enter).poll(&mut Context::from_waker(Waker::noop()));
        if let Poll::Ready(permit) = polled {
            room.be_inside(permit, 1);
        }
    }
    fn try_once(room: &Room) {
        if let Some(permit) = room.gate.try_enter() {
            room.be_inside(permit, 1);
        }
    }
    side_by_side([give_up, try_once, |room| room.wait(1)]);
}

#[test]
fn the_limit_moves() {
    fn resize(room: &Room) {
        room.gate.resize(0, 4);
        assert!(room.gate.try_enter().is_none(), "exact at once");
        room.gate.resize(2, 4);
    }
    side_by_side([resize, |room| room.wait(2), |room| room.wait(2)]);
}
