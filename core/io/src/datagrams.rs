//! A socket of datagrams as a task sees it: one that is bound and hears everybody, or one that is connected to one peer.
//!
//! Receiving waits, sending does not: what the socket does not take at once is the sender's to drop, as any router would. Not a connection: there
//! is no end, and an error says something about datagrams before it, not about those to come.

use std::collections::VecDeque;
use std::fmt;
use std::future::poll_fn;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::os::fd::{AsRawFd, OwnedFd};
use std::task::{Context, Poll};

use socket2::{SockAddr, SockRef};

use crate::buffers::Buf;
use crate::counters;
use crate::driver::{Driver, Io};
use crate::errno;
use crate::message::{self, CONTROL, NAME, Received};
use crate::slot::{Special, flag};
use crate::socket;
use crate::stream::Owner;
use crate::worker::{Worker, with_worker};

/// Datagrams, and bytes of them, that may wait for the task; what comes beyond is dropped and counted. Twice what one turn of the loop can bring, so
/// that only a task that does not keep up loses any.
const QUEUE: usize = 512;
const QUEUE_BYTES: usize = 512 * 1024;
/// A queue that grew beyond this gives its memory back when it is empty.
const KEEP_QUEUE: usize = 32;
/// Epoll: datagrams that one socket may take per turn.
const DATAGRAMS_PER_TURN: u32 = 64;

/// One datagram with what the kernel says of it. Its bytes are memory of their own.
#[derive(Debug)]
pub struct Datagram {
    /// The bytes; none is a datagram too.
    pub payload: Buf,
    /// Who sent it. None: nobody of IP.
    pub from: Option<SocketAddr>,
    /// The address of ours that it was sent to, where the socket listens on all of them.
    pub to: Option<IpAddr>,
    /// It was longer than what is received: the rest is lost.
    pub truncated: bool,
}

/// What a slot of this kind has beyond a connection's.
pub(crate) struct DatagramState {
    queue: VecDeque<Datagram>,
    bytes: usize,
    /// How much room the kernel leaves in front of the bytes. Read by the kernel when a receive is armed.
    pub(crate) message: libc::msghdr,
}

impl DatagramState {
    /// Whether there was room.
    pub(crate) fn push(&mut self, datagram: Datagram) -> bool {
        let bytes = self.bytes + datagram.payload.len();
        let room = self.queue.len() < QUEUE && bytes <= QUEUE_BYTES;
        if room {
            self.bytes = bytes;
            self.queue.push_back(datagram);
        }
        room
    }

    fn pop(&mut self) -> Option<Datagram> {
        let datagram = self.queue.pop_front()?;
        self.bytes -= datagram.payload.len();
        if self.queue.is_empty() && self.queue.capacity() > KEEP_QUEUE {
            self.queue = VecDeque::new();
        }
        Some(datagram)
    }
}

/// A socket of datagrams of this worker. Dropping it closes: what has not been received is lost, what was sent is sent.
pub struct Datagrams {
    owner: Owner,
}

impl fmt::Debug for Datagrams {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Datagrams").finish_non_exhaustive()
    }
}

impl Datagrams {
    /// Take over a bound socket (bound elsewhere, so that binding can fail before anything changes). Bound to all addresses, each datagram says
    /// which of them it was sent to.
    pub fn from_std(socket: UdpSocket) -> io::Result<Datagrams> {
        let address = socket.local_addr()?;
        let fd = OwnedFd::from(socket);
        socket::set_nonblocking(fd.as_raw_fd())?;
        if address.ip().is_unspecified() {
            message::tell_asked(&fd, &address)?;
        }
        Datagrams::adopt(fd)
    }

    /// A socket of its own to and from one peer. No packet goes out.
    pub fn connect(peer: &SockAddr) -> io::Result<Datagrams> {
        let fd = socket::datagram_socket(peer)?;
        socket::connect(fd.as_raw_fd(), peer).map_err(errno::error)?;
        Datagrams::adopt(fd)
    }

    fn adopt(fd: OwnedFd) -> io::Result<Datagrams> {
        let mut message = message::header();
        // The same for all, so that what is left for the bytes is the same.
        message.msg_namelen = NAME as libc::socklen_t;
        message.msg_controllen = CONTROL as _;
        let made = with_worker(|w| {
            let mut io = w.io.borrow_mut();
            io.provide_messages()?;
            let index = io.adopt(w, fd, flag::DATAGRAMS)?;
            let state = DatagramState {
                queue: VecDeque::new(),
                bytes: 0,
                message,
            };
            io.slots.at(index).special = Some(Box::new(Special::Datagrams(state)));
            Ok(Datagrams {
                owner: Owner::new(w, index),
            })
        });
        made.unwrap_or_else(|| Err(errno::worker_ended()))
    }

    /// The next datagram. Errors: what the network said of those that were sent before (a connected socket alone hears of it; told once, the socket
    /// goes on), or `TimedOut` once the deadline has passed and nothing is here. Cancel-safe.
    pub async fn recv(&self) -> io::Result<Datagram> {
        poll_fn(|cx| self.poll_recv(cx)).await
    }

    /// As `recv`, for futures written by hand.
    pub fn poll_recv(&self, cx: &mut Context<'_>) -> Poll<io::Result<Datagram>> {
        self.owner
            .io(|w, io, index| io.poll_datagram(w, index, cx))
            .unwrap_or_else(|| Poll::Ready(Err(errno::worker_ended())))
    }

