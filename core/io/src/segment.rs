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

/// The worker's stock of empty vectors.
pub(crate) struct OutPool(RefCell<Vec<Vec<u8>>>);

impl OutPool {
    pub(crate) fn new() -> OutPool {
        OutPool(RefCell::new(Vec::with_capacity(KEEP)))
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
        let bytes = with_worker(|w| w.outs.0.borrow_mut().pop()).flatten();
        OutBuf {
            bytes: bytes.unwrap_or_else(|| Vec::with_capacity(FRESH_CAPACITY)),
            _not_send: PhantomData,
        }
    }
}

impl Drop for OutBuf {
    fn drop(&mut self) {
        let mut bytes = mem::take(&mut self.bytes);
        if bytes.capacity() == 0 || bytes.capacity() > KEEP_CAPACITY {
            return;
        }
        bytes.clear();
        let _ = with_worker(move |w| {
            let mut pool = w.outs.0.borrow_mut();
            if pool.len() < KEEP {
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
    pub(crate) fn bytes(&self) -> &[u8] {
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
