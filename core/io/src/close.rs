//! Ending a socket. Closing is a join, not an act: the last completion closes.
//!
//! Owner gone -> (what is queued goes out, bounded) -> everything in flight is cancelled -> last completion -> `close(2)`, slot free.
//! A descriptor is never closed while an operation on it is in flight, so its number cannot be reused under one.

use crate::driver::{Driver, Io};
use crate::slot::flag;
use crate::socket;
use crate::worker::Worker;

/// A closed stream without a deadline of its own may take so long to send what it has queued.
const DRAIN_MS: u64 = 5_000;

impl Io {
    /// The owner is gone.
    pub(crate) fn release(&mut self, w: &Worker, index: u32) {
        let Io { slots, spill, .. } = self;
        let slot = slots.at(index);
        slot.set(flag::CLOSING);
        slot.clear(flag::RX_WAIT | flag::TX_WAIT | flag::BROKEN_WAIT);
        slot.rx.clear(spill);
        let pending = !slot.tx_is_empty() && slot.tx_errno == 0 && !slot.has(flag::CONNECTING);
        if pending && !slot.has(flag::TIMED_OUT) && !w.stopping.get() {
            slot.set(flag::DRAINING);
            let limit = w.now_ms() + DRAIN_MS;
            if slot.deadline == 0 || slot.deadline > limit {
                self.set_deadline(w, index, DRAIN_MS);
            }
            self.submit(w, index);
            return self.close_progress_if_live(w, index);
        }
        if pending {
            // No time left to wait for, but what the socket takes at once is not held back.
            self.submit(w, index);
        }
        self.force_close(w, index);
    }

    /// Close with RST.
    pub(crate) fn abort(&mut self, index: u32) {
        let slot = self.slots.at(index);
        socket::reset_on_close(slot.raw_fd());
        slot.clear(flag::FIN_WANTED);
        if !slot.has(flag::TX_BUSY) {
            self.detach_tx(index);
        } else {
            slot.set(flag::TIMED_OUT);
        }
    }

    /// `submit` may have sent everything and closed already (epoll sends inline).
    fn close_progress_if_live(&mut self, w: &Worker, index: u32) {
        if self.slots.at(index).has(flag::CLOSING) {
            self.close_progress(w, index);
        }
    }

    /// A closing slot moved on.
    pub(crate) fn close_progress(&mut self, w: &Worker, index: u32) {
        let slot = self.slots.at(index);
        if slot.has(flag::DRAINING) {
            if slot.tx_is_empty() || slot.tx_errno != 0 {
                self.force_close(w, index);
            }
        } else if slot.inflight == 0 {
            self.finish(w, index);
        }
    }

    /// End what is in flight now; close when nothing is.
    pub(crate) fn force_close(&mut self, w: &Worker, index: u32) {
        let slot = self.slots.at(index);
        if !slot.has(flag::LIVE) {
            return;
        }
        slot.set(flag::CLOSING);
        slot.clear(flag::DRAINING);
        if slot.inflight == 0 {
            return self.finish(w, index);
        }
        if !slot.has(flag::CANCELLED) {
            slot.set(flag::CANCELLED);
            if let Driver::Uring(u) = &mut self.driver {
                u.cancel_all(slot, index);
            }
        }
    }

    /// Nothing is in flight and the owner is gone: close and free.
    pub(crate) fn finish(&mut self, w: &Worker, index: u32) {
        let Io { slots, spill, .. } = self;
        let slot = slots.at(index);
        debug_assert_eq!(slot.inflight, 0);
        slot.clear(flag::FIN_WANTED | flag::TX_BUSY);
        slot.rx.clear(spill);
        for waker in [slot.rx_waker.take(), slot.tx_waker.take()]
            .into_iter()
            .flatten()
        {
            w.exec.retire(waker);
        }
        slot.special = None;
        self.detach_tx(index);
        let slot = self.slots.at(index);
        // close(2); FIN goes out here, or RST if the peer's bytes were left unread.
        slot.fd = None;
        self.slots.free(index);
        crate::counters::set(&w.counters.slots_in_use, self.slots_in_use());
    }

    /// The worker ends: close everything, whoever owns it, and wait (bounded) for the last completions.
    pub(crate) fn end(&mut self, w: &Worker) {
        self.forget_alarms();
        for index in 0..self.slots.capacity() {
            if self.slots.at(index).has(flag::LIVE) {
                self.force_close(w, index);
            }
        }
        if let Driver::Uring(_) = self.driver {
            self.drain_uring(w);
        }
        if self.slots.live() > 0 {
            // Not drained in time. What the kernel may still touch is left alone for good (`close` says so); views are given back.
            let Io { slots, spill, .. } = self;
            for index in 0..slots.capacity() {
                slots.at(index).rx.clear(spill);
            }
        }
        self.store_gauges(w);
    }

    fn store_gauges(&self, w: &Worker) {
        crate::counters::set(&w.counters.slots_in_use, self.slots_in_use());
        crate::counters::set(&w.counters.buffers_in_use, u64::from(w.pool.in_use()));
        crate::counters::set(&w.counters.pipes_in_use, u64::from(self.pipes.lent()));
    }

    /// Free the driver. `true` when the kernel holds none of our memory any more; else the slots and the driver are leaked.
    pub(crate) fn close(self) -> bool {
        let quiet = self.inflight == 0 && self.slots.live() == 0;
        match self.driver {
            Driver::Uring(u) => {
                let quiet = u.close(quiet);
                if !quiet {
                    std::mem::forget(self.slots);
                }
                quiet
            }
            Driver::Epoll(_) => true,
        }
    }
}
