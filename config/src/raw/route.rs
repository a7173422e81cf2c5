//! `[[routes]]` as typed.
//! Not whether its clusters exist, nor whether its parts fit together.

use super::cluster::{Endpoints, HEAVIEST, read_endpoints};
use super::field::{Field, Zero};
use super::matches::{self, Match, is_token};
use super::policy::{Allow, take_allow};
use super::server::refuse_empty;
use super::table::{Table, bare, fields};
use super::{check_name, keys};
use crate::defaults;
use crate::findings::Findings;
use crate::model::{RouteTimeouts, SplitBy};
use crate::place::{At, Span};
use crate::units::quote;
use toml::de::DeValue;

/// One `[[routes]]`.
pub(crate) struct Route {
    pub(crate) name: Option<At<String>>,
    /// Its header, for messages about the whole.
    pub(crate) span: Span,
    pub(crate) matches: Match,
    /// Every action that is given; exactly one should be.
    pub(crate) actions: Vec<At<RawAction>>,
    pub(crate) split_by: Option<At<Option<SplitBy>>>,
    pub(crate) rewrite: Option<At<Option<RawRewrite>>>,
    pub(crate) headers: Edits,
    pub(crate) response_headers: Edits,
    pub(crate) timeouts: Option<RouteTimeouts>,
    pub(crate) body_limit: Option<At<u64>>,
    pub(crate) policies: Vec<At<String>>,
    pub(crate) allow: Option<Allow>,
    pub(crate) grpc_web: Option<At<bool>>,
}

/// What becomes of a request, as typed.
pub(crate) enum RawAction {
    To(To),
    Redirect {
        status: u16,
        location: At<String>,
    },
    Respond {
        status: u16,
        body: String,
        content_type: String,
    },
    /// Not readable, and reported.
    Torn,
}

/// `to` of a route or a listener.
pub(crate) enum To {
    Cluster(At<String>),
    Split(Vec<WeightedName>),
    Endpoints(Endpoints),
}

/// One side of a split.
pub(crate) struct WeightedName {
    pub(crate) cluster: At<String>,
    pub(crate) weight: u32,
}

/// `rewrite`, with its text.
pub(crate) enum RawRewrite {
    Prefix(At<String>),
    Path(At<String>),
}

/// `headers` or `response_headers`.
#[derive(std::default::Default)]
pub(crate) struct Edits {
    pub(crate) list: Vec<Edit>,
}

/// One edit of a message's fields; the name is lower-case.
pub(crate) enum Edit {
    Remove(At<String>),
    Set(At<String>, At<String>),
    Add(At<String>, At<String>),
}

pub(crate) fn read(mut table: Table<'_>, findings: &mut Findings<'_>) -> Route {
    let name = table
        .take("name")
        .and_then(|field| field.text("a name", findings));
    if let Some(name) = &name {
        check_name(name, "route", findings);
    }
    let matches = matches::take(&mut table, findings);
    let actions = read_actions(&mut table, findings);
    let split_by = table.take("split_by").map(|field| At {
        value: read_split_by(&field, findings),
        span: field.key_span,
    });
    let rewrite = table.take("rewrite").map(|field| At {
        value: Table::open("`rewrite`", &keys::REWRITE, &field, findings)
            .and_then(|table| read_rewrite(table, findings)),
        span: field.key_span,
    });
    let edits = |key, findings: &mut Findings<'_>, table: &mut Table<'_>| {
        table
            .take_table(key, &keys::EDITS, findings, read_edits)
            .unwrap_or_default()
    };
    let headers = edits("headers", findings, &mut table);
    let response_headers = edits("response_headers", findings, &mut table);
    let timeouts = table.take_table("timeouts", &keys::ROUTE_TIMEOUTS, findings, read_timeouts);
    let body_limit = table.take_table("limits", &keys::BODY_LIMITS, findings, read_body_limit);
    let policies = take_policies(&mut table, findings);
    let allow = take_allow(&mut table, findings);
    let grpc_web = table.take("grpc_web").and_then(|field| {
        let value = field.yes_or_no(findings)?;
        let span = field.key_span;
        Some(At { value, span })
    });
    let span = table.span;
    table.finish(findings);
    Route {
        name,
        span,
        matches,
        actions,
        split_by,
        rewrite,
        headers,
        response_headers,
        timeouts,
        body_limit,
        policies,
        allow,
        grpc_web,
    }
}

