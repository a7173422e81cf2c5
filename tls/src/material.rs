//! Bytes of files as certificates, keys and lists; and why they cannot be used.
//!
//! Not here: the files. What belongs together is judged in `pair` and `trust`.

use std::fmt;

use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer};

use crate::civil;

/// Why material cannot be used. Says nothing of what is in a key.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Unusable {
    /// There is no certificate in it.
    NoCertificate,
    /// A certificate cannot be read; the first is 1.
    CertificateUnreadable(usize),
    /// The PEM text is broken.
    PemBroken(String),
    /// There is no private key in it.
    NoKey,
    /// The key needs a passphrase.
    KeyEncrypted,
    /// The key is of a kind, or a size, that is not supported.
    KeyUnsupported,
    /// The key is not that of the certificate.
    KeyOfAnother,
    /// The certificate has expired.
    Expired {
        /// Unix seconds.
        since: u64,
    },
    /// The certificate is not valid yet.
    NotYetValid {
        /// Unix seconds.
        from: u64,
    },
    /// The certificate is one of an authority; servers and clients that use it are refused.
    OfAuthority,
    /// A revocation list cannot be read.
    ListUnreadable(String),
    /// It is not an OCSP response.
    OcspUnreadable,
    /// A name is no server name.
    NoServerName(String),
    /// What is asked for goes together with nothing that can be made.
    Contradiction(String),
}

impl fmt::Display for Unusable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unusable::NoCertificate => f.write_str("holds no certificate"),
            Unusable::CertificateUnreadable(1) => f.write_str("holds a certificate that cannot be read"),
            Unusable::CertificateUnreadable(n) => write!(f, "holds a certificate that cannot be read (number {n})"),
            Unusable::PemBroken(why) => write!(f, "is broken PEM: {why}"),
            Unusable::NoKey => f.write_str("holds no private key"),
            Unusable::KeyEncrypted => f.write_str("holds a private key that needs a passphrase; write it without one"),
            Unusable::KeyUnsupported => f.write_str(
                "holds a private key that is not supported; ECDSA P-256 and P-384, Ed25519, and RSA of 2048 bits or more are",
            ),
            Unusable::KeyOfAnother => f.write_str("holds a private key that is not that of the certificate"),
            Unusable::Expired { since } => write!(f, "holds a certificate that expired on {}", civil::show(*since)),
            Unusable::NotYetValid { from } => {
                write!(f, "holds a certificate that is not valid before {}", civil::show(*from))
            }
            Unusable::OfAuthority => {
                f.write_str("holds the certificate of an authority, which peers refuse from a server or a client")
            }
            Unusable::ListUnreadable(why) => write!(f, "holds a revocation list that cannot be read: {why}"),
            Unusable::OcspUnreadable => f.write_str("is not an OCSP response in DER"),
            Unusable::NoServerName(name) => write!(f, "`{name}` is neither a DNS name nor an IP address"),
            Unusable::Contradiction(what) => f.write_str(what),
        }
    }
}

impl std::error::Error for Unusable {}

fn is_pem(bytes: &[u8]) -> bool {
    const BEGIN: &[u8] = b"-----BEGIN";
    bytes.windows(BEGIN.len()).any(|window| window == BEGIN)
}

/// All certificates of a PEM file in their order, or the one of a DER file.
pub(crate) fn certificates(bytes: &[u8]) -> Result<Vec<CertificateDer<'static>>, Unusable> {
    let all: Vec<CertificateDer<'static>> = if is_pem(bytes) {
        CertificateDer::pem_slice_iter(bytes)
            .collect::<Result<_, _>>()
            .map_err(broken)?
    } else if bytes.first() == Some(&0x30) {
        vec![CertificateDer::from(bytes.to_vec())]
    } else {
        Vec::new()
    };
    if all.is_empty() {
        return Err(Unusable::NoCertificate);
    }
    Ok(all)
}

/// The first private key of a PEM file, or that of a DER file.
pub(crate) fn key(bytes: &[u8]) -> Result<PrivateKeyDer<'static>, Unusable> {
    if !is_pem(bytes) {
        if bytes.first() != Some(&0x30) {
            return Err(Unusable::NoKey);
        }
        return PrivateKeyDer::try_from(bytes.to_vec()).map_err(|_| Unusable::KeyUnsupported);
    }
    match PrivateKeyDer::from_pem_slice(bytes) {
        Ok(_) if has(bytes, b"4,ENCRYPTED") => Err(Unusable::KeyEncrypted),
        Ok(key) => Ok(key),
        Err(pem::Error::NoItemsFound) if has(bytes, b"BEGIN ENCRYPTED PRIVATE KEY") => {
            Err(Unusable::KeyEncrypted)
        }
        Err(pem::Error::NoItemsFound) => Err(Unusable::NoKey),
        Err(error) => Err(broken(error)),
    }
}

/// All revocation lists of a PEM file, or the one of a DER file.
pub(crate) fn lists(bytes: &[u8]) -> Result<Vec<CertificateRevocationListDer<'static>>, Unusable> {
    if !is_pem(bytes) {
        return Ok(vec![CertificateRevocationListDer::from(bytes.to_vec())]);
    }
    let all: Vec<_> = CertificateRevocationListDer::pem_slice_iter(bytes)
        .collect::<Result<_, _>>()
        .map_err(broken)?;
    if all.is_empty() {
        return Err(Unusable::ListUnreadable("there is none in it".into()));
    }
    Ok(all)
}

fn has(bytes: &[u8], what: &[u8]) -> bool {
    bytes.windows(what.len()).any(|window| window == what)
}

/// Without the text that could not be read: it may be of a key.
fn broken(error: pem::Error) -> Unusable {
    let why = match error {
        pem::Error::MissingSectionEnd { .. } => "a section has no end",
        pem::Error::IllegalSectionStart { .. } => "a section begins wrongly",
        pem::Error::Base64Decode(_) => "what is in a section is not base64",
        pem::Error::SectionTooLarge => "a section is too large",
        _ => "it cannot be read",
    };
    Unusable::PemBroken(why.into())
}
