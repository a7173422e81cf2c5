//! The files that a configuration names and does not include: certificates, keys, bundles, lists. They are relative to the main file's
//! directory, and belong to the configuration: what changes in them is followed. Not what is in them (`credentials`).

use std::path::{Path, PathBuf};

use ringway_config::Config;

use super::Read;
use super::files::{beside, follow};
use crate::credentials::FILE_BYTES;

/// Make their paths those from here, and let `read` follow them.
pub(super) fn resolve(config: &mut Config, main: &Path, read: &mut Read) {
    for path in paths(config) {
        *path = beside(main, path);
        follow(read, path, FILE_BYTES);
    }
}

fn paths(config: &mut Config) -> impl Iterator<Item = &mut PathBuf> {
    config.tls.iter_mut().flat_map(|tls| {
        let certificates = tls.certificates.iter_mut().flat_map(|files| {
            [
                Some(&mut files.cert),
                Some(&mut files.key),
                files.ocsp.as_mut(),
            ]
        });
        certificates
            .flatten()
            .chain(&mut tls.trust)
            .chain(&mut tls.crl)
    })
}