    /// Send to the peer of a connected socket, at once or not at all. An error that is not about this datagram alone (nobody listens there, no way
    /// there) is told by `recv` too.
    pub fn send(&self, bytes: &[u8]) -> io::Result<()> {
        self.owner
            .io(|w, io, index| io.send_datagram(w, index, bytes, None, None))
            .unwrap_or_else(|| Err(errno::worker_ended()))
    }

    /// Send to anybody, at once or not at all; from that address of ours, where the socket has several.
    pub fn send_to(&self, bytes: &[u8], to: &SockAddr, from: Option<IpAddr>) -> io::Result<()> {
        self.owner
            .io(|w, io, index| io.send_datagram(w, index, bytes, Some(to), from))
            .unwrap_or_else(|| Err(errno::worker_ended()))
    }

    /// As [`crate::Stream::set_deadline`].
    pub fn set_deadline(&self, ms: u32) {
        self.owner
            .io(|w, io, index| io.set_deadline(w, index, u64::from(ms)));
    }

    /// The address it is bound to.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.with_socket(|socket| {
            let address = socket.local_addr()?.as_socket();
            address.ok_or_else(|| errno::error(libc::EAFNOSUPPORT))
        })
    }

    /// Datagrams that the kernel dropped since the socket was made, because its receive buffer was full. A system call.
    pub fn kernel_drops(&self) -> io::Result<u32> {
        self.with_socket(|socket| message::kernel_drops(socket.as_raw_fd()))
    }

    /// Leave the port to whoever else is bound to it: nothing comes any more (but what is here already), sending goes on. There is no call for that;
    /// but a socket that is connected hears its peer alone, and from its own port on loopback nobody sends to it.
    pub fn leave_port(&self) -> io::Result<()> {
        let itself: SocketAddr = match self.local_addr()? {
            SocketAddr::V4(own) => (Ipv4Addr::LOCALHOST, own.port()).into(),
            SocketAddr::V6(own) => (Ipv6Addr::LOCALHOST, own.port()).into(),
        };
        self.with_socket(|socket| {
            let connected = socket::connect(socket.as_raw_fd(), &SockAddr::from(itself));
            connected.map(|_| ()).map_err(errno::error)
        })
    }

    fn with_socket<R>(&self, f: impl FnOnce(&SockRef<'_>) -> io::Result<R>) -> io::Result<R> {
        let done = self.owner.io(|_, io, index| {
            let slot = io.slots.at(index);
            slot.fd.as_ref().map(|fd| f(&SockRef::from(fd)))
        });
        done.flatten().unwrap_or_else(|| Err(errno::worker_ended()))
    }
}

impl Io {
    fn poll_datagram(
        &mut self,
        w: &Worker,
        index: u32,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<Datagram>> {
        let received = match self.driver {
            Driver::Uring(_) => self
                .slots
                .at(index)
                .datagrams()
                .and_then(DatagramState::pop),
            Driver::Epoll(_) => self.datagram_epoll(w, index),
        };
        if let Some(datagram) = received {
            return Poll::Ready(Ok(datagram));
        }
        let slot = self.slots.at(index);
        if slot.rx_errno != 0 {
            return Poll::Ready(Err(errno::error(std::mem::take(&mut slot.rx_errno))));
        }
        if slot.has(flag::TIMED_OUT) {
            return Poll::Ready(Err(errno::timed_out()));
        }
        if w.stopping.get() {
            return Poll::Ready(Err(errno::worker_ended()));
        }
        self.want_messages(w, index);
        self.wait_rx(w, index, flag::RX_WAIT, cx);
        Poll::Pending
    }

    /// One recvmsg, bounded per turn.
    fn datagram_epoll(&mut self, w: &Worker, index: u32) -> Option<Datagram> {
        let Driver::Epoll(e) = &mut self.driver else {
            return None;
        };
        let slot = self.slots.at(index);
        if !slot.has(flag::READABLE) || e.used_up(slot, index, DATAGRAMS_PER_TURN) {
            return None;
        }
        slot.turn_bytes += 1;
        match message::receive(slot.raw_fd(), &mut e.scratch) {
            Ok(received) => {
                let Received { len, from, to, .. } = received;
                slot.received += len as u64;
                counters::add(&w.counters.bytes_received, len as u64);
                let payload = e.scratch.get(..len).and_then(Buf::copied);
                payload.map(|payload| Datagram {
                    payload,
                    from,
                    to,
                    truncated: received.truncated,
                })
            }
            Err(libc::EAGAIN) => {
                slot.clear(flag::READABLE);
                None
            }
            Err(error) => {
                slot.rx_errno = error;
                None
            }
        }
    }

    fn send_datagram(
        &mut self,
        w: &Worker,
        index: u32,
        bytes: &[u8],
        to: Option<&SockAddr>,
        from: Option<IpAddr>,
    ) -> io::Result<()> {
        let slot = self.slots.at(index);
        match message::send(slot.raw_fd(), bytes, to, from) {
            Ok(()) => {
                slot.sent += bytes.len() as u64;
                counters::add(&w.counters.bytes_sent, bytes.len() as u64);
                Ok(())
            }
            Err(error) => {
                if to.is_none() && errno::is_of_the_peer(error) {
                    slot.rx_errno = error;
                    self.wake_rx(w, index);
                }
                Err(errno::error(error))
            }
        }
    }
}
