//! A connection by TLS that blocks, to find out whether a proxy answers yet. It verifies who is there. Not part of what is measured.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::path::Path;

use ringway_tls::{Session, Verify};

use super::{check, connector, demand, now, session, trust};
use crate::scenario::Tls;

/// See the module.
pub(crate) struct Blocking {
    stream: TcpStream,
    session: Session,
    plain: Vec<u8>,
}

impl Blocking {
    /// Make the handshake.
    pub(crate) fn shake(stream: TcpStream, tls: &Tls, folder: &Path) -> io::Result<Blocking> {
        let demand = demand(tls, folder, Verify::By(trust(folder)?))?;
        let mut blocking = Blocking {
            session: session(&connector(&demand)?)?,
            stream,
            plain: Vec::new(),
        };
        blocking.say()?;
        while blocking.session.is_handshaking() {
            blocking.receive()?;
        }
        let facts = blocking.session.facts();
        check(
            facts.ok_or_else(|| io::Error::other("there is no TLS"))?,
            false,
        )?;
        Ok(blocking)
    }

    fn say(&mut self) -> io::Result<()> {
        let mut out = Vec::new();
        self.session.output(&mut out);
        self.stream.write_all(&out)
    }

    /// What comes next; whether the peer has ended.
    fn receive(&mut self) -> io::Result<bool> {
        let mut bytes = [0; 4096];
        let n = self.stream.read(&mut bytes)?;
        if n == 0 {
            self.session.end().map_err(io::Error::other)?;
            return Ok(true);
        }
        let taken = self.session.receive(&bytes[..n], now(), &mut self.plain);
        self.say()?;
        taken.map_err(io::Error::other)?;
        Ok(self.session.has_peer_closed())
    }
}

impl Read for Blocking {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while self.plain.is_empty() {
            if self.receive()? {
                break;
            }
        }
        let n = into.len().min(self.plain.len());
        into[..n].copy_from_slice(&self.plain[..n]);
        self.plain.drain(..n);
        Ok(n)
    }
}

impl Write for Blocking {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut out = Vec::new();
        let sent = self.session.send(&[bytes], &mut out);
        sent.map_err(io::Error::other)?;
        self.stream.write_all(&out)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}
