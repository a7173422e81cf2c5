//! A window towards us (RFC 9113 section 5.2): what a peer may still send, and when it is told that it may send more. Not the windows towards the
//! peer, which are a number each.

use std::cell::Cell;

use super::{MOST_GROWN, STREAM_WINDOW};

/// See the module.
#[derive(Debug)]
pub(super) struct Window {
    /// What the peer may send.
    left: u32,
    /// What it may send at once.
    size: u32,
    /// Taken out of our hands, and the peer does not know it yet.
    owed: u32,
}

impl Window {
    pub(super) fn new(size: u32) -> Window {
        Window {
            left: size,
            size,
            owed: 0,
        }
    }

    /// So much has come. False: more than was allowed.
    pub(super) fn take(&mut self, n: u32) -> bool {
        match self.left.checked_sub(n) {
            Some(left) => {
                self.left = left;
                true
            }
            None => false,
        }
    }

    /// So much was passed on. By how much the window is to be opened now, if at all: not for every piece.
    pub(super) fn release(&mut self, n: u32) -> Option<u32> {
        self.owed += n;
        if self.owed < self.size / 2 {
            return None;
        }
        let opened = std::mem::take(&mut self.owed);
        self.left += opened;
        Some(opened)
    }

    /// By how much it may grow, up to `most`, since whoever takes what comes is fast enough for more: to what a stream has anyway, then to twice as much.
    pub(super) fn more(&self, most: u32) -> u32 {
        let next = (self.size * 2).max(STREAM_WINDOW);
        next.min(most).saturating_sub(self.size)
    }

    /// Larger. It is to be opened by that.
    pub(super) fn grow(&mut self, more: u32) {
        self.size += more;
        self.left += more;
    }

    /// What may come at once.
    pub(super) fn size(&self) -> u32 {
        self.size
    }
}

/// What the windows of a worker's upstreams have grown by. One who finds little left takes little, so that all of it is never gone.
#[derive(Debug, Default)]
pub(crate) struct Growth(Cell<u32>);

impl Growth {
    pub(super) fn take(&self, wanted: u32) -> u32 {
        let more = wanted.min((MOST_GROWN - self.0.get()) / 4);
        self.0.set(self.0.get() + more);
        more
    }

    pub(super) fn give_back(&self, n: u32) {
        self.0.set(self.0.get() - n);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_opens_by_what_was_passed_on() {
        let mut window = Window::new(100);
        assert!(window.take(100) && !window.take(1));
        assert_eq!(window.release(49), None);
        assert_eq!(window.release(1), Some(50));
        assert!(window.take(50) && !window.take(1));
    }

    #[test]
    fn it_grows_to_its_bound() {
        let mut window = Window::new(100);
        assert_eq!(window.more(STREAM_WINDOW / 2), STREAM_WINDOW / 2 - 100);
        assert_eq!(window.more(u32::MAX), STREAM_WINDOW - 100);
        window.grow(STREAM_WINDOW - 100);
        assert_eq!(window.more(u32::MAX), STREAM_WINDOW);
        assert_eq!((window.more(STREAM_WINDOW), window.more(0)), (0, 0));
        assert!(window.take(STREAM_WINDOW) && !window.take(1));
        assert_eq!(window.release(STREAM_WINDOW / 2 - 1), None);
        assert_eq!(window.release(1), Some(STREAM_WINDOW / 2));
    }

    #[test]
    fn growth_is_never_all_gone() {
        let growth = Growth::default();
        let taken: u32 = (0..1_000).map(|_| growth.take(1024 * 1024)).sum();
        assert!(taken < MOST_GROWN && taken > MOST_GROWN - 64);
        growth.give_back(taken);
        assert_eq!(growth.take(7), 7);
    }
}
