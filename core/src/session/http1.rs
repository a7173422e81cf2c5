//! HTTP/1.1 on the client's side: wait for a request, receive its head, go on or close. An idle connection holds no buffer
//! and a small future: what an exchange needs is taken when its first byte has come.

use std::future::poll_fn;
use std::io::ErrorKind;
use std::rc::Rc;
use std::task::Poll;

use ringway_io::{self as io, Buf};
use ringway_protocols::http1::RequestFault;

use super::http2;
use crate::accept::Client;
use crate::answer::Reply;
use crate::caller::Caller;
use crate::exchange::Exchange;
use crate::facts::Facts;
use crate::flow::{self, After, Stop};
use crate::lane::Lane;
use crate::link::Link;
use crate::observe::ClientTimeout;
use crate::outcome::Flag;
use crate::plan::Speaks;
use crate::proxied;
use crate::secure;

/// A client that is still sending after an error answer is listened to for so much and so long, then closed.
const LINGER_BYTES: usize = 256 * 1024;
const LINGER_MS: u32 = 2_000;
/// What was sent before is waited for so long first.
const LINGER_FLUSH_MS: u32 = 30_000;
/// While we are closing, a connection that has not sent its first request gets so long.
const LAST_REQUEST_MS: u32 = 500;

/// Serve requests until the connection ends.
#[expect(
    clippy::manual_async_fn,
    reason = "an async function keeps its arguments twice, and an idle connection should be small"
)]
pub(crate) fn serve(mut client: Client, lane: Rc<Lane>) -> impl Future<Output = ()> {
    async move {
        let waker = poll_fn(|cx| Poll::Ready(cx.waker().clone())).await;
        let seat = lane.enter_session(waker, client.door.cells());
        if proxied::receive(&mut client, &lane).await.is_err()
            || secure::accept(&mut client, &lane).await.is_err()
        {
            return;
        }
        if client.door.speaks() == Speaks::Either {
            // Pooled: it is larger than an idle connection should be.
            match io::pooled(flow::pass_others(&client, &lane)).await {
                None => {}
                Some(After::Abort) => return client.stream.abort(),
                Some(_) => return,
            }
        }
        let mut first = true;
        let after = loop {
            match next_request(&client, &lane, first).await {
                // Agreed on by ALPN: then nothing else is understood (RFC 9113 section 3.2).
                Next::Request if first && client.stream.is_for_http2() => break After::Http2,
                Next::Request => {}
                Next::Close(after) => break after,
            }
            let after = io::pooled(flow::exchange(&client, &lane, Caller::alone(first))).await;
            if after != After::KeepAlive {
                break after;
            }
            first = false;
        };
        secure::note_end(&client, &lane);
        match after {
            After::KeepAlive | After::Close => {}
            // Pooled: it is larger than an idle connection should be.
            After::Linger => io::pooled(linger(&client.stream)).await,
            After::Abort => client.stream.abort(),
            After::Http2 => {
                io::spawn(http2::serve(client, lane, seat));
            }
        }
    }
}

/// Close in stages, so that the client reads what was sent last.
async fn linger(link: &Link) {
    link.set_deadline(LINGER_FLUSH_MS);
    if link.flush().await.is_ok() {
        link.linger(LINGER_BYTES, LINGER_MS).await;
    }
}

/// What an idle connection came to.
enum Next {
    /// Something of a request is here.
    Request,
    Close(After),
}

/// Wait, without a buffer, until something of a request is here. A client that never sends a byte is closed without a word: browsers open
/// connections ahead of need, and a 408 would answer a later request.
async fn next_request(client: &Client, lane: &Lane, first: bool) -> Next {
    let (plan, listener) = client.door.plan();
    let listener = &plan.plan.listeners[listener];
    let wait_ms = if first {
        listener.headers_ms
    } else {
        listener.idle_ms
    };
    let left_ms = client.term.left_ms().unwrap_or(u32::MAX);
    client.stream.set_deadline(wait_ms.min(left_ms));
    drop(plan);
    let mut ending = false;
    poll_fn(|cx| {
        match client.stream.poll_readable(cx) {
            // What has come is served even while draining: the request was sent before the client could know.
            Poll::Ready(Ok(())) => return Poll::Ready(Next::Request),
            Poll::Ready(Err(error)) => {
                let timed_out = error.kind() == ErrorKind::TimedOut;
                if timed_out && !first && client.is_ending(lane) {
                    return Poll::Ready(Next::Close(After::Linger));
                }
                if timed_out {
                    client
                        .door
                        .cells()
                        .of(lane.index)
                        .timeout(ClientTimeout::Idle);
                }
                return Poll::Ready(Next::Close(After::Close));
            }
            Poll::Pending => {}
        }
        if client.is_ending(lane) {
            if !first {
                return Poll::Ready(Next::Close(After::Linger));
            }
            // Its first request may be on its way: a moment for it, not the whole time.
            if !std::mem::replace(&mut ending, true) {
                client.stream.set_deadline(LAST_REQUEST_MS);
            }
        }
        Poll::Pending
    })
    .await
}

