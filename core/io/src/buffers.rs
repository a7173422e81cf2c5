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

    /// A lent buffer came back with `len` bytes in it. `None` when the kernel names a buffer that is not out. `copy`: they may have to wait long.
    #[inline]
    pub(crate) fn received(&self, bid: u16, len: u32, copy: bool) -> Option<Buf> {
        let refs = self.refs.get(usize::from(bid))?;
        if refs.get() != 0 || len > self.size {
            return None;
        }
        if (copy || self.is_scarce())
            && let Some(copy) = Buf::copied(self.bytes(bid, len))
        {
            self.unlend(bid);
            return Some(copy);
        }
        refs.set(1);
        self.in_use.set(self.in_use.get() + 1);
        // SAFETY: inside the slab, hence not null.
        let ptr = unsafe { NonNull::new_unchecked(self.address(bid)) };
        Some(Buf {
            ptr,
            len,
            bid,
            dropped: 0,
            _not_send: PhantomData,
        })
    }

    /// Write into a lent buffer, which must be the caller's own: nobody else writes or reads it before it is `received`.
    #[inline]
    pub(crate) fn write(&self, bid: u16, at: usize, bytes: &[u8]) {
        let end = at.checked_add(bytes.len());
        assert!(
            end.is_some_and(|end| end <= self.size as usize)
                && self.refs[usize::from(bid)].get() == 0,
            "a write past the end, or into what is read"
        );
        // SAFETY: inside the buffer by the assertion, and no view of it exists (its count is 0); the kernel does not have it, because it was
        // taken out of the stack by `lend` for the caller. `bytes` is no view of it for the same reason.
        unsafe {
            std::ptr::copy_nonoverlapping(bytes.as_ptr(), self.address(bid).add(at), bytes.len());
        }
    }

    /// Another view, and more than three quarters of the buffers would be held by views. What is received now is copied into memory of its
    /// own, so that peers that keep their bytes waiting (slow readers, pipelined requests) cannot hold the buffers that everyone receives into.
    fn is_scarce(&self) -> bool {
        (u64::from(self.in_use.get()) + 1) * 4 > self.refs.len() as u64 * 3
    }

    /// The first `len` bytes of a buffer that came back and has no view yet.
    pub(crate) fn bytes(&self, bid: u16, len: u32) -> &[u8] {
        debug_assert!(len <= self.size);
        // SAFETY: inside the slab (`address` asserts it); the kernel has given the buffer back, and nobody has a view of it, so nobody writes
        // it; the mapping was zeroed, so all of it is initialised.
        unsafe { std::slice::from_raw_parts(self.address(bid), len as usize) }
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
    /// The buffer, or [`COPIED`].
    bid: u16,
    /// Bytes in front of `ptr` that were dropped: finds the head of a copy.
    dropped: u16,
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
        // Means something for a copy only, which has at most 65,535 bytes.
        self.dropped = self.dropped.wrapping_add(n as u16);
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

/// The buffer id of a view into memory of its own. A slab has at most 65,535 buffers, so that no buffer has it.
const COPIED: u16 = u16::MAX;

/// What stands in front of the bytes of a copy.
#[repr(C)]
struct CopyHead {
    views: Cell<u32>,
    len: u32,
}

impl Buf {
    /// A view of a copy of `bytes`. `None` for more than 65,535 of them.
    pub(crate) fn copied(bytes: &[u8]) -> Option<Buf> {
        let len = u16::try_from(bytes.len()).ok()?;
        let layout = copy_layout(u32::from(len));
        // SAFETY: the layout is not empty: it has the head.
        let block = unsafe { std::alloc::alloc(layout) };
        let Some(block) = NonNull::new(block) else {
            std::alloc::handle_alloc_error(layout)
        };
        // SAFETY: the block is fresh, aligned for the head, and has room for it and `len` bytes behind it.
        unsafe {
            block.cast::<CopyHead>().write(CopyHead {
                views: Cell::new(1),
                len: u32::from(len),
            });
            let data = block.add(std::mem::size_of::<CopyHead>());
            std::ptr::copy_nonoverlapping(bytes.as_ptr(), data.as_ptr(), bytes.len());
            Some(Buf {
                ptr: data,
                len: u32::from(len),
                bid: COPIED,
                dropped: 0,
                _not_send: PhantomData,
            })
        }
    }

    /// The head of a copy. Only for a view with the id [`COPIED`].
    fn copy_head(&self) -> NonNull<CopyHead> {
        debug_assert!(self.bid == COPIED);
        // SAFETY: `dropped` bytes were dropped since the view stood right behind the head, in the same block.
        unsafe {
            self.ptr
                .sub(usize::from(self.dropped) + std::mem::size_of::<CopyHead>())
                .cast()
        }
    }

    fn views(&self) -> &Cell<u32> {
        // SAFETY: the block lives as long as any view of it; views never leave their thread.
        unsafe { &(*self.copy_head().as_ptr()).views }
    }

    fn release_copy(&mut self) {
        let left = self.views().get() - 1;
        self.views().set(left);
        if left == 0 {
            let head = self.copy_head();
            // SAFETY: the last view is going; the block was made with this layout (its length is in its head).
            unsafe {
                let layout = copy_layout((*head.as_ptr()).len);
                std::alloc::dealloc(head.as_ptr().cast(), layout);
            }
        }
    }
}

/// Of a copy of `len` bytes with its head.
fn copy_layout(len: u32) -> std::alloc::Layout {
    std::alloc::Layout::from_size_align(
        std::mem::size_of::<CopyHead>() + len as usize,
        std::mem::align_of::<CopyHead>(),
    )
    .expect("at most 64 KiB and a head")
}

impl Clone for Buf {
    #[inline]
    fn clone(&self) -> Buf {
        if self.bid == COPIED {
            let views = self.views();
            views.set(views.get().checked_add(1).expect("four billion views"));
        } else {
            // Without the pool (its worker has ended) nothing is counted any more: the slab stays mapped for good.
            let _ = with_worker(|w| {
                if w.pool.owns(self.ptr) {
                    w.pool.retain(self.bid);
                }
            });
        }
        Buf {
            ptr: self.ptr,
            len: self.len,
            bid: self.bid,
            dropped: self.dropped,
            _not_send: PhantomData,
        }
    }
}

impl Drop for Buf {
    #[inline]
    fn drop(&mut self) {
        if self.bid == COPIED {
            return self.release_copy();
        }
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
