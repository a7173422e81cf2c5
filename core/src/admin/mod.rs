//! The admin listener: metrics, health, and the configuration that runs, over HTTP on a Unix socket or on TCP.
//!
//! It runs on the side thread and only reads: what it says comes from `control::Status` and from the metrics' own renderer.
//! Not here: the sockets (`bind`), each answer (`answers`).

mod answers;
mod bind;
mod connection;
mod redact;

use std::sync::Arc;

use ringway_config::AdminBind;
use tokio::runtime::Handle;
use tokio::task::JoinHandle;

use crate::control::Status;
use crate::socket_file::SocketFile;
use bind::Bound;

/// Renders the metrics (Prometheus text format 0.0.4).
pub type Metrics = Arc<dyn Fn() -> String + Send + Sync>;

/// The admin listeners of this process. Dropping it closes them and removes their socket files.
pub struct Admin {
    runtime: Handle,
    routes: axum::Router,
    open: Vec<Open>,
}

/// One address that is served.
struct Open {
    wanted: AdminBind,
    accepting: JoinHandle<()>,
    /// Removes the socket's file at the end.
    _file: Option<SocketFile>,
}

/// Addresses that were bound but are not served yet. Dropping it gives them back.
#[derive(Debug)]
pub struct Prepared {
    wanted: Vec<AdminBind>,
    fresh: Vec<(AdminBind, Bound)>,
}

impl Admin {
    /// No address yet. Connections will be served by `runtime`.
    pub fn new(runtime: Handle, status: Status, metrics: Metrics) -> Admin {
        Admin {
            runtime,
            routes: answers::routes(status, metrics),
            open: Vec::new(),
        }
    }

    /// Bind what is new in `wanted`. Nothing is served by it and nothing of what is served changes.
    ///
    /// # Errors
    /// A line for each address that cannot be bound.
    pub fn prepare(&self, wanted: &[AdminBind]) -> Result<Prepared, Vec<String>> {
        let mut fresh = Vec::new();
        let mut faults = Vec::new();
        for address in wanted {
            if self.open.iter().any(|open| open.wanted == *address) {
                continue;
            }
            match bind::bind(address) {
                Ok(bound) => fresh.push((address.clone(), bound)),
                Err(why) => faults.push(format!("admin.bind: {why}")),
            }
        }
        if !faults.is_empty() {
            return Err(faults);
        }
        let wanted = wanted.to_vec();
        Ok(Prepared { wanted, fresh })
    }

    /// Serve what was prepared, and stop serving what is no longer wanted. Returns what came new, as to be shown.
    pub fn commit(&mut self, prepared: Prepared) -> Vec<String> {
        self.open
            .retain(|open| prepared.wanted.contains(&open.wanted) || !open.close());
        let mut shown = Vec::new();
        for (wanted, bound) in prepared.fresh {
            let address = bound.to_string();
            match self.serve(bound) {
                Ok((accepting, _file)) => {
                    shown.push(address);
                    self.open.push(Open {
                        wanted,
                        accepting,
                        _file,
                    });
                }
                Err(error) => tracing::error!(%address, %error, "admin cannot be served"),
            }
        }
        shown
    }

    fn serve(&self, bound: Bound) -> std::io::Result<(JoinHandle<()>, Option<SocketFile>)> {
        let _inside = self.runtime.enter();
        let routes = self.routes.clone();
        Ok(match bound {
            Bound::Tcp(socket) => {
                let socket = tokio::net::TcpListener::from_std(socket)?;
                let serving = axum::serve(connection::Bounded::new(socket), routes);
                (self.runtime.spawn(async { _ = serving.await }), None)
            }
            Bound::Unix(socket, file) => {
                let socket = tokio::net::UnixListener::from_std(socket)?;
                let serving = axum::serve(connection::Bounded::new(socket), routes);
                (self.runtime.spawn(async { _ = serving.await }), Some(file))
            }
        })
    }
}

impl Open {
    fn close(&self) -> bool {
        self.accepting.abort();
        true
    }
}

impl Drop for Admin {
    fn drop(&mut self) {
        for open in &self.open {
            open.close();
        }
    }
}

#[cfg(test)]
mod tests;
