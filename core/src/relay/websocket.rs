//! WebSocket over either version of HTTP: the handshake of HTTP/1.1 and the extended CONNECT of HTTP/2 (RFC 8441) are one thing in two forms, and what
//! follows is bytes both ways. Heads are written in `http2::heads`; two connections are joined in `raw`; one direction is in
//! `one_way`.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::{Context, Poll};

use ringway_io as io;
use ringway_protocols::http1::Response;
use ringway_protocols::http2::{self, frame::Reason};
use ringway_protocols::websocket::{self, Accept};

use super::answer_head::Behind;
use super::body::PumpEnd;
use super::endings::Broken;
use super::framed::{Answered, Asked, Failure, answer, put, put_back};
use super::one_way::Way;
use super::patience::Progress;
use super::side::{Sink, Source};
use super::traffic::Traffic;
use super::{head, raw};
use crate::answer::Reply;
use crate::exchange::Exchange;
use crate::flow::After;
use crate::outcome::Flag;
use crate::upstream::Opened;
use crate::upstream::shared::{Lease, Question};

/// See [`is_misread`].
pub(super) const MISREAD: &str =
    "it answered the handshake of a WebSocket with a success that does not switch to it";

/// If the request is for a WebSocket: what accepts it. The endpoint must have said that it takes one on a stream, and a client of HTTP/1.1 must
/// have asked as a server would want to be asked, since the one behind us does not see its key.
pub(super) fn asked_for(
    exchange: &mut Exchange<'_>,
    lease: &Lease,
) -> Result<Option<Accept>, Failure> {
    if !exchange.request().wants_websocket() {
        return Ok(None);
    }
    if !lease.takes_websocket() {
        exchange.note(
            Flag::UpstreamProtocol,
            format_args!(
                "endpoint {} does not take WebSockets over HTTP/2 (RFC 8441)",
                lease.target().text
            ),
        );
        return Err(Failure::Stop(
            Reply::new(502, Flag::UpstreamProtocol).into(),
        ));
    }
    match key(exchange) {
        Some(key) => Ok(Some(websocket::accept(key))),
        None => {
            exchange.note(
                Flag::ClientProtocol,
                format_args!("a WebSocket's handshake needs one Sec-WebSocket-Key of 16 octets (RFC 6455 4.2.1)"),
            );
            Err(Failure::Stop(Reply::new(400, Flag::ClientProtocol).into()))
        }
    }
}

/// The request's only Sec-WebSocket-Key, if it is one.
fn key<'x>(exchange: &'x Exchange<'_>) -> Option<&'x [u8]> {
    let request = exchange.request();
    only(request.fields().map(|(_, n, v)| (n, v)), websocket::KEY)
        .filter(|key| websocket::is_key(key))
}

fn only<'a>(fields: impl Iterator<Item = (&'a [u8], &'a [u8])>, name: &[u8]) -> Option<&'a [u8]> {
    let mut named = fields.filter(|(n, _)| n.eq_ignore_ascii_case(name));
    let (_, value) = named.next()?;
    named.next().is_none().then_some(value)
}

/// A server of HTTP/1.1 may overlook an Upgrade and answer a GET. Its 200 would tell a client of HTTP/2 that the WebSocket stands.
pub(super) fn is_misread(exchange: &Exchange<'_>) -> bool {
    exchange.caller.call().is_some() && exchange.request().wants_websocket()
}

