//! What comes in on a connection: octets into frames, and what each frame means (RFC 9113 sections 4 to 6). A frame that ends the connection is an error
//! here; one that ends a stream is answered at once. Bodies are passed on as they come, not frame by frame.

use std::rc::Rc;

use ringway_io::Buf;
use ringway_protocols::http2::frame::{self, FrameHead, HEAD, Kind, MOST, Reason, flag, u32_at};
use ringway_protocols::http2::hpack::Fields;
use ringway_protocols::http2::{are_fields, status_of};

use super::connection::{Connection, Inner, Leaving, Role};
use super::stream::{Fault, State, Stream};
use super::{FIELDS, HEADER_LIST, Octets, STREAM_WINDOW, STREAMS};

/// Octets of a header block, as they are sent. As many as those of the list of fields that may come out of it: one that is larger is no honest one.
const MOST_BLOCK: usize = HEADER_LIST as usize;
/// Octets that a buffer keeps room for.
const KEPT: usize = 4 * 1024;
/// Interim heads that wait to be read.
const MOST_HEADS: usize = 16;

/// Octets of which it is not known yet what they are.
#[derive(Debug)]
pub(super) struct Reader {
    /// Octets of the client's preface that are still to come.
    preface: usize,
    head: [u8; HEAD],
    /// Octets of the head that have come.
    read: usize,
    frame: Option<Frame>,
    /// A payload that comes in pieces.
    payload: Vec<u8>,
    /// A header block that comes in several frames: of which stream, and whether the stream ends with it.
    block: Option<(u32, bool)>,
    block_octets: Vec<u8>,
}

/// A frame whose payload is coming.
#[derive(Debug)]
struct Frame {
    head: FrameHead,
    /// Octets still to come.
    left: u32,
    /// Of these: padding. None: how much is not known yet.
    padding: Option<u32>,
    /// Where a body's octets go.
    to: Option<Rc<Stream>>,
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
fn kept(mut octets: Vec<u8>) -> Vec<u8> {
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
    fn is_idle(&self, stream: u32) -> bool {
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
            Kind::Priority => self.priority(head, payload),
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

    fn priority(&mut self, head: FrameHead, payload: &[u8]) -> Result<(), Reason> {
        let on = u32_at(payload).map(|on| on & MOST);
        if head.len != 5 {
            self.stream_error(head.stream, Reason::FRAME_SIZE_ERROR);
        } else if on == Some(head.stream) {
            self.stream_error(head.stream, Reason::PROTOCOL_ERROR);
        }
        // Nothing else comes of it (section 5.3.2).
        Ok(())
    }

    /// A fault that ends a stream, open or not.
    fn stream_error(&mut self, id: u32, reason: Reason) {
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
            state.rest = None;
            state.fault = Some(fault);
            state.wake();
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
                let mut state = stream.state.borrow_mut();
                state.fault = Some(Fault::Refused);
                state.wake();
            }
            goes_on
        });
    }
}

/// Bodies.
impl Inner {
    /// DATA begins: to whom it goes, if it is wanted.
    fn begin_data(&mut self, head: FrameHead) -> Result<Option<Rc<Stream>>, Reason> {
        if self.is_idle(head.stream) {
            return Err(Reason::PROTOCOL_ERROR);
        }
        if !self.window.take(head.len) {
            return Err(Reason::FLOW_CONTROL_ERROR);
        }
        let Some(stream) = self.streams.get(&head.stream).cloned() else {
            // On its way when we ended the stream; if it was not we, the peer knew.
            return match self.role {
                _ if self.was_reset(head.stream) => Ok(None),
                Role::Client => Err(Reason::STREAM_CLOSED),
                Role::Server => {
                    self.stream_error(head.stream, Reason::STREAM_CLOSED);
                    Ok(None)
                }
            };
        };
        let mut state = stream.state.borrow_mut();
        let reason = if state.received_all {
            Some(Reason::STREAM_CLOSED)
        } else if !state.has_head {
            Some(Reason::PROTOCOL_ERROR)
        } else if !state.window.take(head.len) {
            Some(Reason::FLOW_CONTROL_ERROR)
        } else {
            None
        };
        if let Some(reason) = reason {
            self.reset(&stream, &mut state, reason);
            return Ok(None);
        }
        drop(state);
        Ok(Some(stream))
    }

