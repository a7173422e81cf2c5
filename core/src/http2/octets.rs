//! Pieces of a body on their way into and out of frames, without a copy where they are large. Not the queue of them.

use ringway_io::{Buf, OutBuf, Segment};

/// Shorter pieces are copied: that costs less than a place in the send queue, and a received one would keep a whole buffer from its pool.
const LEAST: usize = 4096;
/// Copied pieces are put together up to this, lest many small ones take a buffer each.
const MOST_TOGETHER: usize = 16 * 1024;

/// What can be sent, of which the beginning may be gone.
#[derive(Debug)]
pub(crate) struct Octets {
    segment: Segment,
    /// What stands before this is gone. Of what was received it is 0: that forgets its beginning by itself.
    from: usize,
}

impl Octets {
    /// Take the first `n` octets of what was received.
    pub(super) fn received(buf: &mut Buf, n: usize) -> Octets {
        if n >= LEAST {
            return buf.split_to(n).into();
        }
        let copy = Octets::copied(&buf[..n]);
        buf.advance(n);
        copy
    }

    fn copied(octets: &[u8]) -> Octets {
        let mut out = OutBuf::take();
        out.extend_from_slice(octets);
        out.into()
    }

    /// Take them in at the end, if both are copies, this one whole. False: they need a piece of their own.
    pub(super) fn take_in(&mut self, more: &Octets) -> bool {
        match (&mut self.segment, &more.segment) {
            (Segment::Out(out), Segment::Out(_))
                if self.from == 0 && out.len() + more.len() <= MOST_TOGETHER =>
            {
                out.extend_from_slice(more.bytes());
                true
            }
            _ => false,
        }
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.segment.bytes()[self.from..]
    }

    pub(crate) fn len(&self) -> usize {
        self.bytes().len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.bytes().is_empty()
    }

    /// Take the first `n` octets as a segment of their own, if that is worth it.
    pub(super) fn split_large(&mut self, n: usize) -> Option<Segment> {
        match &mut self.segment {
            Segment::Buf(buf) if n >= LEAST => Some(buf.split_to(n).into()),
            _ => None,
        }
    }

    /// Take the first `n` octets as a piece of their own.
    pub(crate) fn split_to(&mut self, n: usize) -> Octets {
        if let Segment::Buf(buf) = &mut self.segment {
            return buf.split_to(n).into();
        }
        let front = Octets::copied(&self.bytes()[..n]);
        self.advance(n);
        front
    }

    /// To be sent as they are.
    pub(crate) fn into_segment(self) -> Segment {
        match self.from {
            0 => self.segment,
            _ => Octets::copied(self.bytes()).segment,
        }
    }

    pub(super) fn advance(&mut self, n: usize) {
        match &mut self.segment {
            Segment::Buf(buf) => buf.advance(n),
            _ => self.from += n,
        }
    }
}

impl<S: Into<Segment>> From<S> for Octets {
    fn from(segment: S) -> Octets {
        Octets {
            segment: segment.into(),
            from: 0,
        }
    }
}
