//! What a completion means for its slot.
//!
//! "No more" is the only place that decides on arming again, whatever ended the operation: error, end, credit, overflow, cancel.

use std::io;
use std::os::fd::{FromRawFd, OwnedFd};

use io_uring::cqueue;

use crate::counters;
use crate::driver::{Driver, Io};
use crate::errno;
use crate::slot::{Ahead, flag};
use crate::socket;
use crate::token::{Kind, Token};
use crate::uring::arm::ACCEPT_QUEUE;
use crate::uring::ring::BATCH;
use crate::worker::Worker;

/// How long accepting pauses when descriptors or memory ran out.
pub(crate) const BACKOFF_MS: u64 = 50;
/// At the end of a worker, how often 10 ms are waited for the last completions. Cancelled socket operations need one round.
const DRAIN_ROUNDS: u32 = 300;

impl Io {
    /// Submit, wait, and deal with what came.
    pub(crate) fn wait_uring(&mut self, w: &Worker, wait_us: u64) -> io::Result<()> {
        let Driver::Uring(u) = &mut self.driver else {
            return Ok(());
        };
        u.ring.enter(wait_us)?;
        counters::set(&w.counters.enters, u.ring.enters);
        counters::set(&w.counters.sq_full, u.ring.sq_full);
        counters::set(&w.counters.cq_overflow, u.ring.cq_overflow);
        self.complete_all(w);
        Ok(())
    }

    fn complete_all(&mut self, w: &Worker) {
        let Driver::Uring(u) = &mut self.driver else {
            return;
        };
        let mut batch = std::mem::take(&mut u.batch);
        loop {
            let Driver::Uring(u) = &mut self.driver else {
                return;
            };
            u.ring.take(&mut batch);
            for cqe in &batch {
                self.complete(w, cqe);
            }
            counters::add(&w.counters.completions, batch.len() as u64);
            if batch.len() < BATCH {
                break;
            }
        }
        if let Driver::Uring(u) = &mut self.driver {
            u.batch = batch;
        }
    }

    /// Wait for the last completion of everything that was cancelled. Bounded.
    pub(crate) fn drain_uring(&mut self, w: &Worker) {
        if let Driver::Uring(u) = &mut self.driver {
            u.cancel(Token::new(Kind::Wake, 0, 0));
        }
        for _ in 0..DRAIN_ROUNDS {
            let Driver::Uring(u) = &mut self.driver else {
                return;
            };
            if self.inflight == 0 && !u.wake_armed && u.ring.unsubmitted() == 0 {
                return;
            }
            if u.ring.enter(10_000).is_err() {
                return;
            }
            self.complete_all(w);
        }
    }

    #[inline]
    fn complete(&mut self, w: &Worker, cqe: &cqueue::Entry) {
        let token = Token(cqe.user_data());
        let (result, flags, index) = (cqe.result(), cqe.flags(), token.slot());
        match token.kind() {
            Kind::Ignore => return,
            Kind::Wake => return self.on_wake(w),
            _ => {}
        }
        if self.slots.get(index, token.generation()).is_none() {
            return self.on_stale(w, token, result, flags);
        }
        match token.kind() {
            Kind::Recv => self.on_recv(w, index, result, flags),
            Kind::Send => self.on_send(w, index, result),
            Kind::Accept => self.on_accept(w, index, result, flags),
            Kind::Connect => self.on_connect(w, index, result),
            Kind::Poll => self.on_poll(w, index, flags),
            Kind::RecvReady | Kind::SendReady => self.on_ready(w, index, token.kind()),
            Kind::Messages => self.on_messages(w, index, result, flags),
            Kind::Ignore | Kind::Wake => {}
        }
    }

    fn on_wake(&mut self, w: &Worker) {
        let Driver::Uring(u) = &mut self.driver else {
            return;
        };
        u.wake_armed = false;
        if !w.stopping.get() {
            u.arm_wake();
        }
    }

