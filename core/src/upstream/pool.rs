//! A worker's idle upstream connections, by endpoint. The one used last is used first: it is the least likely to be closed at
//! the other end, and the surplus ages out. Each keeps a receive armed, so that an end is seen before use.

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::Waker;

use ringway_balancer::Gate;
use ringway_io as io;

use super::{Upstream, secure};
use crate::plan::{ClusterPlan, Plan, Target};

/// Idle connections that one worker keeps to one endpoint. Above it the surplus is closed: bounds the table, and is far above
/// what a worker uses at once unless requests are very slow.
const MOST_IDLE: usize = 512;

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Pool {
    /// By [`Target::id`]; each oldest first.
    idle: Vec<Vec<Idle>>,
    count: usize,
    /// Exchanges of this worker that wait for a connection to an endpoint, first come first. One that gave up stays until its turn.
    waiting: VecDeque<(u32, Waker)>,
}

#[derive(Debug)]
struct Idle {
    upstream: Box<Upstream>,
    until_ms: u64,
    /// Somebody who waits was woken for it, and has not had time to come. No sweep has seen it since.
    promised: bool,
}

impl Pool {
    /// An idle connection that still stands, to the same address from the same one, that began with the same PROXY header (empty: with none),
    /// and whose other end was verified as the cluster demands it now.
    pub(crate) fn take(
        &mut self,
        cluster: &ClusterPlan,
        target: &Arc<Target>,
        header: &[u8],
    ) -> Option<Box<Upstream>> {
        let idle = self.idle.get_mut(target.id as usize)?;
        // Without headers, and with those of few clients, the last one fits.
        let fits = |Idle { upstream, .. }: &Idle| {
            // A reload may have given the id to another endpoint.
            upstream.target.is_same(target)
                && *upstream.header == *header
                && secure::are_alike(upstream.demanded.as_ref(), cluster.tls.as_ref())
        };
        while let Some(at) = idle.iter().rposition(fits) {
            let Idle { mut upstream, .. } = idle.remove(at);
            self.count -= 1;
            upstream.ties.idle(-1);
            if upstream.stream.is_quiet() {
                upstream.reused = true;
                return Some(upstream);
            }
        }
        None
    }

    /// The same, or be woken when one comes back.
    pub(crate) fn take_or_wait(
        &mut self,
        cluster: &ClusterPlan,
        target: &Arc<Target>,
        header: &[u8],
        waker: &Waker,
    ) -> Option<Box<Upstream>> {
        self.waiting.retain(|(_, other)| !other.will_wake(waker));
        let taken = self.take(cluster, target, header);
        if taken.is_none() {
            self.waiting.push_back((target.id, waker.clone()));
        }
        taken
    }

    /// Keep a connection for later. At the cluster's limit it is for whoever of this worker waits for it, else it is closed, so that
    /// another worker gets its place. It is closed too where its stream is not at rest (bytes that nobody asked for).
    pub(crate) fn put(&mut self, upstream: Box<Upstream>, cluster: &ClusterPlan) {
        let id = upstream.target.id as usize;
        if !upstream.stream.is_quiet() {
            return;
        }
        let promised = upstream.ties.is_wanted();
        if promised {
            // Made for one client it is of no use to whoever waits, its place is.
            if upstream.is_private() {
                return;
            }
            let waits = |(other, _): &(u32, Waker)| *other == upstream.target.id;
            match self
                .waiting
                .iter()
                .position(waits)
                .and_then(|at| self.waiting.remove(at))
            {
                Some((_, waker)) => waker.wake(),
                None => return,
            }
        }
        if self.idle.len() <= id {
            self.idle.resize_with(id + 1, Vec::new);
        }
        let idle = &mut self.idle[id];
        if idle.len() >= MOST_IDLE {
            if !upstream.is_private() {
                return;
            }
            // Each is of use to one client alone, and the oldest one's is the least likely to come back.
            idle.remove(0).upstream.ties.idle(-1);
            self.count -= 1;
        }
        upstream.stream.clear_deadline();
        upstream.ties.idle(1);
        idle.push(Idle {
            upstream,
            until_ms: io::now_ms() + u64::from(cluster.pool_idle_ms),
            promised,
        });
        self.count += 1;
    }

    /// Close the oldest idle connection that holds a place behind `gate`. False if there is none.
    pub(crate) fn evict(&mut self, gate: &Arc<Gate>) -> bool {
        let of_gate = self.idle.iter_mut().filter(|idle| {
            let oldest = idle.first();
            oldest.is_some_and(|i| Arc::ptr_eq(&i.upstream.ties.gate, gate))
        });
        match of_gate.min_by_key(|idle| idle[0].until_ms) {
            Some(idle) => {
                let Idle { upstream, .. } = idle.remove(0);
                upstream.ties.idle(-1);
                self.count -= 1;
                true
            }
            None => false,
        }
    }

    /// Close what is over its time, has ended at the other end, or holds a place that somebody waits for. Who was woken for a connection
    /// has until the next sweep to take it; it may also have given up.
    pub(crate) fn sweep(&mut self, now_ms: u64) {
        if self.count == 0 {
            return;
        }
        self.retain(|idle| {
            idle.until_ms > now_ms
                && idle.upstream.stream.is_quiet()
                && (std::mem::take(&mut idle.promised) || !idle.upstream.ties.is_wanted())
        });
    }

    /// A reload: connections to endpoints that are gone are closed, all others stay.
    pub(crate) fn keep_only(&mut self, plan: &Plan) {
        let mut known: Vec<Option<&Arc<Target>>> = vec![None; self.idle.len()];
        for target in plan.clusters.iter().flat_map(|c| &c.targets) {
            if let Some(known) = known.get_mut(target.id as usize) {
                *known = Some(target);
            }
        }
        self.retain(|idle| {
            let target = &idle.upstream.target;
            known[target.id as usize].is_some_and(|known| known.is_kin(target))
        });
    }

    pub(crate) fn clear(&mut self) {
        self.retain(|_| false);
    }

    fn retain(&mut self, mut stays: impl FnMut(&mut Idle) -> bool) {
        self.count = 0;
        for idle in &mut self.idle {
            idle.retain_mut(|idle| {
                let stays = stays(idle);
                if !stays {
                    idle.upstream.ties.idle(-1);
                }
                stays
            });
            self.count += idle.len();
        }
    }
}
