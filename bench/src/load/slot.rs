//! A place for requests on a connection of HTTP/2: the one that is under way, and how much of its answer has come and was right.
//!
//! Not when it asks, and not frames (`streams`).

use std::time::Instant;

use ringway_protocols::http2::hpack::Fields;
use ringway_protocols::http2::status_of;

use super::lane::Lane;
use super::verify::{Expect, Fault, body_piece};
use crate::http2::{Sending, Wanted, Window, is_ok, told};

/// See the module.
pub(super) struct Slot {
    started: Instant,
    pub(super) sending: Sending,
    /// The answer's, towards us.
    pub(super) window: Window,
    answer: Answer,
    /// Of its body.
    octets: usize,
    /// The body is compared whole.
    is_sample: bool,
}

/// How far an answer has got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Answer {
    Awaited,
    /// Its head was right.
    Head,
    /// And so were its trailers.
    Trailers,
}

impl Default for Slot {
    fn default() -> Slot {
        Slot {
            started: Instant::now(),
            sending: Sending::default(),
            window: Window::of_stream(),
            answer: Answer::Awaited,
            octets: 0,
            is_sample: false,
        }
    }
}

fn wrong<T>(why: impl Into<String>) -> Result<T, Fault> {
    Err(Fault::Wrong(why.into()))
}

impl Slot {
    /// It is asked.
    pub(super) fn begin(&mut self, started: Instant, sending: Sending) {
        *self = Slot {
            started,
            sending,
            ..Slot::default()
        };
    }

    /// Fields have come: of an interim answer, of the answer, or behind its body.
    pub(super) fn head(&mut self, fields: &Fields, ends: bool, lane: &Lane) -> Result<(), Fault> {
        match self.answer {
            Answer::Awaited => self.answer(fields, ends, lane),
            Answer::Trailers => wrong("fields after the answer's end"),
            Answer::Head if !ends || fields.pseudo().next().is_some() => {
                wrong(format!("a second head: {}", told(fields)))
            }
            Answer::Head if lane.grpc && !is_ok(fields) => {
                wrong(format!("no good trailers: {}", told(fields)))
            }
            Answer::Head => {
                self.answer = Answer::Trailers;
                Ok(())
            }
        }
    }

    fn answer(&mut self, fields: &Fields, ends: bool, lane: &Lane) -> Result<(), Fault> {
        let Ok(status) = status_of(fields) else {
            return wrong(format!("no status: {}", told(fields)));
        };
        if (100..200).contains(&status) && !ends {
            return Ok(());
        }
        let wanted = Wanted {
            length: lane.expect.body.len(),
            grpc: lane.grpc,
        };
        if let Some(fault) = wanted.fault_in(status, fields) {
            return wrong(format!("{fault}: {}", told(fields)));
        }
        self.answer = Answer::Head;
        self.is_sample = lane.is_sample();
        Ok(())
    }

    /// A piece of the body has come.
    pub(super) fn piece(&mut self, piece: &[u8], expect: Expect) -> Result<(), Fault> {
        if self.answer != Answer::Head {
            return wrong("a body without a head");
        }
        self.octets = body_piece(expect, self.octets, piece, self.is_sample)?;
        Ok(())
    }

    /// The answer ends: is it whole? When it was asked for.
    pub(super) fn end(&self, lane: &Lane) -> Result<Instant, Fault> {
        if self.octets < lane.expect.body.len() {
            return wrong("the answer is cut");
        }
        if lane.grpc && self.answer != Answer::Trailers {
            return wrong("no good trailers: none");
        }
        if !self.sending.is_done() {
            return wrong("an answer before all of the request was sent");
        }
        Ok(self.started)
    }
}
