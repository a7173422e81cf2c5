//! Step 1: a listening socket of one worker, and the connections that come through it. It knows nothing of protocols.

use std::cell::{Cell, OnceCell, RefCell};
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;

use ringway_balancer::Permit;
use ringway_io as io;
use socket2::SockRef;

use crate::flow;
use crate::lane::{Lane, LanePlan};
use crate::link::Link;
use crate::observe::ListenerCells;
use crate::plan::Speaks;
use crate::proxied::Ends;
use crate::sockets::NewDoor;
use crate::spread::{Crowd, Fresh, Handed, Inside};
use crate::term::Term;

/// A pause after an accept that failed for a reason of its own (exhaustion is waited for in the runtime): long enough not to
/// spin, short enough not to be noticed.
const ACCEPT_PAUSE_MS: u32 = 100;

/// A listening socket, and the plan by which its connections are served. It outlives its removal from the configuration for
/// as long as a connection that came through it lives; the plan it then has is the last one that knew it.
#[derive(Debug)]
pub(crate) struct Door {
    plan: RefCell<Rc<LanePlan>>,
    listener: Cell<usize>,
    /// None once it is closed.
    socket: RefCell<Option<Rc<io::Listener>>>,
    /// The port in text, for X-Forwarded-Port; empty for a Unix socket.
    port: String,
    /// Whose door it is.
    worker: usize,
    /// The connections of this address, those of the other workers too.
    crowd: Arc<Crowd>,
}

impl Door {
    /// Start to accept. None if the driver refuses the socket (logged).
    pub(crate) fn open(
        new: NewDoor,
        plan: Rc<LanePlan>,
        listener: usize,
        lane: &Rc<Lane>,
    ) -> Option<Rc<Door>> {
        let NewDoor { socket, crowd } = new;
        let local = SockRef::from(&socket).local_addr();
        let port = local.ok().and_then(|a| a.as_socket());
        let port = port.map_or_else(String::new, |a| a.port().to_string());
        let socket = match io::Listener::from_fd(socket) {
            Ok(socket) => Rc::new(socket),
            Err(error) => {
                tracing::error!(listener = plan.plan.listeners[listener].name, %error, "cannot accept on this listener");
                return None;
            }
        };
        let door = Rc::new(Door {
            plan: RefCell::new(plan),
            listener: Cell::new(listener),
            socket: RefCell::new(Some(socket.clone())),
            port,
            worker: lane.index,
            crowd,
        });
        door.crowd.open(door.worker);
        io::spawn(accept_all(socket, door.clone(), lane.clone()));
        Some(door)
    }

    /// A reload kept this socket: new exchanges follow the new plan.
    pub(crate) fn follow(&self, plan: Rc<LanePlan>, listener: usize) {
        self.listener.set(listener);
        self.plan.replace(plan);
    }

    /// Accept nothing more, from now on. Connections end after their current exchange.
    pub(crate) fn close(&self) {
        self.crowd.close(self.worker);
        if let Some(socket) = self.socket.take() {
            socket.stop();
        }
    }

    pub(crate) fn port(&self) -> &str {
        &self.port
    }

    pub(crate) fn worker(&self) -> usize {
        self.worker
    }

    pub(crate) fn crowd(&self) -> &Arc<Crowd> {
        &self.crowd
    }

    /// Does anybody still come through it, or is on the way to?
    pub(crate) fn is_deserted(&self) -> bool {
        self.is_closed() && self.crowd.of(self.worker) == 0
    }

    /// Where its connections are counted.
    pub(crate) fn cells(&self) -> Arc<ListenerCells> {
        let plan = self.plan.borrow();
        plan.plan.listeners[self.listener.get()].cells.clone()
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.socket.borrow().is_none()
    }

    /// What its listener expects of connections.
    pub(crate) fn speaks(&self) -> Speaks {
        let plan = self.plan.borrow();
        plan.plan.listeners[self.listener.get()].speaks
    }

    /// The plan of now, and which of its listeners this is.
    pub(crate) fn plan(&self) -> (Rc<LanePlan>, usize) {
        (self.plan.borrow().clone(), self.listener.get())
    }
}

