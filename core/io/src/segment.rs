//! What can be sent without a copy, and the pooled buffers that heads are written into.
//!
//! Not the send queue: that is `tx`.

use std::cell::RefCell;
use std::fmt;
use std::marker::PhantomData;
use std::mem;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use crate::buffers::Buf;
use crate::worker::with_worker;

/// Buffers that grew beyond this are freed: one huge answer must not stay resident. Chosen as one receive buffer.
const KEEP_CAPACITY: usize = 16 * 1024;
/// A fresh buffer holds a usual head without growing.
const FRESH_CAPACITY: usize = 1024;
/// At most so many wait in the pool: 256 KiB to 4 MiB of a worker.
const KEEP: usize = 256;

/// Those that were asked for as large ones: four records of TLS.
const LARGE_CAPACITY: usize = 68 * 1024;
/// At most so many of them wait in their pool: 2 MiB of a worker. As many as are sent at once; a turn's sends are mostly done in it.
const KEEP_LARGE: usize = 32;

/// The worker's stock of empty vectors.
pub(crate) struct OutPool {
    small: RefCell<Vec<Vec<u8>>>,
    large: RefCell<Vec<Vec<u8>>>,
}

impl OutPool {
    pub(crate) fn new() -> OutPool {
        OutPool {
            small: RefCell::new(Vec::with_capacity(KEEP)),
            large: RefCell::new(Vec::with_capacity(KEEP_LARGE)),
        }
    }
}

/// A growable byte buffer from the worker's pool (heads that we write, assembled answers). Derefs to `Vec<u8>`. Dropping it
/// clears it and returns it to the pool (oversized ones are freed), so that steady state allocates nothing.
pub struct OutBuf {
    bytes: Vec<u8>,
    _not_send: PhantomData<*const ()>,
}

impl OutBuf {
    /// An empty buffer. Outside a worker a plain allocation.
    pub fn take() -> OutBuf {
        let bytes = with_worker(|w| w.outs.small.borrow_mut().pop()).flatten();
        OutBuf {
            bytes: bytes.unwrap_or_else(|| Vec::with_capacity(FRESH_CAPACITY)),
            _not_send: PhantomData,
        }
    }

    /// An empty buffer with room for [`OutBuf::LARGE`] bytes.
    pub fn take_large() -> OutBuf {
        let bytes = with_worker(|w| w.outs.large.borrow_mut().pop()).flatten();
        OutBuf {
            bytes: bytes.unwrap_or_else(|| Vec::with_capacity(LARGE_CAPACITY)),
            _not_send: PhantomData,
        }
    }

    /// Bytes that a large one holds without growing.
    pub const LARGE: usize = LARGE_CAPACITY;
}

impl Drop for OutBuf {
    fn drop(&mut self) {
        let mut bytes = mem::take(&mut self.bytes);
        let capacity = bytes.capacity();
        let is_large = capacity == LARGE_CAPACITY;
        if capacity == 0 || capacity > KEEP_CAPACITY && !is_large {
            return;
        }
        bytes.clear();
        let _ = with_worker(move |w| {
            let (pool, keep) = if is_large {
                (&w.outs.large, KEEP_LARGE)
            } else {
                (&w.outs.small, KEEP)
            };
            let mut pool = pool.borrow_mut();
            if pool.len() < keep {
                pool.push(bytes);
            }
        });
    }
}

impl Deref for OutBuf {
    type Target = Vec<u8>;
    fn deref(&self) -> &Vec<u8> {
        &self.bytes
    }
}

impl DerefMut for OutBuf {
    fn deref_mut(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }
}

impl fmt::Debug for OutBuf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OutBuf")
            .field("len", &self.bytes.len())
            .finish()
    }
}

/// What can be sent without a copy. The slot owns it until the kernel has taken all of it.
#[derive(Debug)]
pub enum Segment {
    /// Bytes of the program.
    Static(&'static [u8]),
    /// Received bytes, passed on.
    Buf(Buf),
    /// Bytes that we wrote.
    Out(OutBuf),
    /// Bytes shared between workers (configured answers).
    Shared(Arc<[u8]>),
}

const _: () = assert!(mem::size_of::<Segment>() <= 32);

impl Segment {
    /// The bytes to send. Their address does not change while the segment is owned, even when the segment itself is moved.
    #[inline]
    pub fn bytes(&self) -> &[u8] {
        match self {
            Segment::Static(b) => b,
            Segment::Buf(b) => b,
            Segment::Out(b) => b,
            Segment::Shared(b) => b,
        }
    }
}

impl From<Buf> for Segment {
    fn from(b: Buf) -> Self {
        Segment::Buf(b)
    }
}
impl From<OutBuf> for Segment {
    fn from(b: OutBuf) -> Self {
        Segment::Out(b)
    }
}
impl From<&'static [u8]> for Segment {
    fn from(b: &'static [u8]) -> Self {
        Segment::Static(b)
    }
}
impl From<Arc<[u8]>> for Segment {
    fn from(b: Arc<[u8]>) -> Self {
        Segment::Shared(b)
    }
}
