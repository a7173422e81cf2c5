//! What comes in on a connection: octets into frames, and what each frame means (RFC 9113 sections 4 to 6). A frame that ends the connection is an error
//! here; one that ends a stream is answered at once. Header blocks are in `blocks`, bodies in `bodies`.

use std::rc::Rc;

use ringway_io::Buf;
use ringway_protocols::http2::frame::{self, FrameHead, HEAD, Kind, MOST, Reason, flag, u32_at};

use super::connection::{Connection, Inner, Role};
use super::stream::{Fault, Stream};

/// Octets that a buffer keeps room for.
const KEPT: usize = 4 * 1024;

/// Octets of which it is not known yet what they are.
#[derive(Debug)]
pub(super) struct Reader {
    /// Octets of the client's preface that are still to come.
    preface: usize,
    head: [u8; HEAD],
    /// Octets of the head that have come.
    read: usize,
    pub(super) frame: Option<Frame>,
    /// A payload that comes in pieces.
    payload: Vec<u8>,
    /// A header block that comes in several frames: of which stream, and whether the stream ends with it.
    pub(super) block: Option<(u32, bool)>,
    pub(super) block_octets: Vec<u8>,
}

/// A frame whose payload is coming.
#[derive(Debug)]
pub(super) struct Frame {
    pub(super) head: FrameHead,
    /// Octets still to come.
    pub(super) left: u32,
    /// Of these: padding. None: how much is not known yet.
    pub(super) padding: Option<u32>,
    /// Where a body's octets go.
    pub(super) to: Option<Rc<Stream>>,
}

impl Reader {
    pub(super) fn new(role: Role) -> Reader {
        Reader {
            preface: match role {
                Role::Server => frame::PREFACE.len(),
                Role::Client => 0,
            },
            head: [0; HEAD],
            read: 0,
            frame: None,
            payload: Vec::new(),
            block: None,
            block_octets: Vec::new(),
        }
    }
}

/// A buffer for the next time, unless it grew large: there may be many connections.
pub(super) fn kept(mut octets: Vec<u8>) -> Vec<u8> {
    octets.clear();
    octets.shrink_to(KEPT);
    octets
}

impl Inner {
    /// Take in what was received.
    pub(super) fn receive(
        &mut self,
        connection: &Rc<Connection>,
        mut buf: Buf,
    ) -> Result<(), Reason> {
        if self.reader.preface > 0 {
            let n = self.reader.preface.min(buf.len());
            let from = frame::PREFACE.len() - self.reader.preface;
            if buf[..n] != frame::PREFACE[from..from + n] {
                return Err(Reason::PROTOCOL_ERROR);
            }
            self.reader.preface -= n;
            buf.advance(n);
        }
        while !buf.is_empty() {
            match self.reader.frame.take() {
                None => self.receive_head(&mut buf)?,
                Some(frame) if frame.head.kind == Kind::Data => {
                    self.receive_data(frame, &mut buf)?
                }
                Some(frame) => self.receive_payload(connection, frame, &mut buf)?,
            }
            // One without a payload is whole with its head.
            if let Some(frame) = self.reader.frame.take_if(|frame| frame.left == 0) {
                match frame.head.kind {
                    Kind::Data => self.end_data(&frame)?,
                    _ => self.frame(connection, frame.head, &[])?,
                }
            }
        }
        Ok(())
    }

    fn receive_head(&mut self, buf: &mut Buf) -> Result<(), Reason> {
        let reader = &mut self.reader;
        let n = (HEAD - reader.read).min(buf.len());
        reader.head[reader.read..reader.read + n].copy_from_slice(&buf[..n]);
        reader.read += n;
        buf.advance(n);
        if reader.read < HEAD {
            return Ok(());
        }
        reader.read = 0;
        let head = FrameHead::read(reader.head);
        self.check(head)?;
        let to = match head.kind {
            Kind::Data => self.begin_data(head)?,
            _ => None,
        };
        self.reader.frame = Some(Frame {
            head,
            left: head.len,
            padding: (!head.has(flag::PADDED)).then_some(0),
            to,
        });
        Ok(())
    }

