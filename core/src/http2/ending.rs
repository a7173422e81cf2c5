//! How a connection ends: by a goodbye, for what the peer did, or because its link broke; and the PINGs that ask for it. What a stream's end is to the
//! connection stays there.

use std::io::ErrorKind;

use ringway_protocols::http2::frame::{self, Reason};

use super::connection::{Connection, Inner, Role};
use super::stream::Fault;

/// In the PING behind the first goodbye: its answer shows that the client has heard it.
const GOODBYE: [u8; 8] = *b"goodbye.";
/// In the PING that asks whether the peer is still there.
const THERE: [u8; 8] = *b"there?..";

/// How far a connection is on its way out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Leaving {
    No,
    /// A GOAWAY has gone out that names no stream.
    Warned,
    /// And one that names the last.
    Told,
    /// Nothing more is read.
    Cut,
}

impl Connection {
    /// Is it on its way out?
    pub(crate) fn leaving(&self) -> Leaving {
        self.inner.borrow().leaving
    }

    /// Is the peer still there? Its answer shows in `ponged`.
    pub(crate) fn ping(&self) {
        let mut inner = self.inner.borrow_mut();
        inner.ponged = false;
        inner.write(|out| frame::put_ping(out, false, THERE));
    }

    /// It has answered.
    pub(crate) fn ponged(&self) -> bool {
        self.inner.borrow().ponged
    }

    /// Take no more streams. One GOAWAY that names no stream, and when the client has heard it, the one that names the last.
    pub(crate) fn graceful_shutdown(&self) {
        let mut inner = self.inner.borrow_mut();
        if inner.leaving != Leaving::No {
            return;
        }
        inner.leaving = Leaving::Warned;
        inner.write(|out| {
            frame::put_goaway(out, frame::MOST, Reason::NO_ERROR);
            frame::put_ping(out, false, GOODBYE);
        });
    }

    /// End it for what the client does.
    pub(crate) fn abrupt_shutdown(&self, reason: Reason) {
        let mut inner = self.inner.borrow_mut();
        inner.cut(reason);
        inner.ended = None;
    }
}

impl Inner {
    /// The last stream of a connection that is to end has ended.
    pub(super) fn look_for_end(&mut self) {
        if self.streams.is_empty() && (self.leaving != Leaving::No || self.gone_away) {
            self.wake();
        }
    }

    /// Nothing more is to be read.
    pub(super) fn is_done(&self) -> bool {
        match self.leaving {
            Leaving::Cut => true,
            Leaving::Told => self.streams.is_empty(),
            Leaving::Warned => false,
            Leaving::No => self.role == Role::Client && self.gone_away && self.streams.is_empty(),
        }
    }

    /// A PING of ours was answered.
    pub(super) fn pong(&mut self, payload: [u8; 8]) {
        self.ponged |= payload == THERE;
        if payload == GOODBYE && self.leaving == Leaving::Warned {
            self.leaving = Leaving::Told;
            let last = self.newest;
            self.write(|out| frame::put_goaway(out, last, Reason::NO_ERROR));
        }
    }

    /// End the connection for what the peer did.
    pub(super) fn cut(&mut self, reason: Reason) {
        if self.leaving == Leaving::Cut {
            return;
        }
        // A server opens no streams.
        let last = match self.role {
            Role::Server => self.newest,
            Role::Client => 0,
        };
        self.write(|out| frame::put_goaway(out, last, reason));
        self.leaving = Leaving::Cut;
        self.end_streams(Fault::Ours(reason));
        self.ended = Some(Fault::Ours(reason));
    }

    pub(super) fn end(&mut self, fault: Fault) -> Result<(), Fault> {
        self.end_streams(fault);
        self.leaving = Leaving::Cut;
        self.out.clear();
        let is_first = self.ended.is_none();
        let ended = *self.ended.get_or_insert(fault);
        match is_first && matches!(fault, Fault::Io(ErrorKind::UnexpectedEof)) {
            true => Ok(()),
            false => Err(ended),
        }
    }

    pub(super) fn end_streams(&mut self, fault: Fault) {
        for (_, stream) in self.streams.drain() {
            let mut state = stream.state.borrow_mut();
            state.fail(fault, self.endings.as_ref());
        }
        self.fresh.clear();
        self.waiting.clear();
    }
}
