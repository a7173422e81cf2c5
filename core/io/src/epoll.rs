//! The readiness driver: for places that forbid io_uring. Registered once per socket, edge-triggered, same events upwards.
//!
//! Receives into the same buffers and sends the same segments; what differs is who makes the system call and when.

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use crate::counters;
use crate::driver::{Driver, Io};
use crate::errno;
use crate::slot::{Ahead, PIECE, Slot, flag};
use crate::socket;
use crate::token::{Kind, Token};
use crate::tx::Shape;
use crate::worker::Worker;

/// Events taken per system call.
const EVENTS: usize = 256;
/// Connections that one listener may take per turn, so that a flood of them does not hold up those that are served.
pub(crate) const ACCEPTS_PER_TURN: u32 = 64;

/// The epoll set.
pub(crate) struct EpollDriver {
    fd: OwnedFd,
    eventfd: i32,
    events: Vec<libc::epoll_event>,
    /// Where datagrams are received before their length is known; empty until there is a socket for them.
    pub(crate) scratch: Box<[u8]>,
    /// Slots (and generations) that used up their share of this turn and are still readable.
    again: Vec<(u32, u32)>,
    turn: u32,
}

impl EpollDriver {
    pub(crate) fn new(eventfd: i32) -> io::Result<EpollDriver> {
        // SAFETY: no pointers; the result is checked.
        let fd = unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) };
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: a fresh descriptor that is ours.
        let fd = unsafe { OwnedFd::from_raw_fd(fd) };
        let mut driver = EpollDriver {
            fd,
            eventfd,
            events: Vec::with_capacity(EVENTS),
            scratch: Box::default(),
            again: Vec::new(),
            turn: 1,
        };
        driver.control(eventfd, libc::EPOLLIN as u32, Token::new(Kind::Wake, 0, 0))?;
        Ok(driver)
    }

    fn control(&mut self, fd: i32, events: u32, token: Token) -> io::Result<()> {
        let mut event = libc::epoll_event {
            events,
            u64: token.0,
        };
        // SAFETY: one readable event; wrong descriptors are errors.
        if unsafe { libc::epoll_ctl(self.fd.as_raw_fd(), libc::EPOLL_CTL_ADD, fd, &mut event) } < 0
        {
            return Err(io::Error::last_os_error());
        }
        Ok(())
    }

    /// Register a socket for the rest of its life; close(2) takes it out.
    pub(crate) fn add(&mut self, slot: &mut Slot, index: u32) -> io::Result<()> {
        // Nobody waits to send a datagram, and each one that has left would be an event.
        let events = if slot.has(flag::DATAGRAMS) {
            libc::EPOLLIN | libc::EPOLLET
        } else {
            libc::EPOLLIN | libc::EPOLLOUT | libc::EPOLLRDHUP | libc::EPOLLET
        };
        let events = events as u32;
        self.control(
            slot.raw_fd(),
            events,
            Token::new(Kind::Poll, slot.generation, index),
        )?;
        if !slot.has(flag::CONNECTING) {
            slot.set(flag::READABLE | flag::WRITABLE);
        }
        Ok(())
    }

    pub(crate) fn has_more(&self) -> bool {
        !self.again.is_empty()
    }

    /// Has the slot used up `share` of this turn? If so it is woken in the next.
    pub(crate) fn used_up(&mut self, slot: &mut Slot, index: u32, share: u32) -> bool {
        if slot.turn != self.turn {
            slot.turn = self.turn;
            slot.turn_bytes = 0;
        }
        if slot.turn_bytes < share {
            return false;
        }
        if slot.turn_bytes != u32::MAX {
            slot.turn_bytes = u32::MAX;
            self.again.push((index, slot.generation));
        }
        true
    }

    fn wait(&mut self, wait_us: u64) -> io::Result<()> {
        self.turn = self.turn.wrapping_add(1);
        // Rounded up: a timer must not find itself early and spin.
        let ms = wait_us.div_ceil(1000).min(i32::MAX as u64) as i32;
        // SAFETY: room for EVENTS events; the length is set to what the kernel wrote.
        let n = unsafe {
            let n = libc::epoll_wait(
                self.fd.as_raw_fd(),
                self.events.as_mut_ptr(),
                EVENTS as i32,
                ms,
            );
            self.events.set_len(n.max(0) as usize);
            n
        };
        if n < 0 && errno::last() != libc::EINTR {
            return Err(io::Error::last_os_error());
        }
        Ok(())
    }
}

impl Io {
    /// Wait, and deal with what came.
    pub(crate) fn wait_epoll(&mut self, w: &Worker, wait_us: u64) -> io::Result<()> {
        let Driver::Epoll(e) = &mut self.driver else {
            return Ok(());
        };
        e.wait(wait_us)?;
        counters::add(&w.counters.enters, 1);
        counters::add(&w.counters.completions, e.events.len() as u64);
        let mut again = std::mem::take(&mut e.again);
        let events = std::mem::take(&mut e.events);
        for (index, generation) in again.drain(..) {
            if self.slots.get(index, generation).is_some() {
                self.wake_rx(w, index);
            }
        }
        for event in &events {
            self.on_event(w, Token(event.u64), event.events as i32);
        }
        if let Driver::Epoll(e) = &mut self.driver {
            e.events = events;
            e.again = again;
        }
        Ok(())
    }

