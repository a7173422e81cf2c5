//! One endpoint as the algorithms see it: a weight, a rank, and how busy it is over all workers.
//! Not its address, and not its health: those belong to who opens upstreams.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use crossbeam_utils::CachePadded;

/// What all workers know of one endpoint. Kept over reloads for as long as the endpoint stays, so that
/// a new snapshot starts with the true number of active exchanges.
///
/// Padded: two busy endpoints must not share a cache line, or every count on one would slow the other.
#[derive(Debug, Default)]
pub struct Load {
    active: CachePadded<AtomicU32>,
}

impl Load {
    /// Exchanges that are active on this endpoint now, over all workers.
    pub fn active(&self) -> u32 {
        // Relaxed: a load-balancing hint; nothing is published through it.
        self.active.load(Ordering::Relaxed)
    }
}

/// One endpoint of a cluster.
#[derive(Debug, Clone)]
pub struct Endpoint {
    /// Share relative to the others; 0 takes no exchanges at all.
    pub weight: u32,
    /// Used only when no primary endpoint is left untried.
    pub backup: bool,
    /// Shared by all workers, and by the snapshots that know this endpoint.
    pub load: Arc<Load>,
}

/// An active exchange counts on its endpoint for as long as this lives.
#[derive(Debug)]
pub struct Active<'l> {
    load: &'l Load,
}

impl<'l> Active<'l> {
    /// Counts one exchange on `load` until dropped.
    pub fn new(load: &'l Load) -> Self {
        load.active.fetch_add(1, Ordering::Relaxed);
        Active { load }
    }
}

impl Drop for Active<'_> {
    fn drop(&mut self) {
        self.load.active.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn active_counts_while_it_lives() {
        let load = Arc::new(Load::default());
        let first = Active::new(&load);
        let second = Active::new(&load);
        assert_eq!(load.active(), 2);
        drop(first);
        assert_eq!(load.active(), 1);
        drop(second);
        assert_eq!(load.active(), 0);
    }

    #[test]
    fn loads_do_not_share_a_cache_line() {
        assert!(align_of::<Load>() >= 64);
        assert!(size_of::<Load>() >= 64);
    }
}
