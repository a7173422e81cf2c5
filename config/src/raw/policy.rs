//! `[policies.x]`, `allow` and `enforce` as typed.
//! Not which policies a route or a listener names, nor which of them wins.

use super::field::Field;
use super::keys;
use super::matches;
use super::server::{read_cidr, refuse_empty};
use super::table::Table;
use crate::defaults;
use crate::findings::Findings;
use crate::model::{AllowRule, IdentityMatch};
use crate::place::{At, Span};
use crate::units::{Fault, quote};

/// One `[policies.x]`.
pub(crate) struct Policy {
    pub(crate) name: At<String>,
    pub(crate) allow: Option<Allow>,
}

/// `allow` with its `enforce`, taken whole.
#[derive(Clone)]
pub(crate) struct Allow {
    pub(crate) rules: Vec<AllowRule>,
    pub(crate) enforce: bool,
    pub(crate) span: Span,
    /// Conditions that mean something for HTTP alone, as far as they were typed.
    pub(crate) http_keys: Vec<At<&'static str>>,
}

pub(crate) fn read(name: At<String>, mut table: Table<'_>, findings: &mut Findings<'_>) -> Policy {
    refuse_empty(&table, "policies", table.span, findings);
    let allow = take_allow(&mut table, findings);
    table.finish(findings);
    Policy { name, allow }
}

/// `allow` and `enforce` of a policy, a route or the defaults.
pub(crate) fn take_allow(table: &mut Table<'_>, findings: &mut Findings<'_>) -> Option<Allow> {
    let is_misspelt = table.misspells("allow");
    let allow = table.take("allow");
    let enforce = table.take("enforce");
    if let (None, Some(enforce)) = (&allow, &enforce)
        && !is_misspelt
    {
        let message = "`enforce` without `allow` has nothing to act on";
        let help = "it stands beside the `allow` that it is about: each is taken whole";
        findings.error_help(enforce.key_span, message, help);
    }
    let enforce = enforce.and_then(|field| field.yes_or_no(findings));
    let allow = allow?;
    let mut http_keys = Vec::new();
    let rules = allow
        .one_or_more(findings)
        .iter()
        .filter_map(|item| read_rule(item, &mut http_keys, findings))
        .collect();
    Some(Allow {
        rules,
        enforce: enforce.unwrap_or(defaults::ENFORCE),
        span: allow.key_span,
        http_keys,
    })
}

fn read_rule(
    field: &Field<'_>,
    http_keys: &mut Vec<At<&'static str>>,
    findings: &mut Findings<'_>,
) -> Option<AllowRule> {
    let mut table = Table::open("a rule of `allow`", &keys::ALLOW, field, findings)?;
    if table.is_empty() {
        let message = "a rule of `allow` without conditions lets everyone through";
        findings.error_help(field.span, message, "leave `allow` out");
    }
    for key in ["method", "path", "headers"] {
        if let Some(span) = table.place_of(key) {
            http_keys.push(At { value: key, span });
        }
    }
    let mut rule = AllowRule::default();
    if let Some(field) = table.take("identity") {
        rule.identities = read_identities(&field, findings);
    }
    if let Some(field) = table.take("address") {
        rule.addresses = field
            .one_or_more(findings)
            .iter()
            .filter_map(|item| read_cidr(item, findings))
            .collect();
    }
    let of_request = matches::read_request(&mut table, findings);
    rule.methods = of_request.methods;
    rule.paths = of_request.paths;
    rule.headers = of_request.headers;
    table.finish(findings);
    Some(rule)
}

/// One identity or a list of them.
pub(crate) fn read_identities(
    field: &Field<'_>,
    findings: &mut Findings<'_>,
) -> Vec<IdentityMatch> {
    let mut found = Vec::new();
    for item in field.one_or_more(findings) {
        let wanted = "an identity like \"spiffe://example.org/web\"";
        let Some(text) = item.text(wanted, findings) else {
            continue;
        };
        match identity(&text.value) {
            Ok(identity) => found.push(identity),
            Err(fault) => findings.fault(text.span, fault),
        }
    }
    found
}

/// Identities are SPIFFE ids, DNS names, or subjects (`CN=edge`), as a certificate gives them.
fn identity(text: &str) -> Result<IdentityMatch, Fault> {
    if text == "*" {
        return Ok(IdentityMatch::Any);
    }
    if let Some(literal) = text.strip_prefix('=') {
        return Ok(IdentityMatch::Exact(literal.to_owned()));
    }
    if text.starts_with('~') {
        return Err(
            Fault::new("a regex for an identity is not in this version yet").help(
                "identities are exact (\"spiffe://example.org/web\") or everything below (\"spiffe://example.org/*\")",
            ),
        );
    }
    let above = text.strip_suffix("/*");
    let bare = above.unwrap_or(text);
    if bare.contains('*') {
        return Err(Fault::new(format!(
            "{}: a `*` stands only at the end, behind a `/`",
            quote(text)
        )));
    }
    if bare.contains("://") {
        spiffe(bare)?;
    } else if bare.is_empty() {
        return Err(Fault::new(format!("{} is not an identity", quote(text))));
    }
    Ok(match above {
        Some(above) => IdentityMatch::Below(format!("{above}/")),
        None => IdentityMatch::Exact(text.to_owned()),
    })
}

/// What a certificate can never hold as an id would never match (SPIFFE-ID 2).
pub(crate) fn spiffe(id: &str) -> Result<(), Fault> {
    let wrong = |why: &str| {
        Err(Fault::new(format!(
            "{} is not a SPIFFE id: {why}",
            quote(id)
        )))
    };
    let Some(rest) = id.strip_prefix("spiffe://") else {
        return wrong("it begins with `spiffe://`");
    };
    let (domain, path) = rest.split_once('/').unwrap_or((rest, "x"));
    if id.len() > 2_048 || domain.len() > 255 {
        return wrong("it has at most 2048 bytes, its trust domain 255");
    }
    let of_domain =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b".-_".contains(&byte);
    if domain.is_empty() || !domain.bytes().all(of_domain) {
        return wrong("a trust domain has lower-case letters, digits, `.`, `-` and `_` only");
    }
    let of_path = |byte: u8| byte.is_ascii_alphanumeric() || b".-_".contains(&byte);
    let is_segment =
        |part: &str| !part.is_empty() && part != "." && part != ".." && part.bytes().all(of_path);
    if !path.split('/').all(is_segment) {
        return wrong("its path has letters, digits, `.`, `-` and `_` between single slashes");
    }
    Ok(())
}
