//! How long a relay may wait, and for whom. Both directions share two streams, so that neither sets deadlines by itself: after each
//! turn the state of the whole says what is waited for and since when, and both streams get that one deadline.

use std::cell::Cell;
use std::task::Context;

use ringway_io::{self as io, Alarm};

use super::traffic::Traffic;
use crate::flow::After;
use crate::link::Link;
use crate::plan::Timeouts;

/// What both directions of a relay see of each other.
#[derive(Debug)]
pub(super) struct Progress<'x> {
    /// The request's body, client to upstream.
    pub(super) up: Traffic<'x>,
    /// The response's body, upstream to client.
    pub(super) down: Traffic<'x>,
    /// Nobody waits for more of the request's body: all of it has left, or the upstream takes no more.
    pub(super) uploaded: Cell<bool>,
    /// All of the request's body has left.
    pub(super) whole: Cell<bool>,
    /// An interim response came: who expects one need not wait to send its body.
    pub(super) told: Cell<bool>,
    /// When the wait for an answer's head began: the request has left, or an interim head came.
    pub(super) asked_us: Cell<u64>,
    /// The final response's head was passed on.
    pub(super) answering: Cell<bool>,
    /// How the client's connection is cut from then on, so that the answer cannot be taken for whole.
    pub(super) cut: Cell<After>,
}

/// What was waited for in vain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Late {
    /// The client's body (408).
    Body,
    /// The upstream, to take the body (504).
    Taking,
    /// The upstream, to begin its answer (504).
    FirstByte,
    /// Anything, while the answer flows: no byte moved in either direction.
    Idle {
        /// The answer waits for the client to take it.
        client: bool,
    },
}

/// The deadlines of one relay.
#[derive(Debug)]
pub(super) struct Patience<'x> {
    pub(super) waits: Waits<'x>,
    pub(super) progress: &'x Progress<'x>,
    pub(super) timeouts: Timeouts,
    pub(super) body_ms: u32,
    /// When the route's total time is over.
    pub(super) ends_us: Option<u64>,
    /// The client asked to be told to go on before it sends its body: until then it is the upstream that is waited for.
    pub(super) expects_continue: bool,
    /// Acknowledged bytes of the client and the upstream when a send was last found late.
    pub(super) seen: Cell<(u64, u64)>,
}

/// What wakes us when a deadline has passed.
#[derive(Debug)]
pub(super) enum Waits<'x> {
    /// Both connections are the exchange's own: whatever is waited for on them ends in time.
    Links {
        client: &'x Link,
        upstream: &'x Link,
    },
    /// One of them is shared with other exchanges.
    Alarm(Alarm),
}

impl Waits<'_> {
    fn set(&self, ms: u32) {
        match self {
            Waits::Links { client, upstream } => {
                client.set_deadline(ms);
                upstream.set_deadline(ms);
            }
            Waits::Alarm(alarm) => alarm.set(ms),
        }
    }

    fn take_late(&self) -> bool {
        match self {
            Waits::Links { client, upstream } => {
                let late = client.is_timed_out() || upstream.is_timed_out();
                if late {
                    client.clear_deadline();
                    upstream.clear_deadline();
                }
                late
            }
            Waits::Alarm(alarm) => {
                let late = alarm.is_over();
                if late {
                    alarm.clear();
                }
                late
            }
        }
    }

    /// Bytes that the client and the upstream have acknowledged. A stream's progress is seen piece by piece, so that it needs none of this.
    fn acknowledged(&self) -> (u64, u64) {
        match self {
            Waits::Links { client, upstream } => (acknowledged(client), acknowledged(upstream)),
            Waits::Alarm(_) => (0, 0),
        }
    }
}

impl Patience<'_> {
    /// What is waited for now, since when, and for how long.
    fn wait(&self) -> (Late, u64, u32) {
        let progress = self.progress;
        let moved = progress.up.moved_us().max(progress.down.moved_us());
        if progress.answering.get() {
            let client = progress.down.is_sending();
            (Late::Idle { client }, moved, self.timeouts.idle)
        } else if progress.uploaded.get() {
            (
                Late::FirstByte,
                progress.asked_us.get(),
                self.timeouts.first_byte,
            )
        } else if progress.up.is_sending() {
            (Late::Taking, moved, self.timeouts.idle)
        } else if self.expects_continue && progress.up.is_untouched() && !progress.told.get() {
            (
                Late::FirstByte,
                progress.asked_us.get(),
                self.timeouts.first_byte,
            )
        } else {
            (Late::Body, moved, self.body_ms)
        }
    }

    /// Set the deadline of what is waited for now.
    pub(super) fn arm(&self, cx: &mut Context<'_>) {
        let (_, since_us, ms) = self.wait();
        let end = since_us + u64::from(ms) * 1000;
        let ms = crate::exchange::clamp(
            u32::MAX,
            Some(self.ends_us.map_or(end, |total| total.min(end))),
        );
        self.waits.set(ms);
        if let Waits::Alarm(alarm) = &self.waits {
            // To be woken; whether it is over is asked in the next turn.
            let _ = alarm.poll(cx);
        }
    }

    /// Whether a deadline has passed. It is taken off, so that what has come meanwhile is still received.
    pub(super) fn take_late(&self) -> bool {
        self.waits.take_late()
    }

    /// What was late, after a turn in which nothing moved. None if whoever is waited for does take bytes, only slowly: a send is
    /// done when all of it is, which may be a quarter of a megabyte.
    pub(super) fn late(&self) -> Option<Late> {
        let (late, ..) = self.wait();
        if self.ends_us.is_some_and(|end| io::now_us() >= end) {
            return Some(late);
        }
        let now = self.waits.acknowledged();
        let before = self.seen.replace(now);
        let takes = match late {
            Late::Taking => now.1 != before.1,
            Late::Idle { client: true } => now.0 != before.0,
            _ => false,
        };
        if takes {
            self.progress.down.note_moved();
            return None;
        }
        Some(late)
    }
}

fn acknowledged(stream: &Link) -> u64 {
    stream.acknowledged().unwrap_or(0)
}
