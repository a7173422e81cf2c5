//! A worker's connections of HTTP/2 to endpoints. Several exchanges use one at once, up to what the peer allows; then another is opened. One is
//! opened at a time per endpoint, and whoever asks meanwhile waits for it, so that a burst does not become a burst of connections.

mod lease;

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Poll, Waker};

use ringway_balancer::Gate;
use ringway_config::Protocol;
use ringway_io::{self as io, OutBuf};
use ringway_tls::Connector;

pub(crate) use self::lease::{Lease, Question};
use super::fresh::{self, OpenFault};
use super::{Upstream, secure};
use crate::caller::Who;
use crate::http2::{Connection, Driven, Growth, Held};
use crate::lane::{Lane, LanePlan};
use crate::plan::{Plan, Target};
use crate::queue;
use crate::turns::NOBODY;

/// Exchanges on one connection at most, whatever the peer allows. Far above what is of use; bounds what the end of one connection ends.
const MOST_STREAMS: u32 = 1024;
/// A connection that nobody uses is kept so long (semantics 54).
const IDLE_MS: u64 = 5 * 60 * 1000;
/// A connection that has been silent for so long is pinged,
const PING_AFTER_MS: u32 = 30_000;
/// and closed if nothing comes back in this time.
const PONG_MS: u32 = 10_000;

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct SharedUpstreams {
    /// Oldest first; the first one with room is taken, so that the surplus falls idle.
    connections: Vec<Rc<Shared>>,
    opening: Vec<Rc<Opening>>,
    /// Exchanges that wait for a place, by endpoint.
    waiting: Vec<(u32, Waker)>,
    /// By [`Target::id`]: where the endpoint may choose, it chose HTTP/1.1 the last time. What a reload makes wrong, the next handshake sets right.
    choose_http1: Vec<bool>,
    growth: Rc<Growth>,
}

/// One connection.
#[derive(Debug)]
struct Shared {
    connection: Rc<Connection>,
    target: Arc<Target>,
    /// The PROXY header that it began with.
    header: Box<[u8]>,
    /// What was demanded of who is at its other end; None without TLS.
    demanded: Option<Arc<Connector>>,
    /// The cluster's `limits.connections`.
    gate: Arc<Gate>,
    lane: Rc<Lane>,
    in_use: Cell<u32>,
    /// It has served before.
    used: Cell<bool>,
    /// Takes no more: its endpoint is gone, or its place is wanted.
    closed: Cell<bool>,
    idle_since_ms: Cell<u64>,
    /// Of the task that reads and writes its frames.
    waker: RefCell<Option<Waker>>,
}

/// A connection on its way.
#[derive(Debug)]
struct Opening {
    target: Arc<Target>,
    header: Box<[u8]>,
    demanded: Option<Arc<Connector>>,
    /// Why it did not come about.
    failed: RefCell<Option<OpenFault>>,
    done: Cell<bool>,
}

impl Shared {
    fn wake(&self) {
        if let Some(waker) = &*self.waker.borrow() {
            waker.wake_by_ref();
        }
    }

    /// Nobody uses it, and nobody will or should.
    fn is_over(&self) -> bool {
        self.in_use.get() == 0
            && (self.closed.get()
                || self.gate.waiting() > 0
                || io::now_ms().saturating_sub(self.idle_since_ms.get()) > IDLE_MS)
    }

    fn fits(&self, wanted: &Wanted<'_>) -> bool {
        self.target.is_same(wanted.target)
            && *self.header == *wanted.header.unwrap_or_default()
            && secure::are_alike(self.demanded.as_ref(), wanted.demands())
            && !self.closed.get()
    }

    /// A place, if there is one and the connection stands.
    fn lease(self: &Rc<Shared>) -> Option<Lease> {
        let most = self.connection.most_streams().unwrap_or(0);
        if self.in_use.get() >= most.min(MOST_STREAMS) {
            return None;
        }
        if !self.connection.is_open() {
            // It has ended, or was told to go away.
            self.closed.set(true);
            self.wake();
            return None;
        }
        self.in_use.set(self.in_use.get() + 1);
        let reused = self.used.replace(true);
        Some(Lease {
            shared: self.clone(),
            reused,
        })
    }
}

