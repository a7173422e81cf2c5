//! UDP: what comes from one address to one address of ours is a session, and one exchange. Its datagrams go to one endpoint through a socket of its
//! own, so that the answers find back, and so that it hears when nobody listens there. The door takes from clients and sends to the endpoint at
//! once; the session's task takes the answers. Nothing waits here but in the kernel's queues: what these do not take is dropped and counted.
//!
//! By address alone: a QUIC client that changes its address is another session here (its connection ids are not read).

mod course;
mod door;

use std::cell::{Cell, RefCell};
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::task::{Context, Poll};

use ringway_balancer::Permit;
use ringway_io::{self as io, Buf};
use socket2::SockAddr;

use crate::lane::{Lane, LanePlan};
use crate::observe::Lost;
use crate::plan::{ListenerPlan, UdpPlan};

pub(crate) use door::Doors;

/// A session that is to end (its listener is gone, the process stops) is over when it was quiet for so long: what was on its way has come by then.
/// A question to a resolver that must ask others takes a second or two; whoever streams is never so quiet.
const QUIET_MS: u32 = 2_000;
/// Datagrams that wait for their session's task to open its socket. They come in the same turn of the loop, so that these are many.
const WAITING: usize = 16;
/// A longer datagram is not kept for another endpoint: what opens a conversation is short (a QUIC client's first is 1,200 bytes), and a session of which
/// nothing is ever answered keeps one for as long as it lives.
const KEPT_BYTES: usize = 4 * 1024;
/// Answers that one session takes before others have their turn.
const ANSWERS_PER_TURN: usize = 64;

/// Who a session is with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Ends {
    client: SocketAddr,
    /// The address of ours that was asked, where the door listens on all of them.
    asked: Option<IpAddr>,
}

/// The places that a session holds: of the process, of its listener, and of its cluster.
#[derive(Debug)]
struct Places {
    _in_process: Permit,
    _in_listener: Option<Permit>,
    _of_requests: Permit,
    of_connections: Permit,
}

/// Datagrams and their bytes in one direction.
#[derive(Debug, Default)]
struct Traffic {
    datagrams: Cell<u64>,
    bytes: Cell<u64>,
}

impl Traffic {
    fn add(&self, bytes: usize) {
        self.datagrams.set(self.datagrams.get() + 1);
        self.bytes.set(self.bytes.get() + bytes as u64);
    }
}

/// What the door and the session's task share.
#[derive(Debug)]
struct Session {
    ends: Ends,
    door: Rc<door::Door>,
    /// The snapshot that it began with, and which of its listeners the door was; a reload does not change it.
    plan: Rc<LanePlan>,
    listener: usize,
    worker: usize,
    /// None until the task has opened it.
    upstream: RefCell<Option<Rc<io::Datagrams>>>,
    /// Came before that.
    waiting: RefCell<Vec<Buf>>,
    /// The latest datagram, for another endpoint if this one turns out not to be there; kept until something was answered.
    latest: RefCell<Option<Buf>>,
    answered: Cell<bool>,
    from_client: Traffic,
    to_client: Traffic,
    /// How long it may be silent from now on, and when something moved last, on the worker's clock.
    patience_ms: Cell<u32>,
    moved_ms: Cell<u64>,
    /// Its listener is gone, or the process stops.
    ending: Cell<bool>,
}

/// What became of the session with one endpoint.
#[derive(Debug)]
enum End {
    /// Each datagram has its answers.
    Answered,
    Silent,
    /// The network says that the endpoint is not there.
    Refused(std::io::Error),
    /// The listener is gone for longer than a drain takes.
    Cut,
    /// The worker ends.
    Stopped,
}

impl Session {
    fn listener(&self) -> &ListenerPlan {
        &self.plan.plan.listeners[self.listener]
    }

    fn udp(&self) -> &UdpPlan {
        let udp = self.listener().udp.as_ref();
        udp.expect("a door of datagrams belongs to a listener of datagrams")
    }

    fn lose(&self, why: Lost) {
        self.listener().cells.of(self.worker).lost(why, 1);
    }

    /// A datagram from the client: to the endpoint, at once.
    fn forward(&self, payload: Buf) {
        self.from_client.add(payload.len());
        match &*self.upstream.borrow() {
            Some(socket) => self.send(socket, payload),
            None => {
                let mut waiting = self.waiting.borrow_mut();
                if waiting.len() < WAITING {
                    waiting.push(payload);
                } else {
                    self.lose(Lost::QueueFull);
                }
            }
        }
    }

