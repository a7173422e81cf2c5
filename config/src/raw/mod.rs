//! The configuration as typed: each source's tree read into sections, with the place of every value that a check may want to name.
//! Not what the names mean, nor what fits together.

mod access_log;
mod address;
mod admin;
mod bind;
mod cluster;
mod field;
mod grpc;
mod keys;
mod listener;
mod matches;
mod policy;
mod route;
mod server;
mod syntax;
mod table;
mod tcp;
mod tls;

pub(crate) use access_log::AccessLog;
pub(crate) use address::{endpoint as parse_endpoint, host_fault};
pub(crate) use admin::Admin;
pub(crate) use cluster::{Cluster, Endpoints};
pub(crate) use listener::Listener;
pub(crate) use matches::{Match, normal as check_path};
pub(crate) use policy::{Allow, Policy, spiffe as check_spiffe};
pub(crate) use route::{Edit, Edits, RawAction, RawRewrite, Route, To};
pub(crate) use server::{Defaults, built_in as built_in_server};
pub(crate) use tcp::{Tcp, TcpRoute};
pub(crate) use tls::{ClusterTls, Tls};

use crate::Source;
use crate::findings::Findings;
use crate::model;
use crate::place::{At, Span};
use crate::units::quote;
use field::Field;
use keys::ROOT;
use table::{Table, fields};
use toml::de::{DeTable, DeValue};

/// The version of the format that is read here.
const VERSION: u64 = 1;

/// A file this long was made by mistake; reading it would take seconds.
const LONGEST_SOURCE: usize = 16 << 20;

/// More files than a generator of one file per service writes.
const MOST_SOURCES: usize = 10_000;

/// More patterns than anybody writes.
const MOST_INCLUDES: usize = 100;

/// All sources together.
#[derive(std::default::Default)]
pub(crate) struct Raw {
    pub(crate) server: Option<model::Server>,
    pub(crate) listeners: Vec<Listener>,
    /// Whether a table of listeners was at least tried.
    pub(crate) listeners_meant: bool,
    pub(crate) routes: Vec<Route>,
    pub(crate) clusters: Vec<Cluster>,
    pub(crate) tls: Vec<Tls>,
    pub(crate) policies: Vec<Policy>,
    pub(crate) defaults: Defaults,
    pub(crate) admin: Option<Admin>,
    pub(crate) access_log: Option<AccessLog>,
    /// Where each table that may stand once stands.
    once: Vec<(&'static str, Span)>,
}

pub(crate) fn includes(main: &Source) -> Vec<String> {
    if main.text.len() > LONGEST_SOURCE {
        return Vec::new();
    }
    let (tree, _) = DeTable::parse_recoverable(&main.text);
    let Some(value) = tree.get_ref().get("include") else {
        return Vec::new();
    };
    let one = |value: &DeValue<'_>| value.as_str().map(str::to_owned);
    match value.get_ref() {
        DeValue::Array(items) => items
            .iter()
            .filter_map(|item| one(item.get_ref()))
            .take(MOST_INCLUDES)
            .collect(),
        value => one(value).into_iter().collect(),
    }
}

pub(crate) fn without_secrets(source: &Source) -> String {
    let sources = std::slice::from_ref(source);
    let mut findings = Findings::new(sources);
    read(sources, &mut findings);
    findings.hidden_text()
}

pub(crate) fn read(sources: &[Source], findings: &mut Findings<'_>) -> Raw {
    let mut raw = Raw::default();
    for (number, source) in sources.iter().enumerate() {
        let start = Span {
            source: number,
            start: 0,
            end: 0,
        };
        if number >= MOST_SOURCES {
            findings.error(
                start,
                format!("more than {MOST_SOURCES} files are included"),
            );
            break;
        }
        if source.text.len() > LONGEST_SOURCE {
            findings.error(start, "the file is longer than 16MiB");
            continue;
        }
        let (tree, errors) = DeTable::parse_recoverable(&source.text);
        syntax::report(number, &source.text, tree.get_ref(), &errors, findings);
        let root = Table::new("the file", &ROOT, tree.get_ref(), start);
        read_source(number, root, &mut raw, findings);
    }
    raw
}

fn read_source<'t>(number: usize, mut root: Table<'t>, raw: &mut Raw, findings: &mut Findings<'_>) {
    if let Some(field) = root.take("version") {
        read_version(&field, findings);
    }
    if let Some(field) = root.take("include") {
        read_include(number, &field, findings);
    }
    if let Some(table) = once("server", &mut root, &keys::SERVER, raw, findings) {
        raw.server = Some(server::read(table, findings));
    }
    if let Some(table) = once("defaults", &mut root, &keys::DEFAULTS, raw, findings) {
        raw.defaults = server::read_defaults(table, findings);
    }
    if let Some(table) = once("admin", &mut root, &keys::ADMIN, raw, findings) {
        raw.admin = Some(admin::read(table, findings));
    }
    if let Some(table) = once("access_log", &mut root, &keys::ACCESS_LOG, raw, findings) {
        raw.access_log = Some(access_log::read(table, findings));
    }
    raw.listeners_meant |= root.misspells("listeners");
    if let Some(field) = root.take("listeners") {
        raw.listeners_meant = true;
        for (name, table) in named(&field, "listeners", &keys::LISTENER, findings) {
            raw.listeners.push(listener::read(name, table, findings));
        }
    }
    if let Some(field) = root.take("clusters") {
        for (name, table) in named(&field, "clusters", &keys::CLUSTER, findings) {
            raw.clusters.push(cluster::read(name, table, findings));
        }
    }
    if let Some(field) = root.take("tls") {
        for (name, table) in named(&field, "tls", &keys::TLS, findings) {
            raw.tls.push(tls::read(name, table, findings));
        }
    }
    if let Some(field) = root.take("policies") {
        for (name, table) in named(&field, "policies", &keys::POLICY, findings) {
            raw.policies.push(policy::read(name, table, findings));
        }
    }
    if let Some(field) = root.take("routes") {
        read_routes(&field, raw, findings);
    }
    root.finish(findings);
}

