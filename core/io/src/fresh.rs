//! A receive buffer that we write ourselves: what was received had to be changed (decrypted) before anybody can use it. It counts and
//! goes round like those that the kernel writes.
//!
//! Not for what is sent: that is `segment`.

use std::fmt;
use std::marker::PhantomData;

use crate::buffers::Buf;
use crate::worker::{Worker, with_worker};

/// Bytes of one without a receive buffer: as many as one record of TLS brings.
const OWN_BYTES: usize = 16 * 1024;

/// See the module. Becomes a [`Buf`] when it is written.
pub struct FreshBuf {
    place: Place,
    /// Written so far.
    len: usize,
    _not_send: PhantomData<*const ()>,
}

enum Place {
    /// A buffer of a worker's pool that nobody else has.
    Pool { bid: u16, size: usize, epoch: u32 },
    /// No buffer was free, or there is no worker.
    Own(Vec<u8>),
}

impl FreshBuf {
    /// An empty one.
    pub fn take() -> FreshBuf {
        let lent = with_worker(|w| {
            w.pool.lend().map(|bid| Place::Pool {
                bid,
                size: w.pool.size() as usize,
                epoch: w.epoch,
            })
        });
        let place = lent
            .flatten()
            .unwrap_or_else(|| Place::Own(Vec::with_capacity(OWN_BYTES)));
        FreshBuf {
            place,
            len: 0,
            _not_send: PhantomData,
        }
    }

    /// Append as many of `bytes` as there is room for; how many that were.
    pub fn put(&mut self, bytes: &[u8]) -> usize {
        let n = match &mut self.place {
            Place::Pool { bid, size, epoch } => {
                let n = bytes.len().min(*size - self.len);
                let written = of(*epoch, |w| w.pool.write(*bid, self.len, &bytes[..n]));
                // Without its worker there is no buffer any more, and nobody to read what would be in it.
                written.map_or(0, |()| n)
            }
            Place::Own(own) => {
                let n = bytes.len().min(OWN_BYTES - own.len());
                own.extend_from_slice(&bytes[..n]);
                n
            }
        };
        self.len += n;
        n
    }

    /// What was written. None for nothing.
    pub fn finish(mut self) -> Option<Buf> {
        let len = std::mem::take(&mut self.len);
        if len == 0 {
            return None;
        }
        match &self.place {
            Place::Own(own) => Buf::copied(own),
            Place::Pool { bid, epoch, .. } => {
                let (bid, epoch) = (*bid, *epoch);
                // The pool's from here on.
                self.place = Place::Own(Vec::new());
                of(epoch, |w| w.pool.received(bid, len as u32, false)).flatten()
            }
        }
    }
}

/// With the worker that lent it, if that still runs.
fn of<R>(epoch: u32, f: impl FnOnce(&Worker) -> R) -> Option<R> {
    with_worker(|w| (w.epoch == epoch).then(|| f(w))).flatten()
}

impl Drop for FreshBuf {
    fn drop(&mut self) {
        if let Place::Pool { bid, epoch, .. } = self.place {
            let _ = of(epoch, |w| w.pool.unlend(bid));
        }
    }
}

impl fmt::Debug for FreshBuf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FreshBuf").field("len", &self.len).finish()
    }
}
