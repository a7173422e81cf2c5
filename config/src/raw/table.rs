//! Reading one table: take the keys that are known, then what is left is unknown.
//! Not the values' own rules (`field`).

use super::field::Field;
use super::keys::Keys;
use crate::findings::Findings;
use crate::place::Span;
use crate::suggest::nearest;
use crate::units::quote;
use toml::de::{DeTable, DeValue};

/// Unknown keys that are compared with a missing one.
const MOST_COMPARED: usize = 20;

/// A table that is being read.
pub(crate) struct Table<'t> {
    /// How messages name it: `[server]`, `` `timeouts` ``.
    name: String,
    keys: &'static Keys,
    /// The header, or the inline table.
    pub(crate) span: Span,
    left: Vec<Field<'t>>,
}

impl<'t> Table<'t> {
    pub(crate) fn new(
        name: impl Into<String>,
        keys: &'static Keys,
        table: &'t DeTable<'t>,
        span: Span,
    ) -> Table<'t> {
        Table {
            name: name.into(),
            keys,
            span,
            left: fields(table, span.source),
        }
    }

    /// The field's own table; an error if it is something else.
    pub(crate) fn open(
        name: impl Into<String>,
        keys: &'static Keys,
        field: &Field<'t>,
        findings: &mut Findings<'_>,
    ) -> Option<Table<'t>> {
        match field.value {
            DeValue::Table(table) => Some(Table::new(name, keys, table, field.span)),
            _ => {
                field.is_not("a table, like { key = value }", findings);
                None
            }
        }
    }

    pub(crate) fn take(&mut self, key: &str) -> Option<Field<'t>> {
        let at = self.left.iter().position(|field| field.key == key)?;
        Some(self.left.remove(at))
    }

    /// Where a key that is not taken yet stands.
    pub(crate) fn place_of(&self, key: &str) -> Option<Span> {
        let field = self.left.iter().find(|field| field.key == key)?;
        Some(field.key_span)
    }

    /// Reads a key's table with a function, if the key is there.
    pub(crate) fn take_table<T>(
        &mut self,
        key: &str,
        keys: &'static Keys,
        findings: &mut Findings<'_>,
        read: impl FnOnce(Table<'t>, &mut Findings<'_>) -> Option<T>,
    ) -> Option<T> {
        let field = self.take(key)?;
        let table = Table::open(format!("`{key}`"), keys, &field, findings)?;
        read(table, findings)
    }

    /// Whether nothing was left to take from the start.
    pub(crate) fn is_empty(&self) -> bool {
        self.left.is_empty()
    }

    /// Whether a key that is left was most likely meant to be this one; that it is missing then needs no second error.
    pub(crate) fn misspells(&self, key: &str) -> bool {
        let known = |field: &Field<'_>| self.keys.here.contains(&field.key);
        let own = self.keys.here.iter().chain(self.keys.later).copied();
        self.left
            .iter()
            .filter(|field| !known(field))
            .take(MOST_COMPARED)
            .any(|field| nearest(field.key, own.clone()) == Some(key))
    }

    /// Reports what is left.
    pub(crate) fn finish(self, findings: &mut Findings<'_>) {
        for field in &self.left {
            let key = field.key;
            if self.keys.later.contains(&key) {
                findings.error(
                    field.key_span,
                    format!("`{key}` is not in this version yet"),
                );
            } else if !self.keys.here.contains(&key) {
                let message = format!("unknown key `{}` in {}", bare(key), self.name);
                if findings.is_crowded() {
                    findings.error(field.key_span, message);
                } else {
                    findings.error_help(field.key_span, message, self.keys.instead_of(key));
                }
            }
        }
    }
}

/// A key as it is shown between backquotes.
pub(crate) fn bare(key: &str) -> String {
    let quoted = quote(key);
    quoted[1..quoted.len() - 1].to_owned()
}

/// All entries of a table in the order of the text.
pub(crate) fn fields<'t>(table: &'t DeTable<'t>, source: usize) -> Vec<Field<'t>> {
    let mut fields: Vec<Field<'t>> = table
        .iter()
        .map(|(key, value)| Field {
            key: key.get_ref(),
            key_span: Span {
                source,
                start: key.span().start,
                end: key.span().end,
            },
            span: Span {
                source,
                start: value.span().start,
                end: value.span().end,
            },
            value: value.get_ref(),
        })
        .collect();
    fields.sort_by_key(|field| field.key_span);
    fields
}
