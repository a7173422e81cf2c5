//! A new connection to an endpoint, within the cluster's connection limit.

use std::io::ErrorKind;
use std::sync::Arc;

use ringway_io as io;

use super::{Ties, Upstream};
use crate::accept::Client;
use crate::plan::{ClusterPlan, Target};
use crate::queue::{self, NoPlace};

/// Why there is none.
#[derive(Debug)]
pub(crate) enum OpenFault {
    /// `limits.connections` is reached, and no place came free in time.
    NoPlace,
    /// The client went away while it waited for one.
    ClientGone,
    /// The endpoint did not take the connection within `connect` milliseconds.
    TimedOut,
    /// It refused, or cannot be reached.
    Failed(std::io::Error),
}

/// Connect to `target`.
pub(crate) async fn open(
    cluster: &ClusterPlan,
    target: &Arc<Target>,
    client: &Client,
    worker: usize,
    connect_ms: u32,
) -> Result<Upstream, OpenFault> {
    let place = queue::place(&cluster.connections, cluster.queue_for_ms, client).await;
    let place = place.map_err(|why| match why {
        NoPlace::Full => OpenFault::NoPlace,
        NoPlace::ClientGone => OpenFault::ClientGone,
    })?;
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