/// Serve whoever comes until the door is closed, and then those whom the kernel had let in before: to drop them would reset clients
/// that did nothing wrong.
async fn accept_all(socket: Rc<io::Listener>, door: Rc<Door>, lane: Rc<Lane>) {
    loop {
        let done = match socket.take().await {
            Ok(accepted) => admit(accepted, &door, &lane),
            Err(_) if door.is_closed() => return,
            // All workers share a Unix socket, and another one was told first that it is closed.
            Err(error) if error.kind() == std::io::ErrorKind::InvalidInput => {
                io::sleep(ACCEPT_PAUSE_MS).await;
                continue;
            }
            Err(error) => Err(error),
        };
        if let Err(error) = done {
            say_lost(&door, &error);
            io::sleep(ACCEPT_PAUSE_MS).await;
        }
    }
}

/// Serve those whom other workers hand over.
pub(crate) async fn take_over_all(mut inbox: io::Receiver<Handed>, lane: Rc<Lane>) {
    while let Some(handed) = inbox.recv().await {
        // A door is kept as long as a connection is counted on it, and this one is.
        let Some(door) = lane.door_of(handed.crowd()) else {
            continue;
        };
        let (fresh, inside) = handed.arrive(&door);
        if let Err(error) = serve(fresh, inside, &lane) {
            say_lost(&door, &error);
        }
    }
}

fn say_lost(door: &Door, error: &std::io::Error) {
    let (plan, listener) = door.plan();
    let listener = &plan.plan.listeners[listener].name;
    tracing::error!(listener, %error, "a connection could not be accepted");
}

/// Let the connection in, if the process and the listener have room for it, and find out who serves it.
fn admit(accepted: io::Accepted, door: &Rc<Door>, lane: &Rc<Lane>) -> std::io::Result<()> {
    let (plan, listener) = door.plan();
    let listener = &plan.plan.listeners[listener];
    let places = [Some(&lane.shared.clients), listener.connections.as_ref()]
        .map(|gate| gate.map(|g| g.try_enter()));
    let [Some(Some(in_process)), in_listener @ (None | Some(Some(_)))] = places else {
        listener.cells.of(lane.index).refused_connection();
        return Ok(());
    };
    let fresh = Fresh {
        accepted,
        in_process,
        in_listener: in_listener.flatten(),
    };
    match lane.hand_on(fresh, door) {
        Ok(()) => Ok(()),
        Err(fresh) => serve(fresh, Inside::new(door), lane),
    }
}

/// Give the connection a task of its own.
fn serve(fresh: Fresh, door: Inside, lane: &Rc<Lane>) -> std::io::Result<()> {
    let stream = fresh.accepted.stream()?;
    // Gone already: nothing to serve.
    let Ok(peer) = stream.peer_addr() else {
        return Ok(());
    };
    let peer = peer.as_socket().map(|a| a.ip().to_canonical());
    let (plan, listener) = door.plan();
    let term = Term::new(&plan.plan.listeners[listener], || lane.roll());
    let client = Client {
        stream: stream.into(),
        term,
        peer,
        ends: OnceCell::new(),
        door,
        _in_process: fresh.in_process,
        _in_listener: fresh.in_listener,
    };
    flow::begin(client, lane.clone());
    Ok(())
}

/// Who came: an accepted connection.
#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) stream: Link,
    /// The client's address: that of the socket's other end (None for a Unix socket's), or by a PROXY header.
    pub(crate) peer: Option<IpAddr>,
    /// Both ends with their ports, where somebody asked.
    pub(crate) ends: OnceCell<Box<Ends>>,
    pub(crate) door: Inside,
    pub(crate) term: Term,
    /// Its place among the clients of the whole process.
    _in_process: Permit,
    /// Its place in the listener's `limits.connections`.
    _in_listener: Option<Permit>,
}

impl Client {
    /// Its session takes no further requests: the process or its listener is going away, or it has served as long as it may.
    pub(crate) fn is_ending(&self, lane: &Lane) -> bool {
        if lane.is_draining() || self.door.is_closed() {
            return true;
        }
        let over = self.term.over();
        if let Some(by) = over
            && self.term.is_news()
        {
            self.door.cells().of(lane.index).retired(by);
        }
        over.is_some()
    }
}
