//! What a worker counts. Single-writer cells: the worker stores, anyone reads.
//!
//! Not metrics: names and labels are given by whoever exports them.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Single-writer cells, never reset. `*_in_use` and `tasks` are gauges, all others only grow.
#[derive(Debug, Default)]
pub struct Counters {
    /// Turns of the worker's loop.
    pub loops: AtomicU64,
    /// System calls that submit or wait (`io_uring_enter`, `epoll_wait`).
    pub enters: AtomicU64,
    /// Completions or readiness events taken.
    pub completions: AtomicU64,
    /// Task polls.
    pub polls: AtomicU64,
    /// Connections accepted.
    pub accepted: AtomicU64,
    /// Failed accepts, whatever the reason.
    pub accept_errors: AtomicU64,
    /// Times that a receive found no buffer.
    pub buffers_exhausted: AtomicU64,
    /// Times that the submission queue was full and had to be emptied on the way.
    pub sq_full: AtomicU64,
    /// Turns that found the completion queue overflown.
    pub cq_overflow: AtomicU64,
    /// Datagrams that were received and dropped, because those before them on their socket were not taken in time.
    pub datagrams_dropped: AtomicU64,
    /// Receive buffers that hold bytes somebody still refers to.
    pub buffers_in_use: AtomicU64,
    /// Sockets and sleeps alive.
    pub slots_in_use: AtomicU64,
    /// Tasks alive.
    pub tasks: AtomicU64,
    /// Tasks that ended by a panic.
    pub task_panics: AtomicU64,
    /// Bytes received on all streams.
    pub bytes_received: AtomicU64,
    /// Bytes sent on all streams.
    pub bytes_sent: AtomicU64,
    /// Bytes that tunnels have passed on without copying them.
    pub bytes_spliced: AtomicU64,
    /// Pipes that hold bytes of a tunnel.
    pub pipes_in_use: AtomicU64,
    /// Times that a direction of a tunnel found no pipe, and went on copying.
    pub pipes_exhausted: AtomicU64,
    /// Nanoseconds not spent waiting.
    pub busy_ns: AtomicU64,
    /// Completions whose slot had moved on.
    pub stale_completions: AtomicU64,
}

/// Add without a locked instruction: there is one writer.
#[inline]
pub(crate) fn add(cell: &AtomicU64, n: u64) {
    cell.store(cell.load(Relaxed).wrapping_add(n), Relaxed);
}

/// Set a gauge.
#[inline]
pub(crate) fn set(cell: &AtomicU64, n: u64) {
    cell.store(n, Relaxed);
}
