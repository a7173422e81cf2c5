//! HTTP/2 on the client's side: the connection's own task reads and writes frames, and each stream becomes a task with an exchange of its own. Frames
//! and their rules are the library's affair; how long a connection may be idle, and how it ends, is decided here.

use std::cell::Cell;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use h2::server::{self, Connection};
use h2::{Reason, RecvStream};
use ringway_io as io;
use ringway_protocols::http2::HeadFault;

use super::http1::refused;
use crate::accept::Client;
use crate::caller::Caller;
use crate::exchange::{Exchange, Facts};
use crate::flow::{self, After, Stop};
use crate::http2::face::{Face, Held};
use crate::http2::{
    CONNECTION_WINDOW, Call, HEADER_LIST, Octets, SEND_BUFFER, STREAM_WINDOW, heads,
};
use crate::lane::{Lane, SessionSeat};
use crate::observe::ClientTimeout;
use crate::outcome::Flag;

/// Requests that one connection may have at once (semantics 51).
const STREAMS: u32 = 100;
/// After the goodbye a connection without streams is closed within this time.
const GOODBYE_MS: u32 = 1_000;
/// A client that is still sending when its connection ends is listened to for so much and so long.
const LINGER_BYTES: usize = 256 * 1024;
const LINGER_MS: u32 = 1_000;

/// What the connection's task shares with those of its streams.
#[derive(Debug)]
struct Session {
    client: Rc<Client>,
    lane: Rc<Lane>,
    /// Streams that have a task.
    streams: Cell<u32>,
    /// Of the connection's task.
    waker: Waker,
}

/// Serve streams until the connection ends.
pub(crate) async fn serve(client: Client, lane: Rc<Lane>, seat: SessionSeat) {
    let waker = poll_fn(|cx| Poll::Ready(cx.waker().clone())).await;
    seat.hand_to(waker.clone());
    let client = Rc::new(client);
    let session = Rc::new(Session {
        client: client.clone(),
        lane,
        streams: Cell::new(0),
        waker,
    });
    client.stream.set_deadline(session.times().0);
    let face = Face::new(Held::Client(client.clone()));
    let handshake = builder().handshake::<_, Octets>(face).await;
    client.stream.clear_deadline();
    if let Ok(connection) = handshake {
        io::pooled(run(connection, &session)).await;
    }
    // What was said last is read before a reset can destroy it.
    client.stream.linger(LINGER_BYTES, LINGER_MS).await;
}

fn builder() -> server::Builder {
    let mut builder = server::Builder::new();
    builder
        .max_concurrent_streams(STREAMS)
        .initial_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_header_list_size(HEADER_LIST)
        .max_send_buffer_size(SEND_BUFFER);
    builder
}

impl Session {
    /// How long a first request may take to come, and a next one, in milliseconds.
    fn times(&self) -> (u32, u32) {
        let (plan, listener) = self.client.door.plan();
        let listener = &plan.plan.listeners[listener];
        (listener.headers_ms, listener.idle_ms)
    }

    fn is_ending(&self) -> bool {
        self.lane.is_draining() || self.client.door.is_closed()
    }
}

/// How far a connection without streams is on its way out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Idle {
    /// It has streams.
    No,
    /// Its time runs.
    Waiting,
    /// It was told to go.
    Leaving,
}

