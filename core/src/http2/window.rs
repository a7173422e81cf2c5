//! A window towards us (RFC 9113 section 5.2): what a peer may still send, and when it is told that it may send more. Not the windows towards the
//! peer, which are a number each.

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

    /// Twice as large, up to `most`: whoever takes what comes is fast enough for more. By how much it is to be opened for that.
    pub(super) fn grow(&mut self, most: u32) -> u32 {
        let more = self.size.min(most.saturating_sub(self.size));
        self.size += more;
        self.left += more;
        more
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
        assert_eq!(
            (window.grow(250), window.grow(250), window.grow(250)),
            (100, 50, 0)
        );
        assert!(window.take(250) && !window.take(1));
        assert_eq!(window.release(124), None);
        assert_eq!(window.release(1), Some(125));
    }
}
