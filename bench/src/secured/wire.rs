//! A connection of load or origin: a stream of ours, with TLS over it where the scenario says so.
//!
//! Not who makes the handshake with whom (`secured`).

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io;

use ringway_io::{Buf, FreshBuf, OutBuf, Stream};
use ringway_tls::{Facts, Fault, Session};

use super::now;

/// More than this goes into a large buffer.
const SMALL: usize = 4 * 1024;

/// See the module.
pub(crate) struct Wire {
    stream: Stream,
    tls: Option<RefCell<Tls>>,
}

struct Tls {
    session: Box<Session>,
    /// Decrypted, not yet taken.
    plain: VecDeque<Buf>,
}

impl From<Stream> for Wire {
    fn from(stream: Stream) -> Wire {
        Wire { stream, tls: None }
    }
}

impl Wire {
    /// Make the handshake.
    pub(super) async fn shake(stream: Stream, session: Session) -> io::Result<Wire> {
        let mut tls = Tls {
            session: Box::new(session),
            plain: VecDeque::new(),
        };
        tls.say(&stream);
        while tls.session.is_handshaking() {
            match stream.recv().await? {
                Some(buf) => tls.take(&buf, &stream)?,
                None => return Err(broken(Fault::Cut)),
            }
        }
        Ok(Wire {
            stream,
            tls: Some(RefCell::new(tls)),
        })
    }

    /// What the handshake agreed on must be good.
    pub(super) fn check(&self, good: impl FnOnce(&Facts) -> io::Result<()>) -> io::Result<()> {
        let tls = self.tls.as_ref().map(RefCell::borrow);
        match tls.as_ref().and_then(|tls| tls.session.facts()) {
            Some(facts) => good(facts),
            None => Err(io::Error::other("there is no TLS")),
        }
    }

    /// As `Stream::recv`. With TLS an end that was not announced is an error.
    pub(crate) async fn recv(&self) -> io::Result<Option<Buf>> {
        let Some(tls) = &self.tls else {
            return self.stream.recv().await;
        };
        loop {
            if let Some(plain) = tls.borrow_mut().plain.pop_front() {
                return Ok(Some(plain));
            }
            if tls.borrow().session.has_peer_closed() {
                return Ok(None);
            }
            match self.stream.recv().await? {
                Some(buf) => tls.borrow_mut().take(&buf, &self.stream)?,
                None => {
                    tls.borrow().session.end().map_err(broken)?;
                    return Ok(None);
                }
            }
        }
    }

    /// As `Stream::unread`.
    pub(crate) fn unread(&self, buf: Buf) {
        match &self.tls {
            None => self.stream.unread(buf),
            Some(_) if buf.is_empty() => {}
            Some(tls) => tls.borrow_mut().plain.push_front(buf),
        }
    }

    /// Send these one after the other. Waits only where much is under way already.
    pub(crate) async fn send(&self, parts: &[&'static [u8]]) -> io::Result<()> {
        if self.stream.room() < parts.len() {
            self.stream.flush().await?;
        }
        match &self.tls {
            // There is room. Empty segments are dropped.
            None => parts.iter().for_each(|part| {
                let _ = self.stream.queue(*part);
            }),
            Some(tls) => {
                let bytes: usize = parts.iter().map(|part| part.len()).sum();
                let mut out = match bytes > SMALL {
                    true => OutBuf::take_large(),
                    false => OutBuf::take(),
                };
                let sent = tls.borrow_mut().session.send(parts, &mut out);
                sent.map_err(broken)?;
                let _ = self.stream.queue(out);
            }
        }
        self.stream.submit();
        Ok(())
    }

    /// No more is sent: it is said, and taken by the kernel.
    pub(crate) async fn end(&self) -> io::Result<()> {
        if let Some(tls) = &self.tls {
            let mut out = OutBuf::take();
            tls.borrow_mut().session.close(&mut out);
            let _ = self.stream.queue(out);
        }
        self.stream.flush().await
    }

    /// As `Stream::shutdown_write`.
    pub(crate) fn shutdown_write(&self) {
        self.stream.shutdown_write();
    }

    pub(crate) fn is_secured(&self) -> bool {
        self.tls.is_some()
    }

    pub(crate) fn set_deadline(&self, ms: u32) {
        self.stream.set_deadline(ms);
    }

    pub(crate) fn clear_deadline(&self) {
        self.stream.clear_deadline();
    }
}

impl Tls {
    fn take(&mut self, received: &[u8], stream: &Stream) -> io::Result<()> {
        let mut decrypted = OutBuf::take();
        let taken = self.session.receive(received, now(), &mut decrypted);
        self.say(stream);
        taken.map_err(broken)?;
        let mut rest = decrypted.as_slice();
        while !rest.is_empty() {
            let mut fresh = FreshBuf::take();
            let n = fresh.put(rest);
            if n == 0 {
                return Err(io::Error::other("the worker is ending"));
            }
            rest = &rest[n..];
            self.plain.extend(fresh.finish());
        }
        Ok(())
    }

    /// Send what the session has to say of itself.
    fn say(&mut self, stream: &Stream) {
        if self.session.has_output() {
            let mut out = OutBuf::take();
            self.session.output(&mut out);
            // Few words, each answered before the next.
            let _ = stream.queue(out);
            stream.submit();
        }
    }
}

fn broken(fault: Fault) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, fault)
}
