//! The client's connection behind a whole answer: what has to leave before the next request, and whether there is one.

use std::io::ErrorKind;

use super::endings;
use super::framed::Failure;
use crate::exchange::Exchange;
use crate::flow::After;

/// Behind an answer up to this size a connection is closed at once. A larger one may stand in the kernel for a while, where a byte
/// from the client would turn our close into a reset and destroy it.
pub(super) const AT_ONCE_BYTES: u64 = 16 * 1024;

/// What becomes of the client's connection after a whole answer.
pub(super) fn after(exchange: &Exchange<'_>, reusable: bool) -> After {
    let client = exchange.client;
    if reusable {
        After::KeepAlive
    } else if !exchange.request().keep_alive()
        && exchange.caller.sent.get() <= AT_ONCE_BYTES
        && client.stream.is_quiet()
    {
        // It asked for the end, has sent nothing since, and an answer of this size has most likely arrived.
        After::Close
    } else {
        After::Linger
    }
}

/// Wait until the kernel has taken the answer, for as long as the client takes any of it.
pub(super) async fn settle(exchange: &mut Exchange<'_>, idle_ms: u32) -> Result<(), Failure> {
    let client = &exchange.client.stream;
    let mut seen = None;
    loop {
        client.set_deadline(exchange.patience(idle_ms));
        match client.flush().await {
            Ok(()) => break,
            Err(e) if e.kind() == ErrorKind::TimedOut => {
                let now = client.acknowledged();
                if !exchange.time_left() || seen == Some(now) {
                    return Err(Failure::Stop(endings::client_late(exchange)));
                }
                seen = Some(now);
            }
            Err(_) => return Err(Failure::Stop(endings::client_gone(exchange))),
        }
    }
    client.clear_deadline();
    Ok(())
}
