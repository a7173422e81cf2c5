//! An allocator that counts by thread, for tests that claim "no allocation in steady state".
//!
//! Not for production: nothing installs it but a test's `#[global_allocator]`.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::atomic::{AtomicI32, AtomicU64, AtomicUsize, Ordering};

/// Threads that are counted apart; those beyond share the last place.
const THREADS: usize = 512;

static COUNTS: [AtomicU64; THREADS] = [const { AtomicU64::new(0) }; THREADS];
static TIDS: [AtomicI32; THREADS] = [const { AtomicI32::new(0) }; THREADS];
static NEXT: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    /// This thread's place; `usize::MAX` until its first allocation. Const and without a destructor, so that reading it never allocates.
    static PLACE: Cell<usize> = const { Cell::new(usize::MAX) };
}

/// The system's allocator with a count of allocations (and growths) for each thread.
#[derive(Debug, Clone, Copy, Default)]
pub struct CountingAllocator;

/// Allocations so far of the thread with this id (gettid; the names in `/proc/self/task`). 0 for a thread that made none.
pub fn allocations_of(tid: i32) -> u64 {
    let place = TIDS.iter().position(|t| t.load(Ordering::Relaxed) == tid);
    place.map_or(0, |place| COUNTS[place].load(Ordering::Relaxed))
}

fn count() {
    // A thread that is ending has no place any more; what it allocates then is nobody's steady state.
    let Ok(mut place) = PLACE.try_with(Cell::get) else {
        return;
    };
    if place == usize::MAX {
        place = NEXT.fetch_add(1, Ordering::Relaxed).min(THREADS - 1);
        let _ = PLACE.try_with(|p| p.set(place));
        // SAFETY: no arguments, no memory.
        let tid = unsafe { libc::gettid() };
        TIDS[place].store(tid, Ordering::Relaxed);
    }
    COUNTS[place].fetch_add(1, Ordering::Relaxed);
}

// SAFETY: every call is passed on to the system's allocator unchanged; counting allocates nothing and touches none of the memory.
unsafe impl GlobalAlloc for CountingAllocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller's promise is the one that System asks for.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        // SAFETY: as above; `ptr` came from System.
        unsafe { System.dealloc(ptr, layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: as above.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, ptr: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        count();
        // SAFETY: as above; `ptr` came from System.
        unsafe { System.realloc(ptr, layout, new_size) }
    }
}
