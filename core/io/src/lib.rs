//! `ringway-io`: the machinery of one worker thread. A ring (io_uring) or an epoll set, receive buffers, sockets, tasks,
//! timers. It knows nothing about proxying.
//!
//! INTERFACE SKELETON: the signatures below are what `core` is written against; the bodies come with the implementation, in
//! the modules that the architecture names.
//!
//! # The contract
//!
//! - Each socket has one *slot*, which owns everything that the kernel may touch. A future that waits is only an interest
//!   ("wake this task when the slot has something"), so dropping any future neither loses data nor frees memory in use.
//! - Everything here is `!Send`: it belongs to the worker thread that made it. Other threads reach a worker by a [`Sender`]
//!   or by a `std::task::Waker` only.
//! - One task may wait on several streams; several futures of one task may be polled by hand. At most one task waits to
//!   receive on a stream, and at most one to send.
#![allow(unused_variables, missing_docs, clippy::todo, clippy::missing_safety_doc)]

use std::future::Future;
use std::io;
use std::marker::PhantomData;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::task::{Context, Poll};

type NotSend = PhantomData<*const ()>;

// ------------------------------------------------------------------------------------------------ buffers and segments

/// Received bytes: a reference-counted view into one of the worker's receive buffers (the kernel wrote it; nobody copies it).
/// 12 to 16 bytes large. `Clone` is a non-atomic count. Dropping the last view gives the buffer back to the ring.
#[derive(Debug)]
pub struct Buf { _p: NotSend }
impl Clone for Buf { fn clone(&self) -> Self { todo!() } }
impl std::ops::Deref for Buf { type Target = [u8]; fn deref(&self) -> &[u8] { todo!() } }
impl Buf {
    /// Drop the first `n` bytes of the view. Panics if `n > len`.
    pub fn advance(&mut self, n: usize) { todo!() }
    /// Keep only the first `n` bytes.
    pub fn truncate(&mut self, n: usize) { todo!() }
    /// The first `n` bytes as a view of their own; `self` keeps the rest.
    pub fn split_to(&mut self, n: usize) -> Buf { todo!() }
}

/// A growable byte buffer from the worker's pool (heads that we write, assembled answers). Derefs to `Vec<u8>`. Dropping it
/// clears it and returns it to the pool (oversized ones are freed), so that steady state allocates nothing.
#[derive(Debug)]
pub struct OutBuf { _p: NotSend }
impl OutBuf { pub fn take() -> OutBuf { todo!() } }
impl std::ops::Deref for OutBuf { type Target = Vec<u8>; fn deref(&self) -> &Vec<u8> { todo!() } }
impl std::ops::DerefMut for OutBuf { fn deref_mut(&mut self) -> &mut Vec<u8> { todo!() } }

/// What can be sent without a copy. The slot owns it until the kernel has taken all of it.
#[derive(Debug)]
pub enum Segment { Static(&'static [u8]), Buf(Buf), Out(OutBuf), Shared(Arc<[u8]>) }
impl From<Buf> for Segment { fn from(b: Buf) -> Self { Segment::Buf(b) } }
impl From<OutBuf> for Segment { fn from(b: OutBuf) -> Self { Segment::Out(b) } }
impl From<&'static [u8]> for Segment { fn from(b: &'static [u8]) -> Self { Segment::Static(b) } }
impl From<Arc<[u8]>> for Segment { fn from(b: Arc<[u8]>) -> Self { Segment::Shared(b) } }

// ------------------------------------------------------------------------------------------------------------- streams

