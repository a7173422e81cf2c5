//! A connection of a TCP listener: its bytes are nobody's requests, so that the whole of it is one exchange. It says nothing to the
//! client: where there is no endpoint, the client is reset, as the endpoint itself would have refused it.

use std::future::poll_fn;
use std::rc::Rc;
use std::task::Poll;

use crate::accept::Client;
use crate::flow::{self, After};
use crate::lane::Lane;
use crate::proxied;

/// Serve the connection until both directions have ended.
pub(crate) async fn serve(mut client: Client, lane: Rc<Lane>) {
    let waker = poll_fn(|cx| Poll::Ready(cx.waker().clone())).await;
    let _seat = lane.enter_session(waker, client.door.cells());
    if proxied::receive(&mut client, &lane).await.is_err() {
        return;
    }
    if flow::pass(&client, &lane).await == After::Abort {
        client.stream.abort();
    }
}