async fn run(mut connection: Connection<Face, Octets>, session: &Rc<Session>) {
    let alarm = io::Alarm::new();
    let mut idle = Idle::No;
    let mut said_goodbye = false;
    let mut first = true;
    poll_fn(|cx| {
        loop {
            if session.is_ending() && !std::mem::replace(&mut said_goodbye, true) {
                // One GOAWAY that names no stream, and when the client has heard it, the one that names the last.
                connection.graceful_shutdown();
            }
            if poll_streams(&mut connection, session, cx, &mut first).is_ready() {
                return Poll::Ready(());
            }
            if session.streams.get() > 0 {
                alarm.clear();
                idle = Idle::No;
                return Poll::Pending;
            }
            idle = match idle {
                Idle::No if said_goodbye => {
                    alarm.set(GOODBYE_MS);
                    Idle::Leaving
                }
                Idle::No => {
                    let (headers_ms, idle_ms) = session.times();
                    alarm.set(if first { headers_ms } else { idle_ms });
                    Idle::Waiting
                }
                Idle::Waiting if said_goodbye => {
                    alarm.set(GOODBYE_MS);
                    Idle::Leaving
                }
                other => other,
            };
            if alarm.poll(cx).is_pending() {
                return Poll::Pending;
            }
            if idle == Idle::Leaving {
                return Poll::Ready(());
            }
            let cells = session.client.door.cells();
            cells.of(session.lane.index).timeout(ClientTimeout::Idle);
            said_goodbye = true;
            connection.graceful_shutdown();
        }
    })
    .await;
}

/// Read and write frames; each new stream gets a task. Ready when the connection has ended.
fn poll_streams(
    connection: &mut Connection<Face, Octets>,
    session: &Rc<Session>,
    cx: &mut Context<'_>,
    first: &mut bool,
) -> Poll<()> {
    loop {
        match connection.poll_accept(cx) {
            Poll::Ready(Some(Ok((request, respond)))) => {
                *first = false;
                session.streams.set(session.streams.get() + 1);
                io::spawn(stream(session.clone(), request, respond));
            }
            Poll::Ready(Some(Err(error))) => {
                tracing::debug!(%error, "a connection of HTTP/2 has ended");
                return Poll::Ready(());
            }
            Poll::Ready(None) => return Poll::Ready(()),
            Poll::Pending => return Poll::Pending,
        }
    }
}

/// Leaves when its stream's task ends, however it ends.
struct Place(Rc<Session>);

impl Drop for Place {
    fn drop(&mut self) {
        let streams = self.0.streams.get() - 1;
        self.0.streams.set(streams);
        if streams == 0 {
            self.0.waker.wake_by_ref();
        }
    }
}

/// One stream, one exchange.
async fn stream(
    session: Rc<Session>,
    request: http::Request<RecvStream>,
    respond: server::SendResponse<Octets>,
) {
    let place = Place(session);
    let session = &place.0;
    let caller = Caller::stream(Call::new(request, respond));
    flow::exchange(&session.client, &session.lane, caller).await;
}

/// Bring the head of a stream into the form that both versions share, and have it read by the reader of HTTP/1.1.
pub(super) fn receive(exchange: &mut Exchange<'_>, call: &Call) -> Result<(), Stop> {
    let limits = exchange.listener().limits;
    let ends = call.is_bodyless();
    let Some(request) = call.request.take() else {
        return Err(Stop::NoRequest);
    };
    let Facts { head, bytes, .. } = exchange.facts_mut();
    if let Err(fault) = heads::write_request(bytes, &request, ends) {
        return Err(malformed(exchange, fault));
    }
    match head.parse(bytes, &limits) {
        Ok(Some(_)) => {
            head.came_by_http2();
            Ok(())
        }
        // It was written as a whole: an empty line is at its end.
        Ok(None) => Err(malformed(exchange, HeadFault::FieldValue)),
        Err(fault) => Err(refused(exchange, fault)),
    }
}

/// RFC 9113 section 8.1.1: the stream is reset.
fn malformed(exchange: &mut Exchange<'_>, fault: HeadFault) -> Stop {
    let cells = exchange.listener().cells.of(exchange.lane.index);
    cells.protocol_error(fault.label());
    exchange.note_peer();
    exchange.note(Flag::ClientProtocol, format_args!("{}", fault.explain()));
    if let Some(call) = exchange.caller.call() {
        call.reset(Reason::PROTOCOL_ERROR);
    }
    Stop::End(After::Abort)
}
