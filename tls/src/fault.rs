//! Every way for a session to fail: a label for counters, a sentence for people.
//!
//! Not here: material that cannot be used (`material::Unusable`); that is no fault of a peer.

use std::fmt;

use rustls::CertificateError::ExpiredContext as Expired;
use rustls::CertificateError::InvalidPurposeContext as InvalidPurpose;
use rustls::CertificateError::NotValidForNameContext as NotValidForName;
use rustls::CertificateError::NotValidYetContext as NotValidYet;
use rustls::{CertificateError, Error, PeerIncompatible};

use crate::alert;
use crate::civil;
use crate::identity::Identity;
use crate::spiffe::Expected;

/// Why a session ends before its time.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// A request of plain HTTP came where TLS is spoken. It may be answered in plain text.
    PlainHttp,
    /// What came is not TLS.
    NotTls,
    /// The peer closed before the handshake was done.
    Cut,
    /// The peer closed without saying that it has sent all: something may be missing.
    Truncated,
    /// No version of TLS is spoken by both sides.
    NoSharedVersion,
    /// No cipher suite or key exchange is spoken by both sides, or no signature that our certificate can make.
    NoSharedCipher,
    /// The client names protocols by ALPN, and none is ours.
    NoSharedProtocol,
    /// The peer sent no certificate, and must.
    NoCertificate,
    /// The peer's certificate, or one above it, has expired.
    Expired {
        /// Unix seconds.
        since: u64,
    },
    /// The peer's certificate, or one above it, is not valid yet.
    NotYetValid {
        /// Unix seconds.
        from: u64,
    },
    /// The certificate is for other names.
    WrongName {
        /// The name that was asked for.
        expected: String,
        /// The names that it has.
        presented: Vec<String>,
    },
    /// The chain does not end at a root that is trusted.
    UnknownIssuer,
    /// The chain is good, but the identity is another.
    WrongIdentity {
        /// Any of these would do.
        expected: Vec<Expected>,
        /// Who it is.
        presented: Identity,
    },
    /// The certificate, or one above it, is on a revocation list.
    Revoked,
    /// The revocation lists cannot be used.
    BadRevocationList(String),
    /// The certificate may not be used by a server, or by a client.
    WrongUsage {
        /// `server` or `client`.
        wanted: &'static str,
    },
    /// A signature is wrong: of the certificate, or of the handshake.
    BadSignature,
    /// The certificate cannot be used for another reason.
    BadCertificate(String),
    /// The peer refused; these are its alert's words.
    Refused(String),
    /// A record could not be decrypted: its bytes or its keys are not those that were sent.
    BadRecord,
    /// A message cannot be read.
    Malformed(String),
    /// The peer does what the protocol forbids.
    Misbehaved(String),
    /// An error of our own.
    Internal(String),
}

impl Fault {
    /// Every label, in the order of `index`.
    pub const LABELS: [&'static str; 23] = [
        "plain_http",
        "not_tls",
        "cut",
        "truncated",
        "no_shared_version",
        "no_shared_cipher",
        "no_shared_protocol",
        "no_certificate",
        "expired",
        "not_yet_valid",
        "wrong_name",
        "unknown_issuer",
        "wrong_identity",
        "revoked",
        "bad_revocation_list",
        "wrong_usage",
        "bad_signature",
        "bad_certificate",
        "refused",
        "bad_record",
        "malformed",
        "misbehaved",
        "internal",
    ];

    /// Where it stands in `LABELS`.
    pub fn index(&self) -> usize {
        match self {
            Fault::PlainHttp => 0,
            Fault::NotTls => 1,
            Fault::Cut => 2,
            Fault::Truncated => 3,
            Fault::NoSharedVersion => 4,
            Fault::NoSharedCipher => 5,
            Fault::NoSharedProtocol => 6,
            Fault::NoCertificate => 7,
            Fault::Expired { .. } => 8,
            Fault::NotYetValid { .. } => 9,
            Fault::WrongName { .. } => 10,
            Fault::UnknownIssuer => 11,
            Fault::WrongIdentity { .. } => 12,
            Fault::Revoked => 13,
            Fault::BadRevocationList(_) => 14,
            Fault::WrongUsage { .. } => 15,
            Fault::BadSignature => 16,
            Fault::BadCertificate(_) => 17,
            Fault::Refused(_) => 18,
            Fault::BadRecord => 19,
            Fault::Malformed(_) => 20,
            Fault::Misbehaved(_) => 21,
            Fault::Internal(_) => 22,
        }
    }

