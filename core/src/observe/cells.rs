//! What is counted for each route, cluster and listener: every worker has a padded block of its own, whoever reads sums the
//! blocks. No shared cache line on the data path.
//!
//! Not the arithmetic (`count.rs`), not the names or the page (`names.rs`, `render.rs`), and not who owns which name (`registry.rs`).

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

use crossbeam_utils::CachePadded;
use ringway_protocols::grpc::Status;

use super::count::{Count, Endings, Histogram, Level};
use super::errors::{self, PROTOCOL_ERRORS};
use super::handshake::{Handshake, Handshakes};
use super::lost::Lost;
use super::retired::Retired;
use crate::outcome::Flag;

/// What one worker counts for one route.
#[derive(Debug, Default)]
pub struct RouteCell {
    pub(super) bytes_in: Count,
    pub(super) bytes_out: Count,
    pub(super) duration: Histogram,
    pub(super) endings: Endings,
    pub(super) grpc: [Count; Status::ALL.len()],
}

impl RouteCell {
    /// One exchange has ended. `status` is what the client was sent, 0 if it got no answer; `bytes_in` came from the client,
    /// `bytes_out` went to it.
    #[inline]
    pub fn exchange(
        &self,
        status: u16,
        flag: Flag,
        duration_us: u64,
        bytes_in: u64,
        bytes_out: u64,
    ) {
        self.endings.add(status, flag);
        self.duration.observe(duration_us);
        self.bytes_in.add(bytes_in);
        self.bytes_out.add(bytes_out);
    }

    /// It was a call of gRPC, and this is how it ended.
    pub fn grpc(&self, status: Status) {
        self.grpc[status as usize].add(1);
    }
}

/// What one worker counts for one cluster.
#[derive(Debug, Default)]
pub struct ClusterCell {
    pub(super) reused: Count,
    pub(super) idle: Level,
    pub(super) open: Level,
    pub(super) first_byte: Histogram,
    pub(super) endings: Endings,
    pub(super) stale: Count,
    pub(super) retries: Count,
    pub(super) overflows: Count,
    pub(super) connects: Count,
    pub(super) connects_failed: Count,
    pub(super) connect_us: Count,
    pub(super) handshakes: Handshakes,
}

impl ClusterCell {
    /// One exchange with this cluster has ended. `status` is the upstream's, 0 if it gave none; `upstream_us` is the time to its
    /// first byte and is counted only with a status.
    #[inline]
    pub fn exchange(&self, status: u16, flag: Flag, upstream_us: u64) {
        self.endings.add(status, flag);
        if status != 0 {
            self.first_byte.observe(upstream_us);
        }
    }

    /// An attempt to connect has ended after `us` microseconds.
    pub fn connect(&self, ok: bool, us: u64) {
        let count = if ok {
            &self.connects
        } else {
            &self.connects_failed
        };
        count.add(1);
        self.connect_us.add(us);
    }

    /// A handshake with an endpoint has ended.
    pub fn handshake(&self, ended: Handshake<'_>) {
        self.handshakes.add(ended);
    }

    /// A pooled connection served another request.
    #[inline]
    pub fn reused(&self) {
        self.reused.add(1);
    }

    /// A pooled connection turned out to be dead when it was used.
    pub fn stale(&self) {
        self.stale.add(1);
    }

    /// The number of idle pooled connections moved by `delta`.
    #[inline]
    pub fn pool(&self, delta: i64) {
        self.idle.add(delta);
    }

    /// The number of open upstream connections (in use or idle) moved by `delta`.
    pub fn connections(&self, delta: i64) {
        self.open.add(delta);
    }

    /// An attempt was repeated.
    pub fn retry(&self) {
        self.retries.add(1);
    }

    /// An exchange was refused because a limit of the cluster and its queue were full.
    pub fn overflow(&self) {
        self.overflows.add(1);
    }
}

/// Which of a listener's deadlines a client missed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientTimeout {
    /// The head took too long.
    Headers,
    /// No next request on a kept connection. Normal; counted so that it can be told from other endings.
    Idle,
    /// Too long between two reads of a body.
    Body,
    /// The ClientHello took too long.
    Handshake,
}

impl ClientTimeout {
    /// Every kind, in order of its discriminant.
    pub const ALL: [ClientTimeout; 4] = [
        ClientTimeout::Headers,
        ClientTimeout::Idle,
        ClientTimeout::Body,
        ClientTimeout::Handshake,
    ];

    /// The label in the metrics.
    pub fn label(self) -> &'static str {
        match self {
            ClientTimeout::Headers => "headers",
            ClientTimeout::Idle => "idle",
            ClientTimeout::Body => "body",
            ClientTimeout::Handshake => "handshake",
        }
    }
}

