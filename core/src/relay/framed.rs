//! One request to an upstream and its response back, both ways at once: an answer may begin, and end, before the request's
//! body does. Framing faults end in an abort, never in a message that could be taken for whole.

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::io::ErrorKind;
use std::pin::{Pin, pin};
use std::task::Poll;

use ringway_io::{self as io, Buf, OutBuf};
use ringway_protocols::http1::{BodyFraming, ClientConnection, Response, Version};

use super::answer_head::receive_head;
use super::body::{Body, Output, PumpEnd, Traffic, pump};
use super::endings::{self, Broken, Ended};
use super::patience::{Patience, Progress};
use super::{head, raw};
use crate::exchange::Exchange;
use crate::flow::{After, Stop};
use crate::link::Link;
use crate::policy::{Admitted, limit_of_body};
use crate::upstream::Upstream;

/// Interim responses (1xx) that one answer may have.
const MOST_INTERIM: u32 = 64;

/// Behind an answer up to this size a connection is closed at once. A larger one may stand in the kernel for a while, where a byte
/// from the client would turn our close into a reset and destroy it.
const AT_ONCE_BYTES: u64 = 16 * 1024;

/// How a relay failed.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The upstream's connection ended before any byte of an answer: on a reused connection this may be tried again.
    Unanswered(Stop),
    /// Final.
    Stop(Stop),
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

/// Relay one exchange over `upstream`, which goes back to the pool if it can be used again.
pub(crate) async fn relay(
    exchange: &mut Exchange<'_>,
    admitted: &Admitted,
    upstream: Upstream,
) -> Result<After, Failure> {
    let client = exchange.client;
    let timeouts = exchange.route(admitted.route()).timeouts;
    let limit = limit_of_body(exchange, admitted.route());
    let mut upload = Body::new(exchange.request().framing(), Output::AsReceived, limit);
    let progress = Progress {
        up: Traffic::new(&client.received),
        down: Traffic::new(&client.sent),
        uploaded: Cell::new(upload.is_done()),
        whole: Cell::new(upload.is_done()),
        told: Cell::new(false),
        asked_us: Cell::new(io::now_us()),
        answering: Cell::new(false),
        cut: Cell::new(After::Abort),
    };
    let head = head::request(exchange, admitted, &upstream.target);
    // A fresh or quiet connection has an empty queue.
    let _ = upstream.stream.queue(head);
    upstream.stream.submit();
    exchange.facts_mut().sent_us = io::now_us();
    let end = {
        let patience = Patience {
            client: &client.stream,
            upstream: &upstream.stream,
            progress: &progress,
            timeouts,
            body_ms: exchange.listener().body_ms,
            ends_us: exchange.ends_us(),
            expects_continue: exchange.request().expects_continue(),
            seen: Cell::new((0, 0)),
        };
        let up = pin!(pump(
            &mut upload,
            &client.stream,
            &upstream.stream,
            &progress.up
        ));
        let down = pin!(download(exchange, admitted, &upstream.stream, &progress));
        both(up, down, &patience).await
    };
    exchange.facts_mut().body_begun |= !progress.up.is_untouched();
    match end {
        Ok(Answered::Upgraded) => Ok(raw::tunnel(exchange, &upstream, timeouts.tunnel_idle).await),
        Ok(Answered::Whole {
            upstream_reusable,
            client_reusable,
        }) => {
            // Back in the pool before the client has its answer: a client that asks again at once finds it there.
            if upstream_reusable && progress.whole.get() {
                let cluster = &exchange.plan.plan.clusters[admitted.cluster()];
                exchange.lane.pool.borrow_mut().put(upstream, cluster);
            } else {
                drop(upstream);
            }
            let reusable = client_reusable && progress.whole.get();
            if reusable && client.sent.get() <= AT_ONCE_BYTES {
                // Nobody waits for the kernel to take a small answer: should the client be gone, the next receive tells.
                client.stream.submit();
                client.stream.clear_deadline();
                return Ok(After::KeepAlive);
            }
            settle(exchange, timeouts.idle).await?;
            Ok(after(exchange, reusable))
        }
        Err(ended) => Err(endings::failed(exchange, ended, &progress, upstream)),
    }
}

/// What becomes of the client's connection after a whole answer.
fn after(exchange: &Exchange<'_>, reusable: bool) -> After {
    let client = exchange.client;
    if reusable {
        After::KeepAlive
    } else if !exchange.request().keep_alive()
        && client.sent.get() <= AT_ONCE_BYTES
        && client.stream.is_quiet()
    {
        // It asked for the end, has sent nothing since, and an answer of this size has most likely arrived.
        After::Close
    } else {
        After::Linger
    }
}

/// Wait until the kernel has taken the answer, for as long as the client takes any of it.
async fn settle(exchange: &mut Exchange<'_>, idle_ms: u32) -> Result<(), Failure> {
    let client = &exchange.client.stream;
    let mut seen = None;
    loop {
        client.set_deadline(exchange.patience(idle_ms));
        match client.flush().await {
            Ok(()) => break,
            Err(e) if e.kind() == ErrorKind::TimedOut => {
                let now = client.acknowledged();
                if !exchange.time_left() || seen == Some(now) {
                    return Err(Failure::Stop(endings::client_late(exchange)));
                }
                seen = Some(now);
            }
            Err(_) => return Err(Failure::Stop(endings::client_gone(exchange))),
        }
    }
    client.clear_deadline();
    Ok(())
}

