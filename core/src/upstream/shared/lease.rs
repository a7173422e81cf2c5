//! What an exchange has of a shared connection: a place on it, and the question that it asks there. Where places come from is not its affair.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use ringway_io as io;
use ringway_protocols::http2::hpack::Encoder;
use ringway_protocols::websocket;

use super::Shared;
use crate::http2::{Fault, Holder, Sending, Stream};
use crate::plan::Target;

/// A place on a connection, for one exchange.
#[derive(Debug)]
pub(crate) struct Lease {
    pub(super) shared: Rc<Shared>,
    pub(super) reused: bool,
}

/// What was asked, and what comes back.
#[derive(Debug)]
pub(crate) struct Question {
    stream: Holder,
    pub(crate) sending: RefCell<Option<Sending>>,
    /// It is for a WebSocket; what a server of HTTP/1.1 would show to accept it.
    pub(crate) websocket: Option<Box<websocket::Accept>>,
}

impl Lease {
    pub(crate) fn target(&self) -> &Arc<Target> {
        &self.shared.target
    }

    pub(crate) fn is_reused(&self) -> bool {
        self.reused
    }

    /// What `:scheme` says.
    pub(crate) fn scheme(&self) -> &'static [u8] {
        match self.shared.demanded {
            None => b"http",
            Some(_) => b"https",
        }
    }

    /// The peer has announced that it takes a WebSocket on a stream (RFC 8441 section 3).
    pub(crate) fn takes_websocket(&self) -> bool {
        self.shared.connection.takes_websocket()
    }

    /// Send the head of a request that `write` writes; `ends`: it is all of the request. `bodyless`: its answer has no body. With `websocket` it is an
    /// extended CONNECT, and neither. An error says that nothing was sent.
    pub(crate) fn ask(
        &self,
        ends: bool,
        bodyless: bool,
        websocket: Option<websocket::Accept>,
        write: impl FnOnce(&mut Encoder, &mut Vec<u8>),
    ) -> Result<Question, Fault> {
        let ends = ends && websocket.is_none();
        let connection = &self.shared.connection;
        let stream = connection.ask(ends, bodyless, write)?;
        Ok(Question {
            sending: RefCell::new(Some(Sending::new(stream.clone(), ends))),
            stream: Holder(stream),
            websocket: websocket.map(Box::new),
        })
    }
}

impl Question {
    pub(crate) fn stream(&self) -> &Stream {
        &self.stream
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let shared = &self.shared;
        let in_use = shared.in_use.get() - 1;
        shared.in_use.set(in_use);
        if in_use == 0 {
            shared.idle_since_ms.set(io::now_ms());
            shared.wake();
        }
        let mut all = shared.lane.shared_upstreams.borrow_mut();
        all.wake_waiting(shared.target.id);
    }
}
