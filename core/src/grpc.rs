//! What is different for a call of gRPC: its deadline comes with it, and a failure is told as a status of gRPC, in trailers where the answer has
//! begun. A call of gRPC-Web is one too; what is different for that stands in `grpc_web`. Everything else is the one exchange path; what the wire says
//! is in `ringway_protocols::grpc`.

use std::ops::Range;

use ringway_io as io;
use ringway_protocols::grpc::{self, Status};
use ringway_protocols::grpc_web::{Form, kind};
use ringway_protocols::http2::hpack::Fields;

use crate::answer::Reply;
use crate::exchange::Exchange;
use crate::flow::After;
use crate::grpc_web::{self, WebCall};
use crate::plan::EditPlan;
use crate::relay::translation;

/// The field for the time that a call may take.
pub(crate) const TIMEOUT: &[u8] = b"grpc-timeout";
const STATUS: &str = "grpc-status";

/// Octets of a text that a call is told, before they are encoded. Arbitrary; ours are one line.
const MESSAGE_BYTES: usize = 512;

/// What is known of a call.
#[derive(Debug, Clone, Copy)]
pub(crate) struct GrpcCall {
    /// When its `grpc-timeout` is over, on the worker's clock.
    pub(crate) ends_us: Option<u64>,
    /// How it ended, once somebody has said so.
    pub(crate) status: Option<Status>,
    /// Some for a call of gRPC-Web.
    pub(crate) web: Option<WebCall>,
}

/// Note whether the request is a call. A `grpc-timeout` that is none passes as it is: its endpoint may judge it.
pub(crate) fn note(exchange: &mut Exchange<'_>) {
    let request = exchange.request();
    let method = request.method();
    // Of all other methods the fields need not be looked at.
    if method != b"POST" {
        return;
    }
    let (mut is_grpc, mut form) = (false, None);
    for value in request.values(grpc_web::CONTENT_TYPE) {
        is_grpc |= grpc::is_call(method, value);
        form = form.or_else(|| kind(value).map(|kind| kind.form));
    }
    let web = match (is_grpc, form) {
        (true, _) => None,
        (false, Some(form)) => Some(WebCall::new(&request, form)),
        (false, None) => return,
    };
    let timeout = request.values(TIMEOUT).filter_map(grpc::read_timeout).min();
    let facts = exchange.facts_mut();
    facts.grpc = Some(GrpcCall {
        ends_us: timeout.map(|us| facts.started_us.saturating_add(us)),
        status: None,
        web,
    });
}

/// The call's end is known.
pub(crate) fn note_status(exchange: &mut Exchange<'_>, status: Option<Status>) {
    if let (Some(call), Some(status)) = (&mut exchange.facts_mut().grpc, status) {
        call.status = Some(status);
    }
}

/// The same from the head of an answer, which is all of one that has no messages.
pub(crate) fn note_head(exchange: &mut Exchange<'_>) {
    let facts = exchange.facts_mut();
    let Some(call) = &mut facts.grpc else {
        return;
    };
    let answer = facts.answer.view(&facts.answer_bytes);
    let mut fields = answer.fields();
    let status = fields.find(|(_, name, _)| name.eq_ignore_ascii_case(STATUS.as_bytes()));
    call.status = status.map(|(_, _, value)| Status::read(value));
}

/// The status that lines of trailers hold.
pub(crate) fn status_in_lines(lines: &[u8]) -> Option<Status> {
    let mut found = ringway_protocols::http2::lines(lines, false);
    found
        .find(|line| lines[line.name.clone()].eq_ignore_ascii_case(STATUS.as_bytes()))
        .map(|line| Status::read(&lines[line.value]))
}

/// The same of fields.
pub(crate) fn status_in(trailers: &Fields) -> Option<Status> {
    let mut fields = trailers.regular();
    let status = fields.find(|(name, _)| *name == STATUS.as_bytes());
    status.map(|(_, value)| Status::read(value))
}

/// Write the time that is left of a call behind `text`, for its endpoint. A route that sets the field itself has its way.
pub(crate) fn put_time_left(
    exchange: &Exchange<'_>,
    edits: &[EditPlan],
    text: &mut Vec<u8>,
) -> Option<Range<usize>> {
    exchange.facts().grpc?;
    let ends_us = exchange.ends_us()?;
    let is_set = |edit: &EditPlan| match edit {
        EditPlan::Set { name, .. } | EditPlan::Add { name, .. } | EditPlan::Remove { name } => {
            name.as_bytes() == TIMEOUT
        }
    };
    if edits.iter().any(is_set) {
        return None;
    }
    let start = text.len();
    grpc::put_timeout(text, ends_us.saturating_sub(io::now_us()));
    Some(start..text.len())
}

/// The content type of what a call is told.
pub(crate) fn told_type(exchange: &Exchange<'_>) -> String {
    grpc_web::own_type(exchange).unwrap_or_else(|| "application/grpc".to_owned())
}

/// What a call is told instead of an answer of HTTP. None where there is nothing to translate: no call, or a status that is no failure.
pub(crate) fn told(exchange: &Exchange<'_>, http: u16, body: &[u8]) -> Option<(Status, String)> {
    let is_failure = http >= 400;
    (is_failure && exchange.facts().grpc.is_some()).then(|| (Status::of_http(http), message(body)))
}

/// A text as `grpc-message`.
fn message(text: &[u8]) -> String {
    let text = &text[..text.len().min(MESSAGE_BYTES)];
    let mut out = Vec::new();
    grpc::put_message(&mut out, text.trim_ascii());
    // It is ASCII alone.
    String::from_utf8(out).unwrap_or_default()
}

/// Trailers that say how a call ended. `message` as it stands there.
pub(crate) fn lines(status: Status, message: &str) -> String {
    let code = status.code();
    format!("{STATUS}: {code}\r\ngrpc-message: {message}\r\n")
}

/// End an answer that has begun: what `reply` would have said goes into trailers, so that the client learns why, and what becomes of its connection. `gap`:
/// the form of an answer of gRPC-Web that stands between two messages. None if there is no place for trailers (only a stream has them, and an answer of
/// gRPC-Web such a gap), or the answer's end was sent.
pub(crate) fn end_answer(
    exchange: &mut Exchange<'_>,
    reply: &Reply,
    gap: Option<Form>,
) -> Option<After> {
    let is_web = exchange.facts().grpc?.web.is_some();
    let text = reply.text(exchange);
    let (status, message) = told(exchange, reply.status, text.as_bytes())?;
    let lines = lines(status, &message);
    let after = if is_web {
        translation::end_answer(exchange, gap?, &lines)?
    } else {
        let stream = exchange.caller.call()?;
        stream
            .end_with(lines.as_bytes())
            .then_some(After::KeepAlive)?
    };
    note_status(exchange, Some(status));
    Some(after)
}
