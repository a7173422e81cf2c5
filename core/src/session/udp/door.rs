//! Step 1 for datagrams: a listening socket of one worker, and the sessions that came through it. The kernel's hash of the addresses keeps a client
//! on a worker, so that no session is ever looked for on another one; nothing is handed on (as connections are), since there is no moment before
//! the first byte.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use ringway_io::{self as io, Buf};

use super::course;
use super::{Ends, Places, Session, Traffic, raw};
use crate::lane::{Lane, LanePlan};
use crate::observe::{ListenerCell, Lost};
use crate::plan::DoorKey;
use crate::policy::allow;
use crate::sockets::NewDatagrams;

/// Datagrams that one door takes before others have their turn.
const DATAGRAMS_PER_TURN: usize = 256;
/// A pause after an error of a socket that hears of none: not to spin.
const PAUSE_MS: u32 = 100;

/// A listening socket of datagrams. As with connections, it outlives its removal from the configuration for as long as a session lives.
#[derive(Debug)]
pub(super) struct Door {
    plan: RefCell<Rc<LanePlan>>,
    listener: Cell<usize>,
    socket: io::Datagrams,
    port: u16,
    /// Clients choose their addresses: the map's own hash, which cannot be steered, is what is wanted here.
    sessions: RefCell<HashMap<Ends, Rc<Session>>>,
    /// When it was closed, on the worker's clock.
    closed_ms: Cell<Option<u64>>,
    /// The task that takes what comes.
    task: RefCell<Option<Waker>>,
    /// Of the kernel's drops those that are counted already.
    counted_drops: Cell<u32>,
}

impl Door {
    /// Start to take datagrams. None if the driver refuses the socket (logged).
    fn open(
        new: NewDatagrams,
        plan: Rc<LanePlan>,
        listener: usize,
        lane: &Rc<Lane>,
    ) -> Option<Rc<Door>> {
        let port = new.socket.local_addr().map_or(0, |address| address.port());
        let socket = match io::Datagrams::from_std(new.socket) {
            Ok(socket) => socket,
            Err(error) => {
                tracing::error!(listener = plan.plan.listeners[listener].name, %error, "cannot take datagrams on this listener");
                return None;
            }
        };
        let door = Rc::new(Door {
            plan: RefCell::new(plan),
            listener: Cell::new(listener),
            socket,
            port,
            sessions: RefCell::default(),
            closed_ms: Cell::new(None),
            task: RefCell::default(),
            counted_drops: Cell::new(0),
        });
        io::spawn(take_all(door.clone(), lane.clone()));
        Some(door)
    }

    /// No new sessions from now on; those that are there have the time of a drain.
    fn close(&self) {
        self.closed_ms.set(Some(io::now_ms()));
        self.wake();
    }

    fn wake(&self) {
        if let Some(task) = &*self.task.borrow() {
            task.wake_by_ref();
        }
    }

    pub(super) fn is_closed(&self) -> bool {
        self.closed_ms.get().is_some()
    }

    fn is_deserted(&self) -> bool {
        self.is_closed() && self.sessions.borrow().is_empty()
    }

    /// Of the drain, once it is closed.
    pub(super) fn time_left_ms(&self) -> Option<u32> {
        let gone = io::now_ms().saturating_sub(self.closed_ms.get()?);
        let drain = u64::from(self.plan.borrow().plan.drain_ms);
        u32::try_from(drain.saturating_sub(gone)).ok()
    }

    /// To a client, from the address that it asked.
    pub(super) fn send(&self, bytes: &[u8], ends: &Ends) -> std::io::Result<()> {
        self.socket.send_to(bytes, &raw(ends.client), ends.asked)
    }

    /// The session is over.
    pub(super) fn forget(&self, ends: &Ends) {
        self.sessions.borrow_mut().remove(ends);
        if self.is_deserted() {
            self.wake();
        }
    }

    fn count(&self, worker: usize, count: impl FnOnce(&ListenerCell)) {
        let plan = self.plan.borrow();
        count(plan.plan.listeners[self.listener.get()].cells.of(worker));
    }

    /// A datagram came.
    fn take(self: &Rc<Door>, datagram: io::Datagram, lane: &Rc<Lane>) {
        self.count(lane.index, ListenerCell::datagram_in);
        let lose = |why| self.count(lane.index, |cell| cell.lost(why, 1));
        if datagram.truncated {
            return lose(Lost::TooLarge);
        }
        let Some(client) = datagram.from else {
            return lose(Lost::SendFailed);
        };
        let ends = Ends {
            client,
            asked: datagram.to,
        };
        if let Some(session) = self.sessions.borrow().get(&ends) {
            return session.forward(datagram.payload);
        }
        if let Err(why) = self.welcome(ends, datagram.payload, lane) {
            lose(why);
        }
    }

