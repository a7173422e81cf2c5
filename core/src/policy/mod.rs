//! Step 5: what a routed request must pass before anything is opened for it, in a fixed order: hops left, loop, body limit, the
//! cluster's request limit. Access rules (`allow`) come even before: also what is answered without an upstream is under them. Rate limits and deadlines find their place in this list. It opens nothing.

pub(crate) mod allow;

use ringway_balancer::Permit;
use ringway_protocols::http1::{self, BodyFraming};

use crate::answer::{Body, Reply};
use crate::exchange::Exchange;
use crate::flow::{After, Stop};
use crate::outcome::Flag;
use crate::queue::{self, NoPlace};
use crate::route::step::Routed;

/// Proof that a request may go on: only [`admit`] and [`admit_connection`] make it, and only it opens an upstream. It holds the request's place in
/// its cluster's limit.
#[derive(Debug)]
pub(crate) struct Admitted {
    route: usize,
    cluster: usize,
    _place: Permit,
}

impl Admitted {
    pub(crate) fn route(&self) -> usize {
        self.route
    }

    pub(crate) fn cluster(&self) -> usize {
        self.cluster
    }
}

/// Pass all of them or be answered.
pub(crate) async fn admit(exchange: &mut Exchange<'_>, routed: Routed) -> Result<Admitted, Stop> {
    last_hop(exchange)?;
    loops(exchange)?;
    body_limit(exchange, &routed)?;
    let place = request_limit(exchange, &routed).await?;
    Ok(Admitted {
        route: routed.route(),
        cluster: routed.cluster(),
        _place: place,
    })
}

/// The same for a connection without requests: it counts as one. What reads requests has nothing to say.
pub(crate) async fn admit_connection(
    exchange: &mut Exchange<'_>,
    routed: Routed,
) -> Result<Admitted, Stop> {
    allow::connection(exchange, routed.route())?;
    let place = request_limit(exchange, &routed).await?;
    Ok(Admitted {
        route: routed.route(),
        cluster: routed.cluster(),
        _place: place,
    })
}

/// `Max-Forwards: 0` makes us the final recipient of an OPTIONS or TRACE (RFC 9110 7.6.2). TRACE is not reflected: what it would show
/// is not for everyone.
fn last_hop(exchange: &Exchange<'_>) -> Result<(), Stop> {
    let request = exchange.request();
    if request.max_forwards() != Some(0) {
        return Ok(());
    }
    match request.method() {
        b"OPTIONS" => Err(Reply {
            body: Body::Nothing,
            ..Reply::new(200, Flag::None)
        }
        .into()),
        b"TRACE" => Err(Reply::new(501, Flag::None).into()),
        _ => Ok(()),
    }
}

/// Our own name in Via again: the request goes in a circle (semantics 44). Under a name of our own the second time is one too many;
/// under the default name it may be another Ringway's (an edge, then two sidecars), so that a circle is let go round a little.
fn loops(exchange: &mut Exchange<'_>) -> Result<(), Stop> {
    const SHARED_NAME_ROUNDS: usize = 8;
    let via = &exchange.plan.plan.via;
    let most = if via == "ringway" {
        SHARED_NAME_ROUNDS
    } else {
        2
    };
    if http1::times_seen(&exchange.request(), via.as_bytes()) < most {
        return Ok(());
    }
    exchange.note(
        Flag::Loop,
        format_args!("this request has passed here before (our name stands in Via too often)"),
    );
    Err(Reply::new(508, Flag::Loop).into())
}

/// A body that says that it is too large is refused before any of it is read.
fn body_limit(exchange: &mut Exchange<'_>, routed: &Routed) -> Result<(), Stop> {
    let limit = limit_of_body(exchange, routed.route());
    match exchange.request().framing() {
        BodyFraming::Length(n) if n > limit => {
            exchange.note(
                Flag::BodyLimit,
                format_args!("the body of {n} bytes is over the limit of {limit}"),
            );
            Err(Reply::closing(413, Flag::BodyLimit).into())
        }
        _ => Ok(()),
    }
}

/// The route's limit before the listener's; `u64::MAX` without one.
pub(crate) fn limit_of_body(exchange: &Exchange<'_>, route: usize) -> u64 {
    exchange
        .route(route)
        .body_limit
        .or(exchange.listener().body_limit)
        .unwrap_or(u64::MAX)
}

async fn request_limit(exchange: &mut Exchange<'_>, routed: &Routed) -> Result<Permit, Stop> {
    let plan = exchange.plan.clone();
    let cluster = &plan.plan.clusters[routed.cluster()];
    let queue_ms = exchange.patience(cluster.queue_for_ms);
    match queue::place(&cluster.requests, queue_ms, exchange.who()).await {
        Ok(place) => Ok(place),
        Err(NoPlace::ClientGone) => {
            exchange.note(
                Flag::ClientGone,
                format_args!("the client went away while its request waited in the queue"),
            );
            Err(Stop::End(After::Abort))
        }
        Err(NoPlace::Full) if exchange.note_total() => {
            Err(Reply::new(504, Flag::TotalTimeout).into())
        }
        Err(NoPlace::Full) => {
            cluster.cells.of(exchange.lane.index).overflow();
            let (limit, waiting) = (cluster.requests.limit(), cluster.requests.waiting());
            exchange.note(
                Flag::Overflow,
                format_args!("cluster `{}`: limits.requests = {limit} is reached and {waiting} wait in the queue", cluster.name),
            );
            Err(Reply::new(503, Flag::Overflow).into())
        }
    }
}
