//! Waiting for a place in a cluster's limit: for a time, and only while the client is still there. Waits on a stream have the
//! stream's own deadline, which costs a store; these waits are rare and may cost a timer.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use ringway_balancer::{Gate, Permit};
use ringway_io as io;

use crate::caller::Who;

/// Why there is no place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NoPlace {
    /// The queue was full, or none came free in time.
    Full,
    /// The client went away while it waited.
    ClientGone,
}

/// How the wait ended well.
#[derive(Debug)]
pub(crate) enum Turn<T> {
    Place(Permit),
    /// Something as good as a place.
    Instead(T),
}

/// A place behind `gate`, at once or within `ms`.
#[inline]
pub(crate) async fn place(gate: &Arc<Gate>, ms: u32, who: Who<'_>) -> Result<Permit, NoPlace> {
    if let Some(place) = gate.try_enter() {
        return Ok(place);
    }
    match wait(gate, ms, who, |_| None::<std::convert::Infallible>).await? {
        Turn::Place(place) => Ok(place),
        Turn::Instead(never) => match never {},
    }
}

/// Wait for a place, or for what `instead` finds first.
pub(crate) async fn wait<T>(
    gate: &Arc<Gate>,
    ms: u32,
    who: Who<'_>,
    mut instead: impl FnMut(&mut Context<'_>) -> Option<T>,
) -> Result<Turn<T>, NoPlace> {
    let mut turn = pin!(gate.enter().map_err(|_| NoPlace::Full)?);
    let mut timer = pin!(io::sleep(ms));
    who.client.stream.clear_deadline();
    poll_fn(|cx| {
        if let Some(found) = instead(cx) {
            return Poll::Ready(Ok(Turn::Instead(found)));
        }
        if let Poll::Ready(place) = turn.as_mut().poll(cx) {
            return Poll::Ready(Ok(Turn::Place(place)));
        }
        if who.poll_gone(cx).is_ready() {
            return Poll::Ready(Err(NoPlace::ClientGone));
        }
        timer.as_mut().poll(cx).map(|()| Err(NoPlace::Full))
    })
    .await
}

/// A place behind `gate` within `ms`, for work that belongs to no exchange.
pub(crate) async fn place_for_itself(gate: &Arc<Gate>, ms: u32) -> Option<Permit> {
    if let Some(place) = gate.try_enter() {
        return Some(place);
    }
    let mut turn = pin!(gate.enter().ok()?);
    let mut timer = pin!(io::sleep(ms));
    poll_fn(|cx| match turn.as_mut().poll(cx) {
        Poll::Ready(place) => Poll::Ready(Some(place)),
        Poll::Pending => timer.as_mut().poll(cx).map(|()| None),
    })
    .await
}
