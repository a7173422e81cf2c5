//! Starting, publishing and stopping: the workers' threads, their sockets, and the plan that they serve by. Runs on the side
//! thread. It reads no file and knows no signal; `control` does, and calls this. Sockets are bound in `binding`; what metrics ask of the plan is in
//! `gauges`.

mod binding;
mod gauges;

use std::collections::{HashMap, HashSet};
use std::io;
use std::process::ExitCode;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use ringway_balancer::Gate;
use ringway_config::{Config, Io, Workers};
use ringway_io::{DriverChoice, DriverKind, Receiver, Sender, WorkerOptions};

use crate::assemble::{Assembled, Assembler, door_key};
use crate::control::{self, ConfigFiles, InFlight, Loaded, Proxy, ReloadEvents};
use crate::credentials;
use crate::intercept::privilege;
use crate::lane::{Lane, LaneGauge, Order, Shared};
use crate::observe::access_log::Destination;
use crate::observe::{AccessLog, Gauges, Registry, process_log};
use crate::plan::{DoorKey, Plan};
use crate::sockets::{Local, NewDatagrams, NewDoor};
pub use crate::spread::Spread;
use crate::spread::{Handed, Ways};

/// Orders that may wait for a worker; one reload is one order.
const MAILBOX: usize = 256;
/// How long a reload waits to be followed everywhere before it goes on all the same.
const PUBLISH_WAIT: Duration = Duration::from_secs(5);

const A_DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// The running proxy.
pub struct Supervisor {
    assembler: Assembler,
    lanes: Vec<Worker>,
    /// Every client connection has a place here.
    clients: Arc<Gate>,
    /// Where each door is bound.
    doors: HashMap<DoorKey, Local>,
    /// Ports of datagrams that were bound once: sessions may hold them for a while after their listener is gone.
    datagram_ports: HashSet<u16>,
    listeners: Vec<(String, String)>,
    access_log: Arc<AccessLog>,
    /// What cannot change while running.
    started: (Workers, Io),
    plan: Arc<Mutex<Option<Arc<Plan>>>>,
    stopping: bool,
    /// When people were last told of certificates that end soon.
    told: Instant,
}

struct Worker {
    orders: Sender<Order>,
    gauge: Arc<LaneGauge>,
    thread: Option<JoinHandle<io::Result<()>>>,
}

/// What a configuration listens on.
struct Bound {
    doors: HashMap<DoorKey, Local>,
    /// What is new, one of each for every worker.
    by_worker: Vec<(Vec<NewDoor>, Vec<NewDatagrams>)>,
}

/// Start the workers. They serve nothing until the first [`Proxy::apply`].
pub fn start(config: &Config, metrics: Arc<Registry>) -> Result<Supervisor, String> {
    start_with(config, metrics, Spread::Even)
}

fn start_with(
    config: &Config,
    metrics: Arc<Registry>,
    spread: Spread,
) -> Result<Supervisor, String> {
    let workers = metrics.workers();
    let access_log = AccessLog::start(&config.access_log.to, workers, metrics.clone())
        .map(Arc::new)
        .map_err(|e| format!("access_log.to: {e}"))?;
    let cpus = ringway_io::allowed_cpus();
    let clients = Gate::new(most_clients(), 0);
    let (ways, inboxes) = Ways::new(workers, spread);
    let mut lanes = Vec::new();
    for (index, handed) in inboxes.into_iter().enumerate() {
        // Pinned only where each worker has a core of its own: two on one core would be stuck there.
        let cpu = (workers == cpus.len()).then(|| cpus[index]);
        let shared = Shared {
            gauge: Arc::default(),
            clients: clients.clone(),
            cells: metrics.lanes().clone(),
            ways: ways.clone(),
        };
        lanes.push(start_worker(
            index,
            cpu,
            config.server.io,
            &access_log,
            shared,
            handed,
            &metrics,
        )?);
    }
    Ok(Supervisor {
        assembler: Assembler::new(metrics)?,
        lanes,
        clients,
        doors: HashMap::new(),
        datagram_ports: HashSet::new(),
        listeners: Vec::new(),
        access_log,
        started: (config.server.workers, config.server.io),
        plan: Arc::default(),
        stopping: false,
        told: Instant::now(),
    })
}