/// 101 is right only where it was asked for (a server that switches on its own speaks to nobody).
pub(super) async fn switch(
    exchange: &mut Exchange<'_>,
    upstream: Asked<'_>,
    behind: Behind,
    progress: &Progress<'_>,
) -> Result<Answered, Broken> {
    if !(exchange.request().wants_websocket() && answer(exchange).is_websocket_upgrade()) {
        return Err(Broken::UpstreamNonsense(
            "it switched protocols (101) without being asked to",
        ));
    }
    let client = exchange.client;
    let status = match exchange.caller.call() {
        None => {
            let head = head::interim(exchange, true);
            put(&client.stream, head, progress).await?;
            client.stream.submit();
            101
        }
        Some(call) => {
            // The key was ours, so that nobody else looks at the answer to it.
            if !is_accepted(exchange, &answer(exchange)) {
                return Err(Broken::UpstreamNonsense(
                    "its Sec-WebSocket-Accept does not answer the key (RFC 6455 4.1)",
                ));
            }
            let accepted = head::with_interim(exchange, true, |head, edit| {
                call.answer(false, |to, out| http2::encode_response(to, out, head, edit))
            });
            if !accepted {
                return Err(Broken::ClientGone);
            }
            200
        }
    };
    exchange.facts_mut().note_answer(status);
    put_back(upstream, behind);
    Ok(Answered::Upgraded)
}

fn is_accepted(exchange: &Exchange<'_>, answer: &Response<'_>) -> bool {
    let accept = only(answer.fields().map(|(_, n, v)| (n, v)), websocket::ACCEPT);
    key(exchange).is_some_and(|key| accept == Some(&websocket::accept(key)[..]))
}

/// Bytes both ways until both directions have ended, or nothing moved for `idle_ms`.
pub(super) async fn pass(
    exchange: &mut Exchange<'_>,
    upstream: Opened,
    question: Option<Question>,
    idle_ms: u32,
) -> After {
    // Apart, so that exchanges do not carry the room for it.
    let after = Box::pin(both(exchange, &upstream, question, idle_ms)).await;
    if after == After::Abort {
        upstream.abort();
    }
    after
}

async fn both(
    exchange: &mut Exchange<'_>,
    upstream: &Opened,
    question: Option<Question>,
    idle_ms: u32,
) -> After {
    let lane = exchange.lane;
    let waker = poll_fn(|cx| Poll::Ready(cx.waker().clone())).await;
    let _seat = lane.enter_tunnel(waker);
    let (up, down) = (Way::to_endpoint(lane), Way::to_client(lane));
    if let (Opened::Own(upstream), None) = (upstream, exchange.caller.call()) {
        let parts = || lane.is_parting();
        let after = raw::tunnel(exchange, upstream, idle_ms, (&up, &down), parts).await;
        if let Some(after) = after {
            return after;
        }
    }
    piece_by_piece(exchange, upstream, question, (&up, &down), idle_ms).await
}

/// Where one side at least is a stream, or there is something to say between two frames.
async fn piece_by_piece(
    exchange: &mut Exchange<'_>,
    upstream: &Opened,
    question: Option<Question>,
    (up, down): (&Way<'_>, &Way<'_>),
    idle_ms: u32,
) -> After {
    let (from, to) = match (upstream, &question) {
        (Opened::Shared(_), Some(question)) => (
            Source::Http2(question.stream()),
            Sink::Http2(&question.sending),
        ),
        (Opened::Own(upstream), _) => (
            Source::Http1(&upstream.stream),
            Sink::Http1(&upstream.stream),
        ),
        // An answer on a stream leaves its stream behind it.
        (Opened::Shared(_), None) => return After::Abort,
    };
    for link in [from.link(), exchange.who().source().link()] {
        link.into_iter().for_each(|link| link.clear_deadline());
    }
    let caller = exchange.caller;
    let traffic = (
        Traffic::new(&caller.received).of_small(caller.call()),
        Traffic::new(&caller.sent),
    );
    let end = between(exchange, (from, to), (up, down), &traffic, idle_ms).await;
    if up.was_told() || down.was_told() {
        exchange.note(
            Flag::None,
            format_args!("the proxy is going away, and said so (a Close frame with 1001)"),
        );
    }
    let after = match ended(exchange, end, upstream, idle_ms) {
        // It may be saying its own goodbye.
        After::Close if down.was_told() => After::Linger,
        after => after,
    };
    if after != After::KeepAlive
        && let Some(call) = caller.call()
    {
        // As a reset of a connection is told (RFC 8441 section 5).
        call.reset(Reason::CANCEL);
    }
    after
}

/// What ended a tunnel before both directions did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Gone {
    Client,
    Upstream,
    /// Nobody, for nothing moved.
    Idle,
}