    fn receive_data(&mut self, mut frame: Frame, buf: &mut Buf) -> Result<(), Reason> {
        let Some(padding) = frame.padding else {
            let padding = u32::from(buf[0]);
            buf.advance(1);
            frame.left -= 1;
            if padding > frame.left {
                return Err(Reason::PROTOCOL_ERROR);
            }
            frame.padding = Some(padding);
            self.give_up(&frame, padding + 1);
            self.reader.frame = Some(frame);
            return Ok(());
        };
        let octets = frame.left - padding;
        if octets > 0 {
            let n = (octets as usize).min(buf.len());
            frame.left -= n as u32;
            let piece = Octets::received(buf, n);
            self.deliver(&mut frame, piece);
        } else {
            let n = (padding as usize).min(buf.len());
            buf.advance(n);
            frame.left -= n as u32;
            frame.padding = Some(padding - n as u32);
        }
        match frame.left {
            0 => self.end_data(&frame),
            _ => {
                self.reader.frame = Some(frame);
                Ok(())
            }
        }
    }

    /// Octets that nobody gets.
    fn give_up(&mut self, frame: &Frame, n: u32) {
        self.release(n);
        if let Some(stream) = &frame.to {
            let mut state = stream.state.borrow_mut();
            if let Some(opened) = state.window.release(n) {
                self.write(|out| frame::put_window_update(out, stream.id, opened));
            }
        }
    }

    fn deliver(&mut self, frame: &mut Frame, piece: Octets) {
        let n = piece.len();
        let Some(stream) = &frame.to else {
            return self.release(n as u32);
        };
        let mut state = stream.state.borrow_mut();
        if state.left || state.fault.is_some() {
            drop(state);
            return self.give_up(frame, n as u32);
        }
        if let Some(left) = &mut state.length_left {
            match left.checked_sub(n as u64) {
                Some(now) => *left = now,
                None => {
                    self.reset(stream, &mut state, Reason::PROTOCOL_ERROR);
                    return self.release(n as u32);
                }
            }
        }
        let last = state.data.back_mut();
        if !last.is_some_and(|last| last.take_in(&piece)) {
            state.data.push_back(piece);
        }
        state.wake();
    }

    /// A frame of DATA is whole.
    fn end_data(&mut self, frame: &Frame) -> Result<(), Reason> {
        // With padding, and without the octet that says how much.
        if frame.padding.is_none() {
            return Err(Reason::FRAME_SIZE_ERROR);
        }
        if frame.head.has(flag::END_STREAM)
            && let Some(stream) = &frame.to
        {
            let mut state = stream.state.borrow_mut();
            self.end_of_stream(stream, &mut state);
        }
        Ok(())
    }

    /// The peer has said all.
    fn end_of_stream(&mut self, stream: &Stream, state: &mut State) {
        if state.fault.is_some() {
            return;
        }
        if state.length_left.is_some_and(|left| left > 0) {
            return self.reset(stream, state, Reason::PROTOCOL_ERROR);
        }
        state.received_all = true;
        self.close_if_over(stream, state);
        state.wake();
    }
}

/// Heads.
impl Inner {
    /// A frame of a header block.
    fn block(
        &mut self,
        connection: &Rc<Connection>,
        head: FrameHead,
        payload: &[u8],
    ) -> Result<(), Reason> {
        let (mut block, mut of) = (payload, self.reader.block);
        if head.kind == Kind::Headers {
            let on;
            (block, on) = frame::unpadded(head, payload)?;
            of = Some((head.stream, head.has(flag::END_STREAM)));
            if on == Some(head.stream) {
                // Its fields are read all the same, since the table needs them.
                if self.role == Role::Server {
                    self.newest = self.newest.max(head.stream);
                }
                self.stream_error(head.stream, Reason::PROTOCOL_ERROR);
            }
        }
        let Some((stream, ends)) = of else {
            return Err(Reason::PROTOCOL_ERROR);
        };
        let whole = head.has(flag::END_HEADERS);
        let used = self.take_fields();
        self.spare(used);
        if whole && self.reader.block_octets.is_empty() {
            self.reader.block = None;
            self.decode(block)?;
            return self.head(connection, stream, ends);
        }
        if self.reader.block_octets.len() + block.len() > MOST_BLOCK {
            return Err(Reason::ENHANCE_YOUR_CALM);
        }
        self.reader.block_octets.extend_from_slice(block);
        self.reader.block = of.filter(|_| !whole);
        if whole {
            let octets = std::mem::take(&mut self.reader.block_octets);
            self.decode(&octets)?;
            self.reader.block_octets = kept(octets);
            return self.head(connection, stream, ends);
        }
        Ok(())
    }

