//! What the control loop is asked to do by other threads: flags behind one lock, so that asking twice before it looks is asking
//! once, and nothing can pile up.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

/// The way in, and the wait for it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Inbox(Arc<(Mutex<Calls>, Condvar)>);

/// What is asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Calls {
    /// The files changed: reload if their content did.
    pub(crate) files_changed: bool,
    /// Reload in any case (names are resolved anew).
    pub(crate) reload: bool,
    /// Open log files again: they were rotated.
    pub(crate) reopen_logs: bool,
    /// Drain and end; who asked for it.
    pub(crate) stop: Option<&'static str>,
}

impl Inbox {
    /// Ask.
    pub(crate) fn ask(&self, ask: impl FnOnce(&mut Calls)) {
        let (calls, wake) = &*self.0;
        ask(&mut calls.lock().unwrap_or_else(PoisonError::into_inner));
        wake.notify_one();
    }

    /// Everything that was asked since the last call; waits for the first of it, at most so long.
    pub(crate) fn wait(&self, at_most: Duration) -> Calls {
        let (calls, wake) = &*self.0;
        let calls = calls.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = wake.wait_timeout_while(calls, at_most, |calls| *calls == Calls::default());
        let (mut calls, _) = waited.unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut *calls)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn asking_twice_is_asking_once_and_wakes() {
        let inbox = Inbox::default();
        assert_eq!(inbox.wait(Duration::ZERO), Calls::default());
        let from_elsewhere = inbox.clone();
        std::thread::spawn(move || {
            from_elsewhere.ask(|calls| calls.reload = true);
            from_elsewhere.ask(|calls| calls.reload = true);
        })
        .join()
        .unwrap();
        assert!(inbox.wait(Duration::from_secs(60)).reload);
        assert_eq!(inbox.wait(Duration::ZERO), Calls::default());
    }
}
