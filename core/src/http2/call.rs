//! What an exchange has of a client that asks by HTTP/2: a stream. Its request's body comes here, its answer goes out here. Not the connection.

use std::cell::RefCell;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::Bytes;
use h2::server::SendResponse;
use h2::{Reason, RecvStream};
use http::{HeaderMap, Response};
use ringway_io as io;

use super::{Octets, Sending, Watch};

/// One request of a client, and the way back.
#[derive(Debug)]
pub(crate) struct Call {
    /// The request as the library read it, until the exchange has taken it.
    pub(crate) request: RefCell<Option<http::request::Parts>>,
    pub(crate) body: RefCell<RecvStream>,
    respond: RefCell<SendResponse<Octets>>,
    /// Some from the answer's head on.
    pub(crate) sending: RefCell<Option<Sending>>,
    /// Of its connection.
    watch: Rc<Watch>,
}

impl Call {
    pub(crate) fn new(
        request: http::Request<RecvStream>,
        respond: SendResponse<Octets>,
        watch: Rc<Watch>,
    ) -> Call {
        let (parts, body) = request.into_parts();
        Call {
            request: RefCell::new(Some(parts)),
            body: RefCell::new(body),
            respond: RefCell::new(respond),
            sending: RefCell::new(None),
            watch,
        }
    }

    /// A piece of a small message was passed on.
    pub(crate) fn passed(&self) {
        self.watch.passed();
    }

    /// Nothing of a body will come.
    pub(crate) fn is_bodyless(&self) -> bool {
        self.body.borrow().is_end_stream()
    }

    /// Read the rest of the request's body and drop it, up to `most` bytes and for so long in all.
    pub(crate) async fn discard(&self, mut most: usize, ms: u32) {
        let alarm = io::Alarm::new();
        alarm.set(ms);
        poll_fn(|cx| {
            let mut body = self.body.borrow_mut();
            loop {
                match body.poll_data(cx) {
                    Poll::Ready(Some(Ok(piece))) if piece.len() <= most => {
                        most -= piece.len();
                        let _ = body.flow_control().release_capacity(piece.len());
                    }
                    // Too much, or the end of the body or of the stream.
                    Poll::Ready(_) => return Poll::Ready(()),
                    Poll::Pending => return alarm.poll(cx),
                }
            }
        })
        .await;
    }

    /// Ready when the client has taken its request back, or is gone.
    pub(crate) fn poll_gone(&self, cx: &mut Context<'_>) -> Poll<()> {
        match &mut *self.sending.borrow_mut() {
            Some(sending) => sending.poll_reset(cx),
            None => self.respond.borrow_mut().poll_reset(cx).map(drop),
        }
    }

    /// Send an interim response. False if the stream has ended.
    pub(crate) fn inform(&self, head: Response<()>) -> bool {
        self.respond.borrow_mut().send_informational(head).is_ok()
    }

    /// Send the answer's head; `ends`: it is all of the answer. False if the stream has ended.
    pub(crate) fn answer(&self, head: Response<()>, ends: bool) -> bool {
        let Ok(stream) = self.respond.borrow_mut().send_response(head, ends) else {
            return false;
        };
        let sending = match ends {
            true => Sending::ended(stream),
            false => Sending::new(stream),
        };
        self.sending.replace(Some(sending));
        true
    }

    /// Send an answer of our own whole. What the windows do not allow yet waits in the library, bounded by the answer's size.
    pub(crate) fn answer_whole(&self, head: Response<()>, body: Bytes) -> bool {
        let ends = body.is_empty();
        let Ok(mut stream) = self.respond.borrow_mut().send_response(head, ends) else {
            return false;
        };
        ends || stream.send_data(Octets::Shared(body), true).is_ok()
    }

    /// End an answer that has begun with these for trailers; what of its body is still held is dropped. False if its end was sent.
    pub(crate) fn end_with(&self, trailers: HeaderMap) -> bool {
        let mut sending = self.sending.borrow_mut();
        sending.as_mut().is_some_and(|s| s.cut_with(trailers))
    }

    /// End the stream so that nothing of it can be taken for whole.
    pub(crate) fn reset(&self, reason: Reason) {
        self.respond.borrow_mut().send_reset(reason);
    }
}
