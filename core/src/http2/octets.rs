//! Pieces of a body on their way into and out of frames, without a copy where they are large. Not the queue of them.

use bytes::Bytes;
use ringway_io::{Buf, OutBuf, Segment};

/// Shorter pieces are copied: that costs less than a place in the send queue, and a received one would keep a whole buffer from its pool.
const LEAST: usize = 4096;
/// Copied pieces are put together up to this, lest many small ones take a buffer each.
const MOST_TOGETHER: usize = 16 * 1024;

/// A piece.
#[derive(Debug)]
pub(crate) enum Octets {
    /// As received.
    Received(Buf),
    /// Copied or written; what stands before the number is gone.
    Written(OutBuf, usize),
    /// Of the configuration.
    Shared(Bytes),
}

impl Octets {
    /// Take the first `n` octets of what was received.
    pub(super) fn received(buf: &mut Buf, n: usize) -> Octets {
        if n >= LEAST {
            return Octets::Received(buf.split_to(n));
        }
        let copy = Octets::copied(&buf[..n]);
        buf.advance(n);
        copy
    }

    /// Take them in at the end, if this is a copy that nobody has begun with. False: they need a piece of their own.
    pub(super) fn take_in(&mut self, more: &Octets) -> bool {
        match (self, more) {
            (Octets::Written(out, 0), Octets::Written(..))
                if out.len() + more.len() <= MOST_TOGETHER =>
            {
                out.extend_from_slice(more.bytes());
                true
            }
            _ => false,
        }
    }

    pub(crate) fn copied(octets: &[u8]) -> Octets {
        let mut out = OutBuf::take();
        out.extend_from_slice(octets);
        Octets::Written(out, 0)
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        match self {
            Octets::Received(buf) => buf,
            Octets::Written(out, from) => &out[*from..],
            Octets::Shared(bytes) => bytes,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.bytes().len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.bytes().is_empty()
    }

    /// Take the first `n` octets as a piece of their own, if that is worth it.
    pub(super) fn split_large(&mut self, n: usize) -> Option<Segment> {
        match self {
            Octets::Received(buf) if n >= LEAST => Some(buf.split_to(n).into()),
            Octets::Received(_) | Octets::Written(..) | Octets::Shared(_) => None,
        }
    }

    /// Take the first `n` octets as a piece of their own.
    pub(crate) fn split_to(&mut self, n: usize) -> Octets {
        match self {
            Octets::Received(buf) => Octets::Received(buf.split_to(n)),
            Octets::Shared(bytes) => Octets::Shared(bytes.split_to(n)),
            Octets::Written(..) => {
                let front = Octets::copied(&self.bytes()[..n]);
                self.advance(n);
                front
            }
        }
    }

    pub(super) fn advance(&mut self, n: usize) {
        match self {
            Octets::Received(buf) => buf.advance(n),
            Octets::Written(_, from) => *from += n,
            Octets::Shared(bytes) => drop(bytes.split_to(n)),
        }
    }
}

impl From<Octets> for Segment {
    fn from(octets: Octets) -> Segment {
        match octets {
            Octets::Received(buf) => buf.into(),
            Octets::Written(out, 0) => out.into(),
            rest => {
                let mut out = OutBuf::take();
                out.extend_from_slice(rest.bytes());
                out.into()
            }
        }
    }
}

impl From<Segment> for Octets {
    fn from(segment: Segment) -> Octets {
        match segment {
            Segment::Buf(buf) => Octets::Received(buf),
            Segment::Out(out) => Octets::Written(out, 0),
            Segment::Static(bytes) => Octets::copied(bytes),
            Segment::Shared(bytes) => Octets::copied(&bytes),
        }
    }
}
