//! Receive buffers of one worker: one slab, fixed sizes, counted views.
//!
//! Free buffers are a stack, so that the one touched last is used next and memory that was never needed is never touched. Not the
//! kernel's buffer ring: that is `uring::bufring`, which borrows from here.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::io;
use std::marker::PhantomData;
use std::ops::Deref;
use std::ptr::NonNull;

use crate::worker::with_worker;

/// The slab and who holds what. `refs[bid]` is 0 for a free or kernel-held buffer.
pub(crate) struct Pool {
    base: NonNull<u8>,
    mapped: usize,
    size: u32,
    refs: Box<[Cell<u32>]>,
    free: RefCell<Vec<u16>>,
    in_use: Cell<u32>,
}

/// Unmapped space behind the slab, so that the end of a view is never the beginning of another pool's slab.
const GUARD: usize = 4096;

impl Pool {
    /// Reserve `count` buffers of `size` bytes; nothing is touched.
    pub(crate) fn new(count: u16, size: u32) -> io::Result<Pool> {
        let count = count.max(1);
        let size = size.max(1);
        let mapped = usize::from(count) * size as usize + GUARD;
        // SAFETY: an anonymous private mapping with no address wished for; the result is checked.
        let base = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                mapped,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE,
                -1,
                0,
            )
        };
        if base == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let Some(base) = NonNull::new(base.cast::<u8>()) else {
            return Err(io::Error::from(io::ErrorKind::OutOfMemory));
        };
        Ok(Pool {
            base,
            mapped,
            size,
            refs: (0..count).map(|_| Cell::new(0)).collect(),
            free: RefCell::new((0..count).rev().collect()),
            in_use: Cell::new(0),
        })
    }

    pub(crate) fn size(&self) -> u32 {
        self.size
    }

    pub(crate) fn count(&self) -> usize {
        self.refs.len()
    }

    pub(crate) fn in_use(&self) -> u32 {
        self.in_use.get()
    }

    pub(crate) fn free_len(&self) -> usize {
        self.free.borrow().len()
    }

    /// Address of a buffer's first byte.
    pub(crate) fn address(&self, bid: u16) -> *mut u8 {
        assert!(usize::from(bid) < self.refs.len(), "buffer id out of range");
        // SAFETY: inside the slab by the assertion.
        unsafe {
            self.base
                .as_ptr()
                .add(usize::from(bid) * self.size as usize)
        }
    }

    /// Take a free buffer out of the stack, to lend it to the kernel.
    #[inline]
    pub(crate) fn lend(&self) -> Option<u16> {
        self.free.borrow_mut().pop()
    }

    /// Take back a lent buffer unused.
    #[inline]
    pub(crate) fn unlend(&self, bid: u16) {
        self.free.borrow_mut().push(bid);
    }

    /// A lent buffer came back with `len` bytes in it. `None` when the kernel names a buffer that is not out.
    #[inline]
    pub(crate) fn received(&self, bid: u16, len: u32) -> Option<Buf> {
        let refs = self.refs.get(usize::from(bid))?;
        if refs.get() != 0 || len > self.size {
            return None;
        }
        refs.set(1);
        self.in_use.set(self.in_use.get() + 1);
        // SAFETY: inside the slab, hence not null.
        let ptr = unsafe { NonNull::new_unchecked(self.address(bid)) };
        Some(Buf {
            ptr,
            len,
            bid,
            _not_send: PhantomData,
        })
    }

    /// Is this a view into this slab? (A view of an earlier worker of this thread is not.)
    #[inline]
    fn owns(&self, ptr: NonNull<u8>) -> bool {
        let at = ptr.as_ptr() as usize;
        let base = self.base.as_ptr() as usize;
        at >= base && at < base + self.mapped
    }

    #[inline]
    fn retain(&self, bid: u16) {
        let refs = &self.refs[usize::from(bid)];
        refs.set(
            refs.get()
                .checked_add(1)
                .expect("four billion views of one buffer"),
        );
    }

    #[inline]
    fn release(&self, bid: u16) {
        let refs = &self.refs[usize::from(bid)];
        let left = refs.get() - 1;
        refs.set(left);
        if left == 0 {
            self.in_use.set(self.in_use.get() - 1);
            self.free.borrow_mut().push(bid);
        }
    }

    /// Unmap, unless somebody still holds a view: then the slab is left mapped for good, so that the view stays readable.
    ///
    /// # Safety
    /// The kernel holds none of the buffers any more.
    pub(crate) unsafe fn close(self) {
        if self.in_use.get() == 0 {
            // SAFETY: our own mapping; no view is alive (in_use is 0), the kernel holds none (caller).
            unsafe { libc::munmap(self.base.as_ptr().cast(), self.mapped) };
        }
    }
}

