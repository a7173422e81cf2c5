//! A lane is what one worker owns: its view of the plan, its doors, its pool of upstream connections, its dice, its log
//! writer, and the reusable memory of exchanges. Nothing of it is shared; orders come in by one mailbox.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::task::Waker;
use std::time::{SystemTime, UNIX_EPOCH};

use ringway_balancer::{Cursor, Gate};
use ringway_io as io;

use crate::accept::{self, Door};
use crate::facts::Facts;
use crate::observe::{Dice, LaneCells, ListenerCells, LogWriter, RequestIds};
use crate::plan::{DoorKey, Plan};
use crate::session::udp;
use crate::sockets::{NewDatagrams, NewDoor};
use crate::spread::{Crowd, Fresh, HANDED_AT_ONCE, HANDED_PER_TICK, Handed, Ways};
use crate::turns::Turns;
use crate::upstream::pool::Pool;
use crate::upstream::shared::SharedUpstreams;

/// How often a lane does its small chores. Bounds how late a log line appears and how long past its time an idle upstream
/// connection may live; five wake-ups a second cost an idle worker nothing that can be measured.
const CHORES_MS: u32 = 200;

/// Memory of exchanges that is kept for the next ones: as many as a busy worker has at once, a few KiB each. What a peak needed
/// beyond that is freed.
const KEPT_FACTS: usize = 1024;

/// Steps of handshakes in one turn of the loop. By the figures of `core/decisions/tls-provider.md` a whole one costs a server 0.11 ms with ECDSA
/// and 0.78 ms with RSA 2048, so that established connections wait about 0.5 ms or 3 ms a turn for them. The number itself is arbitrary.
const HANDSHAKES_PER_TURN: u32 = 4;

/// Connections to upstreams that are opened in one turn of the loop. Each costs the kernel's work of both ends and whoever waits there: 0.1 ms and more
/// (`bench/README.md`, attacks), as a handshake.
const DIALS_PER_TURN: u32 = 4;

/// Exchanges that end in one turn of the loop because the client took the request back, or its connection ended, a hundred streams at once. For an upstream of HTTP/1.1
/// each is a connection that is reset: 0.05 ms of the worker's time, 0.3 ms where the kernel has to throw away much that was on its way.
const ENDINGS_PER_TURN: u32 = 4;

/// What the side thread tells a worker.
#[derive(Debug)]
pub(crate) enum Order {
    /// Serve by this plan from now on. `sockets` are the listening sockets that are new with it; `taken` is told when new
    /// exchanges follow it.
    Publish {
        plan: Arc<Plan>,
        sockets: Vec<NewDoor>,
        datagrams: Vec<NewDatagrams>,
        taken: mpsc::Sender<()>,
    },
    /// Accept nothing more, close what is idle, end the rest after its exchange.
    Drain,
    /// The drain is nearly over: who can be told so is told.
    Part,
    /// End now.
    Stop,
}

/// What a worker shows to the side thread.
#[derive(Debug, Default)]
pub(crate) struct LaneGauge {
    pub(crate) exchanges: AtomicU64,
    /// What the end of the process cut, a line each.
    pub(crate) cut: Mutex<Vec<String>>,
}

/// A plan with this worker's own state beside it.
#[derive(Debug)]
pub(crate) struct LanePlan {
    pub(crate) plan: Arc<Plan>,
    /// By cluster.
    pub(crate) cursors: Vec<Rc<RefCell<Cursor>>>,
}

