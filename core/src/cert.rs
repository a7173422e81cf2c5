//! `ringway cert`: a throw-away authority, and certificates of it, for trying and for tests.
//!
//! Not a PKI: nothing is revoked or renewed, and the authority's key lies beside everything else.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::net::IpAddr;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use clap::{Args, Subcommand};
use rcgen::{
    BasicConstraints, Certificate, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, PKCS_RSA_SHA256, SanType,
};
use ringway::observe::civil::date_of;
use ringway_tls::is_spiffe_id;
use zeroize::Zeroizing;

const DAY_S: u64 = 24 * 60 * 60;

pub(crate) const HELP: &str = "\
For trying Ringway and for tests: the keys lie in plain files, nothing is renewed, nothing revoked.

Examples:
  ringway cert self-signed localhost 127.0.0.1       HTTPS on this machine: localhost.pem, localhost.key
  ringway cert ca                                    an authority: ca.pem (give it out), ca.key (keep it)
  ringway cert issue spiffe://example.org/shop       a workload of a mesh: shop.pem, shop.key
  ringway cert issue api.internal 10.0.0.7           a server: api.internal.pem, api.internal.key

In the configuration:
  [tls.mesh]
  certificates = [{ cert = \"shop.pem\", key = \"shop.key\" }]
  trust        = [\"ca.pem\"]
  client_cert  = \"required\"";

#[derive(Debug, Subcommand)]
pub(crate) enum CertCommand {
    /// A certificate that vouches for itself: for HTTPS on one machine
    SelfSigned(Leaf),
    /// An authority that issues certificates
    Ca {
        /// What it is called
        #[arg(long, default_value = "Ringway throw-away authority")]
        name: String,
        #[command(flatten)]
        made: Made,
    },
    /// A certificate of the authority, for servers and clients alike
    Issue {
        #[command(flatten)]
        leaf: Leaf,
        /// The authority: PATH.pem and PATH.key
        #[arg(long, value_name = "PATH", default_value = "ca")]
        ca: PathBuf,
    },
}

/// Whom a certificate is for.
#[derive(Debug, Args)]
pub(crate) struct Leaf {
    /// A SPIFFE id, DNS names (also *.example.org), IP addresses; the file is called after the first
    #[arg(value_name = "NAME", required = true)]
    names: Vec<String>,
    /// An RSA key of 2048 bits, for peers that do not know ECDSA (P-256)
    #[arg(long)]
    rsa: bool,
    #[command(flatten)]
    made: Made,
}

/// Where it goes, and for how long it is good.
#[derive(Debug, Args)]
pub(crate) struct Made {
    /// Folder of the files
    #[arg(long, value_name = "DIR", default_value = ".")]
    out: PathBuf,
    /// Valid for so many days from now
    #[arg(long, value_name = "N", default_value_t = 365, value_parser = clap::value_parser!(u32).range(1..=36_500))]
    days: u32,
    /// Write over files that are there
    #[arg(long)]
    force: bool,
}

pub(crate) fn run(command: &CertCommand, out: &mut dyn Write) -> io::Result<ExitCode> {
    let done = match command {
        CertCommand::SelfSigned(leaf) => self_signed(leaf),
        CertCommand::Ca { name, made } => authority(name, made),
        CertCommand::Issue { leaf, ca } => issue(leaf, ca),
    };
    match done {
        Ok(wrote) => {
            writeln!(out, "wrote {wrote}")?;
            Ok(ExitCode::SUCCESS)
        }
        Err(why) => {
            writeln!(io::stderr(), "ringway: {why}")?;
            Ok(ExitCode::FAILURE)
        }
    }
}

fn self_signed(leaf: &Leaf) -> Result<String, String> {
    let params = leaf_params(leaf)?;
    let key = key(leaf.rsa)?;
    let certificate = params.self_signed(&key).map_err(said)?;
    write_pair(&leaf.made, stem(&leaf.names[0]), &certificate, &key)
}

fn authority(name: &str, made: &Made) -> Result<String, String> {
    let mut params = params(made);
    params.distinguished_name.push(DnType::CommonName, name);
    // It issues what is used, and no authorities.
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let key = key(false)?;
    let certificate = params.self_signed(&key).map_err(said)?;
    write_pair(made, "ca", &certificate, &key)
}

fn issue(leaf: &Leaf, ca: &Path) -> Result<String, String> {
    let params = leaf_params(leaf)?;
    let (pem, of_key) = (beside(ca, "pem"), beside(ca, "key"));
    let read = |path: &Path| {
        std::fs::read_to_string(path).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => {
                format!(
                    "{}: no such file; `ringway cert ca` makes one",
                    path.display()
                )
            }
            _ => format!("{}: {error}", path.display()),
        })
    };
    let authority_key = KeyPair::from_pem(&Zeroizing::new(read(&of_key)?))
        .map_err(|error| format!("{}: {error}", of_key.display()))?;
    let issuer = Issuer::from_ca_cert_pem(&read(&pem)?, authority_key)
        .map_err(|error| format!("{}: {error}", pem.display()))?;
    let key = key(leaf.rsa)?;
    let certificate = params.signed_by(&key, &issuer).map_err(said)?;
    write_pair(&leaf.made, stem(&leaf.names[0]), &certificate, &key)
}

fn key(rsa: bool) -> Result<KeyPair, String> {
    let kind = if rsa {
        &PKCS_RSA_SHA256
    } else {
        &PKCS_ECDSA_P256_SHA256
    };
    KeyPair::generate_for(kind).map_err(said)
}

fn said(error: rcgen::Error) -> String {
    format!("the certificate could not be made: {error}")
}

/// From yesterday, since clocks differ, to the day after the last whole one.
fn params(made: &Made) -> CertificateParams {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let today = now.map_or(0, |since| since.as_secs()) / DAY_S;
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    // A hundred years from now has four digits.
    let date = |day| {
        let (year, month, day) = date_of(day);
        rcgen::date_time_ymd(year as i32, month as u8, day as u8)
    };
    params.not_before = date(today.saturating_sub(1));
    params.not_after = date(today + u64::from(made.days) + 1);
    params
}

fn leaf_params(leaf: &Leaf) -> Result<CertificateParams, String> {
    let mut params = params(&leaf.made);
    params.use_authority_key_identifier_extension = true;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![
        ExtendedKeyUsagePurpose::ServerAuth,
        ExtendedKeyUsagePurpose::ClientAuth,
    ];
    let ids = leaf.names.iter().filter(|name| name.contains("://"));
    if ids.count() > 1 {
        return Err("a certificate has one SPIFFE id: with several it has none".to_owned());
    }
    for name in &leaf.names {
        params.subject_alt_names.push(alt_name(name)?);
    }
    let called = stem(&leaf.names[0]);
    params.distinguished_name.push(DnType::CommonName, called);
    Ok(params)
}

fn alt_name(name: &str) -> Result<SanType, String> {
    let not = |what: &str| Err(format!("`{name}` is not {what}"));
    if name.contains("://") {
        if !is_spiffe_id(name) {
            return not(
                "a SPIFFE id: spiffe://trust-domain/path, lower-case domain, no port, no query",
            );
        }
        return Ok(SanType::URI(name.try_into().map_err(said)?));
    }
    if let Ok(address) = name.parse::<IpAddr>() {
        return Ok(SanType::IpAddress(address));
    }
    let host = name.strip_prefix("*.").unwrap_or(name);
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
    };
    if name.len() > 253 || !host.split('.').all(is_label) {
        return not("a SPIFFE id, a DNS name or an IP address");
    }
    Ok(SanType::DnsName(name.try_into().map_err(said)?))
}

