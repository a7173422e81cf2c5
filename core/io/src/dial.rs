//! Connecting to an address.
//!
//! No names: whoever calls has resolved them.

use std::future::poll_fn;
use std::io;
use std::net::IpAddr;
use std::os::fd::AsRawFd;
use std::task::{Context, Poll};

use socket2::SockAddr;

use crate::driver::{Driver, Io};
use crate::errno;
use crate::slot::flag;
use crate::socket;
use crate::stream::{Owner, Stream};
use crate::timer::sleep;
use crate::worker::{Worker, now_ms, with_worker};

/// A Unix listener whose backlog is full is asked again so often; the kernel offers nothing to wait on.
const RETRY_MS: u32 = 10;

/// As whom a connection is made; by default the kernel chooses. Both need CAP_NET_ADMIN (the mark alone: or CAP_NET_RAW). They mean
/// nothing for Unix sockets.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DialAs {
    /// SO_MARK, by which rules of the kernel know our own traffic; 0 for none.
    pub mark: u32,
    /// The source address, which need not be one of this machine (IP_TRANSPARENT); the port is the kernel's choice.
    pub source: Option<IpAddr>,
}

/// Connect. `TimedOut` after `ms`. TCP gets TCP_NODELAY. Dropping the future cancels.
pub async fn dial(addr: &SockAddr, ms: u32) -> io::Result<Stream> {
    dial_as(addr, ms, DialAs::default()).await
}

/// The same as somebody.
pub async fn dial_as(addr: &SockAddr, ms: u32, who: DialAs) -> io::Result<Stream> {
    let until = now_ms() + u64::from(ms);
    let owner = loop {
        match begin(addr, until, who) {
            Err(e) if e.kind() == io::ErrorKind::WouldBlock && addr.is_unix() => {
                if now_ms() + u64::from(RETRY_MS) > until {
                    return Err(errno::timed_out());
                }
                sleep(RETRY_MS).await;
            }
            begun => break begun?,
        }
    };
    poll_fn(|cx| {
        owner
            .io(|w, io, index| io.poll_connected(w, index, cx))
            .unwrap_or_else(|| Poll::Ready(Err(errno::worker_ended())))
    })
    .await?;
    let stream = Stream::from_owner(owner);
    stream.clear_deadline();
    Ok(stream)
}

fn begin(addr: &SockAddr, until: u64, who: DialAs) -> io::Result<Owner> {
    let fd = socket::stream_socket(addr)?;
    if who != DialAs::default() && !addr.is_unix() {
        socket::take_on(&fd, who)?;
    }
    let begun = with_worker(|w| {
        let mut io = w.io.borrow_mut();
        let inline = addr.is_unix() || matches!(io.driver, Driver::Epoll(_));
        let index = if inline {
            // A Unix connect is done or refused at once; the ring would ask a full backlog again and again.
            // The epoll set is joined after connect(2): an unconnected socket reports a hang-up.
            let connected = socket::connect(fd.as_raw_fd(), addr).map_err(errno::error)?;
            io.adopt(w, fd, if connected { 0 } else { flag::CONNECTING })?
        } else {
            let index = io.adopt(w, fd, 0)?;
            io.attach_tx(index).address = Some(addr.clone());
            io.connect_uring(index);
            index
        };
        io.set_deadline(w, index, until.saturating_sub(w.now_ms()));
        Ok(Owner::new(w, index))
    });
    begun.unwrap_or_else(|| Err(errno::worker_ended()))
}

impl Io {
    fn poll_connected(
        &mut self,
        w: &Worker,
        index: u32,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        let slot = self.slots.at(index);
        if slot.tx_errno != 0 {
            return Poll::Ready(Err(errno::error(slot.tx_errno)));
        }
        if !slot.has(flag::CONNECTING) {
            return Poll::Ready(Ok(()));
        }
        if slot.has(flag::TIMED_OUT) {
            return Poll::Ready(Err(errno::timed_out()));
        }
        if w.stopping.get() {
            return Poll::Ready(Err(errno::worker_ended()));
        }
        self.wait_tx(w, index, cx);
        Poll::Pending
    }
}
