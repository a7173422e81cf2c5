//! The `SSL` TLV: what the sender knows of the client's TLS connection (section 2.2.6).
//!
//! Not here: believing it; that is a matter of who sent the header.

use super::ProxyFault;
use super::tlv::{Tlv, Tlvs, once};
use crate::cursor::Cursor;

const CLIENT_TLS: u8 = 0x01;
const CLIENT_CERTIFICATE_CONNECTION: u8 = 0x02;
const CLIENT_CERTIFICATE_SESSION: u8 = 0x04;

/// Texts are bytes as they came: the common name is the client's choice, and whoever logs them must escape them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Ssl<'a> {
    /// The bit field `client`; see the methods.
    pub client: u8,
    /// Zero where a certificate was shown and verified; see [`Ssl::is_verified`].
    pub verify: u32,
    /// E.g. `TLSv1.3`.
    pub version: Option<&'a [u8]>,
    /// Whom the client's certificate names: its common name, in UTF-8 if the sender keeps to the text.
    pub subject: Option<&'a [u8]>,
    /// E.g. `ECDHE-RSA-AES128-GCM-SHA256`.
    pub cipher: Option<&'a [u8]>,
    /// How the sender's own certificate is signed, e.g. `RSA-SHA256`.
    pub signature_algorithm: Option<&'a [u8]>,
    /// The key of the sender's own certificate, e.g. `RSA2048`.
    pub key_algorithm: Option<&'a [u8]>,
    /// Of the key exchange, e.g. `secp256r1`.
    pub group: Option<&'a [u8]>,
    /// E.g. `rsa_pss_rsae_sha256`.
    pub signature_scheme: Option<&'a [u8]>,
    /// The client's certificate in DER; not looked at.
    pub certificate: Option<&'a [u8]>,
}

impl<'a> Ssl<'a> {
    /// For a client that came by TLS and showed no certificate.
    pub fn without_certificate() -> Self {
        Ssl {
            client: CLIENT_TLS,
            ..Ssl::default()
        }
    }

    /// The client came by TLS.
    pub fn is_tls(&self) -> bool {
        self.client & CLIENT_TLS != 0
    }

    /// The client showed a certificate on this connection.
    pub fn certificate_in_connection(&self) -> bool {
        self.client & CLIENT_CERTIFICATE_CONNECTION != 0
    }

    /// The client showed a certificate when the TLS session began, on this connection or on an earlier one.
    pub fn certificate_in_session(&self) -> bool {
        self.client & CLIENT_CERTIFICATE_SESSION != 0
    }

    /// A certificate was shown, and the sender verified it. `verify` alone does not say so: it is zero without one as well.
    pub fn is_verified(&self) -> bool {
        let shown = self.certificate_in_connection() || self.certificate_in_session();
        self.is_tls() && shown && self.verify == 0
    }

    pub(super) fn read(value: &'a [u8]) -> Result<Self, ProxyFault> {
        let mut fixed = Cursor(value);
        let (Some(client), Some(verify)) = (fixed.u8(), fixed.u32()) else {
            return Err(ProxyFault::SslCut);
        };
        let mut ssl = Ssl {
            client,
            verify,
            ..Ssl::default()
        };
        let mut tlvs = Tlvs::new(fixed.0);
        for Tlv { kind, value } in &mut tlvs {
            if let Some(place) = ssl.place(kind) {
                once(place, value, ProxyFault::SslTlvRepeated)?;
            }
        }
        if tlvs.is_cut() {
            return Err(ProxyFault::SslTlvCut);
        }
        Ok(ssl)
    }

    fn place(&mut self, kind: u8) -> Option<&mut Option<&'a [u8]>> {
        Some(match kind {
            0x21 => &mut self.version,
            0x22 => &mut self.subject,
            0x23 => &mut self.cipher,
            0x24 => &mut self.signature_algorithm,
            0x25 => &mut self.key_algorithm,
            0x26 => &mut self.group,
            0x27 => &mut self.signature_scheme,
            0x28 => &mut self.certificate,
            _ => return None,
        })
    }

    /// Its TLVs in the order of their types.
    pub(super) fn tlvs(&self) -> impl Iterator<Item = Tlv<'a>> {
        let mut ssl = *self;
        (0x21..=0x28).filter_map(move |kind| {
            let value = (*ssl.place(kind)?)?;
            Some(Tlv { kind, value })
        })
    }
}
