//! Header blocks that come in on a connection (RFC 9113 section 6.2): put together, decoded, and what they begin or end on their stream. What may stand
//! in them is judged by whoever reads them.

use std::rc::Rc;

use ringway_protocols::http2::frame::{self, FrameHead, Kind, Reason, flag};
use ringway_protocols::http2::{are_fields, status_of};

use super::connection::{Connection, Inner, Role};
use super::ending::Leaving;
use super::receiving::kept;
use super::stream::{State, Stream};
use super::{FIELDS, HEADER_LIST, STREAM_WINDOW, STREAMS, spares};

/// Octets of a header block, as they are sent. As many as those of the list of fields that may come out of it: one that is larger is no honest one.
const MOST_BLOCK: usize = HEADER_LIST as usize;
/// Interim heads that wait to be read.
const MOST_HEADS: usize = 16;

impl Inner {
    /// A frame of a header block.
    pub(super) fn block(
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
        // What was not taken, since nobody wanted it.
        if self.fields.list_size() > 0 {
            spares::give(self.take_fields());
        }
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
        self.share.decoded(block.len());
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
        state.length_left = self.fields.content_length();
        if ends && state.length_left.is_some_and(|left| left > 0) {
            // The head says why it is malformed: whoever reads it, tells.
            state.length_left = None;
        }
        let fields = self.take_fields();
        state.heads.push(fields);
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
                false => self.fields.content_length(),
            };
        }
        let fields = self.take_fields();
        state.heads.push(fields);
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