/// `policies` of a route or a listener.
pub(crate) fn take_policies(table: &mut Table<'_>, findings: &mut Findings<'_>) -> Vec<At<String>> {
    let Some(field) = table.take("policies") else {
        return Vec::new();
    };
    let names = field.one_or_any();
    let name = |item: &Field<'_>| item.text("the name of a policy", findings);
    names.iter().filter_map(name).collect()
}

fn read_actions(table: &mut Table<'_>, findings: &mut Findings<'_>) -> Vec<At<RawAction>> {
    let mut actions = Vec::new();
    let mut push = |field: &Field<'_>, action: Option<RawAction>| {
        actions.push(At {
            value: action.unwrap_or(RawAction::Torn),
            span: field.key_span,
        });
    };
    if let Some(field) = table.take("to") {
        let to = read_to(&field, findings);
        push(&field, to.map(|to| RawAction::To(to.value)));
    }
    if let Some(field) = table.take("redirect") {
        let action = read_redirect(&field, findings);
        push(&field, action);
    }
    if let Some(field) = table.take("respond") {
        let action = Table::open("`respond`", &keys::RESPOND, &field, findings)
            .and_then(|table| read_respond(table, findings));
        push(&field, action);
    }
    actions
}

pub(crate) fn read_to(field: &Field<'_>, findings: &mut Findings<'_>) -> Option<At<To>> {
    let to = match field.value {
        DeValue::String(_) => To::Cluster(field.text("the name of a cluster or a list", findings)?),
        DeValue::Array(items) => {
            let names_cluster = |value: &DeValue<'_>| {
                value
                    .as_table()
                    .is_some_and(|table| !table.contains_key("address"))
            };
            let sides = items
                .iter()
                .filter(|item| names_cluster(item.get_ref()))
                .count();
            if sides == 0 {
                if let Some(name) = field.one_or_any().iter().find(|item| is_name(item)) {
                    let name = name.value.as_str().unwrap_or("");
                    let message = format!("{} is not an endpoint: it has no port", quote(name));
                    let help = format!("a cluster stands without a list: to = {}", quote(name));
                    findings.error_help(field.span, message, help);
                    return None;
                }
                To::Endpoints(read_endpoints(field, findings))
            } else if sides == items.len() {
                let sides: Vec<_> = field
                    .one_or_any()
                    .iter()
                    .map(|side| read_side(side, findings))
                    .collect();
                // Only after each of them has been looked at.
                To::Split(sides.into_iter().collect::<Option<Vec<_>>>()?)
            } else {
                let message = "`to` mixes clusters and endpoints";
                let help = "either [{ cluster = \"x\", weight = 1 }, …] or [\"ip:port\", …]";
                findings.error_help(field.span, message, help);
                return None;
            }
        }
        _ => {
            let wanted =
                "the name of a cluster, a list of { cluster, weight } or a list of endpoints";
            field.is_not(wanted, findings);
            return None;
        }
    };
    Some(At {
        value: to,
        span: field.span,
    })
}

/// What could only be a cluster's name.
fn is_name(item: &Field<'_>) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    item.value
        .as_str()
        .is_some_and(|text| !text.is_empty() && text.bytes().all(plain))
}

fn read_side(field: &Field<'_>, findings: &mut Findings<'_>) -> Option<WeightedName> {
    let mut table = Table::open("a side of `to`", &keys::TARGET, field, findings)?;
    let cluster = table.take("cluster");
    let weight = table.take("weight");
    let is_misspelt = table.misspells("cluster");
    table.finish(findings);
    let weight = match weight {
        Some(field) => field.number_u32(0..=HEAVIEST, findings)?,
        None => defaults::WEIGHT,
    };
    let Some(cluster) = cluster else {
        if !is_misspelt {
            findings.error(field.span, "a side of `to` without `cluster`");
        }
        return None;
    };
    let cluster = cluster.text("the name of a cluster", findings)?;
    Some(WeightedName { cluster, weight })
}

