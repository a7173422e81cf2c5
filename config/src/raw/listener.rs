//! `[listeners.x]` as typed.
//! Not whether two of them want the same address.

use super::bind;
use super::field::{Field, Zero};
use super::keys;
use super::route::{To, read_to, take_policies};
use super::server::{read_peer, refuse_empty};
use super::table::Table;
use super::tcp::{self, Tcp};
use crate::defaults;
use crate::findings::Findings;
use crate::model::{Bind, Intercept, ListenerLimits, ListenerTimeouts, Peer};
use crate::place::{At, Span};
use std::time::Duration;
use toml::de::DeValue;

/// One `[listeners.x]`.
pub(crate) struct Listener {
    pub(crate) name: At<String>,
    pub(crate) bind: Vec<At<Bind>>,
    pub(crate) timeouts: Option<Timeouts>,
    pub(crate) limits: Option<Limits>,
    pub(crate) to: Option<At<To>>,
    pub(crate) proxy_protocol: Option<Vec<Peer>>,
    pub(crate) tcp: Option<Tcp>,
    pub(crate) detect: Option<At<bool>>,
    pub(crate) intercept: Intercept,
    pub(crate) tls: Option<At<String>>,
    /// The port of `https`; None inside: not readable, and reported.
    pub(crate) redirect: Option<At<Option<u16>>>,
    pub(crate) policies: Vec<At<String>>,
    /// Where `timeouts.handshake` was typed.
    pub(crate) handshake: Option<Span>,
    /// Keys that mean something for HTTP alone, as far as they were typed.
    pub(crate) http_keys: Vec<At<&'static str>>,
    /// The same for TCP.
    pub(crate) tcp_keys: Vec<At<&'static str>>,
    /// The same for `detect`.
    pub(crate) detect_keys: Vec<At<&'static str>>,
    pub(crate) udp: Option<Udp>,
    /// Keys that mean something for connections alone, and for datagrams alone.
    pub(crate) connection_keys: Vec<At<&'static str>>,
    pub(crate) udp_keys: Vec<At<&'static str>>,
}

/// `udp`, with `responses`; what it names is None where that could not be read.
pub(crate) struct Udp {
    pub(crate) to: Option<At<To>>,
    pub(crate) span: Span,
    pub(crate) responses: Option<u32>,
}

/// `timeouts`, taken whole.
pub(crate) struct Timeouts {
    pub(crate) own: ListenerTimeouts,
    pub(crate) connect: Option<Duration>,
    /// `idle` where it was typed: its default depends on what the listener speaks.
    pub(crate) idle: Option<Duration>,
}

/// `limits`, taken whole.
pub(crate) struct Limits {
    pub(crate) limits: ListenerLimits,
    pub(crate) has_body: bool,
    pub(crate) span: Span,
}

pub(crate) fn read(
    name: At<String>,
    mut table: Table<'_>,
    findings: &mut Findings<'_>,
) -> Listener {
    let bind = match table.take("bind") {
        Some(field) => field
            .one_or_more(findings)
            .iter()
            .filter_map(|item| bind::read(item, findings))
            .collect(),
        None if table.misspells("bind") => Vec::new(),
        None => {
            let message = format!("listener \"{}\" has no `bind`", name.value);
            findings.error_help(name.span, message, "e.g. bind = \":8080\"");
            Vec::new()
        }
    };
    let (mut http_keys, mut tcp_keys, mut detect_keys) = (Vec::new(), Vec::new(), Vec::new());
    let mut handshake = None;
    let (mut connection_keys, mut udp_keys) = (Vec::new(), Vec::new());
    let of_connections = ["detect", "intercept", "proxy_protocol", "tls", "policies"];
    note(&table, &of_connections, &mut connection_keys);
    note(&table, &["to", "redirect"], &mut http_keys);
    note(&table, &["responses"], &mut udp_keys);
    let timeouts = table.take_table(
        "timeouts",
        &keys::LISTENER_TIMEOUTS,
        findings,
        |table, findings| {
            note(&table, &["headers", "body", "max_age"], &mut http_keys);
            note(&table, &["connect"], &mut tcp_keys);
            handshake = table.place_of("handshake");
            note(&table, &["detect"], &mut detect_keys);
            Some(read_timeouts(table, findings))
        },
    );
    let limits = table.take_table(
        "limits",
        &keys::LISTENER_LIMITS,
        findings,
        |table, findings| {
            let of_requests = [
                "header_bytes",
                "headers",
                "target_bytes",
                "body",
                "max_requests",
            ];
            note(&table, &of_requests, &mut http_keys);
            read_limits(table, findings)
        },
    );
    let to = table.take("to").and_then(|field| read_to(&field, findings));
    let proxy_protocol = table
        .take("proxy_protocol")
        .and_then(|field| read_proxy_from(&field, findings));
    let ways = [
        ("redirect", Intercept::Redirect),
        ("tproxy", Intercept::Tproxy),
    ];
    let intercept = table
        .take("intercept")
        .and_then(|field| field.word(&ways, &[], findings))
        .unwrap_or(defaults::INTERCEPT);
    let tcp = table.take("tcp").map(|field| tcp::read(&field, findings));
    let detect = table.take("detect").and_then(|field| {
        let value = field.yes_or_no(findings)?;
        Some(At {
            value,
            span: field.key_span,
        })
    });
    let tls = table
        .take("tls")
        .and_then(|field| field.text("the name of a [tls.x]", findings));
    let redirect = table.take("redirect").map(|field| At {
        value: read_redirect(&field, findings),
        span: field.key_span,
    });
    let policies = take_policies(&mut table, findings);
    let udp = read_udp(&mut table, findings);
    table.finish(findings);
    Listener {
        name,
        bind,
        timeouts,
        limits,
        to,
        proxy_protocol,
        tcp,
        detect,
        intercept,
        tls,
        redirect,
        policies,
        handshake,
        http_keys,
        tcp_keys,
        detect_keys,
        udp,
        connection_keys,
        udp_keys,
    }
}

