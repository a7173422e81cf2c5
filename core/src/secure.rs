//! Step 2: the handshake of a client's connection, on listeners with `tls`, behind a PROXY header if one is to come. Who is good enough is
//! `ringway_tls`' to say, what bytes cost and mean is the link's. Upstream connections make theirs in `upstream/secure.rs`.

use std::rc::Rc;

use ringway_io::{self as io, OutBuf};
use ringway_protocols::http1::{self, ClientConnection, Version};
use ringway_tls::{Acceptor, Fault};

use crate::accept::Client;
use crate::caller::Caller;
use crate::exchange::Exchange;
use crate::lane::Lane;
use crate::link::handshake::Unsecured;
use crate::observe::Handshake;
use crate::outcome::Flag;
use crate::proxied::Refused;

/// Behind an alert, or an answer in plain text, so much and so long is read before the connection is closed: to close with bytes unread would
/// be a reset, and a reset destroys what was said.
const LINGER_BYTES: usize = 64 * 1024;
const LINGER_MS: u32 = 1_000;

/// What a plain request gets on a port that speaks TLS.
const SPEAK_TLS: &[u8] =
    b"400 Bad Request: this port speaks TLS; the address begins with https://\n";

fn is_expected(client: &Client) -> bool {
    let (plan, listener) = client.door.plan();
    plan.plan.listeners[listener].tls.is_some()
}

/// Make the handshake if the listener wants one; from then on the client's link speaks plain bytes and knows who is at its other end. A
/// session keeps what it was made with: a reload is for later connections.
pub(crate) async fn accept(client: &mut Client, lane: &Rc<Lane>) -> Result<(), Refused> {
    if is_expected(client) {
        // Pooled: it is larger than an idle connection should be.
        io::pooled(shake(client, lane)).await
    } else {
        Ok(())
    }
}

async fn shake(client: &mut Client, lane: &Rc<Lane>) -> Result<(), Refused> {
    let (plan, listener) = client.door.plan();
    let listener = &plan.plan.listeners[listener];
    let Some(acceptor) = &listener.tls else {
        return Ok(());
    };
    let began_us = io::now_us();
    // For the whole of it: one set anew with each piece could be kept waiting for ever.
    client.stream.set_deadline(listener.handshake_ms);
    match agree(client, lane, acceptor).await {
        Ok(()) => {
            client.stream.clear_deadline();
            let resumed = client.stream.tls().is_some_and(|facts| facts.resumed);
            let result = if resumed {
                Handshake::Resumed
            } else {
                Handshake::Full
            };
            listener.cells.of(lane.index).handshake(result);
            Ok(())
        }
        Err(why) => {
            refuse(client, lane, &why, began_us).await;
            Err(Refused)
        }
    }
}

async fn agree(client: &mut Client, lane: &Lane, acceptor: &Acceptor) -> Result<(), Unsecured> {
    let session = acceptor.session(lane.unix_us() / 1_000_000);
    let session = session.map_err(Unsecured::Fault)?;
    let door = &client.door;
    let is_ending = || lane.is_draining() || door.is_closed();
    client
        .stream
        .secure(Box::new(session), lane, is_ending)
        .await
}

/// Count it, say it where there is something to say, and let the client know if it can be told.
async fn refuse(client: &Client, lane: &Rc<Lane>, why: &Unsecured, began_us: u64) {
    let cells = client.door.cells();
    let cell = cells.of(lane.index);
    match why {
        // Balancers look whether somebody listens, browsers open connections ahead of need.
        Unsecured::Nothing => return,
        Unsecured::Late { .. } => cell.handshake(Handshake::Late),
        Unsecured::Broken(_) => cell.handshake(Handshake::Fault(&Fault::Cut)),
        Unsecured::Fault(fault) => cell.handshake(Handshake::Fault(fault)),
    }
    {
        let caller = Caller::alone(false);
        let mut exchange = Exchange::begin(client, &caller, lane);
        exchange.facts_mut().started_us = began_us;
        exchange.note_peer();
        match why {
            Unsecured::Nothing | Unsecured::Late { silent: true } => exchange.forget(),
            Unsecured::Late { silent: false } => exchange.note(
                Flag::ClientTimeout,
                format_args!(
                    "the TLS handshake did not end in time (listener's timeouts.handshake)"
                ),
            ),
            Unsecured::Broken(error) => exchange.note(
                Flag::ClientGone,
                format_args!("the connection broke in the TLS handshake: {error}"),
            ),
            Unsecured::Fault(fault) => {
                exchange.note(Flag::ClientProtocol, format_args!("{fault}"));
                if *fault == Fault::PlainHttp {
                    exchange.facts_mut().status = 400;
                }
            }
        }
    }
    match why {
        Unsecured::Fault(Fault::PlainHttp) => {
            let _ = client.stream.queue(plain_answer());
        }
        Unsecured::Fault(_) => {}
        _ => return,
    }
    client.stream.linger(LINGER_BYTES, LINGER_MS).await;
}

fn plain_answer() -> OutBuf {
    let mut out = OutBuf::take();
    let fields = [("content-type", "text/plain; charset=utf-8")];
    http1::answer(
        &mut out,
        400,
        &fields,
        SPEAK_TLS,
        ClientConnection::Close,
        false,
        Version::Http11,
    );
    out
}

/// Count a connection whose stream ended without a close_notify.
pub(crate) fn note_end(client: &Client, lane: &Lane) {
    if client.stream.was_cut() {
        let cells = client.door.cells();
        let ended = Handshake::Fault(&Fault::Truncated);
        cells.of(lane.index).handshake(ended);
    }
}
