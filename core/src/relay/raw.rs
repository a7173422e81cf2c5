//! Bytes both ways after an upgrade: the session's protocol is none of our business any more.

use std::io::ErrorKind;

use ringway_io as io;

use crate::exchange::Exchange;
use crate::flow::After;
use crate::outcome::Flag;
use crate::upstream::Upstream;

/// Tunnel until both directions have ended, or nothing moved for `idle_ms`.
pub(crate) async fn tunnel(
    exchange: &mut Exchange<'_>,
    upstream: &Upstream,
    idle_ms: u32,
) -> After {
    let client = exchange.client;
    client.stream.clear_deadline();
    upstream.stream.clear_deadline();
    let end = io::tunnel(
        &client.stream,
        &upstream.stream,
        idle_ms,
        &client.received,
        &client.sent,
    )
    .await;
    match end {
        Ok(()) => After::Close,
        Err(error) if error.kind() == ErrorKind::TimedOut => {
            exchange.note(
                Flag::StreamIdle,
                format_args!(
                    "no byte moved in the tunnel for {idle_ms} ms (route's timeouts.tunnel_idle)"
                ),
            );
            After::Close
        }
        // One side went away without a word: the other is told in the same way.
        Err(_) => After::Abort,
    }
}