    fn decode(&mut self, block: &[u8]) -> Result<(), Reason> {
        let decoded = self
            .decoder
            .decode(block, &mut self.fields, HEADER_LIST as usize, FIELDS);
        decoded.map_err(|_| Reason::COMPRESSION_ERROR)
    }

    /// A list of fields is whole.
    fn head(&mut self, connection: &Rc<Connection>, id: u32, ends: bool) -> Result<(), Reason> {
        if let Some(stream) = self.streams.get(&id).cloned() {
            let mut state = stream.state.borrow_mut();
            match (self.role, state.has_head) {
                (_, true) => self.trailers(&stream, &mut state, ends),
                (Role::Client, false) => self.answer(&stream, &mut state, ends),
                // A request's head is what opens its stream.
                (Role::Server, false) => {}
            }
            return Ok(());
        }
        if self.was_reset(id) {
            return Ok(());
        }
        match self.role {
            Role::Server if id.is_multiple_of(2) => Err(Reason::PROTOCOL_ERROR),
            Role::Server if id <= self.newest => Err(Reason::STREAM_CLOSED),
            Role::Server => {
                self.request(connection, id, ends);
                Ok(())
            }
            Role::Client if self.is_idle(id) => Err(Reason::PROTOCOL_ERROR),
            Role::Client => Err(Reason::STREAM_CLOSED),
        }
    }

    /// A client opens a stream.
    fn request(&mut self, connection: &Rc<Connection>, id: u32, ends: bool) {
        // It has been told that this one is not looked at.
        if matches!(self.leaving, Leaving::Told | Leaving::Cut) {
            return;
        }
        self.newest = id;
        if self.taken() >= STREAMS as usize {
            return self.stream_error(id, Reason::REFUSED_STREAM);
        }
        let stream = Rc::new(Stream::new(id, connection, STREAM_WINDOW, self.peer.window));
        self.streams.insert(id, stream.clone());
        let mut state = stream.state.borrow_mut();
        state.has_head = true;
        state.length_left = content_length(&self.fields);
        if ends && state.length_left.is_some_and(|left| left > 0) {
            // The head says why it is malformed: whoever reads it, tells.
            state.length_left = None;
        }
        let fields = self.take_fields();
        state.heads.push_back(fields);
        if ends {
            self.end_of_stream(&stream, &mut state);
        }
        drop(state);
        self.fresh.push_back(stream);
    }

    /// A head of an answer.
    fn answer(&mut self, stream: &Stream, state: &mut State, ends: bool) {
        let Ok(status) = status_of(&self.fields) else {
            return self.reset(stream, state, Reason::PROTOCOL_ERROR);
        };
        let is_interim = (100..200).contains(&status);
        // Whoever reads it judges the fields; when it is all, nobody could tell the peer afterwards.
        if ends && (is_interim || !are_fields(self.fields.regular())) {
            return self.reset(stream, state, Reason::PROTOCOL_ERROR);
        }
        if state.heads.len() >= MOST_HEADS || self.fields.is_over() {
            return self.reset(stream, state, Reason::ENHANCE_YOUR_CALM);
        }
        if !is_interim {
            state.has_head = true;
            let has_no_body = state.bodyless || matches!(status, 204 | 304);
            state.length_left = match has_no_body {
                true => Some(0),
                false => content_length(&self.fields),
            };
        }
        let fields = self.take_fields();
        state.heads.push_back(fields);
        state.wake();
        if ends {
            self.end_of_stream(stream, state);
        }
    }

    /// Fields behind a body.
    fn trailers(&mut self, stream: &Stream, state: &mut State, ends: bool) {
        if state.received_all {
            return self.reset(stream, state, Reason::STREAM_CLOSED);
        }
        let has_pseudo = self.fields.pseudo().next().is_some();
        if !ends || has_pseudo || self.fields.is_over() {
            return self.reset(stream, state, Reason::PROTOCOL_ERROR);
        }
        let fields = self.take_fields();
        state.trailers = Some(fields);
        self.end_of_stream(stream, state);
    }
}

/// None where there is none, or none that is a number: the head's reader judges that.
fn content_length(fields: &Fields) -> Option<u64> {
    let mut regular = fields.regular();
    let (_, value) = regular.find(|(name, _)| *name == b"content-length")?;
    std::str::from_utf8(value).ok()?.parse().ok()
}
