//! Receiving a response's head: in one piece where it lies, in several pieces gathered. Whether the client is still there is watched beside it.

use std::future::poll_fn;

use ringway_io::{self as io, Buf};
use ringway_protocols::http1::ResponseFault;
use ringway_protocols::http2::frame::Reason;
use ringway_protocols::http2::hpack::Fields;
use ringway_protocols::http2::{self, Answers, Refused, Unannounced, status_of};

use super::endings::{Broken, broken_stream, is_reset};
use super::framed::Asked;
use crate::exchange::Exchange;
use crate::facts::Facts;
use crate::http2::spares;
use crate::link::Link;
use crate::upstream::shared::Question;

/// What stands behind a head.
#[derive(Debug)]
pub(super) enum Behind {
    /// Bytes that came with it.
    Bytes(Buf),
    /// The body's stream.
    Stream,
    /// Another head.
    Head,
}

/// Receive the next response head into the exchange.
pub(super) async fn receive_head(
    exchange: &mut Exchange<'_>,
    upstream: Asked<'_>,
) -> Result<Behind, Broken> {
    match upstream {
        Asked::Http1(link) => receive_octets(exchange, link).await.map(Behind::Bytes),
        Asked::Http2(question) => receive_frames(exchange, question).await,
    }
}

/// An interim head leaves another one behind it.
async fn receive_frames(
    exchange: &mut Exchange<'_>,
    question: &Question,
) -> Result<Behind, Broken> {
    let stream = question.stream();
    let received = poll_fn(|cx| stream.poll_head(cx)).await;
    let some = exchange.facts().first_byte_us.is_some();
    let fields = received.map_err(|fault| broken_stream(fault, some))?;
    let facts = exchange.facts_mut();
    facts
        .first_byte_us
        .get_or_insert(io::now_us().saturating_sub(facts.sent_us));
    let taken = take(exchange, &fields, question);
    if taken.is_err() {
        stream.reset(Reason::PROTOCOL_ERROR);
    }
    spares::give(fields);
    taken
}

/// Bring a head into the form that both versions share.
fn take(
    exchange: &mut Exchange<'_>,
    fields: &Fields,
    question: &Question,
) -> Result<Behind, Broken> {
    let limits = exchange.listener().limits;
    let to_head = exchange.request().is_head();
    let by_http2 = exchange.caller.call().is_some();
    let status = status_of(fields).map_err(|fault| Broken::UpstreamNonsense(fault.explain()))?;
    let behind = match status {
        100..=199 => Behind::Head,
        _ => Behind::Stream,
    };
    let unannounced = match status {
        100..=199 | 204 | 304 => Unannounced::Nothing,
        _ if to_head => Unannounced::Nothing,
        // To a client of HTTP/2 the end of the stream says it, as it did to us.
        _ if question.stream().is_at_end() && !by_http2 => Unannounced::None,
        _ => Unannounced::Chunked,
    };
    let Facts {
        answer,
        answer_bytes,
        ..
    } = exchange.facts_mut();
    answer_bytes.clear();
    let answers = Answers {
        unannounced,
        to_head,
        websocket: question.websocket.as_ref().map(|accept| &accept[..]),
    };
    let regular = fields.regular();
    match http2::take_response(answer, answer_bytes, &limits, status, regular, answers) {
        Ok(()) => {
            answer.keep_secret(answer_bytes, fields.never_indexed().map(|(name, _)| name));
            Ok(behind)
        }
        Err(Refused::Malformed(fault)) => Err(Broken::UpstreamNonsense(fault.explain())),
        Err(Refused::AsHttp1(fault)) => Err(Broken::UpstreamNonsense(fault.explain())),
    }
}

/// Receive a head of HTTP/1.1; answers the bytes behind it.
async fn receive_octets(exchange: &mut Exchange<'_>, upstream: &Link) -> Result<Buf, Broken> {
    let limits = exchange.listener().limits;
    let to_head = exchange.request().is_head();
    let Facts {
        answer,
        answer_bytes,
        ..
    } = exchange.facts_mut();
    answer.reset();
    answer_bytes.clear();
    loop {
        let received = upstream.recv().await;
        let facts = exchange.facts_mut();
        // Of this head, or of an interim one before it.
        let some = facts.first_byte_us.is_some();
        let mut buf = match received {
            Ok(Some(buf)) => buf,
            Ok(None) => return Err(Broken::UpstreamEnded { reset: false, some }),
            Err(error) => {
                return Err(Broken::UpstreamEnded {
                    reset: is_reset(&error),
                    some,
                });
            }
        };
        facts
            .first_byte_us
            .get_or_insert(io::now_us().saturating_sub(facts.sent_us));
        let before = facts.answer_bytes.len();
        // In one piece it is parsed where it lies; its bytes are kept all the same, since the head is read again later.
        let parsed = if before == 0 {
            facts.answer.parse(&buf, &limits, to_head)
        } else {
            facts.answer_bytes.extend_from_slice(&buf);
            facts.answer.parse(&facts.answer_bytes, &limits, to_head)
        };
        match parsed {
            Ok(Some(n)) if before == 0 => {
                facts.answer_bytes.extend_from_slice(&buf[..n]);
                buf.advance(n);
                return Ok(buf);
            }
            Ok(Some(n)) => {
                facts.answer_bytes.truncate(n);
                buf.advance(n - before);
                return Ok(buf);
            }
            Ok(None) if before == 0 => facts.answer_bytes.extend_from_slice(&buf),
            Ok(None) => {}
            Err(fault) => return Err(Broken::UpstreamNonsense(ResponseFault::explain(fault))),
        }
    }
}
