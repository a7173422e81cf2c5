//! The configuration that the demo writes (its template is `ringway.toml.in`), and the edits that the demo makes or proposes.
//!
//! Not here: the format itself.

use std::net::SocketAddr;
use std::path::Path;

use super::origins::Origins;

/// What differs from one demo to the next.
pub(super) struct Settings<'a> {
    pub(super) proxy: SocketAddr,
    pub(super) admin: SocketAddr,
    pub(super) folder: &'a Path,
    pub(super) origins: &'a Origins,
}

/// The line that a live edit changes, as it is written and as it becomes.
const PLAIN_V1: &str = r#"to    = "products-v1""#;
const PLAIN_V2: &str = r#"to    = "products-v2""#;
/// The same edit as a script of `sed`.
pub(super) const SED: &str = r#"s/^to    = "products-v1"/to    = "products-v2"/"#;
/// A slip of the pen: there is no such cluster.
const SLIP: &str = r#"to    = "product-v2""#;

/// The good edit: the plain route goes to the other version.
pub(super) fn follow_v2(text: &str) -> String {
    text.replacen(PLAIN_V1, PLAIN_V2, 1)
}

/// The bad edit, after the good one.
pub(super) fn slip(text: &str) -> String {
    text.replacen(PLAIN_V2, SLIP, 1)
}

/// The bad edit undone.
pub(super) fn unslip(text: &str) -> String {
    text.replacen(SLIP, PLAIN_V2, 1)
}

/// With `@NAMES@` where the addresses come.
const TEMPLATE: &str = include_str!("ringway.toml.in");

/// The whole file.
pub(super) fn text(settings: &Settings<'_>) -> String {
    // Valid TOML for any path that is text: the escapes of both are the same.
    let access_log = format!("file:{}", settings.folder.join("access.log").display());
    let access_log = serde_json::Value::from(access_log).to_string();
    let origins = settings.origins;
    let places = [
        ("@PROXY@", settings.proxy.to_string()),
        ("@ADMIN@", settings.admin.to_string()),
        ("@PRODUCTS_V1@", origins.products_v1.to_string()),
        ("@PRODUCTS_V2@", origins.products_v2.to_string()),
        ("@SLOW@", origins.slow.to_string()),
        ("@FLAKY@", origins.flaky.to_string()),
        // Last: a folder may have any name.
        ("@ACCESS_LOG@", access_log),
    ];
    places
        .iter()
        .fold(TEMPLATE.to_owned(), |text, (name, value)| {
            text.replace(name, value)
        })
}
