//! HTTP/2 on the client's side: the connection's own task reads and writes frames, and each stream becomes a task with an exchange of its own. Frames
//! and their rules are the affair of `http2`; how long a connection may be idle, and how it ends, is decided here.

use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use ringway_io as io;
use ringway_protocols::http1::RequestFault;
use ringway_protocols::http2::frame::Reason;
use ringway_protocols::http2::hpack::Fields;
use ringway_protocols::http2::{self, HeadFault, Pseudo, Refused};
use ringway_protocols::websocket;

use super::http1::refused;
use crate::accept::Client;
use crate::answer::Reply;
use crate::caller::Caller;
use crate::exchange::{Exchange, UNIX_PEER};
use crate::facts::Facts;
use crate::flow::{self, After, Stop};
use crate::http2::{Call, Connection, Driven, Fault, Held, Leaving, Stream, Watch, spares};
use crate::lane::{Lane, SessionSeat};
use crate::observe::ClientTimeout;
use crate::outcome::Flag;

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
    watch: Rc<Watch>,
}

/// Serve streams until the connection ends.
pub(crate) async fn serve(client: Client, lane: Rc<Lane>, seat: SessionSeat) {
    let waker = poll_fn(|cx| Poll::Ready(cx.waker().clone())).await;
    seat.hand_to(waker);
    let client = Rc::new(client);
    let session = Rc::new(Session {
        client: client.clone(),
        lane,
        watch: Rc::new(Watch::new()),
    });
    // From here on the connection has times of its own.
    client.stream.clear_deadline();
    let held = Held::Client(client.clone());
    let (watch, endings) = (session.watch.clone(), session.lane.endings.clone());
    let connection = Driven(Connection::server(held, watch, endings));
    io::pooled(run(connection, &session)).await;
    // What was said last is read before a reset can destroy it.
    client.stream.linger(LINGER_BYTES, LINGER_MS).await;
}

impl Session {
    /// How long a first request may take to come, and a next one, in milliseconds.
    fn times(&self) -> (u32, u32) {
        let (plan, listener) = self.client.door.plan();
        let listener = &plan.plan.listeners[listener];
        (listener.headers_ms, listener.idle_ms)
    }

    fn is_ending(&self) -> bool {
        self.client.is_ending(&self.lane)
    }
}

/// What a connection waits for, each for a time of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wait {
    /// Its streams, which have their own times.
    Streams,
    /// A request.
    Request,
    /// The rest of a header block.
    Block,
    /// Its end.
    End,
}

async fn run(connection: Driven, session: &Rc<Session>) {
    let alarm = io::Alarm::new();
    let age = session.client.term.left_ms().map(|ms| {
        let age = io::Alarm::new();
        age.set(ms);
        age
    });
    let mut waits = Wait::Streams;
    let mut first = true;
    poll_fn(|cx| {
        loop {
            let is_old = age.as_ref().is_some_and(io::Alarm::is_over);
            if connection.leaving() == Leaving::No && (session.is_ending() || is_old) {
                connection.graceful_shutdown();
            }
            if poll_streams(&connection, session, cx, &mut first).is_ready() {
                return Poll::Ready(());
            }
            let is_old = age.as_ref().is_some_and(|age| age.poll(cx).is_ready());
            if connection.leaving() == Leaving::No && (session.is_ending() || is_old) {
                continue;
            }
            if connection.leaving() != Leaving::Cut
                && let Some(flood) = session.watch.flood()
            {
                session.report(flood.label(), flood.explain());
                connection.abrupt_shutdown(Reason::ENHANCE_YOUR_CALM);
                continue;
            }
            let now = session.waits(&connection);
            if now != waits {
                waits = now;
                session.set(&alarm, now, first);
            }
            if alarm.poll(cx).is_pending() {
                return Poll::Pending;
            }
            alarm.clear();
            let cells = session.client.door.cells();
            let cells = cells.of(session.lane.index);
            match waits {
                Wait::Streams => return Poll::Pending,
                Wait::End => return Poll::Ready(()),
                Wait::Request => {
                    cells.timeout(ClientTimeout::Idle);
                    connection.graceful_shutdown();
                }
                Wait::Block => {
                    cells.timeout(ClientTimeout::Headers);
                    connection.abrupt_shutdown(Reason::ENHANCE_YOUR_CALM);
                }
            }
        }
    })
    .await;
}

impl Session {
    fn waits(&self, connection: &Connection) -> Wait {
        match connection.leaving() {
            Leaving::Cut => Wait::End,
            _ if self.watch.is_in_block() => Wait::Block,
            _ if connection.is_busy() => Wait::Streams,
            Leaving::Warned | Leaving::Told => Wait::End,
            Leaving::No => Wait::Request,
        }
    }

    fn set(&self, alarm: &io::Alarm, waits: Wait, first: bool) {
        let (headers_ms, idle_ms) = self.times();
        match waits {
            Wait::Streams => alarm.clear(),
            Wait::Request if first => alarm.set(headers_ms),
            Wait::Request => alarm.set(idle_ms),
            Wait::Block => alarm.set(headers_ms),
            Wait::End => alarm.set(GOODBYE_MS),
        }
    }

