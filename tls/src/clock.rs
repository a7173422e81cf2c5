//! What time the callers last said it was: rustls asks in the middle of a handshake, and has no argument for it.
//!
//! Not a clock: it stands still until somebody who has one calls.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rustls::pki_types::UnixTime;
use rustls::time_provider::TimeProvider;

/// Unix seconds, of the latest call. Shared by the workers of one acceptor or connector; they say the same second.
#[derive(Debug, Default)]
pub(crate) struct Clock(AtomicU64);

impl Clock {
    /// Written only when the second has changed, so that workers do not take the cache line from each other.
    pub(crate) fn set(&self, now: u64) {
        if self.0.load(Ordering::Relaxed) != now {
            self.0.store(now, Ordering::Relaxed);
        }
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl TimeProvider for Clock {
    fn current_time(&self) -> Option<UnixTime> {
        Some(UnixTime::since_unix_epoch(Duration::from_secs(self.get())))
    }
}
