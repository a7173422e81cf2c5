//! A gate that a test opens and a scripted origin waits at, and that counts who arrived. Not a channel: it carries nothing.

use crate::wait::PATIENCE;
use std::sync::{Arc, Condvar, Mutex, PoisonError};

/// Closed at first; whoever waits goes on when it is opened. Clones are the same gate.
#[derive(Clone, Default)]
pub struct Gate(Arc<(Mutex<State>, Condvar)>);

#[derive(Default)]
struct State {
    open: bool,
    arrived: usize,
}

impl Gate {
    /// A closed gate.
    pub fn new() -> Gate {
        Gate::default()
    }

    /// Let everyone through, now and later.
    pub fn open(&self) {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner).open = true;
        self.0.1.notify_all();
    }

    /// Arrive and wait until it is open. False if that did not happen within the harness's patience.
    pub fn wait(&self) -> bool {
        let mut state = self.0.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.arrived += 1;
        self.0.1.notify_all();
        let waited = self
            .0
            .1
            .wait_timeout_while(state, PATIENCE, |state| !state.open);
        waited.unwrap_or_else(PoisonError::into_inner).0.open
    }

    /// How many have arrived so far, waiting or through.
    pub fn arrived(&self) -> usize {
        self.0
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .arrived
    }

    /// Wait until at least `count` have arrived.
    pub fn await_arrivals(&self, count: usize) {
        let state = self.0.0.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self
            .0
            .1
            .wait_timeout_while(state, PATIENCE, |state| state.arrived < count);
        let arrived = waited.unwrap_or_else(PoisonError::into_inner).0.arrived;
        assert!(
            arrived >= count,
            "only {arrived} of {count} arrived at the gate in {PATIENCE:?}"
        );
    }
}
