//! Bytes both ways between two links of which one at least is encrypted: they are copied in passing. Two plain ones are `io::tunnel`'s.

use std::cell::Cell;
use std::future::poll_fn;
use std::io::{self, ErrorKind};
use std::task::{Context, Poll};

use ringway_io::Tap;

use super::{Flow, Link};

/// Receives moved in one poll and direction, so that one fast tunnel leaves turns to others: half a megabyte of full buffers, which take
/// longer here than where nothing is encrypted.
const TURN: usize = 32;

/// One direction.
struct Way<'l> {
    from: &'l Link,
    to: &'l Link,
    count: &'l Cell<u64>,
    tap: Option<&'l dyn Tap>,
    is_ending: bool,
    is_done: bool,
}

/// What a direction did in one poll.
#[derive(Default)]
struct Moved {
    something: bool,
    more: bool,
}

/// As `io::tunnel`. An end without close_notify is passed on as an end: many programs never say more, and to reset their connection would
/// destroy what they said last. The link knows (`was_cut`).
pub(super) async fn copy(
    a: &Link,
    b: &Link,
    idle_ms: u32,
    a_to_b: Flow<'_>,
    b_to_a: Flow<'_>,
) -> io::Result<()> {
    let mut ways = [(a, b, a_to_b), (b, a, b_to_a)].map(|(from, to, (count, tap))| Way {
        from,
        to,
        count,
        tap,
        is_ending: false,
        is_done: false,
    });
    let mut began = false;
    let end = poll_fn(|cx| {
        let mut all = Moved::default();
        for way in &mut ways {
            let moved = way.poll(cx)?;
            all.something |= moved.something;
            all.more |= moved.more;
        }
        if ways.iter().all(|way| way.is_done) {
            return Poll::Ready(Ok(()));
        }
        if idle_ms > 0 && (all.something || !std::mem::replace(&mut began, true)) {
            a.set_deadline(idle_ms);
            b.set_deadline(idle_ms);
        }
        if all.more {
            cx.waker().wake_by_ref();
        }
        Poll::Pending
    })
    .await;
    a.clear_deadline();
    b.clear_deadline();
    end
}

impl Way<'_> {
    fn poll(&mut self, cx: &mut Context<'_>) -> io::Result<Moved> {
        let mut moved = 0;
        while !self.is_ending && moved < TURN && self.has_room() {
            match self.from.poll_recv(cx) {
                Poll::Ready(Ok(Some(buf))) => {
                    self.count.set(self.count.get() + buf.len() as u64);
                    moved += 1;
                    if let Some(tap) = self.tap {
                        tap.passed(&buf);
                    }
                    // There is room, by the loop's condition.
                    let _ = self.to.queue(buf);
                }
                Poll::Ready(Ok(None)) => self.is_ending = true,
                Poll::Ready(Err(error)) if error.kind() == ErrorKind::UnexpectedEof => {
                    self.is_ending = true;
                }
                Poll::Ready(Err(error)) => return Err(error),
                Poll::Pending => break,
            }
        }
        if !self.is_done {
            match self.to.poll_flush(cx) {
                Poll::Ready(Ok(())) if self.is_ending => {
                    self.to.shutdown_write();
                    self.is_done = true;
                }
                Poll::Ready(Err(error)) => return Err(error),
                Poll::Ready(Ok(())) | Poll::Pending => {}
            }
        }
        Ok(Moved {
            something: moved > 0,
            more: moved == TURN,
        })
    }

    /// To submit may make room at once.
    fn has_room(&self) -> bool {
        self.to.room() > 0 || {
            self.to.submit();
            self.to.room() > 0
        }
    }
}
