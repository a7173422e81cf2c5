//! What a session or a relay sees of a connection: received bytes, a send queue, deadlines, counters. It hides whether the bytes on the
//! wire are those, so that nothing above it asks. Not how a connection is made or accepted, and no protocol of requests.

use std::cell::Cell;
use std::future::poll_fn;
use std::task::{Context, Poll};

use ringway_io::{self as io, Buf, Segment, Stream};
use socket2::SockAddr;

/// A connection in use. The calls mean what those of [`Stream`] mean.
#[derive(Debug)]
pub(crate) struct Link {
    stream: Stream,
}

impl From<Stream> for Link {
    /// What is on the wire is what is meant.
    fn from(stream: Stream) -> Link {
        Link { stream }
    }
}

/// Receiving.
impl Link {
    /// The next received bytes; None is the peer's end. Cancel-safe.
    pub(crate) async fn recv(&self) -> std::io::Result<Option<Buf>> {
        poll_fn(|cx| self.poll_recv(cx)).await
    }

    /// As `recv`, for futures written by hand.
    #[inline]
    pub(crate) fn poll_recv(&self, cx: &mut Context<'_>) -> Poll<std::io::Result<Option<Buf>>> {
        self.stream.poll_recv(cx)
    }

    /// Bytes that are already here, without waiting.
    #[inline]
    pub(crate) fn try_recv(&self) -> Option<Buf> {
        self.stream.try_recv()
    }

    /// Put bytes back in front of what is received next.
    #[inline]
    pub(crate) fn unread(&self, buf: Buf) {
        self.stream.unread(buf);
    }

    /// The same with a copy of bytes that no view holds any more.
    pub(crate) fn unread_copy(&self, bytes: &[u8]) {
        self.stream.unread_copy(bytes);
    }

    /// Whether only little may wait unread, see [`Stream::receive_little`].
    pub(crate) fn receive_little(&self, little: bool) {
        self.stream.receive_little(little);
    }

    /// Ready when `recv` would not wait: data, end, error or deadline. Consumes nothing.
    #[inline]
    pub(crate) fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        self.stream.poll_readable(cx)
    }

    /// Ready when the connection is broken (reset, socket error, deadline), not at the peer's end.
    #[inline]
    pub(crate) fn poll_broken(&self, cx: &mut Context<'_>) -> Poll<std::io::Error> {
        self.stream.poll_broken(cx)
    }

    /// Nothing queued, no end, no error, nothing readable: a new request can be sent on it.
    #[inline]
    pub(crate) fn is_quiet(&self) -> bool {
        self.stream.is_quiet()
    }
}

/// Sending.
impl Link {
    /// Free places in the send queue.
    #[inline]
    pub(crate) fn room(&self) -> usize {
        self.stream.room()
    }

    /// Queue a segment for sending, no wait. Gives it back when the queue is full.
    #[inline]
    pub(crate) fn queue(&self, segment: impl Into<Segment>) -> Result<(), Segment> {
        self.stream.queue(segment)
    }

    /// Start sending what is queued, no wait. Errors surface in `flush`.
    #[inline]
    pub(crate) fn submit(&self) {
        self.stream.submit();
    }

    /// Send all that is queued; ready when the kernel has taken it.
    pub(crate) async fn flush(&self) -> std::io::Result<()> {
        poll_fn(|cx| self.poll_flush(cx)).await
    }

    /// As `flush`, for futures written by hand. Woken on progress, not only at the end.
    #[inline]
    pub(crate) fn poll_flush(&self, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        self.stream.poll_flush(cx)
    }
}

/// Ending.
impl Link {
    /// Reset it, so that the peer cannot take a cut message for a whole one.
    pub(crate) fn abort(self) {
        self.stream.abort();
    }

    /// End our side, then read and drop up to `bytes` for at most `ms`, until the peer ends its side.
    pub(crate) async fn linger(&self, bytes: usize, ms: u32) {
        self.stream.linger(bytes, ms).await;
    }
}

/// Time, counts and the socket.
impl Link {
    /// From now, after `ms` every wait fails with `TimedOut`, until set anew or cleared.
    #[inline]
    pub(crate) fn set_deadline(&self, ms: u32) {
        self.stream.set_deadline(ms);
    }

    /// No deadline any more.
    #[inline]
    pub(crate) fn clear_deadline(&self) {
        self.stream.clear_deadline();
    }

    /// Has the deadline passed?
    #[inline]
    pub(crate) fn is_timed_out(&self) -> bool {
        self.stream.is_timed_out()
    }

    /// Did the peer (or the network) reset the connection, as far as is known here?
    pub(crate) fn is_reset(&self) -> bool {
        self.stream.is_reset()
    }

    /// Bytes on the wire that the peer's kernel has acknowledged; None where the socket is not TCP. A system call.
    pub(crate) fn acknowledged(&self) -> Option<u64> {
        self.stream.acknowledged()
    }

    /// The peer's address, asked from the kernel.
    pub(crate) fn peer_addr(&self) -> std::io::Result<SockAddr> {
        self.stream.peer_addr()
    }

    /// Our address, asked from the kernel.
    pub(crate) fn local_addr(&self) -> std::io::Result<SockAddr> {
        self.stream.local_addr()
    }

    /// What the kernel remembers of where this connection was going before a rule rewrote its destination.
    pub(crate) fn rewritten_destination(&self, v4: bool) -> std::io::Result<SockAddr> {
        self.stream.with_socket(|socket| match v4 {
            true => socket.original_dst_v4(),
            false => socket.original_dst_v6(),
        })
    }
}

/// Bytes both ways until both directions have ended, as [`io::tunnel`].
pub(crate) async fn tunnel(
    a: &Link,
    b: &Link,
    idle_ms: u32,
    a_to_b: &Cell<u64>,
    b_to_a: &Cell<u64>,
) -> std::io::Result<()> {
    io::tunnel(&a.stream, &b.stream, idle_ms, a_to_b, b_to_a).await
}
