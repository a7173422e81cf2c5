//! Tasks of one worker: spawn, ready queue, integer wakers.
//!
//! A waker is the packed number `worker 8 | generation 24 | index 32` and a static table: clone and drop do nothing, so a stored
//! waker costs nothing and can dangle nowhere. Not a work-stealing scheduler: a task stays where it was spawned.

use std::alloc::Layout;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::future::Future;
use std::mem::ManuallyDrop;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::ptr::NonNull;
use std::task::{Context, Poll, RawWaker, RawWakerVTable, Waker};

use crate::arena;
use crate::counters;
use crate::remote;
use crate::token::GENERATION_MASK;
use crate::worker::{Worker, with_worker};

/// A task's block: the table first, then the future.
#[repr(C)]
struct Block<F> {
    table: &'static Table,
    future: F,
}

struct Table {
    poll: unsafe fn(NonNull<Head>, &mut Context<'_>) -> Poll<()>,
    drop: unsafe fn(NonNull<Head>),
    layout: Layout,
}

/// The part of a `Block` that does not depend on the future.
#[repr(C)]
struct Head {
    table: &'static Table,
}

impl<F: Future<Output = ()> + 'static> Block<F> {
    const TABLE: Table = Table {
        poll: Self::poll,
        drop: Self::drop,
        layout: Layout::new::<Block<F>>(),
    };

    /// # Safety
    /// `at` is a live `Block<F>` that nobody else refers to now.
    unsafe fn poll(at: NonNull<Head>, cx: &mut Context<'_>) -> Poll<()> {
        // SAFETY: the caller's promise; the future stays in its block until dropped, so it is pinned.
        unsafe { Pin::new_unchecked(&mut at.cast::<Block<F>>().as_mut().future) }.poll(cx)
    }

    /// # Safety
    /// As `poll`, and it is the last use of the value.
    unsafe fn drop(at: NonNull<Head>) {
        // SAFETY: the caller's promise.
        unsafe { at.cast::<Block<F>>().drop_in_place() }
    }
}

/// A task's block, owned.
struct Task(NonNull<Head>);

impl Task {
    fn new<F: Future<Output = ()> + 'static>(future: F) -> Task {
        let block = arena::acquire(Layout::new::<Block<F>>()).cast::<Block<F>>();
        // SAFETY: fresh memory of this layout.
        unsafe {
            block.write(Block {
                table: &Block::<F>::TABLE,
                future,
            })
        };
        Task(block.cast())
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        // SAFETY: the block is live until here; the table lies in front of the future whatever its type (`repr(C)`).
        let table = unsafe { self.0.as_ref().table };
        // SAFETY: the last use of the value; nobody polls (the executor takes the task out before dropping it). A panic of the
        // future's drop ends here: the block is given back all the same.
        let _ = catch_unwind(AssertUnwindSafe(|| unsafe { (table.drop)(self.0) }));
        // SAFETY: from `acquire` with this layout.
        unsafe { arena::release(self.0.cast(), table.layout) };
    }
}

struct Entry {
    task: Option<Task>,
    generation: u32,
    queued: bool,
}

struct Inner {
    entries: Vec<Entry>,
    free: Vec<u32>,
    ready: VecDeque<u32>,
}

/// The tasks of a worker.
pub(crate) struct Executor {
    inner: RefCell<Inner>,
    /// Wakers that are not ours (of combinators), to be called when no borrow is held.
    foreign: RefCell<Vec<Waker>>,
    /// Of those who wait for the loop's next turn.
    later: RefCell<Vec<Waker>>,
    worker: u8,
}

/// How a burst of polls ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Polled {
    Nothing,
    Task,
    Panicked,
}

impl Executor {
    pub(crate) fn new(worker: u8) -> Executor {
        Executor {
            inner: RefCell::new(Inner {
                entries: Vec::new(),
                free: Vec::new(),
                ready: VecDeque::with_capacity(256),
            }),
            foreign: RefCell::new(Vec::new()),
            later: RefCell::new(Vec::new()),
            worker,
        }
    }

