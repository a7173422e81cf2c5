//! Steps 6 to 8 with retries: pick an endpoint, open a connection, relay. The only loop over them. Retried is only what is
//! always safe: a connection that could not be made, and a reused connection that died before any byte of an answer.

use std::sync::Arc;

use ringway_balancer::{Active, Permit, Tried};
use ringway_config::Protocol;
use ringway_io as io;
use ringway_protocols::proxy_header::Details;

use crate::answer::Reply;
use crate::exchange::Exchange;
use crate::flow::{After, Stop};
use crate::link::handshake::Unsecured;
use crate::outcome::Flag;
use crate::plan::{ClusterPlan, Target};
use crate::policy::Admitted;
use crate::queue::Turn;
use crate::relay::framed::{self, Failure};
use crate::relay::raw;
use crate::upstream::aim::{self, Aim};
use crate::upstream::announce;
use crate::upstream::fresh::{self, OpenFault};
use crate::upstream::{Opened, Upstream, shared};

/// Attempts in all: one, and two more where that is safe.
const MOST_ATTEMPTS: u8 = 3;
/// Connections to an endpoint that chooses another HTTP each time: an upgrade of it takes two.
const MOST_CHOICES: u8 = 3;

/// Try until there is an answer, or nothing more to try.
pub(crate) async fn run(exchange: &mut Exchange<'_>, admitted: Admitted) -> Result<After, Stop> {
    let plan = exchange.plan.clone();
    let cluster = &plan.plan.clusters[admitted.cluster()];
    let mut tried = Tried::default();
    // Once a reused connection has failed, the rest of the pool is not believed either.
    let mut from_pool = true;
    loop {
        let index = pick(exchange, cluster, &admitted, &tried)?;
        let aimed = aim(exchange, cluster, index)?;
        // By reference: counting references would be an atomic operation on a line that all workers write.
        let target = aimed.as_ref().unwrap_or(&cluster.targets[index]);
        let _active = Active::new(&target.load);
        let opened = match cluster.protocol {
            Protocol::H1 => open(exchange, &admitted, cluster, target, from_pool).await,
            Protocol::H2 => open_shared(exchange, &admitted, cluster, target).await,
            Protocol::Auto => open_chosen(exchange, &admitted, cluster, target, from_pool).await,
        };
        let upstream = match opened {
            Ok(upstream) => upstream,
            Err(fault) => {
                tried.mark(index);
                go_on(exchange, cluster, target, &fault, &tried)?;
                continue;
            }
        };
        let reused = upstream.is_reused();
        match framed::relay(exchange, &admitted, upstream).await {
            Ok(after) => return Ok(after),
            Err(Failure::Stop(stop)) => return Err(stop),
            Err(Failure::Unanswered(stop)) => {
                if reused {
                    cluster.cells.of(exchange.lane.index).stale();
                }
                if !(reused && can_be_repeated(exchange)) {
                    return Err(stop);
                }
                exchange.forgive();
                cluster.cells.of(exchange.lane.index).retry();
                from_pool = false;
            }
            // Nobody has looked at it, so that its method does not matter.
            Err(Failure::Refused(stop)) => {
                if !can_be_sent_again(exchange) {
                    return Err(stop);
                }
                exchange.forgive();
                cluster.cells.of(exchange.lane.index).retry();
            }
        }
    }
}

/// The same for a connection without requests: bytes both ways over a fresh connection. Once that stands nothing is repeated: what an
/// endpoint has read of a protocol that we do not know cannot be sent to another one.
pub(crate) async fn tunnel(exchange: &mut Exchange<'_>, admitted: Admitted) -> Result<After, Stop> {
    let plan = exchange.plan.clone();
    let cluster = &plan.plan.clusters[admitted.cluster()];
    let mut tried = Tried::default();
    loop {
        let index = pick(exchange, cluster, &admitted, &tried)?;
        let aimed = aim(exchange, cluster, index)?;
        let target = aimed.as_ref().unwrap_or(&cluster.targets[index]);
        let _active = Active::new(&target.load);
        match open_own(exchange, &admitted, cluster, target).await {
            Ok(upstream) => return Ok(raw::pass(exchange, &admitted, upstream).await),
            Err(fault) => {
                tried.mark(index);
                go_on(exchange, cluster, target, &fault, &tried)?;
            }
        }
    }
}

/// After a connection that could not be made: go on to another endpoint, if that makes sense.
fn go_on(
    exchange: &mut Exchange<'_>,
    cluster: &ClusterPlan,
    target: &Target,
    fault: &OpenFault,
    tried: &Tried,
) -> Result<(), Stop> {
    if !another_endpoint(exchange, cluster, fault, tried) {
        return Err(not_opened(exchange, cluster, target, fault));
    }
    cluster.cells.of(exchange.lane.index).retry();
    Ok(())
}

