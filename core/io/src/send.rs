//! Sending: one send in flight per socket, and what is queued behind it.
//!
//! What a send is made of is in `tx`, how it is made in `uring::arm` and `epoll`.

use std::io;
use std::task::{Context, Poll};

use crate::counters;
use crate::driver::{Driver, Io, KEEP_TX, remember};
use crate::errno;
use crate::segment::Segment;
use crate::slot::flag;
use crate::socket;
use crate::tx::TxState;
use crate::worker::Worker;

impl Io {
    #[inline]
    pub(crate) fn queue(&mut self, index: u32, segment: Segment) -> Result<(), Segment> {
        let slot = self.slots.at(index);
        if slot.tx_errno != 0 || segment.bytes().is_empty() {
            // The error is told by the flush; what cannot be sent any more is dropped.
            return Ok(());
        }
        let tx = match &mut slot.tx {
            Some(tx) => tx,
            None => slot
                .tx
                .insert(self.tx_pool.pop().unwrap_or_else(TxState::new)),
        };
        let segment = if slot.flags & flag::TX_BUSY == 0 {
            match tx.join(segment) {
                Some(segment) => segment,
                None => return Ok(()),
            }
        } else {
            segment
        };
        if tx.room() == 0 {
            return Err(segment);
        }
        tx.push(segment);
        Ok(())
    }

    /// A send state for a connect, which keeps its address in there.
    pub(crate) fn attach_tx(&mut self, index: u32) -> &mut TxState {
        let tx = self.tx_pool.pop().unwrap_or_else(TxState::new);
        self.slots.at(index).tx.insert(tx)
    }

    /// Send what is queued; if a send is in flight, its completion sends the rest.
    #[inline]
    pub(crate) fn submit(&mut self, w: &Worker, index: u32) {
        let slot = self.slots.at(index);
        if slot.tx_is_empty() {
            return;
        }
        slot.set(flag::TX_WANTED);
        if !slot.has(flag::TX_BUSY | flag::CONNECTING) {
            self.start_send(w, index);
        }
    }

    #[inline]
    pub(crate) fn start_send(&mut self, w: &Worker, index: u32) {
        match self.driver {
            Driver::Uring(_) => self.send_uring(index),
            Driver::Epoll(_) => self.send_epoll(w, index),
        }
    }

    #[inline]
    pub(crate) fn poll_flush(
        &mut self,
        w: &Worker,
        index: u32,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        self.submit(w, index);
        let slot = self.slots.at(index);
        if slot.tx_errno != 0 {
            return Poll::Ready(Err(errno::error(slot.tx_errno)));
        }
        if slot.tx_is_empty() {
            return Poll::Ready(Ok(()));
        }
        if slot.has(flag::TIMED_OUT) {
            return Poll::Ready(Err(errno::timed_out()));
        }
        if w.stopping.get() {
            return Poll::Ready(Err(errno::worker_ended()));
        }
        self.wait_tx(w, index, cx);
        Poll::Pending
    }

    #[inline]
    pub(crate) fn wait_tx(&mut self, w: &Worker, index: u32, cx: &mut Context<'_>) {
        let slot = self.slots.at(index);
        slot.set(flag::TX_WAIT);
        remember(w, &mut slot.tx_waker, cx);
    }

    /// Nothing is queued, and sending has not failed.
    pub(crate) fn tx_is_quiet(&mut self, index: u32) -> bool {
        let slot = self.slots.at(index);
        slot.tx_is_empty() && slot.tx_errno == 0 && !slot.has(flag::FIN_WANTED | flag::FIN_SENT)
    }

    /// The kernel took `n` bytes of what is queued.
    #[inline]
    pub(crate) fn sent(&mut self, w: &Worker, index: u32, n: usize) {
        let slot = self.slots.at(index);
        slot.sent += n as u64;
        if let Some(tx) = &mut slot.tx {
            tx.consume(n);
        }
        counters::add(&w.counters.bytes_sent, n as u64);
    }

    /// Sending failed for good: nothing of the queue goes out any more.
    pub(crate) fn send_failed(&mut self, w: &Worker, index: u32, errno: i32) {
        let slot = self.slots.at(index);
        slot.tx_errno = errno;
        if let Some(tx) = &mut slot.tx {
            tx.clear();
        }
        if slot.has(flag::BROKEN_WAIT) {
            self.wake_rx(w, index);
        }
    }

    /// Nothing is in flight: send more, or give the send state back and tell who waits.
    #[inline]
    pub(crate) fn after_send(&mut self, w: &Worker, index: u32) {
        let slot = self.slots.at(index);
        if !slot.tx_is_empty() {
            if slot.has(flag::TX_WANTED) {
                self.start_send(w, index);
            }
        } else {
            self.detach_tx(index);
        }
        self.wake_tx(w, index);
        if self.slots.at(index).has(flag::CLOSING) {
            self.close_progress(w, index);
        }
    }

    /// The queue is empty: give the send state back, and send FIN if that waited for it.
    pub(crate) fn detach_tx(&mut self, index: u32) {
        let slot = self.slots.at(index);
        slot.clear(flag::TX_WANTED);
        if let Some(mut tx) = slot.tx.take() {
            tx.clear();
            if self.tx_pool.len() < KEEP_TX {
                self.tx_pool.push(tx);
            }
        }
        if slot.has(flag::FIN_WANTED) {
            slot.clear(flag::FIN_WANTED);
            slot.set(flag::FIN_SENT);
            socket::shutdown(slot.raw_fd(), libc::SHUT_WR);
        }
    }

    pub(crate) fn shutdown_write(&mut self, w: &Worker, index: u32) {
        let slot = self.slots.at(index);
        if slot.has(flag::FIN_SENT) {
            return;
        }
        slot.set(flag::FIN_WANTED);
        if slot.tx_is_empty() && !slot.has(flag::TX_BUSY) {
            self.detach_tx(index);
        } else {
            self.submit(w, index);
        }
    }
}
