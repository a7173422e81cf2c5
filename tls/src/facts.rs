//! What a handshake agreed on, and who the peer is.
//!
//! Not the session: these are what remains for routes, logs and headers.

use rustls::pki_types::CertificateDer;
use rustls::{CipherSuite, CommonState, HandshakeKind, ProtocolVersion, SupportedCipherSuite};

use crate::certificate::Certificate;
use crate::fault::Fault;
use crate::identity::Identity;

/// A version of TLS that is spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Version {
    /// RFC 5246, with extended master secret only.
    Tls12,
    /// RFC 8446.
    Tls13,
}

impl Version {
    /// `TLSv1.3`, as OpenSSL and nginx write it.
    pub fn name(self) -> &'static str {
        match self {
            Version::Tls12 => "TLSv1.2",
            Version::Tls13 => "TLSv1.3",
        }
    }
}

/// The result of a handshake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// Which version.
    pub version: Version,
    /// The cipher suite by its IANA name.
    pub cipher: &'static str,
    /// The protocol by ALPN, if both named one.
    pub alpn: Option<Box<[u8]>>,
    /// The name that the client asked for by SNI, in lower case. Of a server's session only.
    pub server_name: Option<Box<str>>,
    /// An earlier session went on: no certificate was sent or verified anew.
    pub resumed: bool,
    /// The peer's verified certificate. `None` where it had none, or where nothing was verified (`insecure`).
    pub peer: Option<Peer>,
}

/// Whom a verified certificate names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    /// The one text for rules and logs.
    pub identity: Identity,
    /// All that the certificate says.
    pub certificate: Box<Certificate>,
    /// SHA-256 of its DER.
    pub sha256: [u8; 32],
}

impl Facts {
    /// After the handshake. `now` matters for a resumed session: its certificate was verified when the session was made, and may have
    /// ended since.
    pub(crate) fn of(
        agreed: &CommonState,
        server_name: Option<&str>,
        verified: bool,
        now: u64,
    ) -> Result<Facts, Fault> {
        let version = match agreed.protocol_version() {
            Some(ProtocolVersion::TLSv1_3) => Version::Tls13,
            _ => Version::Tls12,
        };
        let suite = agreed.negotiated_cipher_suite();
        let peer = match agreed.peer_certificates().and_then(<[_]>::first) {
            Some(der) if verified => Some(Peer::of(der, now)?),
            _ => None,
        };
        Ok(Facts {
            version,
            cipher: suite.map_or("unknown", |suite| cipher_name(&suite)),
            alpn: agreed.alpn_protocol().map(Box::from),
            server_name: server_name.map(|name| name.to_ascii_lowercase().into()),
            resumed: agreed.handshake_kind() == Some(HandshakeKind::Resumed),
            peer,
        })
    }
}

impl Peer {
    fn of(der: &CertificateDer<'_>, now: u64) -> Result<Peer, Fault> {
        // webpki has read it, but it need not read names that it was not asked for.
        let certificate = Certificate::read(der)
            .ok_or_else(|| Fault::BadCertificate("its names cannot be read".into()))?;
        if now > certificate.not_after {
            return Err(Fault::Expired {
                since: certificate.not_after,
            });
        }
        Ok(Peer {
            identity: Identity::of(&certificate),
            certificate: Box::new(certificate),
            sha256: crate::provider::sha256(der),
        })
    }
}

fn cipher_name(suite: &SupportedCipherSuite) -> &'static str {
    match suite.suite() {
        CipherSuite::TLS13_AES_128_GCM_SHA256 => "TLS_AES_128_GCM_SHA256",
        CipherSuite::TLS13_AES_256_GCM_SHA384 => "TLS_AES_256_GCM_SHA384",
        CipherSuite::TLS13_CHACHA20_POLY1305_SHA256 => "TLS_CHACHA20_POLY1305_SHA256",
        other => other.as_str().unwrap_or("unknown"),
    }
}