/// Which protocol a client was taken to begin with, where its listener looks (`detect`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Guess {
    /// HTTP/1.0 or HTTP/1.1.
    Http1,
    /// HTTP/2 without negotiation.
    Http2,
    /// TLS.
    Tls,
    /// Bytes of something else.
    Opaque,
    /// Nothing, or not enough, within the time: whoever waits for the server to speak first.
    Silent,
}

impl Guess {
    /// Every guess, in order of its discriminant.
    pub const ALL: [Guess; 5] = [
        Guess::Http1,
        Guess::Http2,
        Guess::Tls,
        Guess::Opaque,
        Guess::Silent,
    ];

    /// The label in the metrics.
    pub fn label(self) -> &'static str {
        match self {
            Guess::Http1 => "http1",
            Guess::Http2 => "http2",
            Guess::Tls => "tls",
            Guess::Opaque => "opaque",
            Guess::Silent => "silent",
        }
    }
}

/// What one worker counts for one listener.
#[derive(Debug)]
pub struct ListenerCell {
    pub(super) opened: Count,
    pub(super) closed: Count,
    pub(super) refused: Count,
    pub(super) retired: [Count; Retired::ALL.len()],
    pub(super) loops: Count,
    pub(super) timeouts: [Count; ClientTimeout::ALL.len()],
    pub(super) protocol_errors: [Count; PROTOCOL_ERRORS],
    pub(super) guesses: [Count; Guess::ALL.len()],
    pub(super) datagrams_in: Count,
    pub(super) datagrams_out: Count,
    pub(super) lost: [Count; Lost::ALL.len()],
    pub(super) handshakes: Handshakes,
}

impl Default for ListenerCell {
    fn default() -> Self {
        ListenerCell {
            opened: Count::default(),
            closed: Count::default(),
            refused: Count::default(),
            retired: Default::default(),
            loops: Count::default(),
            timeouts: Default::default(),
            protocol_errors: std::array::from_fn(|_| Count::default()),
            guesses: Default::default(),
            datagrams_in: Count::default(),
            datagrams_out: Count::default(),
            lost: Default::default(),
            handshakes: Handshakes::default(),
        }
    }
}

impl ListenerCell {
    /// A client's connection was accepted.
    pub fn opened(&self) {
        self.opened.add(1);
    }

    /// A client's connection ended.
    pub fn closed(&self) {
        self.closed.add(1);
    }

    /// A connection was closed at once because the listener's limit was reached.
    pub fn refused_connection(&self) {
        self.refused.add(1);
    }

    /// A client's connection was told to end.
    pub fn retired(&self, by: Retired) {
        self.retired[by as usize].add(1);
    }

    /// An intercepted connection was refused because it was going to us.
    pub fn loops(&self) {
        self.loops.add(1);
    }

    /// A client's bytes were refused. `label` is that of a request, chunk, PROXY header or ClientHello fault, `path` for a path
    /// that cannot be normalised, or `proxy_source`; any other is counted as `other`.
    pub fn protocol_error(&self, label: &'static str) {
        self.protocol_errors[errors::index(label)].add(1);
    }

    /// It was found out, or not, what a client begins with.
    pub fn guessed(&self, guess: Guess) {
        self.guesses[guess as usize].add(1);
    }

    /// A datagram came from a client.
    pub fn datagram_in(&self) {
        self.datagrams_in.add(1);
    }

    /// A datagram went to a client.
    pub fn datagram_out(&self) {
        self.datagrams_out.add(1);
    }

    /// So many datagrams, of either direction, went no further.
    pub fn lost(&self, why: Lost, n: u64) {
        self.lost[why as usize].add(n);
    }

    /// A client's handshake has ended, or its connection without a close_notify.
    pub fn handshake(&self, ended: Handshake<'_>) {
        self.handshakes.add(ended);
    }

    /// A client missed a deadline.
    pub fn timeout(&self, kind: ClientTimeout) {
        self.timeouts[kind as usize].add(1);
    }
}

/// What one worker counts for the access log.
#[derive(Debug, Default)]
pub struct LogCell {
    /// Lines formatted into a buffer.
    pub lines: Count,
    /// Lines that found no buffer.
    pub dropped: Count,
}

/// What one worker counts of its clients.
#[derive(Debug, Default)]
pub struct LaneCell {
    pub(super) open: Level,
    pub(super) handed: Count,
}

impl LaneCell {
    /// The number of client connections that this worker serves moved by `delta`.
    pub fn connections(&self, delta: i64) {
        self.open.add(delta);
    }

    /// A connection that this worker had accepted went to another one.
    pub fn handed(&self) {
        self.handed.add(1);
    }
}

/// The cells of one name: a padded block for each worker.
#[derive(Debug)]
pub struct Cells<C> {
    name: Box<str>,
    blocks: Box<[CachePadded<C>]>,
    /// Flags that have a series of this name on the page (bit = discriminant), and above them statuses of gRPC. Touched only by the page.
    pub(super) shown: AtomicU64,
}

