//! A body on its way between gRPC-Web and gRPC: text of a request becomes the octets that it stands for, an answer gets its trailers as a last message,
//! and is written as text where its client reads that. Piece by piece: nothing waits here but a few octets. Which calls are translated is said in
//! `crate::grpc_web`.

use ringway_io::OutBuf;
use ringway_protocols::grpc::Status;
use ringway_protocols::grpc_web::{AnswerBody, Form, Passed, TextDecoder, put_trailers};
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

/// A piece as it goes on.
#[derive(Debug)]
pub(super) struct Piece {
    /// It may be nothing yet.
    pub(super) octets: Octets,
    /// So many octets the client has sent, or gets.
    pub(super) of_client: usize,
}

/// What an answer ends with.
#[derive(Debug)]
pub(super) struct LastMessage {
    /// None where a status in the head was all.
    pub(super) octets: Option<OutBuf>,
    /// The call's status, if it is ours because the endpoint said none.
    pub(super) own_status: Option<Status>,
}

impl Translation {
    /// Of a request. None: its octets pass as they are.
    pub(super) fn asked(form: Form) -> Option<Translation> {
        match form {
            Form::Text => Some(Translation::Asked(TextDecoder::new())),
            Form::Binary => None,
        }
    }

    pub(super) fn answer(form: Form, told: bool) -> Translation {
        let body = AnswerBody::new(form);
        Translation::Answer { body, told }
    }

    /// What becomes of a piece.
    pub(super) fn piece(&mut self, piece: Octets) -> Result<Piece, BodyFault> {
        let mut out = OutBuf::take();
        let octets = match self {
            Translation::Asked(text) => {
                let read = text.read(piece.bytes(), &mut out);
                read.map_err(BodyFault::Text)?;
                return Ok(Piece {
                    octets: out.into(),
                    of_client: piece.len(),
                });
            }
            Translation::Answer { body, .. } => match body.pass(piece.bytes(), &mut out) {
                Passed::AsTheyAre => piece,
                Passed::Written => out.into(),
            },
        };
        let of_client = octets.len();
        Ok(Piece { octets, of_client })
    }

    /// Of an answer, where trailers may stand: in this form.
    pub(super) fn gap(&self) -> Option<Form> {
        match self {
            Translation::Answer { body, .. } if body.is_between() => Some(body.form()),
            _ => None,
        }
    }

    /// The body has ended, with these lines for trailers. Some of an answer.
    pub(super) fn end(&mut self, lines: &[u8]) -> Result<Option<LastMessage>, BodyFault> {
        let told = match self {
            Translation::Asked(text) => {
                return text.finish().map(|()| None).map_err(BodyFault::Text);
            }
            Translation::Answer { told, .. } => *told,
        };
        let form = self.gap().ok_or(BodyFault::WithinMessage)?;
        if told && lines.is_empty() {
            return Ok(Some(LastMessage {
                octets: None,
                own_status: None,
            }));
        }
        let mut out = OutBuf::take();
        let is_said = told || grpc::status_in_lines(lines).is_some();
        // A client of gRPC makes this of an end without a status; some of gRPC-Web would take it for a good one.
        let own_status = (!is_said).then_some(Status::Unknown);
        match own_status {
            None => put_trailers(&mut out, form, lines),
            Some(status) => {
                let own = grpc::lines(status, "the answer ended without a status");
                put_trailers(&mut out, form, &[lines, own.as_bytes()].concat());
            }
        }
        Ok(Some(LastMessage {
            octets: Some(out),
            own_status,
        }))
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
