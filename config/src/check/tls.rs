//! `[tls.x]`: unique names, what goes together, and who names one.
//! Not the files.

use crate::defaults;
use crate::findings::Findings;
use crate::model::{
    Address, CertificateFiles, ClientCert, ClusterTls, Endpoint, IdentityMatch, Tls,
};
use crate::place::{At, Span};
use crate::raw;
use crate::suggest::nearest;
use crate::units::quote;
use std::net::IpAddr;

/// All of them, and which are used.
pub(crate) struct TlsTables {
    list: Vec<Tls>,
    spans: Vec<Span>,
    used: Vec<bool>,
    torn: Vec<bool>,
}

impl TlsTables {
    pub(crate) fn read(all: &[raw::Tls], findings: &mut Findings<'_>) -> TlsTables {
        let mut tables = TlsTables {
            list: Vec::new(),
            spans: Vec::new(),
            used: Vec::new(),
            torn: Vec::new(),
        };
        for tls in all {
            let name = &tls.name;
            if let Some(first) = tables.position(&name.value) {
                let place = findings.refer(name.span, tables.spans[first]);
                let message = format!("[tls.{}] is defined twice (first: {place})", name.value);
                findings.error(name.span, message);
                continue;
            }
            check_one(tls, findings);
            tables.spans.push(name.span);
            tables.used.push(false);
            tables.torn.push(tls.torn);
            tables.list.push(Tls {
                name: name.value.clone(),
                at: findings.place(name.span),
                certificates: value(&tls.certificates),
                trust: value(&tls.trust),
                crl: value(&tls.crl),
                client_cert: tls
                    .client_cert
                    .as_ref()
                    .map_or(defaults::CLIENT_CERT, |c| c.value),
                min_version: tls.min_version.unwrap_or(defaults::MIN_VERSION),
            });
        }
        tables
    }

    fn position(&self, name: &str) -> Option<usize> {
        self.list.iter().position(|tls| tls.name == name)
    }

    fn find(&mut self, name: &At<String>, findings: &mut Findings<'_>) -> Option<usize> {
        if let Some(found) = self.position(&name.value) {
            self.used[found] = true;
            return Some(found);
        }
        let message = format!("no [tls.x] named {}", quote(&name.value));
        let names = self.list.iter().map(|tls| tls.name.as_str());
        let meant = if findings.is_crowded() {
            None
        } else {
            nearest(&name.value, names)
        };
        let help = match meant {
            Some(meant) => format!("there is \"{meant}\""),
            None => format!("write [tls.{}]", name.value),
        };
        findings.error_help(name.span, message, help);
        None
    }

    /// `tls` of a listener.
    pub(crate) fn of_listener(
        &mut self,
        name: &At<String>,
        findings: &mut Findings<'_>,
    ) -> Option<usize> {
        let found = self.find(name, findings)?;
        if self.list[found].certificates.is_empty() && !self.torn[found] {
            let place = findings.refer(name.span, self.spans[found]);
            let message = format!(
                "[tls.{}] ({place}) has no `certificates`, so no client could be answered",
                name.value
            );
            findings.error(name.span, message);
        }
        Some(found)
    }

