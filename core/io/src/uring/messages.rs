//! Datagrams over the ring: one multishot recvmsg for each socket, into buffers of their own that hold the longest one.
//!
//! A buffer goes back as soon as its completion is dealt with: a datagram is copied into memory of its own length, so that the few that are
//! long do not take 64 KiB from the many that are short. Not sending, which is a plain system call (`message`).

use std::io;

use io_uring::types::RecvMsgOut;
use io_uring::{IoUring, cqueue, opcode, types};

use crate::buffers::{Buf, Pool};
use crate::counters;
use crate::datagrams::Datagram;
use crate::driver::{Driver, Io};
use crate::message::{self, CONTROL, NAME};
use crate::slot::flag;
use crate::token::{Kind, Token};
use crate::uring::bufring::{BufRing, MESSAGES};
use crate::worker::Worker;

/// Datagrams that one turn of the loop may bring, for all sockets of a worker: what is beyond waits in the kernel. 16 MiB at most, of which each
/// buffer's first page is all that usual datagrams touch.
const BUFFERS: u16 = 256;
/// In front of the bytes: the kernel's header (struct io_uring_recvmsg_out), address, control messages.
const IN_FRONT: u32 = 16 + NAME as u32 + CONTROL as u32;

/// The buffers of datagrams.
pub(crate) struct Messages {
    ring: BufRing,
    pool: Pool,
}

impl Messages {
    fn new(ring: &IoUring, datagram_size: u32) -> io::Result<Messages> {
        let pool = Pool::new(BUFFERS, datagram_size + IN_FRONT)?;
        let ring = BufRing::new(ring, MESSAGES, BUFFERS)?;
        let mut messages = Messages { ring, pool };
        messages.publish();
        Ok(messages)
    }

    pub(crate) fn publish(&mut self) {
        self.ring.publish(&self.pool);
    }

    /// The kernel has used a buffer, and what is in it is not wanted (any more).
    pub(crate) fn give_back(&mut self, bid: u16) {
        self.ring.used();
        if usize::from(bid) < self.pool.count() {
            self.pool.unlend(bid);
        }
    }

    /// The datagram in a buffer, which is free again. None if the kernel's words make no sense.
    fn take(&mut self, bid: u16, len: u32, asked: &libc::msghdr) -> Option<Datagram> {
        if usize::from(bid) >= self.pool.count() || len > self.pool.size() {
            self.ring.used();
            return None;
        }
        let datagram = read(self.pool.bytes(bid, len), asked);
        self.give_back(bid);
        datagram
    }

    /// Unregister and unmap.
    ///
    /// # Safety
    /// Nothing that could take a buffer is in flight.
    pub(crate) unsafe fn close(self, ring: &IoUring) {
        if self.ring.close(ring) {
            // SAFETY: the kernel has forgotten the buffers, and no view of them was made.
            unsafe { self.pool.close() };
        } else {
            std::mem::forget(self.pool);
        }
    }
}

fn read(bytes: &[u8], asked: &libc::msghdr) -> Option<Datagram> {
    let out = RecvMsgOut::parse(bytes, asked).ok()?;
    Some(Datagram {
        payload: Buf::copied(out.payload_data())?,
        from: message::read_address(out.name_data()),
        to: message::read_asked(out.control_data()),
        truncated: out.is_payload_truncated(),
    })
}

impl Io {
    /// Buffers for datagrams, before the first socket of them is taken over.
    pub(crate) fn provide_messages(&mut self) -> io::Result<()> {
        let size = self.datagram_size;
        match &mut self.driver {
            Driver::Uring(u) if u.messages.is_none() => {
                u.messages = Some(Messages::new(u.ring.io(), size)?);
            }
            Driver::Epoll(e) if e.scratch.is_empty() => {
                e.scratch = vec![0; size as usize].into_boxed_slice();
            }
            _ => {}
        }
        Ok(())
    }

    /// Arm the receive of a socket of datagrams if it may have one. The only place that does.
    pub(crate) fn want_messages(&mut self, w: &Worker, index: u32) {
        const NO: u32 = flag::MESSAGES_ARMED | flag::STARVED | flag::CLOSING;
        let Driver::Uring(u) = &mut self.driver else {
            return;
        };
        let slot = self.slots.at(index);
        if slot.has(NO) || slot.rx_errno != 0 || w.stopping.get() {
            return;
        }
        let (fd, generation) = (slot.raw_fd(), slot.generation);
        let Some(state) = slot.datagrams() else {
            return;
        };
        let entry = opcode::RecvMsgMulti::new(types::Fd(fd), &raw const state.message, MESSAGES)
            .build()
            .user_data(Token::new(Kind::Messages, generation, index).0);
        // SAFETY: the message header lies in the slot's boxed state, which stays until the slot is finished, and a slot is finished only
        // after its last completion. The buffer ring outlives every receive, as that of streams does.
        unsafe { u.ring.push(&entry) };
        slot.set(flag::MESSAGES_ARMED);
        slot.inflight += 1;
        self.inflight += 1;
    }

    /// A datagram came, or the receive has ended.
    pub(super) fn on_messages(&mut self, w: &Worker, index: u32, result: i32, flags: u32) {
        let more = cqueue::more(flags);
        let Io { slots, driver, .. } = self;
        let Driver::Uring(u) = driver else { return };
        let slot = slots.at(index);
        let mut datagram = None;
        if let (Some(bid), Some(messages)) = (cqueue::buffer_select(flags), &mut u.messages) {
            match (slot.datagrams(), u32::try_from(result)) {
                (Some(state), Ok(len)) => datagram = messages.take(bid, len, &state.message),
                _ => messages.give_back(bid),
            }
        }
        if slot.has(flag::CLOSING) {
            if more {
                // The cancel came too early or too late. (shutdown(2) would not end it: it means little to a socket of datagrams.)
                u.cancel(Token::new(Kind::Messages, slot.generation, index));
            } else {
                self.over(index, flag::MESSAGES_ARMED);
                self.close_progress(w, index);
            }
            return;
        }
        if !more {
            self.over(index, flag::MESSAGES_ARMED);
        }
        match (result, datagram) {
            (0.., Some(datagram)) => self.push_datagram(w, index, datagram),
            (0.., None) => self.slots.at(index).rx_errno = libc::EIO,
            (e, _) => self.on_messages_error(w, index, -e),
        }
        if !more {
            self.want_messages(w, index);
        }
        self.wake_rx(w, index);
    }

    fn on_messages_error(&mut self, w: &Worker, index: u32, errno: i32) {
        match errno {
            libc::ENOBUFS => {
                if let Driver::Uring(u) = &mut self.driver
                    && let Some(messages) = &mut u.messages
                {
                    messages.ring.widen(&messages.pool);
                }
                self.starve(w, index);
            }
            libc::ECANCELED | libc::EINTR | libc::EAGAIN => {}
            e => self.slots.at(index).rx_errno = e,
        }
    }

    fn push_datagram(&mut self, w: &Worker, index: u32, datagram: Datagram) {
        let slot = self.slots.at(index);
        let len = datagram.payload.len() as u64;
        slot.received += len;
        counters::add(&w.counters.bytes_received, len);
        if let Some(state) = slot.datagrams()
            && !state.push(datagram)
        {
            counters::add(&w.counters.datagrams_dropped, 1);
        }
    }
}