impl SharedUpstreams {
    fn take(&self, wanted: &Wanted<'_>) -> Option<Lease> {
        let fitting = self.connections.iter().filter(|c| c.fits(wanted));
        fitting.map(Shared::lease).find_map(|lease| lease)
    }

    /// What an endpoint that may choose chose the last time.
    pub(crate) fn chooses_http1(&self, target: &Target) -> bool {
        let chosen = self.choose_http1.get(target.id as usize);
        chosen.copied().unwrap_or(false)
    }

    /// It has chosen.
    pub(crate) fn note_choice(&mut self, target: &Target, http1: bool) {
        let id = target.id as usize;
        if self.choose_http1.len() <= id {
            self.choose_http1.resize(id + 1, false);
        }
        self.choose_http1[id] = http1;
    }

    fn wake_waiting(&mut self, id: u32) {
        self.waiting.retain(|(waits, waker)| {
            let stays = *waits != id;
            if !stays {
                waker.wake_by_ref();
            }
            stays
        });
    }

    /// A reload: connections to endpoints that are gone take no more.
    pub(crate) fn keep_only(&self, plan: &Plan) {
        for shared in &self.connections {
            let mut targets = plan.clusters.iter().flat_map(|c| &c.targets);
            if !targets.any(|t| t.is_kin(&shared.target)) {
                shared.closed.set(true);
                shared.wake();
            }
        }
    }

    /// Close what is over its time, or holds a place that somebody waits for.
    pub(crate) fn sweep(&self) {
        let over = self.connections.iter().filter(|c| c.is_over());
        over.for_each(|shared| shared.wake());
    }

    /// The process is on its way out: what nobody uses is closed.
    pub(crate) fn close_idle(&self) {
        for shared in self.connections.iter().filter(|c| c.in_use.get() == 0) {
            shared.closed.set(true);
            shared.wake();
        }
    }
}

/// What is needed to open a connection, whoever wants it.
#[derive(Debug)]
pub(crate) struct Wanted<'w> {
    pub(crate) plan: &'w Rc<LanePlan>,
    /// By index in the plan.
    pub(crate) cluster: usize,
    pub(crate) target: &'w Arc<Target>,
    pub(crate) header: Option<&'w [u8]>,
    pub(crate) connect_ms: u32,
    /// The wait for a place ends after so long.
    pub(crate) patience_ms: u32,
}

impl Wanted<'_> {
    /// Whom a connection must find at its other end.
    fn demands(&self) -> Option<&Arc<Connector>> {
        self.plan.plan.clusters[self.cluster].tls.as_ref()
    }
}

/// A place on a connection to `target`: at once, or when one was opened, or when another exchange leaves its own.
pub(crate) async fn lease(
    lane: &Rc<Lane>,
    who: Who<'_>,
    wanted: Wanted<'_>,
) -> Result<Lease, OpenFault> {
    if let Some(lease) = lane.shared_upstreams.borrow().take(&wanted) {
        return Ok(lease);
    }
    let alarm = io::Alarm::new();
    alarm.set(wanted.patience_ms);
    let mut joined: Option<Rc<Opening>> = None;
    poll_fn(|cx| {
        if let Some(fault) = joined.as_ref().and_then(|o| o.fault()) {
            return Poll::Ready(Err(fault));
        }
        if let Some(lease) = lane.shared_upstreams.borrow().take(&wanted) {
            return Poll::Ready(Ok(lease));
        }
        if joined.as_ref().is_none_or(|opening| opening.done.get()) {
            joined = Some(open(lane, &wanted));
        }
        let mut all = lane.shared_upstreams.borrow_mut();
        let waits = (wanted.target.id, cx.waker().clone());
        if !all.waiting.iter().any(|w| w.1.will_wake(&waits.1)) {
            all.waiting.push(waits);
        }
        drop(all);
        if who.poll_gone(cx).is_ready() {
            return Poll::Ready(Err(OpenFault::ClientGone));
        }
        alarm.poll(cx).map(|()| Err(OpenFault::TimedOut))
    })
    .await
}

