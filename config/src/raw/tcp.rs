//! `tcp` of a listener as typed: one destination, or a list of conditions with theirs.
//! Not whether its clusters exist, nor which entry can never be reached.

use super::address;
use super::field::Field;
use super::keys;
use super::matches;
use super::route::{To, read_to};
use super::table::Table;
use crate::findings::Findings;
use crate::model::{HostMatch, TcpMatch};
use crate::place::{At, Span};
use crate::units::{Fault, quote};
use std::net::Ipv4Addr;
use toml::de::DeValue;

/// `tcp`.
pub(crate) struct Tcp {
    pub(crate) routes: Vec<TcpRoute>,
    /// Whether some entry could not be read, so that the list says nothing about the whole.
    pub(crate) torn: bool,
}

/// One entry; one without conditions for `tcp = "cluster"`.
pub(crate) struct TcpRoute {
    pub(crate) matches: TcpMatch,
    pub(crate) to: At<To>,
    pub(crate) span: Span,
}

pub(crate) fn read(field: &Field<'_>, findings: &mut Findings<'_>) -> Tcp {
    let before = findings.errors();
    let routes = if is_list_of_routes(field) {
        let entries = field.one_or_any();
        entries
            .iter()
            .filter_map(|entry| read_route(entry, findings))
            .collect()
    } else {
        let all = read_to(field, findings).map(|to| TcpRoute {
            matches: TcpMatch::default(),
            to,
            span: field.span,
        });
        all.into_iter().collect()
    };
    Tcp {
        routes,
        torn: findings.errors() > before,
    }
}

/// Tables that are neither endpoints nor sides of a split.
fn is_list_of_routes(field: &Field<'_>) -> bool {
    let is_route = |value: &DeValue<'_>| {
        value
            .as_table()
            .is_some_and(|table| !table.contains_key("address") && !table.contains_key("cluster"))
    };
    field
        .value
        .as_array()
        .is_some_and(|items| items.iter().any(|item| is_route(item.get_ref())))
}

fn read_route(field: &Field<'_>, findings: &mut Findings<'_>) -> Option<TcpRoute> {
    let mut table = Table::open("an entry of `tcp`", &keys::TCP_ROUTE, field, findings)?;
    let sni = table.take("sni").map(|field| read_names(&field, findings));
    let alpn = table.take("alpn").map(|field| read_alpn(&field, findings));
    let to = table.take("to");
    let is_misspelt = table.misspells("to");
    let destinations = table.take("destination").map(|field| {
        let wanted = "a destination like \"10.0.0.0/8:5432\"";
        read_each(&field, wanted, findings, address::destination)
    });
    table.finish(findings);
    let Some(to) = to else {
        if !is_misspelt {
            let help = "e.g. tcp = [{ to = \"rest\" }]";
            findings.error_help(field.span, "an entry of `tcp` without `to`", help);
        }
        return None;
    };
    Some(TcpRoute {
        matches: TcpMatch {
            sni: sni.unwrap_or_default(),
            alpn: alpn.unwrap_or_default(),
            destinations: destinations.unwrap_or_default(),
        },
        to: read_to(&to, findings)?,
        span: field.span,
    })
}

/// Names as `match.host` has them, but no addresses: a client that asks for one says no name (RFC 6066 section 3). No `"*"`
/// either, which could mean any connection or any name.
fn read_names(field: &Field<'_>, findings: &mut Findings<'_>) -> Vec<HostMatch> {
    read_each(field, "a name like \"db.example.com\"", findings, |text| {
        if text == "*" {
            return Err(
                Fault::new("`sni = \"*\"` says nothing").help("an entry without `sni` takes all")
            );
        }
        match matches::host(text)? {
            HostMatch::Exact(name) if name.starts_with('[') || name.parse::<Ipv4Addr>().is_ok() => {
                Err(Fault::new(format!("{} is an address", quote(text)))
                    .help("TLS clients name hosts alone"))
            }
            name => Ok(name),
        }
    })
}

/// Names of protocols have 1 to 255 octets (RFC 7301 section 3.1); those in use are visible.
fn read_alpn(field: &Field<'_>, findings: &mut Findings<'_>) -> Vec<String> {
    read_each(field, "a protocol like \"h2\"", findings, |text| {
        let visible = text.bytes().all(|octet| octet.is_ascii_graphic());
        if text.is_empty() || text.len() > 255 || !visible {
            return Err(
                Fault::new(format!("{} is not the name of a protocol", quote(text)))
                    .help("e.g. \"h2\", \"http/1.1\" or \"postgresql\""),
            );
        }
        Ok(text.to_owned())
    })
}

fn read_each<T>(
    field: &Field<'_>,
    wanted: &str,
    findings: &mut Findings<'_>,
    read: fn(&str) -> Result<T, Fault>,
) -> Vec<T> {
    let mut found = Vec::new();
    for item in field.one_or_more(findings) {
        let Some(text) = item.text(wanted, findings) else {
            continue;
        };
        match read(&text.value) {
            Ok(value) => found.push(value),
            Err(fault) => findings.fault(text.span, fault),
        }
    }
    found
}
