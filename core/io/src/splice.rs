//! Bytes from a socket into a pipe and from a pipe into a socket, and waiting for either: what a spliced direction of a tunnel does
//! with its slots.
//!
//! Not when a direction is spliced, nor in which order its bytes go: that is the tunnel's affair (`pump`). Never the ring's
//! OP_SPLICE: it goes to a kernel worker thread; splice(2) without waiting is a short call. The ring waits by a poll for each time,
//! which looks before it waits; epoll has its readiness flags.

use std::io;
use std::task::{Context, Poll};

use crate::counters;
use crate::driver::{Driver, Io};
use crate::errno;
use crate::pipe::Pipe;
use crate::segment::OutBuf;
use crate::slot::flag;
use crate::stream::Stream;
use crate::token::Kind;
use crate::worker::Worker;

/// What taking bytes from a socket came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Filled {
    Bytes(u32),
    /// The peer's end.
    End,
    /// All pipes are lent.
    NoPipe,
    /// This kind of socket is not spliced.
    Refused,
}

/// What giving bytes to a socket came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Drained {
    /// The pipe is empty, and given back.
    All,
    /// This kind of socket is not spliced.
    Refused,
}

/// The kernel does not splice this kind of socket.
fn is_refusal(errno: i32) -> bool {
    matches!(errno, libc::EINVAL | libc::EOPNOTSUPP | libc::ENOSYS)
}

impl Io {
    /// From now on the socket's bytes are for splices. What is in flight and in the queue comes first.
    fn begin_splice(&mut self, index: u32) {
        let slot = self.slots.at(index);
        slot.set(flag::SPLICED);
        self.cancel_recv(index);
    }

    /// Is nothing in flight or in the queue that a splice would overtake?
    fn may_splice(&mut self, index: u32) -> bool {
        let slot = self.slots.at(index);
        slot.rx.is_empty() && !slot.has(flag::RX_ARMED)
    }

    /// A poll in flight says that there was nothing the last time.
    fn is_ready(&mut self, index: u32, kind: Kind) -> bool {
        let (ready, polled) = flags_of(kind);
        let slot = self.slots.at(index);
        match self.driver {
            Driver::Uring(_) => !slot.has(polled),
            Driver::Epoll(_) => slot.has(ready),
        }
    }

    /// There is nothing now: be told.
    fn not_ready(&mut self, index: u32, kind: Kind) {
        let (ready, polled) = flags_of(kind);
        match self.driver {
            Driver::Uring(_) => self.poll_uring(index, kind, polled),
            Driver::Epoll(_) => {
                let slot = self.slots.at(index);
                slot.clear(ready);
                slot.set(polled);
            }
        }
    }

