//! The byte tunnel between two streams.
//!
//! One future, both directions, no task of its own. A direction that cannot send does not receive, so a slow reader bounds memory.
//!
//! ```text
//!          full buffers            the last receive has ended,
//!           in a row               all it brought is sent
//!  Copied ------------> Changing ------------------------------> Spliced
//!     ^                                                             |
//!     +---------- little at a time, several times; no pipe ---------+
//! ```

use std::cell::Cell;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use crate::pipe::Pipe;
use crate::splice::{Drained, Filled};
use crate::stream::Stream;
use crate::worker::with_worker;

/// Buffers moved per poll and direction, so that one fast tunnel leaves turns to others: a megabyte of full buffers.
const BUDGET: usize = 64;
/// Splices per poll and direction: each may move a pipe's size, a megabyte.
const SPLICES: usize = 1;
/// After so many splices in a row that brought less than a receive buffer holds, a direction is copied again.
const SMALL_SPLICES: u8 = 8;

/// Bytes both ways between two streams until both directions have ended; half-close is passed on; each direction's bytes are
/// counted in the arguments as they flow. Ends with `TimedOut` when neither direction moved for `idle_ms` (0: never). An error of
/// one side ends it; both streams are left to the caller, their deadlines cleared.
pub async fn tunnel(
    a: &Stream,
    b: &Stream,
    idle_ms: u32,
    a_to_b: &Cell<u64>,
    b_to_a: &Cell<u64>,
) -> io::Result<()> {
    tunnel_seen(a, b, idle_ms, (a_to_b, None), (b_to_a, None)).await
}

/// Sees what passes in one direction.
pub trait Tap {
    /// These bytes.
    fn passed(&self, bytes: &[u8]);
    /// So many bytes, which only the kernel has seen.
    fn passed_unseen(&self, n: u64);
}

/// The same with somebody who looks on. Dropped, it loses nothing: what was taken from one side is queued at the other.
pub async fn tunnel_seen(
    a: &Stream,
    b: &Stream,
    idle_ms: u32,
    a_to_b: (&Cell<u64>, Option<&dyn Tap>),
    b_to_a: (&Cell<u64>, Option<&dyn Tap>),
) -> io::Result<()> {
    let result = Tunnel {
        there: Direction::new(a, b, a_to_b),
        back: Direction::new(b, a, b_to_a),
        idle_ms,
        started: false,
    }
    .await;
    a.clear_deadline();
    b.clear_deadline();
    result
}

struct Tunnel<'s> {
    there: Direction<'s>,
    back: Direction<'s>,
    idle_ms: u32,
    started: bool,
}

struct Direction<'s> {
    from: &'s Stream,
    to: &'s Stream,
    count: &'s Cell<u64>,
    tap: Option<&'s dyn Tap>,
    state: State,
    way: Way,
    bulk: Bulk,
    /// Lent while it holds bytes of this direction.
    pipe: Option<Pipe>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// Receiving.
    Open,
    /// The source has ended; what is queued goes out first.
    Ending,
    /// FIN is passed on.
    Done,
}

/// How a direction's bytes are moved.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    /// Received and sent.
    Copied,
    /// The same, until nothing is in flight and nothing queued.
    Changing,
    /// From socket to pipe to socket.
    Spliced,
}

/// Does a direction carry bulk?
struct Bulk {
    /// What a full receive buffer holds.
    full: u32,
    /// Bytes of full buffers after which it does.
    after: u32,
    /// Bytes of full buffers, less one buffer for each that was not full.
    bytes: u32,
    small_splices: u8,
}

impl Bulk {
    fn new() -> Bulk {
        let (full, after) =
            with_worker(|w| (w.pool.size(), w.io.borrow().splice_after)).unwrap_or((1, u32::MAX));
        Bulk {
            full,
            after,
            bytes: 0,
            small_splices: 0,
        }
    }

    /// So many bytes were received. Does it carry bulk now?
    #[inline]
    fn received(&mut self, n: usize) -> bool {
        if n < self.full as usize {
            self.bytes = self.bytes.saturating_sub(self.full);
            return false;
        }
        self.bytes = self.bytes.saturating_add(self.full);
        self.bytes >= self.after && self.after < u32::MAX
    }

    fn spliced(&mut self, n: u32) {
        self.small_splices = if n < self.full {
            self.small_splices + 1
        } else {
            0
        };
    }

    fn has_ended(&self) -> bool {
        self.small_splices >= SMALL_SPLICES
    }

    /// From the beginning.
    fn forget(&mut self) {
        self.bytes = 0;
        self.small_splices = 0;
    }
}

/// What a direction did in one poll.
#[derive(Default)]
struct Moved {
    bytes: bool,
    budget_used: bool,
}