/// Three quarters of the open files that the process may have: a client whose request cannot go on for want of a descriptor is worse
/// than one that is not let in, and the rest is for upstreams, which are shared, for the admin listener, and for reloads.
fn most_clients() -> u32 {
    let files = rlimit::Resource::NOFILE.get_soft().unwrap_or(1024);
    u32::try_from(files / 4 * 3).unwrap_or(u32::MAX)
}

/// How many workers a configuration asks for.
pub fn worker_count(config: &Config) -> usize {
    match config.server.workers {
        Workers::Count(n) => usize::from(n),
        Workers::Auto => std::thread::available_parallelism().map_or(1, usize::from),
    }
}

fn start_worker(
    index: usize,
    cpu: Option<usize>,
    io: Io,
    access_log: &AccessLog,
    shared: Shared,
    handed: Receiver<Handed>,
    metrics: &Registry,
) -> Result<Worker, String> {
    let driver = match io {
        Io::Auto => DriverChoice::Auto,
        Io::Uring => DriverChoice::Uring,
        Io::Epoll => DriverChoice::Epoll,
    };
    let options = WorkerOptions {
        driver,
        cpu,
        ..WorkerOptions::default()
    };
    let counters = options.counters.clone();
    let (orders, inbox) = ringway_io::mailbox(MAILBOX);
    let gauge = shared.gauge.clone();
    let log = access_log.writer(index);
    let (up, is_up) = mpsc::channel();
    // Only spread matters here, not secrecy: it seeds load balancing and the random part of request ids.
    let seed = std::hash::BuildHasher::hash_one(&std::hash::RandomState::new(), index);
    let thread = std::thread::Builder::new()
        .name(format!("ringway-{index}"))
        .spawn(move || {
            ringway_io::run(options, move || async move {
                let lane = std::rc::Rc::new(Lane::new(index, log, shared, seed));
                // The receiver waits; it is gone only if the process is ending.
                let _ = up.send(ringway_io::driver());
                lane.run(inbox, handed).await;
            })
        });
    let thread = thread.map_err(|e| format!("worker {index}: no thread: {e}"))?;
    match is_up.recv() {
        Ok(kind) => {
            let name = if kind == DriverKind::Uring {
                "io_uring"
            } else {
                "epoll"
            };
            metrics.set_io_counters(index, counters, name);
            say_driver(index, kind, io);
            Ok(Worker {
                orders,
                gauge,
                thread: Some(thread),
            })
        }
        Err(_) => match thread.join() {
            Ok(Err(error)) => Err(format!("worker {index}: {error}")),
            _ => Err(format!("worker {index} died at its start")),
        },
    }
}

/// A fallback that nobody notices is a slow-down that nobody can explain: say it once, loudly.
fn say_driver(index: usize, kind: DriverKind, wanted: Io) {
    if index > 0 {
        return;
    }
    match (kind, wanted) {
        (DriverKind::Uring, _) => tracing::info!(driver = "io_uring", "driver"),
        (DriverKind::Epoll, Io::Epoll) => {
            tracing::info!(driver = "epoll", "driver (as configured)")
        }
        (DriverKind::Epoll, _) => {
            let why = ringway_io::probe()
                .uring
                .err()
                .unwrap_or_else(|| "a feature is missing".into());
            tracing::warn!(
                driver = "epoll",
                why,
                "io_uring cannot be used here, so the slower epoll driver runs; `ringway doctor` says what to change"
            );
        }
    }
}