fn read_version(field: &Field<'_>, findings: &mut Findings<'_>) {
    if let Some(version) = field.number(0..=u64::MAX, findings)
        && version != VERSION
    {
        let message = format!("this program reads version {VERSION} of the format, not {version}");
        findings.error(field.span, message);
    }
}

fn read_include(number: usize, field: &Field<'_>, findings: &mut Findings<'_>) {
    if number > 0 {
        let message = "`include` is possible in the main file only";
        findings.error(field.key_span, message);
        return;
    }
    let items = field.one_or_any();
    if items.len() > MOST_INCLUDES {
        let message = format!("`include` lists more than {MOST_INCLUDES} patterns");
        findings.error(field.span, message);
    }
    for item in items.iter().take(MOST_INCLUDES) {
        if let Some(pattern) = item.text("a file pattern like \"conf.d/*.toml\"", findings)
            && pattern.value.is_empty()
        {
            findings.error(pattern.span, "`include` holds an empty pattern");
        }
    }
}

/// A table that may stand once in all sources together.
fn once<'t>(
    key: &'static str,
    root: &mut Table<'t>,
    keys: &'static keys::Keys,
    raw: &mut Raw,
    findings: &mut Findings<'_>,
) -> Option<Table<'t>> {
    let field = root.take(key)?;
    if let Some((_, first)) = raw.once.iter().find(|(known, _)| *known == key) {
        let place = findings.refer(field.key_span, *first);
        let message = format!("[{key}] stands in two files (first: {place})");
        findings.error(field.key_span, message);
    } else {
        raw.once.push((key, field.key_span));
    }
    Table::open(format!("[{key}]"), keys, &field, findings)
}

/// The tables of `[listeners.x]` or `[clusters.x]` with their names.
fn named<'t>(
    field: &Field<'t>,
    kind: &str,
    keys: &'static keys::Keys,
    findings: &mut Findings<'_>,
) -> Vec<(At<String>, Table<'t>)> {
    let DeValue::Table(tables) = field.value else {
        let message = format!("`{kind}` must be tables with names");
        findings.error_help(field.key_span, message, format!("write [{kind}.NAME]"));
        return Vec::new();
    };
    let mut found = Vec::new();
    for entry in fields(tables, field.span.source) {
        let is_table = matches!(entry.value, DeValue::Table(_));
        if !is_table
            && keys
                .here
                .iter()
                .chain(keys.later)
                .any(|key| *key == entry.key)
        {
            let message = format!("`{}` stands in [{kind}] itself", entry.key);
            let help = format!("each has a name: write [{kind}.NAME] above it");
            findings.error_help(entry.key_span, message, help);
            continue;
        }
        let title = format!("[{kind}.{}]", table::bare(entry.key));
        let name = At {
            value: entry.key.to_owned(),
            span: entry.key_span,
        };
        check_name(&name, kind.trim_end_matches('s'), findings);
        if let Some(table) = Table::open(title, keys, &entry, findings) {
            found.push((name, table));
        }
    }
    found
}

/// Names appear in metrics, logs and other names, so they are plain.
fn check_name(name: &At<String>, what: &str, findings: &mut Findings<'_>) {
    /// Long enough for a Kubernetes service with its namespace and port.
    const LONGEST: usize = 128;
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    let text = &name.value;
    if text.is_empty() || text.len() > LONGEST || !text.bytes().all(plain) {
        let message = format!(
            "{} cannot be the name of a {what}: letters, digits, `-`, `_` and `.` only, 1 to {LONGEST} of them",
            quote(text)
        );
        findings.error(name.span, message);
    }
}

fn read_routes(field: &Field<'_>, raw: &mut Raw, findings: &mut Findings<'_>) {
    let DeValue::Array(_) = field.value else {
        // A header that is not closed makes the parser guess about the next one.
        if findings.is_torn() {
            return;
        }
        let message = "`routes` must be a list of tables";
        let help = "write [[routes]] with two brackets, once for each route";
        findings.error_help(field.key_span, message, help);
        return;
    };
    for item in field.one_or_any() {
        if let Some(table) = Table::open("[[routes]]", &keys::ROUTE, &item, findings) {
            raw.routes.push(route::read(table, findings));
        }
    }
}
