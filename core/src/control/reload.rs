//! A configuration comes into force, or is refused: all or nothing, and said either way.
//!
//! Not here: when to reload (`mod`, `watch`).

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use ringway_config::{Config, Source};

use super::status::{Phase, Refusal, Running, Status};
use super::systemd::Notify;
use super::{ConfigFiles, Proxy, Rejected, ReloadEvents, utc};
use crate::admin::Admin;

/// All that a reload touches.
pub(super) struct Control<P, E> {
    pub(super) proxy: P,
    pub(super) files: ConfigFiles,
    pub(super) status: Status,
    pub(super) admin: Admin,
    pub(super) events: E,
    pub(super) notify: Notify,
}

/// A configuration that passed its check, with what belongs to it.
struct Candidate {
    config: Config,
    sources: Vec<Source>,
    hash: u64,
    token: Option<String>,
}

impl<P: Proxy, E: ReloadEvents> Control<P, E> {
    /// The first configuration. It was checked by whoever loaded `files`.
    pub(super) fn begin(&mut self, config: Config) -> Result<(), Rejected> {
        let (sources, hash) = self
            .files
            .last()
            .map_or((Vec::new(), 0), |read| (read.sources.clone(), read.hash));
        let token = self.files.token().map(str::to_owned);
        self.put_in_force(Candidate {
            config,
            sources,
            hash,
            token,
        })
    }

    /// Say that all is up.
    pub(super) fn ready(&self) {
        self.status.update(|facts| facts.phase = Phase::Ready);
        self.notify.ready("serving");
        tracing::info!("ready");
    }

    /// How long a stop may take, by the configuration that runs.
    pub(super) fn drain_time(&self) -> Duration {
        let running = self.status.facts().running;
        running.map_or(Duration::ZERO, |running| running.config.server.drain)
    }

    /// Read the files and follow them. Unless `anyway`, files that read as the running configuration change nothing.
    pub(super) fn reload(&mut self, anyway: bool) {
        self.notify.reloading();
        let outcome = self.follow_files(anyway);
        if let Err(rejected) = outcome {
            self.refuse(rejected);
        }
        let refused = self.status.facts().rejected.is_some();
        self.notify.ready(if refused {
            "serving; the last configuration was refused"
        } else {
            "serving"
        });
    }

    fn follow_files(&mut self, anyway: bool) -> Result<(), Rejected> {
        let loaded = self
            .files
            .load()
            .map_err(|line| Rejected::lines(vec![line]))?;
        let facts = self.status.facts();
        if !anyway && facts.running.is_some_and(|r| r.hash == loaded.hash) {
            if facts.rejected.is_some() {
                self.status.update(|facts| facts.rejected = None);
                tracing::info!("the files are again as they run");
            }
            return Ok(());
        }
        let (sources, hash) = (loaded.sources.clone(), loaded.hash);
        let token = loaded.token.clone();
        let (config, warnings) = loaded.accept()?;
        for line in warnings {
            tracing::warn!("{line}");
        }
        self.put_in_force(Candidate {
            config,
            sources,
            hash,
            token,
        })?;
        tracing::info!(hash = %format_args!("{hash:016x}"), "reloaded");
        Ok(())
    }

    /// What can fail comes first: admin sockets, then the proxy. After that nothing fails.
    fn put_in_force(&mut self, candidate: Candidate) -> Result<(), Rejected> {
        let prepared = self
            .admin
            .prepare(&candidate.config.admin.bind)
            .map_err(Rejected::lines)?;
        let notes = self
            .proxy
            .apply(&candidate.config)
            .map_err(Rejected::lines)?;
        let before = self.status.facts();
        let listeners = self.proxy.listeners();
        let changes = before
            .running
            .map(|old| ringway_config::diff(&old.config, &candidate.config));
        let guarded = candidate.token.is_some();
        self.status.update(|facts| {
            facts.token = candidate.token.map(Arc::from);
            facts.listeners.clone_from(&listeners);
            facts.rejected = None;
            facts.running = Some(Arc::new(Running {
                config: candidate.config,
                sources: candidate.sources,
                hash: candidate.hash,
                since: SystemTime::now(),
            }));
        });
        // With the new token in force, before anybody can ask.
        let admin = self.admin.commit(prepared);
        self.events.applied();
        for line in changes.unwrap_or_default() {
            tracing::info!("{line}");
        }
        for line in notes {
            tracing::warn!("{line}");
        }
        for address in admin {
            tracing::info!(%address, token = guarded, "admin");
            if !guarded && open_to_others(&address) {
                tracing::warn!(%address, "others can read the configuration and the metrics there; set admin.token");
            }
        }
        for new in listeners.iter().filter(|l| !before.listeners.contains(l)) {
            tracing::info!(listener = %new.0, address = %new.1, "listening");
        }
        Ok(())
    }

    /// What runs goes on.
    fn refuse(&mut self, rejected: Rejected) {
        for line in &rejected.lines {
            tracing::error!("{line}");
        }
        let errors = rejected.errors;
        self.events.rejected(errors);
        let since = self.status.facts().running.map(|running| running.since);
        self.status.update(|facts| {
            facts.rejected = Some(Refusal {
                at: SystemTime::now(),
                lines: rejected.lines,
            });
        });
        let since = since.map(utc).unwrap_or_default();
        tracing::error!(
            errors,
            "reload refused; the configuration of {since} goes on"
        );
    }
}

/// Whether an admin address, as shown, can be reached from other machines. Unix sockets are guarded by their permissions.
fn open_to_others(address: &str) -> bool {
    let address: Result<SocketAddr, _> = address.parse();
    address.is_ok_and(|address| !address.ip().to_canonical().is_loopback())
}

#[cfg(test)]
mod tests {
    use super::open_to_others;

    #[test]
    fn addresses_that_others_reach() {
        let cases = [
            ("0.0.0.0:9901", true),
            ("[::]:9901", true),
            ("10.0.0.1:9901", true),
            ("127.0.0.1:9901", false),
            ("[::1]:9901", false),
            ("[::ffff:127.0.0.1]:9901", false),
            ("unix:/run/ringway/admin.sock", false),
        ];
        for (address, expected) in cases {
            assert_eq!(open_to_others(address), expected, "{address}");
        }
    }
}
