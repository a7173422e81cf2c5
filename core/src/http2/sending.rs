//! One direction of a stream, from us: what is sent is bounded by the peer's windows and by what may wait here. Not where the body comes from.

use std::task::{Context, Poll, ready};

use bytes::Buf as _;
use h2::SendStream;
use http::HeaderMap;

use super::Octets;

/// See the module. One piece is held until there is a window for it; more is taken only then.
#[derive(Debug)]
pub(crate) struct Sending {
    stream: SendStream<Octets>,
    held: Option<Octets>,
    end: End,
}

/// How the body ends behind what is held.
#[derive(Debug)]
enum End {
    /// More may come.
    Open,
    Body,
    Trailers(HeaderMap),
    /// The end was sent.
    Sent,
}

/// The stream, or its connection, has ended.
#[derive(Debug)]
pub(crate) struct Broken;

impl Sending {
    pub(crate) fn new(stream: SendStream<Octets>) -> Sending {
        Sending {
            stream,
            held: None,
            end: End::Open,
        }
    }

    /// For a message whose head was all of it.
    pub(crate) fn ended(stream: SendStream<Octets>) -> Sending {
        Sending {
            end: End::Sent,
            ..Sending::new(stream)
        }
    }

    /// A piece can be put.
    pub(crate) fn has_room(&self) -> bool {
        self.held.is_none()
    }

    /// The next piece. Only when there is room.
    pub(crate) fn put(&mut self, octets: Octets) {
        debug_assert!(self.held.is_none());
        if octets.has_remaining() {
            self.held = Some(octets);
        }
    }

    /// Nothing comes after what was put.
    pub(crate) fn end(&mut self) {
        if let End::Open = self.end {
            self.end = End::Body;
        }
    }

    /// Nothing comes after what was put but these.
    pub(crate) fn end_with(&mut self, trailers: HeaderMap) {
        if let End::Open = self.end {
            self.end = match trailers.is_empty() {
                true => End::Body,
                false => End::Trailers(trailers),
            };
        }
    }

    /// Drop what is held and end here, with these. False if the end was sent.
    pub(crate) fn cut_with(&mut self, trailers: HeaderMap) -> bool {
        if let End::Sent = self.end {
            return false;
        }
        (self.held, self.end) = (None, End::Sent);
        self.stream.send_trailers(trailers).is_ok()
    }

    /// Send as much as the windows allow, without waiting for more of them. True if bytes were sent.
    pub(crate) fn send_some(&mut self) -> Result<bool, Broken> {
        let Some(held) = &mut self.held else {
            return Ok(false);
        };
        let wanted = held.remaining();
        self.stream.reserve_capacity(wanted);
        let n = self.stream.capacity().min(wanted);
        if n == 0 {
            return Ok(false);
        }
        let piece = held.split_to(n);
        let last = n == wanted && matches!(self.end, End::Body);
        if n == wanted {
            self.held = None;
        }
        self.stream.send_data(piece, last).map_err(|_| Broken)?;
        if last {
            self.end = End::Sent;
        }
        Ok(true)
    }

    /// Send what is held, and the end if it is known. `moved` is called with each piece.
    pub(crate) fn poll_flush(
        &mut self,
        cx: &mut Context<'_>,
        mut moved: impl FnMut(),
    ) -> Poll<Result<(), Broken>> {
        while self.held.is_some() {
            if self.send_some()? {
                moved();
                continue;
            }
            match ready!(self.stream.poll_capacity(cx)) {
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return Poll::Ready(Err(Broken)),
            }
        }
        let sent = match std::mem::replace(&mut self.end, End::Sent) {
            End::Open => {
                self.end = End::Open;
                Ok(())
            }
            End::Sent => Ok(()),
            End::Body => self.stream.send_data(Octets::empty(), true),
            End::Trailers(trailers) => self.stream.send_trailers(trailers),
        };
        Poll::Ready(sent.map_err(|_| Broken))
    }

    /// Ready when the peer has reset the stream, or the connection has ended.
    pub(crate) fn poll_reset(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.stream.poll_reset(cx).map(drop)
    }
}
