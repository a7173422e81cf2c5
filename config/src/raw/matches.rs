//! `match` of a route as typed, and the one language that all its strings are written in:
//! `"x"` exact, `"/x/*"` below, `"*.x"` any host below, `"~re"` a regex for the whole value, `"*"` present, `"="` in front: literal.
//! Not which requests really come by a route (`check::shadow`).

use super::address::host_fault;
use super::field::Field;
use super::keys;
use super::policy::read_identities;
use super::table::{Table, bare, fields};
use crate::findings::Findings;
use crate::model::{HostMatch, IdentityMatch, PathMatch, ValueMatch};
use crate::place::{At, Span};
use crate::units::{Fault, quote};
use regex::{Regex, RegexBuilder};
use std::net::{Ipv4Addr, Ipv6Addr};
use toml::de::DeValue;

/// Compiled bytes of one regex. Real ones are far below; `(\w{100}){100}` is beyond.
const REGEX_SIZE: usize = 1 << 20;

/// Methods that a slip is compared with.
const METHODS: [&str; 9] = [
    "GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT",
];

/// `match` of one route. An empty list is "any".
#[derive(std::default::Default)]
pub(crate) struct Match {
    pub(crate) listeners: Vec<At<String>>,
    pub(crate) hosts: Vec<HostMatch>,
    pub(crate) paths: Vec<PathMatch>,
    pub(crate) methods: Vec<String>,
    pub(crate) headers: Vec<(String, ValueMatch)>,
    pub(crate) query: Vec<(String, ValueMatch)>,
    pub(crate) identities: Vec<IdentityMatch>,
    /// Calls alone; which ones, `paths` say.
    pub(crate) grpc: bool,
    /// Named groups of all regexes.
    pub(crate) captures: Vec<At<String>>,
    /// Whether some condition could not be read, so that nothing can be said about the whole.
    pub(crate) torn: bool,
}

pub(crate) fn read(mut table: Table<'_>, findings: &mut Findings<'_>) -> Option<Match> {
    let before = findings.errors();
    let mut found = read_request(&mut table, findings);
    if let Some(field) = table.take("listener") {
        let items = field.one_or_more(findings);
        let names = items
            .iter()
            .filter_map(|item| item.text("the name of a listener", findings));
        found.listeners = names.collect();
    }
    if let Some(field) = table.take("host") {
        found.hosts = any_of(&field, "a host like \"shop.example.com\"", findings, host);
    }
    if let Some(field) = table.take("query") {
        found.query = read_values(&field, Named::Query, &mut found.captures, findings);
    }
    if let Some(field) = table.take("identity") {
        found.identities = read_identities(&field, findings);
    }
    if let Some(field) = table.take("grpc") {
        super::grpc::read(&field, &mut found, findings);
    }
    table.finish(findings);
    found.torn = findings.errors() > before;
    Some(found)
}

/// The conditions on a request that routes and rules of `allow` have alike.
pub(crate) fn read_request(table: &mut Table<'_>, findings: &mut Findings<'_>) -> Match {
    let mut found = Match::default();
    if let Some(field) = table.take("path") {
        read_paths(&field, &mut found, findings);
    }
    if let Some(field) = table.take("method") {
        found.methods = any_of(&field, "a method like \"GET\"", findings, method);
    }
    if let Some(field) = table.take("headers") {
        found.headers = read_values(&field, Named::Header, &mut found.captures, findings);
    }
    found
}

/// Reads a text or a list of texts; `"*"` among them makes it "any", an empty list.
pub(super) fn any_of<T>(
    field: &Field<'_>,
    wanted: &str,
    findings: &mut Findings<'_>,
    read: fn(&str) -> Result<T, Fault>,
) -> Vec<T> {
    let mut any = false;
    let mut found = Vec::new();
    for item in field.one_or_more(findings) {
        let Some(text) = item.text(wanted, findings) else {
            continue;
        };
        if text.value == "*" {
            any = true;
            continue;
        }
        match read(&text.value) {
            Ok(value) => found.push(value),
            Err(fault) => findings.fault(text.span, fault),
        }
    }
    if any {
        found.clear();
    }
    found
}

