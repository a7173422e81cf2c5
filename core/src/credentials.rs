//! Certificates, keys, trust bundles and revocation lists: from files to what makes sessions. Runs on the side thread, when a configuration
//! is loaded or one of the files has changed; what cannot be used then is said, and what was in force before stays. It judges nothing
//! itself (`ringway_tls` does), and watches nothing (`control` does).

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ringway_config::{
    CertificateFiles, ClientCert, Cluster, ClusterTls, Config, IdentityMatch, Protocol, Tls,
    TlsVersion,
};
use ringway_tls::{
    Acceptor, Clients, Connector, Demand, Expected, Offer, Pair, Part, Tickets, Trust, Unusable,
    Verify, Version,
};
use zeroize::Zeroizing;

use crate::control::read_bounded;
use crate::plan::CertificatePlan;

/// Largest file. Revocation lists of large authorities have megabytes.
pub(crate) const FILE_BYTES: u64 = 32 << 20;
/// From so many days before its end a certificate is spoken of.
const SOON_DAYS: u64 = 30;
const DAY_S: u64 = 24 * 60 * 60;

/// The files of a bundle: roots, lists.
type TrustFiles = (Vec<PathBuf>, Vec<PathBuf>);

/// What is in force, kept for when its files break.
#[derive(Debug)]
pub(crate) struct Credentials {
    /// Of all acceptors for as long as the process lives: sessions are resumed over reloads.
    tickets: Arc<Tickets>,
    used: Used,
    /// By cluster. A connector that demands the same stays, with the sessions that it can resume.
    connectors: HashMap<String, Arc<Connector>>,
}

/// What was read for one configuration.
#[derive(Debug, Default)]
struct Used {
    pairs: HashMap<CertificateFiles, Pair>,
    bundles: HashMap<TrustFiles, Trust>,
    system: Option<Trust>,
}

/// Acceptors and connectors of one configuration, by the index of their listener and cluster.
#[derive(Debug, Default)]
pub(crate) struct Material {
    used: Used,
    pub(crate) acceptors: HashMap<usize, Arc<Acceptor>>,
    pub(crate) connectors: HashMap<usize, Arc<Connector>>,
    pub(crate) certificates: Vec<CertificatePlan>,
    /// For people: what works and is not as it should be.
    pub(crate) notes: Vec<String>,
}

impl Credentials {
    /// With fresh keys for tickets.
    pub(crate) fn new(now: u64) -> Result<Credentials, String> {
        Ok(Credentials {
            tickets: Tickets::new(now).map_err(|fault| fault.to_string())?,
            used: Used::default(),
            connectors: HashMap::new(),
        })
    }

    /// Read what `config` names, and make of it what its listeners and clusters need. Every fault is a line in `errors`.
    pub(crate) fn read(&self, config: &Config, now: u64, errors: &mut Vec<String>) -> Material {
        let mut reading = Reading {
            before: self,
            now,
            material: Material::default(),
            errors,
        };
        for tls in &config.tls {
            reading.files(tls);
        }
        for (index, listener) in config.listeners.iter().enumerate() {
            if let Some(tls) = listener.tls {
                let alpn: &[&[u8]] = if listener.tcp.is_some() {
                    &[]
                } else {
                    &[b"h2", b"http/1.1"]
                };
                reading.acceptor(index, &config.tls[tls], alpn);
            }
        }
        for (index, cluster) in config.clusters.iter().enumerate() {
            if let Some(tls) = &cluster.tls {
                reading.connector(index, cluster, tls, config);
            }
        }
        reading.material
    }

    /// `material` is in force now.
    pub(crate) fn keep(&mut self, config: &Config, material: Material) {
        self.used = material.used;
        let connectors = material.connectors.into_iter();
        self.connectors = connectors
            .map(|(index, connector)| (config.clusters[index].name.clone(), connector))
            .collect();
    }
}

/// What the files are good for, for whoever checks without serving.
#[derive(Debug, Default)]
pub struct Judged {
    /// Why a start with them would be refused.
    pub errors: Vec<String>,
    /// What works and is not as it should be.
    pub warnings: Vec<String>,
}

/// Read all that a configuration names, as a start at `now` (Unix time in seconds) would.
pub fn judge(config: &Config, now: u64) -> Judged {
    let mut judged = Judged::default();
    match Credentials::new(now) {
        Ok(credentials) => {
            judged.warnings = credentials.read(config, now, &mut judged.errors).notes;
        }
        Err(why) => judged.errors.push(why),
    }
    judged
}

/// One reading.
struct Reading<'r> {
    before: &'r Credentials,
    now: u64,
    material: Material,
    errors: &'r mut Vec<String>,
}