    /// Enter a task and make it ready.
    pub(crate) fn spawn<F: Future<Output = ()> + 'static>(&self, future: F) {
        let task = Task::new(future);
        let mut inner = self.inner.borrow_mut();
        let index = match inner.free.pop() {
            Some(index) => {
                let entry = &mut inner.entries[index as usize];
                entry.task = Some(task);
                entry.queued = true;
                index
            }
            None => {
                let index =
                    u32::try_from(inner.entries.len()).expect("four billion tasks on one worker");
                inner.entries.push(Entry {
                    task: Some(task),
                    generation: 0,
                    queued: true,
                });
                index
            }
        };
        inner.ready.push_back(index);
    }

    /// Something is to be done in this turn.
    fn has_ready_now(&self) -> bool {
        !self.inner.borrow().ready.is_empty() || !self.foreign.borrow().is_empty()
    }

    /// Something is to be done in this turn or in the next one.
    pub(crate) fn has_ready(&self) -> bool {
        self.has_ready_now() || !self.later.borrow().is_empty()
    }

    pub(crate) fn alive(&self) -> usize {
        let inner = self.inner.borrow();
        inner.entries.len() - inner.free.len()
    }

    /// Make a task ready by its packed number; stale numbers are ignored.
    #[inline]
    pub(crate) fn wake_id(&self, id: u64) {
        let index = id as u32;
        let generation = (id >> 32) as u32 & GENERATION_MASK;
        let mut inner = self.inner.borrow_mut();
        if let Some(entry) = inner.entries.get_mut(index as usize)
            && entry.generation == generation
            && entry.task.is_some()
            && !entry.queued
        {
            entry.queued = true;
            inner.ready.push_back(index);
        }
    }

    /// Make every task ready (more wakes came from outside than the inbox holds).
    pub(crate) fn wake_all(&self) {
        let mut inner = self.inner.borrow_mut();
        let Inner { entries, ready, .. } = &mut *inner;
        for (index, entry) in entries.iter_mut().enumerate() {
            if entry.task.is_some() && !entry.queued {
                entry.queued = true;
                ready.push_back(index as u32);
            }
        }
    }

    /// Wake a stored waker; may be called while the worker's sockets are borrowed. Ours stays in its place; one that is not ours is
    /// taken out and called later, because it may do anything.
    #[inline]
    pub(crate) fn wake(&self, place: &mut Option<Waker>) {
        match place.as_ref().map(own_id) {
            Some(Some(id)) if worker_of(id) == self.worker => self.wake_id(id),
            Some(_) => self.foreign.borrow_mut().extend(place.take()),
            None => {}
        }
    }

    /// Forget a stored waker. One that is not ours is woken instead of dropped here, because its drop may run anything.
    #[inline]
    pub(crate) fn retire(&self, waker: Waker) {
        if own_id(&waker).is_none() {
            self.foreign.borrow_mut().push(waker);
        }
    }

    /// Wake what had to wait until no borrow is held.
    #[inline]
    pub(crate) fn wake_foreign(&self) {
        if self.foreign.borrow().is_empty() {
            return;
        }
        let wakers = std::mem::take(&mut *self.foreign.borrow_mut());
        for waker in wakers {
            let _ = catch_unwind(AssertUnwindSafe(|| waker.wake()));
        }
    }

    /// A turn begins: wake those who waited for it.
    #[inline]
    pub(crate) fn wake_later(&self) {
        if !self.later.borrow().is_empty() {
            let later = std::mem::take(&mut *self.later.borrow_mut());
            self.foreign.borrow_mut().extend(later);
            self.wake_foreign();
        }
    }

    /// Poll the next ready task.
    #[inline]
    pub(crate) fn poll_one(&self) -> Polled {
        let (index, generation, at) = {
            let mut inner = self.inner.borrow_mut();
            let Some(index) = inner.ready.pop_front() else {
                return Polled::Nothing;
            };
            let entry = &mut inner.entries[index as usize];
            entry.queued = false;
            match &entry.task {
                Some(task) => (index, entry.generation, task.0),
                None => {
                    inner.free.push(index);
                    return Polled::Task;
                }
            }
        };
        let waker = ManuallyDrop::new(waker(pack(self.worker, generation, index)));
        let mut cx = Context::from_waker(&waker);
        // SAFETY: the block is live: only this function and `drop_all` take a task out, and neither runs inside a poll (both are
        // called by the worker's loop alone). Nobody else refers to the future.
        let result = catch_unwind(AssertUnwindSafe(|| unsafe {
            (at.as_ref().table.poll)(at, &mut cx)
        }));
        match result {
            Ok(Poll::Pending) => Polled::Task,
            Ok(Poll::Ready(())) => {
                self.finish(index);
                Polled::Task
            }
            Err(_) => {
                self.finish(index);
                Polled::Panicked
            }
        }
    }

    fn finish(&self, index: u32) {
        let task = {
            let mut inner = self.inner.borrow_mut();
            let Some(entry) = inner.entries.get_mut(index as usize) else {
                return;
            };
            entry.generation = (entry.generation + 1) & GENERATION_MASK;
            entry.task.take()
        };
        // The future's drop may spawn, wake and close: the index is free for that only afterwards.
        drop(task);
        let mut inner = self.inner.borrow_mut();
        let entry = &mut inner.entries[index as usize];
        // A wake during the last poll left the index in the ready queue: `poll_one` frees it when it comes up.
        if !entry.queued {
            inner.free.push(index);
        }
    }

    /// Drop every task. While the worker ends nothing new is spawned, so once through is enough.
    pub(crate) fn drop_all(&self) {
        let count = self.inner.borrow().entries.len();
        for index in 0..count {
            let alive = self.inner.borrow().entries[index].task.is_some();
            if alive {
                self.finish(index as u32);
            }
        }
        self.wake_foreign();
    }
}

