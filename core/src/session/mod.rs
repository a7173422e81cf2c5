//! Step 3: the protocol that a connection speaks. One file for each; each reads requests and calls the one exchange path.

pub(crate) mod beginning;
pub(crate) mod detect;
pub(crate) mod http1;
pub(crate) mod http2;
pub(crate) mod tcp;
pub(crate) mod udp;

use crate::exchange::Exchange;
use crate::flow::Stop;
use crate::grpc;

/// Proof that a whole, valid head was received. Only [`receive`] makes it.
#[derive(Debug)]
pub(crate) struct Received {
    _only_here: (),
}

/// Receive the head of the exchange's request, by the protocol that its client speaks, into the form that all share.
pub(crate) async fn receive(exchange: &mut Exchange<'_>) -> Result<Received, Stop> {
    match exchange.caller.call() {
        None => http1::receive(exchange).await?,
        Some(call) => http2::receive(exchange, call)?,
    }
    exchange.facts_mut().parsed = true;
    grpc::note(exchange);
    exchange.note_client();
    exchange.note_id();
    Ok(Received { _only_here: () })
}
