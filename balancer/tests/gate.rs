//! The gate from outside: exactness, order, dropped futures, resizing; first step by step, then against a naive model,
//! then with threads. Not timing.
#![forbid(unsafe_code)]

use std::collections::VecDeque;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};

use ringway_balancer::{Enter, Gate, Overflow, Permit};

#[derive(Default)]
struct Counting(AtomicU32);

impl Wake for Counting {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

struct Waiter {
    enter: Enter,
    wakes: Arc<Counting>,
}

impl Waiter {
    fn new(gate: &Arc<Gate>) -> Waiter {
        Waiter {
            enter: gate.enter().expect("room in the queue"),
            wakes: Arc::default(),
        }
    }

    fn poll(&mut self) -> Option<Permit> {
        let waker = Waker::from(self.wakes.clone());
        match std::pin::Pin::new(&mut self.enter).poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(permit) => Some(permit),
            Poll::Pending => None,
        }
    }

    fn woken(&self) -> u32 {
        self.wakes.0.load(Ordering::SeqCst)
    }
}

fn numbers(gate: &Gate) -> (u32, u32) {
    (gate.in_use(), gate.waiting())
}

#[test]
fn lets_in_exactly_the_limit() {
    let gate = Gate::new(2, 0);
    let first = gate.try_enter().unwrap();
    let _second = gate.try_enter().unwrap();
    assert!(gate.try_enter().is_none());
    assert_eq!(gate.enter().err(), Some(Overflow::QueueFull));
    drop(first);
    assert!(gate.enter().is_ok());
    assert_eq!(gate.limit(), 2);
}

#[test]
fn first_come_first_served_and_nobody_overtakes() {
    let gate = Gate::new(1, 2);
    let permit = gate.try_enter().unwrap();
    let mut a = Waiter::new(&gate);
    let mut b = Waiter::new(&gate);
    assert_eq!(gate.enter().err(), Some(Overflow::QueueFull));
    assert!(b.poll().is_none() && a.poll().is_none());
    assert_eq!(numbers(&gate), (1, 2));
    drop(permit);
    assert_eq!((a.woken(), b.woken()), (1, 0));
    assert_eq!(
        numbers(&gate),
        (1, 1),
        "the place was handed over, not freed"
    );
    assert!(
        gate.try_enter().is_none(),
        "granted to a, though a has not looked yet"
    );
    assert!(b.poll().is_none());
    let permit = a.poll().unwrap();
    drop(permit);
    assert_eq!(b.woken(), 1);
    drop(b.poll().unwrap());
    assert_eq!(numbers(&gate), (0, 0));
    assert!(gate.try_enter().is_some());
}

#[test]
fn a_place_granted_before_the_first_poll_is_there() {
    let gate = Gate::new(1, 1);
    let permit = gate.try_enter().unwrap();
    let mut a = Waiter::new(&gate);
    drop(permit);
    assert!(a.poll().is_some());
}

#[test]
fn dropped_at_every_point() {
    // never polled; polled; granted unpolled; granted and polled once before
    for (polled, granted) in [(false, false), (true, false), (false, true), (true, true)] {
        let gate = Gate::new(1, 2);
        let permit = gate.try_enter().unwrap();
        let mut a = Waiter::new(&gate);
        let mut b = Waiter::new(&gate);
        assert!(b.poll().is_none());
        if polled {
            assert!(a.poll().is_none());
        }
        if granted {
            drop(permit);
            drop(a);
        } else {
            drop(a);
            assert_eq!(numbers(&gate), (1, 1));
            assert_eq!(b.woken(), 0);
            drop(permit);
        }
        assert_eq!(b.woken(), 1, "polled {polled}, granted {granted}");
        drop(b.poll().unwrap());
        assert_eq!(numbers(&gate), (0, 0));
        assert!(gate.try_enter().is_some(), "the waiting mark is gone");
    }
}

#[test]
fn the_last_waiter_leaving_opens_the_fast_path() {
    let gate = Gate::new(1, 1);
    let permit = gate.try_enter().unwrap();
    drop(Waiter::new(&gate));
    drop(permit);
    assert!(gate.try_enter().is_some());
}