/// After a connection that could not be made: whether there is an endpoint that was not tried, and time for it.
fn another_endpoint(
    exchange: &Exchange<'_>,
    cluster: &ClusterPlan,
    fault: &OpenFault,
    tried: &Tried,
) -> bool {
    matches!(
        fault,
        OpenFault::Failed(_)
            | OpenFault::TimedOut
            | OpenFault::Unsecured(_)
            | OpenFault::SpeaksOther
    ) && exchange.facts().attempts < MOST_ATTEMPTS
        && exchange.time_left()
        && cluster.has_untried(tried)
}

/// A request that may have arrived can be sent once more if doing it twice does no harm (RFC 9110 section 9.2.2), and if it can be sent
/// once more at all: nothing of its body was taken from the client, not even the framing of its first chunk.
fn can_be_repeated(exchange: &Exchange<'_>) -> bool {
    can_be_sent_again(exchange) && exchange.request().is_idempotent()
}

fn can_be_sent_again(exchange: &Exchange<'_>) -> bool {
    exchange.facts().attempts < MOST_ATTEMPTS
        && exchange.time_left()
        && !exchange.facts().body_begun
}

/// Step 6: which endpoint.
fn pick(
    exchange: &mut Exchange<'_>,
    cluster: &ClusterPlan,
    admitted: &Admitted,
    tried: &Tried,
) -> Result<usize, Stop> {
    let mut cursor = exchange.plan.cursors[admitted.cluster()].borrow_mut();
    let picked = cluster
        .endpoints
        .pick(&mut cursor, exchange.lane.roll(), tried);
    drop(cursor);
    let Some(index) = picked else {
        exchange.note(
            Flag::NoEndpoint,
            format_args!("cluster `{}` has no endpoint to choose", cluster.name),
        );
        return Err(Reply::new(503, Flag::NoEndpoint).into());
    };
    let facts = exchange.facts_mut();
    facts.attempts += 1;
    facts.endpoint = Some(index);
    Ok(index)
}

/// The endpoint that this client has for itself, if the cluster has such.
fn aim(
    exchange: &mut Exchange<'_>,
    cluster: &ClusterPlan,
    index: usize,
) -> Result<Option<Arc<Target>>, Stop> {
    match aim::at(cluster, &cluster.targets[index], exchange.client) {
        Aim::Shared => Ok(None),
        Aim::Own(target) => {
            let text = &mut exchange.facts_mut().endpoint_text;
            text.clear();
            text.push_str(&target.text);
            Ok(Some(target))
        }
        Aim::Nowhere => {
            exchange.note(
                Flag::NoEndpoint,
                format_args!("cluster `{}` goes to original destinations, and this connection was not intercepted", cluster.name),
            );
            Err(Reply::new(503, Flag::NoEndpoint).into())
        }
    }
}

/// Step 7: a connection to it.
async fn open(
    exchange: &mut Exchange<'_>,
    admitted: &Admitted,
    cluster: &ClusterPlan,
    target: &Arc<Target>,
    from_pool: bool,
) -> Result<Opened, OpenFault> {
    let cells = cluster.cells.of(exchange.lane.index);
    let header = announce::header(cluster.proxy_sent, exchange.client, Details::default());
    let announced = header.as_deref().map_or(&[][..], Vec::as_slice);
    if from_pool
        && let Some(upstream) = exchange
            .lane
            .pool
            .borrow_mut()
            .take(cluster, target, announced)
    {
        cells.reused();
        exchange.facts_mut().reused = true;
        return Ok(Opened::Own(upstream));
    }
    exchange.facts_mut().reused = false;
    let queue_ms = exchange.patience(cluster.queue_for_ms);
    let (lane, who) = (exchange.lane, exchange.who());
    let turn = fresh::place(cluster, target, lane, who, queue_ms, announced).await?;
    let place = match turn {
        Turn::Place(place) => place,
        Turn::Instead(upstream) => {
            cells.reused();
            exchange.facts_mut().reused = true;
            return Ok(Opened::Own(upstream));
        }
    };
    let dialed = dial(exchange, admitted, cluster, target, place, header).await;
    dialed.map(Opened::Own)
}

/// The same by HTTP/2: a place on a connection that others use too.
async fn open_shared(
    exchange: &mut Exchange<'_>,
    admitted: &Admitted,
    cluster: &ClusterPlan,
    target: &Arc<Target>,
) -> Result<Opened, OpenFault> {
    let header = announce::header(cluster.proxy_sent, exchange.client, Details::default());
    let connect_ms = exchange.route(admitted.route()).timeouts.connect;
    let plan = exchange.plan.clone();
    let wanted = shared::Wanted {
        plan: &plan,
        cluster: admitted.cluster(),
        target,
        header: header.as_deref().map(Vec::as_slice),
        connect_ms,
        patience_ms: exchange.patience(connect_ms.saturating_add(cluster.queue_for_ms)),
    };
    let lease = shared::lease(exchange.lane, exchange.who(), wanted).await?;
    let reused = lease.is_reused();
    if reused {
        cluster.cells.of(exchange.lane.index).reused();
    }
    exchange.facts_mut().reused = reused;
    Ok(Opened::Shared(lease))
}

