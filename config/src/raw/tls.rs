//! `[tls.x]`, and `tls` of a cluster, as typed.
//! Not whether the files are there, nor whether what names them fits.

use super::field::Field;
use super::keys;
use super::policy::read_identities;
use super::table::Table;
use crate::findings::Findings;
use crate::model::{CertificateFiles, ClientCert, IdentityMatch, TlsVersion};
use crate::place::{At, Span};
use std::path::PathBuf;
use toml::de::DeValue;

/// One `[tls.x]`.
pub(crate) struct Tls {
    pub(crate) name: At<String>,
    pub(crate) certificates: Option<At<Vec<CertificateFiles>>>,
    pub(crate) trust: Option<At<Vec<PathBuf>>>,
    pub(crate) crl: Option<At<Vec<PathBuf>>>,
    pub(crate) client_cert: Option<At<ClientCert>>,
    pub(crate) min_version: Option<TlsVersion>,
    /// Whether something in it could not be read, so that nothing can be said about what is missing.
    pub(crate) torn: bool,
}

/// `tls` of a cluster.
#[derive(Clone)]
pub(crate) enum ClusterTls {
    /// `tls = false`: what a cluster that this one is like has, is not taken over.
    Off,
    On(Box<ClusterTlsOn>),
    /// Not readable, and reported.
    Torn,
}

/// `tls = true`, or a table.
#[derive(Clone)]
pub(crate) struct ClusterTlsOn {
    pub(crate) of: Option<At<String>>,
    pub(crate) name: Option<At<String>>,
    pub(crate) identities: Option<At<Vec<IdentityMatch>>>,
    pub(crate) insecure: bool,
    pub(crate) span: Span,
}

pub(crate) fn read(name: At<String>, mut table: Table<'_>, findings: &mut Findings<'_>) -> Tls {
    let before = findings.errors();
    let certificates = table.take("certificates").map(|field| At {
        value: field
            .one_or_more(findings)
            .iter()
            .filter_map(|item| read_certificate(item, findings))
            .collect(),
        span: field.key_span,
    });
    let trust = take_files(&mut table, "trust", findings);
    let crl = take_files(&mut table, "crl", findings);
    let client_cert = table.take("client_cert").and_then(|field| {
        let words = [
            ("required", ClientCert::Required),
            ("optional", ClientCert::Optional),
        ];
        let value = field.word(&words, &[], findings)?;
        Some(At {
            value,
            span: field.key_span,
        })
    });
    let versions = [("1.2", TlsVersion::Tls12), ("1.3", TlsVersion::Tls13)];
    let min_version = table
        .take("min_version")
        .and_then(|field| field.word(&versions, &[], findings));
    table.finish(findings);
    Tls {
        name,
        certificates,
        trust,
        crl,
        client_cert,
        min_version,
        torn: findings.errors() > before,
    }
}

fn take_files(
    table: &mut Table<'_>,
    key: &str,
    findings: &mut Findings<'_>,
) -> Option<At<Vec<PathBuf>>> {
    let field = table.take(key)?;
    let files = field.one_or_more(findings);
    Some(At {
        value: files
            .iter()
            .filter_map(|file| file.file(findings))
            .collect(),
        span: field.key_span,
    })
}

fn read_certificate(field: &Field<'_>, findings: &mut Findings<'_>) -> Option<CertificateFiles> {
    if !matches!(field.value, DeValue::Table(_)) {
        let message = "a certificate has two files";
        let help = "e.g. certificates = [{ cert = \"/path/cert.pem\", key = \"/path/key.pem\" }]";
        findings.error_help(field.span, message, help);
        return None;
    }
    let mut table = Table::open("a certificate", &keys::CERTIFICATE, field, findings)?;
    for key in ["cert", "key"] {
        if table.place_of(key).is_none() && !table.misspells(key) {
            findings.error(field.span, format!("a certificate without `{key}`"));
        }
    }
    let mut take = |key| table.take(key).map(|field| field.file(findings));
    let (cert, key, ocsp) = (take("cert"), take("key"), take("ocsp"));
    table.finish(findings);
    Some(CertificateFiles {
        cert: cert??,
        key: key??,
        ocsp: ocsp.flatten(),
    })
}

pub(crate) fn read_of_cluster(field: &Field<'_>, findings: &mut Findings<'_>) -> ClusterTls {
    match field.value {
        DeValue::Boolean(false) => return ClusterTls::Off,
        DeValue::Boolean(true) => {
            return ClusterTls::On(Box::new(ClusterTlsOn {
                of: None,
                name: None,
                identities: None,
                insecure: false,
                span: field.key_span,
            }));
        }
        DeValue::Table(_) => {}
        DeValue::String(name) => {
            let message = "`tls` of a cluster is true or a table";
            findings.error_help(field.span, message, format!("tls = {{ use = \"{name}\" }}"));
            return ClusterTls::Torn;
        }
        _ => {
            field.is_not("true or a table, like { use = \"name\" }", findings);
            return ClusterTls::Torn;
        }
    }
    let Some(mut table) = Table::open("`tls`", &keys::CLUSTER_TLS, field, findings) else {
        return ClusterTls::Torn;
    };
    if table.is_empty() {
        findings.error_help(field.span, "`tls` is empty", "tls = true");
    }
    let of = table
        .take("use")
        .and_then(|field| field.text("the name of a [tls.x]", findings));
    let name = table
        .take("name")
        .and_then(|field| field.text("a name like \"api.internal\"", findings));
    let identities = table.take("identity").map(|field| At {
        value: read_identities(&field, findings),
        span: field.key_span,
    });
    let insecure = table
        .take("insecure")
        .and_then(|field| field.yes_or_no(findings));
    table.finish(findings);
    ClusterTls::On(Box::new(ClusterTlsOn {
        of,
        name,
        identities,
        insecure: insecure.unwrap_or(false),
        span: field.key_span,
    }))
}
