//! What is not TOML at all: the parser's errors with their places, and a word of advice for the usual slips.
//! Not errors of keys and values.

use crate::findings::Findings;
use crate::place::Span;
use crate::units::quote;
use toml::de::{DeTable, DeValue, Error};

pub(crate) fn report(
    source: usize,
    text: &str,
    tree: &DeTable<'_>,
    errors: &[Error],
    findings: &mut Findings<'_>,
) {
    for error in errors {
        let range = error.span().unwrap_or(text.len()..text.len());
        let span = Span {
            source,
            start: range.start.min(text.len()),
            end: range.end.clamp(range.start.min(text.len()), text.len()),
        };
        if error.message() == "duplicate key" {
            duplicate(span, text, tree, findings);
            continue;
        }
        let line = findings.line_at(source, span.start);
        let message = reworded(error.message(), text.get(..span.start).unwrap_or(""), line);
        findings.syntax(span, message, advice(line));
    }
}

/// The parser's word for it, or a plainer one.
fn reworded(message: &str, before: &str, line: &str) -> String {
    let has_no_value =
        before.trim_end_matches([' ', '\t']).ends_with('=') && line.trim_end().ends_with('=');
    if has_no_value {
        return "a value is missing behind the `=`".to_owned();
    }
    match message {
        "string values must be quoted, expected literal string" => "text without quotes".to_owned(),
        "invalid basic string, expected `\"`" => "a text without its closing `\"`".to_owned(),
        "invalid literal string, expected `'`" => "a text without its closing `'`".to_owned(),
        other => other.to_owned(),
    }
}

fn duplicate(span: Span, text: &str, tree: &DeTable<'_>, findings: &mut Findings<'_>) {
    let key = text.get(span.start..span.end).unwrap_or("");
    let shown = quote(key);
    let mut message = format!("duplicate key `{}`", &shown[1..shown.len() - 1]);
    if findings.is_crowded() {
        findings.syntax(span, message, None);
        return;
    }
    let line = findings.line_at(span.source, span.start).trim();
    if !line.starts_with('[') && is_in_second_table(span, text, findings) {
        return;
    }
    let before = text.get(..span.start).unwrap_or("");
    let first = if line.starts_with('[') {
        // A table's second header: the first one reads the same.
        let end = line.find(']').map_or(line.len(), |at| at + 1);
        first_header(before, &line[..end])
    } else {
        first_key(tree, key, span.start, 0)
    };
    if let Some(first) = first {
        let first = Span {
            source: span.source,
            start: first,
            end: first,
        };
        message.push_str(&format!(" (first: {})", findings.refer(span, first)));
    }
    findings.syntax(span, message, None);
}

/// Whether the key stands in a table whose header has been reported as a duplicate: its keys are then no news.
fn is_in_second_table(span: Span, text: &str, findings: &Findings<'_>) -> bool {
    let mut end = span.start;
    while let Some(before) = text.get(..end) {
        let start = before.rfind('\n').map_or(0, |at| at + 1);
        if before[start..].trim_start().starts_with('[') {
            return findings.is_broken(span.source, start);
        }
        if start == 0 {
            return false;
        }
        end = start - 1;
    }
    false
}

/// Where a line that begins with this header starts.
fn first_header(before: &str, header: &str) -> Option<usize> {
    let mut at = 0;
    for line in before.split_inclusive('\n') {
        if line.trim_start().starts_with(header) {
            return Some(at);
        }
        at += line.len();
    }
    None
}

/// The last place before `limit` where a table got this key.
fn first_key(table: &DeTable<'_>, key: &str, limit: usize, depth: usize) -> Option<usize> {
    /// The parser's own bound is 80.
    const DEEPEST: usize = 100;
    if depth > DEEPEST {
        return None;
    }
    let key = key.trim_matches(['"', '\'']);
    let own = table
        .get_key_value(key)
        .map(|(name, _)| name.span().start)
        .filter(|start| *start < limit);
    let below = table.iter().filter_map(|(_, value)| {
        nested(value.get_ref())
            .into_iter()
            .filter_map(|inner| first_key(inner, key, limit, depth + 1))
            .max()
    });
    below.chain(own).max()
}

fn nested<'v, 'i>(value: &'v DeValue<'i>) -> Vec<&'v DeTable<'i>> {
    match value {
        DeValue::Table(table) => vec![table],
        DeValue::Array(items) => items
            .iter()
            .filter_map(|item| item.get_ref().as_table())
            .collect(),
        _ => Vec::new(),
    }
}

/// The slip of all: text without quotes.
fn advice(line: &str) -> Option<String> {
    let (_, value) = line.split_once('=')?;
    let value = value.split('#').next().unwrap_or("").trim();
    let is_text = value.starts_with(|c: char| c.is_alphanumeric() || ":/*~.".contains(c))
        && !value.contains(['"', '\'', '{', '[', ',', ']', '}'])
        && value.parse::<f64>().is_err();
    let is_word = matches!(value, "true" | "false");
    // Long values are no slip of a quote.
    (is_text && !is_word && value.len() <= 64)
        .then(|| format!("text stands in quotes: {}", quote(value)))
}
