//! What comes in on a connection: octets into frames, and what these say, to whoever has the streams. What is the connection's own affair (SETTINGS,
//! PING, its windows) is answered here.
//!
//! Not header blocks (`blocks`), and not streams: whether there is one, and what it may get now. A fault ends the connection, also where it could end the stream alone
//! (RFC 9113 section 5.4.1 allows it): a run with one has failed.

use std::fmt;

use ringway_protocols::http2::frame::{
    self, FrameHead, HEAD, Kind, MOST, MOST_PAYLOAD, PREFACE, Reason, flag, u32_at,
};
use ringway_protocols::http2::hpack::Fields;

use super::blocks::Blocks;
use super::{Window, Writer};

/// Which end we are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    Client,
    Server,
}

/// Why a connection is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) reason: Reason,
    pub(crate) why: &'static str,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.why, self.reason)
    }
}

/// What streams are told.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Event<'a> {
    /// A head, or trailers. Its fields are the reader's, until the next event.
    Head { stream: u32, ends: bool },
    /// A piece of a body, as it came.
    Data {
        stream: u32,
        /// What it takes of the stream's window: of a frame that comes in pieces, all with the first one.
        counts: u32,
        piece: &'a [u8],
        ends: bool,
    },
    /// The peer has ended a stream before its time.
    Reset { stream: u32, reason: Reason },
    /// It takes no more streams.
    GoAway { last: u32, reason: Reason },
    /// It opens a stream's window.
    Window { stream: u32, octets: u32 },
    /// It has opened (or shut) the windows of all streams that there are.
    Windows { octets: i64 },
}

/// A frame whose payload is coming.
#[derive(Debug, Clone, Copy)]
struct Frame {
    head: FrameHead,
    /// Octets still to come.
    left: u32,
    /// DATA: of these, padding. None: how much is not known yet.
    padding: Option<u32>,
    /// DATA: the stream has been told of it.
    is_told: bool,
}

/// See the module.
pub(crate) struct Reader {
    role: Role,
    blocks: Blocks,
    window: Window,
    /// The peer's SETTINGS have come.
    is_greeted: bool,
    /// Octets of the client's preface that are still to come.
    preface: usize,
    /// A frame's head that comes in pieces, and how much of it has come.
    head: [u8; HEAD],
    read: usize,
    frame: Option<Frame>,
    /// A payload that comes in pieces and is needed as a whole.
    payload: Vec<u8>,
}

pub(super) fn fault<T>(reason: Reason, why: &'static str) -> Result<T, Fault> {
    Err(Fault { reason, why })
}

impl Reader {
    pub(super) fn new(role: Role) -> Reader {
        Reader {
            role,
            blocks: Blocks::new(),
            window: Window::of_connection(),
            is_greeted: false,
            preface: match role {
                Role::Client => 0,
                Role::Server => PREFACE.len(),
            },
            head: [0; HEAD],
            read: 0,
            frame: None,
            payload: Vec::new(),
        }
    }

    /// Of the head that has just come.
    pub(crate) fn fields(&self) -> &Fields {
        self.blocks.fields()
    }

