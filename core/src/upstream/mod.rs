//! Step 7: a connection to the endpoint that was picked: an idle one from this worker's pool, a fresh one, or with HTTP/2 a stream of one that
//! others use too.

pub(crate) mod aim;
pub(crate) mod announce;
pub(crate) mod fresh;
pub(crate) mod pool;
mod secure;
pub(crate) mod shared;

use std::sync::Arc;

use ringway_balancer::{Gate, Permit};
use ringway_tls::Connector;

use self::shared::Lease;
use crate::link::Link;
use crate::observe::ClusterCells;
use crate::plan::{ClusterPlan, Target};

/// What an exchange asks an endpoint by.
#[derive(Debug)]
pub(crate) enum Opened {
    /// A connection of its own (HTTP/1.1).
    Own(Box<Upstream>),
    /// A place on a connection of HTTP/2.
    Shared(Lease),
}

impl Opened {
    pub(crate) fn target(&self) -> &Arc<Target> {
        match self {
            Opened::Own(upstream) => &upstream.target,
            Opened::Shared(lease) => lease.target(),
        }
    }

    /// It has served before: it may have been closed at the other end just now.
    pub(crate) fn is_reused(&self) -> bool {
        match self {
            Opened::Own(upstream) => upstream.reused,
            Opened::Shared(lease) => lease.is_reused(),
        }
    }

    /// What was asked must not be taken for whole, nor an answer's rest for something else: a connection is reset. A stream is by itself,
    /// when the exchange lets go of it.
    pub(crate) fn abort(self) {
        match self {
            Opened::Own(upstream) => upstream.stream.abort(),
            Opened::Shared(_) => {}
        }
    }
}

/// A connection to an endpoint, in use by one exchange.
#[derive(Debug)]
pub(crate) struct Upstream {
    pub(crate) stream: Link,
    pub(crate) target: Arc<Target>,
    pub(crate) ties: Ties,
    /// The PROXY header that it began with; empty without one.
    pub(crate) header: Box<[u8]>,
    /// What was demanded of who is at its other end; None without TLS.
    pub(crate) demanded: Option<Arc<Connector>>,
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
    pub(crate) fn new(cluster: &ClusterPlan, worker: usize, place: Permit) -> Ties {
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
