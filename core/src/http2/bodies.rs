//! DATA that comes in on a connection (RFC 9113 section 6.1): to its stream piece by piece as it comes, not frame by frame, and the windows towards us.

use std::rc::Rc;

use ringway_io::Buf;
use ringway_protocols::http2::frame::{self, FrameHead, Reason, flag};

use super::Octets;
use super::connection::{Inner, Role};
use super::receiving::Frame;
use super::stream::{State, Stream};

impl Inner {
    /// DATA begins: to whom it goes, if it is wanted.
    pub(super) fn begin_data(&mut self, head: FrameHead) -> Result<Option<Rc<Stream>>, Reason> {
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

    pub(super) fn receive_data(&mut self, mut frame: Frame, buf: &mut Buf) -> Result<(), Reason> {
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
            // One that was reset is told no more (section 5.1).
            if state.fault.is_none()
                && let Some(opened) = state.window.release(n)
            {
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
        state.unreleased += n as u32;
        if self.role == Role::Client {
            self.release(n as u32);
        }
        let last = state.data.last_mut();
        if !last.is_some_and(|last| last.take_in(&piece)) {
            state.data.push(piece);
        }
        state.wake();
    }

    /// A frame of DATA is whole.
    pub(super) fn end_data(&mut self, frame: &Frame) -> Result<(), Reason> {
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
    pub(super) fn end_of_stream(&mut self, stream: &Stream, state: &mut State) {
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
