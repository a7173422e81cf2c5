//! Which operation a slot needs: SQEs are made here and nowhere else.

use io_uring::{opcode, squeue, types};

use crate::driver::{Driver, Io};
use crate::slot::{Ahead, PIECE, flag};
use crate::socket;
use crate::token::{Kind, Token};
use crate::tx::Shape;
use crate::uring::bufring::GROUP;
use crate::worker::Worker;

const SEND_FLAGS: i32 = libc::MSG_WAITALL | libc::MSG_NOSIGNAL;
/// Accepted and not yet asked for, per listener; beyond it accepting pauses and the kernel's backlog fills.
pub(crate) const ACCEPT_QUEUE: usize = 256;

/// A multishot receive from the buffer ring; `credit` bytes in all (0: without end).
pub(crate) fn receive_entry(fd: i32, credit: u32) -> squeue::Entry {
    let mut entry = opcode::RecvMulti::new(types::Fd(fd), GROUP).build();
    if credit > 0 {
        // `sqe->optlen`, which the crate does not know yet: the u32 at byte 44 of the 64 (struct io_uring_sqe).
        // SAFETY: `Entry` is `repr(C)` around the kernel's 64-byte structure (checked below), all of it initialised integers.
        unsafe {
            (&raw mut entry)
                .cast::<u8>()
                .add(44)
                .cast::<u32>()
                .write(credit)
        };
    }
    entry
}

/// One receive of a piece into a buffer of the ring.
fn piece_entry(fd: i32) -> squeue::Entry {
    opcode::Recv::new(types::Fd(fd), std::ptr::null_mut(), PIECE)
        .buf_group(GROUP)
        .build()
        .flags(squeue::Flags::BUFFER_SELECT)
}

const _: () = assert!(
    std::mem::size_of::<squeue::Entry>() == 64 && std::mem::align_of::<squeue::Entry>() >= 4
);

impl Io {
    /// Arm the receive of a slot if it may have one. The only place that does.
    ///
    /// Not while more than half of the quota waits unread, nor, when buffers are scarce or less is wanted, while anything does. An empty queue is
    /// always armed, starved or at its end.
    #[inline]
    pub(crate) fn want_recv(&mut self, w: &Worker, index: u32) {
        const NO: u32 = flag::RX_ARMED
            | flag::RX_EOF
            | flag::STARVED
            | flag::CONNECTING
            | flag::CLOSING
            | flag::LISTENER
            | flag::SPLICED;
        let Driver::Uring(u) = &mut self.driver else {
            return;
        };
        let slot = self.slots.at(index);
        if slot.has(NO) || slot.rx_errno != 0 || w.stopping.get() {
            return;
        }
        if slot.rx_bytes > self.quota / 2 || slot.rx.len() >= self.max_views {
            return;
        }
        let scarce =
            slot.ahead != Ahead::Quota || w.pool.free_len() + u.buffers.lent() < w.pool.count() / 4;
        if scarce && !slot.rx.is_empty() {
            return;
        }
        let buffers = match slot.ahead {
            Ahead::Buffers(n) => u32::from(n.max(1)),
            Ahead::Quota | Ahead::Piece => 1,
        };
        let credit = match (u.credit, scarce) {
            (false, _) => 0,
            (true, false) => self.quota - slot.rx_bytes,
            (true, true) => self.quota.min(w.pool.size() * buffers),
        };
        let fd = slot.raw_fd();
        let entry = match slot.ahead {
            Ahead::Piece => piece_entry(fd),
            Ahead::Quota | Ahead::Buffers(_) => receive_entry(fd, credit),
        };
        let entry = entry.user_data(Token::new(Kind::Recv, slot.generation, index).0);
        // SAFETY: points to nothing; the buffer ring outlives every receive (it is closed when nothing is in flight). The descriptor
        // stays open until the slot's last completion.
        unsafe { u.ring.push(&entry) };
        slot.set(flag::RX_ARMED);
        slot.inflight += 1;
        self.inflight += 1;
    }

    /// Watch for a breakage when no receive is armed that would tell (the queue is full, or the peer has sent FIN).
    pub(crate) fn want_poll(&mut self, w: &Worker, index: u32) {
        const NO: u32 =
            flag::RX_ARMED | flag::POLL_ARMED | flag::HUNG_UP | flag::CLOSING | flag::CONNECTING;
        let Driver::Uring(u) = &mut self.driver else {
            return;
        };
        let slot = self.slots.at(index);
        if slot.has(NO) || slot.rx_errno != 0 || slot.tx_errno != 0 || w.stopping.get() {
            return;
        }
        // Multishot, because the kernel adds the peer's FIN to what is reported: it comes at once, and the poll goes on.
        let entry = opcode::PollAdd::new(
            types::Fd(slot.raw_fd()),
            (libc::POLLERR | libc::POLLHUP) as u32,
        )
        .multi(true)
        .build()
        .user_data(Token::new(Kind::Poll, slot.generation, index).0);
        // SAFETY: points to nothing.
        unsafe { u.ring.push(&entry) };
        slot.set(flag::POLL_ARMED);
        slot.inflight += 1;
        self.inflight += 1;
    }

