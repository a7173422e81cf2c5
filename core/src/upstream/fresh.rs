//! A new connection to an endpoint, within the cluster's connection limit.

use std::io::ErrorKind;
use std::pin::pin;
use std::sync::Arc;

use ringway_balancer::Permit;
use ringway_io as io;

use super::{Ties, Upstream};
use crate::plan::{ClusterPlan, Target};
use crate::within::within;

/// Why there is none.
#[derive(Debug)]
pub(crate) enum OpenFault {
    /// `limits.connections` is reached, and no place came free in time.
    NoPlace,
    /// The endpoint did not take the connection within `connect` milliseconds.
    TimedOut,
    /// It refused, or cannot be reached.
    Failed(std::io::Error),
}

/// Connect to `target`.
pub(crate) async fn open(
    cluster: &ClusterPlan,
    target: &Arc<Target>,
    worker: usize,
    connect_ms: u32,
) -> Result<Upstream, OpenFault> {
    let place = place(cluster).await.ok_or(OpenFault::NoPlace)?;
    match io::dial(&target.address, connect_ms).await {
        Ok(stream) => Ok(Upstream {
            stream,
            target: target.clone(),
            ties: Ties::new(cluster, worker, place),
            reused: false,
        }),
        Err(error) if error.kind() == ErrorKind::TimedOut => Err(OpenFault::TimedOut),
        Err(error) => Err(OpenFault::Failed(error)),
    }
}

async fn place(cluster: &ClusterPlan) -> Option<Permit> {
    if let Some(place) = cluster.connections.try_enter() {
        return Some(place);
    }
    within(
        cluster.queue_for_ms,
        pin!(cluster.connections.enter().ok()?),
    )
    .await
}