    /// The next that there is in `octets`, which are taken from the front. None: all are taken.
    pub(crate) fn next<'a>(
        &mut self,
        octets: &mut &'a [u8],
        to: &mut Writer,
    ) -> Result<Option<Event<'a>>, Fault> {
        if self.preface > 0 {
            self.read_preface(octets)?;
        }
        loop {
            let Some(frame) = self.frame else {
                if !self.begin(octets, to)? {
                    return Ok(None);
                }
                continue;
            };
            if frame.head.kind == Kind::Data {
                let event = self.data(frame, octets)?;
                if event.is_some() || self.frame.is_some() {
                    return Ok(event);
                }
            } else if (frame.left as usize) > octets.len() {
                self.keep(frame, octets);
                return Ok(None);
            } else if let Some(event) = self.end(frame, octets, to)? {
                return Ok(Some(event));
            }
        }
    }

    fn read_preface(&mut self, octets: &mut &[u8]) -> Result<(), Fault> {
        let n = self.preface.min(octets.len());
        let from = PREFACE.len() - self.preface;
        let (come, rest) = octets.split_at(n);
        if come != &PREFACE[from..from + n] {
            return fault(Reason::PROTOCOL_ERROR, "no preface of HTTP/2");
        }
        self.preface -= n;
        *octets = rest;
        Ok(())
    }

    /// Read a frame's head. False: it is not whole yet.
    fn begin(&mut self, octets: &mut &[u8], to: &mut Writer) -> Result<bool, Fault> {
        let head = match octets.split_first_chunk() {
            Some((head, rest)) if self.read == 0 => {
                *octets = rest;
                *head
            }
            _ => {
                let (come, rest) = octets.split_at((HEAD - self.read).min(octets.len()));
                self.head[self.read..self.read + come.len()].copy_from_slice(come);
                *octets = rest;
                self.read += come.len();
                if self.read < HEAD {
                    return Ok(false);
                }
                self.read = 0;
                self.head
            }
        };
        let head = FrameHead::read(head);
        self.check(head)?;
        if head.kind == Kind::Data
            && let Some(opened) = self.window.take(head.len)?
        {
            to.put(|out| frame::put_window_update(out, 0, opened));
        }
        self.frame = Some(Frame {
            head,
            left: head.len,
            padding: (!head.has(flag::PADDED)).then_some(0),
            is_told: false,
        });
        Ok(true)
    }

    /// What a head alone shows.
    fn check(&self, head: FrameHead) -> Result<(), Fault> {
        if head.len > MOST_PAYLOAD {
            return fault(Reason::FRAME_SIZE_ERROR, "a frame that is too long");
        }
        if !self.is_greeted && (head.kind != Kind::Settings || head.has(flag::ACK)) {
            return fault(Reason::PROTOCOL_ERROR, "another frame before SETTINGS");
        }
        if !self.blocks.may_come(head) {
            return fault(Reason::PROTOCOL_ERROR, "a header block that is cut");
        }
        let of_connection = head.stream == 0;
        let (is_right, is_long) = match head.kind {
            Kind::Settings if head.has(flag::ACK) => (of_connection, head.len == 0),
            Kind::Settings => (of_connection, head.len.is_multiple_of(6)),
            Kind::Ping => (of_connection, head.len == 8),
            Kind::GoAway => (of_connection, head.len >= 8),
            Kind::WindowUpdate => (true, head.len == 4),
            Kind::Reset => (!of_connection, head.len == 4),
            Kind::Data => (!of_connection, head.len > 0 || !head.has(flag::PADDED)),
            Kind::Headers | Kind::Priority | Kind::Continuation => (!of_connection, true),
            // Forbidden by our SETTINGS, and to clients always.
            Kind::PushPromise => (false, true),
            Kind::Unknown => (true, true),
        };
        match (is_right, is_long) {
            (false, _) => fault(Reason::PROTOCOL_ERROR, "a frame that may not be here"),
            (true, false) => fault(Reason::FRAME_SIZE_ERROR, "a frame of another length"),
            (true, true) => Ok(()),
        }
    }

    /// A piece of DATA. None: it is padding, or it has not come.
    fn data<'a>(
        &mut self,
        mut frame: Frame,
        octets: &mut &'a [u8],
    ) -> Result<Option<Event<'a>>, Fault> {
        let padding = match frame.padding {
            Some(padding) => padding,
            None => {
                let Some((first, rest)) = octets.split_first() else {
                    return Ok(None);
                };
                *octets = rest;
                frame.left -= 1;
                u32::from(*first)
            }
        };
        let Some(content) = frame.left.checked_sub(padding) else {
            return fault(Reason::PROTOCOL_ERROR, "more padding than a frame has");
        };
        let come = (content as usize).min(octets.len()) as u32;
        let is_piece = come > 0 || (content == 0 && !frame.is_told);
        let n = match is_piece {
            true => come,
            false => frame.left.min(octets.len() as u32),
        };
        let (piece, rest) = octets.split_at(n as usize);
        *octets = rest;
        let counts = if frame.is_told { 0 } else { frame.head.len };
        frame.left -= n;
        frame.padding = Some(match is_piece {
            true => padding,
            false => padding - n,
        });
        frame.is_told |= is_piece;
        self.frame = (frame.left > 0 || !frame.is_told).then_some(frame);
        Ok(is_piece.then_some(Event::Data {
            stream: frame.head.stream,
            counts,
            piece,
            ends: content == n && frame.head.has(flag::END_STREAM),
        }))
    }

    /// A piece of a payload that is not whole yet.
    fn keep(&mut self, mut frame: Frame, octets: &mut &[u8]) {
        self.payload.extend_from_slice(octets);
        frame.left -= octets.len() as u32;
        *octets = &[];
        self.frame = Some(frame);
    }

    /// The last piece of it.
    fn end(
        &mut self,
        frame: Frame,
        octets: &mut &[u8],
        to: &mut Writer,
    ) -> Result<Option<Event<'static>>, Fault> {
        let (piece, rest) = octets.split_at(frame.left as usize);
        *octets = rest;
        self.frame = None;
        if self.payload.is_empty() {
            return self.frame(frame.head, piece, to);
        }
        let mut payload = std::mem::take(&mut self.payload);
        payload.extend_from_slice(piece);
        let event = self.frame(frame.head, &payload, to);
        payload.clear();
        self.payload = payload;
        event
    }

    /// A whole frame that is not DATA.
    fn frame(
        &mut self,
        head: FrameHead,
        payload: &[u8],
        to: &mut Writer,
    ) -> Result<Option<Event<'static>>, Fault> {
        let stream = head.stream;
        let number = u32_at(payload).unwrap_or(0);
        match head.kind {
            Kind::Headers | Kind::Continuation => {
                let whole = self.blocks.take(head, payload)?;
                Ok(whole.map(|(stream, ends)| Event::Head { stream, ends }))
            }
            Kind::Settings if head.has(flag::ACK) => Ok(None),
            Kind::Settings => {
                self.is_greeted = true;
                let octets = to.settle(payload, self.role == Role::Client)?;
                Ok((octets != 0).then_some(Event::Windows { octets }))
            }
            Kind::Ping => {
                if let (false, Some(said)) = (head.has(flag::ACK), payload.first_chunk()) {
                    to.put(|out| frame::put_ping(out, true, *said));
                }
                Ok(None)
            }
            Kind::WindowUpdate => match number & MOST {
                0 => fault(Reason::PROTOCOL_ERROR, "a window that is opened by nothing"),
                octets if stream == 0 => to.open(octets).map(|()| None),
                octets => Ok(Some(Event::Window { stream, octets })),
            },
            Kind::Reset => Ok(Some(Event::Reset {
                stream,
                reason: Reason(number),
            })),
            Kind::GoAway => Ok(Some(Event::GoAway {
                last: number & MOST,
                reason: Reason(payload.get(4..).and_then(u32_at).unwrap_or(0)),
            })),
            Kind::Data | Kind::Priority | Kind::PushPromise | Kind::Unknown => Ok(None),
        }
    }
}

#[cfg(test)]
#[path = "reader_tests.rs"]
mod tests;