    /// Look once for something to splice, or for room; tells at once if there is some.
    pub(crate) fn poll_uring(&mut self, index: u32, kind: Kind, polled: u32) {
        let Driver::Uring(u) = &mut self.driver else {
            return;
        };
        let slot = self.slots.at(index);
        if slot.has(polled) {
            return;
        }
        let events = match kind {
            Kind::SendReady => libc::POLLOUT,
            _ => libc::POLLIN,
        };
        let entry = opcode::PollAdd::new(types::Fd(slot.raw_fd()), events as u32)
            .build()
            .user_data(Token::new(kind, slot.generation, index).0);
        // SAFETY: points to nothing.
        unsafe { u.ring.push(&entry) };
        slot.set(polled);
        slot.inflight += 1;
        self.inflight += 1;
    }

    /// End the receive in flight, if there is one that is not being ended. Its last completions may still bring bytes.
    pub(crate) fn cancel_recv(&mut self, index: u32) {
        let Driver::Uring(u) = &mut self.driver else {
            return;
        };
        let slot = self.slots.at(index);
        if slot.has(flag::RX_ARMED) && !slot.has(flag::RX_CANCEL) {
            slot.set(flag::RX_CANCEL);
            u.cancel(Token::new(Kind::Recv, slot.generation, index));
        }
    }

    /// One send for all that is queued.
    #[inline]
    pub(crate) fn send_uring(&mut self, index: u32) {
        let Driver::Uring(u) = &mut self.driver else {
            return;
        };
        let slot = self.slots.at(index);
        let fd = types::Fd(slot.raw_fd());
        let token = Token::new(Kind::Send, slot.generation, index);
        let Some(tx) = &mut slot.tx else { return };
        let entry = match tx.shape() {
            Shape::Nothing => return,
            Shape::One(at, len) => opcode::Send::new(fd, at, len as u32)
                .flags(SEND_FLAGS)
                .build(),
            Shape::Many(message) => opcode::SendMsg::new(fd, message)
                .flags(SEND_FLAGS as u32)
                .build(),
        };
        // SAFETY: header, vectors and segments are owned by the boxed send state, which stays with the slot, its segments in place,
        // until the completion (TX_BUSY keeps `detach_tx` and `clear` away; teardown leaks what did not complete).
        unsafe { u.ring.push(&entry.user_data(token.0)) };
        slot.set(flag::TX_BUSY);
        slot.inflight += 1;
        self.inflight += 1;
    }

    /// Connect to the address that lies in the slot's send state.
    pub(crate) fn connect_uring(&mut self, index: u32) {
        let Driver::Uring(u) = &mut self.driver else {
            return;
        };
        let slot = self.slots.at(index);
        let fd = types::Fd(slot.raw_fd());
        let token = Token::new(Kind::Connect, slot.generation, index);
        let Some(address) = slot.tx.as_ref().and_then(|tx| tx.address.as_ref()) else {
            return;
        };
        let entry = opcode::Connect::new(fd, address.as_ptr().cast(), address.len()).build();
        // SAFETY: the address lies in the boxed send state, which stays with the slot until the completion.
        unsafe { u.ring.push(&entry.user_data(token.0)) };
        slot.set(flag::CONNECTING);
        slot.inflight += 1;
        self.inflight += 1;
    }

    /// Arm the accept of a listener if it may have one.
    pub(crate) fn want_accept(&mut self, w: &Worker, index: u32) {
        const NO: u32 = flag::ACCEPT_ARMED | flag::BACKOFF | flag::CLOSING;
        let Driver::Uring(u) = &mut self.driver else {
            return self.wake_rx(w, index);
        };
        let slot = self.slots.at(index);
        let waiting = slot.listen().map_or(0, |l| l.queue.len());
        if slot.has(NO) || slot.rx_errno != 0 || waiting >= ACCEPT_QUEUE / 2 || w.stopping.get() {
            return;
        }
        let entry = opcode::AcceptMulti::new(types::Fd(slot.raw_fd()))
            .flags(libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC)
            .build()
            .user_data(Token::new(Kind::Accept, slot.generation, index).0);
        // SAFETY: points to nothing.
        unsafe { u.ring.push(&entry) };
        slot.set(flag::ACCEPT_ARMED);
        slot.inflight += 1;
        self.inflight += 1;
    }

    /// A closing socket's receive goes on although it was cancelled (the cancel came too early or too late): end the stream itself.
    pub(crate) fn end_receive(&mut self, index: u32) {
        let slot = self.slots.at(index);
        if !slot.has(flag::SHUT) {
            slot.set(flag::SHUT);
            socket::shutdown(slot.raw_fd(), libc::SHUT_RDWR);
        }
    }
}
