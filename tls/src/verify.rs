//! Judging the peer's certificate: the chain by webpki, and for a mesh the identity behind it.
//!
//! Not here: authorisation. Who a client is decides nothing here but that it is somebody whom a trusted authority vouches for.

use std::sync::Arc;

use rustls::CertificateError::NotValidForNameContext as NotValidForName;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use rustls::{CertificateError, DigitallySignedStruct, Error, OtherError, SignatureScheme};

use crate::certificate::Certificate;
use crate::fault::Fault;
use crate::identity::Identity;
use crate::material::Unusable;
use crate::provider::provider;
use crate::spiffe::Expected;
use crate::trust::Trust;

/// More names of authorities than so many are not sent to clients: each handshake would carry them.
const HINTS: usize = 32;

/// Certificates of clients. An authority without a revocation list revokes nothing: bundles have several roots, and not each has a list.
pub(crate) fn of_clients(
    trust: &Trust,
    may_be_absent: bool,
) -> Result<Arc<dyn ClientCertVerifier>, Unusable> {
    let mut builder =
        WebPkiClientVerifier::builder_with_provider(trust.roots.clone(), provider().clone())
            .with_crls(trust.lists.iter().cloned())
            .allow_unknown_revocation_status();
    if may_be_absent {
        builder = builder.allow_unauthenticated();
    }
    if trust.roots.len() > HINTS {
        builder = builder.clear_root_hint_subjects();
    }
    builder.build().map_err(unusable)
}

fn unusable(error: rustls::server::VerifierBuilderError) -> Unusable {
    use rustls::server::VerifierBuilderError as E;
    match error {
        E::NoRootAnchors => Unusable::NoCertificate,
        other => Unusable::ListUnreadable(other.to_string()),
    }
}

/// Certificates of servers: chain, revocation, then the name or who it must be, or both.
#[derive(Debug)]
pub(crate) struct OfServers {
    chains: Arc<WebPkiServerVerifier>,
    by_name: bool,
    expected: Vec<Expected>,
}

impl OfServers {
    pub(crate) fn new(
        trust: &Trust,
        by_name: bool,
        expected: Vec<Expected>,
    ) -> Result<OfServers, Unusable> {
        let chains =
            WebPkiServerVerifier::builder_with_provider(trust.roots.clone(), provider().clone())
                .with_crls(trust.lists.iter().cloned())
                .allow_unknown_revocation_status()
                .build()
                .map_err(unusable)?;
        Ok(OfServers {
            chains,
            by_name,
            expected,
        })
    }

    fn check_identity(&self, der: &CertificateDer<'_>) -> Result<(), Error> {
        if self.expected.is_empty() {
            return Ok(());
        }
        let certificate = Certificate::read(der).ok_or(CertificateError::BadEncoding)?;
        let presented = Identity::of(&certificate);
        if let Identity::Spiffe(id) = &presented
            && self.expected.iter().any(|expected| expected.fits(id))
        {
            return Ok(());
        }
        let fault = Fault::WrongIdentity {
            expected: self.expected.clone(),
            presented,
        };
        Err(CertificateError::Other(OtherError(Arc::new(fault))).into())
    }
}

impl ServerCertVerifier for OfServers {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let judged = self.chains.verify_server_cert(
            end_entity,
            intermediates,
            server_name,
            ocsp_response,
            now,
        );
        match judged {
            Ok(_) => {}
            // The name is judged last: what fails by it has a good chain. An identity stands in its place.
            Err(Error::InvalidCertificate(
                NotValidForName { .. } | CertificateError::NotValidForName,
            )) if !self.by_name => {}
            Err(other) => return Err(other),
        }
        self.check_identity(end_entity)?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.chains.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.chains.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.chains.supported_verify_schemes()
    }
}

/// `insecure = true`: whoever holds the key of whatever certificate.
#[derive(Debug)]
pub(crate) struct OfAnyone;

impl ServerCertVerifier for OfAnyone {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(
            message,
            cert,
            dss,
            &provider().signature_verification_algorithms,
        )
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(
            message,
            cert,
            dss,
            &provider().signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        provider()
            .signature_verification_algorithms
            .supported_schemes()
    }
}
