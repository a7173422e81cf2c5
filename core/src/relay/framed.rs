//! One request to an upstream and its response back, both ways at once: an answer may begin, and end, before the request's
//! body does. Framing faults end in an abort, never in a message that could be taken for whole.

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::{Context, Poll};

use ringway_io::{self as io, OutBuf, Pooled};
use ringway_protocols::http1::{BodyFraming, ClientConnection, Response, Version};
use ringway_protocols::http2;

use super::answer_head::{Behind, receive_head};
use super::body::{Body, Output, PumpEnd, pump};
use super::endings::{self, Broken, Ended};
use super::patience::{Patience, Progress, Waits};
use super::settling::{AT_ONCE_BYTES, after, settle};
use super::side::{Sink, SinkBroken, Source};
use super::traffic::Traffic;
use super::translation::Translation;
use super::{head, websocket};
use crate::answer::Reply;
use crate::exchange::Exchange;
use crate::flow::{After, Stop};
use crate::link::Link;
use crate::outcome::Flag;
use crate::policy::{Admitted, limit_of_body};
use crate::upstream::Opened;
use crate::upstream::shared::{Lease, Question};
use crate::{grpc, grpc_web};

/// Interim responses (1xx) that one answer may have.
const MOST_INTERIM: u32 = 64;

/// How a relay failed.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The upstream's connection ended before any byte of an answer: on a reused connection this may be tried again.
    Unanswered(Stop),
    /// The upstream has not looked at the request: it may be sent again whatever it asks for, if it still can be.
    Refused(Stop),
    /// Final.
    Stop(Stop),
}

/// How the way back ended well.
#[derive(Debug)]
pub(super) enum Answered {
    /// The response has been passed on; whether either connection can be used again.
    Whole {
        upstream_reusable: bool,
        client_reusable: bool,
    },
    /// Bytes both ways from here on.
    Upgraded,
}

/// What the upstream was asked by.
#[derive(Debug, Clone, Copy)]
pub(super) enum Asked<'x> {
    /// A connection of its own.
    Http1(&'x Link),
    /// A stream.
    Http2(&'x Question),
}

impl<'x> Asked<'x> {
    fn sink(self) -> Sink<'x> {
        match self {
            Asked::Http1(link) => Sink::Http1(link),
            Asked::Http2(question) => Sink::Http2(&question.sending),
        }
    }

    /// Nothing of an answer will come any more.
    fn is_at_end(self) -> bool {
        match self {
            Asked::Http1(_) => false,
            Asked::Http2(question) => question.stream().is_at_end(),
        }
    }
}

