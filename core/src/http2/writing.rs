//! What goes out on a connection: frames behind each other, bodies as far as windows and room allow, and whoever waits for these. Giving it to the link is
//! the connection's affair.

use std::rc::Rc;

use ringway_protocols::http2::frame::{self, FrameHead, HEAD, Kind, Reason, flag};
use ringway_protocols::http2::hpack::Encoder;

use super::Octets;
use super::connection::Inner;
use super::stream::{State, Stream};

impl Inner {
    /// Append frames.
    pub(super) fn write<R>(&mut self, write: impl FnOnce(&mut Vec<u8>) -> R) -> R {
        let result = self.out.write(write);
        self.wake();
        result
    }

    pub(super) fn wake(&mut self) {
        if !std::mem::replace(&mut self.awake, true)
            && let Some(waker) = &self.waker
        {
            waker.wake_by_ref();
        }
    }

    /// Append a header block, in as many frames as the peer wants.
    pub(super) fn write_block(
        &mut self,
        stream: u32,
        ends: bool,
        write: impl FnOnce(&mut Encoder, &mut Vec<u8>),
    ) {
        let encoder = &mut self.encoder;
        let most = (self.peer.payload as usize).min(frame::MOST_PAYLOAD as usize);
        let end = if ends { flag::END_STREAM } else { 0 };
        self.out.write(|out| {
            let head = out.len();
            // How long the block is shows when it is there.
            out.extend_from_slice(&[0; HEAD]);
            let block = out.len();
            encoder.begin(out);
            write(encoder, out);
            let len = out.len() - block;
            let first = len.min(most);
            let flags = end | if first == len { flag::END_HEADERS } else { 0 };
            let written = FrameHead {
                len: first as u32,
                kind: Kind::Headers,
                flags,
                stream,
            };
            out[head..block].copy_from_slice(&written.write());
            if first < len {
                let rest = out.split_off(block + first);
                let mut pieces = rest.chunks(most).peekable();
                while let Some(piece) = pieces.next() {
                    let last = pieces.peek().is_none();
                    let flags = if last { flag::END_HEADERS } else { 0 };
                    frame::put_head(out, Kind::Continuation, flags, stream, piece.len());
                    out.extend_from_slice(piece);
                }
            }
        });
        self.wake();
    }

    /// What a stream may send now.
    pub(super) fn room(&self, state: &State) -> usize {
        self.room_in(state.send_window.min(self.send_window))
    }

    fn room_in(&self, window: i64) -> usize {
        usize::try_from(window).unwrap_or(0).min(self.out.room())
    }

    /// Send what windows and room allow, in frames that leave others their turn.
    pub(super) fn send_data(
        &mut self,
        stream: &Stream,
        state: &mut State,
        piece: &mut Octets,
        last: bool,
    ) -> usize {
        let mut sent = 0;
        loop {
            let left = piece.len();
            let n = left.min(self.room(state)).min(frame::MOST_PAYLOAD as usize);
            let ends = last && n == left;
            if n == 0 && !ends {
                break;
            }
            let flags = if ends { flag::END_STREAM } else { 0 };
            self.out
                .write(|out| frame::put_head(out, Kind::Data, flags, stream.id, n));
            self.out.put(piece, n);
            state.send_window -= n as i64;
            self.send_window -= n as i64;
            sent += n;
            if ends {
                state.sent_all = true;
                self.close_if_over(stream, state);
                break;
            }
            if n == left {
                break;
            }
        }
        self.wake();
        sent
    }

    pub(super) fn wait_for_room(&mut self, stream: &Rc<Stream>, state: &mut State) {
        // A window of its own opens by a frame for it.
        if state.send_window > 0 && !std::mem::replace(&mut state.waits, true) {
            self.waiting.push_back(stream.clone());
        }
    }

    /// Whoever waits for room, in order, as far as it goes.
    pub(super) fn serve_waiting(&mut self) {
        let mut room = self.room_in(self.send_window);
        while room > 0
            && let Some(stream) = self.waiting.pop_front()
        {
            room = room.saturating_sub(frame::MOST_PAYLOAD as usize);
            let mut state = stream.state.borrow_mut();
            state.waits = false;
            self.go_on(&stream, &mut state);
        }
    }

    /// A stream may send again.
    pub(super) fn go_on(&mut self, stream: &Rc<Stream>, state: &mut State) {
        let Some(mut rest) = state.rest.take().filter(|_| state.fault.is_none()) else {
            return state.wake();
        };
        self.send_data(stream, state, &mut rest, true);
        if !state.sent_all {
            state.rest = Some(rest);
            self.wait_for_room(stream, state);
        } else if state.left && !state.received_all {
            self.reset(stream, state, Reason::NO_ERROR);
        }
    }
}
