//! The page of counters in Prometheus text format 0.0.4: one family after the other, each with HELP and TYPE.
//!
//! Not the names of the metrics (`names.rs`). Runs on the side thread and may allocate.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering::Relaxed;

use ringway_io::Counters;
use ringway_protocols::grpc::Status;

use super::cells::{ClientTimeout, Guess};
use super::count::{BUCKETS, CLASSES};
use super::errors::PROTOCOL_ERROR_LABELS;
use super::handshake::{HANDSHAKE_LABELS, Handshakes};
use super::lost::Lost;
use super::names::{self, Metric};
use super::page::{Page, Seconds};
use super::registry::{GateGauges, Gauges, Names, OTHER, Registry};
use super::retired::Retired;
use crate::outcome::Flag;

/// Lines of a histogram: its buckets, sum and count.
const HISTOGRAM_SERIES: usize = BUCKETS + 2;

/// Lines of a route without flags: code classes, duration, bytes in and out.
pub(super) const ROUTE_SERIES: usize = CLASSES.len() + HISTOGRAM_SERIES + 2;

/// Lines of a cluster without flags and endpoints: code classes, first byte, connects (2) and their time (2), handshakes (3), connections,
/// pool (3), retries, overflows, two limits of three numbers each.
pub(super) const CLUSTER_SERIES: usize =
    CLASSES.len() + HISTOGRAM_SERIES + 2 + 2 + 3 + 1 + 3 + 2 + 6;

/// Lines of a listener: opened, open, refused, retired, loops, timeouts, protocol errors, guesses, datagrams in, out and lost, handshakes.
pub(super) fn listener_series() -> usize {
    4 + Retired::ALL.len()
        + ClientTimeout::ALL.len()
        + PROTOCOL_ERROR_LABELS.len()
        + Guess::ALL.len()
        + 2
        + Lost::ALL.len()
        + HANDSHAKE_LABELS.len()
}

/// Lines that are there whatever the configuration says: process, workers, and `other` three times with all its flags and statuses.
pub(super) fn reserved_series(workers: usize) -> usize {
    let process = 14;
    let seen = 2 * (Flag::ALL.len() - 1) + Status::ALL.len();
    let others = ROUTE_SERIES + CLUSTER_SERIES + seen + listener_series();
    process + others + workers * WORKER_SERIES
}

/// Lines of a worker: its driver and 23 counters.
const WORKER_SERIES: usize = 24;

/// The whole page.
pub(super) fn page(registry: &Registry, gauges: &dyn Gauges) -> String {
    // Asked before the lock is taken: whoever answers may well register names.
    let gauges = Read::from(gauges);
    let mut page = Page::default();
    process(&mut page, registry);
    let mut names = registry.names();
    listeners(&mut page, &names);
    routes(&mut page, &mut names);
    clusters(&mut page, &mut names);
    limits(&mut page, &names, &gauges);
    let shown = endpoints(&mut page, &gauges, names.free);
    let shown = shown + certificates(&mut page, &gauges, names.free - shown);
    workers(&mut page, registry);
    page.one(&names::SERIES, registry.series_max() - names.free + shown);
    page.one(&names::FOLDED, names.folded);
    page.text
}

