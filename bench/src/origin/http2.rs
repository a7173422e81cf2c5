//! The origin by HTTP/2. A request without a body is answered by the connection's own task, others have a task each.

use std::io;
use std::rc::Rc;
use std::sync::atomic::Ordering::Relaxed;

use bytes::Bytes;
use h2::RecvStream;
use h2::server::SendResponse;
use http::{Request, Response, StatusCode};
use ringway_io::{Stream, spawn};

use super::{SAMPLE, Served};
use crate::http2::{self, Face};
use crate::load::matches;
use crate::scenario::Origin;

/// What is answered.
pub(super) struct Answer {
    origin: Origin,
    body: &'static [u8],
}

impl Answer {
    pub(super) fn new(origin: &Origin) -> Answer {
        Answer {
            body: http2::body(origin.body, origin.grpc),
            origin: origin.clone(),
        }
    }

    /// What the windows do not allow yet waits in the library, which holds no octets of it.
    fn send(&self, respond: &mut SendResponse<Bytes>) -> Result<(), h2::Error> {
        let head = http2::answer(&self.origin);
        let ends = self.body.is_empty() && !self.origin.grpc;
        let mut stream = respond.send_response(head, ends)?;
        if ends {
            return Ok(());
        }
        stream.send_data(http2::octets(self.body), !self.origin.grpc)?;
        match self.origin.grpc {
            true => stream.send_trailers(http2::trailers()),
            false => Ok(()),
        }
    }
}

/// Answer what comes on one connection.
pub(super) async fn answer_all(
    stream: Stream,
    served: &Served,
    answer: Rc<Answer>,
) -> io::Result<()> {
    let face = Face::new(Rc::new(stream));
    let shaken = http2::server().handshake(face).await;
    let mut connection = shaken.map_err(io::Error::other)?;
    while let Some(asked) = connection.accept().await {
        let (request, mut respond) = asked.map_err(io::Error::other)?;
        let n = served.counters.requests.fetch_add(1, Relaxed);
        let one = One {
            answer: answer.clone(),
            upload: served.upload,
            whole: n.is_multiple_of(SAMPLE),
        };
        if served.upload.is_empty() && request.body().is_end_stream() {
            // A client that has taken it back needs no answer.
            let _ = one.finish(&request, true, &mut respond);
        } else {
            spawn(one.receive(request, respond));
        }
    }
    Ok(())
}

/// One request.
struct One {
    answer: Rc<Answer>,
    upload: &'static [u8],
    whole: bool,
}

impl One {
    async fn receive(self, mut request: Request<RecvStream>, mut respond: SendResponse<Bytes>) {
        let mut at = 0;
        let mut is_right = true;
        let body = request.body_mut();
        while let Some(Ok(piece)) = body.data().await {
            is_right &= matches(self.upload, at, &piece, self.whole);
            at += piece.len();
            let _ = body.flow_control().release_capacity(piece.len());
        }
        let _ = self.finish(&request, is_right && at == self.upload.len(), &mut respond);
    }

    fn finish(
        &self,
        request: &Request<RecvStream>,
        is_right: bool,
        respond: &mut SendResponse<Bytes>,
    ) -> Result<(), h2::Error> {
        if is_right && http2::is_asked(request, self.upload, self.answer.origin.grpc) {
            return self.answer.send(respond);
        }
        let mut refused = Response::new(());
        *refused.status_mut() = StatusCode::BAD_REQUEST;
        respond.send_response(refused, true).map(drop)
    }
}
