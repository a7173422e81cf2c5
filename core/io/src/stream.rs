//! A connected socket as a task sees it.
//!
//! Only the face: the state is in the slot, what is done with it in `driver`. All futures here are interests; dropping one changes
//! nothing.

use std::future::poll_fn;
use std::io;
use std::marker::PhantomData;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::task::{Context, Poll};

use socket2::{SockAddr, SockRef};

use crate::buffers::Buf;
use crate::driver::{Io, Rx};
use crate::errno;
use crate::segment::Segment;
use crate::slot::{Ahead, flag};
use crate::socket;
use crate::tx;
use crate::worker::{Worker, with_worker};

/// Owns a slot: as long as this lives, the slot is not given to another socket.
#[derive(Debug)]
pub(crate) struct Owner {
    index: u32,
    epoch: u32,
    _not_send: PhantomData<*const ()>,
}

impl Owner {
    pub(crate) fn new(w: &Worker, index: u32) -> Owner {
        Owner {
            index,
            epoch: w.epoch,
            _not_send: PhantomData,
        }
    }

    /// Work on the slot. `None` when its worker has ended.
    #[inline]
    pub(crate) fn io<R>(&self, f: impl FnOnce(&Worker, &mut Io, u32) -> R) -> Option<R> {
        with_worker(|w| (w.epoch == self.epoch).then(|| f(w, &mut w.io.borrow_mut(), self.index)))
            .flatten()
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        self.io(|w, io, index| io.release(w, index));
    }
}

/// A connected socket. Dropping it closes: what is queued may still go out (bounded by the stream's deadline, else 5 s), then FIN;
/// operations in flight are cancelled and the descriptor is closed when the last completion is in.
///
/// Streams belong to the worker they were made on. One that outlives it answers every call with an error.
#[derive(Debug)]
pub struct Stream {
    owner: Owner,
}

impl Stream {
    /// How many segments may be queued before a flush is needed.
    pub const QUEUE: usize = tx::QUEUE;

    pub(crate) fn from_owner(owner: Owner) -> Stream {
        Stream { owner }
    }

    #[inline]
    pub(crate) fn owner(&self) -> &Owner {
        &self.owner
    }

    /// The next received bytes; `None` is the peer's end of stream (FIN), again and again. Errors: the socket's, or
    /// `TimedOut` once the deadline has passed and nothing is left to read. Cancel-safe.
    pub async fn recv(&self) -> io::Result<Option<Buf>> {
        poll_fn(|cx| self.poll_recv(cx)).await
    }

    /// As `recv`, for futures written by hand.
    #[inline]
    pub fn poll_recv(&self, cx: &mut Context<'_>) -> Poll<io::Result<Option<Buf>>> {
        self.owner
            .io(|w, io, index| io.poll_recv(w, index, cx))
            .unwrap_or_else(|| Poll::Ready(Err(errno::worker_ended())))
    }

    /// Bytes that are already here, without waiting (epoll: one `recv` attempt if readable).
    pub fn try_recv(&self) -> Option<Buf> {
        self.owner
            .io(|w, io, index| match io.rx_state(w, index) {
                Rx::Bytes => io.pop_rx(w, index),
                _ => None,
            })
            .flatten()
    }

    /// Push bytes back in front of the receive queue (pipelined bytes, protocol hand-over). Empty views are dropped.
    pub fn unread(&self, b: Buf) {
        if !b.is_empty() {
            self.owner.io(|_, io, index| io.unread(index, b));
        }
    }

    /// The same with a copy of bytes that were received before and are held by no view any more.
    pub fn unread_copy(&self, bytes: &[u8]) {
        // A copy has at most 65,535 bytes; the last piece goes in front first.
        for piece in bytes.rchunks(usize::from(u16::MAX)) {
            Buf::copied(piece).into_iter().for_each(|b| self.unread(b));
        }
    }

    /// How much may be received before it is taken. Holds from the next time that the kernel is told how much it may bring; where only a piece is
    /// wanted and more was asked for, that is taken back.
    pub fn read_ahead(&self, ahead: Ahead) {
        self.owner.io(|_, io, index| io.read_ahead(index, ahead));
    }

