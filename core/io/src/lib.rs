//! `ringway-io`: the machinery of one worker thread. A ring (io_uring) or an epoll set, receive buffers, sockets, tasks,
//! timers. It knows nothing about proxying, and it is the only crate with `unsafe`.
//!
//! # The contract
//!
//! - Each socket has one *slot*, which owns everything that the kernel may touch. A future that waits is only an interest
//!   ("wake this task when the slot has something"), so dropping any future neither loses data nor frees memory in use.
//! - Everything here is `!Send`: it belongs to the worker thread that made it. Other threads reach a worker by a [`Sender`]
//!   or by a `std::task::Waker` only.
//! - One task may wait on several streams; several futures of one task may be polled by hand. At most one task waits to
//!   receive on a stream, and at most one to send.
//! - What outlives its worker is harmless: a [`Buf`] stays readable, a [`Stream`] answers with errors, a waker does nothing.

mod arena;
mod buffers;
mod close;
mod counters;
mod counting;
mod datagrams;
mod dial;
mod driver;
mod epoll;
mod errno;
mod files;
mod fresh;
mod listener;
mod mailbox;
mod message;
mod pin;
mod pipe;
mod probe;
mod pump;
mod receive;
mod remote;
mod segment;
mod send;
mod slot;
mod socket;
mod splice;
mod stream;
mod task;
mod timer;
mod token;
mod tx;
mod uring;
mod worker;

pub use arena::{Pooled, pooled};
pub use buffers::Buf;
pub use counters::Counters;
pub use counting::{CountingAllocator, allocations_of};
pub use datagrams::{Datagram, Datagrams};
pub use dial::{DialAs, dial, dial_as};
pub use files::make_room_for_files;
pub use fresh::FreshBuf;
pub use listener::{Accepted, Listener};
pub use mailbox::{Receiver, Sender, mailbox};
pub use pin::{allowed_cpus, without_huge_pages};
pub use probe::{Probe, UringFeatures, probe};
pub use pump::{Tap, tunnel, tunnel_seen};
pub use segment::{OutBuf, Segment};
pub use slot::Ahead;
pub use socket::{is_local, transparent};
pub use stream::Stream;
pub use task::{next_turn, spawn, turn, yield_now};
pub use timer::{Alarm, sleep};
pub use worker::{
    DriverChoice, DriverKind, WorkerOptions, driver, now_ms, now_us, run, turn_age_us,
};

/// Bytes that an idle connection costs in this crate besides its task: one slot.
pub const SLOT_SIZE: usize = slot::SLOT_SIZE;
