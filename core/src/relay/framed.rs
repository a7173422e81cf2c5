//! One request to an upstream and its response back, both ways at once: an answer may begin, and end, before the request's
//! body does. Framing faults end in an abort, never in a message that could be taken for whole.

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::io::ErrorKind;
use std::pin::{Pin, pin};
use std::task::Poll;

use ringway_io::{self as io, Buf, OutBuf, Stream};
use ringway_protocols::http1::{BodyFraming, ClientConnection, Response, Version};

use super::answer_head::receive_head;
use super::body::{Body, Output, Patience, PumpEnd, pump};
use super::endings::{Broken, Progress, answer_failed, broken, client_failed, upload_failed};
use super::{head, raw};
use crate::exchange::Exchange;
use crate::flow::{After, Stop};
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
