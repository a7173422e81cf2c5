//! One socket's state, and the table of them.
//!
//! A slot owns everything that the kernel may touch for its socket, and is free again only when nothing is in flight and its owner
//! is gone. Not an operation: there is no object per operation anywhere.

use std::collections::VecDeque;
use std::os::fd::{AsRawFd, OwnedFd};
use std::task::Waker;

use crate::buffers::Buf;
use crate::datagrams::DatagramState;
use crate::token::GENERATION_MASK;
use crate::tx::TxState;

/// "No slot" in the links of lists.
pub(crate) const NIL: u32 = u32::MAX;

/// What a slot's flags say.
pub(crate) mod flag {
    /// A multishot receive is in flight.
    pub(crate) const RX_ARMED: u32 = 1 << 0;
    /// The peer's FIN came.
    pub(crate) const RX_EOF: u32 = 1 << 1;
    /// Somebody waits for data, end or error.
    pub(crate) const RX_WAIT: u32 = 1 << 2;
    /// The receive in flight is being cancelled because the queue is full.
    pub(crate) const RX_CANCEL: u32 = 1 << 3;
    /// In the list of those that found no buffer.
    pub(crate) const STARVED: u32 = 1 << 4;
    /// Somebody waits for a breakage only.
    pub(crate) const BROKEN_WAIT: u32 = 1 << 5;
    /// A send is in flight (epoll: waits for writability).
    pub(crate) const TX_BUSY: u32 = 1 << 6;
    /// Somebody waits for the send queue.
    pub(crate) const TX_WAIT: u32 = 1 << 7;
    /// What is queued shall go out.
    pub(crate) const TX_WANTED: u32 = 1 << 8;
    /// FIN once the send queue is empty.
    pub(crate) const FIN_WANTED: u32 = 1 << 9;
    /// A connect is in flight.
    pub(crate) const CONNECTING: u32 = 1 << 10;
    /// A multishot accept is in flight.
    pub(crate) const ACCEPT_ARMED: u32 = 1 << 11;
    /// Accepting pauses for want of descriptors; the deadline ends the pause.
    pub(crate) const BACKOFF: u32 = 1 << 12;
    /// A poll for errors is in flight.
    pub(crate) const POLL_ARMED: u32 = 1 << 13;
    /// A hang-up without an error was seen: polling again would complete at once.
    pub(crate) const HUNG_UP: u32 = 1 << 14;
    /// The deadline has passed.
    pub(crate) const TIMED_OUT: u32 = 1 << 15;
    /// Linked in the timer wheel.
    pub(crate) const IN_WHEEL: u32 = 1 << 16;
    /// The owner is gone.
    pub(crate) const CLOSING: u32 = 1 << 17;
    /// The owner is gone, what was queued may still go out.
    pub(crate) const DRAINING: u32 = 1 << 18;
    /// Everything in flight was told to end.
    pub(crate) const CANCELLED: u32 = 1 << 19;
    /// `shutdown(2)` was called because a receive survived its cancel.
    pub(crate) const SHUT: u32 = 1 << 20;
    /// Epoll: there may be something to receive or accept.
    pub(crate) const READABLE: u32 = 1 << 21;
    /// Epoll: there may be room to send.
    pub(crate) const WRITABLE: u32 = 1 << 22;
    /// Epoll: the peer's end or an error was announced, so a short receive does not mean "drained".
    pub(crate) const RDHUP: u32 = 1 << 23;
    /// A listener.
    pub(crate) const LISTENER: u32 = 1 << 24;
    /// Allocated (a free slot may still be linked in the wheel).
    pub(crate) const LIVE: u32 = 1 << 25;
    /// We have sent FIN (or closed our side).
    pub(crate) const FIN_SENT: u32 = 1 << 26;
    /// Splices take the socket's bytes: no receive may be armed.
    pub(crate) const SPLICED: u32 = 1 << 27;
    /// A poll for something to splice is in flight (epoll: it is waited for).
    pub(crate) const RX_POLL: u32 = 1 << 28;
    /// A poll for room to splice into is in flight (epoll: it is waited for).
    pub(crate) const TX_POLL: u32 = 1 << 29;
    /// A socket of datagrams.
    pub(crate) const DATAGRAMS: u32 = 1 << 30;
    /// A multishot receive of datagrams is in flight.
    pub(crate) const MESSAGES_ARMED: u32 = 1 << 31;
}