pub(super) fn host(text: &str) -> Result<HostMatch, Fault> {
    if text.starts_with('~') {
        return Err(
            Fault::new("a regex for a host is not in this version yet").help(
                "hosts are exact (\"shop.example.com\") or everything below (\"*.example.com\")",
            ),
        );
    }
    if let Some(below) = text.strip_prefix("*.") {
        return plain_host(below).map(HostMatch::Wildcard);
    }
    if text.contains('*') {
        return Err(Fault::new(format!(
            "{}: a `*` stands only in front of a dot, like \"*.example.com\"",
            quote(text)
        )));
    }
    plain_host(text.strip_prefix('=').unwrap_or(text)).map(HostMatch::Exact)
}

fn plain_host(text: &str) -> Result<String, Fault> {
    let bracketed = text.strip_prefix('[').and_then(|t| t.strip_suffix(']'));
    let is_ip = text.parse::<Ipv4Addr>().is_ok()
        || bracketed.is_some_and(|inner| inner.parse::<Ipv6Addr>().is_ok());
    if is_ip {
        return Ok(text.to_ascii_lowercase());
    }
    let fault = Fault::new(format!("{} is not a host", quote(text)));
    if let Some((_, rest)) = text.split_once("://") {
        let host = rest.split(['/', ':']).next().unwrap_or("");
        return Err(fault.help(format!("the name alone: {}", quote(host))));
    }
    if let Some((host, port)) = text.split_once(':')
        && port.parse::<u16>().is_ok()
    {
        return Err(fault.help(format!(
            "hosts are compared without their port: {}",
            quote(host)
        )));
    }
    if let Some((host, _)) = text.split_once('/') {
        return Err(fault.help(format!("the path has its own key: host = {}", quote(host))));
    }
    match host_fault(text) {
        Some(reason) => Err(Fault::new(format!("{}: {reason}", quote(text)))),
        None => Ok(text.trim_end_matches('.').to_ascii_lowercase()),
    }
}

/// Methods are case-sensitive (RFC 9110 §9.1), and the registered ones are upper-case.
fn method(text: &str) -> Result<String, Fault> {
    let upper = text.to_ascii_uppercase();
    if !is_token(text) {
        return Err(Fault::new(format!("{} is not a method", quote(text))));
    }
    if text != upper {
        return Err(Fault::new(format!("{} is not a method", quote(text)))
            .help(format!("methods are upper-case: \"{upper}\"")));
    }
    if !METHODS.contains(&text)
        && let Some(meant) = crate::suggest::nearest(text, METHODS)
    {
        return Err(Fault::new(format!("{} is not a method", quote(text)))
            .help(format!("did you mean \"{meant}\"?")));
    }
    Ok(upper)
}

/// RFC 9110 §5.6.2.
pub(crate) fn is_token(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b))
}

fn read_paths(field: &Field<'_>, found: &mut Match, findings: &mut Findings<'_>) {
    let mut any = false;
    let mut captures = Vec::new();
    for item in field.one_or_more(findings) {
        let Some(text) = item.text("a path like \"/api/*\"", findings) else {
            continue;
        };
        if text.value == "*" {
            any = true;
        } else if let Some(regex) = text.value.strip_prefix('~') {
            if read_regex(regex, text.span, &mut captures, findings) {
                found.paths.push(PathMatch::Regex(regex.to_owned()));
            }
        } else {
            match path(&text.value) {
                Ok(path) => found.paths.push(path),
                Err(fault) => findings.fault(text.span, fault),
            }
        }
    }
    if any {
        found.paths.clear();
    }
    // Only one of the alternatives matches, so they may share a name.
    captures.sort_by(|a: &At<String>, b| a.value.cmp(&b.value).then(a.span.cmp(&b.span)));
    captures.dedup_by(|a, b| a.value == b.value);
    found.captures.append(&mut captures);
}