    fn poll_fill(
        &mut self,
        w: &Worker,
        index: u32,
        place: &mut Option<Pipe>,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<Filled>> {
        let slot = self.slots.at(index);
        let over = slot.rx_errno != 0 || slot.has(flag::RX_EOF);
        if !over
            && self.is_ready(index, Kind::RecvReady)
            && let Some(filled) = self.fill(w, index, place)
        {
            return Poll::Ready(Ok(filled));
        }
        let slot = self.slots.at(index);
        if slot.rx_errno != 0 {
            return Poll::Ready(Err(errno::error(slot.rx_errno)));
        }
        if slot.has(flag::RX_EOF) {
            return Poll::Ready(Ok(Filled::End));
        }
        if slot.has(flag::TIMED_OUT) {
            return Poll::Ready(Err(errno::timed_out()));
        }
        if w.stopping.get() {
            return Poll::Ready(Err(errno::worker_ended()));
        }
        self.wait_rx(w, index, flag::RX_WAIT, cx);
        Poll::Pending
    }

    /// One splice into a pipe. `None`: nothing came, and the slot says why.
    fn fill(&mut self, w: &Worker, index: u32, place: &mut Option<Pipe>) -> Option<Filled> {
        let Some(mut pipe) = self.pipes.take() else {
            counters::add(&w.counters.pipes_exhausted, 1);
            return Some(Filled::NoPipe);
        };
        let uring = matches!(self.driver, Driver::Uring(_));
        let slot = self.slots.at(index);
        let filled = pipe.fill(slot.raw_fd());
        match filled {
            Ok(n @ 1..) => {
                slot.received += u64::from(n);
                counters::add(&w.counters.bytes_received, u64::from(n));
                counters::add(&w.counters.bytes_spliced, u64::from(n));
                // That was most likely all. (Epoll must see EAGAIN, else it does not tell again.)
                if uring && n < pipe.size() {
                    self.not_ready(index, Kind::RecvReady);
                }
                *place = Some(pipe);
                return Some(Filled::Bytes(n));
            }
            Ok(0) => self.on_end(index),
            Err(libc::EAGAIN) => self.not_ready(index, Kind::RecvReady),
            Err(e) if is_refusal(e) => {
                self.pipes.give(pipe);
                return Some(Filled::Refused);
            }
            Err(e) => slot.rx_errno = e,
        }
        self.pipes.give(pipe);
        None
    }

    fn poll_drain(
        &mut self,
        w: &Worker,
        index: u32,
        place: &mut Option<Pipe>,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<Drained>> {
        while let Some(pipe) = place {
            if pipe.is_empty() {
                if let Some(pipe) = place.take() {
                    self.pipes.give(pipe);
                }
                break;
            }
            let slot = self.slots.at(index);
            if slot.tx_errno != 0 {
                return Poll::Ready(Err(errno::error(slot.tx_errno)));
            }
            if self.is_ready(index, Kind::SendReady) {
                match self.drain(w, index, pipe) {
                    Some(refused) => return Poll::Ready(Ok(refused)),
                    None => continue,
                }
            }
            if self.slots.at(index).has(flag::TIMED_OUT) {
                return Poll::Ready(Err(errno::timed_out()));
            }
            if w.stopping.get() {
                return Poll::Ready(Err(errno::worker_ended()));
            }
            self.wait_tx(w, index, cx);
            return Poll::Pending;
        }
        Poll::Ready(Ok(Drained::All))
    }

    /// One splice out of a pipe that holds something.
    fn drain(&mut self, w: &Worker, index: u32, pipe: &mut Pipe) -> Option<Drained> {
        let uring = matches!(self.driver, Driver::Uring(_));
        let slot = self.slots.at(index);
        match pipe.drain(slot.raw_fd()) {
            Ok(n @ 1..) => {
                slot.sent += u64::from(n);
                counters::add(&w.counters.bytes_sent, u64::from(n));
                if uring && !pipe.is_empty() {
                    self.not_ready(index, Kind::SendReady);
                }
            }
            Err(libc::EAGAIN) => self.not_ready(index, Kind::SendReady),
            Err(e) if is_refusal(e) => return Some(Drained::Refused),
            Ok(0) => self.send_failed(w, index, libc::EPIPE),
            Err(e) => self.send_failed(w, index, e),
        }
        None
    }

    /// A splice is given up with bytes on the way: they are copied into the send queue, which is empty while bytes are spliced, and so
    /// go out as what any other future had queued.
    fn unload(&mut self, index: u32, mut pipe: Pipe) {
        let mut out = OutBuf::take();
        pipe.unload(&mut out);
        self.pipes.give(pipe);
        // There is room.
        let _ = self.queue(index, out.into());
    }
}

/// Of a wait: the flag of epoll that says "ready", and the one that says that somebody is to be told.
fn flags_of(kind: Kind) -> (u32, u32) {
    match kind {
        Kind::SendReady => (flag::WRITABLE, flag::TX_POLL),
        _ => (flag::READABLE, flag::RX_POLL),
    }
}

impl Stream {
    /// What comes from now on is taken by `poll_fill`; what was received before by `poll_recv`, until `may_splice`.
    pub(crate) fn begin_splice(&self) {
        self.owner().io(|_, io, index| io.begin_splice(index));
    }

    pub(crate) fn may_splice(&self) -> bool {
        let may = self.owner().io(|_, io, index| io.may_splice(index));
        may.unwrap_or(false)
    }

    /// Back to receives.
    pub(crate) fn end_splice(&self) {
        self.owner()
            .io(|_, io, index| io.slots.at(index).clear(flag::SPLICED));
    }

    /// Bytes of this socket into a pipe that is lent for them.
    pub(crate) fn poll_fill(
        &self,
        place: &mut Option<Pipe>,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<Filled>> {
        self.owner()
            .io(|w, io, index| io.poll_fill(w, index, place, cx))
            .unwrap_or_else(|| Poll::Ready(Err(errno::worker_ended())))
    }

    /// What the pipe holds into this socket, until it is empty. Nothing may be queued.
    pub(crate) fn poll_drain(
        &self,
        place: &mut Option<Pipe>,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<Drained>> {
        self.owner()
            .io(|w, io, index| io.poll_drain(w, index, place, cx))
            .unwrap_or_else(|| Poll::Ready(Err(errno::worker_ended())))
    }

    /// What the pipe holds into the send queue.
    pub(crate) fn unload(&self, pipe: Pipe) {
        self.owner().io(|_, io, index| io.unload(index, pipe));
    }
}
