//! Waiting for a place in a cluster's limit: for a time, and only while the client is still there. Waits on a stream have the
//! stream's own deadline, which costs a store; these waits are rare and may cost a timer.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use ringway_balancer::{Gate, Permit};
use ringway_io as io;

use crate::accept::Client;

/// Why there is no place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NoPlace {
    /// The queue was full, or none came free in time.
    Full,
    /// The client went away while it waited.
    ClientGone,
}

/// A place behind `gate`, at once or within `ms`.
#[inline]
pub(crate) async fn place(gate: &Arc<Gate>, ms: u32, client: &Client) -> Result<Permit, NoPlace> {
    match gate.try_enter() {
        Some(place) => Ok(place),
        None => wait(gate, ms, client).await,
    }
}

async fn wait(gate: &Arc<Gate>, ms: u32, client: &Client) -> Result<Permit, NoPlace> {
    let mut turn = pin!(gate.enter().map_err(|_| NoPlace::Full)?);
    let mut timer = pin!(io::sleep(ms));
    client.stream.clear_deadline();
    poll_fn(|cx| {
        if let Poll::Ready(place) = turn.as_mut().poll(cx) {
            return Poll::Ready(Ok(place));
        }
        if client.stream.poll_broken(cx).is_ready() {
            return Poll::Ready(Err(NoPlace::ClientGone));
        }
        timer.as_mut().poll(cx).map(|()| Err(NoPlace::Full))
    })
    .await
}
