//! Memory of tasks and pooled futures: size classes, reuse, no allocation in steady state.
//!
//! Not a bump arena: each block is an allocation of its class's layout, so a block that outlives its worker is simply freed.

use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use std::cell::UnsafeCell;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::ptr::NonNull;
use std::task::{Context, Poll};

use crate::worker::with_worker;

/// Blocks of a class are rounded up to `GRAIN`, and aligned to `ALIGN`; what needs more goes to the allocator directly.
const GRAIN: usize = 64;
const ALIGN: usize = 16;
const CLASSES: usize = 128;
/// A class keeps at most so many bytes of free blocks (chosen: one burst of a thousand connections of 4 KiB).
const KEEP_BYTES: usize = 4 << 20;

struct Class {
    free: *mut FreeBlock,
    kept: usize,
}

struct FreeBlock {
    next: *mut FreeBlock,
}

/// Free lists by size.
pub(crate) struct Arena {
    classes: UnsafeCell<[Class; CLASSES]>,
}

/// The class of a layout: 1-based number of grains. `None` for the large and the strangely aligned.
#[inline]
fn class_of(layout: Layout) -> Option<usize> {
    let grains = layout.size().div_ceil(GRAIN).max(1);
    (layout.align() <= ALIGN && grains <= CLASSES).then_some(grains - 1)
}

/// The layout really allocated for `layout`.
#[inline]
fn block_layout(layout: Layout) -> Layout {
    match class_of(layout) {
        Some(class) => Layout::from_size_align((class + 1) * GRAIN, ALIGN)
            .expect("a class is at most 8 KiB and aligned to 16"),
        None => layout,
    }
}

impl Arena {
    pub(crate) fn new() -> Arena {
        Arena {
            classes: UnsafeCell::new(std::array::from_fn(|_| Class {
                free: std::ptr::null_mut(),
                kept: 0,
            })),
        }
    }

    /// A block from the free list, if its class has one.
    #[inline]
    fn pop(&self, layout: Layout) -> Option<NonNull<u8>> {
        let class = class_of(layout)?;
        // SAFETY: one thread (the arena is reached by the worker's thread-local only) and nothing here calls out, so this is the only
        // reference to the classes; a block on the list is ours, of this class, and starts with the link that `push` wrote.
        unsafe {
            let class = &mut (&mut *self.classes.get())[class];
            let block = NonNull::new(class.free)?;
            class.free = block.as_ref().next;
            class.kept -= 1;
            Some(block.cast())
        }
    }

    /// Keep a block for later. `false` when the class has enough.
    ///
    /// # Safety
    /// `block` was allocated with `block_layout(layout)` and is not used any more.
    #[inline]
    unsafe fn push(&self, block: NonNull<u8>, layout: Layout) -> bool {
        let Some(class) = class_of(layout) else {
            return false;
        };
        let size = (class + 1) * GRAIN;
        // SAFETY: as in `pop`; the block is unused and large enough for the link (caller).
        unsafe {
            let class = &mut (&mut *self.classes.get())[class];
            if class.kept * size >= KEEP_BYTES {
                return false;
            }
            let block = block.cast::<FreeBlock>();
            block.write(FreeBlock { next: class.free });
            class.free = block.as_ptr();
            class.kept += 1;
        }
        true
    }
}

impl Drop for Arena {
    fn drop(&mut self) {
        for (i, class) in self.classes.get_mut().iter_mut().enumerate() {
            let Ok(layout) = Layout::from_size_align((i + 1) * GRAIN, ALIGN) else {
                continue;
            };
            while let Some(block) = NonNull::new(class.free) {
                // SAFETY: blocks on the list are ours, with this class's layout.
                unsafe {
                    class.free = block.as_ref().next;
                    dealloc(block.as_ptr().cast(), layout);
                }
            }
        }
    }
}

/// Memory for a value of `layout`, from the worker's free list or fresh.
pub(crate) fn acquire(layout: Layout) -> NonNull<u8> {
    if let Some(Some(block)) = with_worker(|w| w.arena.pop(layout)) {
        return block;
    }
    let real = block_layout(layout);
    if real.size() == 0 {
        // Nothing to store, but the address must be aligned as the type wants it, which is never 0.
        let aligned = std::ptr::without_provenance_mut(real.align());
        return NonNull::new(aligned).unwrap_or(NonNull::dangling());
    }
    // SAFETY: the size is not 0.
    NonNull::new(unsafe { alloc(real) }).unwrap_or_else(|| handle_alloc_error(real))
}

/// Give memory back.
///
/// # Safety
/// `block` came from `acquire` with the same layout and is not used any more.
pub(crate) unsafe fn release(block: NonNull<u8>, layout: Layout) {
    // SAFETY: the caller's promise is what `push` asks for.
    if let Some(true) = with_worker(|w| unsafe { w.arena.push(block, layout) }) {
        return;
    }
    let real = block_layout(layout);
    if real.size() != 0 {
        // SAFETY: allocated by `acquire` with this very layout.
        unsafe { dealloc(block.as_ptr(), real) };
    }
}

/// A future on pooled memory, see [`pooled`].
pub struct Pooled<F> {
    future: NonNull<F>,
}

/// Put a future on pooled memory of this worker, so that a large state machine does not sit inside a small, long-lived one.
pub fn pooled<F: Future>(f: F) -> Pooled<F> {
    let future = acquire(Layout::new::<F>()).cast::<F>();
    // SAFETY: fresh memory of F's layout.
    unsafe { future.write(f) };
    Pooled { future }
}

impl<F> fmt::Debug for Pooled<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pooled")
    }
}

// A `Pooled` may move: the future behind the pointer does not.
impl<F> Unpin for Pooled<F> {}

impl<F: Future> Future for Pooled<F> {
    type Output = F::Output;
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let mut future = self.get_mut().future;
        // SAFETY: we own the value, it is alive until our drop, it never moves, and `&mut self` makes this the only reference.
        unsafe { Pin::new_unchecked(future.as_mut()) }.poll(cx)
    }
}

impl<F> Drop for Pooled<F> {
    fn drop(&mut self) {
        /// Gives the block back even when the value's drop panics.
        struct Block(NonNull<u8>, Layout);
        impl Drop for Block {
            fn drop(&mut self) {
                // SAFETY: from `acquire` with this layout; the value in it is dropped.
                unsafe { release(self.0, self.1) }
            }
        }
        let _block = Block(self.future.cast(), Layout::new::<F>());
        // SAFETY: alive until here, dropped once.
        unsafe { self.future.drop_in_place() };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_layout_is_served_aligned() {
        for (size, align) in [
            (0, 1),
            (0, 64),
            (1, 1),
            (64, 16),
            (65, 8),
            (8192, 16),
            (8193, 16),
            (100, 128),
            (1 << 20, 4096),
        ] {
            let layout = Layout::from_size_align(size, align).expect("valid");
            let block = acquire(layout);
            assert_eq!(block.as_ptr() as usize % align, 0, "{size} {align}");
            // SAFETY: `size` bytes are ours; just acquired, not used any more afterwards.
            unsafe {
                block.write_bytes(7, size);
                release(block, layout);
            }
        }
    }
}