impl Opening {
    fn fault(&self) -> Option<OpenFault> {
        self.failed.borrow().as_ref().map(OpenFault::again)
    }
}

/// The connection that is on its way to this endpoint, or one that begins now.
fn open(lane: &Rc<Lane>, wanted: &Wanted<'_>) -> Rc<Opening> {
    let header = wanted.header.unwrap_or_default();
    let mut all = lane.shared_upstreams.borrow_mut();
    if let Some(opening) = all.opening.iter().find(|o| {
        o.target.is_same(wanted.target)
            && *o.header == *header
            && secure::are_alike(o.demanded.as_ref(), wanted.demands())
    }) {
        return opening.clone();
    }
    let opening = Rc::new(Opening {
        target: wanted.target.clone(),
        header: header.into(),
        demanded: wanted.demands().cloned(),
        failed: RefCell::new(None),
        done: Cell::new(false),
    });
    all.opening.push(opening.clone());
    drop(all);
    let task = Open {
        lane: lane.clone(),
        plan: wanted.plan.clone(),
        cluster: wanted.cluster,
        target: wanted.target.clone(),
        connect_ms: wanted.connect_ms,
        opening: opening.clone(),
    };
    io::spawn(task.run());
    opening
}

/// The task that opens a connection and then reads and writes its frames. It belongs to no exchange: one that gives up does not end it for others.
struct Open {
    lane: Rc<Lane>,
    plan: Rc<LanePlan>,
    cluster: usize,
    target: Arc<Target>,
    connect_ms: u32,
    opening: Rc<Opening>,
}

impl Open {
    async fn run(self) {
        let dialed = self.dial().await;
        let cluster = &self.plan.plan.clusters[self.cluster];
        let opened = match dialed {
            Ok(upstream)
                if cluster.protocol == Protocol::Auto && !upstream.stream.is_for_http2() =>
            {
                self.chose_http1(upstream);
                Err(OpenFault::SpeaksOther)
            }
            Ok(upstream) => self.shake_hands(upstream).await,
            Err(fault) => Err(fault),
        };
        let lane = self.lane.clone();
        let (shared, connection) = match opened {
            Ok(opened) => {
                let mut all = lane.shared_upstreams.borrow_mut();
                all.connections.push(opened.0.clone());
                self.end(&mut all, None);
                opened
            }
            Err(fault) => {
                self.end(&mut lane.shared_upstreams.borrow_mut(), Some(fault));
                return;
            }
        };
        drop(self);
        drive(&shared, connection).await;
        shared.closed.set(true);
        let mut all = lane.shared_upstreams.borrow_mut();
        all.connections.retain(|c| !Rc::ptr_eq(c, &shared));
    }

    /// The connection is as good as any other of HTTP/1.1; whoever waits goes on with those.
    fn chose_http1(&self, upstream: Box<Upstream>) {
        let cluster = &self.plan.plan.clusters[self.cluster];
        let mut all = self.lane.shared_upstreams.borrow_mut();
        all.note_choice(&self.target, true);
        drop(all);
        self.lane.pool.borrow_mut().put(upstream, cluster);
    }

    fn end(&self, all: &mut SharedUpstreams, fault: Option<OpenFault>) {
        self.opening.failed.replace(fault);
        self.opening.done.set(true);
        all.opening.retain(|o| !Rc::ptr_eq(o, &self.opening));
        all.wake_waiting(self.opening.target.id);
    }

