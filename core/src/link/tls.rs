//! TLS between a socket and whoever uses the connection: what is received is decrypted when it is asked for, what is to be sent is
//! encrypted when it is submitted, so that what goes out together is one record. Not the handshake (`handshake`).
//!
//! Bounds: decrypted and unread is at most what one receive brought and a record before it, since more is taken from the socket only when
//! that is gone; not yet encrypted are at most [`PENDING`] segments; and no more is taken while [`SEALED`] sends wait for the kernel.

use std::cell::{OnceCell, RefCell};
use std::collections::VecDeque;
use std::fmt::Write;
use std::io;
use std::task::{Context, Poll};

use ringway_io::{Buf, FreshBuf, OutBuf, Segment, Stream, now_ms};
use ringway_tls::{Facts, Fault, Peer, Session};
use smallvec::SmallVec;

/// Segments that wait to be encrypted. Half of what a plain stream queues: encrypted they are held once more.
const PENDING: usize = 8;
/// Sends that the kernel has not taken, at which no more is taken from the program.
const SEALED: usize = 2;
/// Plain bytes that go into one send, unless a segment alone has more: four records.
const TOGETHER: usize = 64 * 1024;
const _: () = assert!(
    TOGETHER + 64 * 22 <= OutBuf::LARGE,
    "what records add fits as well"
);
/// More than this goes into a large buffer.
const SMALL: usize = 4 * 1024;
/// Receives taken in one poll before others have their turn: a peer may send records without a byte in them.
const TURN: usize = 16;

/// One connection's TLS, after its handshake.
#[derive(Debug)]
pub(super) struct Tls {
    facts: Facts,
    /// Of the peer's certificate, made when it is first asked for.
    client_cert: OnceCell<Box<[u8]>>,
    state: RefCell<State>,
}

#[derive(Debug)]
struct State {
    session: Box<Session>,
    /// Unix time minus the worker's clock, in seconds.
    unix_offset: u64,
    /// Decrypted, not yet taken.
    plain: VecDeque<Buf>,
    /// Taken, not yet encrypted.
    pending: Vec<Segment>,
    ended: Option<Ended>,
    has_closed: bool,
}

/// How the way from the peer ended.
#[derive(Debug)]
enum Ended {
    /// The peer said so.
    Said,
    /// Its stream ended without a word: something may be missing.
    Cut,
    /// Its bytes were at fault.
    Fault(Fault),
}

impl Ended {
    fn result<T>(&self, end: T) -> io::Result<T> {
        match self {
            Ended::Said => Ok(end),
            Ended::Cut => Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                Fault::Truncated,
            )),
            Ended::Fault(fault) => Err(io::Error::new(io::ErrorKind::InvalidData, fault.clone())),
        }
    }
}

impl Tls {
    /// `session` has its handshake behind it, and gave `plain` with the last of it. `unix_s` is now.
    pub(super) fn new(session: Box<Session>, facts: Facts, plain: &[u8], unix_s: u64) -> Box<Tls> {
        let mut state = State {
            unix_offset: unix_s.saturating_sub(now_ms() / 1000),
            session,
            plain: VecDeque::new(),
            pending: Vec::new(),
            ended: None,
            has_closed: false,
        };
        state.keep(plain);
        state.note_close();
        Box::new(Tls {
            facts,
            client_cert: OnceCell::new(),
            state: RefCell::new(state),
        })
    }

    /// What the handshake agreed on.
    pub(super) fn facts(&self) -> &Facts {
        &self.facts
    }

    /// As Envoy writes it; None where the peer has shown no certificate.
    pub(super) fn client_cert(&self) -> Option<&[u8]> {
        let peer = self.facts.peer.as_ref()?;
        Some(self.client_cert.get_or_init(|| client_cert(peer)))
    }

