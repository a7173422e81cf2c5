//! What a session or a relay sees of a connection: received bytes, a send queue, deadlines, counters. It hides whether the bytes on the
//! wire are those, so that nothing above it asks. Not how a connection is made or accepted, and no protocol of requests.

pub(crate) mod handshake;
mod tls;
mod tunnel;

use std::cell::Cell;
use std::future::poll_fn;
use std::task::{Context, Poll};

use ringway_io::{self as io, Ahead, Buf, Segment, Stream};
use ringway_tls::Facts;
use socket2::SockAddr;

use tls::Tls;

/// A connection in use. The calls mean what those of [`Stream`] mean. Dropped, it ends as its protocol says: with TLS by a close_notify.
#[derive(Debug)]
pub(crate) struct Link {
    stream: Stream,
    /// None: what is on the wire is what is meant.
    tls: Option<Box<Tls>>,
}

impl From<Stream> for Link {
    fn from(stream: Stream) -> Link {
        Link { stream, tls: None }
    }
}

impl Drop for Link {
    #[inline]
    fn drop(&mut self) {
        if let Some(tls) = &self.tls {
            tls.close(&self.stream);
        }
    }
}

/// Receiving.
impl Link {
    /// The next received bytes; None is the peer's end. With TLS an end that was not announced is an error, `UnexpectedEof`, and bytes that
    /// are no TLS are `InvalidData`. Cancel-safe.
    pub(crate) async fn recv(&self) -> std::io::Result<Option<Buf>> {
        poll_fn(|cx| self.poll_recv(cx)).await
    }

    /// As `recv`, for futures written by hand.
    #[inline]
    pub(crate) fn poll_recv(&self, cx: &mut Context<'_>) -> Poll<std::io::Result<Option<Buf>>> {
        match &self.tls {
            None => self.stream.poll_recv(cx),
            Some(tls) => tls.poll_recv(&self.stream, cx),
        }
    }

    /// Bytes that are already here, without waiting.
    #[inline]
    pub(crate) fn try_recv(&self) -> Option<Buf> {
        match &self.tls {
            None => self.stream.try_recv(),
            Some(tls) => tls.try_recv(&self.stream),
        }
    }

    /// Put bytes back in front of what is received next.
    #[inline]
    pub(crate) fn unread(&self, buf: Buf) {
        match &self.tls {
            None => self.stream.unread(buf),
            Some(tls) => tls.unread(buf),
        }
    }

    /// The same with a copy of bytes that no view holds any more.
    pub(crate) fn unread_copy(&self, bytes: &[u8]) {
        match &self.tls {
            None => self.stream.unread_copy(bytes),
            Some(tls) => tls.unread_copy(bytes),
        }
    }

    /// How much may be received before it is taken, see [`Stream::read_ahead`].
    #[inline]
    pub(crate) fn read_ahead(&self, ahead: Ahead) {
        self.stream.read_ahead(ahead);
    }

    /// Ready when `recv` would not wait: data, end, error or deadline. Consumes nothing.
    #[inline]
    pub(crate) fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        match &self.tls {
            None => self.stream.poll_readable(cx),
            Some(tls) => tls.poll_readable(&self.stream, cx),
        }
    }

    /// Ready when the connection is broken (reset, socket error, deadline), not at the peer's end.
    #[inline]
    pub(crate) fn poll_broken(&self, cx: &mut Context<'_>) -> Poll<std::io::Error> {
        self.stream.poll_broken(cx)
    }

    /// Nothing queued, no end, no error, nothing readable: a new request can be sent on it.
    #[inline]
    pub(crate) fn is_quiet(&self) -> bool {
        match &self.tls {
            None => self.stream.is_quiet(),
            Some(tls) => tls.is_quiet(&self.stream),
        }
    }
}

/// Sending.
impl Link {
    /// Free places in the send queue.
    #[inline]
    pub(crate) fn room(&self) -> usize {
        match &self.tls {
            None => self.stream.room(),
            Some(tls) => tls.room(&self.stream),
        }
    }

    /// Queue a segment for sending, no wait. Gives it back when the queue is full.
    #[inline]
    pub(crate) fn queue(&self, segment: impl Into<Segment>) -> Result<(), Segment> {
        match &self.tls {
            None => self.stream.queue(segment),
            Some(tls) => tls.queue(&self.stream, segment.into()),
        }
    }

    /// Start sending what is queued, no wait. Errors surface in `flush`.
    #[inline]
    pub(crate) fn submit(&self) {
        match &self.tls {
            None => self.stream.submit(),
            Some(tls) => tls.submit(&self.stream),
        }
    }

    /// Send all that is queued; ready when the kernel has taken it.
    pub(crate) async fn flush(&self) -> std::io::Result<()> {
        poll_fn(|cx| self.poll_flush(cx)).await
    }

    /// As `flush`, for futures written by hand. Woken on progress, not only at the end.
    #[inline]
    pub(crate) fn poll_flush(&self, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        match &self.tls {
            None => self.stream.poll_flush(cx),
            Some(tls) => tls.poll_flush(&self.stream, cx),
        }
    }
}

/// Ending.
impl Link {
    /// Reset it, so that the peer cannot take a cut message for a whole one.
    pub(crate) fn abort(mut self) {
        self.tls = None;
        self.stream.abort_on_drop();
    }

    /// End our side behind what is queued.
    pub(crate) fn shutdown_write(&self) {
        if let Some(tls) = &self.tls {
            tls.close(&self.stream);
        }
        self.stream.shutdown_write();
    }

    /// End our side, then read and drop up to `bytes` for at most `ms`, until the peer ends its side.
    pub(crate) async fn linger(&self, bytes: usize, ms: u32) {
        if let Some(tls) = &self.tls {
            tls.close(&self.stream);
        }
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

    /// What the handshake agreed on; None without TLS.
    pub(crate) fn tls(&self) -> Option<&Facts> {
        self.tls.as_ref().map(|tls| tls.facts())
    }

    /// HTTP/2 was agreed on by ALPN.
    pub(crate) fn is_for_http2(&self) -> bool {
        let agreed = self.tls().and_then(|facts| facts.alpn.as_deref());
        agreed == Some(b"h2")
    }

    /// Whom the peer's verified certificate names, in text.
    pub(crate) fn identity(&self) -> Option<&str> {
        let peer = self.tls()?.peer.as_ref()?;
        Some(peer.identity.as_str())
    }

    /// What X-Forwarded-Client-Cert says of the peer's verified certificate.
    pub(crate) fn client_cert(&self) -> Option<&[u8]> {
        self.tls.as_ref()?.client_cert()
    }

    /// With TLS: the peer's stream ended without a close_notify, so that something may be missing.
    pub(crate) fn was_cut(&self) -> bool {
        self.tls.as_ref().is_some_and(|tls| tls.was_cut())
    }
}

/// Where the bytes of one direction are counted, and who looks on.
pub(crate) type Flow<'x> = (&'x Cell<u64>, Option<&'x dyn io::Tap>);

/// Bytes both ways until both directions have ended, as [`io::tunnel_seen`].
pub(crate) async fn tunnel(
    a: &Link,
    b: &Link,
    idle_ms: u32,
    a_to_b: Flow<'_>,
    b_to_a: Flow<'_>,
) -> std::io::Result<()> {
    if a.tls.is_none() && b.tls.is_none() {
        io::tunnel_seen(&a.stream, &b.stream, idle_ms, a_to_b, b_to_a).await
    } else {
        tunnel::copy(a, b, idle_ms, a_to_b, b_to_a).await
    }
}