    fn send(&self, socket: &io::Datagrams, payload: Buf) {
        self.touch(socket);
        let sent = socket.send(&payload);
        let unanswered = !self.answered.get();
        match sent {
            Ok(()) => {}
            // Nobody there: another endpoint gets it (below), if there is one.
            Err(error) if unanswered && is_of_the_peer(&error) => {}
            Err(error) => self.lose(why_not_sent(&error)),
        }
        if unanswered {
            let kept = payload.len() <= KEPT_BYTES;
            self.latest.replace(kept.then_some(payload));
        }
    }

    /// From now on it may be silent for its time again.
    fn touch(&self, socket: &io::Datagrams) {
        self.moved_ms.set(io::now_ms());
        let left = self.door.time_left_ms().unwrap_or(u32::MAX);
        socket.set_deadline(self.patience_ms.get().min(left).max(1));
    }

    /// The session talks to the endpoint behind `socket` from now on, and sends what waits.
    fn turn_to(&self, socket: Rc<io::Datagrams>) {
        self.touch(&socket);
        let waiting = self.waiting.take();
        let latest = self.latest.take();
        for payload in latest.into_iter().chain(waiting) {
            self.send(&socket, payload);
        }
        self.upstream.replace(Some(socket));
    }

    /// Take answers until the session is over with this endpoint.
    fn poll_answers(&self, socket: &io::Datagrams, lane: &Lane, cx: &mut Context<'_>) -> Poll<End> {
        for _ in 0..ANSWERS_PER_TURN {
            match socket.poll_recv(cx) {
                Poll::Ready(Ok(answer)) => {
                    self.touch(socket);
                    self.answer(&answer);
                    if self.has_all_answers() {
                        return Poll::Ready(End::Answered);
                    }
                }
                Poll::Ready(Err(error)) => return Poll::Ready(self.why_ended(error, lane)),
                Poll::Pending => {
                    self.hurry(socket, lane);
                    return Poll::Pending;
                }
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    fn answer(&self, answer: &io::Datagram) {
        self.answered.set(true);
        self.latest.replace(None);
        if answer.truncated {
            return self.lose(Lost::TooLarge);
        }
        match self.door.send(&answer.payload, &self.ends) {
            Ok(()) => {
                self.to_client.add(answer.payload.len());
                self.listener().cells.of(self.worker).datagram_out();
            }
            Err(error) => self.lose(why_not_sent(&error)),
        }
    }

    fn has_all_answers(&self) -> bool {
        let asked = self.from_client.datagrams.get();
        let all = |each: u32| asked.saturating_mul(each.into());
        self.udp()
            .responses
            .is_some_and(|each| self.to_client.datagrams.get() >= all(each))
    }

    fn why_ended(&self, error: std::io::Error, lane: &Lane) -> End {
        if lane.is_stopping() {
            End::Stopped
        } else if error.kind() != std::io::ErrorKind::TimedOut {
            End::Refused(error)
        } else if self.door.time_left_ms() == Some(0) {
            End::Cut
        } else {
            End::Silent
        }
    }

    /// Once it is to end, what counts is whether anything still moves. (A drain and a reload that removes the door wake all sessions.)
    fn hurry(&self, socket: &io::Datagrams, lane: &Lane) {
        let ending = lane.is_draining() || self.door.is_closed();
        if !ending || self.ending.replace(true) {
            return;
        }
        let patience = self.patience_ms.get().min(QUIET_MS);
        self.patience_ms.set(patience);
        let quiet = io::now_ms().saturating_sub(self.moved_ms.get());
        let left = patience.saturating_sub(u32::try_from(quiet).unwrap_or(u32::MAX));
        let of_drain = self.door.time_left_ms().unwrap_or(u32::MAX);
        socket.set_deadline(left.min(of_drain).max(1));
    }
}

/// What is dropped on the way out, and why.
fn why_not_sent(error: &std::io::Error) -> Lost {
    match error.raw_os_error() {
        Some(libc::EAGAIN | libc::ENOBUFS | libc::ENOMEM) => Lost::QueueFull,
        Some(libc::EMSGSIZE) => Lost::TooLarge,
        _ => Lost::SendFailed,
    }
}

/// As against what is wrong with this datagram, or with us.
fn is_of_the_peer(error: &std::io::Error) -> bool {
    matches!(
        why_not_sent(error),
        Lost::SendFailed if error.raw_os_error() != Some(libc::EPERM)
    )
}

/// An address as sending wants it.
fn raw(address: SocketAddr) -> SockAddr {
    address.into()
}