    /// The connection was ended for what the client sent.
    fn blame(&self, reason: Reason) {
        match reason {
            Reason::ENHANCE_YOUR_CALM => {
                self.report("h2_flood_other", "a header block of it has no end");
            }
            _ => {
                let cells = self.client.door.cells();
                cells.of(self.lane.index).protocol_error("h2_frames");
                tracing::debug!(%reason, "a connection of HTTP/2 was not understood");
            }
        }
    }

    /// A connection is cut off for what its client does with it. Once per connection, so that the log cannot be flooded in its turn by streams.
    fn report(&self, label: &'static str, why: &str) {
        let (plan, listener) = self.client.door.plan();
        let listener = &plan.plan.listeners[listener];
        listener.cells.of(self.lane.index).protocol_error(label);
        let listener = &listener.name;
        let client = self.client.peer.map(|ip| ip.to_string());
        let client = client.as_deref().unwrap_or(UNIX_PEER);
        tracing::warn!(listener, client, why, "a connection of HTTP/2 was cut off");
    }
}

/// Read and write frames; each new stream gets a task. Ready when the connection has ended.
fn poll_streams(
    connection: &Rc<Connection>,
    session: &Rc<Session>,
    cx: &mut Context<'_>,
    first: &mut bool,
) -> Poll<()> {
    let ended = connection.poll(cx);
    while let Some(opened) = connection.accept(cx) {
        *first = false;
        session.client.term.note_request();
        io::spawn(stream(session.clone(), opened));
    }
    ended.map(|end| {
        if let Err(Fault::Ours(reason)) = end {
            session.blame(reason);
        }
    })
}

/// One stream, one exchange.
async fn stream(session: Rc<Session>, stream: Rc<Stream>) {
    let caller = Caller::stream(Call::new(stream, session.watch.clone()));
    if flow::exchange(&session.client, &session.lane, caller).await == After::KeepAlive {
        session.watch.answered();
    }
}

/// Bring the head of a stream into the form that both versions share.
pub(super) fn receive(exchange: &mut Exchange<'_>, call: &Call) -> Result<(), Stop> {
    let stream = call.stream();
    let mut at_once = Context::from_waker(Waker::noop());
    // What was taken back already goes no further.
    let Poll::Ready(Ok(fields)) = stream.poll_head(&mut at_once) else {
        return Err(Stop::NoRequest);
    };
    let taken = match fields.is_over() {
        true => {
            call.overdone();
            Err(refused(exchange, RequestFault::HeadTooLarge))
        }
        false => take_head(exchange, &fields, stream.is_at_end()),
    };
    spares::give(fields);
    taken?;
    if call.poll_gone(&mut at_once).is_ready() {
        exchange.facts_mut().parsed = true;
        exchange.note_peer();
        exchange.note(
            Flag::ClientGone,
            format_args!("the client took its request back at once"),
        );
        return Err(Stop::End(After::Abort));
    }
    Ok(())
}

/// The fields of a request as a head, in the exchange.
fn take_head(exchange: &mut Exchange<'_>, fields: &Fields, ends: bool) -> Result<(), Stop> {
    let pseudo = match Pseudo::of(fields) {
        Ok(pseudo) => pseudo,
        Err(fault) => return Err(malformed(exchange, fault)),
    };
    let key = match pseudo.protocol {
        None => None,
        Some(b"websocket") => Some(websocket_key(exchange.lane)),
        Some(_) if pseudo.method != b"CONNECT" => {
            return Err(malformed(exchange, HeadFault::Protocol));
        }
        Some(_) => return Err(other_protocol(exchange)),
    };
    let limits = exchange.listener().limits;
    let Facts { head, bytes, .. } = exchange.facts_mut();
    let regular = || fields.regular();
    let taken = match &key {
        None => http2::take_request(head, bytes, &limits, &pseudo, regular, ends),
        Some(key) => http2::take_websocket(head, bytes, &limits, &pseudo, regular, key),
    };
    if taken.is_ok() {
        head.keep_secret(bytes, fields.never_indexed().map(|(name, _)| name));
    }
    taken.map_err(|refusal| match refusal {
        Refused::Malformed(fault) => malformed(exchange, fault),
        Refused::AsHttp1(fault) => refused(exchange, fault),
    })
}

/// The Sec-WebSocket-Key with which the handshake goes on by HTTP/1.1.
fn websocket_key(lane: &Lane) -> websocket::Key {
    let mut random = [0; 16];
    random[..8].copy_from_slice(&lane.roll().to_ne_bytes());
    random[8..].copy_from_slice(&lane.roll().to_ne_bytes());
    websocket::key(random)
}

/// A CONNECT for something else than a WebSocket.
fn other_protocol(exchange: &mut Exchange<'_>) -> Stop {
    exchange.note_peer();
    exchange.note(
        Flag::ClientProtocol,
        format_args!("a CONNECT for another :protocol than websocket (RFC 8441)"),
    );
    Reply::new(501, Flag::ClientProtocol).into()
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
