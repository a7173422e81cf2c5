//! A connection whose bytes are nobody's requests, so that the whole of it is one exchange. It says nothing to the client: where
//! there is no endpoint, the client is reset, as the endpoint itself would have refused it.
//!
//! What a TLS client says first is read where the listener's `tcp` asks for it, and put back: TLS is between the client and the endpoint.

use std::future::poll_fn;
use std::rc::Rc;
use std::task::Poll;

use ringway_io as io;
use ringway_protocols::client_hello::{self, HELLO_BYTES, Reading};

use super::beginning::{Beginning, look};
use crate::accept::Client;
use crate::exchange::Exchange;
use crate::flow::{self, After, Stop};
use crate::lane::Lane;
use crate::observe::{ClientTimeout, Guess};
use crate::outcome::Flag;
use crate::proxied;
use crate::route::{Opening, TcpRouter};
use crate::secure;

/// Serve the connection until both directions have ended.
pub(crate) async fn serve(mut client: Client, lane: Rc<Lane>) {
    let waker = poll_fn(|cx| Poll::Ready(cx.waker().clone())).await;
    let _seat = lane.enter_session(waker, client.door.cells());
    if proxied::receive(&mut client, &lane).await.is_err()
        || secure::accept(&mut client, &lane).await.is_err()
    {
        return;
    }
    let after = flow::pass(&client, &lane, None).await;
    secure::note_end(&client, &lane);
    if after == After::Abort {
        client.stream.abort();
    }
}

/// Proof that what the listener's `tcp` asks for was read. Only [`receive`] makes it.
#[derive(Debug)]
pub(crate) struct Heard {
    /// The route that takes the connection.
    route: Option<usize>,
}

impl Heard {
    pub(crate) fn route(&self) -> Option<usize> {
        self.route
    }
}

/// Find out what decides where the connection goes. `guess` is what it was found to begin with, if somebody has looked.
pub(crate) async fn receive(
    exchange: &mut Exchange<'_>,
    guess: Option<Guess>,
) -> Result<Heard, Stop> {
    let plan = exchange.plan.clone();
    // A reload may have made an HTTP listener of it since the connection was accepted; then there is nothing to be done with it.
    let Some(router) = &plan.plan.listeners[exchange.listener].tcp else {
        return Err(Stop::NoRequest);
    };
    if !router.asks_for_hello() || !matches!(guess, None | Some(Guess::Tls)) {
        let route = router.find(&Opening {
            hello: None,
            original: exchange.client.original(),
        });
        return Ok(Heard { route });
    }
    // Pooled, as few connections ask for it, and none for long.
    io::pooled(hello(exchange, router)).await
}

async fn hello(exchange: &mut Exchange<'_>, router: &TcpRouter) -> Result<Heard, Stop> {
    let ms = exchange.listener().handshake_ms;
    let original = exchange.client.original();
    let mut enough = 0;
    let judge = |bytes: &[u8]| {
        if bytes.len() < enough {
            return None;
        }
        let mut joined = Vec::new();
        let hello = match client_hello::read(bytes, HELLO_BYTES, &mut joined) {
            Err(fault) => return Some(Err(fault)),
            Ok(Reading::More { at_least }) => {
                enough = at_least;
                return None;
            }
            Ok(Reading::Hello(hello)) => Some(hello),
            Ok(Reading::NotTls) => None,
        };
        let name = hello.as_ref().and_then(|hello| hello.server_name);
        Some(Ok((router.find(&Opening { hello, original }), name)))
    };
    let cells = exchange.listener().cells.clone();
    let cell = cells.of(exchange.lane.index);
    match look(exchange.client, exchange.lane, ms, judge).await {
        Beginning::Known(Ok((route, name))) => {
            if let Some(name) = name {
                exchange.facts_mut().server_name.push_str(name.as_str());
            }
            Ok(Heard { route })
        }
        Beginning::Known(Err(fault)) => {
            cell.protocol_error(fault.label());
            exchange.note(Flag::ClientProtocol, format_args!("{}", fault.explain()));
            Err(Stop::End(After::Abort))
        }
        Beginning::Late { began } => {
            cell.timeout(ClientTimeout::Handshake);
            if !began {
                return Err(Stop::NoRequest);
            }
            exchange.note(
                Flag::ClientTimeout,
                format_args!(
                    "the ClientHello was not complete after {ms} ms (listener's timeouts.handshake)"
                ),
            );
            Err(Stop::End(After::Abort))
        }
        Beginning::Ended { began: false } => Err(Stop::NoRequest),
        Beginning::Ended { began: true } => {
            exchange.note(
                Flag::ClientGone,
                format_args!("the client closed in the middle of its ClientHello"),
            );
            Err(Stop::End(After::Close))
        }
    }
}
