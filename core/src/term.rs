//! How long a client's connection serves, in time and in requests: it ends between two of them, each a bit earlier than allowed by chance, so
//! that those that came together do not leave together. Not how it ends: that is the session's.

use std::cell::Cell;

use ringway_io as io;

use crate::observe::Retired;
use crate::plan::ListenerPlan;

/// Up to this part of what is allowed is taken off; gRPC's figure for the ages of connections.
const JITTER: u64 = 10;

/// See the module. Of the listener's limits when it was accepted; a reload is for later connections.
#[derive(Debug)]
pub(crate) struct Term {
    /// On the worker's clock. `u64::MAX`: no end.
    ends_ms: u64,
    /// Requests that may still come. `u32::MAX`: any number.
    left: Cell<u32>,
    counted: Cell<bool>,
}

impl Term {
    /// From now on.
    pub(crate) fn new(listener: &ListenerPlan, roll: impl Fn() -> u64) -> Term {
        let less = |most: u32| most - (roll() % (u64::from(most) / JITTER + 1)) as u32;
        let age = listener.max_age_ms.map(less);
        Term {
            ends_ms: age.map_or(u64::MAX, |ms| io::now_ms() + u64::from(ms)),
            left: Cell::new(listener.max_requests.map_or(u32::MAX, less)),
            counted: Cell::new(false),
        }
    }

    /// A request has come.
    #[inline]
    pub(crate) fn note_request(&self) {
        let left = self.left.get();
        if left != u32::MAX {
            self.left.set(left.saturating_sub(1));
        }
    }

    /// Why it should serve no further, if it should not.
    #[inline]
    pub(crate) fn over(&self) -> Option<Retired> {
        if self.left.get() == 0 {
            Some(Retired::Requests)
        } else if self.ends_ms != u64::MAX && io::now_ms() >= self.ends_ms {
            Some(Retired::Age)
        } else {
            None
        }
    }

    /// True once.
    pub(crate) fn is_news(&self) -> bool {
        !self.counted.replace(true)
    }

    /// What is left of its time in milliseconds; None: it has no end.
    pub(crate) fn left_ms(&self) -> Option<u32> {
        let has_end = self.ends_ms != u64::MAX;
        let left = self.ends_ms.saturating_sub(io::now_ms());
        // One more than nothing, since a deadline of nothing is none.
        has_end.then(|| u32::try_from(left).unwrap_or(u32::MAX).max(1))
    }
}