    /// A stable, snake_case label for counters and logs.
    pub fn label(&self) -> &'static str {
        Fault::LABELS[self.index()]
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::PlainHttp => f.write_str("plain HTTP was sent to a TLS port"),
            Fault::NotTls => f.write_str("what was sent is not TLS"),
            Fault::Cut => f.write_str("the peer closed in the middle of the TLS handshake"),
            Fault::Truncated => {
                f.write_str("the peer closed without close_notify: bytes may be missing")
            }
            Fault::NoSharedVersion => f.write_str("no version of TLS is spoken by both sides"),
            Fault::NoSharedCipher => {
                f.write_str("no cipher, key exchange or signature is spoken by both sides")
            }
            Fault::NoSharedProtocol => {
                f.write_str("none of the protocols that the peer names by ALPN is spoken here")
            }
            Fault::NoCertificate => {
                f.write_str("the peer sent no certificate, and one is required")
            }
            Fault::Expired { since } => write!(
                f,
                "the peer's certificate expired on {}",
                civil::show(*since)
            ),
            Fault::NotYetValid { from } => write!(
                f,
                "the peer's certificate is not valid before {}",
                civil::show(*from)
            ),
            Fault::WrongName {
                expected,
                presented,
            } if presented.is_empty() => {
                write!(
                    f,
                    "the peer's certificate has no name that can be compared with `{expected}`"
                )
            }
            Fault::WrongName {
                expected,
                presented,
            } => {
                write!(
                    f,
                    "the peer's certificate is not for `{expected}`, but for {}",
                    listed(presented)
                )
            }
            Fault::UnknownIssuer => f.write_str(
                "the peer's certificate was not issued by an authority that is trusted here",
            ),
            Fault::WrongIdentity {
                expected,
                presented,
            } => {
                write!(
                    f,
                    "the peer is `{presented}`, but must be {}",
                    listed(expected)
                )
            }
            Fault::Revoked => f.write_str("the peer's certificate is revoked"),
            Fault::BadRevocationList(why) => write!(f, "the revocation list cannot be used: {why}"),
            Fault::WrongUsage { wanted } => {
                write!(f, "the peer's certificate may not be used by a {wanted}")
            }
            Fault::BadSignature => {
                f.write_str("a signature of the peer, or of its certificate, is wrong")
            }
            Fault::BadCertificate(why) => write!(f, "the peer's certificate cannot be used: {why}"),
            Fault::Refused(words) => write!(f, "the peer refused: {words}"),
            Fault::BadRecord => f.write_str("a record could not be decrypted"),
            Fault::Malformed(what) => write!(f, "a TLS message cannot be read: {what}"),
            Fault::Misbehaved(what) => write!(f, "the peer broke the TLS protocol: {what}"),
            Fault::Internal(what) => write!(f, "TLS failed for a reason of our own: {what}"),
        }
    }
}

impl std::error::Error for Fault {}

/// `` `a`, `b` or 3 others``: at most five are named.
fn listed<T: fmt::Display>(all: &[T]) -> String {
    const SHOWN: usize = 5;
    let mut text = String::new();
    for (at, one) in all.iter().take(SHOWN).enumerate() {
        text.push_str(match at {
            0 => "",
            _ if at + 1 == all.len() => " or ",
            _ => ", ",
        });
        text.push_str(&format!("`{one}`"));
    }
    if all.len() > SHOWN {
        text.push_str(&format!(" or {} others", all.len() - SHOWN));
    }
    text
}

