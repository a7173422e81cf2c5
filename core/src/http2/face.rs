//! A link with the face that the HTTP/2 library asks for: tokio's two traits, without its runtime. It copies what is read and written, frames
//! being cut out of and put into the library's own buffers (but for large pieces of bodies as they were received), and never waits for the kernel to take what there is room for.

use std::io::{Error, IoSlice, Result};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use ringway_io::{Buf, OutBuf};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::{Watch, handing};
use crate::accept::Client;
use crate::link::Link;
use crate::upstream::Upstream;

/// Pieces of the send queue: as large as a pooled buffer may be.
const PIECE: usize = 16 * 1024;

/// Whose link it is.
#[derive(Debug)]
pub(crate) enum Held {
    Client(Rc<Client>),
    Upstream(Upstream),
}

impl Held {
    fn link(&self) -> &Link {
        match self {
            Held::Client(client) => &client.stream,
            Held::Upstream(upstream) => &upstream.stream,
        }
    }
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Face {
    held: Held,
    /// Of a client: what it sends is looked at.
    watch: Option<Rc<Watch>>,
    /// Received, for which the reader had no room.
    rest: Option<Buf>,
    /// Written, not queued yet.
    out: Option<OutBuf>,
    /// A piece that follows it.
    behind: Option<Buf>,
    /// The library was told that a piece was written, and hands it over on its way back.
    asked: bool,
}

impl Face {
    pub(crate) fn new(held: Held, watch: Option<Rc<Watch>>) -> Face {
        Face {
            held,
            watch,
            rest: None,
            out: None,
            behind: None,
            asked: false,
        }
    }

    /// Room for at least one piece in the send queue.
    fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        let link = self.held.link();
        while link.room() == 0 {
            // Ready when all is sent, woken on progress: one place is enough.
            if link.poll_flush(cx)?.is_pending() && link.room() == 0 {
                return Poll::Pending;
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Put what was written into the send queue, if there is room.
    fn poll_queue(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        self.take_over()?;
        while self.out.is_some() || self.behind.is_some() {
            ready!(self.poll_room(cx))?;
            let link = self.held.link();
            // There is room.
            match self.out.take() {
                Some(out) => drop(link.queue(out)),
                None => drop(self.behind.take().map(|buf| link.queue(buf))),
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Get the piece that was asked for.
    fn take_over(&mut self) -> Result<()> {
        if std::mem::take(&mut self.asked) {
            self.behind = handing::given();
            if self.behind.is_none() {
                return Err(Error::other("octets of a frame were lost"));
            }
        }
        Ok(())
    }

    /// Take what fits of `bytes` into the piece under way.
    fn take(&mut self, bytes: &[u8]) -> usize {
        let out = self.out.get_or_insert_with(OutBuf::take);
        let n = bytes.len().min(PIECE.saturating_sub(out.len()));
        out.extend_from_slice(&bytes[..n]);
        n
    }

    fn is_full(&self) -> bool {
        self.behind.is_some() || self.out.as_ref().is_some_and(|out| out.len() >= PIECE)
    }
}

impl AsyncRead for Face {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<Result<()>> {
        let face = self.get_mut();
        let received = match face.rest.take() {
            Some(rest) => Some(rest),
            None => ready!(face.held.link().poll_recv(cx))?,
        };
        // None: the end of the stream, which is told by reading nothing.
        if let Some(mut buf) = received {
            let n = buf.len().min(into.remaining());
            if let Some(watch) = &face.watch
                && !watch.lets_in(&buf[..n])
            {
                // Nothing more is read. The session, whose task this is, sees why.
                return Poll::Pending;
            }
            into.put_slice(&buf[..n]);
            buf.advance(n);
            face.rest = Some(buf).filter(|rest| !rest.is_empty());
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Face {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<Result<usize>> {
        let face = self.get_mut();
        face.take_over()?;
        if face.is_full() {
            ready!(face.poll_queue(cx))?;
        }
        let mut taken = 0;
        for piece in pieces {
            if handing::ask(piece) {
                face.asked = true;
                taken += piece.len();
                break;
            }
            let n = face.take(piece);
            taken += n;
            if n < piece.len() {
                break;
            }
        }
        if let Some(watch) = &face.watch {
            watch.sent(taken);
        }
        Poll::Ready(Ok(taken))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        let face = self.get_mut();
        ready!(face.poll_queue(cx))?;
        face.held.link().submit();
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        let face = self.get_mut();
        ready!(face.poll_queue(cx))?;
        face.held.link().poll_flush(cx)
    }
}
