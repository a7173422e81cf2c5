//! Step 7: a connection to the endpoint that was picked: an idle one from this worker's pool, or a fresh one.

pub(crate) mod aim;
pub(crate) mod announce;
pub(crate) mod fresh;
pub(crate) mod pool;

use std::sync::Arc;

use ringway_balancer::{Gate, Permit};

use crate::link::Link;
use crate::observe::ClusterCells;
use crate::plan::{ClusterPlan, Target};

/// A connection to an endpoint, in use by one exchange.
#[derive(Debug)]
pub(crate) struct Upstream {
    pub(crate) stream: Link,
    pub(crate) target: Arc<Target>,
    pub(crate) ties: Ties,
    /// The PROXY header that it began with; empty without one.
    pub(crate) header: Box<[u8]>,
    /// It has served before: it may have been closed at the other end just now.
    pub(crate) reused: bool,
}

impl Upstream {
    /// Of use to one client alone.
    fn is_private(&self) -> bool {
        self.target.aimed || !self.header.is_empty()
    }
}

/// What a connection holds of its cluster for as long as it stands, in use or idle. Made once per connection, so that lending
/// it touches no shared count.
#[derive(Debug)]
pub(crate) struct Ties {
    /// The cluster's `limits.connections`.
    gate: Arc<Gate>,
    cells: Arc<ClusterCells>,
    worker: usize,
    /// Its place in the limit; free when the connection is gone.
    _place: Permit,
}

impl Ties {
    fn new(cluster: &ClusterPlan, worker: usize, place: Permit) -> Ties {
        let cells = cluster.cells.clone();
        cells.of(worker).connections(1);
        Ties {
            gate: cluster.connections.clone(),
            cells,
            worker,
            _place: place,
        }
    }

    /// Others wait for a place in the limit.
    fn is_wanted(&self) -> bool {
        self.gate.waiting() > 0
    }

    /// Count it in or out of the idle ones.
    fn idle(&self, delta: i64) {
        self.cells.of(self.worker).pool(delta);
    }
}

impl Drop for Ties {
    fn drop(&mut self) {
        self.cells.of(self.worker).connections(-1);
    }
}