    async fn dial(&self) -> Result<Box<Upstream>, OpenFault> {
        let cluster = &self.plan.plan.clusters[self.cluster];
        let place = match fresh::at_once(cluster, &self.lane) {
            Some(place) => place,
            None => queue::place_for_itself(&cluster.connections, cluster.queue_for_ms)
                .await
                .ok_or(OpenFault::NoPlace)?,
        };
        let header = (!self.opening.header.is_empty()).then(|| {
            let mut out = OutBuf::take();
            out.extend_from_slice(&self.opening.header);
            out
        });
        self.lane.dials.enter(NOBODY).await;
        let before = io::now_us();
        let worker = self.lane.index;
        let dialed = fresh::dial(
            cluster,
            &self.target,
            place,
            &self.lane,
            self.plan.plan.mark,
            self.connect_ms,
            header,
        )
        .await;
        let took = io::now_us().saturating_sub(before);
        cluster.cells.of(worker).connect(dialed.is_ok(), took);
        dialed
    }

    async fn shake_hands(
        &self,
        mut upstream: Box<Upstream>,
    ) -> Result<(Rc<Shared>, Driven), OpenFault> {
        let header = std::mem::take(&mut upstream.header);
        let gate = upstream.ties.gate.clone();
        let demanded = upstream.demanded.clone();
        let growth = self.lane.shared_upstreams.borrow().growth.clone();
        let connection = Driven(Connection::client(Held::Upstream(upstream), growth));
        let alarm = io::Alarm::new();
        alarm.set(self.connect_ms);
        // Before its SETTINGS have come nobody knows how many streams it takes, nor whether it speaks HTTP/2 at all. One that takes none may take some
        // later; another connection would most likely fare no better, so that all wait for this one.
        poll_fn(|cx| {
            let ended = connection.poll(cx);
            let most = connection.most_streams();
            if most.is_some_and(|most| most > 0) {
                return Poll::Ready(Ok(()));
            }
            match ended {
                Poll::Ready(Ok(())) => Poll::Ready(Err(no_http2("it ended the connection"))),
                Poll::Ready(Err(fault)) => Poll::Ready(Err(no_http2(fault))),
                Poll::Pending => alarm.poll(cx).map(|()| match most {
                    None => Err(OpenFault::TimedOut),
                    Some(_) => Err(takes_none()),
                }),
            }
        })
        .await?;
        let shared = Shared {
            connection: connection.0.clone(),
            target: self.target.clone(),
            header,
            demanded,
            gate,
            lane: self.lane.clone(),
            in_use: Cell::new(0),
            used: Cell::new(false),
            closed: Cell::new(false),
            idle_since_ms: Cell::new(io::now_ms()),
            waker: RefCell::new(None),
        };
        Ok((Rc::new(shared), connection))
    }
}

/// The connection stands, and its peer does not speak HTTP/2.
fn no_http2(why: impl std::fmt::Display) -> OpenFault {
    OpenFault::Failed(std::io::Error::other(format!("no HTTP/2 there: {why}")))
}

/// The connection stands, and no stream may be opened on it.
fn takes_none() -> OpenFault {
    OpenFault::Failed(std::io::Error::other(
        "it takes no requests (SETTINGS_MAX_CONCURRENT_STREAMS is 0)",
    ))
}

/// Read and write frames until the connection has ended, or nobody needs it any more.
async fn drive(shared: &Rc<Shared>, connection: Driven) {
    let alarm = io::Alarm::new();
    let mut pinged = false;
    alarm.set(PING_AFTER_MS);
    poll_fn(|cx| {
        if shared.waker.borrow().is_none() {
            shared.waker.replace(Some(cx.waker().clone()));
        }
        loop {
            if connection.poll(cx).is_ready() {
                return Poll::Ready(());
            }
            if pinged && connection.ponged() {
                pinged = false;
                alarm.set(PING_AFTER_MS);
            }
            if shared.is_over() {
                return Poll::Ready(());
            }
            if alarm.poll(cx).is_pending() {
                return Poll::Pending;
            }
            // Silent for too long.
            if pinged {
                return Poll::Ready(());
            }
            pinged = true;
            connection.ping();
            alarm.set(PONG_MS);
        }
    })
    .await;
}