impl Supervisor {
    /// Wait until every worker follows the new plan, so that "reloaded" is true for whoever reads it. A worker takes its
    /// orders once per turn of its loop, so this is microseconds, unless the machine is very busy.
    fn await_workers(&self, taken: &mpsc::Receiver<()>) {
        let until = Instant::now() + PUBLISH_WAIT;
        for _ in &self.lanes {
            if taken
                .recv_timeout(until.saturating_duration_since(Instant::now()))
                .is_err()
            {
                tracing::warn!(
                    "a worker has not taken the new configuration yet; it will with its next turn"
                );
                return;
            }
        }
    }

    fn send(&self, worker: &Worker, order: Order) {
        if worker.orders.send(order).is_err() && !self.stopping {
            tracing::error!("a worker does not take its orders");
        }
    }

    /// For the metrics: the plan of now.
    pub fn gauges(&self) -> impl Gauges + Send + Sync + 'static {
        gauges::PlanGauges(self.plan.clone())
    }
}

impl Proxy for Supervisor {
    fn apply(&mut self, config: &Config) -> Result<Vec<String>, Vec<String>> {
        let Assembled {
            mut plan,
            mut material,
        } = self.assembler.assemble(config)?;
        plan.mark = privilege::mark(config)?;
        let bound = self.bind(config)?;
        plan.own = bound.doors.values().filter_map(Local::tcp).collect();
        let plan = Arc::new(plan);
        let log = Destination::open(&config.access_log.to)
            .map_err(|e| vec![format!("access_log.to: {e}")])?;
        // From here on nothing fails.
        self.access_log.switch(log);
        let (taken, all_taken) = mpsc::channel();
        for (worker, (sockets, datagrams)) in self.lanes.iter().zip(bound.by_worker) {
            let order = Order::Publish {
                plan: plan.clone(),
                sockets,
                datagrams,
                taken: taken.clone(),
            };
            self.send(worker, order);
        }
        drop(taken);
        self.await_workers(&all_taken);
        let mut notes = std::mem::take(&mut material.notes);
        self.assembler.commit(config, &plan, material);
        self.listeners = config
            .listeners
            .iter()
            .flat_map(|l| l.bind.iter().map(move |a| (l.name.clone(), door_key(l, a))))
            .filter_map(|(name, key)| bound.doors.get(&key).map(|a| (name, a.to_string())))
            .collect();
        self.doors = bound.doors;
        let port = |local: &Local| match local {
            Local::Udp(address) => Some(address.port()),
            _ => None,
        };
        self.datagram_ports
            .extend(self.doors.values().filter_map(port));
        *self.plan.lock().unwrap_or_else(PoisonError::into_inner) = Some(plan);
        if (config.server.workers, config.server.io) != self.started {
            notes.push(
                "server.workers and server.io need a restart; the rest of this reload holds".into(),
            );
        }
        Ok(notes)
    }

    fn listeners(&self) -> Vec<(String, String)> {
        self.listeners.clone()
    }

    fn begin_drain(&mut self) {
        self.lanes
            .iter()
            .for_each(|worker| self.send(worker, Order::Drain));
        // The files of Unix sockets go now: whoever starts next finds their places free.
        self.doors.clear();
    }

    fn part(&mut self) {
        self.lanes
            .iter()
            .for_each(|worker| self.send(worker, Order::Part));
    }

    fn in_flight(&self) -> InFlight {
        let exchanges = |w: &Worker| w.gauge.exchanges.load(Ordering::Relaxed);
        InFlight {
            // Those that are on their way from one worker to another, too.
            connections: self.clients.in_use().into(),
            exchanges: self.lanes.iter().map(exchanges).sum(),
        }
    }

