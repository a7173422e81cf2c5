//! The sockets of a worker and the driver under them: what is the same for io_uring and epoll, and the one place that chooses.
//!
//! The interface is at socket level ("this slot may receive again", "send what is queued"), not at operation level. The ring's
//! side is in `uring`, the readiness side in `epoll`; ending a socket is in `close`.

use std::collections::VecDeque;
use std::io;
use std::os::fd::OwnedFd;
use std::task::{Context, Poll, Waker};

use crate::buffers::Buf;
use crate::counters;
use crate::epoll::EpollDriver;
use crate::errno;
use crate::probe;
use crate::segment::Segment;
use crate::slot::{SlotTable, SpillPool, flag};
use crate::socket;
use crate::timer::Wheel;
use crate::tx::TxState;
use crate::uring::UringDriver;
use crate::worker::{DriverChoice, DriverKind, Worker, WorkerOptions};

/// The kernel interface in use.
#[expect(
    clippy::large_enum_variant,
    reason = "one per worker, and never moved on the data path"
)]
pub(crate) enum Driver {
    Uring(UringDriver),
    Epoll(EpollDriver),
}

/// The sockets of a worker.
pub(crate) struct Io {
    pub(crate) slots: SlotTable,
    pub(crate) wheel: Wheel,
    pub(crate) driver: Driver,
    pub(crate) spill: SpillPool,
    #[expect(
        clippy::vec_box,
        reason = "the kernel reads a lent state: its address must not change"
    )]
    tx_pool: Vec<Box<TxState>>,
    /// Slots (and generations) that found no receive buffer, first come first served.
    pub(crate) starved: VecDeque<(u32, u32)>,
    due: Vec<u32>,
    pub(crate) quota: u32,
    pub(crate) max_views: usize,
    /// Operations of slots that owe their last completion.
    pub(crate) inflight: u32,
}

/// What a receive would find.
pub(crate) enum Rx {
    Bytes,
    End,
    Error(i32),
    Wait,
}

/// Send states kept for reuse: as many sockets may send at once without allocating.
const KEEP_TX: usize = 1024;
/// Starved sockets tried again per turn.
const STARVED_PER_TURN: usize = 64;
/// Views that may wait unread per connection even when they are tiny: a peer that sends single bytes must not take the pool.
const MIN_VIEWS: usize = 16;

impl Io {
    pub(crate) fn new(options: &WorkerOptions, eventfd: i32, now_ms: u64) -> io::Result<Io> {
        let uring = match options.driver {
            DriverChoice::Uring => true,
            DriverChoice::Epoll => false,
            DriverChoice::Auto => probe::uring_suffices(),
        };
        let driver = if uring {
            Driver::Uring(UringDriver::new(options, eventfd)?)
        } else {
            Driver::Epoll(EpollDriver::new(eventfd)?)
        };
        let quota = options.receive_quota.max(1);
        Ok(Io {
            slots: SlotTable::new(),
            wheel: Wheel::new(now_ms),
            driver,
            spill: SpillPool::default(),
            tx_pool: Vec::with_capacity(KEEP_TX),
            starved: VecDeque::new(),
            due: Vec::new(),
            quota,
            max_views: (2 * quota as usize / options.buffer_size.max(1) as usize)
                .clamp(MIN_VIEWS, 4096),
            inflight: 0,
        })
    }

    pub(crate) fn kind(&self) -> DriverKind {
        match self.driver {
            Driver::Uring(_) => DriverKind::Uring,
            Driver::Epoll(_) => DriverKind::Epoll,
        }
    }

    // ------------------------------------------------------------------------------------------------- the worker's turn

    /// Act on deadlines that have passed.
    #[inline]
    pub(crate) fn fire_timers(&mut self, w: &Worker) {
        let mut due = std::mem::take(&mut self.due);
        self.wheel.advance(&mut self.slots, w.now_ms(), &mut due);
        for index in due.drain(..) {
            self.on_deadline(w, index);
        }
        self.due = due;
    }

    fn on_deadline(&mut self, w: &Worker, index: u32) {
        let slot = self.slots.at(index);
        if !slot.has(flag::LIVE) {
            return;
        }
        slot.deadline = 0;
        if slot.has(flag::CLOSING) {
            return self.force_close(w, index);
        }
        if slot.has(flag::BACKOFF) {
            slot.clear(flag::BACKOFF);
            return self.want_accept(w, index);
        }
        slot.set(flag::TIMED_OUT);
        self.wake_rx(w, index);
        self.wake_tx(w, index);
    }

    pub(crate) fn next_timer_ms(&self) -> Option<u64> {
        self.wheel.next_ms()
    }

    /// Buffers back to the kernel, starved sockets another try.
    #[inline]
    pub(crate) fn before_wait(&mut self, w: &Worker) {
        let available = match &mut self.driver {
            Driver::Uring(u) => u.publish(&w.pool),
            Driver::Epoll(_) => w.pool.free_len(),
        };
        if !self.starved.is_empty() {
            self.feed_starved(w, available);
        }
    }

