//! Sessions to upstreams that can be resumed, of one connector, shared by workers.
//!
//! Not here: sessions of clients (`tickets`).

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::{Mutex, MutexGuard};

use rustls::NamedGroup;
use rustls::client::{ClientSessionStore, Tls12ClientSessionValue, Tls13ClientSessionValue};
use rustls::pki_types::ServerName;

/// A connector has one name, or one for each endpoint.
const NAMES: usize = 256;
/// A ticket is used once, and connections are made in bursts.
const OF_NAME: usize = 16;

/// By server name. Nobody waits for anybody: where the lock is held, the handshake is a full one.
#[derive(Default)]
pub(crate) struct Sessions(Mutex<HashMap<ServerName<'static>, Known>>);

#[derive(Default)]
struct Known {
    group: Option<NamedGroup>,
    tls12: Option<Tls12ClientSessionValue>,
    tls13: VecDeque<Tls13ClientSessionValue>,
}

impl fmt::Debug for Sessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sessions")
    }
}

impl Sessions {
    fn look(&self) -> Option<MutexGuard<'_, HashMap<ServerName<'static>, Known>>> {
        self.0.try_lock().ok()
    }

    fn note(&self, name: ServerName<'static>, write: impl FnOnce(&mut Known)) {
        let Some(mut all) = self.look() else { return };
        if all.len() >= NAMES && !all.contains_key(&name) {
            // Any of them: they cost a full handshake when they come again.
            let Some(other) = all.keys().next().cloned() else {
                return;
            };
            all.remove(&other);
        }
        write(all.entry(name).or_default());
    }
}

impl ClientSessionStore for Sessions {
    fn set_kx_hint(&self, name: ServerName<'static>, group: NamedGroup) {
        self.note(name, |known| known.group = Some(group));
    }

    fn kx_hint(&self, name: &ServerName<'_>) -> Option<NamedGroup> {
        self.look()?.get(&name.to_owned())?.group
    }

    fn set_tls12_session(&self, name: ServerName<'static>, session: Tls12ClientSessionValue) {
        self.note(name, |known| known.tls12 = Some(session));
    }

    fn tls12_session(&self, name: &ServerName<'_>) -> Option<Tls12ClientSessionValue> {
        self.look()?.get(&name.to_owned())?.tls12.clone()
    }

    fn remove_tls12_session(&self, name: &ServerName<'static>) {
        self.note(name.clone(), |known| known.tls12 = None);
    }

    fn insert_tls13_ticket(&self, name: ServerName<'static>, session: Tls13ClientSessionValue) {
        self.note(name, |known| {
            if known.tls13.len() >= OF_NAME {
                known.tls13.pop_front();
            }
            known.tls13.push_back(session);
        });
    }

    fn take_tls13_ticket(&self, name: &ServerName<'static>) -> Option<Tls13ClientSessionValue> {
        self.look()?.get_mut(name)?.tls13.pop_back()
    }
}
