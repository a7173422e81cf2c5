//! TLS on a fresh connection to an endpoint: whoever answers there is who its cluster demands, or there is no connection. Not the connecting
//! (`fresh`), and not whom to trust (`ringway_tls`).

use std::sync::Arc;

use ringway_tls::{Connector, Fault};

use super::fresh::OpenFault;
use crate::lane::Lane;
use crate::link::Link;
use crate::link::handshake::Unsecured;
use crate::observe::{ClusterCells, Handshake};
use crate::plan::Target;

/// Beside the time to connect: three round trips around the world and slow signatures. An endpoint that needs longer is not well.
const HANDSHAKE_MS: u32 = 3_000;

/// Make the handshake.
pub(super) async fn secure(
    link: &mut Link,
    connector: &Connector,
    target: &Target,
    cells: &ClusterCells,
    lane: &Lane,
) -> Result<(), OpenFault> {
    let session = connector.session(&target.host, lane.unix_us() / 1_000_000);
    let done = match session {
        Ok(session) => {
            link.set_deadline(HANDSHAKE_MS);
            link.secure(Box::new(session), lane, || false).await
        }
        Err(unusable) => Err(Unsecured::Fault(Fault::Internal(unusable.to_string()))),
    };
    let cell = cells.of(lane.index);
    match &done {
        Ok(()) => {
            link.clear_deadline();
            let resumed = link.tls().is_some_and(|facts| facts.resumed);
            cell.handshake(if resumed {
                Handshake::Resumed
            } else {
                Handshake::Full
            });
        }
        Err(Unsecured::Fault(fault)) => cell.handshake(Handshake::Fault(fault)),
        Err(_) => cell.handshake(Handshake::Late),
    }
    done.map_err(OpenFault::Unsecured)
}

/// Whether what was verified by one serves where the other is demanded. A reload makes new connectors; those that demand the same are the
/// same.
pub(super) fn are_alike(one: Option<&Arc<Connector>>, other: Option<&Arc<Connector>>) -> bool {
    match (one, other) {
        (None, None) => true,
        (Some(one), Some(other)) => Arc::ptr_eq(one, other) || one.digest() == other.digest(),
        _ => false,
    }
}