/// Receive the head of the next request. Bytes behind it stay in the stream.
pub(super) async fn receive(exchange: &mut Exchange<'_>) -> Result<(), Stop> {
    let stream = &exchange.client.stream;
    stream.set_deadline(exchange.listener().headers_ms);
    let limits = exchange.listener().limits;
    loop {
        let mut buf = match stream.recv().await {
            Ok(Some(buf)) => buf,
            Ok(None) => return Err(ended(exchange)),
            Err(error) => return Err(failed(exchange, error.kind())),
        };
        let Facts { head, bytes, .. } = exchange.facts_mut();
        // Almost every head comes in one piece and is parsed where the kernel put it.
        let parsed = if bytes.is_empty() {
            head.parse(&buf, &limits).map(|done| {
                done.inspect(|n| bytes.extend_from_slice(&buf[..*n]))
                    .map(|n| buf.advance(n))
            })
        } else {
            let before = bytes.len();
            bytes.extend_from_slice(&buf);
            head.parse(bytes, &limits).map(|done| {
                done.map(|n| {
                    buf.advance(n - before);
                    bytes.truncate(n);
                })
            })
        };
        match parsed {
            Ok(Some(())) => {
                exchange.client.term.note_request();
                stream.unread(buf);
                stream.clear_deadline();
                return Ok(());
            }
            Ok(None) if bytes.is_empty() => bytes.extend_from_slice(&buf),
            Ok(None) => {}
            Err(RequestFault::Http2OnPlainPort) if exchange.caller.may_be_http2() => {
                return Err(by_http2(exchange, buf));
            }
            Err(fault) => return Err(refused(exchange, fault)),
        }
    }
}

/// The beginning of HTTP/2: all that came goes back, `last` came last.
fn by_http2(exchange: &Exchange<'_>, last: Buf) -> Stop {
    let stream = &exchange.client.stream;
    let bytes = &exchange.facts().bytes;
    if bytes.is_empty() {
        stream.unread(last);
        return Stop::Http2;
    }
    // It came in pieces, and the last one is among them.
    stream.unread_copy(bytes);
    Stop::Http2
}

/// Not more than the line ends that may stand in front of a request.
fn nothing_came(exchange: &Exchange<'_>) -> bool {
    let bytes = &exchange.facts().bytes;
    bytes.iter().all(|b| matches!(b, b'\r' | b'\n'))
}

fn ended(exchange: &mut Exchange<'_>) -> Stop {
    if nothing_came(exchange) {
        return Stop::NoRequest;
    }
    exchange.note(
        Flag::ClientGone,
        format_args!("the client closed in the middle of a request head"),
    );
    Stop::End(After::Close)
}

fn failed(exchange: &mut Exchange<'_>, kind: ErrorKind) -> Stop {
    let empty = nothing_came(exchange);
    if kind == ErrorKind::TimedOut && !empty {
        let ms = exchange.listener().headers_ms;
        exchange
            .listener()
            .cells
            .of(exchange.lane.index)
            .timeout(ClientTimeout::Headers);
        exchange.note(
            Flag::ClientTimeout,
            format_args!(
                "the request head was not complete after {ms} ms (listener's timeouts.headers)"
            ),
        );
        return Reply::closing(408, Flag::ClientTimeout).into();
    }
    if empty {
        return Stop::NoRequest;
    }
    exchange.note(
        Flag::ClientGone,
        format_args!("the client reset the connection in the middle of a request head"),
    );
    Stop::End(After::Close)
}

pub(super) fn refused(exchange: &mut Exchange<'_>, fault: RequestFault) -> Stop {
    exchange
        .listener()
        .cells
        .of(exchange.lane.index)
        .protocol_error(fault.label());
    exchange.note_peer();
    exchange.note(Flag::ClientProtocol, format_args!("{}", fault.explain()));
    Reply::closing(fault.status(), Flag::ClientProtocol).into()
}
