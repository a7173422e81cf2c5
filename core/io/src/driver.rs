//! The sockets of a worker and the driver under them: what is the same for io_uring and epoll, and the one place that chooses.
//!
//! The interface is at socket level ("this slot may receive again", "send what is queued"), not at operation level. The ring's
//! side is in `uring`, the readiness side in `epoll`; `receive`, `send` and `close` are what is common to both.

use std::collections::VecDeque;
use std::io;
use std::os::fd::OwnedFd;
use std::task::{Context, Poll, Waker};

use crate::counters;
use crate::epoll::EpollDriver;
use crate::pipe::PipePool;
use crate::probe;
use crate::slot::{SlotTable, SpillPool, flag};
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
    pub(crate) pipes: PipePool,
    /// Bytes in full buffers after which a direction of a tunnel is spliced.
    pub(crate) splice_after: u32,
    #[expect(
        clippy::vec_box,
        reason = "the kernel reads a lent state: its address must not change"
    )]
    pub(crate) tx_pool: Vec<Box<TxState>>,
    /// Slots (and generations) that found no receive buffer, first come first served.
    pub(crate) starved: VecDeque<(u32, u32)>,
    due: Vec<u32>,
    /// Slots of alarms that nobody has, for the next ones. They stay in the wheel, which forgets them when it comes to them.
    idle_alarms: Vec<u32>,
    pub(crate) quota: u32,
    pub(crate) max_views: usize,
    pub(crate) datagram_size: u32,
    /// Operations of slots that owe their last completion.
    pub(crate) inflight: u32,
}

/// Alarms that are kept: as many as a busy worker has at once.
const IDLE_ALARMS: usize = 1024;

/// What a receive would find.
pub(crate) enum Rx {
    Bytes,
    End,
    Error(i32),
    Wait,
}

/// Send states kept for reuse: as many sockets may send at once without allocating.
pub(crate) const KEEP_TX: usize = 1024;
/// Starved sockets tried again per turn.
const STARVED_PER_TURN: usize = 64;
/// Views that may wait unread per connection even when they are tiny: a peer that sends single bytes must not take the pool.
const MIN_VIEWS: usize = 16;

impl Io {
    pub(crate) fn new(options: &WorkerOptions, eventfd: i32, now_ms: u64) -> io::Result<Io> {
        let driver = match options.driver {
            DriverChoice::Uring => Driver::Uring(UringDriver::new(options, eventfd)?),
            DriverChoice::Epoll => Driver::Epoll(EpollDriver::new(eventfd)?),
            DriverChoice::Auto => match Io::try_uring(options, eventfd) {
                Some(driver) => Driver::Uring(driver),
                None => Driver::Epoll(EpollDriver::new(eventfd)?),
            },
        };
        let quota = options.receive_quota.max(1);
        Ok(Io {
            slots: SlotTable::new(),
            wheel: Wheel::new(now_ms),
            driver,
            spill: SpillPool::default(),
            pipes: PipePool::new(options.pipes, options.pipe_size),
            splice_after: options.splice_after,
            tx_pool: Vec::with_capacity(KEEP_TX),
            starved: VecDeque::new(),
            due: Vec::new(),
            idle_alarms: Vec::new(),
            quota,
            max_views: (2 * quota as usize / options.buffer_size.max(1) as usize)
                .clamp(MIN_VIEWS, 4096),
            datagram_size: options.datagram_size.clamp(1, u32::from(u16::MAX)),
            inflight: 0,
        })
    }

    /// The ring, if the probe found what it needs. A ring that cannot be had nevertheless (memory, descriptors) is no reason not to
    /// serve; `worker::driver` tells which it became.
    fn try_uring(options: &WorkerOptions, eventfd: i32) -> Option<UringDriver> {
        if !probe::uring_suffices() {
            return None;
        }
        UringDriver::new(options, eventfd).ok()
    }

    pub(crate) fn kind(&self) -> DriverKind {
        match self.driver {
            Driver::Uring(_) => DriverKind::Uring,
            Driver::Epoll(_) => DriverKind::Epoll,
        }
    }

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
                Driver::Uring(_) if slot.has(flag::DATAGRAMS) => self.want_messages(w, index),
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
            if self.starved.len() > 2 * self.slots.live() as usize + 64 {
                // Mostly sockets that were closed while they waited.
                let Io { slots, starved, .. } = self;
                starved.retain(|&(index, generation)| slots.get(index, generation).is_some());
            }
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
        counters::set(&w.counters.slots_in_use, self.slots_in_use());
        counters::set(&w.counters.pipes_in_use, u64::from(self.pipes.lent()));
        Ok(())
    }

    /// A slot for a socket (or a sleep). The caller owns it.
    pub(crate) fn new_slot(&mut self, w: &Worker, fd: Option<OwnedFd>) -> u32 {
        let index = self.slots.allocate();
        self.slots.at(index).fd = fd;
        counters::set(&w.counters.slots_in_use, self.slots_in_use());
        index
    }

    /// Slots that somebody has.
    pub(crate) fn slots_in_use(&self) -> u64 {
        u64::from(self.slots.live()) - self.idle_alarms.len() as u64
    }

    /// The worker ends, and all slots with it.
    pub(crate) fn forget_alarms(&mut self) {
        self.idle_alarms.clear();
    }

    /// A slot for an alarm. The caller owns it.
    pub(crate) fn take_alarm(&mut self, w: &Worker) -> u32 {
        let Some(index) = self.idle_alarms.pop() else {
            return self.new_slot(w, None);
        };
        counters::set(&w.counters.slots_in_use, self.slots_in_use());
        index
    }

    /// Keep the slot of an alarm that nobody has any more. False if there are enough.
    pub(crate) fn keep_alarm(&mut self, w: &Worker, index: u32) -> bool {
        if self.idle_alarms.len() >= IDLE_ALARMS || w.stopping.get() {
            return false;
        }
        self.clear_deadline(index);
        let slot = self.slots.at(index);
        slot.clear(flag::RX_WAIT);
        if let Some(waker) = slot.rx_waker.take() {
            w.exec.retire(waker);
        }
        self.idle_alarms.push(index);
        counters::set(&w.counters.slots_in_use, self.slots_in_use());
        true
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
            slot.clear(flag::RX_WAIT);
            if slot.is_broken() {
                slot.clear(flag::BROKEN_WAIT);
            }
            w.exec.wake(&mut slot.rx_waker);
        }
    }

    #[inline]
    pub(crate) fn wake_tx(&mut self, w: &Worker, index: u32) {
        let slot = self.slots.at(index);
        if slot.has(flag::TX_WAIT) {
            slot.clear(flag::TX_WAIT);
            w.exec.wake(&mut slot.tx_waker);
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
