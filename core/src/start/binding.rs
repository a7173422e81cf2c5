//! Sockets for the listeners of a configuration: those that stand are kept, new ones are bound for every worker, all or nothing. Who accepts on them
//! is the workers' affair.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;

use ringway_config::{self as config, Bind, Config, Intercept};

use super::{Bound, Supervisor};
use crate::assemble::door_key;
use crate::intercept::privilege;
use crate::plan::DoorKey;
use crate::socket_file::Permit;
use crate::sockets::{self, Local, NewDatagrams, NewDoor, Takes};
use crate::spread::Crowd;

impl Supervisor {
    /// Sockets for the doors that are new with `config`: one of each for every worker. All or nothing.
    pub(super) fn bind(&self, config: &Config) -> Result<Bound, Vec<String>> {
        let mut errors = Vec::new();
        let mut bound = HashMap::new();
        let mut by_worker: Vec<_> = self
            .lanes
            .iter()
            .map(|_| <(Vec<_>, Vec<_>)>::default())
            .collect();
        for listener in &config.listeners {
            for bind in &listener.bind {
                let key = door_key(listener, bind);
                let opened = match self.doors.get(&key) {
                    Some(known) => keep(bind, known).map(|()| known.clone()),
                    None => self.open(&key, bind, listener, &mut by_worker),
                };
                match opened {
                    Ok(local) => {
                        bound.insert(key, local);
                    }
                    Err(error) => errors.push(format!(
                        "{}:{}: listener `{}`: cannot listen on {bind}: {error}",
                        listener.at.path, listener.at.line, listener.name
                    )),
                }
            }
        }
        if errors.is_empty() {
            Ok(Bound {
                doors: bound,
                by_worker,
            })
        } else {
            Err(errors)
        }
    }

    /// Sockets on an address that none of ours is bound to, one for each worker.
    fn open(
        &self,
        key: &DoorKey,
        bind: &Bind,
        listener: &config::Listener,
        by_worker: &mut [(Vec<NewDoor>, Vec<NewDatagrams>)],
    ) -> Result<Local, String> {
        let (local, sockets) = match bind {
            Bind::Unix(unix) => sockets::listen_unix(unix, self.lanes.len())?,
            Bind::Tcp(address) if listener.udp.is_some() => {
                return self.open_datagrams(key, *address, by_worker);
            }
            Bind::Tcp(address) => self.open_streams(*address, listener)?,
        };
        let crowd = Crowd::new(key.clone(), self.lanes.len());
        for ((doors, _), socket) in by_worker.iter_mut().zip(sockets) {
            let crowd = crowd.clone();
            doors.push(NewDoor { socket, crowd });
        }
        Ok(local)
    }

    fn open_streams(
        &self,
        address: SocketAddr,
        listener: &config::Listener,
    ) -> Result<(Local, Vec<OwnedFd>), String> {
        let takes = match listener.intercept {
            Intercept::Tproxy => Takes::AnyAddress,
            Intercept::Off | Intercept::Redirect => Takes::ItsAddress,
        };
        // On a port that we hold already (`127.0.0.1:80` becomes `:80`) the question whether it is free has no answer.
        let is_it = |l: &Local| l.tcp().is_some_and(|a| a.port() == address.port());
        let ours = self.doors.values().any(is_it);
        let (local, sockets) = sockets::listen(address, self.lanes.len(), ours, takes)
            .map_err(|e| format!("{e}{}", privilege::hint(&e, takes)))?;
        let sockets = sockets.into_iter().map(OwnedFd::from).collect();
        Ok((Local::Tcp(local), sockets))
    }

    fn open_datagrams(
        &self,
        key: &DoorKey,
        address: SocketAddr,
        by_worker: &mut [(Vec<NewDoor>, Vec<NewDatagrams>)],
    ) -> Result<Local, String> {
        let ours = self.datagram_ports.contains(&address.port());
        let (local, sockets) = sockets::listen_for_datagrams(address, self.lanes.len(), ours)
            .map_err(|e| e.to_string())?;
        for ((_, doors), socket) in by_worker.iter_mut().zip(sockets) {
            let key = key.clone();
            doors.push(NewDatagrams { key, socket });
        }
        Ok(Local::Udp(local))
    }
}

/// A reload keeps the socket; who may connect to its file may have changed.
fn keep(bind: &Bind, known: &Local) -> Result<(), String> {
    match (bind, known) {
        (Bind::Unix(unix), Local::File(file)) => {
            let permit = Permit::of(unix)?;
            file.permit(&permit).map_err(|e| e.to_string())
        }
        _ => Ok(()),
    }
}
