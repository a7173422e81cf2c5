//! TLS of load and origin: what both sides pin, so that all proxies do the same work, and sessions made of a run's certificates.
//!
//! Not the bytes of a connection (`wire`), and not how a proxy is told (`peers`).

mod blocking;
mod files;
mod wire;

use std::cell::Cell;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use ringway_io::Stream;
use ringway_tls::{
    Acceptor, Clients, Connector, Demand, Facts, Offer, Pair, Session, Spoken, Tickets, Trust,
    Verify, Version,
};

use crate::message::HOST;
use crate::scenario::Tls;
pub(crate) use blocking::Blocking;
pub(crate) use files::write;
use files::{AUTHORITY, CLIENT, SERVER};
pub(crate) use wire::Wire;

/// What `Spoken::Least` comes to.
const CIPHER: &str = "TLS_AES_128_GCM_SHA256";

/// Unix time.
fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs())
}

fn pair(folder: &Path, name: &str) -> io::Result<Pair> {
    let chain = std::fs::read(folder.join(format!("{name}.pem")))?;
    let key = std::fs::read(folder.join(format!("{name}.key")))?;
    Pair::read(&chain, &key, None).map_err(|(_, why)| io::Error::other(format!("{name}: {why}")))
}

fn trust(folder: &Path) -> io::Result<Trust> {
    let root = std::fs::read(folder.join(AUTHORITY))?;
    Trust::read(&[&root], &[]).map_err(|(_, why)| io::Error::other(why.to_string()))
}

/// What clients of this scenario demand. Who serves is verified once, before the load: to verify it with each handshake would cost the load
/// what it needs for more of them. (That the server has the key of what it shows is verified always.)
fn demand(tls: &Tls, folder: &Path, verify: Verify) -> io::Result<Demand> {
    Ok(Demand {
        verify,
        name: None,
        identities: Vec::new(),
        pair: match tls.mutual {
            true => Some(pair(folder, CLIENT)?),
            false => None,
        },
        min_version: Version::Tls13,
        alpn: Vec::new(),
    })
}

fn connector(demand: &Demand) -> io::Result<Connector> {
    Connector::speaking(Spoken::Least, demand).map_err(|why| io::Error::other(why.to_string()))
}

fn session(connector: &Connector) -> io::Result<Session> {
    let session = connector.session(HOST, now());
    session.map_err(|why| io::Error::other(why.to_string()))
}

/// Is this what the scenario is about?
fn check(facts: &Facts, resumes: bool) -> io::Result<()> {
    let made = (facts.version, facts.cipher, facts.resumed);
    if made == (Version::Tls13, CIPHER, resumes) {
        return Ok(());
    }
    let wanted = match resumes {
        true => "a resumed handshake",
        false => "a full handshake",
    };
    Err(io::Error::other(format!(
        "not {wanted} of TLS 1.3 with {CIPHER}: {facts:?}"
    )))
}

/// A client, with a memory of its own of sessions that it may resume.
pub(crate) struct Client {
    demand: Demand,
    connector: Connector,
    resumes: bool,
    has_session: Cell<bool>,
}

impl Client {
    /// For this scenario, with the certificates that lie there.
    pub(crate) fn new(tls: &Tls, folder: &Path) -> io::Result<Client> {
        let demand = demand(tls, folder, Verify::Nothing)?;
        Ok(Client {
            connector: connector(&demand)?,
            demand,
            resumes: tls.resume,
            has_session: Cell::new(false),
        })
    }

    /// The same with an empty memory.
    pub(crate) fn another(&self) -> io::Result<Client> {
        Ok(Client {
            connector: connector(&self.demand)?,
            demand: self.demand.clone(),
            resumes: self.resumes,
            has_session: Cell::new(false),
        })
    }

    /// Make the handshake, the first of a client a full one, later ones as the scenario says. Within the stream's deadline.
    pub(crate) async fn secure(&self, stream: Stream) -> io::Result<Wire> {
        let session = match self.resumes {
            true => session(&self.connector)?,
            // A memory of its own for each connection is none.
            false => session(&connector(&self.demand)?)?,
        };
        let wire = Wire::shake(stream, session).await?;
        let resumes = self.has_session.replace(self.resumes);
        wire.check(|facts| check(facts, resumes))?;
        Ok(wire)
    }
}

/// The origin's side: whoever comes must have a certificate.
#[derive(Clone)]
pub(crate) struct Server(Arc<Acceptor>);

impl Server {
    /// With the certificates that lie there.
    pub(crate) fn new(folder: &Path) -> io::Result<Server> {
        let offer = Offer {
            pairs: vec![pair(folder, SERVER)?],
            min_version: Version::Tls13,
            alpn: Vec::new(),
            clients: Clients::Required(trust(folder)?),
        };
        let tickets = Tickets::new(now()).map_err(|why| io::Error::other(why.to_string()))?;
        let acceptor = Acceptor::speaking(Spoken::Least, &offer, &tickets)
            .map_err(|why| io::Error::other(why.to_string()))?;
        Ok(Server(Arc::new(acceptor)))
    }

    /// Make the handshake.
    pub(crate) async fn secure(&self, stream: Stream) -> io::Result<Wire> {
        let session = self.0.session(now());
        let session = session.map_err(|fault| io::Error::other(fault.to_string()))?;
        Wire::shake(stream, session).await
    }
}