/// The cells of a route.
pub type RouteCells = Cells<RouteCell>;
/// The cells of a cluster.
pub type ClusterCells = Cells<ClusterCell>;
/// The cells of a listener.
pub type ListenerCells = Cells<ListenerCell>;
/// The cells of the workers.
pub type LaneCells = Cells<LaneCell>;

impl<C: Default> Cells<C> {
    pub(super) fn new(name: &str, workers: usize) -> Self {
        Cells {
            name: name.into(),
            blocks: (0..workers)
                .map(|_| CachePadded::new(C::default()))
                .collect(),
            shown: AtomicU64::new(0),
        }
    }
}

impl<C> Cells<C> {
    /// The block of a worker, for that worker alone to write to. Panics if there is no such worker.
    #[inline]
    pub fn of(&self, worker: usize) -> &C {
        &self.blocks[worker]
    }

    /// The name that the series carry; `other` when there was no room for a new name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// A counter summed over the workers.
    pub fn sum(&self, of: impl Fn(&C) -> u64) -> u64 {
        self.blocks.iter().fold(0, |sum, c| sum.wrapping_add(of(c)))
    }

    /// A gauge summed over the workers.
    pub fn level(&self, of: impl Fn(&C) -> i64) -> i64 {
        self.blocks.iter().fold(0, |sum, c| sum.wrapping_add(of(c)))
    }
}

/// What the process as a whole reports. Written rarely and never by a worker, so these are plain shared atomics.
#[derive(Debug, Default)]
pub struct ProcessCells {
    pub(super) reloads_applied: AtomicU64,
    pub(super) reloads_rejected: AtomicU64,
    pub(super) last_success_unix_s: AtomicU64,
    pub(super) last_successful: AtomicBool,
    pub(super) config_errors: AtomicU64,
    pub(super) draining: AtomicBool,
    pub(super) log_lines_lost: AtomicU64,
}

impl ProcessCells {
    /// The configuration of the start is in force; not counted as a reload.
    pub fn config_loaded(&self, unix_s: u64) {
        self.last_success_unix_s.store(unix_s, Relaxed);
        self.config_errors.store(0, Relaxed);
        self.last_successful.store(true, Relaxed);
    }

    /// A reload took effect.
    pub fn reload_applied(&self, unix_s: u64) {
        self.reloads_applied.fetch_add(1, Relaxed);
        self.config_loaded(unix_s);
    }

    /// A reload was refused with so many errors; the configuration in force stays.
    pub fn reload_rejected(&self, errors: u64) {
        self.reloads_rejected.fetch_add(1, Relaxed);
        self.config_errors.store(errors, Relaxed);
        self.last_successful.store(false, Relaxed);
    }

    /// Whether the last load or reload was accepted.
    pub fn last_reload_successful(&self) -> bool {
        self.last_successful.load(Relaxed)
    }

    /// The process began to stop (or did not after all).
    pub fn set_draining(&self, draining: bool) {
        self.draining.store(draining, Relaxed);
    }

    /// Access log lines were taken from the workers but could not be written.
    pub fn log_lines_lost(&self, lines: u64) {
        self.log_lines_lost.fetch_add(lines, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_are_in_order_of_their_discriminants() {
        for (i, flag) in Flag::ALL.iter().enumerate() {
            assert_eq!(*flag as usize, i);
        }
        for (i, kind) in ClientTimeout::ALL.iter().enumerate() {
            assert_eq!(*kind as usize, i);
        }
    }

    #[test]
    fn blocks_of_workers_are_apart() {
        let cells = RouteCells::new("r", 2);
        let apart = std::ptr::from_ref(cells.of(0))
            .addr()
            .abs_diff(std::ptr::from_ref(cells.of(1)).addr());
        assert!(apart >= 128 && apart.is_multiple_of(128), "{apart}");
        assert!(std::ptr::from_ref(cells.of(0)).addr().is_multiple_of(128));
    }

    #[test]
    fn one_writer_and_many_readers_lose_nothing() {
        let cells = RouteCells::new("r", 2);
        std::thread::scope(|scope| {
            for worker in 0..2 {
                let cells = &cells;
                scope.spawn(move || {
                    (0..50_000)
                        .for_each(|_| cells.of(worker).exchange(200, Flag::None, 300, 10, 20))
                });
            }
            let mut last = 0;
            for _ in 0..1_000 {
                let now = cells.sum(|c| c.endings.class(2));
                assert!(now >= last);
                last = now;
            }
        });
        assert_eq!(cells.sum(|c| c.endings.class(2)), 100_000);
        assert_eq!(cells.sum(|c| c.bytes_in.get()), 1_000_000);
        assert_eq!(cells.sum(|c| c.bytes_out.get()), 2_000_000);
        assert_eq!(cells.sum(|c| c.duration.bucket(1)), 100_000);
    }
}