/// What the files are called: the last part of an id, or the name without what file names have not.
fn stem(name: &str) -> &str {
    let last = name.rsplit('/').next().unwrap_or(name);
    last.strip_prefix("*.").unwrap_or(last)
}

fn beside(path: &Path, extension: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(extension);
    PathBuf::from(name)
}

fn write_pair(
    made: &Made,
    stem: &str,
    certificate: &Certificate,
    key: &KeyPair,
) -> Result<String, String> {
    let at = made.out.join(stem);
    let (pem, of_key) = (beside(&at, "pem"), beside(&at, "key"));
    if !made.force
        && let Some(there) = [&pem, &of_key].into_iter().find(|path| path.exists())
    {
        return Err(format!(
            "{} is there already; --force writes over it",
            there.display()
        ));
    }
    std::fs::create_dir_all(&made.out)
        .map_err(|error| format!("{}: {error}", made.out.display()))?;
    let secret = Zeroizing::new(key.serialize_pem());
    // The key first: a certificate that is there has its key.
    write_private(&of_key, secret.as_bytes())?;
    write_private(&pem, certificate.pem().as_bytes())?;
    Ok(format!("{} and {}", pem.display(), of_key.display()))
}

/// For its owner alone, also where a file of that name was for others: it is replaced.
fn write_private(path: &Path, bytes: &[u8]) -> Result<(), String> {
    let said = |error: io::Error| format!("{}: {error}", path.display());
    let fresh = beside(path, "new");
    match std::fs::remove_file(&fresh) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(said(error)),
        _ => {}
    }
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&fresh)
        .map_err(said)?;
    file.write_all(bytes).map_err(said)?;
    std::fs::rename(&fresh, path).map_err(said)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_alternative_names_or_are_refused() {
        for (name, file) in [
            ("spiffe://example.org/ns/prod/shop", "shop"),
            ("spiffe://example.org", "example.org"),
            ("localhost", "localhost"),
            ("*.example.org", "example.org"),
            ("10.0.0.7", "10.0.0.7"),
            ("::1", "::1"),
        ] {
            assert!(alt_name(name).is_ok(), "{name}");
            assert_eq!(stem(name), file);
        }
        for name in [
            "",
            "a b",
            "https://example.org/",
            "spiffe://Example.org/",
            "a..b",
            "../x",
            "a.*.b",
        ] {
            assert!(alt_name(name).is_err(), "{name}");
        }
    }
}