/// A connected socket. Dropping it closes: queued sends that are already submitted may finish, then FIN; operations in flight
/// are ended by `shutdown(2)`/cancel and the fd is closed when the last completion is in.
#[derive(Debug)]
pub struct Stream { _p: NotSend }
impl Stream {
    /// How many segments may be queued before a flush is needed.
    pub const QUEUE: usize = 16;
    /// The next received bytes; `None` is the peer's end of stream (FIN), again and again. Errors: the socket's, or
    /// `TimedOut` once the deadline has passed. Cancel-safe.
    pub async fn recv(&self) -> io::Result<Option<Buf>> { todo!() }
    pub fn poll_recv(&self, cx: &mut Context<'_>) -> Poll<io::Result<Option<Buf>>> { todo!() }
    /// Bytes that are already here, without waiting (epoll: one `recv` attempt if readable).
    pub fn try_recv(&self) -> Option<Buf> { todo!() }
    /// Push bytes back in front of the receive queue (pipelined bytes, protocol hand-over). Empty views are dropped.
    pub fn unread(&self, b: Buf) { todo!() }
    /// Ready when `recv` would not wait: data, end, error or deadline. Consumes nothing.
    pub fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> { todo!() }
    /// Ready when the connection is broken (reset, socket error, deadline). FIN alone is not broken.
    pub fn poll_broken(&self, cx: &mut Context<'_>) -> Poll<io::Error> { todo!() }
    /// Nothing queued, no end, no error, nothing readable: safe to send a new request on (epoll: checks the socket).
    pub fn is_quiet(&self) -> bool { todo!() }
    /// Free places in the send queue.
    pub fn room(&self) -> usize { todo!() }
    /// Queue a segment for sending, no wait. Empty segments are dropped. Gives it back when the queue is full.
    pub fn queue(&self, s: impl Into<Segment>) -> Result<(), Segment> { todo!() }
    /// Start sending what is queued, no wait. Errors surface in `flush` and `recv`.
    pub fn submit(&self) { todo!() }
    /// Send all that is queued; ready when the kernel has taken it. Dropping the future does not un-send.
    pub async fn flush(&self) -> io::Result<()> { todo!() }
    pub fn poll_flush(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> { todo!() }
    /// Half-close: FIN after what was flushed. Inline `shutdown(2)`.
    pub fn shutdown_write(&self) { todo!() }
    /// From now, after `ms` every wait on this stream fails with `TimedOut`, until set anew or cleared. A store, no wheel
    /// operation on the fast path. Resolution is the wheel's tick (16 ms); never early.
    pub fn set_deadline(&self, ms: u32) { todo!() }
    pub fn clear_deadline(&self) { todo!() }
    /// Close with RST (SO_LINGER 0), so that the peer cannot take a cut message for a whole one.
    pub fn abort(self) { todo!() }
    /// Flush what is queued, FIN, read and discard up to `bytes` for at most `ms`, then close: for error answers to a peer
    /// that is still sending (else its RST destroys the answer). Detached; returns at once.
    pub fn close_lingering(self, bytes: usize, ms: u32) { todo!() }
    pub fn peer_addr(&self) -> io::Result<socket2::SockAddr> { todo!() }
    pub fn local_addr(&self) -> io::Result<socket2::SockAddr> { todo!() }
    /// Take over a connected socket (tests, hand-over from another worker).
    pub fn from_fd(fd: std::os::fd::OwnedFd) -> io::Result<Stream> { todo!() }
}

/// Connect. `TimedOut` after `ms`. TCP gets TCP_NODELAY. Dropping the future cancels.
pub async fn dial(addr: &socket2::SockAddr, ms: u32) -> io::Result<Stream> { todo!() }

/// A listening socket of this worker (the socket was bound elsewhere, so that binding can fail before anything changes).
#[derive(Debug)]
pub struct Listener { _p: NotSend }
impl Listener {
    pub fn from_std(l: std::net::TcpListener) -> io::Result<Listener> { todo!() }
    /// The next connection (TCP_NODELAY set). EMFILE/ENFILE/ENOBUFS: counted, waits 50 ms and goes on by itself. Cancel-safe.
    pub async fn accept(&self) -> io::Result<Stream> { todo!() }
    pub fn local_addr(&self) -> io::Result<SocketAddr> { todo!() }
}

/// Bytes both ways between two streams until both directions have ended; half-close is passed on; each direction's bytes are
/// counted in the arguments as they flow; ends with `TimedOut` when neither direction moved for `idle_ms`.
pub async fn tunnel(a: &Stream, b: &Stream, idle_ms: u32, a_to_b: &std::cell::Cell<u64>, b_to_a: &std::cell::Cell<u64>) -> io::Result<()> { todo!() }

// ----------------------------------------------------------------------------------------------- tasks, timers, workers

/// Which driver to use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DriverChoice { /// io_uring where the probe finds what is needed, else epoll.
    Auto, Uring, Epoll }
/// Which driver runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DriverKind { Uring, Epoll }

/// Sizes of one worker. `Default` is for production; tests use tiny ones.
#[derive(Debug, Clone)]
pub struct WorkerOptions {
    pub driver: DriverChoice,
    /// CPU to pin to.
    pub cpu: Option<usize>,
    pub sq_entries: u32,
    pub cq_entries: u32,
    /// Bytes of one receive buffer.
    pub buffer_size: u32,
    /// At most so many receive buffers (memory bound of the worker = `buffers * buffer_size`).
    pub buffers: u16,
    /// Received bytes that may wait unread per connection.
    pub receive_quota: u32,
    pub counters: Arc<Counters>,
}
impl Default for WorkerOptions { fn default() -> Self { todo!() } }

/// Single-writer cells: the worker stores, anyone reads. Never reset.
#[derive(Debug, Default)]
pub struct Counters {
    pub loops: AtomicU64, pub enters: AtomicU64, pub completions: AtomicU64, pub polls: AtomicU64,
    pub accepted: AtomicU64, pub accept_errors: AtomicU64,
    pub buffers_exhausted: AtomicU64, pub sq_full: AtomicU64, pub cq_overflow: AtomicU64,
    pub buffers_in_use: AtomicU64, pub slots_in_use: AtomicU64, pub tasks: AtomicU64,
    pub bytes_received: AtomicU64, pub bytes_sent: AtomicU64,
    pub busy_ns: AtomicU64, pub stale_completions: AtomicU64,
}

/// Run a worker on the calling thread until `main` has finished; then every task is dropped, every operation cancelled and
/// drained (bounded), and the memory freed.
pub fn run<F: Future<Output = ()> + 'static>(options: WorkerOptions, main: impl FnOnce() -> F) -> io::Result<()> { todo!() }
/// The driver of the calling worker.
pub fn driver() -> DriverKind { todo!() }
/// Start a task on the calling worker. Task memory is reused (size classes).
pub fn spawn(f: impl Future<Output = ()> + 'static) { todo!() }
/// A future on pooled memory of this worker, so that a large state machine does not sit inside a small, long-lived one.
pub fn pooled<F: Future>(f: F) -> Pooled<F> { todo!() }
#[derive(Debug)]
pub struct Pooled<F> { _p: PhantomData<F> }
impl<F: Future> Future for Pooled<F> { type Output = F::Output; fn poll(self: std::pin::Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> { todo!() } }
/// Milliseconds of a monotonic clock, read once per loop turn. Starts far above 0.
pub fn now_ms() -> u64 { todo!() }
/// The same clock in microseconds.
pub fn now_us() -> u64 { todo!() }
/// Wait at least `ms`.
pub async fn sleep(ms: u32) { todo!() }
/// Let other tasks run first.
pub async fn yield_now() { todo!() }

/// A bounded way into a worker from any thread.
pub fn mailbox<T: Send>(capacity: usize) -> (Sender<T>, Receiver<T>) { todo!() }
#[derive(Debug)]
pub struct Sender<T> { _p: PhantomData<T> }
impl<T> Clone for Sender<T> { fn clone(&self) -> Self { todo!() } }
impl<T: Send> Sender<T> { /// Gives it back when the mailbox is full or the receiver is gone.
    pub fn send(&self, t: T) -> Result<(), T> { todo!() } }
/// `Send` until the worker first waits on it.
#[derive(Debug)]
pub struct Receiver<T> { _p: PhantomData<T> }
impl<T: Send> Receiver<T> { pub async fn recv(&mut self) -> Option<T> { todo!() } }

/// What this kernel and its policy allow; used for the choice of the driver and by `ringway doctor`.
#[derive(Debug, Clone)]
pub struct Probe { pub uring: Result<UringFeatures, String>, pub kernel: String }
/// Features found by trying them.
#[derive(Debug, Clone, Default)]
pub struct UringFeatures { pub defer_taskrun: bool, pub registered_ring: bool, pub no_sqarray: bool, pub multishot_accept: bool,
    pub multishot_recv: bool, pub recv_credit: bool, pub buffer_ring: bool }
pub fn probe() -> Probe { todo!() }
/// The CPUs that this process may run on.
pub fn allowed_cpus() -> Vec<usize> { todo!() }
/// Few receive buffers are left: what would hold one for long should copy instead.
pub fn buffers_scarce() -> bool { todo!() }