fn pack(worker: u8, generation: u32, index: u32) -> u64 {
    u64::from(worker) << 56 | u64::from(generation & GENERATION_MASK) << 32 | u64::from(index)
}

#[inline]
fn worker_of(id: u64) -> u8 {
    (id >> 56) as u8
}

static WAKER: RawWakerVTable = RawWakerVTable::new(waker_clone, waker_wake, waker_wake, waker_drop);

fn waker(id: u64) -> Waker {
    // SAFETY: the functions of the table take the pointer as a number and follow it nowhere; they may be called from any thread.
    unsafe {
        Waker::from_raw(RawWaker::new(
            std::ptr::without_provenance(id as usize),
            &WAKER,
        ))
    }
}

/// The number inside a waker of ours.
#[inline]
fn own_id(waker: &Waker) -> Option<u64> {
    std::ptr::eq(waker.vtable(), &WAKER).then(|| waker.data().addr() as u64)
}

const _: () = assert!(usize::BITS == 64, "a task's number fills a pointer");

unsafe fn waker_clone(data: *const ()) -> RawWaker {
    RawWaker::new(data, &WAKER)
}

unsafe fn waker_drop(_: *const ()) {}

unsafe fn waker_wake(data: *const ()) {
    let id = data.addr() as u64;
    let here = with_worker(|w| {
        let ours = w.id == worker_of(id);
        if ours {
            w.exec.wake_id(id);
        }
        ours
    });
    if here != Some(true) {
        remote::wake(worker_of(id), id);
    }
}

/// Start a task on the calling worker. Task memory is reused (size classes). While the worker ends, the future is dropped.
///
/// Panics outside a worker.
pub fn spawn(f: impl Future<Output = ()> + 'static) {
    let mut future = Some(f);
    let known = with_worker(|w| {
        if !w.stopping.get()
            && let Some(f) = future.take()
        {
            w.exec.spawn(f);
        }
    });
    assert!(known.is_some(), "spawn outside a worker");
}

/// Let other tasks run first.
pub async fn yield_now() {
    let mut yielded = false;
    std::future::poll_fn(|cx| {
        if yielded {
            return Poll::Ready(());
        }
        yielded = true;
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// Number of this turn of the worker's loop; 0 outside a worker.
pub fn turn() -> u64 {
    with_worker(|w| w.turn.get()).unwrap_or(0)
}

/// Wait for the next turn of the worker's loop: until then its other tasks have run, and what came from the kernel is known. Outside a
/// worker it does not wait.
pub async fn next_turn() {
    let this = turn();
    std::future::poll_fn(|cx| {
        if turn() != this {
            return Poll::Ready(());
        }
        let waits = with_worker(|w| w.exec.later.borrow_mut().push(cx.waker().clone()));
        if waits.is_some() {
            Poll::Pending
        } else {
            Poll::Ready(())
        }
    })
    .await;
}

impl Worker {
    /// At most `budget` polls.
    pub(crate) fn run_tasks(&self, budget: u32) {
        let mut polls = 0;
        while polls < budget {
            if polls % 32 == 31 {
                // A long turn must not make the deadlines set in it early.
                self.tick_clock();
            }
            match self.exec.poll_one() {
                Polled::Nothing => {
                    if !self.exec.has_ready_now() {
                        break;
                    }
                    self.exec.wake_foreign();
                }
                Polled::Task => polls += 1,
                Polled::Panicked => {
                    polls += 1;
                    counters::add(&self.counters.task_panics, 1);
                }
            }
        }
        self.exec.wake_foreign();
        counters::add(&self.counters.polls, u64::from(polls));
        counters::set(&self.counters.tasks, self.exec.alive() as u64);
    }
}
