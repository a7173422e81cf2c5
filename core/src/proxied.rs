//! Between accept and the session: a connection that a proxy in front of us relays begins with a PROXY header, which names the
//! client. Only on listeners that say so, only from the sources that they list, never guessed. It knows nothing of what comes behind
//! the header; the headers that we write ourselves are in `upstream/announce.rs`.

use std::cell::{OnceCell, RefCell};
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;

use ringway_io::{self as io, OutBuf};
use ringway_protocols::proxy_header::{self, Claim, Header, ProxyFault, Reading, Transport};

use crate::accept::Client;
use crate::caller::Caller;
use crate::exchange::Exchange;
use crate::intercepted;
use crate::lane::Lane;
use crate::observe::ClientTimeout;
use crate::outcome::Flag;
use crate::plan::Target;
use crate::session::beginning::next_piece;

/// A longer AUTHORITY is not kept: host names have at most 255 octets (RFC 1035 section 2.3.4).
const AUTHORITY_BYTES: usize = 255;

/// What the label of a connection from a source that is not listed is in the metrics.
pub(crate) const SOURCE_LABEL: &str = "proxy_source";

/// The connection is not served. It has been counted and said in the access log, and is to be closed.
#[derive(Debug)]
pub(crate) struct Refused;

/// The two ends of a client's connection, and what else was said of it: by the header that it began with, else by its socket.
#[derive(Debug)]
pub(crate) struct Ends {
    /// The client, and where it connected to. None where that is not by IP.
    addresses: Option<(SocketAddr, SocketAddr)>,
    /// Where an intercepted connection was going; a header does not change it.
    pub(crate) original: Option<SocketAddr>,
    /// The same for the log; empty where there is none.
    original_text: Box<str>,
    /// The endpoint that was made of it last.
    pub(crate) aimed: RefCell<Option<Arc<Target>>>,
    /// The host name that the client asked for by TLS.
    pub(crate) authority: Option<Box<str>>,
    /// The connection's id by the sender.
    pub(crate) unique_id: Option<Box<[u8]>>,
}

impl Ends {
    fn of_socket(client: &Client) -> Ends {
        let nameless = Ends::nameless(client);
        let stream = &client.stream;
        let peer = stream.peer_addr().ok().and_then(|a| a.as_socket());
        let own = || stream.local_addr().ok().and_then(|a| a.as_socket());
        Ends {
            addresses: peer.zip(nameless.original.or_else(own)),
            ..nameless
        }
    }

    /// What holds whatever a header says. Asks the socket nothing where the listener does not intercept.
    fn nameless(client: &Client) -> Ends {
        let original = intercepted::original(client);
        Ends {
            addresses: None,
            original,
            original_text: original.map_or_else(Box::default, |to| to.to_string().into()),
            aimed: RefCell::default(),
            authority: None,
            unique_id: None,
        }
    }

    /// As a header says it.
    pub(crate) fn claim(&self) -> Claim<'static> {
        match self.addresses {
            Some((source, destination)) => Claim::Inet {
                transport: Transport::Stream,
                source,
                destination,
            },
            None => Claim::Unknown,
        }
    }
}

impl Client {
    /// See [`Ends`]. The socket is asked once.
    pub(crate) fn ends(&self) -> &Ends {
        self.ends.get_or_init(|| Box::new(Ends::of_socket(self)))
    }

    /// Where an intercepted connection was going.
    pub(crate) fn original(&self) -> Option<SocketAddr> {
        self.ends.get()?.original
    }

    /// The same for the log; empty for all others, whose socket is not asked.
    pub(crate) fn original_text(&self) -> &str {
        self.ends.get().map_or("", |ends| &ends.original_text)
    }
}

/// Why there is no header.
enum Fault {
    /// The connection ended before its first byte: a check whether somebody listens.
    Nothing,
    /// Nothing came in time.
    Silent,
    /// Not all of it came in time.
    Late,
    /// It comes from who must not send one.
    Source,
    Header(ProxyFault),
}

/// Whether the connection is to begin with a header.
fn is_expected(client: &Client) -> bool {
    let (plan, listener) = client.door.plan();
    plan.plan.listeners[listener].proxied_from.is_some()
}

/// Receive the header if the listener expects one; from then on the client is who it names. What came behind it is the first that the
/// stream gives. The connection's place in the limits was taken before, so that waiting for a header is not free.
pub(crate) async fn receive(client: &mut Client, lane: &Rc<Lane>) -> Result<(), Refused> {
    if is_expected(client) {
        // Pooled: it is larger than an idle connection should be.
        io::pooled(expect(client, lane)).await
    } else {
        Ok(())
    }
}

