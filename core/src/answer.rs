//! The answers that we make ourselves: what they are, and how an answer is sent. It does not decide to refuse.

use ringway_io::{OutBuf, Segment};
use ringway_protocols::http1::{self, BodyFraming, ClientConnection};

use crate::exchange::Exchange;
use crate::flow::After;
use crate::grpc;
use crate::http2::Call;
use crate::outcome::Flag;
use crate::relay::body;

/// A request body up to this size is read and dropped, so that the connection can be kept; a larger one costs the connection.
const DISCARD_BYTES: u64 = 64 * 1024;

/// An answer of ours instead of an upstream's.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) flag: Flag,
    /// The connection cannot be used further (the request's end is not known).
    pub(crate) close: bool,
    /// Seconds for `Retry-After`.
    pub(crate) retry_after: Option<u8>,
    pub(crate) body: Body,
}

/// What it says.
#[derive(Debug)]
pub(crate) enum Body {
    /// The status and the reason noted in the exchange, in plain text.
    Reason,
    /// `respond = { ... }`, by route index.
    Respond(usize),
    /// No body.
    Nothing,
    /// `redirect = { ... }`: the location is in the exchange's text.
    Redirect,
}

impl Reply {
    /// A answer after which the connection can go on.
    pub(crate) fn new(status: u16, flag: Flag) -> Reply {
        let retry_after = (status == 503).then_some(1);
        Reply {
            status,
            flag,
            close: false,
            retry_after,
            body: Body::Reason,
        }
    }

    /// An answer that ends the connection.
    pub(crate) fn closing(status: u16, flag: Flag) -> Reply {
        Reply {
            close: true,
            ..Reply::new(status, flag)
        }
    }

    /// The status and the reason, as far as it is the client's business: what concerns our upstreams is for the log, not for strangers.
    pub(crate) fn text(&self, exchange: &Exchange<'_>) -> String {
        let (status, phrase) = (self.status, http1::reason_phrase(self.status));
        match exchange.facts().reason.as_str() {
            reason if self.flag.is_for_the_client() && !reason.is_empty() => {
                format!("{status} {phrase}: {reason}\n")
            }
            _ => format!("{status} {phrase}\n"),
        }
    }
}

/// Send it, and say what becomes of the connection.
pub(crate) async fn send(reply: Reply, exchange: &mut Exchange<'_>) -> After {
    if reply.flag != Flag::None {
        exchange.note(
            reply.flag,
            format_args!("{}", http1::reason_phrase(reply.status)),
        );
    }
    if let Some(call) = exchange.caller.call() {
        return send_by_http2(&reply, exchange, call).await;
    }
    let facts = exchange.facts();
    let request = facts.parsed.then(|| exchange.request());
    let framing = request.map_or(BodyFraming::None, |r| r.framing());
    let rest = match framing {
        BodyFraming::None | BodyFraming::Length(0) => Some(0),
        // An attempt that failed may have taken some of it.
        BodyFraming::Length(n)
            if n <= DISCARD_BYTES
                && !facts.body_begun
                && !request.is_some_and(|r| r.expects_continue()) =>
        {
            Some(n)
        }
        _ => None,
    };
    let keep = !reply.close
        && rest.is_some()
        && request.is_some_and(|r| r.keep_alive())
        && !exchange.client.is_ending(exchange.lane);
    let connection = if keep {
        ClientConnection::KeepAlive
    } else {
        ClientConnection::Close
    };
    let mut out = OutBuf::take();
    write(&reply, exchange, connection, &mut out, None);
    let stream = &exchange.client.stream;
    stream.set_deadline(exchange.listener().idle_ms);
    // Behind many interim responses there may be no room at once.
    if stream.room() == 0 && stream.flush().await.is_err() {
        return After::Close;
    }
    if stream.queue(out).is_err() || stream.flush().await.is_err() {
        return After::Close;
    }
    match rest {
        Some(0) if keep => After::KeepAlive,
        Some(n) if keep => match body::discard(stream, n, exchange.listener().body_ms).await {
            Ok(()) => After::KeepAlive,
            Err(_) => After::Close,
        },
        _ => After::Linger,
    }
}