impl Reading<'_> {
    /// Everything that a `[tls.x]` names.
    fn files(&mut self, tls: &Tls) {
        for files in &tls.certificates {
            self.pair(tls, files);
        }
        if !tls.trust.is_empty() {
            self.bundle(tls);
        }
    }

    fn pair(&mut self, tls: &Tls, files: &CertificateFiles) {
        if self.material.used.pairs.contains_key(files) {
            return;
        }
        let old = self.before.used.pairs.get(files);
        let read = read_pair(files).and_then(|pair| {
            let judged = pair.judge(self.now);
            // A pair that is not in its time is taken where there is no better one: who serves several names serves the others.
            match (judged, old) {
                (Err(why), Some(_)) => Err(format!("{} {why}", files.cert.display())),
                (Err(why), None) => {
                    let line = format!("[tls.{}]: {} {why}", tls.name, files.cert.display());
                    self.material.notes.push(line);
                    Ok(pair)
                }
                (Ok(()), _) => Ok(pair),
            }
        });
        let Some(pair) = self.or_before(tls, read, old) else {
            return;
        };
        self.say(tls, files, &pair);
        self.material.used.pairs.insert(files.clone(), pair);
    }

    fn bundle(&mut self, tls: &Tls) {
        let key = (tls.trust.clone(), tls.crl.clone());
        if self.material.used.bundles.contains_key(&key) {
            return;
        }
        let old = self.before.used.bundles.get(&key);
        let read = read_bundle(tls);
        if let Some(trust) = self.or_before(tls, read, old) {
            self.material.used.bundles.insert(key, trust);
        }
    }

    /// What was read, else what is in force, loudly, else an error.
    fn or_before<T: Clone>(
        &mut self,
        tls: &Tls,
        read: Result<T, String>,
        before: Option<&T>,
    ) -> Option<T> {
        match (read, before) {
            (Ok(read), _) => Some(read),
            (Err(why), Some(before)) => {
                tracing::error!(tls = tls.name, "{why}; what was read before stays in force");
                Some(before.clone())
            }
            (Err(why), None) => {
                let (path, line) = (&tls.at.path, tls.at.line);
                self.errors
                    .push(format!("{path}:{line}: [tls.{}]: {why}", tls.name));
                None
            }
        }
    }

    /// Note when it ends, and what is odd about it.
    fn say(&mut self, tls: &Tls, files: &CertificateFiles, pair: &Pair) {
        let file = files.cert.display().to_string();
        for warning in pair.warnings(self.now) {
            let line = format!("[tls.{}]: {file} {warning}", tls.name);
            self.material.notes.push(line);
        }
        let certificate = CertificatePlan {
            tls: tls.name.clone(),
            file,
            not_after: pair.not_after(),
        };
        self.material
            .notes
            .extend(ends_soon(&certificate, self.now));
        self.material.certificates.push(certificate);
    }

    /// The pairs of a `[tls.x]`; None where one of them is missing, which has been said.
    fn pairs(&self, tls: &Tls) -> Option<Vec<Pair>> {
        let pairs = &self.material.used.pairs;
        tls.certificates
            .iter()
            .map(|f| pairs.get(f).cloned())
            .collect()
    }

    fn trust(&self, tls: &Tls) -> Option<Trust> {
        let key = (tls.trust.clone(), tls.crl.clone());
        self.material.used.bundles.get(&key).cloned()
    }

    /// The system's roots, read once.
    fn system(&mut self) -> Trust {
        let kept = self.material.used.system.take();
        let trust = kept.unwrap_or_else(|| {
            let found = rustls_native_certs::load_native_certs();
            for error in &found.errors {
                tracing::debug!(%error, "a root of the system cannot be read");
            }
            let roots = found.certs.iter().map(|root| root.as_ref());
            let trust = Trust::of_system(roots);
            if trust.roots() == 0 {
                self.material.notes.push(
                    "the system has no roots that can be read, so that no endpoint is believed by them (ca-certificates?)".into(),
                );
            }
            trust
        });
        self.material.used.system = Some(trust.clone());
        trust
    }

    fn acceptor(&mut self, listener: usize, tls: &Tls, alpn: &[&[u8]]) {
        let Some(pairs) = self.pairs(tls) else { return };
        let clients = match (tls.client_cert, self.trust(tls)) {
            (ClientCert::Unasked, _) => Clients::Unasked,
            (ClientCert::Optional, Some(trust)) => Clients::Optional(trust),
            (ClientCert::Required, Some(trust)) => Clients::Required(trust),
            // Its bundle is missing, which has been said.
            (_, None) => return,
        };
        let offer = Offer {
            pairs,
            min_version: version(tls.min_version),
            alpn: alpn.iter().map(|protocol| protocol.to_vec()).collect(),
            clients,
        };
        match Acceptor::new(&offer, &self.before.tickets) {
            Ok(acceptor) => {
                let acceptor = Arc::new(acceptor);
                self.material.acceptors.insert(listener, acceptor);
            }
            Err(why) => self.refuse(tls, &why),
        }
    }

    fn refuse(&mut self, tls: &Tls, why: &Unusable) {
        let (path, line) = (&tls.at.path, tls.at.line);
        self.errors
            .push(format!("{path}:{line}: [tls.{}] {why}", tls.name));
    }

    fn connector(&mut self, index: usize, cluster: &Cluster, wanted: &ClusterTls, config: &Config) {
        let tls = wanted.of.map(|of| &config.tls[of]);
        let pair = match tls.map(|tls| self.pairs(tls)) {
            None => None,
            Some(Some(pairs)) => pairs.into_iter().next(),
            Some(None) => return,
        };
        let verify = match tls.filter(|tls| !tls.trust.is_empty()) {
            _ if wanted.insecure => {
                self.material.notes.push(format!(
                    "cluster `{}`: its endpoints are not verified (tls.insecure): whoever answers is believed",
                    cluster.name
                ));
                Verify::Nothing
            }
            None => Verify::By(self.system()),
            Some(tls) => match self.trust(tls) {
                Some(trust) => Verify::By(trust),
                None => return,
            },
        };
        // None left out: without identities the name alone would decide.
        let Some(identities) = wanted.identities.iter().map(expected).collect() else {
            let (path, line) = (&cluster.at.path, cluster.at.line);
            self.errors.push(format!(
                "{path}:{line}: cluster `{}`: tls: `identity` holds what no certificate can have",
                cluster.name
            ));
            return;
        };
        let demand = Demand {
            verify,
            name: wanted.name.clone(),
            identities,
            pair,
            min_version: version(tls.map_or(TlsVersion::Tls12, |tls| tls.min_version)),
            alpn: match cluster.protocol {
                Protocol::H2 => vec![b"h2".to_vec()],
                Protocol::Auto => vec![b"h2".to_vec(), b"http/1.1".to_vec()],
                Protocol::H1 => Vec::new(),
            },
        };
        match Connector::new(&demand) {
            Ok(fresh) => {
                let old = self.before.connectors.get(&cluster.name);
                let same = old.filter(|old| old.digest() == fresh.digest());
                let connector = same.cloned().unwrap_or_else(|| Arc::new(fresh));
                self.material.connectors.insert(index, connector);
            }
            Err(why) => {
                let (path, line) = (&cluster.at.path, cluster.at.line);
                self.errors.push(format!(
                    "{path}:{line}: cluster `{}`: tls: {why}",
                    cluster.name
                ));
            }
        }
    }
}