/// What a lane shares with the other ones and with the side thread.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) gauge: Arc<LaneGauge>,
    /// Clients of all workers: so many that descriptors are left for upstreams, reloads and the admin listener.
    pub(crate) clients: Arc<Gate>,
    pub(crate) cells: Arc<LaneCells>,
    pub(crate) ways: Arc<Ways>,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Lane {
    pub(crate) index: usize,
    pub(crate) pool: RefCell<Pool>,
    /// Connections that several exchanges use at once.
    pub(crate) shared_upstreams: RefCell<SharedUpstreams>,
    pub(crate) log: RefCell<LogWriter>,
    pub(crate) shared: Shared,
    /// The cryptography of handshakes.
    pub(crate) handshakes: Turns,
    /// Fresh connections to upstreams.
    pub(crate) dials: Turns,
    /// Exchanges that are told that their client's stream is gone.
    pub(crate) endings: Turns,
    dice: RefCell<Dice>,
    ids: RefCell<RequestIds>,
    doors: RefCell<HashMap<DoorKey, Rc<Door>>>,
    /// Closed, and somebody may still come through them.
    closing: RefCell<Vec<Rc<Door>>>,
    datagrams: udp::Doors,
    /// Counts the connections that were let in.
    turn: Cell<usize>,
    /// So many connections may go to other workers before the next chores allow more.
    may_hand: Cell<u32>,
    /// By cluster name.
    cursors: RefCell<HashMap<String, Rc<RefCell<Cursor>>>>,
    #[expect(
        clippy::vec_box,
        reason = "an exchange takes its box whole; unboxed they would be moved, a KiB each time"
    )]
    facts: RefCell<Vec<Box<Facts>>>,
    /// The task of each client connection, so that a drain can wake the idle ones.
    sessions: RefCell<Sessions>,
    /// The same of each WebSocket, so that it can be told that the process goes away.
    tunnels: RefCell<Sessions>,
    draining: Cell<bool>,
    parting: Cell<bool>,
    stopping: Cell<bool>,
    /// Unix time minus the worker's clock, in microseconds; renewed with the chores, so that it follows a set clock.
    unix_offset_us: Cell<u64>,
}

impl Lane {
    pub(crate) fn new(index: usize, log: LogWriter, shared: Shared, seed: u64) -> Lane {
        Lane {
            index,
            pool: RefCell::default(),
            shared_upstreams: RefCell::default(),
            log: RefCell::new(log),
            shared,
            handshakes: Turns::new(HANDSHAKES_PER_TURN),
            dials: Turns::new(DIALS_PER_TURN),
            endings: Turns::new(ENDINGS_PER_TURN),
            dice: RefCell::new(Dice::new(seed)),
            ids: RefCell::new(RequestIds::new(seed.rotate_left(32))),
            doors: RefCell::default(),
            closing: RefCell::default(),
            datagrams: udp::Doors::default(),
            turn: Cell::new(index),
            may_hand: Cell::new(HANDED_AT_ONCE),
            cursors: RefCell::default(),
            facts: RefCell::default(),
            sessions: RefCell::default(),
            tunnels: RefCell::default(),
            draining: Cell::new(false),
            parting: Cell::new(false),
            stopping: Cell::new(false),
            unix_offset_us: Cell::new(unix_offset_us()),
        }
    }

    /// The worker's main task: follow orders until the one to stop.
    pub(crate) async fn run(
        self: Rc<Lane>,
        mut orders: io::Receiver<Order>,
        handed: io::Receiver<Handed>,
    ) {
        io::spawn(self.clone().chores());
        io::spawn(accept::take_over_all(handed, self.clone()));
        while let Some(order) = orders.recv().await {
            match order {
                Order::Publish {
                    plan,
                    sockets,
                    datagrams,
                    taken,
                } => {
                    self.publish(plan, sockets, datagrams);
                    // Whoever asked may have stopped waiting.
                    let _ = taken.send(());
                }
                Order::Drain => self.drain(),
                Order::Part => self.part(),
                Order::Stop => break,
            }
        }
        self.stopping.set(true);
        self.log.borrow_mut().tick();
    }

    async fn chores(self: Rc<Lane>) {
        loop {
            io::sleep(CHORES_MS).await;
            self.unix_offset_us.set(unix_offset_us());
            self.pool.borrow_mut().sweep(io::now_ms());
            self.shared_upstreams.borrow().sweep();
            self.log.borrow_mut().tick();
            let may_hand = self.may_hand.get() + HANDED_PER_TICK;
            self.may_hand.set(may_hand.min(HANDED_AT_ONCE));
            self.closing.borrow_mut().retain(|door| !door.is_deserted());
            self.datagrams.tick(self.index);
        }
    }