/// What only a listener needs.
pub(crate) struct ListenState {
    /// Accepted by the kernel on our behalf, not yet asked for.
    pub(crate) queue: VecDeque<OwnedFd>,
}

/// What only some kinds of socket need. Boxed, so that a connection pays eight bytes for it.
pub(crate) enum Special {
    Listen(ListenState),
    Datagrams(DatagramState),
}

/// Boxed, so that a slot pays eight bytes for what it rarely has.
type Spill = Box<VecDeque<Buf>>;

/// Received views in order. The first few lie in the slot; more spill to a pooled deque, so that a busy socket may hold many and an
/// idle one pays for few.
#[derive(Default)]
pub(crate) struct RxQueue {
    inline: [Option<Buf>; RxQueue::INLINE],
    len: u8,
    spill: Option<Spill>,
}

impl RxQueue {
    const INLINE: usize = 3;

    #[inline]
    pub(crate) fn len(&self) -> usize {
        usize::from(self.len) + self.spill.as_ref().map_or(0, |s| s.len())
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        // A spill is given back as soon as it is empty.
        self.len == 0 && self.spill.is_none()
    }

    #[inline]
    pub(crate) fn push_back(&mut self, buf: Buf, pool: &mut SpillPool) {
        if self.spill.is_none() && usize::from(self.len) < Self::INLINE {
            self.inline[usize::from(self.len)] = Some(buf);
            self.len += 1;
            return;
        }
        self.spilled(pool).push_back(buf);
    }

    #[inline]
    pub(crate) fn push_front(&mut self, buf: Buf, pool: &mut SpillPool) {
        if self.spill.is_none() && usize::from(self.len) < Self::INLINE {
            self.inline[..=usize::from(self.len)].rotate_right(1);
            self.inline[0] = Some(buf);
            self.len += 1;
            return;
        }
        self.spilled(pool).push_front(buf);
    }

    /// The deque, holding all that lay in the slot.
    fn spilled(&mut self, pool: &mut SpillPool) -> &mut VecDeque<Buf> {
        let RxQueue { inline, len, spill } = self;
        let spill = spill.get_or_insert_with(|| pool.take());
        if *len > 0 {
            for buf in inline.iter_mut().rev().filter_map(Option::take) {
                spill.push_front(buf);
            }
            *len = 0;
        }
        spill
    }

    #[inline]
    pub(crate) fn pop_front(&mut self, pool: &mut SpillPool) -> Option<Buf> {
        if let Some(spill) = &mut self.spill {
            let first = spill.pop_front();
            if spill.is_empty()
                && let Some(empty) = self.spill.take()
            {
                pool.give(empty);
            }
            return first;
        }
        let first = self.inline[0].take()?;
        self.inline.rotate_left(1);
        self.len -= 1;
        Some(first)
    }

    pub(crate) fn clear(&mut self, pool: &mut SpillPool) {
        while self.pop_front(pool).is_some() {}
    }
}

/// Empty deques for receive queues that spilled.
#[derive(Default)]
pub(crate) struct SpillPool(Vec<Spill>);

impl SpillPool {
    /// More are freed: 64 sockets that hold many views at once is a lot for one worker.
    const KEEP: usize = 64;

    fn take(&mut self) -> Spill {
        self.0
            .pop()
            .unwrap_or_else(|| Box::new(VecDeque::with_capacity(16)))
    }

    fn give(&mut self, deque: Spill) {
        if self.0.len() < Self::KEEP && deque.capacity() <= 64 {
            self.0.push(deque);
        }
    }
}