    /// What a head alone shows.
    fn check(&self, head: FrameHead) -> Result<(), Reason> {
        if head.len > frame::MOST_PAYLOAD {
            return Err(Reason::FRAME_SIZE_ERROR);
        }
        // The first frame (section 3.4).
        if !self.greeted && (head.kind != Kind::Settings || head.has(flag::ACK)) {
            return Err(Reason::PROTOCOL_ERROR);
        }
        // Nothing comes between the frames of a block (section 4.3).
        let goes_on = match self.reader.block {
            Some((stream, _)) => head.kind == Kind::Continuation && head.stream == stream,
            None => head.kind != Kind::Continuation,
        };
        if !goes_on {
            return Err(Reason::PROTOCOL_ERROR);
        }
        let of_connection = head.stream == 0;
        let (right, len) = match head.kind {
            Kind::Settings => (of_connection, head.len.is_multiple_of(6)),
            Kind::Ping => (of_connection, head.len == 8),
            Kind::GoAway => (of_connection, head.len >= 8),
            Kind::WindowUpdate => (true, head.len == 4),
            Kind::Reset => (!of_connection, head.len == 4),
            Kind::Data | Kind::Headers | Kind::Priority | Kind::Continuation => {
                (!of_connection, true)
            }
            // We opened no door for it: as a server never, as a client by ENABLE_PUSH (section 8.4).
            Kind::PushPromise => (false, true),
            Kind::Unknown => (true, true),
        };
        match (right, len) {
            (false, _) => Err(Reason::PROTOCOL_ERROR),
            (true, false) => Err(Reason::FRAME_SIZE_ERROR),
            (true, true) => Ok(()),
        }
    }

    /// A stream that was never opened (section 5.1).
    pub(super) fn is_idle(&self, stream: u32) -> bool {
        stream.is_multiple_of(2) || stream > self.newest
    }

    /// A payload that is needed as a whole.
    fn receive_payload(
        &mut self,
        connection: &Rc<Connection>,
        mut frame: Frame,
        buf: &mut Buf,
    ) -> Result<(), Reason> {
        let n = (frame.left as usize).min(buf.len());
        frame.left -= n as u32;
        let head = frame.head;
        if frame.left > 0 {
            self.reader.payload.extend_from_slice(&buf[..n]);
            buf.advance(n);
            self.reader.frame = Some(frame);
            return Ok(());
        }
        if self.reader.payload.is_empty() {
            self.frame(connection, head, &buf[..n])?;
        } else {
            let mut payload = std::mem::take(&mut self.reader.payload);
            payload.extend_from_slice(&buf[..n]);
            self.frame(connection, head, &payload)?;
            self.reader.payload = kept(payload);
        }
        buf.advance(n);
        Ok(())
    }

    /// A frame but for DATA.
    fn frame(
        &mut self,
        connection: &Rc<Connection>,
        head: FrameHead,
        payload: &[u8],
    ) -> Result<(), Reason> {
        match head.kind {
            Kind::Headers | Kind::Continuation => self.block(connection, head, payload),
            Kind::Priority => {
                self.priority(head, payload);
                Ok(())
            }
            Kind::Reset => self.reset_by_peer(head.stream, Reason(u32_at(payload).unwrap_or(0))),
            Kind::Settings if head.has(flag::ACK) => match head.len {
                0 => Ok(()),
                _ => Err(Reason::FRAME_SIZE_ERROR),
            },
            Kind::Settings => self.settings(payload),
            Kind::Ping => {
                let payload = *payload.first_chunk().ok_or(Reason::FRAME_SIZE_ERROR)?;
                match head.has(flag::ACK) {
                    true => self.pong(payload),
                    false => self.write(|out| frame::put_ping(out, true, payload)),
                }
                Ok(())
            }
            Kind::GoAway => {
                let last = u32_at(payload).unwrap_or(0) & MOST;
                self.go_away(last);
                Ok(())
            }
            Kind::WindowUpdate => {
                let octets = u32_at(payload).unwrap_or(0) & MOST;
                self.open_window(head.stream, octets)
            }
            Kind::Data | Kind::PushPromise | Kind::Unknown => Ok(()),
        }
    }