    /// Cannot fail: everything that could was done before the order was sent.
    fn publish(
        self: &Rc<Lane>,
        plan: Arc<Plan>,
        sockets: Vec<NewDoor>,
        datagrams: Vec<NewDatagrams>,
    ) {
        let cursors = self.cursors(&plan);
        let lane_plan = Rc::new(LanePlan { plan, cursors });
        let mut doors = self.doors.borrow_mut();
        let mut before = std::mem::take(&mut *doors);
        let mut sockets: HashMap<DoorKey, NewDoor> = sockets
            .into_iter()
            .map(|new| (new.crowd.key().clone(), new))
            .collect();
        for (index, listener) in lane_plan.plan.listeners.iter().enumerate() {
            for key in &listener.doors {
                if let Some(door) = before.remove(key) {
                    door.follow(lane_plan.clone(), index);
                    doors.insert(key.clone(), door);
                } else if let Some(socket) = sockets.remove(key) {
                    let door = Door::open(socket, lane_plan.clone(), index, self);
                    doors.extend(door.map(|door| (key.clone(), door)));
                }
            }
        }
        drop(doors);
        let mut gone = !before.is_empty();
        self.close(before);
        gone |= self.datagrams.publish(&lane_plan, datagrams, self);
        self.pool.borrow_mut().keep_only(&lane_plan.plan);
        self.shared_upstreams
            .borrow_mut()
            .keep_only(&lane_plan.plan);
        if gone {
            self.wake_sessions();
        }
    }

    /// A cluster's place in its round goes on over a reload.
    fn cursors(&self, plan: &Plan) -> Vec<Rc<RefCell<Cursor>>> {
        let mut known = self.cursors.borrow_mut();
        let clusters = plan.clusters.iter();
        let now: HashMap<String, Rc<RefCell<Cursor>>> = clusters
            .map(|c| (c.name.clone(), known.remove(&c.name).unwrap_or_default()))
            .collect();
        *known = now;
        let clusters = plan.clusters.iter();
        clusters.map(|c| known[&c.name].clone()).collect()
    }

    fn drain(&self) {
        self.draining.set(true);
        let doors = self.doors.take();
        self.close(doors);
        self.datagrams.close();
        self.pool.borrow_mut().clear();
        self.shared_upstreams.borrow_mut().close_idle();
        self.wake_sessions();
    }

    fn part(&self) {
        self.parting.set(true);
        self.tunnels.borrow().wake_all();
    }

    fn close(&self, doors: HashMap<DoorKey, Rc<Door>>) {
        for door in doors.into_values() {
            door.close();
            self.closing.borrow_mut().push(door);
        }
    }

    /// The door for which connections are counted there.
    pub(crate) fn door_of(&self, crowd: &Arc<Crowd>) -> Option<Rc<Door>> {
        let is_it = |door: &&Rc<Door>| Arc::ptr_eq(door.crowd(), crowd);
        let open = self.doors.borrow().get(crowd.key()).filter(is_it).cloned();
        open.or_else(|| self.closing.borrow().iter().find(is_it).cloned())
    }

    /// Let another worker serve a connection, if that is better. Given back if not.
    pub(crate) fn hand_on(&self, fresh: Fresh, door: &Door) -> Result<(), Fresh> {
        let (turn, left) = (self.turn.get(), self.may_hand.get());
        if left == 0 {
            return Err(fresh);
        }
        self.turn.set(turn.wrapping_add(1));
        self.shared.ways.hand_on(fresh, door, turn)?;
        self.may_hand.set(left - 1);
        self.shared.cells.of(self.index).handed();
        Ok(())
    }

    fn wake_sessions(&self) {
        self.sessions.borrow().wake_all();
    }

    /// The process is on its way out: connections end after their exchange.
    pub(crate) fn is_draining(&self) -> bool {
        self.draining.get()
    }

    /// The drain is nearly over.
    pub(crate) fn is_parting(&self) -> bool {
        self.parting.get()
    }

    /// The worker is ending now: what still runs is being cut.
    pub(crate) fn is_stopping(&self) -> bool {
        self.stopping.get()
    }

