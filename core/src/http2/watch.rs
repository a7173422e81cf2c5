//! What a client of HTTP/2 sends, watched as it is read: the guard's account, and the flood that it ended in. Not what becomes of the connection.

use std::cell::{Cell, RefCell};

use ringway_io as io;
use ringway_protocols::http2::{Flood, Guard};

/// See the module. Shared by a connection, its session and its streams.
#[derive(Debug)]
pub(crate) struct Watch {
    guard: RefCell<Guard>,
    flood: Cell<Option<Flood>>,
    /// Requests that were far too large: their answers bring nothing back.
    over: Cell<u32>,
}

impl Watch {
    pub(crate) fn new() -> Watch {
        Watch {
            guard: RefCell::new(Guard::new(io::now_ms())),
            flood: Cell::new(None),
            over: Cell::new(0),
        }
    }

    /// Bytes are about to be read. False: nothing more is to be read from this client.
    pub(super) fn lets_in(&self, bytes: &[u8]) -> bool {
        if self.flood.get().is_some() {
            return false;
        }
        match self.guard.borrow_mut().received(bytes, io::now_ms()) {
            Ok(()) => true,
            Err(flood) => {
                self.flood.set(Some(flood));
                false
            }
        }
    }

    /// Bytes were written.
    pub(super) fn sent(&self, bytes: usize) {
        self.guard.borrow_mut().sent(bytes);
    }

    /// A request was answered in full.
    pub(crate) fn answered(&self) {
        if let Some(left) = self.over.get().checked_sub(1) {
            return self.over.set(left);
        }
        self.guard.borrow_mut().answered();
    }

    /// A list of fields was cut off where it was too large. It cost its decoding, so that refusing it is no service.
    pub(crate) fn overdone(&self) {
        self.over.set(self.over.get() + 1);
    }

    /// A piece of a small message was passed on.
    pub(super) fn passed(&self) {
        self.guard.borrow_mut().passed(1);
    }

    /// What it flooded us with.
    pub(crate) fn flood(&self) -> Option<Flood> {
        self.flood.get()
    }

    /// A header block has begun and has not ended.
    pub(crate) fn is_in_block(&self) -> bool {
        self.guard.borrow().block_since_ms().is_some()
    }
}