    /// The slot has moved on, which our own rules forbid. Count it, and lose neither a buffer nor a descriptor.
    fn on_stale(&mut self, w: &Worker, token: Token, result: i32, flags: u32) {
        counters::add(&w.counters.stale_completions, 1);
        if let Some(bid) = cqueue::buffer_select(flags)
            && let Driver::Uring(u) = &mut self.driver
        {
            if token.kind() == Kind::Messages {
                return u.messages.iter_mut().for_each(|m| m.give_back(bid));
            }
            u.buffers.used();
            if usize::from(bid) < w.pool.count() {
                w.pool.unlend(bid);
            }
        }
        if token.kind() == Kind::Accept && result >= 0 {
            // SAFETY: a fresh descriptor that nobody else knows of.
            drop(unsafe { OwnedFd::from_raw_fd(result) });
        }
    }

    /// One operation of a slot is over.
    #[inline]
    pub(super) fn over(&mut self, index: u32, flags: u32) {
        let slot = self.slots.at(index);
        slot.clear(flags);
        slot.inflight -= 1;
        self.inflight -= 1;
    }

    #[inline]
    fn on_recv(&mut self, w: &Worker, index: u32, result: i32, flags: u32) {
        let more = cqueue::more(flags);
        let copy = self.slots.at(index).ahead == Ahead::Piece;
        let buf = match (cqueue::buffer_select(flags), &mut self.driver) {
            (Some(bid), Driver::Uring(u)) => {
                u.buffers.used();
                if result > 0 {
                    w.pool.received(bid, result as u32, copy)
                } else {
                    w.pool.unlend(bid);
                    None
                }
            }
            _ => None,
        };
        if !more {
            self.over(index, flag::RX_ARMED | flag::RX_CANCEL);
        }
        if self.slots.at(index).has(flag::CLOSING) {
            drop(buf);
            return if !more {
                self.close_progress(w, index)
            } else if self.slots.at(index).has(flag::CANCELLED) {
                self.end_receive(index)
            };
        }
        match (result, buf) {
            (1.., Some(buf)) => self.push_rx(w, index, buf),
            (1.., None) => self.slots.at(index).rx_errno = libc::EIO,
            (0, _) => self.on_end(index),
            (e, _) => self.on_recv_error(w, index, -e),
        }
        if more {
            self.limit_recv(index);
        } else {
            self.want_recv(w, index);
            if self.slots.at(index).has(flag::BROKEN_WAIT) {
                self.want_poll(w, index);
            }
        }
        let slot = self.slots.at(index);
        let ended = slot.rx_errno != 0 || slot.has(flag::RX_EOF);
        // A direction that is to be spliced waits for the last completion, with bytes or without.
        let last = !more && slot.has(flag::SPLICED);
        if ended || slot.has(flag::RX_WAIT) && (last || !slot.rx.is_empty()) {
            self.wake_rx(w, index);
        }
    }

    fn on_recv_error(&mut self, w: &Worker, index: u32, errno: i32) {
        match errno {
            libc::ENOBUFS => {
                // Whoever is to keep little waits for others: what was touched stays in memory, and a crowd of them would touch much.
                let keeps_little = self.slots.at(index).ahead != Ahead::Quota;
                if let Driver::Uring(u) = &mut self.driver
                    && !keeps_little
                {
                    u.buffers.widen(&w.pool);
                }
                self.starve(w, index);
            }
            // Cancelled for its full queue, or interrupted: `want_recv` knows whether to go on.
            libc::ECANCELED | libc::EINTR | libc::EAGAIN => {}
            e => self.slots.at(index).rx_errno = e,
        }
    }

    /// A receive goes on: is there too much unread? With a credit only the number of views needs a limit here.
    #[inline]
    fn limit_recv(&mut self, index: u32) {
        let Driver::Uring(u) = &mut self.driver else {
            return;
        };
        let slot = self.slots.at(index);
        let full = slot.rx.len() >= self.max_views
            || !u.credit && (slot.rx_bytes >= self.quota || slot.ahead != Ahead::Quota);
        if full {
            self.cancel_recv(index);
        }
    }

