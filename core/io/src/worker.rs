//! One worker: the loop of a thread, and what the thread owns.
//!
//! Not the machinery itself (tasks, sockets, timers have their files): this is the order in which they take turns.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::io;
use std::mem::ManuallyDrop;
use std::ptr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use crate::arena::Arena;
use crate::buffers::Pool;
use crate::counters::{self, Counters};
use crate::driver::Io;
use crate::pin;
use crate::remote::{self, Remote};
use crate::segment::OutPool;
use crate::task::Executor;

/// Which driver to use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DriverChoice {
    /// io_uring where the probe finds what is needed, else epoll.
    Auto,
    /// io_uring or an error.
    Uring,
    /// epoll.
    Epoll,
}

/// Which driver runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DriverKind {
    /// io_uring.
    Uring,
    /// epoll.
    Epoll,
}

/// Sizes of one worker. `Default` is for production; tests use tiny ones.
#[derive(Debug, Clone)]
pub struct WorkerOptions {
    /// Which driver to use.
    pub driver: DriverChoice,
    /// CPU to pin to.
    pub cpu: Option<usize>,
    /// Submission queue entries (a power of two; others are rounded up).
    pub sq_entries: u32,
    /// Completion queue entries (at least `sq_entries`).
    pub cq_entries: u32,
    /// Bytes of one receive buffer.
    pub buffer_size: u32,
    /// At most so many receive buffers (memory bound of the worker = `buffers * buffer_size`).
    pub buffers: u16,
    /// Received bytes that may wait unread per connection.
    pub receive_quota: u32,
    /// Bytes of the longest datagram that is received whole; longer ones are cut and say so. At most 65,535, which is all that UDP has.
    pub datagram_size: u32,
    /// Let the kernel count the quota where the probe finds that it can; without it a receive over its quota is cancelled. (For
    /// measuring, and for tests of the other way.)
    pub recv_credit: bool,
    /// A direction of a tunnel is spliced once it has moved so many bytes in full buffers; `u32::MAX`: never.
    pub splice_after: u32,
    /// At most so many pipes hold spliced bytes at a time.
    pub pipes: u16,
    /// Bytes that a pipe may hold.
    pub pipe_size: u32,
    /// Where the worker counts.
    pub counters: Arc<Counters>,
}

impl Default for WorkerOptions {
    fn default() -> Self {
        WorkerOptions {
            driver: DriverChoice::Auto,
            cpu: None,
            // One turn's worth of sends of a busy worker; a full queue costs one more system call, nothing else.
            sq_entries: 1024,
            // Four times the submissions, at least 4096: multishot operations complete without being submitted.
            cq_entries: 4096,
            // The longest TLS record, and what a loopback or GRO receive usually brings.
            buffer_size: 16 * 1024,
            // 64 MiB at most, touched only as far as needed.
            buffers: 4096,
            // Five buffers: a body of 64 KiB with its head comes in one go (with four, its last bytes took a receive and a send more).
            receive_quota: 80 * 1024,
            datagram_size: 65_535,
            recv_credit: true,
            // A burst is not a transfer: changing over costs a cancelled receive.
            splice_after: 256 * 1024,
            // Each may pin what it holds for as long as a reader is slow: 64 MiB at most.
            pipes: 64,
            // The most that a user may ask for.
            pipe_size: 1024 * 1024,
            counters: Arc::new(Counters::default()),
        }
    }
}

/// Task polls per turn, so that a busy ready queue does not keep completions waiting.
const POLLS_PER_TURN: u32 = 256;
/// Without any timer a worker still wakes now and then, so that its gauges do not grow stale.
const LONGEST_WAIT_US: u64 = 10_000_000;
/// The clock starts at this many milliseconds at boot, so that subtracting a timeout never goes below zero.
const CLOCK_BASE_MS: u64 = 1_000_000_000;