    /// Ready when `recv` would not wait: data, end, error or deadline. Consumes nothing; errors are told by `recv` too.
    pub fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.owner
            .io(|w, io, index| match io.rx_state(w, index) {
                Rx::Bytes | Rx::End => Poll::Ready(Ok(())),
                Rx::Error(e) => Poll::Ready(Err(errno::error(e))),
                Rx::Wait => {
                    io.wait_rx(w, index, flag::RX_WAIT, cx);
                    Poll::Pending
                }
            })
            .unwrap_or_else(|| Poll::Ready(Err(errno::worker_ended())))
    }

    /// Ready when the connection is broken (reset, socket error, deadline). FIN alone is not broken. Shares the place of the one
    /// task that waits to receive.
    pub fn poll_broken(&self, cx: &mut Context<'_>) -> Poll<io::Error> {
        self.owner
            .io(|w, io, index| io.poll_broken(w, index, cx))
            .unwrap_or_else(|| Poll::Ready(errno::worker_ended()))
    }

    /// Nothing queued, no end, no error, nothing readable: safe to send a new request on (epoll: checks the socket).
    pub fn is_quiet(&self) -> bool {
        self.owner
            .io(|w, io, index| matches!(io.rx_state(w, index), Rx::Wait) && io.tx_is_quiet(index))
            .unwrap_or(false)
    }

    /// Free places in the send queue.
    pub fn room(&self) -> usize {
        self.owner
            .io(|_, io, index| {
                io.slots
                    .at(index)
                    .tx
                    .as_ref()
                    .map_or(tx::QUEUE, |tx| tx.room())
            })
            .unwrap_or(0)
    }

    /// Queue a segment for sending, no wait. Empty segments are dropped, and so is everything once sending has failed (`flush` tells).
    /// Gives it back when the queue is full.
    #[inline]
    pub fn queue(&self, s: impl Into<Segment>) -> Result<(), Segment> {
        let mut segment = Some(s.into());
        let queued = self
            .owner
            .io(|_, io, index| segment.take().map_or(Ok(()), |s| io.queue(index, s)));
        queued.unwrap_or(Ok(()))
    }

    /// Start sending what is queued, no wait. If a send is in flight, its completion goes on with the rest. Errors surface in `flush`.
    #[inline]
    pub fn submit(&self) {
        self.owner.io(|w, io, index| io.submit(w, index));
    }

    /// Send all that is queued; ready when the kernel has taken it. Dropping the future does not un-send. A failure stays.
    pub async fn flush(&self) -> io::Result<()> {
        poll_fn(|cx| self.poll_flush(cx)).await
    }

    /// As `flush`, for futures written by hand. Woken on progress, not only at the end.
    #[inline]
    pub fn poll_flush(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.owner
            .io(|w, io, index| io.poll_flush(w, index, cx))
            .unwrap_or_else(|| Poll::Ready(Err(errno::worker_ended())))
    }

    /// Half-close: FIN after what is queued. Inline `shutdown(2)` when nothing is.
    pub fn shutdown_write(&self) {
        self.owner.io(|w, io, index| io.shutdown_write(w, index));
    }

    /// From now (the loop's clock), after `ms` every wait on this stream fails with `TimedOut`, until set anew or cleared. A store, no
    /// wheel operation on the fast path. Resolution is the wheel's tick (16 ms); never early.
    #[inline]
    pub fn set_deadline(&self, ms: u32) {
        self.owner
            .io(|w, io, index| io.set_deadline(w, index, u64::from(ms)));
    }

    /// No deadline any more.
    pub fn clear_deadline(&self) {
        self.owner.io(|_, io, index| io.clear_deadline(index));
    }

    /// Close with RST (SO_LINGER 0), so that the peer cannot take a cut message for a whole one. What is queued is dropped.
    pub fn abort(self) {
        self.abort_on_drop();
    }

    /// The same as soon as it is dropped: for whoever owns it as a part of something else.
    pub fn abort_on_drop(&self) {
        self.owner.io(|_, io, index| io.abort(index));
    }

    /// End our side behind what is queued, then read and drop up to `bytes` for at most `ms`, until the peer ends its side: to close at
    /// once a connection on which the peer is still sending would answer it with a reset, and a reset destroys what it has not read yet
    /// (RFC 9112 section 9.6).
    pub async fn linger(&self, bytes: usize, ms: u32) {
        self.shutdown_write();
        self.set_deadline(ms);
        let mut left = bytes;
        while left > 0 {
            match self.recv().await {
                Ok(Some(buf)) => left = left.saturating_sub(buf.len()),
                Ok(None) | Err(_) => break,
            }
        }
    }

    /// Bytes received on this socket so far (what was put back with `unread` counts once).
    pub fn bytes_received(&self) -> u64 {
        self.owner
            .io(|_, io, index| io.slots.at(index).received)
            .unwrap_or(0)
    }

    /// Bytes that the kernel has taken for sending so far.
    pub fn bytes_sent(&self) -> u64 {
        self.owner
            .io(|_, io, index| io.slots.at(index).sent)
            .unwrap_or(0)
    }

    /// Did the peer (or the network) reset the connection, as far as is known here?
    pub fn is_reset(&self) -> bool {
        let is = |e: i32| matches!(e, libc::ECONNRESET | libc::EPIPE);
        self.owner
            .io(|_, io, index| {
                let slot = io.slots.at(index);
                is(slot.rx_errno) || is(slot.tx_errno)
            })
            .unwrap_or(false)
    }

    /// Has the deadline passed?
    pub fn is_timed_out(&self) -> bool {
        self.owner
            .io(|_, io, index| io.slots.at(index).has(flag::TIMED_OUT))
            .unwrap_or(false)
    }

    /// The peer's address; asked from the kernel when asked for.
    pub fn peer_addr(&self) -> io::Result<SockAddr> {
        self.with_socket(|s| s.peer_addr())
    }

    /// Our address; asked from the kernel when asked for.
    pub fn local_addr(&self) -> io::Result<SockAddr> {
        self.with_socket(|s| s.local_addr())
    }

    /// Bytes that the peer's kernel has acknowledged since the connection began; `None` where the socket is not TCP. A system call: for
    /// telling a peer that reads slowly from one that does not read.
    pub fn acknowledged(&self) -> Option<u64> {
        self.with_socket(|s| socket::tcp_acknowledged(s.as_raw_fd()))
            .ok()
    }

    /// The socket, for options and addresses. It must not be read from, written to or closed.
    pub fn with_socket<R>(&self, f: impl FnOnce(&SockRef<'_>) -> io::Result<R>) -> io::Result<R> {
        // A copy of the descriptor would outlive the slot's rules, and user code must not run while the sockets are borrowed, so the
        // descriptor is lent by number: `&self` keeps the slot, hence the descriptor, alive.
        let fd = self
            .owner
            .io(|_, io, index| io.slots.at(index).fd.as_ref().map(|fd| fd.as_raw_fd()))
            .flatten();
        let fd = fd.ok_or_else(errno::worker_ended)?;
        // SAFETY: open, because only `release` (our drop) or the worker's end closes it, and neither can happen during this call:
        // `&self` lives, and the worker's loop is below us on the stack.
        let fd = unsafe { std::os::fd::BorrowedFd::borrow_raw(fd) };
        f(&SockRef::from(&fd.as_fd()))
    }

    /// Take over a connected socket (tests, hand-over from another worker). Made non-blocking; TCP gets TCP_NODELAY.
    pub fn from_fd(fd: OwnedFd) -> io::Result<Stream> {
        socket::set_nonblocking(fd.as_raw_fd())?;
        socket::no_delay(fd.as_raw_fd());
        let made = with_worker(|w| {
            let index = w.io.borrow_mut().adopt(w, fd, 0)?;
            Ok(Stream {
                owner: Owner::new(w, index),
            })
        });
        made.unwrap_or_else(|| Err(errno::worker_ended()))
    }
}
