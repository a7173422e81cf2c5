//! The course of a UDP session: which endpoint, another one while nothing was answered and the network says that nobody is there, and how it ended.
//! What an `Exchange` is to a request, without what belongs to requests: a session is small, and there may be many.

use std::fmt::Write;
use std::future::poll_fn;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;

use ringway_balancer::{Active, Tried};
use ringway_io as io;

use super::{End, Places, Session};
use crate::exchange::put_ip;
use crate::lane::{Lane, add};
use crate::observe::{Lost, Record};
use crate::outcome::Flag;
use crate::plan::{ClusterPlan, Target};
use crate::upstream::Ties;

/// Endpoints in all, as for connections.
const MOST_ATTEMPTS: u8 = 3;

/// The session's task.
pub(super) async fn run(session: Rc<Session>, places: Places, lane: Rc<Lane>) {
    let waker = poll_fn(|cx| Poll::Ready(cx.waker().clone())).await;
    let _seat = lane.enter_session(waker, session.listener().cells.clone());
    let mut course = Course::begin(session, lane);
    course.run(places).await;
}

/// A running session. It is recorded, and its door forgets it, when this is dropped, in whatever way.
#[derive(Debug)]
struct Course {
    session: Rc<Session>,
    lane: Rc<Lane>,
    flag: Flag,
    /// For people; empty when there is nothing to say.
    reason: String,
    endpoint: Option<usize>,
    attempts: u8,
    started_us: u64,
    first_answer_us: Option<u64>,
    /// It ended in one of the ways that are known here, so that it was not cut.
    over: bool,
}

impl Course {
    fn begin(session: Rc<Session>, lane: Rc<Lane>) -> Course {
        add(&lane.shared.gauge.exchanges, 1);
        Course {
            session,
            lane,
            flag: Flag::None,
            reason: String::new(),
            endpoint: None,
            attempts: 0,
            started_us: io::now_us(),
            first_answer_us: None,
            over: false,
        }
    }

    fn note(&mut self, flag: Flag, reason: std::fmt::Arguments<'_>) {
        self.flag = flag;
        self.reason.clear();
        // Writing to a String cannot fail.
        let _ = self.reason.write_fmt(reason);
    }

    /// One endpoint after the other, until the session is over.
    async fn run(&mut self, places: Places) {
        let session = self.session.clone();
        let cluster = &session.plan.plan.clusters[session.udp().cluster];
        let mut tried = Tried::default();
        let _ties = Ties::new(cluster, self.lane.index, places.of_connections);
        loop {
            let Some(index) = self.pick(cluster, &tried) else {
                session
                    .waiting
                    .borrow()
                    .iter()
                    .for_each(|_| session.lose(Lost::NoEndpoint));
                return self.note(
                    Flag::NoEndpoint,
                    format_args!("cluster `{}` has no endpoint to choose", cluster.name),
                );
            };
            let target = &cluster.targets[index];
            let _active = Active::new(&target.load);
            let end = match self.open(cluster, target) {
                Ok(socket) => self.answers(&socket).await,
                Err(error) => End::Refused(error),
            };
            tried.mark(index);
            if !self.goes_on(end, cluster, target, &tried) {
                return;
            }
            cluster.cells.of(self.lane.index).retry();
        }
    }

    fn pick(&mut self, cluster: &ClusterPlan, tried: &Tried) -> Option<usize> {
        let cursors = &self.session.plan.cursors[self.session.udp().cluster];
        let picked = cluster
            .endpoints
            .pick(&mut cursors.borrow_mut(), self.lane.roll(), tried);
        if picked.is_some() {
            self.attempts += 1;
            self.endpoint = picked;
        }
        self.over = picked.is_none();
        picked
    }

    /// A socket to it, and everything that waits on its way.
    fn open(
        &self,
        cluster: &ClusterPlan,
        target: &Arc<Target>,
    ) -> std::io::Result<Rc<io::Datagrams>> {
        let opened = io::Datagrams::connect(&target.address);
        // No packet goes out for it: it takes no time.
        cluster.cells.of(self.lane.index).connect(opened.is_ok(), 0);
        let socket = Rc::new(opened?);
        self.session.turn_to(socket.clone());
        Ok(socket)
    }