impl From<Error> for Fault {
    fn from(error: Error) -> Fault {
        match error {
            Error::InvalidCertificate(error) => of_certificate(error),
            Error::InvalidCertRevocationList(error) => Fault::BadRevocationList(words(&error)),
            Error::NoCertificatesPresented => Fault::NoCertificate,
            Error::NoApplicationProtocol => Fault::NoSharedProtocol,
            Error::PeerIncompatible(error) => of_incompatible(error),
            Error::AlertReceived(alert) => Fault::Refused(alert::words(alert)),
            Error::DecryptError => Fault::BadRecord,
            Error::InvalidMessage(error) => Fault::Malformed(words(&error)),
            Error::PeerSentOversizedRecord => Fault::Malformed("a record is too long".into()),
            Error::PeerMisbehaved(error) => Fault::Misbehaved(words(&error)),
            Error::InappropriateMessage { got_type, .. } => {
                Fault::Misbehaved(format!("a record of type {got_type:?} came out of order"))
            }
            Error::InappropriateHandshakeMessage { got_type, .. } => {
                Fault::Misbehaved(format!("the message {got_type:?} came out of order"))
            }
            other => Fault::Internal(other.to_string()),
        }
    }
}

fn of_incompatible(error: PeerIncompatible) -> Fault {
    use PeerIncompatible as P;
    match error {
        P::ServerDoesNotSupportTls12Or13
        | P::ServerTlsVersionIsDisabledByOurConfig
        | P::SupportedVersionsExtensionRequired
        | P::Tls12NotOffered
        | P::Tls12NotOfferedOrEnabled => Fault::NoSharedVersion,
        P::NoCertificateRequestSignatureSchemesInCommon
        | P::NoCipherSuitesInCommon
        | P::NoKxGroupsInCommon
        | P::NoSignatureSchemesInCommon
        | P::NoEcPointFormatsInCommon => Fault::NoSharedCipher,
        other => Fault::Misbehaved(words(&other)),
    }
}

fn of_certificate(error: CertificateError) -> Fault {
    match error {
        Expired { not_after, .. } => Fault::Expired {
            since: not_after.as_secs(),
        },
        NotValidYet { not_before, .. } => Fault::NotYetValid {
            from: not_before.as_secs(),
        },
        NotValidForName {
            expected,
            presented,
        } => Fault::WrongName {
            expected: expected.to_str().into_owned(),
            presented: presented.iter().map(|name| plain_name(name)).collect(),
        },
        CertificateError::UnknownIssuer => Fault::UnknownIssuer,
        CertificateError::Revoked => Fault::Revoked,
        InvalidPurpose { required, .. } => Fault::WrongUsage {
            wanted: match required {
                rustls::ExtendedKeyPurpose::ServerAuth => "server",
                _ => "client",
            },
        },
        CertificateError::BadSignature => Fault::BadSignature,
        CertificateError::Other(other) => match other.0.downcast_ref::<Fault>() {
            Some(ours) => ours.clone(),
            None => Fault::BadCertificate(words(&other.0)),
        },
        other => Fault::BadCertificate(words(&other)),
    }
}

/// webpki writes `DnsName("a.b")`, for a wildcard and an address alike; people do not.
fn plain_name(name: &str) -> String {
    let inner = name
        .split_once("(\"")
        .and_then(|(_, rest)| rest.strip_suffix("\")"));
    inner.unwrap_or(name).escape_debug().take(253).collect()
}

/// A name of rustls's enums as words: `NoKxGroupsInCommon` is `no kx groups in common`.
fn words(of: &dyn fmt::Debug) -> String {
    let mut text = String::new();
    let mut after_lower = false;
    for character in format!("{of:?}").chars().take(200) {
        if character.is_ascii_uppercase() && after_lower {
            text.push(' ');
        }
        after_lower = character.is_ascii_lowercase() || character.is_ascii_digit();
        text.push(character.to_ascii_lowercase());
    }
    text
}
