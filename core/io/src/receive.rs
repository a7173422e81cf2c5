//! Receiving: the queue of a slot, what a task finds there, when it must wait.
//!
//! How bytes get into the queue is the driver's affair (`uring::complete`, `epoll`).

use std::io;
use std::task::{Context, Poll};

use crate::buffers::Buf;
use crate::counters;
use crate::driver::{Driver, Io, Rx, remember};
use crate::errno;
use crate::slot::{Ahead, flag};
use crate::worker::Worker;

impl Io {
    /// What a receive would find now; sees to it that something will come when it must wait.
    #[inline]
    pub(crate) fn rx_state(&mut self, w: &Worker, index: u32) -> Rx {
        if let Driver::Epoll(_) = self.driver {
            self.fill_epoll(w, index);
        }
        let slot = self.slots.at(index);
        if !slot.rx.is_empty() {
            return Rx::Bytes;
        }
        if slot.rx_errno != 0 {
            return Rx::Error(slot.rx_errno);
        }
        if slot.has(flag::RX_EOF) {
            return Rx::End;
        }
        if slot.has(flag::TIMED_OUT) {
            return Rx::Error(libc::ETIMEDOUT);
        }
        if w.stopping.get() {
            return Rx::Error(libc::ECONNABORTED);
        }
        self.want_recv(w, index);
        Rx::Wait
    }

    #[inline]
    pub(crate) fn poll_recv(
        &mut self,
        w: &Worker,
        index: u32,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<Option<Buf>>> {
        if let Some(buf) = self.pop_rx(w, index) {
            return Poll::Ready(Ok(Some(buf)));
        }
        match self.rx_state(w, index) {
            Rx::Bytes => Poll::Ready(Ok(self.pop_rx(w, index))),
            Rx::End => Poll::Ready(Ok(None)),
            Rx::Error(e) => Poll::Ready(Err(errno::error(e))),
            Rx::Wait => {
                self.wait_rx(w, index, flag::RX_WAIT, cx);
                Poll::Pending
            }
        }
    }

    #[inline]
    pub(crate) fn wait_rx(&mut self, w: &Worker, index: u32, flag: u32, cx: &mut Context<'_>) {
        let slot = self.slots.at(index);
        slot.set(flag);
        remember(w, &mut slot.rx_waker, cx);
    }

    #[inline]
    pub(crate) fn pop_rx(&mut self, w: &Worker, index: u32) -> Option<Buf> {
        let slot = self.slots.at(index);
        let buf = slot.rx.pop_front(&mut self.spill)?;
        slot.rx_bytes = slot.rx_bytes.saturating_sub(buf.len() as u32);
        // Where little is to be kept, nothing more is asked for before somebody waits.
        if !slot.has(flag::RX_ARMED) && slot.ahead == Ahead::Quota {
            self.want_recv(w, index);
        }
        Some(buf)
    }

    pub(crate) fn unread(&mut self, index: u32, buf: Buf) {
        let slot = self.slots.at(index);
        slot.rx_bytes = slot.rx_bytes.saturating_add(buf.len() as u32);
        slot.rx.push_front(buf, &mut self.spill);
    }

    pub(crate) fn read_ahead(&mut self, index: u32, ahead: Ahead) {
        let slot = self.slots.at(index);
        let before = std::mem::replace(&mut slot.ahead, ahead);
        if ahead == Ahead::Piece && before != ahead {
            self.cancel_recv(index);
        }
    }

    /// Bytes came in.
    #[inline]
    pub(crate) fn push_rx(&mut self, w: &Worker, index: u32, buf: Buf) {
        let slot = self.slots.at(index);
        let len = buf.len() as u32;
        slot.rx_bytes = slot.rx_bytes.saturating_add(len);
        slot.received += u64::from(len);
        slot.rx.push_back(buf, &mut self.spill);
        counters::add(&w.counters.bytes_received, u64::from(len));
    }

    /// The peer's end. If sending has failed before, the kernel has reported (and forgotten) a reset there, and this "end" may be all
    /// that is left of it: a cut message must not pass for a whole one. What we broke ourselves, by FIN or cancel, does not count.
    pub(crate) fn on_end(&mut self, index: u32) {
        let slot = self.slots.at(index);
        match slot.tx_errno {
            0 | libc::ECANCELED => slot.set(flag::RX_EOF),
            _ if slot.has(flag::FIN_SENT) => slot.set(flag::RX_EOF),
            // A send that was cut short returns its count, and only the next one fails, with EPIPE.
            libc::EPIPE => slot.rx_errno = libc::ECONNRESET,
            e => slot.rx_errno = e,
        }
    }

    /// Broken: errors of either direction, or the deadline. Not the peer's FIN.
    pub(crate) fn poll_broken(
        &mut self,
        w: &Worker,
        index: u32,
        cx: &mut Context<'_>,
    ) -> Poll<io::Error> {
        self.want_recv(w, index);
        self.want_poll(w, index);
        match self.broken(w, index) {
            Some(e) => Poll::Ready(errno::error(e)),
            None => {
                self.wait_rx(w, index, flag::BROKEN_WAIT, cx);
                Poll::Pending
            }
        }
    }

    pub(crate) fn broken(&mut self, w: &Worker, index: u32) -> Option<i32> {
        let slot = self.slots.at(index);
        if slot.rx_errno != 0 {
            Some(slot.rx_errno)
        } else if slot.tx_errno != 0 {
            Some(slot.tx_errno)
        } else if slot.has(flag::TIMED_OUT) {
            Some(libc::ETIMEDOUT)
        } else if w.stopping.get() {
            Some(libc::ECONNABORTED)
        } else {
            None
        }
    }
}