async fn expect(client: &mut Client, lane: &Rc<Lane>) -> Result<(), Refused> {
    let (plan, listener) = client.door.plan();
    let listener = &plan.plan.listeners[listener];
    let Some(from) = &listener.proxied_from else {
        return Ok(());
    };
    let began_us = io::now_us();
    let received = if from.takes(client.peer) {
        // For the whole of it: one set anew with each piece could be kept waiting for ever.
        client.stream.set_deadline(listener.headers_ms);
        read_header(client, lane).await
    } else {
        Err(Fault::Source)
    };
    received.map_err(|fault| refuse(client, lane, &fault, began_us))
}

async fn read_header(client: &mut Client, lane: &Lane) -> Result<(), Fault> {
    let mut bytes = OutBuf::take();
    let mut ending = false;
    loop {
        let mut buf = match next_piece(client, lane, &mut ending).await {
            Ok(Some(buf)) => buf,
            Err(error) if error.kind() == ErrorKind::TimedOut => {
                return Err(if bytes.is_empty() {
                    Fault::Silent
                } else {
                    Fault::Late
                });
            }
            Ok(None) | Err(_) if bytes.is_empty() => return Err(Fault::Nothing),
            Ok(None) | Err(_) => return Err(Fault::Header(ProxyFault::Incomplete)),
        };
        // Almost every header comes in one piece and is read where the kernel put it.
        let before = bytes.len();
        let all: &[u8] = if before == 0 {
            &buf
        } else {
            bytes.extend_from_slice(&buf);
            &bytes
        };
        match proxy_header::read(all).map_err(Fault::Header)? {
            Reading::Header(header) => {
                believe(&header, client);
                // It was not whole without this piece, so it ends within it.
                let in_piece = header.length.saturating_sub(before);
                buf.advance(in_piece);
                client.stream.unread(buf);
                return Ok(());
            }
            Reading::More { .. } if before == 0 => bytes.extend_from_slice(&buf),
            Reading::More { .. } => {}
        }
    }
}

/// The client is who the header names. Where it names nobody by IP (LOCAL, UNKNOWN, a Unix socket) the socket's addresses hold.
fn believe(header: &Header<'_>, client: &mut Client) {
    let addresses = match header.claim {
        Claim::Local => return,
        Claim::Inet {
            source,
            destination,
            ..
        } => {
            client.peer = Some(source.ip().to_canonical());
            Some((source, destination))
        }
        Claim::Unknown | Claim::Unix { .. } => Ends::of_socket(client).addresses,
    };
    let details = &header.details;
    let authority = details.authority.filter(|a| a.len() <= AUTHORITY_BYTES);
    client.ends = OnceCell::from(Box::new(Ends {
        addresses,
        authority: authority.map(Into::into),
        unique_id: details.unique_id.map(Into::into),
        ..Ends::nameless(client)
    }));
}

/// Count it, and say it where there is something to say: balancers look whether somebody listens by connections without a byte.
fn refuse(client: &Client, lane: &Rc<Lane>, fault: &Fault, began_us: u64) -> Refused {
    let cells = client.door.cells();
    let cell = cells.of(lane.index);
    match fault {
        Fault::Nothing => return Refused,
        Fault::Silent | Fault::Late => cell.timeout(ClientTimeout::Headers),
        Fault::Source => cell.protocol_error(SOURCE_LABEL),
        Fault::Header(fault) => cell.protocol_error(fault.label()),
    }
    let caller = Caller::alone(false);
    let mut exchange = Exchange::begin(client, &caller, lane);
    exchange.facts_mut().started_us = began_us;
    exchange.note_peer();
    match fault {
        Fault::Nothing | Fault::Silent => exchange.forget(),
        Fault::Late => exchange.note(
            Flag::ClientTimeout,
            format_args!("the PROXY header did not come in time (listener's timeouts.headers)"),
        ),
        Fault::Source => exchange.note(
            Flag::ClientProtocol,
            format_args!(
                "connections from this address are not taken (listener's proxy_protocol.from)"
            ),
        ),
        Fault::Header(fault) => {
            exchange.note(Flag::ClientProtocol, format_args!("{}", fault.explain()));
        }
    }
    Refused
}
