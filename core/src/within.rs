//! Waiting with an end: a future, or nothing after so many milliseconds. For the rare waits that are not on a stream (those
//! have the stream's own deadline, which costs a store).

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::Poll;

use ringway_io as io;

/// The future's output, or None once `ms` have passed.
pub(crate) async fn within<F: Future>(ms: u32, mut future: Pin<&mut F>) -> Option<F::Output> {
    let mut timer = pin!(io::sleep(ms));
    poll_fn(|cx| {
        if let Poll::Ready(output) = future.as_mut().poll(cx) {
            return Poll::Ready(Some(output));
        }
        timer.as_mut().poll(cx).map(|()| None)
    })
    .await
}
