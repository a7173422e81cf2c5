//! What is different for a call of gRPC-Web. On a route with `grpc_web` it goes on as a call of gRPC: content types are translated here, bodies in
//! `relay/translation`. Everywhere else it passes as it is. What we say ourselves is said in its own form in either case.

use std::ops::Range;

use ringway_protocols::grpc_web::{self, Form, Kind};
use ringway_protocols::http1::{Known, Request};

use crate::exchange::Exchange;
use crate::policy::Admitted;
use crate::upstream::Opened;

/// The field that says what a call is.
pub(crate) const CONTENT_TYPE: &[u8] = b"content-type";

/// What is known of such a call.
#[derive(Debug, Clone, Copy)]
pub(crate) struct WebCall {
    /// How its messages come.
    asked: Form,
    /// How its answer is to be written.
    answer: Form,
    /// It goes to its endpoint as a call of gRPC.
    translated: bool,
}

impl WebCall {
    /// `asked`: how its content type says that its messages come.
    pub(crate) fn new(request: &Request<'_>, asked: Form) -> WebCall {
        WebCall {
            asked,
            answer: grpc_web::answer_form(request.values(b"accept"), asked),
            translated: false,
        }
    }
}

/// Decide whether it is translated: its route has to say so, and its endpoint has to speak what gRPC needs. One that chose HTTP/1.1
/// (`protocol = "auto"`) cannot speak gRPC, so that what understands the call at all is a server of gRPC-Web.
pub(crate) fn decide(exchange: &mut Exchange<'_>, admitted: &Admitted, upstream: &Opened) {
    if exchange.facts().grpc.is_none() {
        return;
    }
    let translated =
        exchange.route(admitted.route()).grpc_web && matches!(upstream, Opened::Shared(_));
    if let Some(call) = &mut exchange.facts_mut().grpc
        && let Some(web) = &mut call.web
    {
        web.translated = translated;
    }
}

fn translated(exchange: &Exchange<'_>) -> Option<WebCall> {
    exchange.facts().grpc?.web.filter(|web| web.translated)
}

/// How the messages of a request come that is translated.
pub(crate) fn asked_form(exchange: &Exchange<'_>) -> Option<Form> {
    translated(exchange).map(|web| web.asked)
}

/// How the answer's messages are to be written. None for one that is not translated, or that is none of gRPC: it passes as it is, and its status of HTTP says
/// what its client needs to know.
pub(crate) fn answer_form(exchange: &Exchange<'_>) -> Option<Form> {
    answer_kind(exchange).map(|kind| kind.form)
}

fn answer_kind<'x>(exchange: &'x Exchange<'_>) -> Option<Kind<'x>> {
    let web = translated(exchange)?;
    let facts = exchange.facts();
    let answer = facts.answer.view(&facts.answer_bytes);
    let mut types = answer.fields().filter(|(known, name, _)| {
        *known == Known::Other && name.eq_ignore_ascii_case(CONTENT_TYPE)
    });
    let suffix = types.find_map(|(_, _, value)| grpc_web::suffix_of_grpc(value))?;
    let suffix = match suffix {
        [] => own_suffix(exchange),
        said => said,
    };
    let form = web.answer;
    Some(Kind { form, suffix })
}

fn own_suffix<'x>(exchange: &'x Exchange<'_>) -> &'x [u8] {
    let request = exchange.request();
    let kind = request.values(CONTENT_TYPE).find_map(grpc_web::kind);
    kind.map_or(b"", |kind| kind.suffix)
}

/// Write the content type that the endpoint gets behind `text`, if the call is translated.
pub(crate) fn put_asked_type(exchange: &Exchange<'_>, text: &mut Vec<u8>) -> Option<Range<usize>> {
    translated(exchange)?;
    let start = text.len();
    grpc_web::put_grpc_type(text, own_suffix(exchange));
    Some(start..text.len())
}

/// The same for the answer, and its client.
pub(crate) fn put_answer_type(exchange: &Exchange<'_>, text: &mut Vec<u8>) -> Option<Range<usize>> {
    let kind = answer_kind(exchange)?;
    let start = text.len();
    grpc_web::put_web_type(text, kind);
    Some(start..text.len())
}

/// The content type of an answer of ours to such a call.
pub(crate) fn own_type(exchange: &Exchange<'_>) -> Option<String> {
    let form = exchange.facts().grpc?.web?.answer;
    let mut text = Vec::new();
    let suffix = own_suffix(exchange);
    grpc_web::put_web_type(&mut text, Kind { form, suffix });
    // A token, which is ASCII.
    String::from_utf8(text).ok()
}
