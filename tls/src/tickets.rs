//! Sessions that clients resume: tickets under keys that all workers and all plans share, which rotate; and, for clients of TLS 1.2 without
//! tickets, a bounded store.
//!
//! Not here: sessions to upstreams (`sessions`).

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, RwLock};

use rustls::server::{ProducesTickets, StoresServerSessions};

use crate::clock::Clock;
use crate::fault::Fault;
use crate::provider;

/// A key makes tickets for so long, and is understood for as long again. Chosen as rustls does: a day's work of a visitor resumes, and what a
/// stolen key opens is half a day.
const TURN_S: u64 = 6 * 60 * 60;

/// The stored sessions are at most `SHARDS * OF_SHARD`, about 300 bytes each: a megabyte. Clients without tickets are rare.
const SHARDS: usize = 16;
const OF_SHARD: usize = 256;

/// Shared by all acceptors for as long as the process lives, so that a reload forgets nothing. Nobody waits for anybody: where a lock is held,
/// the client makes a full handshake.
pub struct Tickets {
    keys: RwLock<Keys>,
    stored: [Mutex<Shard>; SHARDS],
}

struct Keys {
    current: Arc<dyn ProducesTickets>,
    previous: Option<Arc<dyn ProducesTickets>>,
    since: u64,
}

#[derive(Default)]
struct Shard {
    sessions: HashMap<Vec<u8>, Vec<u8>>,
    order: VecDeque<Vec<u8>>,
}

impl fmt::Debug for Tickets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tickets")
    }
}

impl Tickets {
    /// With a fresh key.
    pub fn new(now: u64) -> Result<Arc<Tickets>, Fault> {
        Ok(Arc::new(Tickets {
            keys: RwLock::new(Keys {
                current: provider::ticket_key()?,
                previous: None,
                since: now,
            }),
            stored: std::array::from_fn(|_| Mutex::default()),
        }))
    }

    /// Replace the key if its time is over. Handshakes do it by themselves; called now and then it also forgets keys where none come.
    pub fn rotate(&self, now: u64) {
        let is_due = |keys: &Keys| now >= keys.since.saturating_add(TURN_S);
        if !self.keys.try_read().is_ok_and(|keys| is_due(&keys)) {
            return;
        }
        let Ok(fresh) = provider::ticket_key() else {
            return;
        };
        if let Ok(mut keys) = self.keys.try_write()
            && is_due(&keys)
        {
            let is_recent = now < keys.since.saturating_add(2 * TURN_S);
            let old = std::mem::replace(&mut keys.current, fresh);
            keys.previous = is_recent.then_some(old);
            keys.since = now;
        }
    }

    fn shard(&self, id: &[u8]) -> &Mutex<Shard> {
        &self.stored[usize::from(id.first().copied().unwrap_or(0)) % SHARDS]
    }
}

/// The tickets of those who were verified in the same way. A session says who the client is: where the trust bundle, the lists or the demand
/// for a certificate are other ones, it is worth nothing.
pub(crate) struct Realm {
    pub(crate) tickets: Arc<Tickets>,
    pub(crate) clock: Arc<Clock>,
    pub(crate) mark: [u8; 32],
}

impl fmt::Debug for Realm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Realm")
    }
}

impl Realm {
    fn marked(&self, session: &[u8]) -> Vec<u8> {
        [&self.mark, session].concat()
    }

    fn unmarked(&self, mut session: Vec<u8>) -> Option<Vec<u8>> {
        session.starts_with(&self.mark).then(|| {
            session.drain(..self.mark.len());
            session
        })
    }
}

impl ProducesTickets for Realm {
    fn enabled(&self) -> bool {
        true
    }

    fn lifetime(&self) -> u32 {
        (2 * TURN_S) as u32
    }

    fn encrypt(&self, session: &[u8]) -> Option<Vec<u8>> {
        self.tickets.rotate(self.clock.get());
        let keys = self.tickets.keys.try_read().ok()?;
        keys.current.encrypt(&self.marked(session))
    }

    fn decrypt(&self, ticket: &[u8]) -> Option<Vec<u8>> {
        self.tickets.rotate(self.clock.get());
        let keys = self.tickets.keys.try_read().ok()?;
        let older = || keys.previous.as_ref()?.decrypt(ticket);
        self.unmarked(keys.current.decrypt(ticket).or_else(older)?)
    }
}

impl StoresServerSessions for Realm {
    fn put(&self, id: Vec<u8>, session: Vec<u8>) -> bool {
        let Ok(mut shard) = self.tickets.shard(&id).try_lock() else {
            return false;
        };
        if shard.order.len() >= OF_SHARD
            && let Some(oldest) = shard.order.pop_front()
        {
            shard.sessions.remove(&oldest);
        }
        shard.order.push_back(id.clone());
        shard.sessions.insert(id, self.marked(&session));
        true
    }

    fn get(&self, id: &[u8]) -> Option<Vec<u8>> {
        let shard = self.tickets.shard(id).try_lock().ok()?;
        self.unmarked(shard.sessions.get(id)?.clone())
    }

    fn take(&self, id: &[u8]) -> Option<Vec<u8>> {
        let mut shard = self.tickets.shard(id).try_lock().ok()?;
        // Its place in the order is left: it goes with its turn.
        self.unmarked(shard.sessions.remove(id)?)
    }

    fn can_cache(&self) -> bool {
        true
    }
}