/// Drive both directions from one task, until the way back has ended or the way there has failed for good.
async fn both(
    mut up: Pin<&mut impl Future<Output = Result<(), PumpEnd>>>,
    mut down: Pin<&mut impl Future<Output = Result<Answered, Broken>>>,
    patience: &Patience<'_>,
) -> Result<Answered, Ended> {
    let progress = patience.progress;
    poll_fn(|cx| {
        let late = patience.take_late();
        let before = (progress.up.moved_us(), progress.down.moved_us());
        if !progress.uploaded.get()
            && let Poll::Ready(end) = up.as_mut().poll(cx)
        {
            match end {
                Ok(()) => progress.whole.set(true),
                // The upstream takes no more of the body. It may have said why: its answer, if there is one, counts.
                Err(PumpEnd::ToBroken) => {}
                Err(end) => return Poll::Ready(Err(Ended::Up(end))),
            }
            patience.upstream.submit();
            progress.uploaded.set(true);
            progress.asked_us.set(io::now_us());
        }
        if let Poll::Ready(end) = down.as_mut().poll(cx) {
            return Poll::Ready(end.map_err(Ended::Down));
        }
        // While its body comes, a receive is waiting that notices it; at all other times nobody else would.
        if (progress.uploaded.get() || progress.up.is_sending())
            && patience.client.poll_broken(cx).is_ready()
        {
            return Poll::Ready(Err(Ended::Down(Broken::ClientGone)));
        }
        if late
            && before == (progress.up.moved_us(), progress.down.moved_us())
            && let Some(late) = patience.late()
        {
            return Poll::Ready(Err(Ended::Late(late)));
        }
        patience.arm();
        Poll::Pending
    })
    .await
}

/// The way back: interim heads, the final head, the body.
async fn download(
    exchange: &mut Exchange<'_>,
    admitted: &Admitted,
    upstream: &Link,
    progress: &Progress<'_>,
) -> Result<Answered, Broken> {
    let client = exchange.client;
    let mut interim = 0;
    let rest = loop {
        let rest = receive_head(exchange, upstream).await?;
        match answer(exchange).status() {
            101 => return upgrade(exchange, upstream, rest, progress).await,
            100..=199 => {
                interim += 1;
                if interim > MOST_INTERIM {
                    return Err(Broken::UpstreamNonsense("too many interim responses"));
                }
                upstream.unread(rest);
                progress.told.set(true);
                progress.asked_us.set(io::now_us());
                progress.up.note_moved();
                // RFC 9110 15.2: an HTTP/1.0 client does not know interim responses.
                if exchange.request().version() != Version::Http10 {
                    let head = head::interim(exchange, false);
                    put(&client.stream, head, progress).await?;
                    client.stream.submit();
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
        && progress.whole.get()
        && exchange.request().keep_alive()
        && !exchange.lane.is_draining()
        && !client.door.is_closed();
    let connection = if client_reusable {
        ClientConnection::KeepAlive
    } else {
        ClientConnection::Close
    };
    let head = head::response(exchange, admitted, framing, connection);
    exchange.facts_mut().note_answer(status);
    put(&client.stream, head, progress).await?;
    progress.answering.set(true);
    progress.down.note_moved();
    if framing != BodyFraming::UntilClose {
        // Its framing says that it is not whole; an orderly end delivers what has come so far.
        progress.cut.set(After::Linger);
    }

    let mut body = Body::new(framing_in, output, u64::MAX);
    body.push(rest);
    let pumped = pump(&mut body, upstream, &client.stream, &progress.down).await;
    pumped.map_err(endings::broken)?;
    Ok(Answered::Whole {
        upstream_reusable: upstream_keeps && framing_in != BodyFraming::UntilClose,
        client_reusable,
    })
}

/// Queue a head for the client. Behind many interim heads there may be no room at once.
async fn put(client: &Link, head: OutBuf, progress: &Progress<'_>) -> Result<(), Broken> {
    if client.room() == 0 {
        progress
            .down
            .flush(client)
            .await
            .map_err(|_| Broken::ClientGone)?;
    }
    client.queue(head).map_err(|_| Broken::ClientGone)
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
async fn upgrade(
    exchange: &mut Exchange<'_>,
    upstream: &Link,
    rest: Buf,
    progress: &Progress<'_>,
) -> Result<Answered, Broken> {
    if !(exchange.request().wants_websocket() && answer(exchange).is_websocket_upgrade()) {
        return Err(Broken::UpstreamNonsense(
            "it switched protocols (101) without being asked to",
        ));
    }
    let head = head::interim(exchange, true);
    let client = exchange.client;
    put(&client.stream, head, progress).await?;
    exchange.facts_mut().note_answer(101);
    client.stream.submit();
    upstream.unread(rest);
    Ok(Answered::Upgraded)
}