fn read_redirect(field: &Field<'_>, findings: &mut Findings<'_>) -> Option<RawAction> {
    let wanted = "a URL like \"https://{host}{path}{query}\"";
    if !matches!(field.value, DeValue::Table(_)) {
        let location = field.text(wanted, findings)?;
        return Some(RawAction::Redirect {
            status: defaults::REDIRECT_STATUS,
            location,
        });
    }
    let mut table = Table::open("`redirect`", &keys::REDIRECT, field, findings)?;
    let status = table.take("status");
    let to = table.take("to");
    let is_misspelt = table.misspells("to");
    table.finish(findings);
    let status = match status {
        None => defaults::REDIRECT_STATUS,
        Some(status) => {
            let code = status.number(0..=999, findings)?;
            if !matches!(code, 301 | 302 | 303 | 307 | 308) {
                let message =
                    format!("`status` of a redirect must be 301, 302, 303, 307 or 308, not {code}");
                findings.error(status.span, message);
                return None;
            }
            u16::try_from(code).ok()?
        }
    };
    let Some(to) = to else {
        if !is_misspelt {
            findings.error(field.span, "`redirect` without `to`");
        }
        return None;
    };
    let location = to.text(wanted, findings)?;
    Some(RawAction::Redirect { status, location })
}

fn read_respond(mut table: Table<'_>, findings: &mut Findings<'_>) -> Option<RawAction> {
    let before = findings.errors();
    let mut status = defaults::RESPOND_STATUS;
    if let Some(field) = table.take("status") {
        let read = field.number(200..=599, findings);
        status = read
            .and_then(|code| u16::try_from(code).ok())
            .unwrap_or(status);
    }
    let body = table.take("body");
    if let (Some(field), 204 | 205 | 304) = (&body, status) {
        let message = format!("an answer with status {status} has no body");
        findings.error(field.key_span, message);
    }
    let body = body.and_then(|field| field.free_text(findings));
    let content_type = table
        .take("content_type")
        .and_then(|field| read_content_type(&field, findings));
    table.finish(findings);
    (findings.errors() == before).then(|| RawAction::Respond {
        status,
        body: body.unwrap_or_default(),
        content_type: content_type.unwrap_or_else(|| defaults::RESPOND_TYPE.to_owned()),
    })
}

fn read_content_type(field: &Field<'_>, findings: &mut Findings<'_>) -> Option<String> {
    let text = field.text("a type like \"text/html\"", findings)?;
    let essence = text.value.split(';').next().unwrap_or("").trim();
    let is_type = essence
        .split_once('/')
        .is_some_and(|(kind, sub)| is_token(kind) && is_token(sub));
    if !is_type || !text.value.is_ascii() {
        let message = format!("{} is not a content type", quote(&text.value));
        findings.error_help(text.span, message, "e.g. \"text/html; charset=utf-8\"");
        return None;
    }
    Some(text.value)
}

fn read_split_by(field: &Field<'_>, findings: &mut Findings<'_>) -> Option<SplitBy> {
    let wanted = "\"header:NAME\", \"cookie:NAME\" or \"client_ip\"";
    let text = field.text(wanted, findings)?;
    let value = text.value.as_str();
    if value == "client_ip" {
        return Some(SplitBy::ClientIp);
    }
    match value.split_once(':') {
        Some(("header", name)) if is_token(name) => {
            Some(SplitBy::Header(name.to_ascii_lowercase()))
        }
        Some(("cookie", name)) if is_token(name) => Some(SplitBy::Cookie(name.to_owned())),
        Some(("header" | "cookie", name)) => {
            let message = format!("{} is not a name of a header or cookie", quote(name));
            findings.error(text.span, message);
            None
        }
        _ => {
            let kind = value.split(':').next().unwrap_or("");
            let words = ["header", "cookie", "client_ip"];
            let message = format!("`split_by` must be {wanted}, not {}", quote(value));
            match crate::suggest::nearest(kind, words) {
                Some(meant) => {
                    findings.error_help(text.span, message, format!("did you mean `{meant}`?"));
                }
                None => findings.error(text.span, message),
            }
            None
        }
    }
}