/// A family, and where its number is found.
type Column<T, N> = (&'static Metric, fn(&T) -> N);

fn process(page: &mut Page, registry: &Registry) {
    let process = registry.process();
    page.family(&names::BUILD_INFO);
    page.sample(&names::BUILD_INFO, &[env!("CARGO_PKG_VERSION")], 1);
    let started = registry.started_unix_ms();
    page.one(
        &names::START_TIME,
        format_args!("{}.{:03}", started / 1_000, started % 1_000),
    );
    page.one(&names::DRAINING, u8::from(process.draining.load(Relaxed)));
    page.family(&names::RELOADS);
    page.sample(
        &names::RELOADS,
        &["applied"],
        process.reloads_applied.load(Relaxed),
    );
    page.sample(
        &names::RELOADS,
        &["rejected"],
        process.reloads_rejected.load(Relaxed),
    );
    page.one(
        &names::RELOAD_OK,
        u8::from(process.last_successful.load(Relaxed)),
    );
    page.one(
        &names::RELOAD_TIME,
        process.last_success_unix_s.load(Relaxed),
    );
    page.one(&names::CONFIG_ERRORS, process.config_errors.load(Relaxed));
    page.one(&names::LOG_LINES, registry.logs().sum(|c| c.lines.get()));
    page.family(&names::LOG_DROPPED);
    page.sample(
        &names::LOG_DROPPED,
        &["queue_full"],
        registry.logs().sum(|c| c.dropped.get()),
    );
    page.sample(
        &names::LOG_DROPPED,
        &["write_failed"],
        process.log_lines_lost.load(Relaxed),
    );
    page.one(&names::PROCESS_LOG_DROPPED, registry.process_log_dropped());
}

fn listeners(page: &mut Page, names: &Names) {
    let book = &names.listeners;
    page.each(&names::LISTENER_OPENED, book, |l| l.sum(|c| c.opened.get()));
    page.each(&names::LISTENER_OPEN, book, |l| {
        // Closed first: what opens and closes between the two reads can then not make it negative.
        let closed = l.sum(|c| c.closed.get());
        l.sum(|c| c.opened.get()).saturating_sub(closed)
    });
    page.each(&names::LISTENER_REFUSED, book, |l| {
        l.sum(|c| c.refused.get())
    });
    page.family(&names::LISTENER_RETIRED);
    for cells in book.shown() {
        for by in Retired::ALL {
            let n = cells.sum(|c| c.retired[by as usize].get());
            page.sample(&names::LISTENER_RETIRED, &[cells.name(), by.label()], n);
        }
    }
    page.each(&names::LISTENER_LOOPS, book, |l| l.sum(|c| c.loops.get()));
    page.family(&names::LISTENER_TIMEOUTS);
    for cells in book.shown() {
        for kind in ClientTimeout::ALL {
            let n = cells.sum(|c| c.timeouts[kind as usize].get());
            page.sample(&names::LISTENER_TIMEOUTS, &[cells.name(), kind.label()], n);
        }
    }
    page.family(&names::LISTENER_ERRORS);
    for cells in book.shown() {
        for (index, label) in PROTOCOL_ERROR_LABELS.iter().enumerate() {
            let n = cells.sum(|c| c.protocol_errors[index].get());
            page.sample(&names::LISTENER_ERRORS, &[cells.name(), label], n);
        }
    }
    page.family(&names::LISTENER_GUESSES);
    for cells in book.shown() {
        for guess in Guess::ALL {
            let n = cells.sum(|c| c.guesses[guess as usize].get());
            page.sample(&names::LISTENER_GUESSES, &[cells.name(), guess.label()], n);
        }
    }
    page.family(&names::LISTENER_DATAGRAMS);
    for cells in book.shown() {
        let both = [
            ("in", cells.sum(|c| c.datagrams_in.get())),
            ("out", cells.sum(|c| c.datagrams_out.get())),
        ];
        for (direction, n) in both {
            page.sample(&names::LISTENER_DATAGRAMS, &[cells.name(), direction], n);
        }
    }
    page.family(&names::LISTENER_LOST);
    for cells in book.shown() {
        for why in Lost::ALL {
            let n = cells.sum(|c| c.lost[why as usize].get());
            page.sample(&names::LISTENER_LOST, &[cells.name(), why.label()], n);
        }
    }
    page.family(&names::LISTENER_HANDSHAKES);
    for cells in book.shown() {
        for (index, label) in HANDSHAKE_LABELS.iter().enumerate() {
            let n = cells.sum(|c| c.handshakes.get(index));
            page.sample(&names::LISTENER_HANDSHAKES, &[cells.name(), label], n);
        }
    }
}

fn routes(page: &mut Page, names: &mut Names) {
    let Names {
        routes: book, free, ..
    } = names;
    page.classes(&names::ROUTE_REQUESTS, book, |c| &c.endings);
    page.flags(&names::ROUTE_FLAGS, book, free, |c| &c.endings);
    let statuses = Status::ALL.map(Status::name);
    // Above the flags' bits.
    let labels = (&statuses[..], Flag::ALL.len());
    page.seen(&names::ROUTE_GRPC, book, free, labels, |c, at| {
        c.grpc[at].get()
    });
    page.family(&names::ROUTE_DURATION);
    for cells in book.shown() {
        page.histogram(&names::ROUTE_DURATION, cells, |c| &c.duration);
    }
    page.each(&names::ROUTE_RECEIVED, book, |r| {
        r.sum(|c| c.bytes_in.get())
    });
    page.each(&names::ROUTE_SENT, book, |r| r.sum(|c| c.bytes_out.get()));
}

fn clusters(page: &mut Page, names: &mut Names) {
    let Names {
        clusters: book,
        free,
        ..
    } = names;
    page.classes(&names::CLUSTER_REQUESTS, book, |c| &c.endings);
    page.flags(&names::CLUSTER_FLAGS, book, free, |c| &c.endings);
    page.family(&names::CLUSTER_FIRST_BYTE);
    for cells in book.shown() {
        page.histogram(&names::CLUSTER_FIRST_BYTE, cells, |c| &c.first_byte);
    }
    page.family(&names::CLUSTER_CONNECTS);
    for cells in book.shown() {
        page.sample(
            &names::CLUSTER_CONNECTS,
            &[cells.name(), "ok"],
            cells.sum(|c| c.connects.get()),
        );
        page.sample(
            &names::CLUSTER_CONNECTS,
            &[cells.name(), "failed"],
            cells.sum(|c| c.connects_failed.get()),
        );
    }
    page.family(&names::CLUSTER_CONNECT_TIME);
    for cells in book.shown() {
        let connects = cells.sum(|c| c.connects.get()) + cells.sum(|c| c.connects_failed.get());
        let spent = Seconds(cells.sum(|c| c.connect_us.get()));
        page.line(
            &names::CLUSTER_CONNECT_TIME,
            "_sum",
            &[cells.name()],
            None,
            spent,
        );
        page.line(
            &names::CLUSTER_CONNECT_TIME,
            "_count",
            &[cells.name()],
            None,
            connects,
        );
    }
    page.family(&names::CLUSTER_HANDSHAKES);
    for cells in book.shown() {
        let mut sample = |result, of: fn(&Handshakes) -> u64| {
            let n = cells.sum(|c| of(&c.handshakes));
            page.sample(&names::CLUSTER_HANDSHAKES, &[cells.name(), result], n);
        };
        sample("full", |h| h.get(0));
        sample("resumed", |h| h.get(1));
        sample("failed", Handshakes::failed);
    }
    // Each worker's level is right, but they are not read at one instant: a sum below zero means zero.
    page.each(&names::CLUSTER_OPEN, book, |n| {
        n.level(|c| c.open.get()).max(0)
    });
    page.each(&names::CLUSTER_IDLE, book, |n| {
        n.level(|c| c.idle.get()).max(0)
    });
    page.each(&names::CLUSTER_REUSED, book, |n| n.sum(|c| c.reused.get()));
    page.each(&names::CLUSTER_STALE, book, |n| n.sum(|c| c.stale.get()));
    page.each(&names::CLUSTER_RETRIES, book, |n| {
        n.sum(|c| c.retries.get())
    });
    page.each(&names::CLUSTER_OVERFLOWS, book, |n| {
        n.sum(|c| c.overflows.get())
    });
}

/// What was read from the owners of the gauges: by cluster, connections and requests; by cluster and address, exchanges.
#[derive(Default)]
struct Read {
    gates: BTreeMap<String, [GateGauges; 2]>,
    endpoints: BTreeMap<(String, String), u64>,
    certificates: BTreeMap<(String, String), u64>,
}

impl Read {
    fn from(gauges: &dyn Gauges) -> Read {
        let mut read = Read::default();
        gauges.clusters(&mut |cluster| {
            let gates = read.gates.entry(cluster.name.to_owned()).or_default();
            add(&mut gates[0], cluster.connections);
            add(&mut gates[1], cluster.requests);
            for endpoint in cluster.endpoints {
                let key = (cluster.name.to_owned(), endpoint.address.to_owned());
                *read.endpoints.entry(key).or_default() += u64::from(endpoint.active);
            }
        });
        gauges.certificates(&mut |certificate| {
            let key = (certificate.tls.to_owned(), certificate.file.to_owned());
            read.certificates.insert(key, certificate.left_s);
        });
        read
    }
}

fn add(sum: &mut GateGauges, gate: GateGauges) {
    sum.in_use = sum.in_use.saturating_add(gate.in_use);
    sum.waiting = sum.waiting.saturating_add(gate.waiting);
    sum.limit = sum.limit.saturating_add(gate.limit);
}

/// The limits of clusters; those without series of their own are summed as `other`.
fn limits(page: &mut Page, names: &Names, read: &Read) {
    let mut by_name: BTreeMap<&str, [GateGauges; 2]> = BTreeMap::new();
    for (name, gates) in &read.gates {
        let name = if names.clusters.holds(name) {
            name
        } else {
            OTHER
        };
        let sums = by_name.entry(name).or_default();
        add(&mut sums[0], gates[0]);
        add(&mut sums[1], gates[1]);
    }
    let families: [Column<GateGauges, u32>; 3] = [
        (&names::CLUSTER_IN_USE, |g| g.in_use),
        (&names::CLUSTER_WAITING, |g| g.waiting),
        (&names::CLUSTER_LIMIT, |g| g.limit),
    ];
    for (metric, number) in families {
        page.family(metric);
        for (name, [connections, requests]) in &by_name {
            page.sample(metric, &[name, "connections"], number(connections));
            page.sample(metric, &[name, "requests"], number(requests));
        }
    }
}

/// Endpoints, as many as there is room for; gives how many were shown.
fn endpoints(page: &mut Page, read: &Read, room: usize) -> usize {
    page.family(&names::ENDPOINT_ACTIVE);
    for ((cluster, address), active) in read.endpoints.iter().take(room) {
        page.sample(&names::ENDPOINT_ACTIVE, &[cluster, address], active);
    }
    read.endpoints.len().min(room)
}

/// Certificates, as many as there is room for; gives how many were shown.
fn certificates(page: &mut Page, read: &Read, room: usize) -> usize {
    page.family(&names::CERTIFICATE_EXPIRY);
    for ((tls, file), left) in read.certificates.iter().take(room) {
        page.sample(&names::CERTIFICATE_EXPIRY, &[tls, file], left);
    }
    read.certificates.len().min(room)
}

fn workers(page: &mut Page, registry: &Registry) {
    let io = registry.io();
    let running: Vec<_> = io
        .iter()
        .enumerate()
        .filter_map(|(index, running)| Some((index, index.to_string(), running.as_ref()?)))
        .collect();
    page.family(&names::WORKER_INFO);
    for (_, worker, io) in &running {
        page.sample(&names::WORKER_INFO, &[worker, io.driver], 1);
    }
    let families: [Column<Counters, u64>; 20] = [
        (&names::WORKER_LOOPS, |c| c.loops.load(Relaxed)),
        (&names::WORKER_ENTERS, |c| c.enters.load(Relaxed)),
        (&names::WORKER_COMPLETIONS, |c| c.completions.load(Relaxed)),
        (&names::WORKER_STALE, |c| c.stale_completions.load(Relaxed)),
        (&names::WORKER_POLLS, |c| c.polls.load(Relaxed)),
        (&names::WORKER_ACCEPTED, |c| c.accepted.load(Relaxed)),
        (&names::WORKER_ACCEPT_ERRORS, |c| {
            c.accept_errors.load(Relaxed)
        }),
        (&names::WORKER_EXHAUSTED, |c| {
            c.buffers_exhausted.load(Relaxed)
        }),
        (&names::WORKER_TASK_PANICS, |c| c.task_panics.load(Relaxed)),
        (&names::WORKER_SQ_FULL, |c| c.sq_full.load(Relaxed)),
        (&names::WORKER_CQ_OVERFLOW, |c| c.cq_overflow.load(Relaxed)),
        (&names::WORKER_DATAGRAMS_DROPPED, |c| {
            c.datagrams_dropped.load(Relaxed)
        }),
        (&names::WORKER_RECEIVED, |c| c.bytes_received.load(Relaxed)),
        (&names::WORKER_SENT, |c| c.bytes_sent.load(Relaxed)),
        (&names::WORKER_SPLICED, |c| c.bytes_spliced.load(Relaxed)),
        (&names::WORKER_NO_PIPE, |c| c.pipes_exhausted.load(Relaxed)),
        (&names::WORKER_PIPES, |c| c.pipes_in_use.load(Relaxed)),
        (&names::WORKER_BUFFERS, |c| c.buffers_in_use.load(Relaxed)),
        (&names::WORKER_SLOTS, |c| c.slots_in_use.load(Relaxed)),
        (&names::WORKER_TASKS, |c| c.tasks.load(Relaxed)),
    ];
    for (metric, read) in families {
        page.family(metric);
        for (_, worker, io) in &running {
            page.sample(metric, &[worker], read(&io.counters));
        }
    }
    let lanes = registry.lanes();
    page.family(&names::WORKER_CONNECTIONS);
    for (index, worker, _) in &running {
        let open = lanes.of(*index).open.get();
        page.sample(&names::WORKER_CONNECTIONS, &[worker], open);
    }
    page.family(&names::WORKER_HANDED);
    for (index, worker, _) in &running {
        let handed = lanes.of(*index).handed.get();
        page.sample(&names::WORKER_HANDED, &[worker], handed);
    }
    page.family(&names::WORKER_BUSY);
    for (_, worker, io) in &running {
        let busy = Seconds(io.counters.busy_ns.load(Relaxed) / 1_000);
        page.sample(&names::WORKER_BUSY, &[worker], busy);
    }
}

#[cfg(test)]
#[path = "render_tests.rs"]
mod tests;