    /// A session for whoever has none, if there is room for it everywhere.
    fn welcome(self: &Rc<Door>, ends: Ends, first: Buf, lane: &Rc<Lane>) -> Result<(), Lost> {
        if self.is_closed() || lane.is_draining() {
            return Err(Lost::Ending);
        }
        let plan = self.plan.borrow().clone();
        let listener = &plan.plan.listeners[self.listener.get()];
        let Some(udp) = &listener.udp else {
            return Err(Lost::Ending);
        };
        if !allow::datagrams(listener, ends.client.ip()) {
            return Err(Lost::Denied);
        }
        let in_process = lane.shared.clients.try_enter().ok_or(Lost::Sessions)?;
        let in_listener = match &listener.connections {
            Some(gate) => Some(gate.try_enter().ok_or(Lost::Sessions)?),
            None => None,
        };
        let cluster = &plan.plan.clusters[udp.cluster];
        let of_cluster = (
            cluster.requests.try_enter(),
            cluster.connections.try_enter(),
        );
        let (Some(of_requests), Some(of_connections)) = of_cluster else {
            cluster.cells.of(lane.index).overflow();
            return Err(Lost::ClusterLimit);
        };
        let places = Places {
            _in_process: in_process,
            _in_listener: in_listener,
            _of_requests: of_requests,
            of_connections,
        };
        let session = Rc::new(Session {
            ends,
            door: self.clone(),
            listener: self.listener.get(),
            worker: lane.index,
            upstream: RefCell::default(),
            waiting: RefCell::default(),
            latest: RefCell::default(),
            answered: Cell::new(false),
            from_client: Traffic::default(),
            to_client: Traffic::default(),
            patience_ms: Cell::new(udp.idle_ms),
            moved_ms: Cell::new(io::now_ms()),
            ending: Cell::new(false),
            plan: plan.clone(),
        });
        session.forward(first);
        self.sessions.borrow_mut().insert(ends, session.clone());
        io::spawn(course::run(session, places, lane.clone()));
        Ok(())
    }

    /// What the kernel dropped since it was asked last.
    fn count_kernel_drops(&self, worker: usize) {
        if let Ok(drops) = self.socket.kernel_drops() {
            let new = drops.wrapping_sub(self.counted_drops.replace(drops));
            self.count(worker, |cell| cell.lost(Lost::Kernel, new.into()));
        }
    }

    fn poll_take_all(
        self: &Rc<Door>,
        lane: &Rc<Lane>,
        cx: &mut Context<'_>,
    ) -> Poll<std::io::Result<()>> {
        for _ in 0..DATAGRAMS_PER_TURN {
            match self.socket.poll_recv(cx) {
                Poll::Ready(Ok(datagram)) => self.take(datagram, lane),
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending if self.is_deserted() => return Poll::Ready(Ok(())),
                Poll::Pending => return Poll::Pending,
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

/// Take what comes until the door is closed and its last session over.
async fn take_all(door: Rc<Door>, lane: Rc<Lane>) {
    let task = poll_fn(|cx| Poll::Ready(cx.waker().clone())).await;
    door.task.replace(Some(task));
    loop {
        match poll_fn(|cx| door.poll_take_all(&lane, cx)).await {
            Ok(()) => return,
            Err(_) if lane.is_stopping() => return,
            Err(error) => {
                let plan = door.plan.borrow().clone();
                let listener = &plan.plan.listeners[door.listener.get()].name;
                tracing::error!(listener, %error, "a datagram could not be received");
                io::sleep(PAUSE_MS).await;
            }
        }
    }
}

/// A worker's doors of datagrams.
#[derive(Debug, Default)]
pub(crate) struct Doors {
    open: RefCell<HashMap<DoorKey, Rc<Door>>>,
    /// Closed, and somebody still has a session there.
    closing: RefCell<Vec<Rc<Door>>>,
}

impl Doors {
    /// Follow a plan. Whether doors were closed, so that sessions must hear of it. Cannot fail.
    pub(crate) fn publish(
        &self,
        plan: &Rc<LanePlan>,
        sockets: Vec<NewDatagrams>,
        lane: &Rc<Lane>,
    ) -> bool {
        let mut before = self.open.take();
        let mut sockets: HashMap<DoorKey, NewDatagrams> = sockets
            .into_iter()
            .map(|new| (new.key.clone(), new))
            .collect();
        let mut open = HashMap::new();
        for (index, listener) in plan.plan.listeners.iter().enumerate() {
            if listener.udp.is_none() {
                continue;
            }
            for key in &listener.doors {
                if let Some(door) = before.remove(key) {
                    door.listener.set(index);
                    door.plan.replace(plan.clone());
                    open.insert(key.clone(), door);
                } else if let Some(new) = sockets.remove(key) {
                    let door = Door::open(new, plan.clone(), index, lane);
                    open.extend(door.map(|door| (key.clone(), door)));
                }
            }
        }
        self.open.replace(open);
        let gone = !before.is_empty();
        self.close_these(before);
        self.give_up_ports();
        gone
    }

    /// Close all.
    pub(crate) fn close(&self) {
        let open = self.open.take();
        self.close_these(open);
    }

    fn close_these(&self, doors: HashMap<DoorKey, Rc<Door>>) {
        for door in doors.into_values() {
            door.close();
            if !door.is_deserted() {
                self.closing.borrow_mut().push(door);
            }
        }
    }

    /// Where a door is open on the port of one that was closed, what comes there is for the open one: its sessions get the answers that are on
    /// their way, and no more from their clients.
    fn give_up_ports(&self) {
        let open = self.open.borrow();
        for closed in self.closing.borrow().iter() {
            if open.values().any(|door| door.port == closed.port)
                && let Err(error) = closed.socket.leave_port()
            {
                tracing::warn!(port = closed.port, %error, "a closed listener keeps its port until its sessions are over");
            }
        }
    }

    /// The small chores.
    pub(crate) fn tick(&self, worker: usize) {
        self.closing.borrow_mut().retain(|door| !door.is_deserted());
        for door in self.open.borrow().values() {
            door.count_kernel_drops(worker);
        }
    }
}
