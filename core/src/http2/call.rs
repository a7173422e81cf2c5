//! What an exchange has of a client that asks by HTTP/2: a stream. Its request's body comes here, its answer goes out here. Not the connection.

use std::cell::RefCell;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Context, Poll};

use ringway_io::{self as io, Segment};
use ringway_protocols::http2::frame::Reason;
use ringway_protocols::http2::hpack::Encoder;

use super::stream::{Holder, Stream};
use super::{Octets, Sending, Watch, heads};

/// One request of a client, and the way back.
#[derive(Debug)]
pub(crate) struct Call {
    stream: Holder,
    /// Some from the answer's head on.
    pub(crate) sending: RefCell<Option<Sending>>,
    /// Of its connection.
    watch: Rc<Watch>,
}

impl Call {
    pub(crate) fn new(stream: Rc<Stream>, watch: Rc<Watch>) -> Call {
        Call {
            stream: Holder(stream),
            sending: RefCell::new(None),
            watch,
        }
    }

    pub(crate) fn stream(&self) -> &Stream {
        &self.stream
    }

    /// Its head is far too large.
    pub(crate) fn overdone(&self) {
        self.watch.overdone();
    }

    /// A piece of a small message was passed on.
    pub(crate) fn passed(&self) {
        self.watch.passed();
    }

    /// Read the rest of the request's body and drop it, up to `most` bytes and for so long in all.
    pub(crate) async fn discard(&self, mut most: usize, ms: u32) {
        let alarm = io::Alarm::new();
        alarm.set(ms);
        poll_fn(|cx| {
            loop {
                match self.stream.poll_data(cx) {
                    Poll::Ready(Ok(Some(piece))) if piece.len() <= most => {
                        most -= piece.len();
                        self.stream.release(piece.len(), None);
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
        self.stream.poll_gone(cx)
    }

    /// Send an interim response. False if the stream has ended.
    pub(crate) fn inform(&self, write: impl FnOnce(&mut Encoder, &mut Vec<u8>)) -> bool {
        self.stream.send_head(false, write).is_ok()
    }

    /// Send the answer's head; `ends`: it is all of the answer. False if the stream has ended.
    pub(crate) fn answer(
        &self,
        ends: bool,
        write: impl FnOnce(&mut Encoder, &mut Vec<u8>),
    ) -> bool {
        let sent = self.stream.send_head(ends, write).is_ok();
        if sent {
            let sending = Sending::new(self.stream.0.clone(), ends);
            self.sending.replace(Some(sending));
        }
        sent
    }

    /// Send an answer of our own whole. What the windows do not allow yet waits with the connection, bounded by the answer's size.
    pub(crate) fn answer_whole(&self, status: u16, head: &[u8], body: Segment) -> bool {
        let body = Octets::from(body);
        let ends = body.is_empty();
        let sent = self
            .stream
            .send_head(ends, |to, out| heads::response(status, head, to, out));
        sent.is_ok() && (ends || self.stream.send_rest(body).is_ok())
    }

    /// End an answer that has begun with these lines for trailers; what of its body is still held is dropped. False if its end was sent.
    pub(crate) fn end_with(&self, lines: &[u8]) -> bool {
        let mut sending = self.sending.borrow_mut();
        sending.as_mut().is_some_and(|s| s.cut_with(lines))
    }

    /// End an answer that has begun with these octets behind what of its body is still held. False if its end was sent.
    pub(crate) fn finish_with(&self, octets: &[u8]) -> bool {
        let mut sending = self.sending.borrow_mut();
        sending.as_mut().is_some_and(|s| s.finish_with(octets))
    }

    /// End the stream so that nothing of it can be taken for whole.
    pub(crate) fn reset(&self, reason: Reason) {
        self.stream.reset(reason);
    }
}
