//! A window towards us: what a peer may still send, and when it is told that it may send more. What comes is done with at once, so that all that is
//! missing in a window is what the peer was not told of yet.
//!
//! Not the windows towards a peer, which are a number each.

use ringway_protocols::http2::frame::Reason;

use super::{CONNECTION_WINDOW, Fault, STREAM_WINDOW};

/// See the module.
#[derive(Debug)]
pub(crate) struct Window {
    size: u32,
    /// Has come, and the peer does not know that it is done with.
    owed: u32,
}

impl Window {
    pub(crate) fn of_stream() -> Window {
        Window {
            size: STREAM_WINDOW,
            owed: 0,
        }
    }

    pub(super) fn of_connection() -> Window {
        Window {
            size: CONNECTION_WINDOW,
            owed: 0,
        }
    }

    /// A frame of so many octets comes. By how much the window is to be opened, once half of it is used.
    pub(crate) fn take(&mut self, n: u32) -> Result<Option<u32>, Fault> {
        self.owed = self.owed.saturating_add(n);
        if self.owed > self.size {
            return Err(Fault {
                reason: Reason::FLOW_CONTROL_ERROR,
                why: "more DATA than the window allows",
            });
        }
        let is_half = self.owed >= self.size / 2;
        Ok(is_half.then(|| std::mem::take(&mut self.owed)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_opens_when_half_of_it_is_used() {
        let mut window = Window { size: 100, owed: 0 };
        assert_eq!(window.take(49).ok(), Some(None));
        assert_eq!(window.take(1).ok(), Some(Some(50)));
        assert_eq!(window.take(100).ok(), Some(Some(100)));
        assert_eq!(window.take(40).ok(), Some(None));
        assert!(window.take(61).is_err(), "one more than there is");
    }
}
