//! One request to an upstream and its response back, both ways at once: an answer may begin, and end, before the request's
//! body does. Framing faults end in an abort, never in a message that could be taken for whole.

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::io::ErrorKind;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};

use ringway_io::{self as io, Buf, OutBuf, Stream};
use ringway_protocols::http1::{BodyFraming, ClientConnection, Response, ResponseFault, Version};

use super::body::{Body, BodyFault, Output, Patience, PumpEnd, pump};
use super::{head, raw};
use crate::answer::Reply;
use crate::exchange::{Exchange, Facts};
use crate::flow::{After, Stop};
use crate::observe::ClientTimeout;
use crate::outcome::Flag;
use crate::plan::Timeouts;
use crate::policy::{Admitted, limit_of_body};
use crate::upstream::Upstream;

/// Interim responses (1xx) that one answer may have.
const MOST_INTERIM: u32 = 64;

/// How a relay failed.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The upstream's connection ended before any byte of an answer: on a reused connection this may be tried again.
    Unanswered(Stop),
    /// Final.
    Stop(Stop),
}

/// What both directions see of each other.
#[derive(Debug)]
struct Progress {
    /// The request's body has left, or nobody wants the rest of it.
    uploaded: Cell<bool>,
    /// The final response's head was passed on.
    answering: Cell<bool>,
    /// How the client's connection is cut from then on, so that the answer cannot be taken for whole.
    cut: Cell<After>,
}

/// How the way back ended well.
#[derive(Debug)]
enum Answered {
    /// The response has been passed on; whether either connection can be used again.
    Whole {
        upstream_reusable: bool,
        client_reusable: bool,
    },
    /// 101: bytes both ways from here on.
    Upgraded,
}

