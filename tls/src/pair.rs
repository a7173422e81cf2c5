//! A certificate chain with its key, read and judged: parseable, of each other, and in their time.
//!
//! Not here: which pair a client gets (`choice`).

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::sign::CertifiedKey;
use rustls::{Error, SignatureAlgorithm};
use webpki::{EndEntityCert, KeyUsage, anchor_from_trusted_cert};

use crate::certificate::Certificate;
use crate::fault::Fault;
use crate::material::{self, Unusable};
use crate::provider::{provider, sha256};

/// A chain, its key, and an OCSP response if there is one.
#[derive(Clone)]
pub struct Pair {
    pub(crate) key: Arc<CertifiedKey>,
    chain: Vec<Certificate>,
    digest: [u8; 32],
}

/// Without the key.
impl fmt::Debug for Pair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pair")
            .field("chain", &self.chain)
            .finish_non_exhaustive()
    }
}

/// One of the files that a pair is read from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The certificates.
    Chain,
    /// The private key.
    Key,
    /// The OCSP response.
    Ocsp,
}

type Ders = Vec<CertificateDer<'static>>;

fn read_chain(bytes: &[u8]) -> Result<(Ders, Vec<Certificate>), Unusable> {
    let ders = material::certificates(bytes)?;
    let mut read = Vec::with_capacity(ders.len());
    for (at, der) in ders.iter().enumerate() {
        read.push(Certificate::read(der).ok_or(Unusable::CertificateUnreadable(at + 1))?);
    }
    let leaf = ders.first().ok_or(Unusable::NoCertificate)?;
    // The flag alone is no obstacle to many clients when a certificate signed itself, but it is to webpki and to strict ones.
    if read.first().is_some_and(|leaf| leaf.is_authority) {
        return Err(Unusable::OfAuthority);
    }
    EndEntityCert::try_from(leaf).map_err(|_| Unusable::CertificateUnreadable(1))?;
    Ok((ders, read))
}

impl Pair {
    /// Reads PEM or DER. The caller wipes the key's bytes; our copy of them is wiped by the library that takes it. `Err` says which of the
    /// three is to blame.
    pub fn read(chain: &[u8], key: &[u8], ocsp: Option<&[u8]>) -> Result<Pair, (Part, Unusable)> {
        let (ders, read) = read_chain(chain).map_err(|why| (Part::Chain, why))?;
        let digest = ders.first().map(|leaf| sha256(leaf)).unwrap_or_default();
        let key = material::key(key)
            .and_then(|key| {
                CertifiedKey::from_der(ders, key, provider()).map_err(|error| match error {
                    Error::InconsistentKeys(_) => Unusable::KeyOfAnother,
                    _ => Unusable::KeyUnsupported,
                })
            })
            .map_err(|why| (Part::Key, why))?;
        // An OCSPResponse is a SEQUENCE; PEM has no form for it.
        if ocsp.is_some_and(|response| response.first() != Some(&0x30)) {
            return Err((Part::Ocsp, Unusable::OcspUnreadable));
        }
        let key = CertifiedKey {
            ocsp: ocsp.map(<[u8]>::to_vec),
            ..key
        };
        Ok(Pair {
            key: Arc::new(key),
            chain: read,
            digest,
        })
    }

    /// Is the leaf in its time?
    pub fn judge(&self, now: u64) -> Result<(), Unusable> {
        let leaf = self.leaf();
        if now > leaf.not_after {
            return Err(Unusable::Expired {
                since: leaf.not_after,
            });
        }
        if now < leaf.not_before {
            return Err(Unusable::NotYetValid {
                from: leaf.not_before,
            });
        }
        Ok(())
    }

    /// The first certificate.
    pub fn leaf(&self) -> &Certificate {
        // `read` refuses an empty chain.
        &self.chain[0]
    }

    /// SHA-256 of the first certificate: two pairs with the same are of the same certificate.
    pub fn sha256(&self) -> &[u8; 32] {
        &self.digest
    }

    /// Until when the chain is valid: the earliest end in it, in Unix seconds.
    pub fn not_after(&self) -> u64 {
        let ends = self.chain.iter().map(|certificate| certificate.not_after);
        ends.min().unwrap_or(0)
    }

    /// Clients that can, get it before one of RSA: its signatures cost a tenth.
    pub(crate) fn is_rsa(&self) -> bool {
        self.key.key.algorithm() == SignatureAlgorithm::RSA
    }

    /// What works, but surely is not meant, each as a sentence's end after the file's name.
    pub fn warnings(&self, now: u64) -> Vec<String> {
        let mut found = Vec::new();
        let leaf = self.leaf();
        if leaf.dns.is_empty() && leaf.ips.is_empty() && leaf.uris.is_empty() {
            found.push(
                "has no subject alternative name; clients do not look at the subject".to_owned(),
            );
        }
        for (at, two) in self.chain.windows(2).enumerate() {
            if let [lower, upper] = two
                && lower.issuer != upper.subject
            {
                found.push(format!(
                    "has a chain out of order: certificate {} was issued by `{}`, but the next is `{}`",
                    at + 1,
                    lower.issuer,
                    upper.subject
                ));
                return found;
            }
        }
        if let Some(why) = self.chain_fault(now) {
            found.push(format!("has a chain that clients refuse: {why}"));
        }
        found
    }

    /// Verifies the chain up to its own last certificate. Nothing is trusted by this: it says whether the parts fit.
    fn chain_fault(&self, now: u64) -> Option<Fault> {
        let [leaf, upper @ ..] = self.key.cert.as_slice() else {
            return None;
        };
        let (last, between) = upper.split_last()?;
        let anchors = [anchor_from_trusted_cert(last).ok()?];
        let leaf = EndEntityCert::try_from(leaf).ok()?;
        let judged = leaf.verify_for_usage(
            provider().signature_verification_algorithms.all,
            &anchors,
            between,
            UnixTime::since_unix_epoch(Duration::from_secs(now)),
            // Certificates of clients alone are as good here.
            KeyUsage::server_auth(),
            None,
            None,
        );
        match judged {
            Ok(_) => None,
            Err(webpki::Error::RequiredEkuNotFoundContext(_)) => None,
            Err(webpki::Error::UnknownIssuer) => Some(Fault::UnknownIssuer),
            Err(webpki::Error::InvalidSignatureForPublicKey) => Some(Fault::BadSignature),
            Err(webpki::Error::CertExpired { not_after, .. }) => Some(Fault::Expired {
                since: not_after.as_secs(),
            }),
            Err(other) => Some(Fault::BadCertificate(other.to_string())),
        }
    }
}