/// Relay one exchange over `upstream`, which goes back to the pool if it can be used again.
pub(crate) async fn relay(
    exchange: &mut Exchange<'_>,
    admitted: &Admitted,
    upstream: Opened,
) -> Result<After, Failure> {
    let (client, caller) = (exchange.client, exchange.caller);
    let timeouts = exchange.route(admitted.route()).timeouts;
    let limit = limit_of_body(exchange, admitted.route());
    grpc_web::decide(exchange, admitted, &upstream);
    let mut upload = upload(exchange, &upstream, limit);
    let bodyless = upload.is_done() && !has_more(exchange, &upstream);
    let small_by = exchange.facts().grpc.is_some().then(|| caller.call());
    let small_by = small_by.flatten();
    let progress = Progress {
        up: Traffic::new(&caller.received).of_small(small_by),
        down: Traffic::new(&caller.sent),
        uploaded: Cell::new(bodyless),
        whole: Cell::new(bodyless),
        told: Cell::new(false),
        asked_us: Cell::new(io::now_us()),
        answering: Cell::new(false),
        cut: Cell::new(After::Abort),
    };
    let mut question = None;
    let asked = match &upstream {
        Opened::Own(upstream) => {
            let head = head::request(exchange, admitted, &upstream.target);
            // A stream's window may stay shut for long, and there may be many.
            let ahead = caller.call().and_then(|call| call.stream().read_ahead());
            upstream
                .stream
                .read_ahead(ahead.unwrap_or(io::Ahead::Quota));
            // A fresh or quiet connection has an empty queue.
            let _ = upstream.stream.queue(head);
            upstream.stream.submit();
            Asked::Http1(&upstream.stream)
        }
        Opened::Shared(lease) => {
            let asking = ask(exchange, admitted, lease, bodyless)?;
            Asked::Http2(question.insert(asking))
        }
    };
    exchange.facts_mut().sent_us = io::now_us();
    let end = {
        let waits = match (asked, caller.call()) {
            (Asked::Http1(upstream), None) => Waits::Links {
                client: &client.stream,
                upstream,
            },
            _ => Waits::Alarm(io::Alarm::new()),
        };
        let patience = Patience {
            waits,
            progress: &progress,
            timeouts,
            body_ms: match exchange.facts().grpc {
                // Messages of a call come when there is something to say.
                Some(_) => timeouts.idle,
                None => exchange.listener().body_ms,
            },
            ends_us: exchange.ends_us(),
            expects_continue: exchange.request().expects_continue(),
            seen: Cell::new((0, 0)),
        };
        let who = exchange.who();
        // Most requests have no body: what moving one takes is not part of every exchange.
        let up = (!bodyless)
            .then(|| io::pooled(pump(&mut upload, who.source(), asked.sink(), &progress.up)));
        let down = pin!(download(exchange, admitted, asked, &progress));
        let gone = |cx: &mut Context<'_>| who.poll_gone(cx);
        both(up, down, &patience, gone, asked.sink()).await
    };
    exchange.facts_mut().body_begun |= !progress.up.is_untouched();
    match (end, upstream) {
        (Ok(Answered::Upgraded), upstream) => {
            Ok(websocket::pass(exchange, upstream, question, timeouts.tunnel_idle).await)
        }
        (
            Ok(Answered::Whole {
                upstream_reusable,
                client_reusable,
            }),
            upstream,
        ) => {
            // Back in the pool before the client has its answer: a client that asks again at once finds it there.
            match upstream {
                Opened::Own(upstream) if upstream_reusable && progress.whole.get() => {
                    let cluster = &exchange.plan.plan.clusters[admitted.cluster()];
                    exchange.lane.pool.borrow_mut().put(upstream, cluster);
                }
                upstream => drop(upstream),
            }
            if caller.call().is_some() {
                // What the client's windows allowed is with its connection, and the rest was waited for.
                return Ok(After::KeepAlive);
            }
            let reusable = client_reusable && progress.whole.get();
            if reusable && caller.sent.get() <= AT_ONCE_BYTES {
                // Nobody waits for the kernel to take a small answer: should the client be gone, the next receive tells.
                client.stream.submit();
                client.stream.clear_deadline();
                return Ok(After::KeepAlive);
            }
            settle(exchange, timeouts.idle).await?;
            Ok(after(exchange, reusable))
        }
        (Err(ended), upstream) => Err(endings::failed(exchange, ended, &progress, upstream)),
    }
}

/// The request's body as it will leave.
fn upload(exchange: &Exchange<'_>, upstream: &Opened, limit: u64) -> Body {
    let framing = exchange.request().framing();
    let output = match (framing, upstream, exchange.caller.call()) {
        (BodyFraming::Chunked, Opened::Shared(_), _) => Output::Dechunked,
        (BodyFraming::Chunked, Opened::Own(_), Some(_)) => Output::Chunked,
        _ => Output::AsReceived,
    };
    let mut body = Body::new(framing, output, limit);
    body.translation = grpc_web::asked_form(exchange).and_then(Translation::asked);
    body
}

/// Behind a body of no octets trailers may come, from one stream to another.
fn has_more(exchange: &Exchange<'_>, upstream: &Opened) -> bool {
    let call = exchange.caller.call();
    matches!(upstream, Opened::Shared(_))
        && exchange.request().framing() == BodyFraming::Length(0)
        && call.is_some_and(|call| !call.stream().is_at_end())
}

/// Ask on a stream of a connection that is shared. `ends`: there is no body.
fn ask(
    exchange: &mut Exchange<'_>,
    admitted: &Admitted,
    lease: &Lease,
    ends: bool,
) -> Result<Question, Failure> {
    let websocket = websocket::asked_for(exchange, lease)?;
    if websocket.is_some() && exchange.request().authority().is_empty() {
        exchange.note(
            Flag::ClientProtocol,
            format_args!("a WebSocket cannot be asked for in HTTP/2 without a host (RFC 8441 4)"),
        );
        return Err(Failure::Stop(
            Reply::closing(400, Flag::ClientProtocol).into(),
        ));
    }
    let bodyless = exchange.request().is_head();
    let asked = http2::Asked {
        scheme: lease.scheme(),
        websocket: websocket.is_some(),
    };
    let asked = lease.ask(ends, bodyless, websocket, |to, out| {
        head::with_request(exchange, admitted, lease.target(), |request, edit| {
            http2::encode_request(to, out, request, edit, asked);
        });
    });
    asked.map_err(|_| {
        exchange.note(
            Flag::UpstreamReset,
            format_args!(
                "the connection to endpoint {} ended before the request was sent",
                lease.target().text
            ),
        );
        Failure::Refused(Reply::new(503, Flag::UpstreamReset).into())
    })
}