/// How the way back ended badly.
#[derive(Debug)]
enum Broken {
    /// The upstream closed (or reset) the connection; `some` bytes of a head had come.
    UpstreamEnded {
        reset: bool,
        some: bool,
    },
    UpstreamSilent,
    UpstreamNonsense(&'static str),
    ClientGone,
    ClientStalled,
}

/// Relay one exchange over `upstream`, which goes back to the pool if it can be used again.
pub(crate) async fn relay(
    exchange: &mut Exchange<'_>,
    admitted: &Admitted,
    upstream: Upstream,
) -> Result<After, Failure> {
    let client = exchange.client;
    let timeouts = exchange.route(admitted.route()).timeouts;
    let mut upload = Body::new(
        exchange.request().framing(),
        Output::AsReceived,
        limit_of_body(exchange, admitted.route()),
    );
    let progress = Progress {
        uploaded: Cell::new(upload.is_done()),
        answering: Cell::new(false),
        cut: Cell::new(After::Abort),
    };
    let head = head::request(exchange, admitted, &upstream.target);
    // A fresh or quiet connection has an empty queue.
    let _ = upstream.stream.queue(head);
    upstream.stream.submit();
    exchange.facts_mut().sent_us = io::now_us();
    client.stream.clear_deadline();
    if progress.uploaded.get() {
        let first_byte_ms = exchange.patience(timeouts.first_byte);
        upstream.stream.set_deadline(first_byte_ms);
    } else {
        // The time for an answer begins when the request has left; until then the client has its own.
        upstream.stream.clear_deadline();
    }

    let patience = UploadPatience {
        progress: &progress,
        body_ms: exchange.listener().body_ms,
        idle_ms: timeouts.idle,
        ends_us: exchange.ends_us(),
    };
    let end = {
        let up = pin!(pump(
            &mut upload,
            &client.stream,
            &upstream.stream,
            &patience
        ));
        let first_byte_ms = || patience.clamp(timeouts.first_byte);
        let down = pin!(download(
            exchange,
            admitted,
            &upstream.stream,
            &progress,
            &timeouts
        ));
        both(
            up,
            down,
            &progress,
            &upstream.stream,
            &client.stream,
            first_byte_ms,
        )
        .await
    };
    exchange.facts_mut().bytes_in = upload.payload();
    match end {
        Ok(Answered::Upgraded) => Ok(raw::tunnel(exchange, &upstream, timeouts.tunnel_idle).await),
        Ok(Answered::Whole {
            upstream_reusable,
            client_reusable,
        }) => {
            let whole_upload = upload.is_done();
            // Back in the pool before the client has its answer: a client that asks again at once finds it there.
            if upstream_reusable && whole_upload {
                let cluster = &exchange.plan.plan.clusters[admitted.cluster()];
                exchange.lane.pool.borrow_mut().put(upstream, cluster);
            }
            let idle_ms = exchange.patience(timeouts.idle);
            if let Err(end) = flush(&client.stream, idle_ms).await {
                return Err(Failure::Stop(client_failed(exchange, &end)));
            }
            client.stream.clear_deadline();
            Ok(match (client_reusable, whole_upload) {
                (true, true) => After::KeepAlive,
                (false, true) => After::Close,
                (_, false) => After::Linger,
            })
        }
        Err(Ended::Up(end)) => Err(Failure::Stop(upload_failed(
            exchange, end, &progress, upstream,
        ))),
        Err(Ended::Down(end)) => Err(answer_failed(exchange, end, &progress, upstream)),
    }
}

/// Which direction ended the exchange.
#[derive(Debug)]
enum Ended {
    Up(PumpEnd),
    Down(Broken),
}

/// Drive both directions from one task, until the way back has ended or the way there has failed for good.
async fn both(
    mut up: Pin<&mut impl Future<Output = Result<(), PumpEnd>>>,
    mut down: Pin<&mut impl Future<Output = Result<Answered, Broken>>>,
    progress: &Progress,
    upstream: &Stream,
    client: &Stream,
    first_byte_ms: impl Fn() -> u32,
) -> Result<Answered, Ended> {
    poll_fn(|cx| {
        if !progress.uploaded.get()
            && let Poll::Ready(end) = up.as_mut().poll(cx)
        {
            match end {
                // The upstream takes no more of the body. It may have said why: its answer, if there is one, counts.
                Ok(()) | Err(PumpEnd::ToBroken) => {
                    upstream.submit();
                    progress.uploaded.set(true);
                    if !progress.answering.get() {
                        client.clear_deadline();
                        upstream.set_deadline(first_byte_ms());
                    }
                }
                Err(end) => return Poll::Ready(Err(Ended::Up(end))),
            }
        }
        down.as_mut().poll(cx).map_err(Ended::Down)
    })
    .await
}

/// How long the way there may wait. While no answer has begun the client has its body timeout; after that the stream's idle
/// time holds for both.
struct UploadPatience<'p> {
    progress: &'p Progress,
    body_ms: u32,
    idle_ms: u32,
    ends_us: Option<u64>,
}

impl UploadPatience<'_> {
    fn clamp(&self, ms: u32) -> u32 {
        crate::exchange::clamp(ms, self.ends_us)
    }
}

impl Patience for UploadPatience<'_> {
    fn sender_ms(&self) -> u32 {
        self.clamp(if self.progress.answering.get() {
            self.idle_ms
        } else {
            self.body_ms
        })
    }
    fn receiver_ms(&self) -> u32 {
        self.clamp(self.idle_ms)
    }
}

/// How long the way back may wait.
struct DownloadPatience {
    idle_ms: u32,
    ends_us: Option<u64>,
}

impl Patience for DownloadPatience {
    fn sender_ms(&self) -> u32 {
        crate::exchange::clamp(self.idle_ms, self.ends_us)
    }
    fn receiver_ms(&self) -> u32 {
        self.sender_ms()
    }
}

