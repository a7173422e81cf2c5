//! Waiting for something that can be observed. Not for giving something "enough time".

use std::time::{Duration, Instant};

/// How long a test waits for what must come before it fails. Long, since a loaded machine is no fault of the proxy;
/// it is only ever spent in full by a test that fails.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Ask again and again until `look` finds something; panics with `what` after `limit`.
pub fn until<T>(what: &str, limit: Duration, mut look: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(
            start.elapsed() < limit,
            "waited {limit:?} in vain for: {what}"
        );
        std::thread::sleep(Duration::from_millis(3));
    }
}
