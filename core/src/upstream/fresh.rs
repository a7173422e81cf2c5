//! A new connection to an endpoint, within the cluster's connection limit.

use std::future::{Future, poll_fn};
use std::io::ErrorKind;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use ringway_balancer::Permit;
use ringway_io::{self as io, OutBuf};

use super::{Ties, Upstream, secure};
use crate::caller::Who;
use crate::lane::Lane;
use crate::link::Link;
use crate::link::handshake::Unsecured;
use crate::plan::{ClusterPlan, Target};
use crate::queue::{self, NoPlace, Turn};

/// Why there is none.
#[derive(Debug)]
pub(crate) enum OpenFault {
    /// `limits.connections` is reached, and no place came free in time.
    NoPlace,
    /// The client went away while it waited for one.
    ClientGone,
    /// The endpoint did not take the connection in time.
    TimedOut,
    /// It refused, or cannot be reached.
    Failed(std::io::Error),
    /// It was reached, and the handshake of TLS failed.
    Unsecured(Unsecured),
    /// It chose the other HTTP than it did before. That was noted.
    SpeaksOther,
}

impl OpenFault {
    /// The same, for another one who waited.
    pub(super) fn again(&self) -> OpenFault {
        match self {
            OpenFault::NoPlace => OpenFault::NoPlace,
            OpenFault::ClientGone => OpenFault::ClientGone,
            OpenFault::TimedOut => OpenFault::TimedOut,
            OpenFault::Failed(error) => {
                OpenFault::Failed(std::io::Error::new(error.kind(), error.to_string()))
            }
            OpenFault::Unsecured(why) => OpenFault::Unsecured(why.again()),
            OpenFault::SpeaksOther => OpenFault::SpeaksOther,
        }
    }
}

/// A place in the limit for a connection to `target`, or a connection that another exchange of this worker gives back meanwhile.
pub(crate) async fn place(
    cluster: &ClusterPlan,
    target: &Arc<Target>,
    lane: &Lane,
    who: Who<'_>,
    queue_ms: u32,
    header: &[u8],
) -> Result<Turn<Box<Upstream>>, OpenFault> {
    if let Some(place) = at_once(cluster, lane) {
        return Ok(Turn::Place(place));
    }
    let returned = |cx: &mut std::task::Context<'_>| {
        let mut pool = lane.pool.borrow_mut();
        pool.take_or_wait(cluster, target, header, cx.waker())
    };
    let turn = queue::wait(&cluster.connections, queue_ms, who, returned).await;
    turn.map_err(OpenFault::from)
}

/// The same for whoever needs a connection that nobody has used.
pub(crate) async fn own_place(
    cluster: &ClusterPlan,
    lane: &Lane,
    who: Who<'_>,
    queue_ms: u32,
) -> Result<Permit, OpenFault> {
    if let Some(place) = at_once(cluster, lane) {
        return Ok(place);
    }
    let place = queue::place(&cluster.connections, queue_ms, who).await;
    place.map_err(OpenFault::from)
}

pub(super) fn at_once(cluster: &ClusterPlan, lane: &Lane) -> Option<Permit> {
    let gate = &cluster.connections;
    gate.try_enter().or_else(|| {
        // An idle connection to another endpoint is worth less than a request that waits.
        let evicted = lane.pool.borrow_mut().evict(gate);
        evicted.then(|| gate.try_enter()).flatten()
    })
}

impl From<NoPlace> for OpenFault {
    fn from(why: NoPlace) -> OpenFault {
        match why {
            NoPlace::Full => OpenFault::NoPlace,
            NoPlace::ClientGone => OpenFault::ClientGone,
        }
    }
}

/// A client's turn to have a connection opened, if it is still there.
pub(crate) async fn turn(lane: &Lane, who: Who<'_>) -> Result<(), OpenFault> {
    let mut turn = pin!(lane.dials.enter(std::ptr::from_ref(who.client).addr()));
    who.client.stream.clear_deadline();
    poll_fn(|cx| match turn.as_mut().poll(cx) {
        Poll::Ready(()) => Poll::Ready(Ok(())),
        Poll::Pending => who.poll_gone(cx).map(|()| Err(OpenFault::ClientGone)),
    })
    .await
}

/// Connect to `target`, in a turn for that. The PROXY header, if there is one, goes out with what is sent first.
pub(crate) async fn dial(
    cluster: &ClusterPlan,
    target: &Arc<Target>,
    place: Permit,
    lane: &Lane,
    mark: u32,
    connect_ms: u32,
    header: Option<OutBuf>,
) -> Result<Box<Upstream>, OpenFault> {
    let who = io::DialAs {
        mark,
        source: target.source,
    };
    let stream = io::dial_as(&target.address, connect_ms, who).await;
    let stream = stream.map_err(|error| match error.kind() {
        ErrorKind::TimedOut => OpenFault::TimedOut,
        _ => OpenFault::Failed(error),
    })?;
    let mut stream = Link::from(stream);
    let announced = header.as_deref().map_or(&[][..], Vec::as_slice).into();
    if let Some(header) = header {
        // The queue of a fresh connection is empty.
        let _ = stream.queue(header);
    }
    if let Some(connector) = &cluster.tls {
        // Pooled: exchanges without TLS should not be larger for it.
        io::pooled(secure::secure(
            &mut stream,
            connector,
            target,
            &cluster.cells,
            lane,
        ))
        .await?;
    }
    Ok(Box::new(Upstream {
        stream,
        target: target.clone(),
        ties: Ties::new(cluster, lane.index, place),
        header: announced,
        demanded: cluster.tls.clone(),
        reused: false,
    }))
}