fn path(text: &str) -> Result<PathMatch, Fault> {
    if let Some(literal) = text.strip_prefix('=') {
        if literal == "*" {
            return Ok(PathMatch::Exact(literal.to_owned()));
        }
        return normal(literal).map(|()| PathMatch::Exact(literal.to_owned()));
    }
    if let Some(prefix) = text.strip_suffix("/*") {
        if prefix.contains('*') {
            return Err(star_inside(text));
        }
        if !prefix.is_empty() {
            normal(prefix)?;
        }
        return Ok(PathMatch::Prefix(prefix.to_owned()));
    }
    if let Some(prefix) = text.strip_suffix('*')
        && !prefix.contains('*')
        && prefix.starts_with('/')
    {
        return Err(
            Fault::new(format!("{}: a prefix ends at a `/`", quote(text))).help(format!(
                "write {} or a regex",
                quote(&format!("{prefix}/*"))
            )),
        );
    }
    if text.contains('*') {
        return Err(star_inside(text));
    }
    normal(text).map(|()| PathMatch::Exact(text.to_owned()))
}

fn star_inside(text: &str) -> Fault {
    Fault::new(format!(
        "{}: a `*` stands only at the end, as `/*`",
        quote(text)
    ))
    .help("a regex can do more: '~/a/[^/]+/b'; `=` in front makes it literal")
}

/// Requests' paths are brought to their normal form first, so a path in another form would never match.
pub(crate) fn normal(path: &str) -> Result<(), Fault> {
    let shown = quote(path);
    if !path.starts_with('/') {
        return Err(Fault::new(format!("{shown} is not a path")).help(format!(
            "a path begins with `/`: {}",
            quote(&format!("/{path}"))
        )));
    }
    if path.contains(['?', '#']) {
        return Err(Fault::new(format!("{shown} is more than a path"))
            .help("the query has its own key, `query`"));
    }
    if path.contains("//") || path.split('/').any(|segment| matches!(segment, "." | "..")) {
        return Err(Fault::new(format!(
            "{shown} can never match: `//`, `.` and `..` are resolved before routes are asked"
        )));
    }
    if let Some(c) = path
        .chars()
        .find(|c| !c.is_ascii() || " \"<>\\^`{|}".contains(*c))
    {
        let mut buffer = [0; 4];
        let encoded: String = c
            .encode_utf8(&mut buffer)
            .bytes()
            .map(|byte| format!("%{byte:02X}"))
            .collect();
        return Err(Fault::new(format!("{shown}: `{c}` cannot stand in a path"))
            .help(format!("requests carry it as `{encoded}`")));
    }
    percent_encoding(path)
}

fn percent_encoding(path: &str) -> Result<(), Fault> {
    for (at, _) in path.match_indices('%') {
        let digits = path.get(at + 1..at + 3).unwrap_or("");
        let byte = u8::from_str_radix(digits, 16)
            .ok()
            .filter(|_| digits.len() == 2 && digits.bytes().all(|digit| digit.is_ascii_hexdigit()));
        let Some(byte) = byte else {
            return Err(Fault::new(format!(
                "{}: two hex digits follow a `%`",
                quote(path)
            )));
        };
        if matches!(byte, b'/' | b'\\' | 0) {
            return Err(Fault::new(format!(
                "{} can never match: requests with `%{digits}` are refused",
                quote(path)
            )));
        }
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            return Err(Fault::new(format!(
                "{} can never match: `%{digits}` is decoded before routes are asked",
                quote(path)
            ))
            .help(format!("write `{}`", char::from(byte))));
        }
    }
    Ok(())
}

/// What the names of a table of conditions are.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Named {
    Header,
    Query,
}

