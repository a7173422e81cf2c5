//! What can be seen of a body while it moves: how much of it, when last, and who is waited for. It moves nothing.

use std::cell::Cell;

use ringway_io as io;
use ringway_protocols::grpc_web::Form;

use crate::http2::Call;

/// What can be seen of a body's way while it moves.
#[derive(Debug)]
pub(crate) struct Traffic<'x> {
    /// Payload bytes of the exchange in this direction.
    payload: &'x Cell<u64>,
    /// When a byte last moved, on the worker's clock.
    moved_us: Cell<u64>,
    /// The receiver is waited for, not the sender.
    sending: Cell<bool>,
    /// Nothing of the body was taken from its sender yet.
    untouched: Cell<bool>,
    /// The stream that it comes by, where messages are small by nature: what was passed on is no flood.
    small_by: Option<&'x Call>,
    /// Of an answer of gRPC-Web that stands between two messages: its form.
    gap: Cell<Option<Form>>,
}

impl<'x> Traffic<'x> {
    /// Payload is counted into `payload` as it moves.
    pub(crate) fn new(payload: &'x Cell<u64>) -> Traffic<'x> {
        Traffic {
            payload,
            moved_us: Cell::new(io::now_us()),
            sending: Cell::new(false),
            untouched: Cell::new(true),
            small_by: None,
            gap: Cell::new(None),
        }
    }

    /// Its messages are small by nature, as those of a WebSocket and of gRPC are. `call`: the stream that it comes by, if it does.
    pub(crate) fn of_small(self, call: Option<&'x Call>) -> Traffic<'x> {
        Traffic {
            small_by: call,
            ..self
        }
    }

    pub(crate) fn moved_us(&self) -> u64 {
        self.moved_us.get()
    }

    pub(crate) fn note_moved(&self) {
        self.moved_us.set(io::now_us());
    }

    pub(crate) fn is_sending(&self) -> bool {
        self.sending.get()
    }

    pub(crate) fn is_untouched(&self) -> bool {
        self.untouched.get()
    }

    pub(super) fn begin_sending(&self) {
        self.sending.set(true);
    }

    pub(super) fn end_sending(&self) {
        self.sending.set(false);
        self.note_moved();
    }

    /// Something of the body was taken from its sender.
    pub(super) fn note_touched(&self) {
        self.note_moved();
        self.untouched.set(false);
    }

    /// A piece that came by HTTP/2 was put.
    pub(super) fn note_piece(&self) {
        if let Some(call) = self.small_by {
            call.passed();
        }
    }

    pub(super) fn gap(&self) -> Option<Form> {
        self.gap.get()
    }

    pub(super) fn set_gap(&self, gap: Option<Form>) {
        self.gap.set(gap);
    }

    pub(super) fn count(&self, payload: u64) {
        self.payload.set(payload);
    }

    /// So many bytes more have come.
    pub(super) fn add(&self, n: usize) {
        self.payload.set(self.payload.get() + n as u64);
        self.note_touched();
    }
}
