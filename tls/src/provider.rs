//! The cryptography, chosen once: which suites and groups, in which order. Why this provider: `core/decisions/tls-provider.md`.
//!
//! The only file that names the provider.

use std::sync::{Arc, OnceLock};

use ::aws_lc_rs::digest;
use rustls::crypto::CryptoProvider;
use rustls::crypto::aws_lc_rs::{self, cipher_suite as suite, kx_group as group};
use rustls::server::ProducesTickets;
use rustls::version::{TLS12, TLS13};
use rustls::{Error, SupportedCipherSuite, SupportedProtocolVersion};

use crate::facts::Version;

/// What we offer as a client, best first; as a server we follow the client's order, which knows whether it has AES in hardware. AES-128 before
/// AES-256: a third less work, and no attack that the longer key would stop.
const SUITES: [SupportedCipherSuite; 9] = [
    suite::TLS13_AES_128_GCM_SHA256,
    suite::TLS13_AES_256_GCM_SHA384,
    suite::TLS13_CHACHA20_POLY1305_SHA256,
    suite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
    suite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
    suite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
    suite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
    suite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
    suite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
];

/// What of it a session speaks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Spoken {
    /// All that is good.
    #[default]
    All,
    /// TLS 1.3 with `TLS_AES_128_GCM_SHA256` and X25519, which everybody speaks: measurements that compare programs pin it.
    Least,
}

impl Spoken {
    pub(crate) fn provider(self) -> Arc<CryptoProvider> {
        match self {
            Spoken::All => provider().clone(),
            Spoken::Least => Arc::new(CryptoProvider {
                cipher_suites: vec![suite::TLS13_AES_128_GCM_SHA256],
                kx_groups: vec![group::X25519],
                ..aws_lc_rs::default_provider()
            }),
        }
    }

    /// The versions from the lowest that is wanted on.
    pub(crate) fn versions(self, lowest: Version) -> &'static [&'static SupportedProtocolVersion] {
        const BOTH: &[&SupportedProtocolVersion] = &[&TLS13, &TLS12];
        const LATER: &[&SupportedProtocolVersion] = &[&TLS13];
        match (self, lowest) {
            (Spoken::All, Version::Tls12) => BOTH,
            (Spoken::All, Version::Tls13) | (Spoken::Least, _) => LATER,
        }
    }
}

/// The one provider of the process.
pub(crate) fn provider() -> &'static Arc<CryptoProvider> {
    static PROVIDER: OnceLock<Arc<CryptoProvider>> = OnceLock::new();
    PROVIDER.get_or_init(|| {
        Arc::new(CryptoProvider {
            cipher_suites: SUITES.to_vec(),
            // Post-quantum first, so that what is recorded today stays closed.
            kx_groups: vec![
                group::X25519MLKEM768,
                group::X25519,
                group::SECP256R1,
                group::SECP384R1,
            ],
            ..aws_lc_rs::default_provider()
        })
    })
}

/// A fresh random key for tickets.
pub(crate) fn ticket_key() -> Result<Arc<dyn ProducesTickets>, Error> {
    aws_lc_rs::Ticketer::new()
}

/// By the provider's own hash.
pub(crate) fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut sum = [0; 32];
    sum.copy_from_slice(digest::digest(&digest::SHA256, bytes).as_ref());
    sum
}