    /// `tls` of a cluster with these endpoints.
    pub(crate) fn of_cluster(
        &mut self,
        tls: &raw::ClusterTls,
        endpoints: &[Endpoint],
        findings: &mut Findings<'_>,
    ) -> Option<ClusterTls> {
        let raw::ClusterTls::On(tls) = tls else {
            return None;
        };
        let of = tls.of.as_ref().and_then(|name| {
            let found = self.find(name, findings)?;
            if self.list[found].certificates.len() > 1 {
                let message = format!(
                    "[tls.{}] has several certificates, and a client shows one",
                    name.value
                );
                findings.error_help(name.span, message, "write a [tls.x] of its own");
            }
            Some(found)
        });
        if let Some(name) = &tls.name
            && !is_server_name(&name.value)
        {
            let message = format!("{} is neither a host nor an IP address", quote(&name.value));
            findings.error(name.span, message);
        }
        if let Some(identities) = &tls.identities {
            check_identities(identities, tls.insecure, findings);
        }
        let has_unix = |e: &Endpoint| matches!(e.address, Address::Unix(_));
        if tls.name.is_none()
            && tls.identities.is_none()
            && !tls.insecure
            && endpoints.iter().any(has_unix)
        {
            let message = "an endpoint that is a Unix socket has no name to verify";
            let help = "tls = { name = \"app.internal\" }, or `identity`";
            findings.error_help(tls.span, message, help);
        }
        Some(ClusterTls {
            of,
            name: tls
                .name
                .as_ref()
                .map(|name| name.value.to_ascii_lowercase()),
            identities: value(&tls.identities),
            insecure: tls.insecure,
        })
    }

    /// Does this one ask clients who they are?
    pub(crate) fn asks_clients(&self, position: usize) -> bool {
        self.list
            .get(position)
            .is_some_and(|tls| tls.client_cert != ClientCert::Unasked)
    }

    pub(crate) fn warn_unused(&self, findings: &mut Findings<'_>) {
        for ((tls, span), used) in self.list.iter().zip(&self.spans).zip(&self.used) {
            if !used {
                let message = format!("[tls.{}] is not used by any listener or cluster", tls.name);
                findings.warn(*span, message, None);
            }
        }
    }

    pub(crate) fn into_list(self) -> Vec<Tls> {
        self.list
    }
}

fn value<T: Clone>(list: &Option<At<Vec<T>>>) -> Vec<T> {
    list.as_ref()
        .map(|list| list.value.clone())
        .unwrap_or_default()
}

fn check_one(tls: &raw::Tls, findings: &mut Findings<'_>) {
    if tls.torn {
        return;
    }
    if tls.certificates.is_none() && tls.trust.is_none() {
        let message = format!(
            "[tls.{}] has neither `certificates` nor `trust`",
            tls.name.value
        );
        findings.error(tls.name.span, message);
        return;
    }
    if let (Some(asked), None) = (&tls.client_cert, &tls.trust) {
        let message = "`client_cert` without `trust`: nobody could be believed";
        let help = "the authorities that vouch for clients: trust = [\"/path/bundle.pem\"]";
        findings.error_help(asked.span, message, help);
    }
    if let (Some(crl), None) = (&tls.crl, &tls.trust) {
        let message = "`crl` without `trust`: the lists are of authorities that are named there";
        findings.error(crl.span, message);
    }
    let certificates = value(&tls.certificates);
    for (at, files) in certificates.iter().enumerate() {
        let is_same = |other: &CertificateFiles| other.cert == files.cert;
        if certificates[..at].iter().any(is_same)
            && let Some(list) = &tls.certificates
        {
            let message = format!("the certificate {} is listed twice", files.cert.display());
            findings.error(list.span, message);
        }
    }
}

fn check_identities(
    identities: &At<Vec<IdentityMatch>>,
    insecure: bool,
    findings: &mut Findings<'_>,
) {
    if insecure {
        let message = "`identity` and `insecure = true` contradict each other";
        findings.error(identities.span, message);
    }
    for identity in &identities.value {
        let text = match identity {
            IdentityMatch::Any => "*",
            IdentityMatch::Exact(id) => id,
            IdentityMatch::Below(above) => above.trim_end_matches('/'),
        };
        if let Err(fault) = raw::check_spiffe(text) {
            let help = "e.g. \"spiffe://example.org/web\", or \"spiffe://example.org/*\" for all of a trust domain; a name stands in `name`";
            findings.fault(identities.span, fault.help(help));
        }
    }
}

fn is_server_name(name: &str) -> bool {
    name.parse::<IpAddr>().is_ok() || raw::host_fault(name).is_none()
}
