//! The client's side: what is demanded of upstreams, made once, shared by all workers.
//!
//! Not here: reading files. A change makes a new connector, with no sessions to resume.

use std::fmt;
use std::sync::Arc;

use rustls::client::danger::ServerCertVerifier;
use rustls::client::{ClientConfig, ClientConnection, Resumption};
use rustls::pki_types::ServerName;
use rustls::sign::SingleCertAndKey;

use crate::clock::Clock;
use crate::facts::Version;
use crate::fault::Fault;
use crate::material::Unusable;
use crate::pair::Pair;
use crate::provider::{Spoken, sha256};
use crate::session::Session;
use crate::sessions::Sessions;
use crate::spiffe::Expected;
use crate::trust::Trust;
use crate::verify::{OfAnyone, OfServers};

/// How an upstream is verified.
#[derive(Debug, Clone)]
pub enum Verify {
    /// By these roots and lists.
    By(Trust),
    /// Not at all: whoever answers is believed.
    Nothing,
}

/// What a connector is made of.
#[derive(Debug, Clone)]
pub struct Demand {
    /// By whom the chain must be issued.
    pub verify: Verify,
    /// The name that is asked for and verified, instead of the endpoint's host.
    pub name: Option<String>,
    /// The peer's SPIFFE id must be one of these. Then its names matter only if `name` is given: mesh certificates have none.
    pub identities: Vec<Expected>,
    /// Ours, for upstreams that ask.
    pub pair: Option<Pair>,
    /// The lowest version that is spoken.
    pub min_version: Version,
    /// Protocols by ALPN, best first. Empty: none is named.
    pub alpn: Vec<Vec<u8>>,
}

/// Makes sessions to upstreams.
pub struct Connector {
    config: Arc<ClientConfig>,
    clock: Arc<Clock>,
    name: Option<ServerName<'static>>,
    needs_name: bool,
    is_verified: bool,
    digest: [u8; 32],
}

impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Connector")
    }
}

impl Connector {
    /// Checks the demand.
    pub fn new(demand: &Demand) -> Result<Connector, Unusable> {
        Connector::speaking(Spoken::All, demand)
    }

    /// The same with less to choose from.
    pub fn speaking(spoken: Spoken, demand: &Demand) -> Result<Connector, Unusable> {
        let name = match &demand.name {
            Some(name) => Some(server_name(name)?),
            None => None,
        };
        let is_verified = matches!(demand.verify, Verify::By(_));
        let needs_name = is_verified && (demand.identities.is_empty() || name.is_some());
        let verifier: Arc<dyn ServerCertVerifier> = match &demand.verify {
            Verify::By(trust) => Arc::new(OfServers::new(
                trust,
                needs_name,
                demand.identities.clone(),
            )?),
            Verify::Nothing if !demand.identities.is_empty() => {
                return Err(Unusable::Contradiction(
                    "an identity is expected of who is not verified".into(),
                ));
            }
            Verify::Nothing => Arc::new(OfAnyone),
        };
        let clock = Arc::new(Clock::default());
        let builder = ClientConfig::builder_with_details(spoken.provider(), clock.clone())
            .with_protocol_versions(spoken.versions(demand.min_version))
            .map_err(|error| Unusable::Contradiction(error.to_string()))?
            .dangerous()
            .with_custom_certificate_verifier(verifier);
        let mut config = match &demand.pair {
            Some(pair) => builder
                .with_client_cert_resolver(Arc::new(SingleCertAndKey::from((*pair.key).clone()))),
            None => builder.with_no_client_auth(),
        };
        config.alpn_protocols = demand.alpn.clone();
        config.resumption = Resumption::store(Arc::new(Sessions::default()));
        Ok(Connector {
            config: Arc::new(config),
            clock,
            name,
            needs_name,
            is_verified,
            digest: digest(spoken, demand),
        })
    }

    /// The same for demands that verify in the same way and say the same of us: what a pool may lend to each other.
    pub fn digest(&self) -> &[u8; 32] {
        &self.digest
    }

    /// For a connection that was made to this host: a name, or an IP address without brackets.
    pub fn session(&self, host: &str, now: u64) -> Result<Session, Unusable> {
        self.clock.set(now);
        let name = match (&self.name, server_name(host)) {
            (Some(name), _) => name.clone(),
            (None, Ok(name)) => name,
            // Nobody asks for it and nobody compares it: an address is not sent.
            (None, Err(_)) if !self.needs_name => server_name("0.0.0.0")?,
            (None, Err(error)) => return Err(error),
        };
        let connection = ClientConnection::new(self.config.clone(), name)
            .map_err(|error| Unusable::Contradiction(Fault::from(error).to_string()))?;
        Ok(Session::client(
            connection,
            self.clock.clone(),
            self.is_verified,
        ))
    }
}

fn server_name(text: &str) -> Result<ServerName<'static>, Unusable> {
    ServerName::try_from(text.to_owned()).map_err(|_| Unusable::NoServerName(text.to_owned()))
}

fn digest(spoken: Spoken, demand: &Demand) -> [u8; 32] {
    let mut seen = Vec::new();
    match &demand.verify {
        Verify::By(trust) => seen.extend_from_slice(trust.digest()),
        Verify::Nothing => seen.extend_from_slice(b"nothing"),
    }
    let pair = demand.pair.as_ref().map(Pair::sha256);
    let rest = format!(
        "{:?}{:?}{:?}{:?}{:?}{spoken:?}",
        demand.name, demand.identities, pair, demand.min_version, demand.alpn
    );
    seen.extend_from_slice(rest.as_bytes());
    sha256(&seen)
}