/// The way back: interim heads, the final head, the body.
async fn download(
    exchange: &mut Exchange<'_>,
    admitted: &Admitted,
    upstream: &Stream,
    progress: &Progress,
    timeouts: &Timeouts,
) -> Result<Answered, Broken> {
    let client = &exchange.client.stream;
    let mut interim = 0;
    let rest = loop {
        let rest = receive_head(exchange, upstream, progress).await?;
        let response = answer(exchange);
        match response.status() {
            101 => return upgrade(exchange, admitted, upstream, rest),
            100..=199 => {
                interim += 1;
                if interim > MOST_INTERIM {
                    return Err(Broken::UpstreamNonsense("too many interim responses"));
                }
                upstream.unread(rest);
                // RFC 9110 15.2: an HTTP/1.0 client does not know interim responses.
                if exchange.request().version() != Version::Http10 {
                    let head = head::response(
                        exchange,
                        admitted,
                        BodyFraming::None,
                        ClientConnection::KeepAlive,
                        false,
                    );
                    put(client, head, exchange.patience(timeouts.idle)).await?;
                    client.submit();
                }
                if progress.uploaded.get() {
                    upstream.set_deadline(exchange.patience(timeouts.first_byte));
                }
            }
            _ => break rest,
        }
    };
    let response = answer(exchange);
    let (framing_in, upstream_keeps) = (response.framing(), response.keep_alive());
    let status = response.status();
    let (framing, output) = outgoing(framing_in, exchange.request().version());
    let client_reusable = framing != BodyFraming::UntilClose
        && progress.uploaded.get()
        && exchange.request().keep_alive()
        && !exchange.lane.is_draining()
        && !exchange.client.door.is_closed();
    let connection = if client_reusable {
        ClientConnection::KeepAlive
    } else {
        ClientConnection::Close
    };
    let head = head::response(exchange, admitted, framing, connection, false);
    exchange.facts_mut().status = status;
    put(client, head, exchange.patience(timeouts.idle)).await?;
    progress.answering.set(true);
    if framing != BodyFraming::UntilClose {
        // Its framing says that it is not whole; an orderly end delivers what has come so far.
        progress.cut.set(After::Close);
    }

    let mut body = Body::new(framing_in, output, u64::MAX);
    body.push(rest);
    let patience = DownloadPatience {
        idle_ms: timeouts.idle,
        ends_us: exchange.ends_us(),
    };
    let end = pump(&mut body, upstream, client, &patience).await;
    exchange.facts_mut().bytes_out = body.payload();
    end.map_err(broken)?;
    Ok(Answered::Whole {
        upstream_reusable: upstream_keeps && framing_in != BodyFraming::UntilClose,
        client_reusable,
    })
}

/// Queue a head for the client. Behind many interim heads there may be no room at once.
async fn put(client: &Stream, head: OutBuf, ms: u32) -> Result<(), Broken> {
    if client.room() == 0 {
        flush(client, ms).await?;
        client.clear_deadline();
    }
    client.queue(head).map_err(|_| Broken::ClientStalled)
}

/// Wait until the client's side has taken what is queued for it.
async fn flush(client: &Stream, ms: u32) -> Result<(), Broken> {
    client.set_deadline(ms);
    client.flush().await.map_err(|e| {
        if e.kind() == ErrorKind::TimedOut {
            Broken::ClientStalled
        } else {
            Broken::ClientGone
        }
    })
}

/// The response's head, once it was received.
fn answer<'x>(exchange: &'x Exchange<'_>) -> Response<'x> {
    let facts = exchange.facts();
    facts.answer.view(&facts.answer_bytes)
}

/// How a body that came so is sent to this client.
fn outgoing(received: BodyFraming, client: Version) -> (BodyFraming, Output) {
    match (received, client) {
        (BodyFraming::Chunked, Version::Http10) => (BodyFraming::UntilClose, Output::Dechunked),
        (BodyFraming::UntilClose, Version::Http11) => (BodyFraming::Chunked, Output::Chunked),
        (framing, _) => (framing, Output::AsReceived),
    }
}

