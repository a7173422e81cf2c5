//! Who a verified peer is, in one text: the SPIFFE id of its certificate, else its first DNS name, else its subject.
//!
//! Not a verification: ask only of a certificate that was verified.

use std::fmt;

use crate::certificate::Certificate;
use crate::spiffe::is_spiffe_id;

/// One of three kinds of names. The texts cannot be taken for each other: only an id has a scheme, only a subject has a `=`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Identity {
    /// `spiffe://trust-domain/path`
    Spiffe(Box<str>),
    /// A DNS name, in lower case.
    Dns(Box<str>),
    /// A subject as RFC 4514 writes it: `CN=edge,O=Example`.
    Subject(Box<str>),
}

impl Identity {
    /// The identity that a certificate gives. A certificate with several URIs has no SPIFFE id (X509-SVID 2), and so none of the ids that
    /// it claims.
    pub fn of(certificate: &Certificate) -> Identity {
        if let [uri] = certificate.uris.as_slice()
            && is_spiffe_id(uri)
        {
            return Identity::Spiffe(uri.as_str().into());
        }
        match certificate.dns.first() {
            Some(name) => Identity::Dns(name.to_ascii_lowercase().into()),
            None => Identity::Subject(certificate.subject.as_str().into()),
        }
    }

    /// The text that rules are compared with.
    pub fn as_str(&self) -> &str {
        match self {
            Identity::Spiffe(text) | Identity::Dns(text) | Identity::Subject(text) => text,
        }
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
