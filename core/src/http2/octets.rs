//! Pieces of a body on their way into frames, without a copy. Not the queue of them.

use bytes::Bytes;
use ringway_io::{Buf, Segment};

use super::handing;

/// A piece.
#[derive(Debug)]
pub(crate) enum Octets {
    /// As received from a link.
    Received(Buf),
    /// As received in frames.
    Shared(Bytes),
}

impl Octets {
    /// Take the first `n` bytes.
    pub(crate) fn split_to(&mut self, n: usize) -> Octets {
        match self {
            Octets::Received(buf) => Octets::Received(buf.split_to(n)),
            Octets::Shared(bytes) => Octets::Shared(bytes.split_to(n)),
        }
    }

    pub(crate) fn empty() -> Octets {
        Octets::Shared(Bytes::new())
    }
}

impl From<Bytes> for Octets {
    fn from(bytes: Bytes) -> Octets {
        Octets::Shared(bytes)
    }
}

impl From<Segment> for Octets {
    fn from(segment: Segment) -> Octets {
        match segment {
            Segment::Buf(buf) => Octets::Received(buf),
            Segment::Static(bytes) => Octets::Shared(Bytes::from_static(bytes)),
            Segment::Out(out) => Octets::Shared(Bytes::copy_from_slice(&out)),
            Segment::Shared(bytes) => Octets::Shared(Bytes::copy_from_slice(&bytes)),
        }
    }
}

impl bytes::Buf for Octets {
    fn remaining(&self) -> usize {
        match self {
            Octets::Received(buf) => buf.len(),
            Octets::Shared(bytes) => bytes.len(),
        }
    }

    fn chunk(&self) -> &[u8] {
        match self {
            Octets::Received(buf) => {
                handing::offer(buf);
                buf
            }
            Octets::Shared(bytes) => bytes,
        }
    }

    fn advance(&mut self, n: usize) {
        match self {
            Octets::Received(buf) => handing::advance(buf, n),
            Octets::Shared(bytes) => bytes.advance(n),
        }
    }
}
