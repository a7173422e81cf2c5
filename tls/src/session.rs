//! One TLS connection: bytes of the peer in, plain bytes out; plain bytes in, records out.
//!
//! Not here: when to read and write, and how long to wait; that is whoever has the socket.

use std::fmt;
use std::io::{BufRead, IoSlice, Write};
use std::sync::Arc;

use rustls::{ClientConnection, Connection, ServerConnection};

use crate::clock::Clock;
use crate::copy::{PIECE, Sink, Source, append};
use crate::facts::Facts;
use crate::fault::Fault;

/// Either side of a connection. A kilobyte and more: keep it in a box.
pub struct Session {
    connection: Connection,
    clock: Arc<Clock>,
    facts: Option<Box<Facts>>,
    /// Nothing was received yet.
    is_fresh: bool,
    /// The peer is verified if it shows a certificate.
    is_verified: bool,
    has_peer_closed: bool,
    has_closed: bool,
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("facts", &self.facts)
            .finish_non_exhaustive()
    }
}

impl Session {
    pub(crate) fn server(connection: ServerConnection, clock: Arc<Clock>) -> Session {
        Session::new(Connection::Server(connection), clock, true)
    }

    pub(crate) fn client(
        connection: ClientConnection,
        clock: Arc<Clock>,
        is_verified: bool,
    ) -> Session {
        Session::new(Connection::Client(connection), clock, is_verified)
    }

    fn new(mut connection: Connection, clock: Arc<Clock>, is_verified: bool) -> Session {
        // The caller takes records at once and bounds what it sends.
        connection.set_buffer_limit(None);
        Session {
            connection,
            clock,
            facts: None,
            is_fresh: true,
            is_verified,
            has_peer_closed: false,
            has_closed: false,
        }
    }

    /// Takes bytes of the peer, cut anywhere; appends what they decrypt to. At most as many bytes as were received are appended, and less than
    /// a record is kept. After an error nothing more can be received; `output` may have an alert for the peer.
    pub fn receive(&mut self, bytes: &[u8], now: u64, plain: &mut Vec<u8>) -> Result<(), Fault> {
        self.clock.set(now);
        if let Some(&first) = bytes.first()
            && std::mem::take(&mut self.is_fresh)
        {
            self.look(first)?;
        }
        let mut rest = Source(bytes);
        while !rest.0.is_empty() && !self.has_peer_closed {
            let taken = self.connection.read_tls(&mut rest);
            let taken = taken.map_err(|error| Fault::Internal(error.to_string()))?;
            let state = self.connection.process_new_packets()?;
            let mut reader = self.connection.reader();
            while let Ok(chunk @ [_, ..]) = reader.fill_buf() {
                append(plain, chunk);
                let length = chunk.len();
                reader.consume(length);
            }
            self.has_peer_closed = state.peer_has_closed();
            if taken == 0 {
                break;
            }
        }
        if self.facts.is_none() && !self.connection.is_handshaking() {
            self.note_facts(now)?;
        }
        Ok(())
    }

    /// Content types of records are 20 to 24 (RFC 8446 5.1); methods of HTTP begin with a capital letter.
    fn look(&self, first: u8) -> Result<(), Fault> {
        match first {
            20..=24 => Ok(()),
            b'A'..=b'Z' if matches!(self.connection, Connection::Server(_)) => {
                Err(Fault::PlainHttp)
            }
            _ => Err(Fault::NotTls),
        }
    }

    fn note_facts(&mut self, now: u64) -> Result<(), Fault> {
        let name = match &self.connection {
            Connection::Server(server) => server.server_name(),
            Connection::Client(_) => None,
        };
        let facts = Facts::of(&self.connection, name, self.is_verified, now)?;
        self.facts = Some(Box::new(facts));
        Ok(())
    }

    /// Appends the records of these parts, which follow each other as if they were one. Only after the handshake.
    pub fn send(&mut self, parts: &[&[u8]], out: &mut Vec<u8>) -> Result<(), Fault> {
        if self.connection.is_handshaking() || self.has_closed {
            return Err(Fault::Internal(
                "bytes are sent before the handshake or after the end".into(),
            ));
        }
        // rustls copies what it encrypts, slice by slice.
        let pieces = parts.iter().flat_map(|part| part.chunks(PIECE));
        let mut slices: Vec<IoSlice<'_>> = pieces.map(IoSlice::new).collect();
        let mut left = slices.as_mut_slice();
        while !left.is_empty() {
            let taken = self.connection.writer().write_vectored(left);
            let taken = taken.map_err(|error| Fault::Internal(error.to_string()))?;
            if taken == 0 {
                return Err(Fault::Internal("no record was made".into()));
            }
            IoSlice::advance_slices(&mut left, taken);
        }
        self.output(out);
        Ok(())
    }

    /// Appends the records that are due: of the handshake, tickets, answers to key updates, alerts.
    pub fn output(&mut self, out: &mut Vec<u8>) {
        while self.connection.wants_write() {
            // Writing into a `Vec` does not fail.
            if self.connection.write_tls(&mut Sink(out)).is_err() {
                return;
            }
        }
    }

    /// Has `output` anything to say?
    pub fn has_output(&self) -> bool {
        self.connection.wants_write()
    }

    /// Appends our close_notify, once. What the peer still sends can be received.
    pub fn close(&mut self, out: &mut Vec<u8>) {
        if !std::mem::replace(&mut self.has_closed, true) {
            self.connection.send_close_notify();
        }
        self.output(out);
    }

    /// The transport says that nothing more will come. An error says that something is missing.
    pub fn end(&self) -> Result<(), Fault> {
        if self.has_peer_closed {
            Ok(())
        } else if self.facts.is_none() {
            Err(Fault::Cut)
        } else {
            Err(Fault::Truncated)
        }
    }

    /// Is the handshake still to be finished?
    pub fn is_handshaking(&self) -> bool {
        self.facts.is_none()
    }

    /// Has the peer said by close_notify that it sends no more?
    pub fn has_peer_closed(&self) -> bool {
        self.has_peer_closed
    }

    /// After the handshake.
    pub fn facts(&self) -> Option<&Facts> {
        self.facts.as_deref()
    }
}
