//! `tcp` of a listener as typed: one destination, or a list of conditions with theirs.
//! Not whether its clusters exist, nor which entry can never be reached.

use super::field::Field;
use super::keys;
use super::route::{To, read_to};
use super::table::Table;
use crate::findings::Findings;
use crate::model::TcpMatch;
use crate::place::{At, Span};
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
    let to = table.take("to");
    let is_misspelt = table.misspells("to");
    table.finish(findings);
    let Some(to) = to else {
        if !is_misspelt {
            let help = "e.g. tcp = [{ to = \"rest\" }]";
            findings.error_help(field.span, "an entry of `tcp` without `to`", help);
        }
        return None;
    };
    Some(TcpRoute {
        matches: TcpMatch::default(),
        to: read_to(&to, findings)?,
        span: field.span,
    })
}