/// Drive both directions from one task, until the way back has ended or the way there has failed for good.
async fn both(
    mut up: Option<Pooled<impl Future<Output = Result<(), PumpEnd>>>>,
    mut down: Pin<&mut impl Future<Output = Result<Answered, Broken>>>,
    patience: &Patience<'_>,
    client_gone: impl Fn(&mut Context<'_>) -> Poll<()>,
    upstream: Sink<'_>,
) -> Result<Answered, Ended> {
    let progress = patience.progress;
    poll_fn(|cx| {
        let late = patience.take_late();
        let before = (progress.up.moved_us(), progress.down.moved_us());
        if !progress.uploaded.get()
            && let Some(up) = &mut up
            && let Poll::Ready(end) = Pin::new(up).poll(cx)
        {
            match end {
                Ok(()) => progress.whole.set(true),
                // The upstream takes no more of the body. It may have said why: its answer, if there is one, counts.
                Err(PumpEnd::ToBroken) => {}
                Err(end) => return Poll::Ready(Err(Ended::Up(end))),
            }
            upstream.submit();
            progress.uploaded.set(true);
            progress.asked_us.set(io::now_us());
        }
        if let Poll::Ready(end) = down.as_mut().poll(cx) {
            return Poll::Ready(end.map_err(Ended::Down));
        }
        // While its body comes, a receive is waiting that notices it; at all other times nobody else would.
        if (progress.uploaded.get() || progress.up.is_sending()) && client_gone(cx).is_ready() {
            return Poll::Ready(Err(Ended::Down(Broken::ClientGone)));
        }
        if late
            && before == (progress.up.moved_us(), progress.down.moved_us())
            && let Some(late) = patience.late()
        {
            return Poll::Ready(Err(Ended::Late(late)));
        }
        patience.arm(cx);
        Poll::Pending
    })
    .await
}

/// The way back: interim heads, the final head, the body.
async fn download(
    exchange: &mut Exchange<'_>,
    admitted: &Admitted,
    upstream: Asked<'_>,
    progress: &Progress<'_>,
) -> Result<Answered, Broken> {
    let client = exchange.client;
    let mut interim = 0;
    let behind = loop {
        let behind = receive_head(exchange, upstream).await?;
        match answer(exchange).status() {
            101 => return websocket::switch(exchange, upstream, behind, progress).await,
            200..=299 if websocket::is_misread(exchange) => {
                return Err(Broken::UpstreamNonsense(websocket::MISREAD));
            }
            100..=199 => {
                interim += 1;
                if interim > MOST_INTERIM {
                    return Err(Broken::UpstreamNonsense("too many interim responses"));
                }
                put_back(upstream, behind);
                progress.told.set(true);
                progress.asked_us.set(io::now_us());
                progress.up.note_moved();
                inform(exchange, progress).await?;
            }
            _ => break behind,
        }
    };
    let response = answer(exchange);
    let (framing_in, upstream_keeps) = (response.framing(), response.keep_alive());
    let status = response.status();
    let by_http2 = matches!(behind, Behind::Stream);
    let is_over = upstream.is_at_end() && by_http2;
    let has_body = !is_over && framing_in != BodyFraming::None;
    let web = grpc_web::answer_form(exchange).filter(|_| has_body);
    // A last message more makes it longer than was said.
    let framing_said = web.map_or(framing_in, |_| BodyFraming::Chunked);
    let (framing, output) = outgoing(framing_said, exchange.request().version(), by_http2);
    let client_reusable = framing != BodyFraming::UntilClose
        && progress.whole.get()
        && exchange.request().keep_alive()
        && !client.is_ending(exchange.lane);
    let connection = if client_reusable {
        ClientConnection::KeepAlive
    } else {
        ClientConnection::Close
    };
    let mut body = Body::new(framing_said, output, u64::MAX);
    let by_stream = exchange.caller.call().is_some();
    // Behind a body of no octets trailers may come, or the end of the stream alone.
    let ends = is_over || body.is_done() && !(by_http2 && by_stream);
    exchange.facts_mut().note_answer(status);
    grpc::note_head(exchange);
    match exchange.caller.call() {
        None => {
            let head = head::response(exchange, admitted, framing, connection);
            put(&client.stream, head, progress).await?;
        }
        Some(call) => {
            let sent =
                head::with_response(exchange, admitted, framing, connection, |head, edit| {
                    call.answer(ends, |to, out| http2::encode_response(to, out, head, edit))
                });
            if !sent {
                return Err(Broken::ClientGone);
            }
        }
    }
    if let Some(form) = web {
        let told = exchange
            .facts()
            .grpc
            .is_some_and(|call| call.status.is_some());
        body.translation = Some(Translation::answer(form, told));
        progress.down.set_gap(Some(form));
    }
    progress.answering.set(true);
    progress.down.note_moved();
    if framing != BodyFraming::UntilClose && !by_stream {
        // Its framing says that it is not whole; an orderly end delivers what has come so far.
        progress.cut.set(After::Linger);
    }
    let from = match (behind, upstream) {
        (Behind::Stream, Asked::Http2(question)) => Source::Http2(question.stream()),
        (Behind::Bytes(rest), Asked::Http1(link)) => {
            body.push(rest);
            Source::Http1(link)
        }
        _ => return Err(Broken::UpstreamNonsense("its answer has no body to read")),
    };
    if !ends || matches!(from, Source::Http1(_)) {
        let pumped = pump(&mut body, from, exchange.who().sink(), &progress.down).await;
        grpc::note_status(exchange, body.grpc_status());
        pumped.map_err(endings::broken)?;
    }
    Ok(Answered::Whole {
        upstream_reusable: upstream_keeps && framing_in != BodyFraming::UntilClose,
        client_reusable,
    })
}

/// Pass an interim response on.
async fn inform(exchange: &mut Exchange<'_>, progress: &Progress<'_>) -> Result<(), Broken> {
    let client = &exchange.client.stream;
    if let Some(call) = exchange.caller.call() {
        let sent = head::with_interim(exchange, false, |head, edit| {
            call.inform(|to, out| http2::encode_response(to, out, head, edit))
        });
        return match sent {
            true => Ok(()),
            false => Err(Broken::ClientGone),
        };
    }
    // RFC 9110 15.2: an HTTP/1.0 client does not know interim responses.
    if exchange.request().version() != Version::Http10 {
        let head = head::interim(exchange, false);
        put(client, head, progress).await?;
        client.submit();
    }
    Ok(())
}

/// What came with a head and is not of it is received again.
pub(super) fn put_back(upstream: Asked<'_>, behind: Behind) {
    if let (Asked::Http1(link), Behind::Bytes(rest)) = (upstream, behind) {
        link.unread(rest);
    }
}

/// Queue a head for the client. Behind many interim heads there may be no room at once.
pub(super) async fn put(
    client: &Link,
    head: OutBuf,
    progress: &Progress<'_>,
) -> Result<(), Broken> {
    if client.room() == 0 {
        Sink::Http1(client).flush(&progress.down).await?;
    }
    client.queue(head).map_err(|_| Broken::ClientGone)
}

impl From<SinkBroken> for Broken {
    fn from(_: SinkBroken) -> Broken {
        Broken::ClientGone
    }
}

/// The response's head, once it was received.
pub(super) fn answer<'x>(exchange: &'x Exchange<'_>) -> Response<'x> {
    let facts = exchange.facts();
    facts.answer.view(&facts.answer_bytes)
}

/// How a body that came so is sent to this client. `by_http2`: it came in frames, and chunked stands for a length that was not announced.
fn outgoing(received: BodyFraming, client: Version, by_http2: bool) -> (BodyFraming, Output) {
    match (received, client) {
        (BodyFraming::Chunked, Version::Http10) => (BodyFraming::UntilClose, Output::Dechunked),
        (BodyFraming::Chunked, Version::Http2) => (BodyFraming::Chunked, Output::Dechunked),
        (BodyFraming::Chunked, Version::Http11) if by_http2 => {
            (BodyFraming::Chunked, Output::Chunked)
        }
        (BodyFraming::UntilClose, Version::Http11) => (BodyFraming::Chunked, Output::Chunked),
        (framing, _) => (framing, Output::AsReceived),
    }
}