    fn stop(&mut self) -> Vec<String> {
        self.stopping = true;
        self.lanes
            .iter()
            .for_each(|worker| self.send(worker, Order::Stop));
        let mut cut = Vec::new();
        for worker in &mut self.lanes {
            if let Some(thread) = worker.thread.take()
                && thread.join().is_err()
            {
                cut.push("a worker panicked while it stopped".into());
            }
            cut.append(
                &mut worker
                    .gauge
                    .cut
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner),
            );
        }
        cut
    }

    /// Once a day: certificates that end soon. (A reload tells of them as well.)
    fn tick(&mut self) {
        if self.told.elapsed() < A_DAY {
            return;
        }
        self.told = Instant::now();
        let plan = self.plan.lock().unwrap_or_else(PoisonError::into_inner);
        for certificate in plan.iter().flat_map(|p| &p.certificates) {
            if let Some(line) = credentials::ends_soon(certificate, unix_seconds()) {
                tracing::warn!("{line}");
            }
        }
    }

    fn failed_worker(&self) -> Option<String> {
        let dead = self
            .lanes
            .iter()
            .position(|w| w.thread.as_ref().is_some_and(JoinHandle::is_finished));
        dead.filter(|_| !self.stopping)
            .map(|index| format!("worker {index} has ended unexpectedly"))
    }
}

/// `ringway run`: start, serve, and answer the exit code after the stop.
pub fn run(files: ConfigFiles, loaded: Loaded, spread: Spread) -> ExitCode {
    let guard = process_log::init("info");
    let config = match loaded.accept() {
        Ok((config, _)) => config,
        Err(rejected) => {
            rejected
                .lines
                .iter()
                .for_each(|line| tracing::error!("{line}"));
            return ExitCode::FAILURE;
        }
    };
    raise_open_files();
    ringway_io::without_huge_pages();
    let metrics = Registry::new(worker_count(&config));
    metrics.set_process_log(guard.drops());
    let supervisor = match start_with(&config, metrics.clone(), spread) {
        Ok(supervisor) => supervisor,
        Err(error) => {
            tracing::error!("{error}");
            return ExitCode::FAILURE;
        }
    };
    let gauges = supervisor.gauges();
    let events = Events {
        metrics: metrics.clone(),
        access_log: supervisor.access_log.clone(),
        started: false,
    };
    control::run(
        supervisor,
        files,
        config,
        Box::new(move || metrics.render(&gauges)),
        events,
    )
}

/// Every connection is an open file: take all that the system grants. Before the workers start, since an armed accept keeps the
/// limit that it began with.
fn raise_open_files() {
    match rlimit::increase_nofile_limit(u64::MAX) {
        Ok(limit) => tracing::debug!(limit, "open files"),
        Err(error) => tracing::warn!(%error, "the limit on open files stays as it is"),
    }
    let limit = rlimit::Resource::NOFILE.get_soft().unwrap_or(1024);
    let room = u32::try_from(limit).unwrap_or(u32::MAX).min(ROOM_FOR_FILES);
    if let Err(error) = ringway_io::make_room_for_files(room) {
        tracing::debug!(%error, "the table of open files grows as it is needed");
    }
}

/// Descriptors that the kernel's table has room for from the start, at 8 octets each: half a MiB of the kernel's. With more it grows as it would
/// have, and each time a worker stands still.
const ROOM_FOR_FILES: u32 = 65_536;

/// Tells the metrics and the log of what the control loop did.
struct Events {
    metrics: Arc<Registry>,
    access_log: Arc<AccessLog>,
    started: bool,
}

impl ReloadEvents for Events {
    fn applied(&mut self) {
        // The first configuration is a start, not a reload.
        if std::mem::replace(&mut self.started, true) {
            self.metrics.process().reload_applied(unix_seconds());
        } else {
            self.metrics.process().config_loaded(unix_seconds());
        }
    }

    fn rejected(&mut self, errors: usize) {
        self.metrics.process().reload_rejected(errors as u64);
    }

    fn draining(&mut self) {
        self.metrics.process().set_draining(true);
    }

    fn reopen_logs(&mut self) {
        self.access_log.reopen();
    }
}

fn unix_seconds() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |d| d.as_secs())
}
