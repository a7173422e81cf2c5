//! Bytes both ways whose protocol is none of our business: behind an upgrade, and on TCP listeners.

use std::future::{Future, poll_fn};
use std::io::ErrorKind;
use std::pin::{Pin, pin};
use std::task::Poll;

use ringway_io as io;

use crate::exchange::Exchange;
use crate::flow::After;
use crate::link;
use crate::outcome::Flag;
use crate::policy::Admitted;
use crate::upstream::Upstream;

/// Tunnel until both directions have ended, or nothing moved for `idle_ms`; `up` and `down` look on. None: `until` was ready before, and the
/// connections are as they were then.
pub(super) async fn tunnel(
    exchange: &mut Exchange<'_>,
    upstream: &Upstream,
    idle_ms: u32,
    (up, down): (&dyn io::Tap, &dyn io::Tap),
    until: impl Fn() -> bool,
) -> Option<After> {
    let end = {
        let mut tunnel = pin!(between(exchange, upstream, idle_ms, Some(up), Some(down)));
        poll_fn(|cx| match tunnel.as_mut().poll(cx) {
            Poll::Pending if until() => Poll::Ready(None),
            polled => polled.map(Some),
        })
        .await?
    };
    let key = "route's timeouts.tunnel_idle";
    Some(ended(exchange, upstream, end, idle_ms, key))
}

/// The tunnel of a TCP listener: the same, and when its listener is removed it has the time of a drain to end by itself. A reset of one
/// side is passed on to the other.
pub(crate) async fn pass(
    exchange: &mut Exchange<'_>,
    admitted: &Admitted,
    upstream: Box<Upstream>,
) -> After {
    let idle_ms = exchange.route(admitted.route()).timeouts.tunnel_idle;
    let drain_ms = exchange.plan.plan.drain_ms;
    let after = match drained(exchange, &upstream, idle_ms, drain_ms).await {
        Some(end) => ended(
            exchange,
            &upstream,
            end,
            idle_ms,
            "listener's timeouts.idle",
        ),
        None => {
            exchange.note(
                Flag::Cut,
                format_args!("its listener was removed, and the tunnel did not end in {drain_ms} ms (server.drain)"),
            );
            After::Abort
        }
    };
    if after == After::Abort {
        upstream.stream.abort();
    }
    after
}

/// None if the listener is gone for `drain_ms`. A drain of the whole process is not counted here: whoever stops it cuts what is left.
async fn drained(
    exchange: &Exchange<'_>,
    upstream: &Upstream,
    idle_ms: u32,
    drain_ms: u32,
) -> Option<std::io::Result<()>> {
    let mut tunnel = pin!(between(exchange, upstream, idle_ms, None, None));
    let mut rest: Option<Pin<Box<dyn Future<Output = ()>>>> = None;
    poll_fn(|cx| {
        if let Poll::Ready(end) = tunnel.as_mut().poll(cx) {
            return Poll::Ready(Some(end));
        }
        // A reload that closes a door wakes all sessions.
        if rest.is_none() && exchange.client.door.is_closed() && !exchange.lane.is_draining() {
            rest = Some(Box::pin(io::sleep(drain_ms)));
        }
        match &mut rest {
            Some(rest) => rest.as_mut().poll(cx).map(|()| None),
            None => Poll::Pending,
        }
    })
    .await
}

async fn between(
    exchange: &Exchange<'_>,
    upstream: &Upstream,
    idle_ms: u32,
    up: Option<&dyn io::Tap>,
    down: Option<&dyn io::Tap>,
) -> std::io::Result<()> {
    let client = exchange.client;
    client.stream.clear_deadline();
    upstream.stream.clear_deadline();
    link::tunnel(
        &client.stream,
        &upstream.stream,
        idle_ms,
        (&exchange.caller.received, up),
        (&exchange.caller.sent, down),
    )
    .await
}

/// Note how it ended, and say what comes of it.
fn ended(
    exchange: &mut Exchange<'_>,
    upstream: &Upstream,
    end: std::io::Result<()>,
    idle_ms: u32,
    key: &str,
) -> After {
    match end {
        Ok(()) => {
            for (link, who) in [
                (&exchange.client.stream, "client"),
                (&upstream.stream, "endpoint"),
            ] {
                if link.was_cut() {
                    exchange.note(
                        Flag::None,
                        format_args!("the {who} ended without close_notify: bytes may be missing"),
                    );
                }
            }
            After::Close
        }
        Err(error) if error.kind() == ErrorKind::TimedOut => {
            exchange.note(
                Flag::StreamIdle,
                format_args!("no byte moved in the tunnel for {idle_ms} ms ({key})"),
            );
            After::Close
        }
        // The end of the worker: the exchange says so when it is dropped.
        Err(_) if exchange.lane.is_stopping() => After::Abort,
        // One side went away without a word: the other is told in the same way.
        Err(error) => {
            if exchange.client.stream.is_reset() {
                exchange.note(
                    Flag::ClientGone,
                    format_args!("the client reset the connection"),
                );
            } else {
                exchange.note(
                    Flag::UpstreamReset,
                    format_args!(
                        "the connection to endpoint {} broke: {error}",
                        upstream.target.text
                    ),
                );
            }
            After::Abort
        }
    }
}
