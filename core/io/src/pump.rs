//! The byte tunnel between two streams.
//!
//! One future, both directions, no task of its own. A direction that cannot send does not receive, so a slow reader bounds memory.

use std::cell::Cell;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use crate::stream::Stream;

/// Buffers moved per poll and direction, so that one fast tunnel leaves turns to others: a megabyte of full buffers.
const BUDGET: usize = 64;

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
    let result = Tunnel {
        there: Direction {
            from: a,
            to: b,
            count: a_to_b,
            state: State::Open,
        },
        back: Direction {
            from: b,
            to: a,
            count: b_to_a,
            state: State::Open,
        },
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
    state: State,
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

/// What a direction did in one poll.
struct Moved {
    bytes: bool,
    budget_used: bool,
}

impl Direction<'_> {
    fn poll(&mut self, cx: &mut Context<'_>) -> io::Result<Moved> {
        let mut moved = 0;
        while self.state == State::Open && moved < BUDGET && self.to.room() > 0 {
            match self.from.poll_recv(cx) {
                Poll::Ready(Ok(Some(buf))) => {
                    self.count.set(self.count.get() + buf.len() as u64);
                    moved += 1;
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
                Poll::Ready(Err(e)) => return Err(e),
                Poll::Ready(Ok(())) | Poll::Pending => {}
            }
        }
        Ok(Moved {
            bytes: moved > 0,
            budget_used: moved == BUDGET,
        })
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