/// How much of a socket's bytes may be received before somebody takes them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ahead {
    /// The worker's quota.
    Quota,
    /// So many receive buffers' worth, and nothing before somebody waits for it: whoever takes it may have to keep it for long. (Where the kernel
    /// does not count for us, one.)
    Buffers(u8),
    /// The same, with at most [`PIECE`] bytes in memory of their own.
    Piece,
}

/// Bytes that are received at a time where only a piece is wanted: most heads fit, and many may wait. With what stands in front of a copy it is a block of 4 KiB.
pub(crate) const PIECE: u32 = 4 * 1024 - 16;

/// One socket (or one sleep, which has no descriptor).
pub(crate) struct Slot {
    pub(crate) fd: Option<OwnedFd>,
    pub(crate) generation: u32,
    pub(crate) flags: u32,
    /// How much may wait unread.
    pub(crate) ahead: Ahead,
    /// Operations that still owe their last completion.
    pub(crate) inflight: u32,
    /// Sticky errors of the two directions, 0 for none.
    pub(crate) rx_errno: i32,
    pub(crate) tx_errno: i32,
    /// Received bytes in the queue.
    pub(crate) rx_bytes: u32,
    /// Epoll: bytes received in loop turn `turn`.
    pub(crate) turn_bytes: u32,
    pub(crate) turn: u32,
    /// Timer wheel: neighbours and the tick of the bucket.
    pub(crate) wheel_prev: u32,
    pub(crate) wheel_next: u32,
    pub(crate) wheel_tick: u64,
    /// Milliseconds of the worker's clock, 0 for none.
    pub(crate) deadline: u64,
    pub(crate) received: u64,
    pub(crate) sent: u64,
    pub(crate) rx: RxQueue,
    pub(crate) rx_waker: Option<Waker>,
    pub(crate) tx_waker: Option<Waker>,
    pub(crate) tx: Option<Box<TxState>>,
    pub(crate) special: Option<Box<Special>>,
}

/// An idle connection costs one slot, so its size is a promise.
pub(crate) const SLOT_SIZE: usize = std::mem::size_of::<Slot>();
const _: () = assert!(SLOT_SIZE <= 256);

impl Slot {
    fn empty() -> Slot {
        Slot {
            fd: None,
            generation: 0,
            flags: 0,
            ahead: Ahead::Quota,
            inflight: 0,
            rx_errno: 0,
            tx_errno: 0,
            rx_bytes: 0,
            turn_bytes: 0,
            turn: 0,
            wheel_prev: NIL,
            wheel_next: NIL,
            wheel_tick: 0,
            deadline: 0,
            received: 0,
            sent: 0,
            rx: RxQueue::default(),
            rx_waker: None,
            tx_waker: None,
            tx: None,
            special: None,
        }
    }

    #[inline]
    pub(crate) fn has(&self, flags: u32) -> bool {
        self.flags & flags != 0
    }

    #[inline]
    pub(crate) fn set(&mut self, flags: u32) {
        self.flags |= flags;
    }

    #[inline]
    pub(crate) fn clear(&mut self, flags: u32) {
        self.flags &= !flags;
    }

    /// Errors of either direction, or the deadline.
    #[inline]
    pub(crate) fn is_broken(&self) -> bool {
        self.rx_errno != 0 || self.tx_errno != 0 || self.has(flag::TIMED_OUT)
    }

    /// The descriptor's number; -1 without one, which every system call refuses.
    #[inline]
    pub(crate) fn raw_fd(&self) -> i32 {
        self.fd.as_ref().map_or(-1, |fd| fd.as_raw_fd())
    }

    /// What a listener has beyond a connection. None for anything else.
    #[inline]
    pub(crate) fn listen(&mut self) -> Option<&mut ListenState> {
        match self.special.as_deref_mut() {
            Some(Special::Listen(listen)) => Some(listen),
            _ => None,
        }
    }