    pub(super) fn poll_recv(
        &self,
        stream: &Stream,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<Option<Buf>>> {
        let mut state = self.state.borrow_mut();
        let there = state.poll_plain(stream, cx);
        there.map_ok(|()| state.plain.pop_front())
    }

    pub(super) fn try_recv(&self, stream: &Stream) -> Option<Buf> {
        let mut state = self.state.borrow_mut();
        state.take_what_is_here(stream);
        state.plain.pop_front()
    }

    pub(super) fn unread(&self, buf: Buf) {
        if !buf.is_empty() {
            self.state.borrow_mut().plain.push_front(buf);
        }
    }

    pub(super) fn unread_copy(&self, bytes: &[u8]) {
        let mut state = self.state.borrow_mut();
        let behind = std::mem::take(&mut state.plain);
        state.keep(bytes);
        state.plain.extend(behind);
    }

    pub(super) fn poll_readable(
        &self,
        stream: &Stream,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        self.state.borrow_mut().poll_plain(stream, cx)
    }

    /// Tickets come on connections that are otherwise quiet.
    pub(super) fn is_quiet(&self, stream: &Stream) -> bool {
        let mut state = self.state.borrow_mut();
        state.take_what_is_here(stream);
        state.plain.is_empty()
            && state.pending.is_empty()
            && state.ended.is_none()
            && stream.is_quiet()
    }

    /// Whether the peer's stream ended without its word.
    pub(super) fn was_cut(&self) -> bool {
        matches!(self.state.borrow().ended, Some(Ended::Cut))
    }

    pub(super) fn room(&self, stream: &Stream) -> usize {
        if Stream::QUEUE - stream.room() >= SEALED {
            return 0;
        }
        PENDING.saturating_sub(self.state.borrow().pending.len())
    }

    pub(super) fn queue(&self, stream: &Stream, segment: Segment) -> Result<(), Segment> {
        if self.room(stream) == 0 {
            return Err(segment);
        }
        if !segment.bytes().is_empty() {
            self.state.borrow_mut().pending.push(segment);
        }
        Ok(())
    }

    pub(super) fn submit(&self, stream: &Stream) {
        self.state.borrow_mut().seal(stream);
        stream.submit();
    }

    pub(super) fn poll_flush(&self, stream: &Stream, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.state.borrow_mut().seal(stream);
        stream.poll_flush(cx)
    }

    /// Our close_notify behind what is queued, once. Not after a fault: its alert was the last word.
    pub(super) fn close(&self, stream: &Stream) {
        let mut state = self.state.borrow_mut();
        state.seal(stream);
        if std::mem::replace(&mut state.has_closed, true) {
            return;
        }
        if !matches!(state.ended, Some(Ended::Fault(_))) {
            let mut out = OutBuf::take();
            state.session.close(&mut out);
            // `seal` leaves a place.
            let _ = stream.queue(out);
        }
        stream.submit();
    }
}

impl State {
    /// Ready when there is something plain, or the end.
    fn poll_plain(&mut self, stream: &Stream, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        for _ in 0..TURN {
            if !self.plain.is_empty() {
                return Poll::Ready(Ok(()));
            }
            if let Some(ended) = &self.ended {
                return Poll::Ready(ended.result(()));
            }
            match stream.poll_recv(cx) {
                Poll::Ready(Ok(Some(buf))) => self.decrypt(&buf, stream),
                Poll::Ready(Ok(None)) => self.ended = Some(Ended::Cut),
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => return Poll::Pending,
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// The same without waiting.
    fn take_what_is_here(&mut self, stream: &Stream) {
        for _ in 0..TURN {
            if !self.plain.is_empty() || self.ended.is_some() {
                return;
            }
            match stream.try_recv() {
                Some(buf) => self.decrypt(&buf, stream),
                None => return,
            }
        }
    }

    fn decrypt(&mut self, received: &[u8], stream: &Stream) {
        let now = self.unix_offset + now_ms() / 1000;
        let mut plain = OutBuf::take_large();
        let fault = self.session.receive(received, now, &mut plain).err();
        self.keep(&plain);
        self.note_close();
        // Answers to key updates, alerts. Where there is no place they go out with what is sent next.
        if self.session.has_output() && stream.room() > 1 {
            let mut out = OutBuf::take();
            self.session.output(&mut out);
            let _ = stream.queue(out);
            stream.submit();
        }
        if let Some(fault) = fault {
            self.ended = Some(Ended::Fault(fault));
        }
    }

    fn note_close(&mut self) {
        if self.session.has_peer_closed() {
            self.ended.get_or_insert(Ended::Said);
        }
    }

    fn keep(&mut self, mut plain: &[u8]) {
        while !plain.is_empty() {
            let mut fresh = FreshBuf::take();
            let n = fresh.put(plain);
            if n == 0 {
                // The worker is ending.
                return;
            }
            plain = &plain[n..];
            self.plain.extend(fresh.finish());
        }
    }

    /// Encrypt what is pending, in as few sends as they are large. One place stays free for the close_notify.
    fn seal(&mut self, stream: &Stream) {
        let mut from = 0;
        while from < self.pending.len() {
            let is_last = stream.room() <= 2;
            let mut parts: SmallVec<[&[u8]; PENDING]> = SmallVec::new();
            let mut bytes = 0;
            for segment in &self.pending[from..] {
                let more = segment.bytes();
                if bytes > 0 && bytes + more.len() > TOGETHER && !is_last {
                    break;
                }
                bytes += more.len();
                parts.push(more);
            }
            from += parts.len();
            let mut out = if bytes > SMALL {
                OutBuf::take_large()
            } else {
                OutBuf::take()
            };
            if let Err(fault) = self.session.send(&parts, &mut out) {
                // After our own end: what is still said has no receiver.
                debug_assert!(self.has_closed, "{fault}");
                break;
            }
            let _ = stream.queue(out);
        }
        self.pending.clear();
    }
}

/// A certificate may have names without end; what is beyond this is left out.
const CLIENT_CERT_BYTES: usize = 4 * 1024;

/// `Hash=...;Subject="...";URI=...;DNS=...`
fn client_cert(peer: &Peer) -> Box<[u8]> {
    let mut text = String::from("Hash=");
    for octet in peer.sha256 {
        // Writing to a String cannot fail.
        let _ = write!(text, "{octet:02x}");
    }
    let certificate = &peer.certificate;
    let subject = certificate.subject.replace('"', "\\\"");
    let uris = certificate.uris.iter().map(|uri| format!(";URI={uri}"));
    let dns = certificate.dns.iter().map(|name| format!(";DNS={name}"));
    let parts = [format!(";Subject=\"{subject}\"")].into_iter();
    for part in parts.chain(uris).chain(dns) {
        if text.len() + part.len() <= CLIENT_CERT_BYTES {
            text.push_str(&part);
        }
    }
    text.into_bytes().into()
}
