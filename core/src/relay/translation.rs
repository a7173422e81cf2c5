//! A body on its way between gRPC-Web and gRPC: text of a request becomes the octets that it stands for, an answer gets its trailers as a last message,
//! and is written as text where its client reads that. Piece by piece: nothing waits here but a few octets. Which calls are translated is said in
//! `crate::grpc_web`.

use ringway_io::OutBuf;
use ringway_protocols::grpc::Status;
use ringway_protocols::grpc_web::{AnswerBody, Form, TextDecoder, put_trailers};
use ringway_protocols::http1::Version;

use super::body::BodyFault;
use super::stream_body::put_chunk;
use crate::exchange::Exchange;
use crate::flow::After;
use crate::grpc;
use crate::http2::Octets;

/// See the module.
#[derive(Debug)]
pub(super) enum Translation {
    /// A request in text.
    Asked(TextDecoder),
    /// An answer; `told`: its head has the call's status already.
    Answer { body: AnswerBody, told: bool },
}

impl Translation {
    /// Of a request. None: its octets pass as they are.
    pub(super) fn asked(form: Option<Form>) -> Option<Translation> {
        match form {
            Some(Form::Text) => Some(Translation::Asked(TextDecoder::new())),
            Some(Form::Binary) | None => None,
        }
    }

    pub(super) fn answer(form: Form, told: bool) -> Translation {
        let body = AnswerBody::new(form);
        Translation::Answer { body, told }
    }

    /// What becomes of a piece; it may be nothing yet. With it: how many octets the client has sent or gets.
    pub(super) fn piece(&mut self, piece: Octets) -> Result<(Octets, usize), BodyFault> {
        let mut out = OutBuf::take();
        let piece = match self {
            Translation::Asked(text) => {
                text.read(piece.bytes(), &mut out)
                    .map_err(BodyFault::Text)?;
                return Ok((out.into(), piece.len()));
            }
            Translation::Answer { body, .. } => match body.pass(piece.bytes(), &mut out) {
                true => piece,
                false => out.into(),
            },
        };
        let n = piece.len();
        Ok((piece, n))
    }

    /// Of an answer, where trailers may stand: in this form.
    pub(super) fn gap(&self) -> Option<Form> {
        match self {
            Translation::Answer { body, .. } if body.is_between() => Some(body.form()),
            _ => None,
        }
    }

    /// The body has ended, with these lines for trailers. What is to be sent behind it, and the status that it says if the endpoint said none.
    pub(super) fn end(
        &mut self,
        lines: &[u8],
    ) -> Result<Option<(OutBuf, Option<Status>)>, BodyFault> {
        let told = match self {
            Translation::Asked(text) => {
                return text.finish().map(|()| None).map_err(BodyFault::Text);
            }
            Translation::Answer { told, .. } => *told,
        };
        let form = self.gap().ok_or(BodyFault::WithinMessage)?;
        let mut out = OutBuf::take();
        if told || grpc::status_in_lines(lines).is_some() {
            // Behind a status in the head there need be none.
            if !lines.is_empty() {
                put_trailers(&mut out, form, lines);
            }
            return Ok(Some((out, None)));
        }
        // A client of gRPC makes this of an end without a status; some of gRPC-Web would take it for a good one.
        let status = Status::Unknown;
        let more = grpc::lines(status, "the answer ended without a status");
        put_trailers(&mut out, form, &[lines, more.as_bytes()].concat());
        Ok(Some((out, Some(status))))
    }
}

/// End an answer that has begun and stands between two messages: its client gets these trailers as the last one. None if there is no room
/// for them, or its end was sent.
pub(crate) fn end_answer(exchange: &Exchange<'_>, form: Form, lines: &str) -> Option<After> {
    let mut frame = OutBuf::take();
    put_trailers(&mut frame, form, lines.as_bytes());
    if let Some(call) = exchange.caller.call() {
        return call.finish_with(&frame).then_some(After::KeepAlive);
    }
    let client = &exchange.client.stream;
    if client.room() == 0 {
        return None;
    }
    let out = match exchange.request().version() {
        // There are no chunks: the answer ends with its connection.
        Version::Http10 => frame,
        _ => {
            let mut out = OutBuf::take();
            put_chunk(&mut out, &frame);
            out.extend_from_slice(b"0\r\n\r\n");
            out
        }
    };
    client.queue(out).ok().map(|()| After::Linger)
}