#[test]
fn an_entered_future_that_is_dropped_gives_its_place_back() {
    let gate = Gate::new(1, 1);
    drop(gate.enter().unwrap());
    assert_eq!(numbers(&gate), (0, 0));
}

#[test]
fn only_the_latest_waker_is_called() {
    let gate = Gate::new(1, 1);
    let permit = gate.try_enter().unwrap();
    let mut a = Waiter::new(&gate);
    assert!(a.poll().is_none());
    let before = std::mem::take(&mut a.wakes);
    assert!(a.poll().is_none());
    drop(permit);
    assert_eq!((before.0.load(Ordering::SeqCst), a.woken()), (0, 1));
}

#[test]
fn resize_lets_waiters_in_and_shrinks_without_throwing_out() {
    let gate = Gate::new(0, 3);
    let mut waiters: Vec<Waiter> = (0..3).map(|_| Waiter::new(&gate)).collect();
    assert!(waiters.iter_mut().all(|w| w.poll().is_none()));
    gate.resize(2, 3);
    let woken: Vec<u32> = waiters.iter().map(Waiter::woken).collect();
    assert_eq!(woken, [1, 1, 0]);
    let mut held: Vec<Permit> = waiters[..2].iter_mut().map(|w| w.poll().unwrap()).collect();

    gate.resize(1, 1);
    assert_eq!((numbers(&gate), gate.limit()), ((2, 1), 1));
    held.pop();
    assert_eq!(numbers(&gate), (1, 1), "still at the new limit");
    assert!(waiters[2].poll().is_none());
    held.pop();
    assert!(waiters[2].poll().is_some());
    assert_eq!(numbers(&gate), (0, 0));
    gate.resize(u32::MAX, 0);
    assert!(gate.limit() >= 1 << 30);
}

/// The same rules, written the obvious way.
#[derive(Default)]
struct Model {
    limit: u32,
    capacity: usize,
    in_use: u32,
    queue: VecDeque<u32>,
    granted: Vec<u32>,
}

impl Model {
    fn settle(&mut self) {
        while self.in_use < self.limit {
            let Some(first) = self.queue.pop_front() else {
                break;
            };
            self.in_use += 1;
            self.granted.push(first);
        }
    }
}

#[test]
fn agrees_with_the_model() {
    let mut random = Random(7);
    for _ in 0..400 {
        let (limit, capacity) = (random.below(4) as u32, random.below(5));
        let gate = Gate::new(limit, capacity as u32);
        let mut model = Model {
            limit,
            capacity,
            ..Model::default()
        };
        let mut held: Vec<Permit> = Vec::new();
        let mut waiters: Vec<(u32, Waiter)> = Vec::new();
        for step in 0..120u32 {
            match random.below(8) {
                0 => {
                    let free = model.queue.is_empty() && model.in_use < model.limit;
                    let permit = gate.try_enter();
                    assert_eq!(permit.is_some(), free);
                    model.in_use += u32::from(free);
                    held.extend(permit);
                }
                1 | 2 => {
                    let free = model.queue.is_empty() && model.in_use < model.limit;
                    let room = model.queue.len() < model.capacity;
                    match gate.enter() {
                        Ok(enter) => {
                            assert!(free || room);
                            if free {
                                model.in_use += 1;
                                model.granted.push(step);
                            } else {
                                model.queue.push_back(step);
                            }
                            waiters.push((
                                step,
                                Waiter {
                                    enter,
                                    wakes: Arc::default(),
                                },
                            ));
                        }
                        Err(Overflow::QueueFull) => assert!(!free && !room),
                    }
                }
                3 | 4 if !waiters.is_empty() => {
                    let at = random.below(waiters.len());
                    let (name, waiter) = &mut waiters[at];
                    let permit = waiter.poll();
                    assert_eq!(permit.is_some(), model.granted.contains(name));
                    if let Some(permit) = permit {
                        held.push(permit);
                        model.granted.retain(|n| n != name);
                        waiters.swap_remove(at);
                    }
                }
                5 if !waiters.is_empty() => {
                    let (name, waiter) = waiters.swap_remove(random.below(waiters.len()));
                    drop(waiter);
                    if model.granted.contains(&name) {
                        model.granted.retain(|n| *n != name);
                        model.in_use -= 1;
                        model.settle();
                    }
                    model.queue.retain(|n| *n != name);
                }
                6 if !held.is_empty() => {
                    drop(held.swap_remove(random.below(held.len())));
                    model.in_use -= 1;
                    model.settle();
                }
                7 => {
                    (model.limit, model.capacity) = (random.below(4) as u32, random.below(5));
                    gate.resize(model.limit, model.capacity as u32);
                    model.settle();
                }
                _ => {}
            }
            assert_eq!(numbers(&gate), (model.in_use, model.queue.len() as u32));
        }
    }
}

struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % bound
    }
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// A lost wake-up hangs here: there is no timeout.
fn wait<F: Future>(future: F) -> F::Output {
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(output) => return output,
            Poll::Pending => thread::park(),
        }
    }
}

/// Counts who is inside; each entry is checked against the limit.
#[derive(Default)]
struct Inside {
    now: AtomicU32,
    entered: AtomicU64,
    refused: AtomicU64,
}

impl Inside {
    fn with(&self, permit: Permit, limit: u32, yield_inside: bool) {
        let now = self.now.fetch_add(1, Ordering::SeqCst) + 1;
        assert!(now <= limit, "{now} inside, {limit} allowed");
        self.entered.fetch_add(1, Ordering::SeqCst);
        if yield_inside {
            thread::yield_now();
        }
        self.now.fetch_sub(1, Ordering::SeqCst);
        drop(permit);
    }
}

/// One thread's part: each round enters at once, by waiting, or waits and gives up at a random point.
fn rounds(gate: &Arc<Gate>, inside: &Inside, limit: u32, seed: u64) {
    let mut random = Random(seed);
    for _ in 0..3_000 {
        let lazy = random.below(3) == 0;
        match random.below(5) {
            0 => {
                if let Some(permit) = gate.try_enter() {
                    inside.with(permit, limit, lazy);
                }
            }
            1 | 2 => match gate.enter() {
                Ok(enter) => inside.with(wait(enter), limit, lazy),
                Err(Overflow::QueueFull) => {
                    inside.refused.fetch_add(1, Ordering::SeqCst);
                }
            },
            how => {
                let Ok(mut enter) = gate.enter() else {
                    continue;
                };
                if how == 3 {
                    let polled = std::pin::Pin::new(&mut enter)
                        .poll(&mut Context::from_waker(Waker::noop()));
                    if lazy {
                        thread::yield_now();
                    }
                    if let Poll::Ready(permit) = polled {
                        inside.with(permit, limit, false);
                    }
                }
                drop(enter);
            }
        }
    }
}

#[test]
fn threads_never_exceed_the_limit_and_lose_nothing() {
    for (limit, queue, threads) in [(1, 8, 6), (2, 1, 6), (3, 8, 6), (1, 0, 4)] {
        let gate = Gate::new(limit, queue);
        let inside = Inside::default();
        thread::scope(|scope| {
            for seed in 0..threads {
                let (gate, inside) = (&gate, &inside);
                scope.spawn(move || rounds(gate, inside, limit, seed));
            }
        });
        assert_eq!(numbers(&gate), (0, 0), "limit {limit}, queue {queue}");
        assert!(inside.entered.load(Ordering::SeqCst) > 1000);
        let all: Vec<Permit> = std::iter::from_fn(|| gate.try_enter()).take(10).collect();
        assert_eq!(all.len(), limit as usize, "every place is still there");
    }
}

#[test]
fn threads_with_a_limit_that_moves() {
    let gate = Gate::new(1, 8);
    let inside = Inside::default();
    let most = 4;
    thread::scope(|scope| {
        for seed in 0..4 {
            let (gate, inside) = (&gate, &inside);
            scope.spawn(move || rounds(gate, inside, most, seed));
        }
        scope.spawn(|| {
            let mut random = Random(99);
            for _ in 0..3_000 {
                gate.resize(
                    random.below(most as usize + 1) as u32,
                    random.below(9) as u32,
                );
                if random.below(4) == 0 {
                    thread::yield_now();
                }
            }
            gate.resize(most, 8); // Whoever still waits gets in.
        });
    });
    assert_eq!(numbers(&gate), (0, 0));
    let all: Vec<Permit> = std::iter::from_fn(|| gate.try_enter()).take(10).collect();
    assert_eq!(all.len(), most as usize);
}
