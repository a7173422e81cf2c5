//! What one exchange has of its client: the connection itself with HTTP/1.1, a stream of it with HTTP/2. Here the two meet: what an exchange asks
//! of its client is asked in one place. Who the client is stands in `accept::Client`.

use std::cell::Cell;
use std::task::{Context, Poll};

use ringway_protocols::http2::frame::Reason;

use crate::accept::Client;
use crate::flow::After;
use crate::http2::Call;
use crate::relay::side::{Sink, Source};

/// See the module.
#[derive(Debug)]
pub(crate) struct Caller {
    /// Payload bytes of the exchange from the client, counted as they move.
    pub(crate) received: Cell<u64>,
    /// The same, to it.
    pub(crate) sent: Cell<u64>,
    asks: Asks,
}

#[derive(Debug)]
enum Asks {
    /// On a connection of its own. `first`: nothing was asked before on it.
    Alone {
        first: bool,
    },
    Stream(Box<Call>),
}

impl Caller {
    fn new(asks: Asks) -> Caller {
        Caller {
            received: Cell::new(0),
            sent: Cell::new(0),
            asks,
        }
    }

    /// Who has the connection alone.
    pub(crate) fn alone(first: bool) -> Caller {
        Caller::new(Asks::Alone { first })
    }

    /// A stream of a connection that others use too.
    pub(crate) fn stream(call: Call) -> Caller {
        Caller::new(Asks::Stream(Box::new(call)))
    }

    #[inline]
    pub(crate) fn call(&self) -> Option<&Call> {
        match &self.asks {
            Asks::Alone { .. } => None,
            Asks::Stream(call) => Some(call),
        }
    }

    /// The exchange is over. A stream that was not answered in full is reset; a connection is the session's affair.
    pub(crate) fn settle(&self, after: After) {
        if after != After::KeepAlive
            && let Some(call) = self.call()
        {
            call.reset(Reason::INTERNAL_ERROR);
        }
    }

    /// Nothing was asked before on this connection, so that it may turn out to speak HTTP/2.
    pub(crate) fn may_be_http2(&self) -> bool {
        matches!(self.asks, Asks::Alone { first: true })
    }
}

/// The client of an exchange, with the way to it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Who<'a> {
    pub(crate) client: &'a Client,
    pub(crate) caller: &'a Caller,
}

impl<'a> Who<'a> {
    /// Ready when it has gone, or has taken its request back. At its end of stream it may still be reading.
    pub(crate) fn poll_gone(self, cx: &mut Context<'_>) -> Poll<()> {
        match self.caller.call() {
            None => self.client.stream.poll_broken(cx).map(drop),
            Some(call) => call.poll_gone(cx),
        }
    }

    /// Where a request's body comes from.
    #[inline]
    pub(crate) fn source(self) -> Source<'a> {
        match self.caller.call() {
            None => Source::Http1(&self.client.stream),
            Some(call) => Source::Http2(call.stream()),
        }
    }

    /// Where an answer's body goes.
    #[inline]
    pub(crate) fn sink(self) -> Sink<'a> {
        match self.caller.call() {
            None => Sink::Http1(&self.client.stream),
            Some(call) => Sink::Http2(&call.sending),
        }
    }
}
