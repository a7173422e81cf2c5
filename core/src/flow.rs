//! THE page: a connection's steps in order, and an exchange's steps in order. Each step takes the proof of the one before,
//! and each is a file of its own. What is not here does not happen to a request.

use std::rc::Rc;

use ringway_io as io;

use crate::accept::Client;
use crate::answer::{self, Reply};
use crate::attempt;
use crate::caller::Caller;
use crate::exchange::Exchange;
use crate::intercepted;
use crate::lane::Lane;
use crate::observe::Guess;
use crate::plan::Speaks;
use crate::policy;
use crate::route;
use crate::session;

/// What becomes of the client's connection after an exchange.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum After {
    /// The next request may come.
    KeepAlive,
    /// End of stream after what was sent.
    Close,
    /// The same, but the client may still be sending: its bytes are discarded for a while, lest a reset destroys the answer.
    Linger,
    /// Reset, so that a cut answer cannot be taken for a whole one.
    Abort,
    /// It speaks HTTP/2. What came so far is in its stream again.
    Http2,
}

/// How a step ends the exchange early.
#[derive(Debug)]
pub(crate) enum Stop {
    /// Nothing of a request came; nobody is waiting for anything.
    NoRequest,
    /// What came is the beginning of HTTP/2.
    Http2,
    /// We answer it ourselves.
    Reply(Reply),
    /// It cannot be answered any more: the client is gone, or the answer has already begun.
    End(After),
}

impl From<Reply> for Stop {
    fn from(reply: Reply) -> Stop {
        Stop::Reply(reply)
    }
}

/// Steps 1 to 3, once per connection: accepted, if intercepted then not on its way to us, then a session of the protocol that its listener speaks, as a task of its own. The session
/// begins with `proxied::receive` where a PROXY header is to come: a drain must find and wake who waits for one.
pub(crate) fn begin(client: Client, lane: Rc<Lane>) {
    let Some((client, _elsewhere)) = intercepted::check(client, &lane) else {
        return;
    };
    match client.door.speaks() {
        Speaks::Bytes => io::spawn(session::tcp::serve(client, lane)),
        Speaks::Http | Speaks::Either => io::spawn(serve(client, lane)),
    }
}

/// On a listener for both: find out what the connection begins with, and pass on what is not HTTP. None: it is HTTP.
pub(crate) async fn pass_others(client: &Client, lane: &Rc<Lane>) -> Option<After> {
    match session::detect::guess(client, lane).await {
        Guess::Http1 | Guess::Http2 => None,
        guess @ (Guess::Tls | Guess::Opaque | Guess::Silent) => {
            Some(pass(client, lane, Some(guess)).await)
        }
    }
}

/// A session of HTTP.
pub(crate) fn serve(client: Client, lane: Rc<Lane>) -> impl Future<Output = ()> {
    session::http1::serve(client, lane)
}

/// Steps 4 to 8, once per request: route, policy, then attempts (pick, open, relay), and an answer in any case.
pub(crate) async fn exchange(client: &Client, lane: &Rc<Lane>, caller: Caller) -> After {
    let mut exchange = Exchange::begin(client, &caller, lane);
    let after = match steps(&mut exchange).await {
        Ok(after) | Err(Stop::End(after)) => after,
        Err(Stop::Reply(reply)) => answer::send(reply, &mut exchange).await,
        Err(Stop::NoRequest) => {
            exchange.forget();
            return After::Close;
        }
        Err(Stop::Http2) => {
            exchange.forget();
            return After::Http2;
        }
    };
    caller.settle(after);
    after
}

async fn steps(exchange: &mut Exchange<'_>) -> Result<After, Stop> {
    let received = session::receive(exchange).await?;
    let routed = route::step::find(exchange, received)?;
    let admitted = policy::admit(exchange, routed).await?;
    attempt::run(exchange, admitted).await
}

/// Steps 4 to 8 for a connection without requests, which is one exchange: where its listener says, limits, then attempts (pick, open,
/// bytes both ways). `guess` is what it was found to begin with, if somebody has looked.
pub(crate) async fn pass(client: &Client, lane: &Rc<Lane>, guess: Option<Guess>) -> After {
    let caller = Caller::alone(false);
    let mut exchange = Exchange::begin(client, &caller, lane);
    exchange.facts_mut().is_bytes = true;
    match pass_steps(&mut exchange, guess).await {
        Ok(after) | Err(Stop::End(after)) => after,
        // What it could be told, it would not understand.
        Err(Stop::Reply(_)) => After::Abort,
        Err(Stop::NoRequest | Stop::Http2) => {
            exchange.forget();
            After::Close
        }
    }
}

async fn pass_steps(exchange: &mut Exchange<'_>, guess: Option<Guess>) -> Result<After, Stop> {
    exchange.note_peer();
    let heard = session::tcp::receive(exchange, guess).await?;
    let routed = route::step::of_listener(exchange, heard)?;
    let admitted = policy::admit_connection(exchange, routed).await?;
    attempt::tunnel(exchange, admitted).await
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The size of what a function of two arguments returns.
    fn returned<A, B, F>(_: impl Fn(A, B) -> F) -> usize {
        size_of::<F>()
    }

    /// What an idle connection costs besides its slot (256 bytes at most, asserted in `ringway-io`) is this future: an exchange's state is not in it. The lower bound says
    /// that it is the real thing that is measured.
    #[test]
    fn an_idle_connection_is_small() {
        let task = returned(serve);
        assert!(
            (128..=272).contains(&task),
            "the task of a connection has {task} bytes"
        );
    }
}
