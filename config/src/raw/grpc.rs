//! `grpc` in `match`: methods and services of gRPC, which are paths of a request with that content type.
//! Not conditions on what a message holds.

use super::field::Field;
use super::matches::{Match, any_of};
use crate::findings::Findings;
use crate::model::PathMatch;
use crate::units::{Fault, quote};

/// `"*"` is any call.
pub(super) fn read(field: &Field<'_>, found: &mut Match, findings: &mut Findings<'_>) {
    if !found.paths.is_empty() {
        findings.error(field.span, "`grpc` says the path, and so does `path`");
    }
    found.grpc = true;
    let wanted = "a method like \"shop.Orders/Get\" or a service like \"shop.Orders/*\"";
    found.paths = any_of(field, wanted, findings, method);
}

/// `package.Service/Method` or `package.Service/*`.
fn method(text: &str) -> Result<PathMatch, Fault> {
    let fault = || Fault::new(format!("{} is not a method of gRPC", quote(text)));
    if let Some(bare) = text.strip_prefix('/') {
        return Err(fault().help(format!("without the `/` in front: {}", quote(bare))));
    }
    let Some((service, method)) = text.split_once('/') else {
        return Err(match is_name(text) {
            true => fault().help(format!("all of a service: {}", quote(&format!("{text}/*")))),
            false => fault().help("e.g. \"shop.Orders/Get\" or \"shop.Orders/*\""),
        });
    };
    if !is_name(service) {
        return Err(fault().help(format!("{} is not a service's name", quote(service))));
    }
    match method {
        "*" => Ok(PathMatch::Prefix(format!("/{service}"))),
        name if is_identifier(name) => Ok(PathMatch::Exact(format!("/{text}"))),
        name => Err(fault().help(format!("{} is not a method's name", quote(name)))),
    }
}

fn is_name(text: &str) -> bool {
    text.split('.').all(is_identifier)
}

/// As Protocol Buffers write names.
fn is_identifier(text: &str) -> bool {
    let mut bytes = text.bytes();
    bytes
        .next()
        .is_some_and(|b| b.is_ascii_alphabetic() || b == b'_')
        && bytes.all(|b| b.is_ascii_alphanumeric() || b == b'_')
}