    /// It is judged, and nothing else comes of it (section 5.3.2).
    fn priority(&mut self, head: FrameHead, payload: &[u8]) {
        let on = u32_at(payload).map(|on| on & MOST);
        if head.len != 5 {
            self.stream_error(head.stream, Reason::FRAME_SIZE_ERROR);
        } else if on == Some(head.stream) {
            self.stream_error(head.stream, Reason::PROTOCOL_ERROR);
        }
    }

    /// A fault that ends a stream, open or not.
    pub(super) fn stream_error(&mut self, id: u32, reason: Reason) {
        match self.streams.get(&id).cloned() {
            Some(stream) => {
                let mut state = stream.state.borrow_mut();
                self.reset(&stream, &mut state, reason);
            }
            None => {
                self.note_reset(id);
                self.write(|out| frame::put_reset(out, id, reason));
            }
        }
    }

    fn settings(&mut self, payload: &[u8]) -> Result<(), Reason> {
        let before = self.peer;
        self.peer.apply(payload, self.role == Role::Client)?;
        self.greeted = true;
        if self.peer.header_table != before.header_table {
            self.encoder.allow(self.peer.header_table);
        }
        self.write(frame::put_settings_ack);
        let more = i64::from(self.peer.window) - i64::from(before.window);
        if more == 0 {
            return Ok(());
        }
        // Of all streams that there are (section 6.9.2).
        let streams: Vec<_> = self.streams.values().cloned().collect();
        for stream in streams {
            let mut state = stream.state.borrow_mut();
            state.send_window += more;
            if state.send_window > MOST.into() {
                return Err(Reason::FLOW_CONTROL_ERROR);
            }
            if more > 0 {
                self.go_on(&stream, &mut state);
            }
        }
        Ok(())
    }

    fn open_window(&mut self, id: u32, octets: u32) -> Result<(), Reason> {
        if id == 0 {
            self.send_window += i64::from(octets);
            return match octets {
                0 => Err(Reason::PROTOCOL_ERROR),
                _ if self.send_window > MOST.into() => Err(Reason::FLOW_CONTROL_ERROR),
                // Whoever waits is served when this was read.
                _ => Ok(()),
            };
        }
        if self.is_idle(id) {
            return Err(Reason::PROTOCOL_ERROR);
        }
        let Some(stream) = self.streams.get(&id).cloned() else {
            return Ok(());
        };
        let mut state = stream.state.borrow_mut();
        state.send_window += i64::from(octets);
        if octets == 0 {
            self.reset(&stream, &mut state, Reason::PROTOCOL_ERROR);
        } else if state.send_window > MOST.into() {
            self.reset(&stream, &mut state, Reason::FLOW_CONTROL_ERROR);
        } else if !state.sent_all {
            self.go_on(&stream, &mut state);
        }
        Ok(())
    }

    fn reset_by_peer(&mut self, id: u32, reason: Reason) -> Result<(), Reason> {
        if self.is_idle(id) {
            return Err(Reason::PROTOCOL_ERROR);
        }
        if let Some(stream) = self.streams.remove(&id) {
            let fault = match reason {
                Reason::REFUSED_STREAM => Fault::Refused,
                reason => Fault::Reset(reason),
            };
            let mut state = stream.state.borrow_mut();
            state.fail(fault, self.endings.as_ref());
        }
        Ok(())
    }

    fn go_away(&mut self, last: u32) {
        self.gone_away = true;
        if self.role == Role::Server {
            return;
        }
        // Those were not looked at (section 6.8). The others go on.
        self.streams.retain(|id, stream| {
            let goes_on = *id <= last;
            if !goes_on {
                stream.state.borrow_mut().fail(Fault::Refused, None);
            }
            goes_on
        });
    }
}
