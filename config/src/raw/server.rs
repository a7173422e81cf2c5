//! `[server]` and `[defaults]` as typed.
//! Not what other tables make of the defaults.

use super::address::cidr;
use super::field::{Field, Zero};
use super::keys;
use super::policy::{Allow, take_allow};
use super::route::{read_body_limit, read_timeouts};
use super::table::Table;
use crate::defaults;
use crate::findings::Findings;
use crate::model::{Cidr, Io, Peer, RouteTimeouts, Server, Workers};
use crate::place::{At, Span};
use crate::units::quote;
use toml::de::DeValue;

/// More workers than the largest machines have cores.
const MOST_WORKERS: u64 = 1024;

/// `[defaults]`: kinds that routes and listeners take whole.
#[derive(std::default::Default)]
pub(crate) struct Defaults {
    pub(crate) timeouts: Option<RouteTimeouts>,
    pub(crate) body: Option<At<u64>>,
    pub(crate) allow: Option<Allow>,
}

pub(crate) fn built_in() -> Server {
    Server {
        workers: defaults::WORKERS,
        io: defaults::IO,
        drain: defaults::DRAIN,
        trusted_proxies: Vec::new(),
        mark: None,
        name: defaults::NAME.to_owned(),
    }
}

pub(crate) fn read(mut table: Table<'_>, findings: &mut Findings<'_>) -> Server {
    let mut server = built_in();
    if let Some(field) = table.take("workers") {
        server.workers = read_workers(&field, findings).unwrap_or(server.workers);
    }
    if let Some(field) = table.take("io") {
        let words = [
            ("auto", Io::Auto),
            ("io_uring", Io::Uring),
            ("epoll", Io::Epoll),
        ];
        server.io = field.word(&words, &[], findings).unwrap_or(server.io);
    }
    if let Some(field) = table.take("drain") {
        server.drain = field
            .duration(Zero::Allowed, findings)
            .unwrap_or(server.drain);
    }
    if let Some(field) = table.take("trusted_proxies") {
        server.trusted_proxies = field
            .one_or_any()
            .iter()
            .filter_map(|item| read_peer(item, findings))
            .collect();
    }
    if let Some(field) = table.take("mark") {
        server.mark = field.number_u32(0..=u32::MAX, findings);
    }
    if let Some(field) = table.take("name") {
        server.name = read_name(&field, findings).unwrap_or(server.name);
    }
    table.finish(findings);
    server
}

fn read_workers(field: &Field<'_>, findings: &mut Findings<'_>) -> Option<Workers> {
    if let DeValue::String(text) = field.value
        && text.parse::<u64>().is_err()
    {
        if text == "auto" {
            return Some(Workers::Auto);
        }
        let wanted = "\"auto\" or a number";
        field.wrong_word(text, ["auto"], &[], wanted, findings);
        return None;
    }
    let count = field.number(1..=MOST_WORKERS, findings)?;
    u16::try_from(count).ok().map(Workers::Count)
}

/// Addresses, or `"unix"` for all that come by Unix sockets.
pub(crate) fn read_peer(field: &Field<'_>, findings: &mut Findings<'_>) -> Option<Peer> {
    let text = field.text("an address block like \"10.0.0.0/8\"", findings)?;
    if text.value == "unix" {
        return Some(Peer::Unix);
    }
    read_block(&text, findings).map(Peer::Block)
}

/// Addresses alone.
pub(crate) fn read_cidr(field: &Field<'_>, findings: &mut Findings<'_>) -> Option<Cidr> {
    let text = field.text("an address block like \"10.0.0.0/8\"", findings)?;
    read_block(&text, findings)
}

fn read_block(text: &At<String>, findings: &mut Findings<'_>) -> Option<Cidr> {
    findings.judged(text.span, cidr(&text.value))
}

/// A pseudonym of Via is a token (RFC 9110 §5.6.2).
fn read_name(field: &Field<'_>, findings: &mut Findings<'_>) -> Option<String> {
    let text = field.text("a name like \"ringway\"", findings)?;
    if super::matches::is_token(&text.value) {
        return Some(text.value);
    }
    let message = format!(
        "{} cannot stand in a Via field: letters, digits and -._~ only",
        quote(&text.value)
    );
    findings.error(text.span, message);
    None
}

pub(crate) fn read_defaults(mut table: Table<'_>, findings: &mut Findings<'_>) -> Defaults {
    let timeouts = table.take_table("timeouts", &keys::ROUTE_TIMEOUTS, findings, read_timeouts);
    let body = table.take_table("limits", &keys::BODY_LIMITS, findings, read_body_limit);
    let allow = take_allow(&mut table, findings);
    table.finish(findings);
    Defaults {
        timeouts,
        body,
        allow,
    }
}

/// An empty kind says nothing, and would take everything away.
pub(crate) fn refuse_empty(table: &Table<'_>, what: &str, span: Span, findings: &mut Findings<'_>) {
    if table.is_empty() {
        findings.error(span, format!("`{what}` is empty; leave it out"));
    }
}