async fn between(
    exchange: &Exchange<'_>,
    (from, to): (Source<'_>, Sink<'_>),
    (way_up, way_down): (&Way<'_>, &Way<'_>),
    (up, down): &(Traffic<'_>, Traffic<'_>),
    idle_ms: u32,
) -> Result<(), Gone> {
    let who = exchange.who();
    let mut there = pin!(way_up.run(who.source(), to, up));
    let mut back = pin!(way_down.run(from, who.sink(), down));
    let (mut there_ended, mut back_ended) = (false, false);
    let alarm = io::Alarm::new();
    poll_fn(|cx| {
        if !there_ended && let Poll::Ready(end) = there.as_mut().poll(cx) {
            let end = end.map_err(|end| broken(&end, Gone::Client, Gone::Upstream));
            if end.is_err() {
                return Poll::Ready(end.or_else(|gone| over_if(back_ended, gone)));
            }
            there_ended = true;
        }
        if !back_ended && let Poll::Ready(end) = back.as_mut().poll(cx) {
            end.map_err(|end| broken(&end, Gone::Upstream, Gone::Client))?;
            back_ended = true;
        }
        // An endpoint that was told and has ended will not hear more of the client.
        if back_ended && (there_ended || way_up.was_told()) {
            return Poll::Ready(Ok(()));
        }
        if who.poll_gone(cx).is_ready() {
            return Poll::Ready(over_if(back_ended, Gone::Client));
        }
        if to.poll_gone(cx).is_ready() {
            return Poll::Ready(over_if(back_ended, Gone::Upstream));
        }
        let moved_us = up.moved_us().max(down.moved_us());
        poll_idle(&alarm, cx, moved_us, idle_ms).map(|()| Err(Gone::Idle))
    })
    .await
}

/// Once the server has said all that it had to say, and that was passed on, nobody needs to end in order: clients of HTTP/2 let go of the stream.
fn over_if(back_ended: bool, gone: Gone) -> Result<(), Gone> {
    if back_ended { Ok(()) } else { Err(gone) }
}

/// Ready when nothing has moved for so long (0: never).
fn poll_idle(alarm: &io::Alarm, cx: &mut Context<'_>, moved_us: u64, idle_ms: u32) -> Poll<()> {
    if idle_ms == 0 {
        return Poll::Pending;
    }
    let end_us = moved_us + u64::from(idle_ms) * 1000;
    if io::now_us() >= end_us {
        return Poll::Ready(());
    }
    alarm.set(crate::exchange::clamp(u32::MAX, Some(end_us)));
    alarm.poll(cx)
}

fn broken(end: &PumpEnd, from: Gone, to: Gone) -> Gone {
    match end {
        PumpEnd::ToBroken => to,
        PumpEnd::FromBroken(_) | PumpEnd::Fault(_) => from,
    }
}

/// Note how it ended, and say what comes of it.
fn ended(
    exchange: &mut Exchange<'_>,
    end: Result<(), Gone>,
    upstream: &Opened,
    idle_ms: u32,
) -> After {
    let (flag, after) = match end {
        Ok(()) if exchange.caller.call().is_some() => return After::KeepAlive,
        Ok(()) => return After::Close,
        // The end of the worker: the exchange says so when it is dropped.
        Err(_) if exchange.lane.is_stopping() => return After::Abort,
        Err(Gone::Idle) => (Flag::StreamIdle, After::Close),
        Err(Gone::Client) => (Flag::ClientGone, After::Abort),
        Err(Gone::Upstream) => (Flag::UpstreamReset, After::Abort),
    };
    let endpoint = &upstream.target().text;
    match flag {
        Flag::StreamIdle => exchange.note(
            flag,
            format_args!(
                "no byte moved in the tunnel for {idle_ms} ms (route's timeouts.tunnel_idle)"
            ),
        ),
        Flag::ClientGone => exchange.note(flag, format_args!("the client reset its side")),
        _ => exchange.note(flag, format_args!("endpoint {endpoint} reset its side")),
    }
    after
}
