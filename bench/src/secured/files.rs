//! The certificates of a run: an authority, a server's and a client's, with ECDSA keys (P-256), made anew for each run into its folder.
//!
//! Not whom they are given to.

use std::io;
use std::path::Path;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, SanType,
};

use crate::message::HOST;

/// The authority's certificate.
pub(super) const AUTHORITY: &str = "authority.pem";
/// What the pairs are called: `.pem` has the certificate, `.key` the key, `.both` one behind the other.
pub(super) const SERVER: &str = "server";
pub(super) const CLIENT: &str = "client";

/// Make them.
pub(crate) fn write(folder: &Path) -> io::Result<()> {
    let said = io::Error::other::<rcgen::Error>;
    std::fs::create_dir_all(folder)?;
    let key = || KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(said);
    let mut params = named("Ringway's measurements");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let key_of_authority = key()?;
    let authority = params.self_signed(&key_of_authority).map_err(said)?;
    std::fs::write(folder.join(AUTHORITY), authority.pem())?;
    let issuer = Issuer::new(params, key_of_authority);
    for (name, usage) in [
        (SERVER, ExtendedKeyUsagePurpose::ServerAuth),
        (CLIENT, ExtendedKeyUsagePurpose::ClientAuth),
    ] {
        let mut params = named(name);
        params.use_authority_key_identifier_extension = true;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![usage];
        let host = HOST.try_into().map_err(said)?;
        params.subject_alt_names = vec![SanType::DnsName(host)];
        let key = key()?;
        let certificate = params.signed_by(&key, &issuer).map_err(said)?;
        let (certificate, key) = (certificate.pem(), key.serialize_pem());
        std::fs::write(folder.join(format!("{name}.pem")), &certificate)?;
        std::fs::write(folder.join(format!("{name}.key")), &key)?;
        let both = certificate + &key;
        std::fs::write(folder.join(format!("{name}.both")), both)?;
    }
    Ok(())
}

/// In the library's time, which is longer than any run.
fn named(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params
}