    fn on_event(&mut self, w: &Worker, token: Token, events: i32) {
        if token.kind() == Kind::Wake {
            if let Driver::Epoll(e) = &self.driver {
                let mut count = [0u8; 8];
                // SAFETY: eight writable bytes; it is readable (we were told), and nobody else reads it, so it does not block.
                unsafe { libc::read(e.eventfd, count.as_mut_ptr().cast(), count.len()) };
            }
            return;
        }
        let index = token.slot();
        let Some(slot) = self.slots.get(index, token.generation()) else {
            return counters::add(&w.counters.stale_completions, 1);
        };
        let broken = events & (libc::EPOLLERR | libc::EPOLLHUP) != 0;
        if broken || events & (libc::EPOLLIN | libc::EPOLLRDHUP) != 0 {
            slot.set(flag::READABLE);
        }
        if broken || events & libc::EPOLLOUT != 0 {
            slot.set(flag::WRITABLE);
        }
        if broken || events & libc::EPOLLRDHUP != 0 {
            slot.set(flag::RDHUP);
        }
        if slot.has(flag::CONNECTING) {
            if !slot.has(flag::WRITABLE) {
                return;
            }
            slot.clear(flag::CONNECTING);
            slot.set(flag::READABLE);
            slot.tx_errno = socket::take_error(slot.raw_fd());
            return self.wake_tx(w, index);
        }
        if events & libc::EPOLLERR != 0 && slot.rx_errno == 0 {
            slot.rx_errno = socket::take_error(slot.raw_fd());
        }
        if slot.has(flag::RX_WAIT) && slot.has(flag::READABLE) || slot.rx_errno != 0 {
            self.wake_rx(w, index);
        }
        let slot = self.slots.at(index);
        if !slot.has(flag::WRITABLE) {
            return;
        }
        if slot.has(flag::TX_POLL) {
            slot.clear(flag::TX_POLL);
            self.wake_tx(w, index);
        }
        // Both may be: a splice that was given up has left its bytes to a send.
        if self.slots.at(index).has(flag::TX_BUSY) {
            self.send_epoll(w, index);
        }
    }

    /// One receive, if nothing is queued and the socket may have something.
    #[inline]
    pub(crate) fn fill_epoll(&mut self, w: &Worker, index: u32) {
        const NO: u32 =
            flag::RX_EOF | flag::CONNECTING | flag::LISTENER | flag::CLOSING | flag::SPLICED;
        let Driver::Epoll(e) = &mut self.driver else {
            return;
        };
        let slot = self.slots.at(index);
        if !slot.has(flag::READABLE) || slot.has(NO) || !slot.rx.is_empty() || slot.fd.is_none() {
            return;
        }
        if e.used_up(slot, index, self.quota) {
            return;
        }
        let Some(bid) = w.pool.lend() else {
            return self.starve(w, index);
        };
        let copy = slot.ahead == Ahead::Piece;
        let size = match slot.ahead {
            Ahead::Piece => PIECE.min(w.pool.size()),
            Ahead::Quota | Ahead::Buffers(_) => w.pool.size(),
        };
        let n = loop {
            // SAFETY: a lent buffer of `size` bytes, which nobody else refers to.
            let n = unsafe {
                libc::recv(
                    slot.raw_fd(),
                    w.pool.address(bid).cast(),
                    size as usize,
                    libc::MSG_DONTWAIT,
                )
            };
            if n >= 0 || errno::last() != libc::EINTR {
                break n;
            }
        };
        if n > 0 {
            slot.turn_bytes = slot.turn_bytes.saturating_add(n as u32);
            // A short receive has drained the socket, unless the end or an error stands behind the bytes.
            if (n as u32) < size && !slot.has(flag::RDHUP) {
                slot.clear(flag::READABLE);
            }
            if let Some(buf) = w.pool.received(bid, n as u32, copy) {
                self.push_rx(w, index, buf);
            }
            return;
        }
        let error = if n < 0 { errno::last() } else { 0 };
        w.pool.unlend(bid);
        slot.clear(flag::READABLE);
        match error {
            libc::EAGAIN => {}
            _ if slot.rx_errno != 0 => {}
            0 => self.on_end(index),
            e => slot.rx_errno = e,
        }
    }

    /// Send inline until all is out or the socket is full; the next EPOLLOUT goes on.
    pub(crate) fn send_epoll(&mut self, w: &Worker, index: u32) {
        const FLAGS: i32 = libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;
        loop {
            let slot = self.slots.at(index);
            if !slot.has(flag::WRITABLE) {
                slot.set(flag::TX_BUSY);
                return;
            }
            let fd = slot.raw_fd();
            let Some(tx) = &mut slot.tx else { break };
            // SAFETY: the shape points to segments that the slot owns, for the length of the call.
            let n = unsafe {
                match tx.shape() {
                    Shape::Nothing => break,
                    Shape::One(at, len) => libc::send(fd, at.cast(), len, FLAGS),
                    Shape::Many(message) => libc::sendmsg(fd, message, FLAGS),
                }
            };
            if n > 0 {
                self.sent(w, index, n as usize);
                continue;
            }
            match if n == 0 { libc::EPIPE } else { errno::last() } {
                libc::EINTR => {}
                libc::EAGAIN => slot.clear(flag::WRITABLE),
                e => {
                    self.send_failed(w, index, e);
                    break;
                }
            }
        }
        self.slots.at(index).clear(flag::TX_BUSY);
        self.after_send(w, index);
    }
}
