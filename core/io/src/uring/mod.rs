//! The io_uring driver: which operation a slot needs (`arm`), what a completion means for it (`complete`).
//!
//! Not a general ring: six operations on sockets, one read on an eventfd, cancels. Never OP_SHUTDOWN or OP_SPLICE (kernel worker
//! threads), never LINK_TIMEOUT (loses data).

use std::io;

use io_uring::{cqueue, opcode, types};

use crate::buffers::Pool;
use crate::probe;
use crate::slot::{Slot, flag};
use crate::token::{Kind, Token};
use crate::worker::WorkerOptions;

mod arm;
pub(crate) mod bufring;
mod complete;
mod messages;
pub(crate) mod ring;

pub(crate) use arm::receive_entry;
use bufring::{BufRing, GROUP};
use messages::Messages;
use ring::{BATCH, Ring};

/// Ring, buffer ring and the read on the eventfd.
pub(crate) struct UringDriver {
    pub(crate) ring: Ring,
    pub(crate) buffers: BufRing,
    /// What datagrams are received into; made with the first socket of them.
    pub(crate) messages: Option<Messages>,
    /// Multishot receives take a byte credit.
    credit: bool,
    eventfd: i32,
    wake_armed: bool,
    /// Where the kernel writes the eventfd's count; boxed, so that its address stays.
    wake_count: Box<u64>,
    batch: Vec<cqueue::Entry>,
}

impl UringDriver {
    pub(crate) fn new(options: &WorkerOptions, eventfd: i32) -> io::Result<UringDriver> {
        let (ring, _) = Ring::new(options.sq_entries, options.cq_entries)?;
        let buffers = BufRing::new(ring.io(), GROUP, options.buffers)?;
        let credit = options.recv_credit && probe::credit_works();
        let mut driver = UringDriver {
            ring,
            buffers,
            messages: None,
            credit,
            eventfd,
            wake_armed: false,
            wake_count: Box::new(0),
            batch: Vec::with_capacity(BATCH),
        };
        driver.arm_wake();
        Ok(driver)
    }

    fn arm_wake(&mut self) {
        let at = (&raw mut *self.wake_count).cast::<u8>();
        let entry = opcode::Read::new(types::Fd(self.eventfd), at, 8)
            .offset(u64::MAX)
            .build()
            .user_data(Token::new(Kind::Wake, 0, 0).0);
        // SAFETY: the count is boxed and freed only when this read has completed (or leaked); the eventfd is never closed.
        unsafe { self.ring.push(&entry) };
        self.wake_armed = true;
    }

    #[inline]
    pub(crate) fn publish(&mut self, pool: &Pool) -> usize {
        if let Some(messages) = &mut self.messages {
            messages.publish();
        }
        self.buffers.publish(pool)
    }

    pub(crate) fn has_more(&self) -> bool {
        self.ring.has_more()
    }

    /// Ask the kernel to end one operation. Its last completion still comes.
    pub(crate) fn cancel(&mut self, target: Token) {
        let entry = opcode::AsyncCancel::new(target.0)
            .build()
            .user_data(Token::new(Kind::Ignore, 0, 0).0);
        // SAFETY: points to nothing.
        unsafe { self.ring.push(&entry) };
    }

    /// Ask the kernel to end all that a slot has in flight.
    pub(crate) fn cancel_all(&mut self, slot: &Slot, index: u32) {
        for (bit, kind) in [
            (flag::RX_ARMED, Kind::Recv),
            (flag::TX_BUSY, Kind::Send),
            (flag::CONNECTING, Kind::Connect),
            (flag::ACCEPT_ARMED, Kind::Accept),
            (flag::POLL_ARMED, Kind::Poll),
            (flag::RX_POLL, Kind::RecvReady),
            (flag::TX_POLL, Kind::SendReady),
            (flag::MESSAGES_ARMED, Kind::Messages),
        ] {
            if slot.has(bit) {
                self.cancel(Token::new(kind, slot.generation, index));
            }
        }
    }

    /// Free the ring. `quiet`: all slots' operations are done. Returns whether really nothing was in flight; else what the kernel may
    /// still touch is leaked.
    pub(crate) fn close(self, quiet: bool) -> bool {
        let UringDriver {
            ring,
            buffers,
            messages,
            wake_armed,
            wake_count,
            ..
        } = self;
        if quiet && !wake_armed {
            if let Some(messages) = messages {
                // SAFETY: nothing is in flight.
                unsafe { messages.close(ring.io()) };
            }
            if buffers.close(ring.io()) {
                return true;
            }
        } else {
            std::mem::forget((wake_count, messages));
        }
        drop(ring);
        false
    }
}
