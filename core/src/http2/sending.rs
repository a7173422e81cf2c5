//! One direction of a stream, from us: what is sent is bounded by the peer's windows and by what may wait here. Not where the body comes from.

use std::rc::Rc;
use std::task::{Context, Poll, ready};

use ringway_io::{Ahead, OutBuf};

use super::{Octets, Stream, heads};

/// See the module. One piece is held until there is a window for it; more is taken only then.
#[derive(Debug)]
pub(crate) struct Sending {
    stream: Rc<Stream>,
    held: Option<Octets>,
    end: End,
}

/// How the body ends behind what is held.
#[derive(Debug)]
enum End {
    /// More may come.
    Open,
    Body,
    /// With trailers, as lines.
    Trailers(OutBuf),
    /// The end was sent.
    Sent,
}

/// The stream, or its connection, has ended.
#[derive(Debug)]
pub(crate) struct Broken;

impl Sending {
    /// Behind a head; `ended`: that was all of the message.
    pub(crate) fn new(stream: Rc<Stream>, ended: bool) -> Sending {
        Sending {
            stream,
            held: None,
            end: if ended { End::Sent } else { End::Open },
        }
    }

    /// A piece can be put.
    pub(crate) fn has_room(&self) -> bool {
        self.held.is_none()
    }

    /// The next piece. Only when there is room.
    pub(crate) fn put(&mut self, octets: Octets) {
        debug_assert!(self.held.is_none());
        if !octets.is_empty() {
            self.held = Some(octets);
        }
    }

    /// Nothing comes after what was put.
    pub(crate) fn end(&mut self) {
        if let End::Open = self.end {
            self.end = End::Body;
        }
    }

    /// Nothing comes after what was put but these lines.
    pub(crate) fn end_with(&mut self, lines: OutBuf) {
        if let End::Open = self.end {
            self.end = match heads::are_trailers(&lines) {
                false => End::Body,
                true => End::Trailers(lines),
            };
        }
    }

    /// Drop what is held and end here, with these. False if the end was sent.
    pub(crate) fn cut_with(&mut self, lines: &[u8]) -> bool {
        if let End::Sent = self.end {
            return false;
        }
        (self.held, self.end) = (None, End::Sent);
        self.send_trailers(lines).is_ok()
    }

    /// End here with these octets behind what is held; nobody waits for the windows that this takes. False if the end was sent.
    pub(crate) fn finish_with(&mut self, octets: &[u8]) -> bool {
        if let End::Sent = self.end {
            return false;
        }
        let mut rest = OutBuf::take();
        if let Some(held) = self.held.take() {
            rest.extend_from_slice(held.bytes());
        }
        rest.extend_from_slice(octets);
        self.end = End::Sent;
        self.stream.send_rest(rest.into()).is_ok()
    }

    fn send_trailers(&self, lines: &[u8]) -> Result<(), Broken> {
        let sent = self
            .stream
            .send_head(true, |to, out| heads::trailers(lines, to, out));
        sent.map_err(|_| Broken)
    }

    /// Send as much as the windows allow, without waiting for more of them. True if bytes were sent.
    pub(crate) fn send_some(&mut self) -> Result<bool, Broken> {
        let Some(held) = &mut self.held else {
            return Ok(false);
        };
        let last = matches!(self.end, End::Body);
        let n = self.stream.send_data(held, last).map_err(|_| Broken)?;
        if held.is_empty() {
            self.held = None;
            if last {
                self.end = End::Sent;
            }
        }
        Ok(n > 0)
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
            ready!(self.stream.poll_room(cx)).map_err(|_| Broken)?;
        }
        let sent = match std::mem::replace(&mut self.end, End::Sent) {
            End::Open => {
                self.end = End::Open;
                Ok(())
            }
            End::Sent => Ok(()),
            End::Body => self.stream.send_end().map_err(|_| Broken),
            End::Trailers(lines) => self.send_trailers(&lines),
        };
        Poll::Ready(sent)
    }

    /// How much may be received for it, see [`Stream::read_ahead`].
    pub(crate) fn read_ahead(&self) -> Option<Ahead> {
        self.stream.read_ahead()
    }

    /// See [`Stream::window_left`].
    pub(crate) fn window_left(&self) -> Option<u32> {
        self.stream.window_left()
    }

    /// See [`Stream::note_window`].
    pub(crate) fn note_window(&self, size: u32) {
        self.stream.note_window(size);
    }

    /// Ready when the peer has reset the stream, or the connection has ended.
    pub(crate) fn poll_gone(&self, cx: &mut Context<'_>) -> Poll<()> {
        self.stream.poll_gone(cx)
    }
}