impl<'s> Direction<'s> {
    fn new(
        from: &'s Stream,
        to: &'s Stream,
        (count, tap): (&'s Cell<u64>, Option<&'s dyn Tap>),
    ) -> Direction<'s> {
        Direction {
            from,
            to,
            count,
            tap,
            state: State::Open,
            way: Way::Copied,
            bulk: Bulk::new(),
            pipe: None,
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> io::Result<Moved> {
        let mut moved = Moved::default();
        if self.way != Way::Spliced {
            self.poll_copied(cx, &mut moved)?;
        }
        if self.way == Way::Spliced {
            self.poll_spliced(cx, &mut moved)?;
        }
        Ok(moved)
    }

    fn poll_copied(&mut self, cx: &mut Context<'_>, moved: &mut Moved) -> io::Result<()> {
        let mut bufs = 0;
        while self.state == State::Open && bufs < BUDGET && self.to.room() > 0 {
            match self.from.poll_recv(cx) {
                Poll::Ready(Ok(Some(buf))) => {
                    self.count.set(self.count.get() + buf.len() as u64);
                    bufs += 1;
                    if let Some(tap) = self.tap {
                        tap.passed(&buf);
                    }
                    if self.bulk.received(buf.len()) && self.way == Way::Copied {
                        self.way = Way::Changing;
                        self.from.begin_splice();
                    }
                    // There is room, by the loop's condition.
                    let _ = self.to.queue(buf);
                }
                Poll::Ready(Ok(None)) => self.state = State::Ending,
                Poll::Ready(Err(e)) => return Err(e),
                Poll::Pending => break,
            }
            if self.to.room() == 0 {
                // Epoll sends inline, which may make room at once.
                self.to.submit();
            }
        }
        if self.state != State::Done {
            match self.to.poll_flush(cx) {
                Poll::Ready(Ok(())) if self.state == State::Ending => {
                    self.to.shutdown_write();
                    self.state = State::Done;
                }
                Poll::Ready(Ok(())) if self.way == Way::Changing && self.from.may_splice() => {
                    self.way = Way::Spliced;
                }
                Poll::Ready(Err(e)) => return Err(e),
                Poll::Ready(Ok(())) | Poll::Pending => {}
            }
        }
        moved.bytes |= bufs > 0;
        moved.budget_used |= bufs == BUDGET;
        Ok(())
    }

    fn poll_spliced(&mut self, cx: &mut Context<'_>, moved: &mut Moved) -> io::Result<()> {
        let mut splices = 0;
        while self.state != State::Done {
            let held = self.held();
            let drained = self.to.poll_drain(&mut self.pipe, cx);
            moved.bytes |= self.held() < held;
            match drained {
                Poll::Ready(Ok(Drained::All)) => {}
                Poll::Ready(Ok(Drained::Refused)) => {
                    self.bulk.after = u32::MAX;
                    return self.copy_again(cx);
                }
                Poll::Ready(Err(e)) => return Err(e),
                Poll::Pending => break,
            }
            if self.state == State::Ending {
                self.to.shutdown_write();
                self.state = State::Done;
                break;
            }
            if self.bulk.has_ended() {
                return self.copy_again(cx);
            }
            if splices == SPLICES {
                moved.budget_used = true;
                break;
            }
            match self.from.poll_fill(&mut self.pipe, cx) {
                Poll::Ready(Ok(Filled::Bytes(n))) => {
                    self.count.set(self.count.get() + u64::from(n));
                    if let Some(tap) = self.tap {
                        tap.passed_unseen(n.into());
                    }
                    self.bulk.spliced(n);
                    moved.bytes = true;
                    splices += 1;
                }
                Poll::Ready(Ok(Filled::End)) => self.state = State::Ending,
                Poll::Ready(Ok(Filled::NoPipe)) => return self.copy_again(cx),
                Poll::Ready(Ok(Filled::Refused)) => {
                    self.bulk.after = u32::MAX;
                    return self.copy_again(cx);
                }
                Poll::Ready(Err(e)) => return Err(e),
                Poll::Pending => break,
            }
        }
        Ok(())
    }

    fn held(&self) -> u32 {
        self.pipe.as_ref().map_or(0, Pipe::held)
    }

    /// Back to receiving and sending: at once, since nobody wakes us for what is here already.
    fn copy_again(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        self.leave_splice();
        cx.waker().wake_by_ref();
        Ok(())
    }

    fn leave_splice(&mut self) {
        if self.way != Way::Copied {
            self.way = Way::Copied;
            self.bulk.forget();
            self.from.end_splice();
        }
        if let Some(pipe) = self.pipe.take() {
            self.to.unload(pipe);
        }
    }
}

impl Drop for Direction<'_> {
    /// What was taken from one side goes to the other, as far as it can: dropping a tunnel loses nothing.
    fn drop(&mut self) {
        self.leave_splice();
    }
}

impl Future for Tunnel<'_> {
    type Output = io::Result<()>;
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let there = self.there.poll(cx)?;
        let back = self.back.poll(cx)?;
        if self.there.state == State::Done && self.back.state == State::Done {
            return Poll::Ready(Ok(()));
        }
        if self.idle_ms > 0 && (there.bytes || back.bytes || !self.started) {
            self.started = true;
            self.there.from.set_deadline(self.idle_ms);
            self.back.from.set_deadline(self.idle_ms);
        }
        if there.budget_used || back.budget_used {
            cx.waker().wake_by_ref();
        }
        Poll::Pending
    }
}
