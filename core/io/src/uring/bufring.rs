//! The kernel's side of the receive buffers: the ring of those it may fill.
//!
//! Only a window of the pool is lent, so that few buffers go round and stay in the cache; the window doubles when it proves too small,
//! and halves when half of it was never used for a while.
//! Not the pool: a buffer that came back with bytes belongs to `buffers`.

use std::io;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU16, Ordering::Release};

use io_uring::IoUring;

use crate::buffers::Pool;

/// The buffer groups: that of streams, and that of datagrams.
pub(crate) const GROUP: u16 = 0;
pub(crate) const MESSAGES: u16 = 1;
/// Buffers lent at first: what one turn of a busy worker receives.
const FIRST_WINDOW: usize = 64;
/// Turns of the loop after which the window is judged: some hundred milliseconds of a busy worker.
const JUDGED_EVERY: u32 = 1024;

/// `struct io_uring_buf`; the ring's tail lies in the last field of entry 0.
#[repr(C)]
struct Slot {
    address: u64,
    len: u32,
    bid: u16,
    reserved: u16,
}

/// The mapped ring.
pub(crate) struct BufRing {
    slots: NonNull<Slot>,
    entries: u16,
    bytes: usize,
    group: u16,
    tail: u16,
    lent: usize,
    window: usize,
    /// The window was doubled since the last publishing: a turn in which many sockets found no buffer is one sign, not many.
    widened: bool,
    /// Fewest lent since the window was last judged, and publishings since then.
    fewest: usize,
    published: u32,
}

impl BufRing {
    /// Map and register a ring for all buffers of a pool of `count`.
    pub(crate) fn new(ring: &IoUring, group: u16, count: u16) -> io::Result<BufRing> {
        let entries = count.clamp(1, 1 << 15).next_power_of_two();
        let bytes = usize::from(entries) * std::mem::size_of::<Slot>();
        // SAFETY: an anonymous mapping, page-aligned as the kernel wants it; the result is checked.
        let at = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                bytes,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_POPULATE,
                -1,
                0,
            )
        };
        if at == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let Some(slots) = NonNull::new(at.cast::<Slot>()) else {
            return Err(io::Error::from(io::ErrorKind::OutOfMemory));
        };
        let this = BufRing {
            slots,
            entries,
            bytes,
            group,
            tail: 0,
            lent: 0,
            widened: false,
            fewest: usize::MAX,
            published: 0,
            window: FIRST_WINDOW.min(count.into()).min(entries.into()),
        };
        // SAFETY: the mapping has `entries` slots and lives until `close`, which unregisters first.
        let registered = unsafe {
            ring.submitter()
                .register_buf_ring_with_flags(slots.as_ptr() as u64, entries, group, 0)
        };
        match registered {
            Ok(()) => Ok(this),
            Err(e) => {
                this.unmap();
                Err(e)
            }
        }
    }

    /// Fill the window and tell the kernel, once. Returns how many buffers it may fill.
    #[inline]
    pub(crate) fn publish(&mut self, pool: &Pool) -> usize {
        self.judge();
        let before = self.tail;
        while self.lent < self.window {
            let Some(bid) = pool.lend() else { break };
            let at = usize::from(self.tail & (self.entries - 1));
            // SAFETY: `at` is below `entries`; the kernel reads slots between its head and the published tail only, and this one is
            // beyond, because the window is at most `entries`. The field `reserved` of slot 0 is the tail, so it is left alone.
            unsafe {
                let slot = self.slots.as_ptr().add(at);
                (*slot).address = pool.address(bid) as u64;
                (*slot).len = pool.size();
                (*slot).bid = bid;
            }
            self.tail = self.tail.wrapping_add(1);
            self.lent += 1;
        }
        if self.tail != before {
            // SAFETY: the tail is an aligned u16 inside the mapping, written here only and read by the kernel.
            let tail = unsafe { AtomicU16::from_ptr(&raw mut (*self.slots.as_ptr()).reserved) };
            tail.store(self.tail, Release);
        }
        self.lent
    }

    /// The kernel has used one.
    #[inline]
    pub(crate) fn used(&mut self) {
        self.lent = self.lent.saturating_sub(1);
    }

    pub(crate) fn lent(&self) -> usize {
        self.lent
    }

    /// The window was too small.
    pub(crate) fn widen(&mut self, pool: &Pool) {
        if !std::mem::replace(&mut self.widened, true) {
            self.window = (self.window * 2).min(pool.count()).min(self.entries.into());
            (self.fewest, self.published) = (usize::MAX, 0);
        }
    }

    /// Halve a window of which half was never used since it was last judged.
    fn judge(&mut self) {
        self.widened = false;
        self.fewest = self.fewest.min(self.lent);
        self.published += 1;
        if self.published == JUDGED_EVERY {
            if self.fewest > self.window / 2 && self.window > FIRST_WINDOW {
                self.window /= 2;
            }
            (self.fewest, self.published) = (usize::MAX, 0);
        }
    }

    fn unmap(&self) {
        // SAFETY: our own mapping, which the kernel does not know (any more).
        unsafe { libc::munmap(self.slots.as_ptr().cast(), self.bytes) };
    }

    /// Unregister and unmap. Nothing that could take a buffer is in flight.
    pub(crate) fn close(self, ring: &IoUring) -> bool {
        let gone = ring.submitter().unregister_buf_ring(self.group).is_ok();
        if gone {
            self.unmap();
        }
        gone
    }
}
