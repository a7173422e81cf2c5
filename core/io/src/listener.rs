//! A listening socket of this worker.
//!
//! Does not bind: that happens elsewhere, so that it can fail before anything changes.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::{AsRawFd, OwnedFd};
use std::task::{Context, Poll};

use socket2::SockRef;

use crate::counters;
use crate::driver::{Driver, Io};
use crate::epoll::ACCEPTS_PER_TURN;
use crate::errno;
use crate::slot::{ListenState, Special, flag};
use crate::socket;
use crate::stream::{Owner, Stream};
use crate::worker::{Worker, with_worker};

/// Connections that a stop takes out of the kernel's queue at most: the longest backlog that Linux allows by default.
const STOP_ACCEPTS: usize = 4096;

/// A listening socket of this worker (the socket was bound elsewhere, so that binding can fail before anything changes).
#[derive(Debug)]
pub struct Listener {
    owner: Owner,
}

impl Listener {
    /// Take over a TCP listener.
    pub fn from_std(l: TcpListener) -> io::Result<Listener> {
        Listener::from_fd(l.into())
    }

    /// Take over a listening stream socket of any family.
    pub fn from_fd(fd: OwnedFd) -> io::Result<Listener> {
        socket::set_nonblocking(fd.as_raw_fd())?;
        // Accepted sockets inherit this on Linux, which saves a call per connection. (Sockets that are not TCP refuse.)
        socket::no_delay(fd.as_raw_fd());
        let made = with_worker(|w| {
            let mut io = w.io.borrow_mut();
            let index = io.adopt(w, fd, flag::LISTENER)?;
            io.slots.at(index).special = Some(Box::new(Special::Listen(ListenState {
                queue: VecDeque::new(),
            })));
            Ok(Listener {
                owner: Owner::new(w, index),
            })
        });
        made.unwrap_or_else(|| Err(errno::worker_ended()))
    }

    /// The next connection (TCP_NODELAY set). EMFILE/ENFILE/ENOBUFS: counted, waits 50 ms and goes on by itself. Cancel-safe.
    pub async fn accept(&self) -> io::Result<Stream> {
        self.take().await?.stream()
    }

    /// As `accept`, for futures written by hand.
    pub fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<io::Result<Stream>> {
        self.poll_take(cx).map(|taken| taken?.stream())
    }

    /// As `accept`, but the connection may still go to any worker.
    pub async fn take(&self) -> io::Result<Accepted> {
        poll_fn(|cx| self.poll_take(cx)).await
    }

    fn poll_take(&self, cx: &mut Context<'_>) -> Poll<io::Result<Accepted>> {
        let taken = self.owner.io(|w, io, index| io.poll_take(w, index, cx));
        match taken {
            Some(taken) => taken.map_ok(|fd| Accepted { fd }),
            None => Poll::Ready(Err(errno::worker_ended())),
        }
    }

    /// Take no more connections: at once, since the kernel gives new ones to whoever else listens there. Those that it has handed over
    /// already still come from `accept`; behind the last one `accept` fails with EINVAL.
    pub fn stop(&self) {
        self.owner.io(|_, io, index| {
            let slot = io.slots.at(index);
            let fd = slot.raw_fd();
            if let Some(listen) = slot.listen() {
                // What waits in the kernel's queue would be reset below.
                let waiting = std::iter::from_fn(|| socket::accept(fd).ok());
                listen.queue.extend(waiting.take(STOP_ACCEPTS));
            }
            socket::stop_listening(fd);
        });
    }

    /// The address it is bound to.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        let fd = self.owner.io(|_, io, index| {
            let slot = io.slots.at(index);
            slot.fd.as_ref().map(|fd| SockRef::from(fd).local_addr())
        });
        let address = fd.flatten().unwrap_or_else(|| Err(errno::worker_ended()))?;
        address
            .as_socket()
            .ok_or_else(|| errno::error(libc::EAFNOSUPPORT))
    }
}

/// A connection that was accepted and is no worker's yet: nothing was read from it, no driver knows it. Dropping it closes.
#[derive(Debug)]
pub struct Accepted {
    fd: OwnedFd,
}

impl Accepted {
    /// Make it the calling worker's. No system call but the one with which epoll learns of a socket.
    ///
    /// Errors: epoll refuses it (no memory), or there is no worker on this thread.
    pub fn stream(self) -> io::Result<Stream> {
        let made = with_worker(|w| {
            let index = w.io.borrow_mut().adopt(w, self.fd, 0)?;
            Ok(Stream::from_owner(Owner::new(w, index)))
        });
        made.unwrap_or_else(|| Err(errno::worker_ended()))
    }
}

impl Io {
    fn poll_take(
        &mut self,
        w: &Worker,
        index: u32,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<OwnedFd>> {
        let listen = self.slots.at(index).listen();
        let queued = listen.and_then(|l| l.queue.pop_front());
        let next = queued.or_else(|| match self.driver {
            Driver::Uring(_) => None,
            Driver::Epoll(_) => self.accept_epoll(w, index),
        });
        if let Some(fd) = next {
            counters::add(&w.counters.accepted, 1);
            self.want_more(w, index);
            return Poll::Ready(Ok(fd));
        }
        let slot = self.slots.at(index);
        if slot.rx_errno != 0 {
            return Poll::Ready(Err(errno::error(slot.rx_errno)));
        }
        if w.stopping.get() {
            return Poll::Ready(Err(errno::worker_ended()));
        }
        self.want_more(w, index);
        self.wait_rx(w, index, flag::RX_WAIT, cx);
        Poll::Pending
    }

    fn want_more(&mut self, w: &Worker, index: u32) {
        if let Driver::Uring(_) = self.driver {
            self.want_accept(w, index);
        }
    }

    /// One accept4, bounded per turn.
    fn accept_epoll(&mut self, w: &Worker, index: u32) -> Option<OwnedFd> {
        loop {
            let Driver::Epoll(e) = &mut self.driver else {
                return None;
            };
            let slot = self.slots.at(index);
            if !slot.has(flag::READABLE)
                || slot.has(flag::BACKOFF)
                || e.used_up(slot, index, ACCEPTS_PER_TURN)
            {
                return None;
            }
            slot.turn_bytes += 1;
            match socket::accept(slot.raw_fd()) {
                Ok(fd) => return Some(fd),
                Err(libc::EAGAIN) => slot.clear(flag::READABLE),
                Err(e) => {
                    self.accept_failed(w, index, e);
                    if self.slots.at(index).rx_errno != 0 {
                        return None;
                    }
                }
            }
        }
    }
}
