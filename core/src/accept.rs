//! Step 1: a listening socket of one worker, and the connections that come through it. It knows nothing of protocols.

use std::cell::{Cell, RefCell};
use std::net::{IpAddr, TcpListener};
use std::rc::Rc;
use std::sync::Arc;

use ringway_balancer::Permit;
use ringway_io as io;

use crate::flow;
use crate::lane::{Lane, LanePlan};
use crate::observe::ListenerCells;

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
    /// The port in text, for X-Forwarded-Port.
    port: String,
}

impl Door {
    /// Start to accept. None if the driver refuses the socket (logged).
    pub(crate) fn open(
        socket: TcpListener,
        plan: Rc<LanePlan>,
        listener: usize,
        lane: &Rc<Lane>,
    ) -> Option<Rc<Door>> {
        let port = socket
            .local_addr()
            .map_or_else(|_| String::new(), |a| a.port().to_string());
        let socket = match io::Listener::from_std(socket) {
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
        });
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
        if let Some(socket) = self.socket.take() {
            socket.stop();
        }
    }

    pub(crate) fn port(&self) -> &str {
        &self.port
    }

    /// Where its connections are counted.
    pub(crate) fn cells(&self) -> Arc<ListenerCells> {
        let plan = self.plan.borrow();
        plan.plan.listeners[self.listener.get()].cells.clone()
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.socket.borrow().is_none()
    }

    /// Whether its listener passes bytes on and reads no HTTP.
    pub(crate) fn passes_bytes(&self) -> bool {
        let plan = self.plan.borrow();
        plan.plan.listeners[self.listener.get()].tcp.is_some()
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
        match socket.accept().await {
            Ok(stream) => admit(stream, &door, &lane),
            Err(_) if door.is_closed() => return,
            Err(error) => {
                let (plan, listener) = door.plan();
                let listener = &plan.plan.listeners[listener].name;
                tracing::error!(listener, %error, "a connection could not be accepted");
                drop(plan);
                io::sleep(ACCEPT_PAUSE_MS).await;
            }
        }
    }
}

/// Give the connection a task of its own, if the process and the listener have room for it.
fn admit(stream: io::Stream, door: &Rc<Door>, lane: &Rc<Lane>) {
    let (plan, listener) = door.plan();
    let listener = &plan.plan.listeners[listener];
    let places = [Some(&lane.clients), listener.connections.as_ref()]
        .map(|gate| gate.map(|g| g.try_enter()));
    let [Some(Some(in_process)), in_listener @ (None | Some(Some(_)))] = places else {
        listener.cells.of(lane.index).refused_connection();
        return;
    };
    // Gone already: nothing to serve.
    let Ok(peer) = stream.peer_addr() else { return };
    let peer = peer
        .as_socket()
        .map_or(IpAddr::from([127, 0, 0, 1]), |a| a.ip().to_canonical());
    let client = Client {
        stream,
        peer,
        door: door.clone(),
        received: Cell::new(0),
        sent: Cell::new(0),
        _in_process: in_process,
        _in_listener: in_listener.flatten(),
    };
    flow::begin(client, lane.clone());
}

/// Who came: an accepted connection.
#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) stream: io::Stream,
    /// The other end's address; loopback stands for a Unix socket's.
    pub(crate) peer: IpAddr,
    pub(crate) door: Rc<Door>,
    /// Payload bytes of the current exchange from this client, counted as they move.
    pub(crate) received: Cell<u64>,
    /// The same, to it.
    pub(crate) sent: Cell<u64>,
    /// Its place among the clients of the whole process.
    _in_process: Permit,
    /// Its place in the listener's `limits.connections`.
    _in_listener: Option<Permit>,
}