/// A line about a certificate that ends soon, or has ended.
pub(crate) fn ends_soon(certificate: &CertificatePlan, now: u64) -> Option<String> {
    let CertificatePlan {
        tls,
        file,
        not_after,
    } = certificate;
    let Some(left) = not_after.checked_sub(now) else {
        return Some(format!("[tls.{tls}]: {file} has ended"));
    };
    let days = left / DAY_S;
    (days < SOON_DAYS).then(|| format!("[tls.{tls}]: {file} ends in {days} days"))
}

fn expected(identity: &IdentityMatch) -> Option<Expected> {
    match identity {
        IdentityMatch::Exact(id) => Expected::read(id),
        IdentityMatch::Below(prefix) => Expected::read(&format!("{prefix}*")),
        // The format has no such demand of an endpoint.
        IdentityMatch::Any => None,
    }
}

fn version(version: TlsVersion) -> Version {
    match version {
        TlsVersion::Tls12 => Version::Tls12,
        TlsVersion::Tls13 => Version::Tls13,
    }
}

fn read_pair(files: &CertificateFiles) -> Result<Pair, String> {
    let chain = read(&files.cert)?;
    let key = Zeroizing::new(read(&files.key)?);
    let ocsp = files.ocsp.as_deref().map(read).transpose()?;
    Pair::read(&chain, &key, ocsp.as_deref()).map_err(|(part, why)| {
        let file = match part {
            Part::Chain => &files.cert,
            Part::Key => &files.key,
            Part::Ocsp => files.ocsp.as_ref().unwrap_or(&files.cert),
        };
        format!("{} {why}", file.display())
    })
}

fn read_bundle(tls: &Tls) -> Result<Trust, String> {
    let all = |paths: &[PathBuf]| {
        paths
            .iter()
            .map(|path| read(path))
            .collect::<Result<Vec<_>, _>>()
    };
    let (roots, lists) = (all(&tls.trust)?, all(&tls.crl)?);
    let roots: Vec<&[u8]> = roots.iter().map(Vec::as_slice).collect();
    let lists: Vec<&[u8]> = lists.iter().map(Vec::as_slice).collect();
    Trust::read(&roots, &lists).map_err(|(at, why)| {
        let file = tls.trust.iter().chain(&tls.crl).nth(at);
        let file = file.map_or_else(String::new, |file| file.display().to_string());
        format!("{file} {why}")
    })
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    read_bounded(path, FILE_BYTES).map_err(|why| format!("{}: {why}", path.display()))
}
