//! What a connection has written and its stream has not taken yet: frames one behind the other, and large pieces of bodies as they lie in memory.
//!
//! Not what is written.

use std::collections::VecDeque;

use ringway_io::{OutBuf, Segment, Stream};

/// Octets of bodies that may wait here: more of them are written when these have left. What is written of heads and of the connection itself is little.
const MOST: usize = 128 * 1024;
/// A buffer that holds so much is full: with one head more it is still one that the pool takes back.
const FULL: usize = 14 * 1024;
/// Pieces up to this are copied behind their frame's head, which costs less than sending one more piece.
const SMALL: usize = 1024;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Out {
    /// Full buffers, and pieces of bodies.
    closed: VecDeque<Segment>,
    closed_octets: usize,
    /// What comes behind these.
    open: Option<OutBuf>,
}

impl Out {
    pub(super) fn is_empty(&self) -> bool {
        self.closed.is_empty() && self.open.is_none()
    }

    /// No more of bodies, for now.
    pub(super) fn is_full(&self) -> bool {
        let open = self.open.as_ref().map_or(0, |open| open.len());
        self.closed_octets + open >= MOST
    }

    /// Where to write on.
    pub(super) fn open(&mut self) -> &mut Vec<u8> {
        if self.open.as_ref().is_some_and(|open| open.len() >= FULL) {
            self.close();
        }
        self.open.get_or_insert_with(OutBuf::take)
    }

    /// A piece of a body.
    pub(super) fn put(&mut self, piece: &'static [u8]) {
        if piece.len() <= SMALL {
            return self.open().extend_from_slice(piece);
        }
        self.close();
        self.push(piece.into());
    }

    fn close(&mut self) {
        if let Some(open) = self.open.take() {
            self.push(open.into());
        }
    }

    fn push(&mut self, segment: Segment) {
        self.closed_octets += segment.bytes().len();
        self.closed.push_back(segment);
    }

    /// What is to be sent next.
    pub(super) fn pop(&mut self) -> Option<Segment> {
        match self.closed.pop_front() {
            Some(segment) => {
                self.closed_octets -= segment.bytes().len();
                Some(segment)
            }
            None => self.open.take().map(Segment::Out),
        }
    }

    /// Give a stream what it takes, to be sent at once. Whether that was anything.
    pub(super) fn give(&mut self, to: &Stream) -> bool {
        if self.is_empty() {
            return false;
        }
        let room = to.room();
        for _ in 0..room {
            let Some(segment) = self.pop() else {
                break;
            };
            // There is room.
            drop(to.queue(segment));
        }
        if room > 0 {
            to.submit();
        }
        room > 0
    }
}
