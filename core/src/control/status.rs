//! What the admin listener may say about this process: its phase, the running configuration, the last refusal, the listeners.
//! Written by the control loop, read by the admin threads.
//!
//! Not here: figures of traffic (those are metrics).

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use ringway_config::{Config, Source};

/// Shared between the control loop and the admin listener.
#[derive(Debug, Clone, Default)]
pub struct Status(Arc<Mutex<Facts>>);

/// The facts, as of now.
#[derive(Debug, Clone, Default)]
pub struct Facts {
    /// How far the process is.
    pub phase: Phase,
    /// What runs.
    pub running: Option<Arc<Running>>,
    /// The last file, if it was refused and not replaced by a good one since.
    pub rejected: Option<Refusal>,
    /// Bound addresses by listener name.
    pub listeners: Vec<(String, String)>,
    /// What a request for more than health must show.
    pub token: Option<Arc<str>>,
}

/// A process's life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Phase {
    /// Not serving yet.
    #[default]
    Starting,
    /// Serving.
    Ready,
    /// Stopping: what is in flight ends, nothing new should come.
    Draining,
}

/// A configuration in force.
#[derive(Debug)]
pub struct Running {
    /// The checked form.
    pub config: Config,
    /// As read.
    pub sources: Vec<Source>,
    /// See `files::Read::hash`.
    pub hash: u64,
    /// When it came into force.
    pub since: SystemTime,
}

/// A configuration that was refused.
#[derive(Debug, Clone)]
pub struct Refusal {
    /// When.
    pub at: SystemTime,
    /// Why, a line each.
    pub lines: Vec<String>,
}

impl Status {
    /// A copy of the facts.
    pub fn facts(&self) -> Facts {
        self.lock().clone()
    }

    /// Change them.
    pub fn update(&self, change: impl FnOnce(&mut Facts)) {
        change(&mut self.lock());
    }

    fn lock(&self) -> MutexGuard<'_, Facts> {
        // The facts are plain values: a panic of whoever held the lock leaves them whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
