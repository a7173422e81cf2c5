//! `[tls.x]`: certificates, whom to trust, and what is spoken; and `tls` of a cluster.
//! Not the files' contents: whoever opens them judges them.

use super::{IdentityMatch, Place};
use std::path::PathBuf;

/// One set of files and rules, named by listeners and clusters.
#[derive(Debug, Clone, PartialEq)]
pub struct Tls {
    /// Unique.
    pub name: String,
    /// Where it is defined.
    pub at: Place,
    /// Ours; the first is for clients that ask for no name. A listener's has at least one, a cluster's at most one.
    pub certificates: Vec<CertificateFiles>,
    /// Bundles of roots; empty: the system's (for upstreams; clients have no default authority).
    pub trust: Vec<PathBuf>,
    /// Revocation lists of these authorities; empty without `trust`.
    pub crl: Vec<PathBuf>,
    /// Of listeners.
    pub client_cert: ClientCert,
    /// The lowest version that is spoken.
    pub min_version: TlsVersion,
}

/// A chain with its key.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct CertificateFiles {
    /// PEM or DER, the own certificate first.
    pub cert: PathBuf,
    /// PEM or DER, without passphrase.
    pub key: PathBuf,
    /// An OCSP response in DER.
    pub ocsp: Option<PathBuf>,
}

/// Whether clients have to say who they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientCert {
    /// They are not asked.
    Unasked,
    /// They may. A bad certificate is refused all the same.
    Optional,
    /// They must.
    Required,
}

/// A version of TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum TlsVersion {
    /// `"1.2"`
    Tls12,
    /// `"1.3"`
    Tls13,
}

/// How a cluster's endpoints are spoken to.
#[derive(Debug, Clone, PartialEq)]
pub struct ClusterTls {
    /// Whose certificate and trust (index into `tls`). None: no certificate, the system's roots.
    pub of: Option<usize>,
    /// The name that is asked for and verified; None: the endpoint's host.
    pub name: Option<String>,
    /// Who an endpoint must be, any of these: exact ids and prefixes. Empty: its name decides. Given, the name is looked at only if `name` is.
    pub identities: Vec<IdentityMatch>,
    /// Nothing is verified.
    pub insecure: bool,
}