fn read_rewrite(mut table: Table<'_>, findings: &mut Findings<'_>) -> Option<RawRewrite> {
    refuse_empty(&table, "rewrite", table.span, findings);
    let prefix = table.take("prefix");
    let path = table.take("path");
    table.finish(findings);
    match (prefix, path) {
        (Some(prefix), None) => {
            let text = prefix.text("a path like \"/v2\"", findings)?;
            Some(RawRewrite::Prefix(text))
        }
        (None, Some(path)) => {
            let text = path.text("a path like \"/v2/{rest}\"", findings)?;
            Some(RawRewrite::Path(text))
        }
        (Some(_), Some(path)) => {
            let message = "`rewrite` is either of a `prefix` or of the whole `path`, not both";
            findings.error(path.key_span, message);
            None
        }
        (None, None) => None,
    }
}

fn read_edits(mut table: Table<'_>, findings: &mut Findings<'_>) -> Option<Edits> {
    refuse_empty(&table, "headers", table.span, findings);
    let mut edits = Edits::default();
    if let Some(field) = table.take("remove") {
        for item in field.one_or_more(findings) {
            let Some(text) = item.text("the name of a header", findings) else {
                continue;
            };
            if let Some(name) = edited_name(&text.value, text.span, findings) {
                edits.list.push(Edit::Remove(name));
            }
        }
    }
    if let Some(field) = table.take("set") {
        read_pairs(&field, Edit::Set, &mut edits, findings);
    }
    if let Some(field) = table.take("add") {
        read_pairs(&field, Edit::Add, &mut edits, findings);
    }
    table.finish(findings);
    Some(edits)
}

fn read_pairs(
    field: &Field<'_>,
    edit: fn(At<String>, At<String>) -> Edit,
    edits: &mut Edits,
    findings: &mut Findings<'_>,
) {
    let DeValue::Table(values) = field.value else {
        field.is_not("a table, like { x-name = \"value\" }", findings);
        return;
    };
    for entry in fields(values, field.span.source) {
        let name = edited_name(entry.key, entry.key_span, findings);
        let value = entry.text("text", findings);
        if let (Some(name), Some(value)) = (name, value) {
            edits.list.push(edit(name, value));
        }
    }
}

fn edited_name(name: &str, span: Span, findings: &mut Findings<'_>) -> Option<At<String>> {
    if !is_token(name) {
        findings.error(span, format!("`{}` is not a header's name", bare(name)));
        return None;
    }
    let value = name.to_ascii_lowercase();
    if let Some(reason) = untouchable(&value) {
        findings.error(span, format!("`{value}` cannot be edited: {reason}"));
        return None;
    }
    Some(At { value, span })
}

/// Why a field is not a file's to edit.
fn untouchable(name: &str) -> Option<&'static str> {
    match name {
        "connection" | "keep-alive" | "proxy-connection" | "te" | "upgrade" => {
            Some("it speaks about one connection, and each side has its own (RFC 9110 §7.6.1)")
        }
        "transfer-encoding" | "content-length" | "trailer" => Some(
            "it says where the message ends, and a wrong one lets requests be smuggled (RFC 9112 §6)",
        ),
        "host" => Some("routing depends on it; `host` of [clusters.x] says what is sent"),
        _ => None,
    }
}

pub(crate) fn read_timeouts(
    mut table: Table<'_>,
    findings: &mut Findings<'_>,
) -> Option<RouteTimeouts> {
    refuse_empty(&table, "timeouts", table.span, findings);
    let mut timeouts = defaults::ROUTE_TIMEOUTS;
    for (key, value) in [
        ("connect", &mut timeouts.connect),
        ("first_byte", &mut timeouts.first_byte),
        ("idle", &mut timeouts.idle),
        ("tunnel_idle", &mut timeouts.tunnel_idle),
    ] {
        if let Some(field) = table.take(key) {
            *value = field.duration(Zero::Refused, findings).unwrap_or(*value);
        }
    }
    if let Some(field) = table.take("total") {
        timeouts.total = field.duration(Zero::Refused, findings);
    }
    table.finish(findings);
    Some(timeouts)
}

pub(crate) fn read_body_limit(
    mut table: Table<'_>,
    findings: &mut Findings<'_>,
) -> Option<At<u64>> {
    refuse_empty(&table, "limits", table.span, findings);
    let body = table.take("body").and_then(|field| {
        let value = field.size(1..=u64::MAX, findings)?;
        Some(At {
            value,
            span: field.key_span,
        })
    });
    table.finish(findings);
    body
}
