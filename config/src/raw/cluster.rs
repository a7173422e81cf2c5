//! `[clusters.x]` and endpoints as typed.
//! Not what a cluster takes over from another (`like`).

use super::address;
use super::field::{Field, Zero};
use super::keys;
use super::server::refuse_empty;
use super::table::Table;
use super::tls::{self, ClusterTls};
use crate::defaults;
use crate::findings::Findings;
use crate::model::{
    Balance, ClusterLimits, Endpoint, HostSent, Original, Protocol, ProxySent, SourceSent,
};
use crate::place::{At, Span};
use crate::units::quote;
use std::time::Duration;
use toml::de::DeValue;

/// Larger weights are not finer, and sums of many must not overflow.
pub(crate) const HEAVIEST: u32 = 65_535;

/// Algorithms that the format names and no code stands behind yet.
const LATER_BALANCE: [&str; 3] = ["ewma", "ring_hash", "maglev"];

/// One `[clusters.x]`; None is "not given" or "not readable, and reported".
pub(crate) struct Cluster {
    pub(crate) name: At<String>,
    /// Whether `endpoints` was at least tried.
    pub(crate) endpoints_meant: bool,
    pub(crate) like: Option<At<String>>,
    pub(crate) endpoints: Option<Endpoints>,
    pub(crate) balance: Option<Balance>,
    pub(crate) limits: Option<ClusterLimits>,
    pub(crate) host: Option<HostSent>,
    pub(crate) pool_idle: Option<Duration>,
    pub(crate) source: Option<SourceSent>,
    pub(crate) proxy_protocol: Option<ProxySent>,
    pub(crate) protocol: Option<At<Protocol>>,
    pub(crate) tls: Option<ClusterTls>,
}

/// Endpoints that could be read.
#[derive(Clone)]
pub(crate) struct Endpoints {
    pub(crate) list: Vec<At<Endpoint>>,
    /// Instead of a list.
    pub(crate) original: Option<Original>,
    /// Whether some could not be read, so that the list says nothing about the whole.
    pub(crate) torn: bool,
    pub(crate) span: Span,
}

pub(crate) fn read(name: At<String>, mut table: Table<'_>, findings: &mut Findings<'_>) -> Cluster {
    let endpoints_meant = table.misspells("endpoints");
    let endpoints = table
        .take("endpoints")
        .map(|field| read_endpoints(&field, findings));
    let words = [
        ("p2c", Balance::P2c),
        ("round_robin", Balance::RoundRobin),
        ("random", Balance::Random),
    ];
    let balance = table
        .take("balance")
        .and_then(|field| field.word(&words, &LATER_BALANCE, findings));
    let limits = table.take_table("limits", &keys::CLUSTER_LIMITS, findings, read_limits);
    let like = table
        .take("like")
        .and_then(|field| field.text("the name of another cluster", findings));
    let host = table
        .take("host")
        .and_then(|field| read_host(&field, findings));
    let pool_idle = table.take_table("pool", &keys::POOL, findings, read_pool);
    let sources = [("own", SourceSent::Own), ("client", SourceSent::Client)];
    let source = table
        .take("source")
        .and_then(|field| field.word(&sources, &[], findings));
    let proxy_protocol = table
        .take("proxy_protocol")
        .and_then(|field| read_proxy_sent(&field, findings));
    let protocol = table.take("protocol").and_then(|field| {
        let words = [
            ("h1", Protocol::H1),
            ("h2", Protocol::H2),
            ("auto", Protocol::Auto),
        ];
        let value = field.word(&words, &[], findings)?;
        let span = field.span;
        Some(At { value, span })
    });
    let tls = table
        .take("tls")
        .map(|field| tls::read_of_cluster(&field, findings));
    table.finish(findings);
    Cluster {
        name,
        endpoints_meant,
        like,
        endpoints,
        balance,
        limits,
        host,
        pool_idle,
        source,
        proxy_protocol,
        protocol,
        tls,
    }
}

pub(crate) fn read_endpoints(field: &Field<'_>, findings: &mut Findings<'_>) -> Endpoints {
    let before = findings.errors();
    if let DeValue::String(text) = field.value
        && (text == "original" || text.starts_with("original:"))
    {
        let original = read_original(text, field.span, findings);
        return Endpoints {
            list: Vec::new(),
            original,
            torn: original.is_none(),
            span: field.span,
        };
    }
    if let DeValue::String(text) = field.value
        && !text.contains("://")
    {
        findings.error_help(
            field.span,
            "`endpoints` must be a list",
            format!("endpoints = [{}]", quote(text)),
        );
    }
    let list = field
        .one_or_more(findings)
        .iter()
        .filter_map(|item| read_endpoint(item, findings))
        .collect();
    Endpoints {
        list,
        original: None,
        torn: findings.errors() > before,
        span: field.span,
    }
}