    /// The same of a socket of datagrams.
    #[inline]
    pub(crate) fn datagrams(&mut self) -> Option<&mut DatagramState> {
        match self.special.as_deref_mut() {
            Some(Special::Datagrams(datagrams)) => Some(datagrams),
            _ => None,
        }
    }

    #[inline]
    pub(crate) fn tx_is_empty(&self) -> bool {
        self.tx.as_ref().is_none_or(|tx| tx.is_empty())
    }
}

/// Slots in chunks whose addresses do not change; freed ones are used again, the last freed first.
pub(crate) struct SlotTable {
    chunks: Vec<Box<[Slot; SlotTable::CHUNK]>>,
    free: Vec<u32>,
    live: u32,
}

impl SlotTable {
    const CHUNK_BITS: u32 = 6;
    const CHUNK: usize = 1 << Self::CHUNK_BITS;

    pub(crate) fn new() -> SlotTable {
        SlotTable {
            chunks: Vec::new(),
            free: Vec::new(),
            live: 0,
        }
    }

    pub(crate) fn live(&self) -> u32 {
        self.live
    }

    /// Upper bound of indices.
    pub(crate) fn capacity(&self) -> u32 {
        (self.chunks.len() * Self::CHUNK) as u32
    }

    pub(crate) fn allocate(&mut self) -> u32 {
        let index = match self.free.pop() {
            Some(index) => index,
            None => {
                let first = self.capacity();
                assert!(
                    first < NIL - Self::CHUNK as u32,
                    "four billion sockets on one worker"
                );
                self.chunks
                    .push(Box::new(std::array::from_fn(|_| Slot::empty())));
                self.free
                    .extend((first + 1..first + Self::CHUNK as u32).rev());
                first
            }
        };
        self.live += 1;
        let slot = self.at(index);
        // A freed slot may still be linked in the wheel; its link and generation stay.
        slot.flags = slot.flags & flag::IN_WHEEL | flag::LIVE;
        slot.ahead = Ahead::Quota;
        index
    }

    /// Back to the free list. Nothing is in flight, the owner is gone, descriptor and buffers are given back.
    pub(crate) fn free(&mut self, index: u32) {
        let slot = self.at(index);
        debug_assert!(
            slot.has(flag::LIVE) && slot.inflight == 0 && slot.fd.is_none() && slot.tx.is_none()
        );
        slot.generation = (slot.generation + 1) & GENERATION_MASK;
        slot.flags &= flag::IN_WHEEL;
        slot.rx_errno = 0;
        slot.tx_errno = 0;
        slot.rx_bytes = 0;
        slot.turn_bytes = 0;
        slot.deadline = 0;
        slot.received = 0;
        slot.sent = 0;
        self.free.push(index);
        self.live -= 1;
    }

    /// The slot of an index that is known to be in range.
    #[inline]
    pub(crate) fn at(&mut self, index: u32) -> &mut Slot {
        &mut self.chunks[(index >> Self::CHUNK_BITS) as usize][index as usize & (Self::CHUNK - 1)]
    }

    /// The slot that a completion names, if it still is that one.
    #[inline]
    pub(crate) fn get(&mut self, index: u32, generation: u32) -> Option<&mut Slot> {
        let chunk = self.chunks.get_mut((index >> Self::CHUNK_BITS) as usize)?;
        let slot = &mut chunk[index as usize & (Self::CHUNK - 1)];
        (slot.generation == generation && slot.has(flag::LIVE)).then_some(slot)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whoever gets a slot next begins anew: only its place in the wheel and its generation stay.
    #[test]
    fn what_a_socket_asked_for_ends_with_it() {
        let mut slots = SlotTable::new();
        let index = slots.allocate();
        slots.at(index).ahead = Ahead::Piece;
        slots.at(index).set(flag::RX_EOF);
        slots.free(index);
        assert_eq!(slots.allocate(), index, "the last freed is used first");
        let slot = slots.at(index);
        assert!(slot.ahead == Ahead::Quota && !slot.has(flag::RX_EOF));
    }
}
