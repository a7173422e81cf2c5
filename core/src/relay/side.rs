//! The two ends of a body: where it comes from and where it goes, by HTTP/1.1 or HTTP/2. A body is moved in `body`; which ends it has is for the
//! relay.

use std::cell::RefCell;
use std::future::poll_fn;
use std::task::{Context, Poll};

use ringway_io::{Ahead, OutBuf};

use super::traffic::Traffic;
use crate::http2::{Sending, Stream};
use crate::link::Link;

/// Where a body comes from.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Source<'x> {
    /// Framed in the octets of a link.
    Http1(&'x Link),
    /// A stream.
    Http2(&'x Stream),
}

/// Where a body goes.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Sink<'x> {
    /// Framed in the octets of a link.
    Http1(&'x Link),
    /// A stream; Some while a body may be sent.
    Http2(&'x RefCell<Option<Sending>>),
}

/// The end of a body cannot be reached any more.
#[derive(Debug)]
pub(crate) struct SinkBroken;

impl<'x> Source<'x> {
    /// The connection, where it is the exchange's own.
    pub(super) fn link(self) -> Option<&'x Link> {
        match self {
            Source::Http1(link) => Some(link),
            Source::Http2(_) => None,
        }
    }
}

impl Sink<'_> {
    /// Ready when it was reset, or its connection has ended.
    pub(super) fn poll_gone(self, cx: &mut Context<'_>) -> Poll<()> {
        match self {
            Sink::Http1(link) => link.poll_broken(cx).map(drop),
            Sink::Http2(sending) => match &*sending.borrow() {
                Some(sending) => sending.poll_gone(cx),
                None => Poll::Pending,
            },
        }
    }

    /// There is room for what a step of a body puts.
    #[inline]
    pub(super) fn has_room(self, segments: usize) -> bool {
        match self {
            Sink::Http1(link) => link.room() >= segments,
            Sink::Http2(sending) => sending
                .borrow()
                .as_ref()
                .is_none_or(|sending| sending.has_room()),
        }
    }

    /// Start sending what was put, no wait.
    #[inline]
    pub(super) fn submit(self) {
        match self {
            Sink::Http1(link) => link.submit(),
            Sink::Http2(sending) => {
                // That it failed shows in the next flush.
                let _ = sending.borrow_mut().as_mut().map(Sending::send_some);
            }
        }
    }

    /// All that was put is on its way: what waits may wait for the sender.
    pub(super) fn is_empty(self) -> bool {
        match self {
            Sink::Http1(_) => true,
            Sink::Http2(_) => self.has_room(0),
        }
    }

    /// How much may be received for it before it can take it; None: the sender's connection decides.
    pub(super) fn read_ahead(self) -> Option<Ahead> {
        match self {
            Sink::Http1(_) => None,
            Sink::Http2(sending) => sending.borrow().as_ref()?.read_ahead(),
        }
    }

    /// So much of what came by a stream was passed on here: its sender may send more.
    pub(super) fn release(self, from: &Stream, n: usize) {
        let most = match self {
            Sink::Http1(_) => None,
            Sink::Http2(sending) => sending.borrow().as_ref().and_then(Sending::window_left),
        };
        let size = from.release(n, most);
        if let Sink::Http2(sending) = self
            && let Some(sending) = &*sending.borrow()
        {
            sending.note_window(size);
        }
    }

    /// Ready when what was put has been taken.
    fn poll_flush(self, cx: &mut Context<'_>, moved: impl FnMut()) -> Poll<Result<(), SinkBroken>> {
        match self {
            Sink::Http1(link) => link.poll_flush(cx).map_err(|_| SinkBroken),
            Sink::Http2(sending) => match &mut *sending.borrow_mut() {
                Some(sending) => sending.poll_flush(cx, moved).map_err(|_| SinkBroken),
                None => Poll::Ready(Err(SinkBroken)),
            },
        }
    }

    /// The same, seen by `traffic`.
    pub(super) async fn flush(self, traffic: &Traffic<'_>) -> Result<(), SinkBroken> {
        traffic.begin_sending();
        let flushed = poll_fn(|cx| self.poll_flush(cx, || traffic.note_moved())).await;
        traffic.end_sending();
        flushed
    }

    /// Say that the body ends behind what was put. With HTTP/1.1 its framing says so.
    pub(super) async fn finish(self, traffic: &Traffic<'_>) -> Result<(), SinkBroken> {
        match self {
            Sink::Http1(_) => Ok(()),
            Sink::Http2(_) => {
                self.end();
                self.flush(traffic).await
            }
        }
    }

    /// The same, not waiting for it to leave.
    pub(super) fn end(self) {
        if let Sink::Http2(sending) = self
            && let Some(sending) = &mut *sending.borrow_mut()
        {
            sending.end();
        }
    }

    /// The body ends with trailers, which stand in `lines`; chunked coding is the body's own affair.
    pub(super) fn put_trailers(self, lines: OutBuf) {
        if let Sink::Http2(sending) = self
            && let Some(sending) = &mut *sending.borrow_mut()
        {
            sending.end_with(lines);
        }
    }
}
