//! A stream of ours with tokio's two traits, which the HTTP/2 library asks for. Not what is said over it.

use std::cell::RefCell;
use std::io::Result;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use ringway_io::{OutBuf, Stream};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// What is written leaves in pieces of about this size.
const PIECE: usize = 16 * 1024;

/// See the module.
pub(crate) struct Face {
    stream: Rc<Stream>,
    /// Written, not queued yet. (A cell, since the send queue may give it back.)
    written: RefCell<Option<OutBuf>>,
}

impl Face {
    pub(crate) fn new(stream: Rc<Stream>) -> Face {
        Face {
            stream,
            written: RefCell::new(None),
        }
    }

    fn poll_queue(&self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        let Some(written) = self.written.take() else {
            return Poll::Ready(Ok(()));
        };
        if self.stream.room() == 0 {
            self.written.replace(Some(written));
            ready!(self.stream.poll_flush(cx))?;
            return self.poll_queue(cx);
        }
        let _ = self.stream.queue(written);
        Poll::Ready(Ok(()))
    }
}

impl AsyncRead for Face {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<Result<()>> {
        if let Some(mut buf) = ready!(self.stream.poll_recv(cx))? {
            let n = buf.len().min(into.remaining());
            into.put_slice(&buf[..n]);
            buf.advance(n);
            self.stream.unread(buf);
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Face {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<Result<usize>> {
        let is_full = |out: &OutBuf| out.len() >= PIECE;
        if self.written.borrow().as_ref().is_some_and(is_full) {
            ready!(self.poll_queue(cx))?;
        }
        let mut written = self.written.borrow_mut();
        let out = written.get_or_insert_with(OutBuf::take);
        let n = bytes.len().min(PIECE.saturating_sub(out.len()));
        out.extend_from_slice(&bytes[..n]);
        Poll::Ready(Ok(n))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        ready!(self.poll_queue(cx))?;
        self.stream.submit();
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        ready!(self.poll_queue(cx))?;
        self.stream.poll_flush(cx)
    }
}