/// Received bytes: a counted view into one of the worker's receive buffers (the kernel wrote it; nobody copies it). 16 bytes.
/// `Clone` is a non-atomic count. Dropping the last view gives the buffer back. A view that outlives its worker stays readable.
pub struct Buf {
    ptr: NonNull<u8>,
    len: u32,
    bid: u16,
    _not_send: PhantomData<*const ()>,
}

const _: () = assert!(std::mem::size_of::<Buf>() <= 16 && std::mem::size_of::<Option<Buf>>() <= 16);

impl Buf {
    /// Drop the first `n` bytes of the view. Panics if `n > len`.
    #[inline]
    pub fn advance(&mut self, n: usize) {
        assert!(n <= self.len as usize, "advance past the end of a view");
        // SAFETY: `n <= len`, so the pointer stays inside the buffer or one past its end.
        self.ptr = unsafe { self.ptr.add(n) };
        self.len -= n as u32;
    }

    /// Keep only the first `n` bytes; no effect if the view is shorter.
    #[inline]
    pub fn truncate(&mut self, n: usize) {
        if n < self.len as usize {
            self.len = n as u32;
        }
    }

    /// The first `n` bytes as a view of their own; `self` keeps the rest. Panics if `n > len`.
    #[inline]
    pub fn split_to(&mut self, n: usize) -> Buf {
        let mut head = self.clone();
        self.advance(n);
        head.truncate(n);
        head
    }
}

impl Clone for Buf {
    #[inline]
    fn clone(&self) -> Buf {
        // Without the pool (its worker has ended) nothing is counted any more: the slab stays mapped for good.
        let _ = with_worker(|w| {
            if w.pool.owns(self.ptr) {
                w.pool.retain(self.bid);
            }
        });
        Buf {
            ptr: self.ptr,
            len: self.len,
            bid: self.bid,
            _not_send: PhantomData,
        }
    }
}

impl Drop for Buf {
    #[inline]
    fn drop(&mut self) {
        let _ = with_worker(|w| {
            if w.pool.owns(self.ptr) {
                w.pool.release(self.bid);
            }
        });
    }
}

impl Deref for Buf {
    type Target = [u8];
    #[inline]
    fn deref(&self) -> &[u8] {
        // SAFETY: a view keeps its buffer from being lent again (refs > 0) and its slab from being unmapped (in_use > 0 leaks it), so
        // these bytes are initialised (the kernel wrote them; the mapping was zeroed) and nobody writes them while the view lives.
        unsafe { std::slice::from_raw_parts(self.ptr.as_ptr(), self.len as usize) }
    }
}

impl fmt::Debug for Buf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Buf")
            .field("len", &self.len)
            .field("bid", &self.bid)
            .finish()
    }
}

/// More than half of the worker's receive buffers are held by views: what would hold one for long should copy instead, lest peers
/// that do not read starve everyone's receives. `false` outside a worker.
pub fn buffers_scarce() -> bool {
    with_worker(|w| w.pool.in_use() as usize * 2 > w.pool.count()).unwrap_or(false)
}