    #[inline]
    fn on_send(&mut self, w: &Worker, index: u32, result: i32) {
        self.over(index, flag::TX_BUSY);
        match result {
            1.. => self.sent(w, index, result as usize),
            0 => self.send_failed(w, index, libc::EPIPE),
            e if -e == libc::EINTR || -e == libc::EAGAIN => {}
            e => self.send_failed(w, index, -e),
        }
        // A closing slot that was told to stop sends no more.
        let slot = self.slots.at(index);
        if slot.has(flag::CANCELLED) {
            slot.clear(flag::TX_WANTED);
            return self.close_progress(w, index);
        }
        self.after_send(w, index);
    }

    fn on_connect(&mut self, w: &Worker, index: u32, result: i32) {
        self.over(index, flag::CONNECTING);
        if result < 0 && -result != libc::EISCONN {
            self.slots.at(index).tx_errno = -result;
        }
        self.detach_tx(index);
        self.wake_tx(w, index);
        if self.slots.at(index).has(flag::CLOSING) {
            self.close_progress(w, index);
        }
    }

    /// There is something to splice, or room, or the socket has broken: whoever waits finds out.
    fn on_ready(&mut self, w: &Worker, index: u32, kind: Kind) {
        let polled = match kind {
            Kind::SendReady => flag::TX_POLL,
            _ => flag::RX_POLL,
        };
        self.over(index, polled);
        if self.slots.at(index).has(flag::CLOSING) {
            return self.close_progress(w, index);
        }
        match kind {
            Kind::SendReady => self.wake_tx(w, index),
            _ => self.wake_rx(w, index),
        }
    }

    fn on_poll(&mut self, w: &Worker, index: u32, flags: u32) {
        let more = cqueue::more(flags);
        if !more {
            self.over(index, flag::POLL_ARMED);
        }
        let slot = self.slots.at(index);
        if slot.has(flag::CLOSING) {
            if !more {
                self.close_progress(w, index);
            }
            return;
        }
        match socket::take_error(slot.raw_fd()) {
            0 if more => {}
            0 => slot.set(flag::HUNG_UP),
            e => {
                slot.rx_errno = e;
                self.wake_rx(w, index);
            }
        }
    }

    fn on_accept(&mut self, w: &Worker, index: u32, result: i32, flags: u32) {
        let more = cqueue::more(flags);
        if !more {
            self.over(index, flag::ACCEPT_ARMED | flag::RX_CANCEL);
        }
        let slot = self.slots.at(index);
        if result >= 0 {
            // SAFETY: a fresh descriptor that nobody else knows of.
            let fd = unsafe { OwnedFd::from_raw_fd(result) };
            if !slot.has(flag::CLOSING)
                && let Some(listen) = slot.listen()
            {
                listen.queue.push_back(fd);
            }
        } else {
            self.accept_failed(w, index, -result);
        }
        let slot = self.slots.at(index);
        if slot.has(flag::CLOSING) {
            if !more {
                self.close_progress(w, index);
            }
            return;
        }
        let waiting = slot.listen().map_or(0, |l| l.queue.len());
        if !more {
            self.want_accept(w, index);
        } else if waiting >= ACCEPT_QUEUE && !slot.has(flag::RX_CANCEL) {
            slot.set(flag::RX_CANCEL);
            let token = Token::new(Kind::Accept, slot.generation, index);
            if let Driver::Uring(u) = &mut self.driver {
                u.cancel(token);
            }
        }
        self.wake_rx(w, index);
    }

    /// An accept failed: pause, go on, or give up.
    pub(crate) fn accept_failed(&mut self, w: &Worker, index: u32, errno: i32) {
        if errno == libc::ECANCELED || self.slots.at(index).has(flag::CLOSING) {
            return;
        }
        counters::add(&w.counters.accept_errors, 1);
        if errno::is_exhaustion(errno) {
            self.slots.at(index).set(flag::BACKOFF);
            self.set_deadline(w, index, BACKOFF_MS);
        } else if !errno::is_per_connection(errno) {
            self.slots.at(index).rx_errno = errno;
        }
    }
}
