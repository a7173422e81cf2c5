//! The server's side: what is offered to clients, made once, shared by all workers.
//!
//! Not here: reading files. A change makes a new acceptor; sessions keep theirs.

use std::fmt;
use std::sync::Arc;

use rustls::server::{NoClientAuth, ServerConfig, ServerConnection};

use crate::choice::Choice;
use crate::clock::Clock;
use crate::facts::Version;
use crate::fault::Fault;
use crate::material::Unusable;
use crate::pair::Pair;
use crate::provider::{Spoken, sha256};
use crate::session::Session;
use crate::tickets::{Realm, Tickets};
use crate::trust::Trust;
use crate::verify;

/// Whether clients have to say who they are.
#[derive(Debug, Clone)]
pub enum Clients {
    /// They are not asked.
    Unasked,
    /// They are asked; who has no certificate is nobody, who has a bad one is refused.
    Optional(Trust),
    /// Without a good certificate there is no session.
    Required(Trust),
}

/// What an acceptor is made of.
#[derive(Debug, Clone)]
pub struct Offer {
    /// At least one; the first is for clients that ask for no name of these.
    pub pairs: Vec<Pair>,
    /// The lowest version that is spoken.
    pub min_version: Version,
    /// Protocols by ALPN, best first. Empty: whatever the client names is not answered.
    pub alpn: Vec<Vec<u8>>,
    /// Certificates of clients.
    pub clients: Clients,
}

/// Makes sessions of clients.
pub struct Acceptor {
    config: Arc<ServerConfig>,
    clock: Arc<Clock>,
    not_after: u64,
}

impl fmt::Debug for Acceptor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Acceptor")
    }
}

/// One ticket for each connection: a client that comes again has a fresh one each time. More would serve clients that open many connections at
/// once after the first, at the price of a ticket's encryption and 200 bytes for each handshake.
const TICKETS: usize = 1;

impl Acceptor {
    /// `tickets` are those of the process.
    pub fn new(offer: &Offer, tickets: &Arc<Tickets>) -> Result<Acceptor, Unusable> {
        Acceptor::speaking(Spoken::All, offer, tickets)
    }

    /// The same with less to choose from.
    pub fn speaking(
        spoken: Spoken,
        offer: &Offer,
        tickets: &Arc<Tickets>,
    ) -> Result<Acceptor, Unusable> {
        if offer.pairs.is_empty() {
            return Err(Unusable::NoCertificate);
        }
        let (verifier, mark) = match &offer.clients {
            Clients::Unasked => (Arc::new(NoClientAuth) as _, sha256(b"unasked")),
            Clients::Optional(trust) => {
                let mark = sha256(&[b"optional", trust.digest().as_slice()].concat());
                (verify::of_clients(trust, true)?, mark)
            }
            Clients::Required(trust) => {
                let mark = sha256(&[b"required", trust.digest().as_slice()].concat());
                (verify::of_clients(trust, false)?, mark)
            }
        };
        let clock = Arc::new(Clock::default());
        let mut config = ServerConfig::builder_with_details(spoken.provider(), clock.clone())
            .with_protocol_versions(spoken.versions(offer.min_version))
            .map_err(|error| Unusable::Contradiction(error.to_string()))?
            .with_client_cert_verifier(verifier)
            .with_cert_resolver(Arc::new(Choice::new(&offer.pairs)));
        let realm = Arc::new(Realm {
            tickets: tickets.clone(),
            clock: clock.clone(),
            mark,
        });
        config.ticketer = realm.clone();
        config.session_storage = realm;
        config.send_tls13_tickets = TICKETS;
        config.alpn_protocols = offer.alpn.clone();
        let ends = offer.pairs.iter().map(Pair::not_after);
        Ok(Acceptor {
            config: Arc::new(config),
            clock,
            not_after: ends.min().unwrap_or(0),
        })
    }

    /// When the first of its certificates ends, in Unix seconds.
    pub fn not_after(&self) -> u64 {
        self.not_after
    }

    /// For a connection that was accepted.
    pub fn session(&self, now: u64) -> Result<Session, Fault> {
        self.clock.set(now);
        let connection = ServerConnection::new(self.config.clone())?;
        Ok(Session::server(connection, self.clock.clone()))
    }
}