/// What one worker thread owns. Reached through the thread-local below, alive as long as `run` runs.
pub(crate) struct Worker {
    pub(crate) id: u8,
    /// Number of this run in the process: an owner that outlives its worker does not touch the next one's slots.
    pub(crate) epoch: u32,
    pub(crate) exec: Executor,
    pub(crate) io: RefCell<Io>,
    pub(crate) pool: Pool,
    pub(crate) outs: OutPool,
    pub(crate) arena: Arena,
    pub(crate) stopping: Cell<bool>,
    /// Counts the loop's turns.
    pub(crate) turn: Cell<u64>,
    pub(crate) counters: Arc<Counters>,
    now_us: Cell<u64>,
    remote: &'static Remote,
}

thread_local! {
    static WORKER: Cell<*const Worker> = const { Cell::new(ptr::null()) };
}

/// The worker of this thread. `None` outside `run`.
#[inline]
pub(crate) fn with_worker<R>(f: impl FnOnce(&Worker) -> R) -> Option<R> {
    let worker = WORKER.with(Cell::get);
    if worker.is_null() {
        return None;
    }
    // SAFETY: set by `Entered`, which clears it before the worker is freed; the reference does not outlive this call, and `run` is
    // below us on the stack, so the worker is not freed during it.
    Some(f(unsafe { &*worker }))
}

/// The thread-local points to the worker as long as this lives.
struct Entered;

impl Entered {
    fn new(worker: *const Worker) -> Entered {
        WORKER.with(|w| w.set(worker));
        Entered
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        WORKER.with(|w| w.set(ptr::null()));
    }
}

fn clock_us() -> u64 {
    let mut ts = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: writes one timespec; CLOCK_MONOTONIC always exists.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &mut ts) };
    CLOCK_BASE_MS * 1000 + ts.tv_sec as u64 * 1_000_000 + ts.tv_nsec as u64 / 1000
}

/// Milliseconds of a monotonic clock, read once per loop turn. Starts far above 0.
pub fn now_ms() -> u64 {
    now_us() / 1000
}

/// The same clock in microseconds.
pub fn now_us() -> u64 {
    with_worker(|w| w.now_us.get()).unwrap_or_else(clock_us)
}

/// How long the worker's turn has lasted until now. Other than [`now_us`] it reads the clock. Outside a worker 0.
pub fn turn_age_us() -> u64 {
    with_worker(|w| clock_us().saturating_sub(w.now_us.get())).unwrap_or(0)
}

/// The driver of the calling worker. `Epoll` outside a worker.
pub fn driver() -> DriverKind {
    with_worker(|w| w.io.borrow().kind()).unwrap_or(DriverKind::Epoll)
}

/// How the main future stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Main {
    Running,
    Finished,
    /// Dropped without finishing: it panicked.
    Panicked,
}

/// Run a worker on the calling thread until `main` has finished; then every task is dropped, every operation cancelled and
/// drained (bounded), and the memory freed.
///
/// Errors: the driver cannot be set up, the thread already runs a worker, `main` panicked, or the kernel refused the ring later.
pub fn run<F: Future<Output = ()> + 'static>(
    options: WorkerOptions,
    main: impl FnOnce() -> F,
) -> io::Result<()> {
    if with_worker(|_| ()).is_some() {
        return Err(io::Error::other("this thread already runs a worker"));
    }
    if let Some(cpu) = options.cpu {
        pin::pin(cpu);
    }
    // Freed only after the orderly ending: should our own code panic, the kernel may still use what would be freed.
    let worker = ManuallyDrop::new(Worker::new(&options)?);
    let entered = Entered::new(&**worker);

    let state = Rc::new(Cell::new(Main::Running));
    // Called here, not in the task, because it may borrow from our caller. A panic passes through, after the same ending.
    let main = std::panic::catch_unwind(std::panic::AssertUnwindSafe(main));
    let (result, panic) = match main {
        Ok(future) => {
            let state_of_task = state.clone();
            worker.exec.spawn(async move {
                let ended = EndsMain(state_of_task);
                future.await;
                ended.0.set(Main::Finished);
            });
            (worker.turns(&state), None)
        }
        Err(panic) => (Ok(()), Some(panic)),
    };
    worker.end();
    drop(entered);
    // SAFETY: `end` has drained the kernel's side, or said in the driver that it could not.
    unsafe { Worker::free(ManuallyDrop::into_inner(worker)) };
    if let Some(panic) = panic {
        std::panic::resume_unwind(panic);
    }
    result?;
    if state.get() == Main::Panicked {
        return Err(io::Error::other("the worker's main task panicked"));
    }
    Ok(())
}