fn read_udp(table: &mut Table<'_>, findings: &mut Findings<'_>) -> Option<Udp> {
    let responses = table
        .take("responses")
        .and_then(|field| field.number_u32(1..=u32::MAX, findings));
    table.take("udp").map(|field| Udp {
        to: read_to(&field, findings),
        span: field.span,
        responses,
    })
}

/// Remember which of these keys stand in the table, and where.
fn note(table: &Table<'_>, keys: &[&'static str], noted: &mut Vec<At<&'static str>>) {
    let found = keys.iter().filter_map(|key| {
        let span = table.place_of(key)?;
        Some(At { value: *key, span })
    });
    noted.extend(found);
}

/// The sources have no default: whoever may choose whether to send a header may choose who to be.
fn read_proxy_from(field: &Field<'_>, findings: &mut Findings<'_>) -> Option<Vec<Peer>> {
    const EXAMPLE: &str = "e.g. proxy_protocol = { from = [\"10.0.0.0/8\"] }";
    if !matches!(field.value, DeValue::Table(_)) {
        let message = "`proxy_protocol` of a listener says from whom headers are taken";
        findings.error_help(field.span, message, EXAMPLE);
        return None;
    }
    let mut table = Table::open("`proxy_protocol`", &keys::PROXY_FROM, field, findings)?;
    let from = match table.take("from") {
        Some(field) => field
            .one_or_more(findings)
            .iter()
            .filter_map(|item| read_peer(item, findings))
            .collect(),
        None => {
            if !table.misspells("from") {
                findings.error_help(field.span, "`proxy_protocol` without `from`", EXAMPLE);
            }
            Vec::new()
        }
    };
    table.finish(findings);
    Some(from)
}

fn read_timeouts(mut table: Table<'_>, findings: &mut Findings<'_>) -> Timeouts {
    refuse_empty(&table, "timeouts", table.span, findings);
    let mut take = |key| table.take(key)?.duration(Zero::Refused, findings);
    let (headers, idle, body) = (take("headers"), take("idle"), take("body"));
    let (connect, handshake, detect) = (take("connect"), take("handshake"), take("detect"));
    let max_age = take("max_age");
    table.finish(findings);
    let built_in = defaults::LISTENER_TIMEOUTS;
    Timeouts {
        own: ListenerTimeouts {
            headers: headers.unwrap_or(built_in.headers),
            idle: idle.unwrap_or(built_in.idle),
            body: body.unwrap_or(built_in.body),
            handshake: handshake.unwrap_or(built_in.handshake),
            detect: detect.unwrap_or(built_in.detect),
            max_age: max_age.or(built_in.max_age),
        },
        connect,
        idle,
    }
}

/// `"https"`, or `"https:8443"`.
fn read_redirect(field: &Field<'_>, findings: &mut Findings<'_>) -> Option<u16> {
    let text = field.text("\"https\" or \"https:PORT\"", findings)?;
    let (scheme, port) = match text.value.split_once(':') {
        Some((scheme, port)) => (scheme, port.parse::<u16>().ok().filter(|port| *port > 0)),
        None => (text.value.as_str(), Some(defaults::HTTPS_PORT)),
    };
    if scheme == "https" && port.is_some() {
        return port;
    }
    let message = "`redirect` of a listener must be \"https\" or \"https:PORT\"";
    let help = "other redirects are routes: [[routes]] with `redirect`";
    findings.error_help(text.span, message, help);
    None
}

fn read_limits(mut table: Table<'_>, findings: &mut Findings<'_>) -> Option<Limits> {
    /// Below, ordinary requests are refused; above, a head is no head any more.
    const HEAD_BYTES: std::ops::RangeInclusive<u64> = 256..=16 << 20;
    refuse_empty(&table, "limits", table.span, findings);
    let span = table.span;
    let mut limits = defaults::LISTENER_LIMITS;
    let narrow = |value: u64| u32::try_from(value).ok();
    if let Some(field) = table.take("connections") {
        limits.connections = field.number_u32(1..=u32::MAX, findings);
    }
    if let Some(field) = table.take("max_requests") {
        limits.max_requests = field.number_u32(1..=u32::MAX, findings);
    }
    if let Some(field) = table.take("header_bytes") {
        let read = field.size(HEAD_BYTES, findings).and_then(narrow);
        limits.header_bytes = read.unwrap_or(limits.header_bytes);
    }
    if let Some(field) = table.take("headers") {
        let read = field.number(1..=10_000, findings);
        limits.headers = read
            .and_then(|count| u16::try_from(count).ok())
            .unwrap_or(limits.headers);
    }
    match table.take("target_bytes") {
        Some(field) => {
            let read = field.size(1..=16 << 20, findings).and_then(narrow);
            limits.target_bytes = read.unwrap_or(limits.target_bytes);
            if read.is_some() && limits.target_bytes > limits.header_bytes {
                findings.error(
                    field.span,
                    "`target_bytes` is more than `header_bytes`, which holds the target too",
                );
            }
        }
        None => limits.target_bytes = limits.target_bytes.min(limits.header_bytes),
    }
    let body = table.take("body");
    let has_body = body.is_some();
    limits.body = body.and_then(|field| field.size(1..=u64::MAX, findings));
    table.finish(findings);
    Some(Limits {
        limits,
        has_body,
        span,
    })
}