    /// What the end of the process cuts, for its log, up to so many lines.
    pub(crate) fn report_cut(&self, line: impl FnOnce() -> String) {
        const LINES: usize = 20;
        if let Ok(mut cut) = self.shared.gauge.cut.lock()
            && cut.len() < LINES
        {
            cut.push(line());
        }
    }

    /// A random number.
    pub(crate) fn roll(&self) -> u64 {
        self.dice.borrow_mut().next()
    }

    /// A new request id.
    pub(crate) fn request_id(&self) -> [u8; 36] {
        self.ids.borrow_mut().next(self.unix_us() / 1000)
    }

    /// Unix time of this loop turn, in microseconds.
    pub(crate) fn unix_us(&self) -> u64 {
        io::now_us() + self.unix_offset_us.get()
    }

    /// Reused memory for one exchange.
    pub(crate) fn borrow_facts(&self) -> Box<Facts> {
        self.facts.borrow_mut().pop().unwrap_or_default()
    }

    /// Give it back.
    pub(crate) fn return_facts(&self, mut facts: Box<Facts>) {
        let mut kept = self.facts.borrow_mut();
        if kept.len() < KEPT_FACTS {
            facts.clear();
            kept.push(facts);
        }
    }

    /// Note a WebSocket for as long as the answer lives.
    pub(crate) fn enter_tunnel(self: &Rc<Lane>, waker: Waker) -> TunnelSeat {
        let seat = self.tunnels.borrow_mut().insert(waker);
        TunnelSeat {
            lane: self.clone(),
            seat,
        }
    }

    /// Note a client connection for as long as the answer lives.
    pub(crate) fn enter_session(
        self: &Rc<Lane>,
        waker: Waker,
        cells: Arc<ListenerCells>,
    ) -> SessionSeat {
        self.shared.cells.of(self.index).connections(1);
        cells.of(self.index).opened();
        let seat = self.sessions.borrow_mut().insert(waker);
        SessionSeat {
            lane: self.clone(),
            cells,
            seat,
        }
    }
}

fn unix_offset_us() -> u64 {
    let unix = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |d| d.as_micros() as u64);
    unix.saturating_sub(io::now_us())
}

/// Add to a cell that only this worker writes: no locked instruction is needed.
pub(crate) fn add(cell: &AtomicU64, n: i64) {
    cell.store(
        cell.load(Ordering::Relaxed).wrapping_add_signed(n),
        Ordering::Relaxed,
    );
}

/// Wakers by seat, with the free seats in a list.
#[derive(Debug, Default)]
struct Sessions {
    wakers: Vec<Option<Waker>>,
    free: Vec<u32>,
}

impl Sessions {
    fn insert(&mut self, waker: Waker) -> u32 {
        if let Some(seat) = self.free.pop() {
            self.wakers[seat as usize] = Some(waker);
            return seat;
        }
        self.wakers.push(Some(waker));
        (self.wakers.len() - 1) as u32
    }

    fn remove(&mut self, seat: u32) {
        self.wakers[seat as usize] = None;
        self.free.push(seat);
    }

    fn wake_all(&self) {
        let wakers = self.wakers.iter().flatten();
        wakers.for_each(Waker::wake_by_ref);
    }
}

/// A WebSocket's entry in its lane; leaves when dropped.
#[derive(Debug)]
pub(crate) struct TunnelSeat {
    lane: Rc<Lane>,
    seat: u32,
}

impl Drop for TunnelSeat {
    fn drop(&mut self) {
        self.lane.tunnels.borrow_mut().remove(self.seat);
    }
}

/// A client connection's entry in its lane; leaves when dropped.
#[derive(Debug)]
pub(crate) struct SessionSeat {
    lane: Rc<Lane>,
    cells: Arc<ListenerCells>,
    seat: u32,
}

impl SessionSeat {
    /// Another task serves the connection from now on.
    pub(crate) fn hand_to(&self, waker: Waker) {
        self.lane.sessions.borrow_mut().wakers[self.seat as usize] = Some(waker);
    }
}

impl Drop for SessionSeat {
    fn drop(&mut self) {
        self.lane.sessions.borrow_mut().remove(self.seat);
        self.lane.shared.cells.of(self.lane.index).connections(-1);
        self.cells.of(self.lane.index).closed();
    }
}