/// Notes that the main future is gone, in whatever way.
struct EndsMain(Rc<Cell<Main>>);

impl Drop for EndsMain {
    fn drop(&mut self) {
        if self.0.get() == Main::Running {
            self.0.set(Main::Panicked);
        }
    }
}

impl Worker {
    fn new(options: &WorkerOptions) -> io::Result<Box<Worker>> {
        static EPOCH: AtomicU32 = AtomicU32::new(1);
        let (id, remote) = remote::claim()?;
        let made = (|| {
            let epoch = EPOCH
                .fetch_update(Relaxed, Relaxed, |e| e.checked_add(1))
                .map_err(|_| io::Error::other("four billion workers were started"))?;
            let pool = Pool::new(options.buffers, options.buffer_size)?;
            let io = Io::new(options, remote.eventfd(), clock_us() / 1000)?;
            Ok(Box::new(Worker {
                id,
                epoch,
                exec: Executor::new(id),
                io: RefCell::new(io),
                pool,
                outs: OutPool::new(),
                arena: Arena::new(),
                stopping: Cell::new(false),
                turn: Cell::new(0),
                counters: options.counters.clone(),
                now_us: Cell::new(clock_us()),
                remote,
            }))
        })();
        if made.is_err() {
            remote.give_back();
        }
        made
    }

    /// Read the clock.
    #[inline]
    pub(crate) fn tick_clock(&self) {
        self.now_us.set(clock_us());
    }

    #[inline]
    pub(crate) fn now_ms(&self) -> u64 {
        self.now_us.get() / 1000
    }

    /// The loop. Each turn: messages, timers, tasks, one system call, completions.
    fn turns(&self, main: &Cell<Main>) -> io::Result<()> {
        loop {
            let started = clock_us();
            self.now_us.set(started);
            self.turn.set(self.turn.get() + 1);
            self.exec.wake_later();
            while let Some(id) = self.remote.pop() {
                self.exec.wake_id(id);
            }
            if self.remote.take_overflow() {
                self.exec.wake_all();
            }
            self.io.borrow_mut().fire_timers(self);
            self.run_tasks(POLLS_PER_TURN);
            if main.get() != Main::Running {
                return Ok(());
            }
            let mut io = self.io.borrow_mut();
            io.before_wait(self);
            let now = clock_us();
            counters::add(&self.counters.loops, 1);
            counters::add(&self.counters.busy_ns, now.saturating_sub(started) * 1000);
            let wait_us = self.may_wait_us(&io, now);
            io.wait(self, wait_us)?;
            self.remote.awake();
        }
    }

    /// How long the system call may wait: not at all while something is ready.
    fn may_wait_us(&self, io: &Io, now: u64) -> u64 {
        if self.exec.has_ready() || io.has_more() {
            return 0;
        }
        let wait = io.next_timer_ms().map_or(LONGEST_WAIT_US, |ms| {
            (ms * 1000).saturating_sub(now).min(LONGEST_WAIT_US)
        });
        if wait > 0 && !self.remote.may_sleep() {
            return 0;
        }
        wait
    }

    /// Drop every task, end every operation, close every socket.
    fn end(&self) {
        self.stopping.set(true);
        self.exec.drop_all();
        self.io.borrow_mut().end(self);
        counters::set(&self.counters.tasks, self.exec.alive() as u64);
    }

    /// Free the worker. What user code still runs (drops of foreign wakers) finds no worker any more.
    ///
    /// # Safety
    /// The thread-local is cleared; the kernel touches nothing of this worker, or the driver knows that it may.
    unsafe fn free(worker: Box<Worker>) {
        let Worker {
            exec,
            io,
            pool,
            remote,
            ..
        } = *worker;
        let quiet = io.into_inner().close();
        if quiet {
            // SAFETY: the driver says that the kernel holds no buffer.
            unsafe { pool.close() };
        } else {
            std::mem::forget(pool);
        }
        drop(exec);
        remote.give_back();
    }
}