/// `original`, or with the address that takes its port.
fn read_original(text: &str, span: Span, findings: &mut Findings<'_>) -> Option<Original> {
    match text.strip_prefix("original:") {
        None => Some(Original::Destination),
        Some("localhost") => Some(Original::Localhost),
        Some(address) => match address.parse() {
            Ok(ip) => Some(Original::At(ip)),
            Err(_) => {
                let message = format!("{} is not an address without a port", quote(address));
                let help = "the port is that of the original destination: \"original\", \"original:localhost\" or \"original:127.0.0.1\"";
                findings.error_help(span, message, help);
                None
            }
        },
    }
}

fn read_endpoint(field: &Field<'_>, findings: &mut Findings<'_>) -> Option<At<Endpoint>> {
    let mut weight = defaults::WEIGHT;
    let mut backup = defaults::BACKUP;
    let address = if matches!(field.value, DeValue::Table(_)) {
        let mut table = Table::open("an endpoint", &keys::ENDPOINT, field, findings)?;
        let address = table.take("address");
        if address.is_none() && !table.misspells("address") {
            findings.error(field.span, "an endpoint without `address`");
        }
        if let Some(field) = table.take("weight") {
            weight = field.number_u32(0..=HEAVIEST, findings).unwrap_or(weight);
        }
        if let Some(field) = table.take("backup") {
            backup = field.yes_or_no(findings).unwrap_or(backup);
        }
        table.finish(findings);
        address?
    } else {
        field.clone()
    };
    let text = address.text("an address like \"10.0.0.1:80\"", findings)?;
    let address = findings.judged(text.span, address::endpoint(&text.value))?;
    Some(At {
        value: Endpoint {
            address,
            weight,
            backup,
        },
        span: text.span,
    })
}

fn read_limits(mut table: Table<'_>, findings: &mut Findings<'_>) -> Option<ClusterLimits> {
    refuse_empty(&table, "limits", table.span, findings);
    let mut limits = defaults::CLUSTER_LIMITS;
    for (key, least, value) in [
        ("connections", 1, &mut limits.connections),
        ("requests", 1, &mut limits.requests),
        ("queue", 0, &mut limits.queue),
    ] {
        if let Some(field) = table.take(key) {
            *value = field
                .number_u32(least..=u32::MAX, findings)
                .unwrap_or(*value);
        }
    }
    if let Some(field) = table.take("queue_for") {
        limits.queue_for = field
            .duration(Zero::Refused, findings)
            .unwrap_or(limits.queue_for);
    }
    table.finish(findings);
    Some(limits)
}

fn read_pool(mut table: Table<'_>, findings: &mut Findings<'_>) -> Option<Duration> {
    refuse_empty(&table, "pool", table.span, findings);
    let idle = table
        .take("idle")
        .and_then(|field| field.duration(Zero::Refused, findings));
    table.finish(findings);
    idle
}

fn read_proxy_sent(field: &Field<'_>, findings: &mut Findings<'_>) -> Option<ProxySent> {
    let words = [
        ("off", ProxySent::Off),
        ("v1", ProxySent::V1),
        ("v2", ProxySent::V2),
        ("v2_crc32c", ProxySent::V2Crc32c),
    ];
    field.word(&words, &[], findings)
}

/// A Host to be sent is `host` or `host:port` (RFC 9110 §7.2).
fn read_host(field: &Field<'_>, findings: &mut Findings<'_>) -> Option<HostSent> {
    let text = field.text("\"keep\", \"upstream\" or a host", findings)?;
    match text.value.as_str() {
        "keep" => return Some(HostSent::Keep),
        "upstream" => return Some(HostSent::Upstream),
        _ => {}
    }
    let (host, port) = match text.value.rsplit_once(':') {
        Some((host, port)) if !host.contains(':') || host.ends_with(']') => (host, Some(port)),
        _ => (text.value.as_str(), None),
    };
    let bracketed = host.strip_prefix('[').and_then(|h| h.strip_suffix(']'));
    let is_host = match bracketed {
        Some(inner) => inner.parse::<std::net::Ipv6Addr>().is_ok(),
        None => host.parse::<std::net::Ipv4Addr>().is_ok() || address::host_fault(host).is_none(),
    };
    if !is_host || port.is_some_and(|port| port.parse::<u16>().is_err()) {
        let message = format!("{} cannot be sent as Host", quote(&text.value));
        findings.error_help(
            text.span,
            message,
            "\"keep\", \"upstream\" or a host like \"api.internal\"",
        );
        return None;
    }
    Some(HostSent::Literal(text.value))
}