fn read_values(
    field: &Field<'_>,
    named: Named,
    captures: &mut Vec<At<String>>,
    findings: &mut Findings<'_>,
) -> Vec<(String, ValueMatch)> {
    let DeValue::Table(table) = field.value else {
        field.is_not("a table, like { name = \"value\" }", findings);
        return Vec::new();
    };
    let mut found = Vec::new();
    for entry in fields(table, field.span.source) {
        let name = match named {
            Named::Header if !is_token(entry.key) => {
                let message = format!("`{}` is not a header's name", bare(entry.key));
                findings.error(entry.key_span, message);
                continue;
            }
            Named::Header => entry.key.to_ascii_lowercase(),
            Named::Query => entry.key.to_owned(),
        };
        let Some(text) = entry.text("text: exact, \"~regex\" or \"*\" for any", findings) else {
            continue;
        };
        if let Some(value) = value(&text, captures, findings) {
            found.push((name, value));
        }
    }
    if found.is_empty() && table.is_empty() {
        let message = format!("`{}` is empty; leave it out", field.key);
        findings.error(field.span, message);
    }
    found
}

fn value(
    text: &At<String>,
    captures: &mut Vec<At<String>>,
    findings: &mut Findings<'_>,
) -> Option<ValueMatch> {
    let written = text.value.as_str();
    if let Some(literal) = written.strip_prefix('=') {
        return Some(ValueMatch::Exact(literal.to_owned()));
    }
    if let Some(regex) = written.strip_prefix('~') {
        return read_regex(regex, text.span, captures, findings)
            .then(|| ValueMatch::Regex(regex.to_owned()));
    }
    if written == "*" {
        return Some(ValueMatch::Present);
    }
    Some(ValueMatch::Exact(written.to_owned()))
}

/// Compiles a regex to see that it can be, as it will be: for the whole value.
fn read_regex(
    regex: &str,
    span: Span,
    captures: &mut Vec<At<String>>,
    findings: &mut Findings<'_>,
) -> bool {
    if regex.is_empty() {
        findings.error(span, "`~` without a regex behind it");
        return false;
    }
    let compiled = compile(regex).and_then(|alone| compile(&crate::whole(regex)).map(|_| alone));
    match compiled {
        Ok(compiled) => {
            let names = compiled.capture_names().flatten();
            captures.extend(names.map(|name| At {
                value: name.to_owned(),
                span,
            }));
            true
        }
        Err(regex::Error::CompiledTooBig(_)) => {
            findings.error(span, "the regex is too large when compiled (over 1MiB)");
            false
        }
        Err(error) => {
            let (reason, offset) = explain(&error.to_string());
            let message = format!("the regex is wrong: {reason}");
            // One byte for the `~`.
            let place = offset.map_or(span, |offset| findings.within(span, 1 + offset, 1));
            findings.error(place, message);
            false
        }
    }
}

fn compile(regex: &str) -> Result<Regex, regex::Error> {
    RegexBuilder::new(regex).size_limit(REGEX_SIZE).build()
}

/// The reason out of the crate's drawing, and the byte that its first caret points at.
fn explain(drawing: &str) -> (String, Option<usize>) {
    let lines: Vec<&str> = drawing.lines().collect();
    let reason = lines
        .iter()
        .find_map(|line| line.strip_prefix("error: "))
        .unwrap_or("it cannot be compiled");
    // Four lines if the regex is one line: title, regex, carets, error; both indented by four.
    let offset = match lines.as_slice() {
        [_, regex, carets, _] => carets.find('^').and_then(|column| {
            let (at, _) = regex.char_indices().nth(column)?;
            at.checked_sub(4)
        }),
        _ => None,
    };
    (reason.to_owned(), offset)
}

/// `match`, if it is given.
pub(crate) fn take(table: &mut Table<'_>, findings: &mut Findings<'_>) -> Match {
    let torn = |field: bool| Match {
        torn: field,
        ..Match::default()
    };
    let Some(field) = table.take("match") else {
        return torn(false);
    };
    Table::open("`match`", &keys::MATCH, &field, findings)
        .and_then(|table| read(table, findings))
        .unwrap_or_else(|| torn(true))
}