/// The same on a stream. What is left of the request's body is read where it is little, so that what the client still sends finds a stream; else
/// it is refused when the stream is let go.
async fn send_by_http2(reply: &Reply, exchange: &mut Exchange<'_>, call: &Call) -> After {
    let (mut head, mut body) = (OutBuf::take(), Segment::Static(b""));
    let keep = ClientConnection::KeepAlive;
    let status = write(reply, exchange, keep, &mut head, Some(&mut body));
    if !call.answer_whole(status, &head, body) {
        return After::Abort;
    }
    drop(head);
    let facts = exchange.facts();
    let request = facts.parsed.then(|| exchange.request());
    let is_little = match request.map_or(BodyFraming::None, |r| r.framing()) {
        BodyFraming::None => false,
        BodyFraming::Length(n) => n <= DISCARD_BYTES,
        BodyFraming::Chunked | BodyFraming::UntilClose => true,
    };
    // Who waits for a 100 has not sent it, and will not.
    let is_awaited = request.is_some_and(|r| r.expects_continue());
    if is_little && !is_awaited && !reply.close {
        let body_ms = exchange.listener().body_ms;
        // Boxed: few exchanges come here, and none should be larger for it.
        Box::pin(call.discard(DISCARD_BYTES as usize, body_ms)).await;
    }
    After::KeepAlive
}

/// Write it, and note the status that is sent: a call of gRPC is told a failure in fields, with status 200. Its body goes to `apart`, if that is given;
/// one of the configuration is not copied, since many streams may be slow to take it.
fn write(
    reply: &Reply,
    exchange: &mut Exchange<'_>,
    connection: ClientConnection,
    out: &mut OutBuf,
    apart: Option<&mut Segment>,
) -> u16 {
    let facts = exchange.facts();
    let request = facts.parsed.then(|| exchange.request());
    let to_head = request.is_some_and(|r| r.is_head());
    let version = request.map_or(http1::Version::Http11, |r| r.version());
    let id = String::from_utf8_lossy(if facts.parsed { exchange.id() } else { b"" });
    let retry_after = reply.retry_after.map(|s| s.to_string());
    let mut fields: Vec<(&str, &str)> = Vec::with_capacity(4);
    let text;
    let mut shared = None;
    let mut body: &[u8] = match &reply.body {
        Body::Respond(route) => match &exchange.route(*route).action {
            crate::plan::ActionPlan::Respond {
                body, content_type, ..
            } => {
                fields.push(("content-type", content_type));
                shared = Some(body);
                body
            }
            _ => b"",
        },
        Body::Redirect => {
            fields.push(("location", std::str::from_utf8(&facts.text).unwrap_or("/")));
            b""
        }
        Body::Nothing => b"",
        Body::Reason => {
            fields.push(("content-type", "text/plain; charset=utf-8"));
            text = reply.text(exchange);
            text.as_bytes()
        }
    };
    let told = grpc::told(exchange, reply.status, body);
    let told_type;
    if let Some((status, message)) = &told {
        told_type = grpc::told_type(exchange);
        fields.clear();
        fields.push(("content-type", &told_type));
        fields.push(("grpc-status", status.code()));
        fields.push(("grpc-message", message));
        (body, shared) = (b"", None);
    }
    let sent_status = if told.is_some() { 200 } else { reply.status };
    fields.extend(retry_after.as_deref().map(|s| ("retry-after", s)));
    if !id.is_empty() {
        fields.push(("x-request-id", &id));
    }
    http1::answer(
        out,
        sent_status,
        &fields,
        body,
        connection,
        to_head || apart.is_some(),
        version,
    );
    if let Some(apart) = apart.filter(|_| !to_head) {
        *apart = match shared {
            Some(shared) => Segment::Shared(shared.clone()),
            None => {
                let mut copy = OutBuf::take();
                copy.extend_from_slice(body);
                copy.into()
            }
        };
    }
    let sent = if to_head { 0 } else { body.len() as u64 };
    exchange.caller.sent.set(sent);
    exchange.facts_mut().status = sent_status;
    grpc::note_status(exchange, told.map(|(status, _)| status));
    sent_status
}
