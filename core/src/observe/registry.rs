//! Who counts under which name: the cells of routes, clusters, listeners and workers, kept over reloads, within a fixed number
//! of series.
//!
//! Lives on the side thread; its locks are never taken by a worker, which holds the cells themselves. Not the page's format.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use ringway_io::Counters;
use tracing_appender::non_blocking::ErrorCounter;

use super::cells::{
    Cells, ClusterCell, ClusterCells, LaneCells, ListenerCell, ListenerCells, LogCell,
    ProcessCells, RouteCell, RouteCells,
};
use super::{errors, render};

/// So many series (lines of the page) there are at most. From what operators report of proxies whose metrics grew without a
/// bound: this many cost a scraper little, and ten times as many begin to hurt.
pub const SERIES_MAX: usize = 10_000;

/// The name that everything shares that found no room.
pub const OTHER: &str = "other";

/// Numbers read at scrape time from whoever owns them.
pub trait Gauges {
    /// Call `each` once for every cluster in force.
    fn clusters(&self, each: &mut dyn FnMut(ClusterGauges<'_>));
    /// Call `each` once for every certificate of ours in force.
    fn certificates(&self, each: &mut dyn FnMut(CertificateGauge<'_>));
}

/// No clusters: for a page before there is a configuration, and for tests.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoGauges;

impl Gauges for NoGauges {
    fn clusters(&self, _: &mut dyn FnMut(ClusterGauges<'_>)) {}
    fn certificates(&self, _: &mut dyn FnMut(CertificateGauge<'_>)) {}
}

/// One certificate of ours.
#[derive(Debug, Clone, Copy)]
pub struct CertificateGauge<'a> {
    /// The name of its `[tls.x]`.
    pub tls: &'a str,
    /// Its file.
    pub file: &'a str,
    /// Seconds until it ends; 0 once it has.
    pub left_s: u64,
}

/// The state of one cluster's limits and endpoints.
#[derive(Debug, Clone, Copy)]
pub struct ClusterGauges<'a> {
    /// As in the configuration.
    pub name: &'a str,
    /// The limit on upstream connections.
    pub connections: GateGauges,
    /// The limit on exchanges.
    pub requests: GateGauges,
    /// Its endpoints.
    pub endpoints: &'a [EndpointGauges<'a>],
}

/// A limit that is exact over all workers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct GateGauges {
    /// Places taken.
    pub in_use: u32,
    /// Exchanges in the queue.
    pub waiting: u32,
    /// Places there are.
    pub limit: u32,
}

/// One endpoint.
#[derive(Debug, Clone, Copy)]
pub struct EndpointGauges<'a> {
    /// As in the configuration.
    pub address: &'a str,
    /// Exchanges that it serves now.
    pub active: u32,
}

/// The cells of all names of one sort.
#[derive(Debug)]
pub(super) struct Book<C> {
    by_name: BTreeMap<Box<str>, Arc<Cells<C>>>,
    pub(super) other: Arc<Cells<C>>,
    /// Whether anyone counts under `other`: it is not shown before.
    pub(super) other_used: bool,
}

impl<C: Default> Book<C> {
    fn new(workers: usize) -> Self {
        Book {
            by_name: BTreeMap::new(),
            other: Arc::new(Cells::new(OTHER, workers)),
            other_used: false,
        }
    }

    /// Whether a name has cells of its own.
    pub(super) fn holds(&self, name: &str) -> bool {
        self.by_name.contains_key(name)
    }

    /// The cells to be shown, by name; `other` last.
    pub(super) fn shown(&self) -> impl Iterator<Item = &Cells<C>> {
        let other = self.other_used.then_some(&self.other);
        self.by_name.values().chain(other).map(|cells| &**cells)
    }

    /// Forget names that nobody but this book holds: no plan and no running exchange counts under them. Gives the number of
    /// series that became free, if each name takes `cost` and one for each flag and status seen.
    fn forget_unused(&mut self, cost: usize) -> usize {
        let mut freed = 0;
        self.by_name.retain(|_, cells| {
            let used = Arc::strong_count(cells) > 1;
            if !used {
                let shown = cells.shown.load(std::sync::atomic::Ordering::Relaxed);
                freed += cost + shown.count_ones() as usize;
            }
            used
        });
        freed
    }
}

/// All names, and how many series are left for new ones.
#[derive(Debug)]
pub(super) struct Names {
    pub(super) routes: Book<RouteCell>,
    pub(super) clusters: Book<ClusterCell>,
    pub(super) listeners: Book<ListenerCell>,
    /// Series not taken.
    pub(super) free: usize,
    pub(super) folded: u64,
}

impl Names {
    /// Make room for `cost` series, or say that there is none.
    fn reserve(&mut self, cost: usize) -> bool {
        if self.free < cost {
            self.free += self.routes.forget_unused(render::ROUTE_SERIES);
            self.free += self.clusters.forget_unused(render::CLUSTER_SERIES);
            self.free += self.listeners.forget_unused(render::listener_series());
        }
        let enough = self.free >= cost;
        if enough {
            self.free -= cost;
        } else {
            self.folded += 1;
        }
        enough
    }
}

/// The I/O side of a worker that runs.
#[derive(Debug)]
pub(super) struct Running {
    pub(super) counters: Arc<Counters>,
    pub(super) driver: &'static str,
}

/// The counters of the process. Made once; readable from anywhere.
#[derive(Debug)]
pub struct Registry {
    workers: usize,
    series_max: usize,
    names: Mutex<Names>,
    process: ProcessCells,
    logs: Cells<LogCell>,
    lanes: Arc<LaneCells>,
    io: Mutex<Vec<Option<Running>>>,
    process_log: OnceLock<ErrorCounter>,
    started_unix_ms: u64,
}

impl Registry {
    /// With room for [`SERIES_MAX`] series.
    pub fn new(workers: usize) -> Arc<Registry> {
        Registry::with_series(workers, SERIES_MAX)
    }

    /// With room for `series_max` series; those of the process and the workers and three times `other` come first.
    pub fn with_series(workers: usize, series_max: usize) -> Arc<Registry> {
        let started = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        let names = Names {
            routes: Book::new(workers),
            clusters: Book::new(workers),
            listeners: Book::new(workers),
            free: series_max.saturating_sub(render::reserved_series(workers)),
            folded: 0,
        };
        // Filled here, so that no worker ever waits for it.
        std::sync::LazyLock::force(&errors::PROTOCOL_ERROR_LABELS);
        Arc::new(Registry {
            workers,
            series_max,
            names: Mutex::new(names),
            process: ProcessCells::default(),
            logs: Cells::new("", workers),
            lanes: Arc::new(Cells::new("", workers)),
            io: Mutex::new((0..workers).map(|_| None).collect()),
            process_log: OnceLock::new(),
            started_unix_ms: u64::try_from(started.as_millis()).unwrap_or(u64::MAX),
        })
    }

    /// How many workers count here.
    pub fn workers(&self) -> usize {
        self.workers
    }

    /// A worker runs with these counters. `driver` is shown as a label. A worker that does not exist is ignored.
    pub fn set_io_counters(&self, worker: usize, c: Arc<Counters>, driver: &'static str) {
        if let Some(place) = self.io().get_mut(worker) {
            *place = Some(Running {
                counters: c,
                driver,
            });
        }
    }

    /// The process log counts its dropped lines here. Only the first call counts.
    pub fn set_process_log(&self, drops: ErrorCounter) {
        // A second process log would be a mistake of ours, but no reason to stop.
        let _ = self.process_log.set(drops);
    }

    /// The cells of a route: the same for the same name as long as anyone holds them, and until the room is needed. Those of
    /// `other` if there is no room.
    pub fn route(&self, name: &str) -> Arc<RouteCells> {
        let mut names = self.names();
        if let Some(known) = names.routes.by_name.get(name) {
            return known.clone();
        }
        let own = name != OTHER && names.reserve(render::ROUTE_SERIES);
        enter(&mut names.routes, name, own, self.workers)
    }

    /// The cells of a cluster; as [`Registry::route`].
    pub fn cluster(&self, name: &str) -> Arc<ClusterCells> {
        let mut names = self.names();
        if let Some(known) = names.clusters.by_name.get(name) {
            return known.clone();
        }
        let own = name != OTHER && names.reserve(render::CLUSTER_SERIES);
        enter(&mut names.clusters, name, own, self.workers)
    }

    /// The cells of a listener; as [`Registry::route`].
    pub fn listener(&self, name: &str) -> Arc<ListenerCells> {
        let mut names = self.names();
        if let Some(known) = names.listeners.by_name.get(name) {
            return known.clone();
        }
        let own = name != OTHER && names.reserve(render::listener_series());
        enter(&mut names.listeners, name, own, self.workers)
    }

    /// What the process as a whole reports.
    pub fn process(&self) -> &ProcessCells {
        &self.process
    }

    /// The access log's cells of a worker, for that worker alone to write to.
    pub fn log(&self, worker: usize) -> &LogCell {
        self.logs.of(worker)
    }

    /// What workers count of their clients, each in its own cell.
    pub(crate) fn lanes(&self) -> &Arc<LaneCells> {
        &self.lanes
    }

    /// The page: Prometheus text format 0.0.4.
    pub fn render(&self, gauges: &dyn Gauges) -> String {
        render::page(self, gauges)
    }

    pub(super) fn logs(&self) -> &Cells<LogCell> {
        &self.logs
    }

    pub(super) fn process_log_dropped(&self) -> u64 {
        self.process_log
            .get()
            .map_or(0, |c| c.dropped_lines() as u64)
    }

    pub(super) fn started_unix_ms(&self) -> u64 {
        self.started_unix_ms
    }

    pub(super) fn series_max(&self) -> usize {
        self.series_max
    }

    pub(super) fn names(&self) -> MutexGuard<'_, Names> {
        self.names.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn io(&self) -> MutexGuard<'_, Vec<Option<Running>>> {
        self.io.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// New cells under a new name, or those of `other`.
fn enter<C: Default>(book: &mut Book<C>, name: &str, own: bool, workers: usize) -> Arc<Cells<C>> {
    if !own {
        book.other_used = true;
        return book.other.clone();
    }
    let cells = Arc::new(Cells::new(name, workers));
    book.by_name.insert(name.into(), cells.clone());
    cells
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::Flag;

    #[test]
    fn the_same_name_gives_the_same_cells() {
        let registry = Registry::new(2);
        let first = registry.route("a");
        first.of(1).exchange(200, Flag::None, 1, 1, 1);
        assert!(Arc::ptr_eq(&first, &registry.route("a")));
        assert!(!Arc::ptr_eq(&first, &registry.route("b")));
        drop(first);
        // Nobody holds it, but nobody needs the room either.
        assert_eq!(registry.route("a").sum(|c| c.endings.class(2)), 1);
    }

    #[test]
    fn beyond_the_limit_new_names_share_one() {
        let registry = Registry::new(1);
        let held: Vec<_> = (0..1_000)
            .map(|i| registry.route(&format!("r{i}")))
            .collect();
        let own = held.iter().filter(|cells| cells.name() != OTHER).count();
        assert!((400..1_000).contains(&own), "{own}");
        assert!(
            held[..own]
                .iter()
                .enumerate()
                .all(|(i, cells)| cells.name() == format!("r{i}"))
        );
        assert!(
            held[own..]
                .iter()
                .all(|cells| Arc::ptr_eq(cells, &registry.route(OTHER)))
        );
        assert_eq!(registry.names().folded, (1_000 - own) as u64);
        assert!(Arc::ptr_eq(&held[3], &registry.route("r3")));
    }

    #[test]
    fn names_that_nobody_holds_make_room() {
        let registry = Registry::new(1);
        let kept = registry.route("kept");
        kept.of(0).exchange(200, Flag::None, 1, 1, 1);
        for i in 0..20_000 {
            assert_eq!(registry.cluster(&format!("c{i}")).name(), format!("c{i}"));
        }
        assert_eq!(registry.names().folded, 0);
        assert!(Arc::ptr_eq(&kept, &registry.route("kept")));
        assert_eq!(kept.sum(|c| c.endings.class(2)), 1);
    }
}