/// 101 is right only where it was asked for (a server that switches on its own speaks to nobody).
fn upgrade(
    exchange: &mut Exchange<'_>,
    admitted: &Admitted,
    upstream: &Stream,
    rest: Buf,
) -> Result<Answered, Broken> {
    if !(exchange.request().wants_websocket() && answer(exchange).is_websocket_upgrade()) {
        return Err(Broken::UpstreamNonsense(
            "it switched protocols (101) without being asked to",
        ));
    }
    let head = head::response(
        exchange,
        admitted,
        BodyFraming::None,
        ClientConnection::KeepAlive,
        true,
    );
    exchange.facts_mut().status = 101;
    exchange
        .client
        .stream
        .queue(head)
        .map_err(|_| Broken::ClientStalled)?;
    exchange.client.stream.submit();
    upstream.unread(rest);
    Ok(Answered::Upgraded)
}

/// Receive the next response head into the exchange; answers the bytes behind it.
async fn receive_head(
    exchange: &mut Exchange<'_>,
    upstream: &Stream,
    progress: &Progress,
) -> Result<Buf, Broken> {
    let client = &exchange.client.stream;
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
        let received = poll_fn(|cx| wait_for_answer(cx, upstream, client, progress)).await;
        let facts = exchange.facts_mut();
        // Of this head, or of an interim one before it.
        let some = facts.first_byte_us.is_some();
        let mut buf = match received? {
            Ok(Some(buf)) => buf,
            Ok(None) => return Err(Broken::UpstreamEnded { reset: false, some }),
            Err(e) if e.kind() == ErrorKind::TimedOut => return Err(Broken::UpstreamSilent),
            Err(_) => return Err(Broken::UpstreamEnded { reset: true, some }),
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

/// The upstream's next bytes, unless the client goes away meanwhile (then nobody wants them).
fn wait_for_answer(
    cx: &mut Context<'_>,
    upstream: &Stream,
    client: &Stream,
    progress: &Progress,
) -> Poll<Result<std::io::Result<Option<Buf>>, Broken>> {
    if let Poll::Ready(received) = upstream.poll_recv(cx) {
        return Poll::Ready(Ok(received));
    }
    // While the body comes, the way there notices it.
    if progress.uploaded.get() && client.poll_broken(cx).is_ready() {
        return Poll::Ready(Err(Broken::ClientGone));
    }
    Poll::Pending
}

fn broken(end: PumpEnd) -> Broken {
    match end {
        PumpEnd::Fault(BodyFault::Chunk(fault)) => Broken::UpstreamNonsense(fault.explain()),
        PumpEnd::Fault(BodyFault::Cut | BodyFault::TooLarge) => Broken::UpstreamEnded {
            reset: false,
            some: true,
        },
        PumpEnd::FromTimedOut => Broken::UpstreamSilent,
        PumpEnd::FromBroken(_) => Broken::UpstreamEnded {
            reset: true,
            some: true,
        },
        PumpEnd::ToTimedOut => Broken::ClientStalled,
        PumpEnd::ToBroken => Broken::ClientGone,
    }
}

/// The request's body failed: the upstream must see that it is not whole, so its connection is reset.
fn upload_failed(
    exchange: &mut Exchange<'_>,
    end: PumpEnd,
    progress: &Progress,
    upstream: Upstream,
) -> Stop {
    let cells = exchange.listener().cells.clone();
    let cells = cells.of(exchange.lane.index);
    let reply = match end {
        PumpEnd::Fault(BodyFault::Chunk(fault)) => {
            cells.protocol_error(fault.label());
            exchange.note(Flag::ClientProtocol, format_args!("{}", fault.explain()));
            Some(Reply::closing(400, Flag::ClientProtocol))
        }
        PumpEnd::Fault(BodyFault::TooLarge) => {
            exchange.note(Flag::BodyLimit, format_args!("the body is over its limit"));
            Some(Reply::closing(413, Flag::BodyLimit))
        }
        PumpEnd::Fault(BodyFault::Cut) => {
            exchange.note(
                Flag::ClientGone,
                format_args!("the client ended its stream in the middle of the request's body"),
            );
            Some(Reply::closing(400, Flag::ClientGone))
        }
        PumpEnd::FromTimedOut => {
            if !exchange.note_total() {
                cells.timeout(ClientTimeout::Body);
                exchange.note(Flag::ClientTimeout, format_args!("the client sent nothing of its body for too long (listener's timeouts.body)"));
            }
            Some(Reply::closing(408, Flag::ClientTimeout))
        }
        PumpEnd::ToTimedOut => {
            if !exchange.note_total() {
                exchange.note(
                    Flag::StreamIdle,
                    format_args!(
                        "the upstream took nothing of the body for too long (route's timeouts.idle)"
                    ),
                );
            }
            Some(Reply::closing(504, Flag::StreamIdle))
        }
        PumpEnd::FromBroken(error) => {
            exchange.note(
                Flag::ClientGone,
                format_args!("the client went away while sending its body: {error}"),
            );
            None
        }
        PumpEnd::ToBroken => None,
    };
    upstream.stream.abort();
    match reply {
        Some(reply) if !progress.answering.get() => Stop::Reply(reply),
        _ => Stop::End(After::Abort),
    }
}

/// The answer failed: before it began the client gets one of ours, after that its connection is cut.
fn answer_failed(
    exchange: &mut Exchange<'_>,
    end: Broken,
    progress: &Progress,
    upstream: Upstream,
) -> Failure {
    let endpoint = upstream.target.text.clone();
    let reply = match end {
        Broken::UpstreamEnded { reset, some } => {
            let flag = if reset {
                Flag::UpstreamReset
            } else {
                Flag::UpstreamClosed
            };
            let how = if reset { "reset" } else { "closed" };
            let when = match (progress.answering.get(), some) {
                (true, _) => "in the middle of its answer",
                (false, true) => "in the middle of its answer's head",
                (false, false) => "without an answer",
            };
            exchange.note(
                flag,
                format_args!("endpoint {endpoint} {how} the connection {when}"),
            );
            if !some && !progress.answering.get() {
                return Failure::Unanswered(closing_if_body(exchange, 502, flag));
            }
            (502, flag)
        }
        Broken::UpstreamSilent => {
            if exchange.note_total() {
                (504, Flag::TotalTimeout)
            } else if progress.answering.get() {
                exchange.note(Flag::StreamIdle, format_args!("endpoint {endpoint} sent nothing for too long in its answer (route's timeouts.idle)"));
                (504, Flag::StreamIdle)
            } else {
                exchange.note(
                    Flag::UpstreamTimeout,
                    format_args!(
                        "endpoint {endpoint} sent no answer in time (route's timeouts.first_byte)"
                    ),
                );
                (504, Flag::UpstreamTimeout)
            }
        }
        Broken::UpstreamNonsense(why) => {
            exchange.note(
                Flag::UpstreamProtocol,
                format_args!("endpoint {endpoint} sent an answer that is not valid: {why}"),
            );
            (502, Flag::UpstreamProtocol)
        }
        end @ (Broken::ClientGone | Broken::ClientStalled) => {
            upstream.stream.abort();
            return Failure::Stop(client_failed(exchange, &end));
        }
    };
    if progress.answering.get() {
        upstream.stream.abort();
        return Failure::Stop(Stop::End(progress.cut.get()));
    }
    let stop = closing_if_body(exchange, reply.0, reply.1);
    upstream.stream.abort();
    Failure::Stop(stop)
}

/// The client did not take its answer.
fn client_failed(exchange: &mut Exchange<'_>, end: &Broken) -> Stop {
    match end {
        Broken::ClientStalled => exchange.note(
            Flag::StreamIdle,
            format_args!(
                "the client took nothing of its answer for too long (route's timeouts.idle)"
            ),
        ),
        _ => exchange.note(
            Flag::ClientGone,
            format_args!("the client went away before its answer was complete"),
        ),
    }
    Stop::End(After::Abort)
}

/// With a body on its way the end of the request is not known any more, so that the connection cannot be kept.
fn closing_if_body(exchange: &Exchange<'_>, status: u16, flag: Flag) -> Stop {
    let body = exchange.request().framing() != BodyFraming::None;
    Stop::Reply(if body {
        Reply::closing(status, flag)
    } else {
        Reply::new(status, flag)
    })
}
