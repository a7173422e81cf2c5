//! What a connection has written and its link has not taken yet: small frames one behind the other, large pieces of bodies as they were received.

use std::collections::VecDeque;
use std::mem;

use ringway_io::{OutBuf, Segment};

use super::Octets;

/// Octets of bodies that may wait for the link: more of them are taken when these have left. Frames of the connection itself have no such bound;
/// nothing is received while more than this waits, and what is received asks for few of them.
const MOST: usize = 64 * 1024;
/// A buffer that holds so much is full.
const FULL: usize = 16 * 1024;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Out {
    /// Full ones, and pieces.
    segments: VecDeque<Segment>,
    /// Frames behind these.
    last: Option<OutBuf>,
    octets: usize,
}

impl Out {
    /// Room for octets of bodies.
    pub(super) fn room(&self) -> usize {
        MOST.saturating_sub(self.octets)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.octets == 0
    }

    /// Write at the end.
    pub(super) fn write<R>(&mut self, write: impl FnOnce(&mut Vec<u8>) -> R) -> R {
        let last = self.last.get_or_insert_with(OutBuf::take);
        let before = last.len();
        let result = write(last);
        self.octets += last.len() - before;
        if last.len() >= FULL {
            self.close();
        }
        result
    }

    /// The first `n` octets of a piece.
    pub(super) fn put(&mut self, octets: &mut Octets, n: usize) {
        match octets.split_large(n) {
            Some(segment) => {
                self.close();
                self.octets += n;
                self.segments.push_back(segment);
            }
            None => {
                self.write(|out| out.extend_from_slice(&octets.bytes()[..n]));
                octets.advance(n);
            }
        }
    }

    fn close(&mut self) {
        self.segments.extend(self.last.take().map(Segment::Out));
    }

    /// What goes out next.
    pub(super) fn take(&mut self) -> Option<Segment> {
        let segment = match self.segments.pop_front() {
            Some(segment) => segment,
            None => self.last.take()?.into(),
        };
        self.octets -= segment.bytes().len();
        Some(segment)
    }

    /// Nobody will send it.
    pub(super) fn clear(&mut self) {
        drop(mem::take(self));
    }
}