/// The same by what the endpoint chooses: it is taken to choose as it did before, and asked again if it does not.
async fn open_chosen(
    exchange: &mut Exchange<'_>,
    admitted: &Admitted,
    cluster: &ClusterPlan,
    target: &Arc<Target>,
    from_pool: bool,
) -> Result<Opened, OpenFault> {
    for _ in 0..MOST_CHOICES {
        let all = &exchange.lane.shared_upstreams;
        let by_http1 = all.borrow().chooses_http1(target);
        let opened = match by_http1 {
            true => open(exchange, admitted, cluster, target, from_pool).await,
            false => open_shared(exchange, admitted, cluster, target).await,
        };
        match opened {
            Ok(Opened::Own(upstream)) if upstream.stream.is_for_http2() => {
                let all = &exchange.lane.shared_upstreams;
                all.borrow_mut().note_choice(target, false);
            }
            Err(OpenFault::SpeaksOther) => {}
            opened => return opened,
        }
    }
    Err(OpenFault::SpeaksOther)
}

/// The same, but only a connection that nobody has used will do, and nobody will after it.
async fn open_own(
    exchange: &mut Exchange<'_>,
    admitted: &Admitted,
    cluster: &ClusterPlan,
    target: &Arc<Target>,
) -> Result<Box<Upstream>, OpenFault> {
    let queue_ms = exchange.patience(cluster.queue_for_ms);
    let place = fresh::own_place(cluster, exchange.lane, exchange.who(), queue_ms).await?;
    let name = exchange.facts().server_name.as_str();
    let details = Details {
        authority: (!name.is_empty()).then_some(name),
        ..Details::default()
    };
    let header = announce::header(cluster.proxy_sent, exchange.client, details);
    dial(exchange, admitted, cluster, target, place, header).await
}

async fn dial(
    exchange: &mut Exchange<'_>,
    admitted: &Admitted,
    cluster: &ClusterPlan,
    target: &Arc<Target>,
    place: Permit,
    header: Option<io::OutBuf>,
) -> Result<Box<Upstream>, OpenFault> {
    let cells = cluster.cells.of(exchange.lane.index);
    let connect_ms = exchange.patience(exchange.route(admitted.route()).timeouts.connect);
    fresh::turn(exchange.lane, exchange.who()).await?;
    let before = io::now_us();
    let opened = fresh::dial(
        cluster,
        target,
        place,
        exchange.lane,
        exchange.plan.plan.mark,
        connect_ms,
        header,
    )
    .await;
    let took = io::now_us().saturating_sub(before);
    cells.connect(opened.is_ok(), took);
    exchange.facts_mut().connect_us = Some(took);
    opened
}

/// There is no connection, and no other endpoint to try.
fn not_opened(
    exchange: &mut Exchange<'_>,
    cluster: &ClusterPlan,
    target: &Target,
    fault: &OpenFault,
) -> Stop {
    if exchange.note_total() {
        return Reply::new(504, Flag::TotalTimeout).into();
    }
    match fault {
        OpenFault::NoPlace => return no_place(exchange, cluster),
        OpenFault::ClientGone => {
            exchange.note(
                Flag::ClientGone,
                format_args!("the client went away while its request waited for a connection"),
            );
            return Stop::End(After::Abort);
        }
        OpenFault::Failed(error) => exchange.note(
            Flag::ConnectFailed,
            format_args!("endpoint {} could not be reached: {error}", target.text),
        ),
        OpenFault::TimedOut => exchange.note(
            Flag::ConnectFailed,
            format_args!(
                "endpoint {} did not accept in time (timeouts.connect)",
                target.text
            ),
        ),
        OpenFault::Unsecured(why) => not_secured(exchange, target, why),
        OpenFault::SpeaksOther => exchange.note(
            Flag::ConnectFailed,
            format_args!(
                "endpoint {} chose another version of HTTP each time",
                target.text
            ),
        ),
    }
    Reply::new(503, Flag::ConnectFailed).into()
}

fn not_secured(exchange: &mut Exchange<'_>, target: &Target, why: &Unsecured) {
    let endpoint = &target.text;
    match why {
        Unsecured::Fault(fault) => exchange.note(
            Flag::ConnectFailed,
            format_args!("no TLS with endpoint {endpoint}: {fault}"),
        ),
        Unsecured::Late { .. } => exchange.note(
            Flag::ConnectFailed,
            format_args!("no TLS with endpoint {endpoint}: its handshake did not end in time"),
        ),
        Unsecured::Nothing => exchange.note(
            Flag::ConnectFailed,
            format_args!("no TLS with endpoint {endpoint}: it closed without a word"),
        ),
        Unsecured::Broken(error) => exchange.note(
            Flag::ConnectFailed,
            format_args!("no TLS with endpoint {endpoint}: {error}"),
        ),
    }
}

fn no_place(exchange: &mut Exchange<'_>, cluster: &ClusterPlan) -> Stop {
    cluster.cells.of(exchange.lane.index).overflow();
    let limit = cluster.connections.limit();
    exchange.note(
        Flag::Overflow,
        format_args!("cluster `{}`: limits.connections = {limit} is reached, and no place came free in {} ms", cluster.name, cluster.queue_for_ms),
    );
    Reply::new(503, Flag::Overflow).into()
}