    /// Never more tries than buffers: a try that finds none would come straight back here.
    fn feed_starved(&mut self, w: &Worker, available: usize) {
        let tries = available.min(STARVED_PER_TURN).min(self.starved.len());
        for _ in 0..tries {
            let Some((index, generation)) = self.starved.pop_front() else {
                break;
            };
            let Some(slot) = self.slots.get(index, generation) else {
                continue;
            };
            slot.clear(flag::STARVED);
            match self.driver {
                Driver::Uring(_) => self.want_recv(w, index),
                Driver::Epoll(_) => self.wake_rx(w, index),
            }
        }
    }

    /// This slot found no buffer.
    pub(crate) fn starve(&mut self, w: &Worker, index: u32) {
        counters::add(&w.counters.buffers_exhausted, 1);
        let slot = self.slots.at(index);
        if !slot.has(flag::STARVED) {
            slot.set(flag::STARVED);
            self.starved.push_back((index, slot.generation));
        }
    }

    /// Is there work that must not wait for the kernel?
    pub(crate) fn has_more(&self) -> bool {
        match &self.driver {
            Driver::Uring(u) => u.has_more(),
            Driver::Epoll(e) => e.has_more(),
        }
    }

    /// The system call, and what it brought.
    pub(crate) fn wait(&mut self, w: &Worker, wait_us: u64) -> io::Result<()> {
        match self.driver {
            Driver::Uring(_) => self.wait_uring(w, wait_us)?,
            Driver::Epoll(_) => self.wait_epoll(w, wait_us)?,
        }
        counters::set(&w.counters.buffers_in_use, u64::from(w.pool.in_use()));
        counters::set(&w.counters.slots_in_use, u64::from(self.slots.live()));
        Ok(())
    }

    // ------------------------------------------------------------------------------------------------------------- slots

    /// A slot for a socket (or a sleep). The caller owns it.
    pub(crate) fn new_slot(&mut self, w: &Worker, fd: Option<OwnedFd>) -> u32 {
        let index = self.slots.allocate();
        self.slots.at(index).fd = fd;
        counters::set(&w.counters.slots_in_use, u64::from(self.slots.live()));
        index
    }

    /// A slot for a socket that is connected, listening or connecting.
    pub(crate) fn adopt(&mut self, w: &Worker, fd: OwnedFd, flags: u32) -> io::Result<u32> {
        let index = self.new_slot(w, Some(fd));
        let slot = self.slots.at(index);
        slot.set(flags);
        let added = match &mut self.driver {
            Driver::Uring(_) => Ok(()),
            Driver::Epoll(e) => e.add(slot, index),
        };
        match added {
            Ok(()) => Ok(index),
            Err(e) => {
                self.finish(w, index);
                Err(e)
            }
        }
    }

    /// From now, the deadline of a slot.
    #[inline]
    pub(crate) fn set_deadline(&mut self, w: &Worker, index: u32, ms: u64) {
        let slot = self.slots.at(index);
        slot.deadline = w.now_ms() + ms;
        slot.clear(flag::TIMED_OUT);
        self.wheel.track(&mut self.slots, index);
    }

    pub(crate) fn clear_deadline(&mut self, index: u32) {
        let slot = self.slots.at(index);
        slot.deadline = 0;
        slot.clear(flag::TIMED_OUT);
    }

    pub(crate) fn poll_deadline(
        &mut self,
        w: &Worker,
        index: u32,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        let slot = self.slots.at(index);
        if slot.has(flag::TIMED_OUT) || w.stopping.get() {
            return Poll::Ready(Ok(()));
        }
        slot.set(flag::RX_WAIT);
        remember(w, &mut slot.rx_waker, cx);
        Poll::Pending
    }

    #[inline]
    pub(crate) fn wake_rx(&mut self, w: &Worker, index: u32) {
        let slot = self.slots.at(index);
        if slot.has(flag::RX_WAIT | flag::BROKEN_WAIT) {
            slot.clear(flag::RX_WAIT | flag::BROKEN_WAIT);
            if let Some(waker) = &slot.rx_waker {
                w.exec.wake(waker);
            }
        }
    }

    #[inline]
    pub(crate) fn wake_tx(&mut self, w: &Worker, index: u32) {
        let slot = self.slots.at(index);
        if slot.has(flag::TX_WAIT) {
            slot.clear(flag::TX_WAIT);
            if let Some(waker) = &slot.tx_waker {
                w.exec.wake(waker);
            }
        }
    }

    // --------------------------------------------------------------------------------------------------------- receiving

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
        if !slot.has(flag::RX_ARMED) {
            self.want_recv(w, index);
        }
        Some(buf)
    }

    pub(crate) fn unread(&mut self, index: u32, buf: Buf) {
        let slot = self.slots.at(index);
        slot.rx_bytes = slot.rx_bytes.saturating_add(buf.len() as u32);
        slot.rx.push_front(buf, &mut self.spill);
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

    // ----------------------------------------------------------------------------------------------------------- sending

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

/// Keep the waker of who waits. The usual case is that it is there already.
#[inline]
pub(crate) fn remember(w: &Worker, place: &mut Option<Waker>, cx: &mut Context<'_>) {
    if let Some(old) = place
        && old.will_wake(cx.waker())
    {
        return;
    }
    if let Some(old) = place.replace(cx.waker().clone()) {
        w.exec.retire(old);
    }
}