    async fn answers(&mut self, socket: &io::Datagrams) -> End {
        poll_fn(|cx| {
            let end = self.session.poll_answers(socket, &self.lane, cx);
            if self.session.answered.get() && self.first_answer_us.is_none() {
                self.first_answer_us = Some(io::now_us().saturating_sub(self.started_us));
            }
            end
        })
        .await
    }

    /// Note how it ended with this endpoint. Whether another one is to be tried.
    fn goes_on(&mut self, end: End, cluster: &ClusterPlan, target: &Target, tried: &Tried) -> bool {
        self.over = !matches!(end, End::Stopped);
        match end {
            End::Answered | End::Stopped => {}
            End::Silent => self.note_silence(),
            End::Cut => {
                let ms = self.session.plan.plan.drain_ms;
                self.note(
                    Flag::Cut,
                    format_args!("its listener was closed, and the session did not end in {ms} ms (server.drain)"),
                );
            }
            End::Refused(_)
                if !self.session.answered.get()
                    && self.attempts < MOST_ATTEMPTS
                    && cluster.has_untried(tried) =>
            {
                return true;
            }
            End::Refused(error) => {
                let flag = if self.session.answered.get() {
                    Flag::UpstreamReset
                } else {
                    self.session.lose(Lost::SendFailed);
                    Flag::ConnectFailed
                };
                self.note(
                    flag,
                    format_args!("endpoint {} cannot be reached: {error}", target.text),
                );
            }
        }
        false
    }

    /// Silence is how sessions end, unless somebody waits for an answer.
    fn note_silence(&mut self) {
        let session = self.session.clone();
        let (asked, answers) = (
            session.from_client.datagrams.get(),
            session.to_client.datagrams.get(),
        );
        if let Some(each) = session.udp().responses {
            let ms = session.patience_ms.get();
            let why = if session.ending.get() {
                "its listener was to end"
            } else {
                "listener's timeouts.idle"
            };
            self.note(
                Flag::UpstreamTimeout,
                format_args!("{answers} answers to {asked} datagrams, of {each} each, and nothing more for {ms} ms ({why})"),
            );
        }
    }

    fn record(&self) {
        let session = &self.session;
        let plan = &session.plan.plan;
        let worker = self.lane.index;
        let duration_us = io::now_us().saturating_sub(self.started_us);
        let (bytes_in, bytes_out) = (
            session.from_client.bytes.get(),
            session.to_client.bytes.get(),
        );
        let route = session
            .listener()
            .only_route
            .map(|route| &plan.routes[route]);
        let cells = route.map_or(&plan.unrouted, |route| &route.cells);
        cells
            .of(worker)
            .exchange(0, self.flag, duration_us, bytes_in, bytes_out);
        let cluster = &plan.clusters[session.udp().cluster];
        cluster.cells.of(worker).exchange(0, self.flag, 0);
        let mut log = self.lane.log.borrow_mut();
        if !log.enabled() {
            return;
        }
        let mut client = String::new();
        put_ip(&mut client, session.ends.client.ip().to_canonical());
        log.line(&Record {
            time_unix_us: self.lane.unix_us() - duration_us,
            duration_us,
            upstream_us: self.first_answer_us,
            connect_us: None,
            client: &client,
            peer: &client,
            identity: "",
            tls: "",
            listener: &session.listener().name,
            method: b"",
            authority: b"",
            path: b"",
            protocol: "UDP",
            status: 0,
            grpc_status: "",
            flag: self.flag,
            reason: &self.reason,
            route: route.map_or("", |route| &route.name),
            cluster: &cluster.name,
            destination: "",
            endpoint: self.endpoint.map_or("", |e| &cluster.targets[e].text),
            attempts: self.attempts,
            reused: false,
            bytes_in,
            bytes_out,
            datagrams: Some((
                session.from_client.datagrams.get(),
                session.to_client.datagrams.get(),
            )),
            request_id: b"",
            user_agent: b"",
            worker,
        });
    }
}

impl Drop for Course {
    fn drop(&mut self) {
        add(&self.lane.shared.gauge.exchanges, -1);
        self.session.door.forget(&self.session.ends);
        if self.lane.is_stopping() && !self.over {
            self.note(
                Flag::Cut,
                format_args!("the proxy stopped before it was done"),
            );
            let seconds = io::now_us().saturating_sub(self.started_us) as f64 / 1e6;
            let listener = &self.session.listener().name;
            self.lane
                .report_cut(|| format!("a UDP session after {seconds:.1} s (listener {listener})"));
        }
        self.record();
    }
}
