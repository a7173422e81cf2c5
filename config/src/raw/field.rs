//! Reading one value: its type, its unit, its range.
//! Not which keys there are (`keys`) nor what fits together (`check`).

use super::table::bare;
use crate::findings::Findings;
use crate::place::{At, Span};
use crate::suggest::nearest;
use crate::units::{self, Fault, quote, unit_guess};
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;
use toml::de::{DeInteger, DeValue};

/// A key and its value; an element of a list carries the list's key.
#[derive(Clone)]
pub(crate) struct Field<'t> {
    pub(crate) key: &'t str,
    pub(crate) key_span: Span,
    pub(crate) value: &'t DeValue<'t>,
    pub(crate) span: Span,
}

/// Whether nothing at all may be said by a zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Zero {
    Allowed,
    Refused,
}

impl<'t> Field<'t> {
    /// A value that the parser made up to go on after a fault; it has been reported.
    fn is_made_up(&self) -> bool {
        self.span.start == 0 && self.span.end == 0
    }

    pub(crate) fn is_not(&self, wanted: &str, findings: &mut Findings<'_>) {
        if self.is_made_up() {
            return;
        }
        let is = match self.value {
            DeValue::String(text) => format!("the text {}", quote(text)),
            DeValue::Integer(number) => format!("the number {}", short(&number.to_string())),
            DeValue::Float(number) => format!("the number {}", short(number.as_str())),
            DeValue::Boolean(yes) => yes.to_string(),
            DeValue::Datetime(_) => "a date".to_owned(),
            DeValue::Array(_) => "a list".to_owned(),
            DeValue::Table(_) => "a table".to_owned(),
        };
        findings.error(
            self.span,
            format!("`{}` must be {wanted}, not {is}", bare(self.key)),
        );
    }

    /// Text without control bytes. `wanted` completes "must be …".
    pub(crate) fn text(&self, wanted: &str, findings: &mut Findings<'_>) -> Option<At<String>> {
        let DeValue::String(text) = self.value else {
            if let DeValue::Integer(number) = self.value
                && !self.is_made_up()
            {
                let message = format!("`{}` must be {wanted}", bare(self.key));
                let number = short(&number.to_string());
                findings.error_help(
                    self.span,
                    message,
                    format!("text stands in quotes: \"{number}\""),
                );
                return None;
            }
            self.is_not(wanted, findings);
            return None;
        };
        if let Some(c) = text.chars().find(|c| c.is_control()) {
            findings.error(
                self.span,
                format!(
                    "`{}` holds the control character U+{:04X}",
                    bare(self.key),
                    u32::from(c)
                ),
            );
            return None;
        }
        Some(At {
            value: text.clone().into_owned(),
            span: self.span,
        })
    }

    /// Any text, line ends included.
    pub(crate) fn free_text(&self, findings: &mut Findings<'_>) -> Option<String> {
        match self.value {
            DeValue::String(text) => Some(text.clone().into_owned()),
            _ => {
                self.is_not("text", findings);
                None
            }
        }
    }

    /// A file's path; whether it is there is seen by whoever opens it.
    pub(crate) fn file(&self, findings: &mut Findings<'_>) -> Option<PathBuf> {
        let text = self.text("a file's path", findings)?;
        if text.value.is_empty() || text.value.ends_with('/') {
            findings.error(
                text.span,
                format!("{} is not a file's path", quote(&text.value)),
            );
            return None;
        }
        Some(PathBuf::from(text.value))
    }

    pub(crate) fn yes_or_no(&self, findings: &mut Findings<'_>) -> Option<bool> {
        match self.value {
            DeValue::Boolean(yes) => Some(*yes),
            _ => {
                self.is_not("true or false", findings);
                None
            }
        }
    }

    /// A whole number within a range.
    pub(crate) fn number(
        &self,
        range: RangeInclusive<u64>,
        findings: &mut Findings<'_>,
    ) -> Option<u64> {
        let DeValue::Integer(number) = self.value else {
            if let DeValue::String(text) = self.value
                && text.parse::<u64>().is_ok()
            {
                let message = format!("`{}` must be a number, not text", bare(self.key));
                findings.error_help(self.span, message, format!("without quotes: {text}"));
                return None;
            }
            self.is_not("a whole number", findings);
            return None;
        };
        if self.is_made_up() {
            return None;
        }
        match integer(number).and_then(|value| u64::try_from(value).ok()) {
            Some(value) if range.contains(&value) => Some(value),
            _ => {
                let message = format!(
                    "`{}` must be from {} to {}, not {}",
                    bare(self.key),
                    range.start(),
                    range.end(),
                    short(&number.to_string())
                );
                findings.error(self.span, message);
                None
            }
        }
    }

    pub(crate) fn number_u32(
        &self,
        range: RangeInclusive<u32>,
        findings: &mut Findings<'_>,
    ) -> Option<u32> {
        let wide = u64::from(*range.start())..=u64::from(*range.end());
        let value = self.number(wide, findings)?;
        u32::try_from(value).ok()
    }

    pub(crate) fn duration(&self, zero: Zero, findings: &mut Findings<'_>) -> Option<Duration> {
        let value = self.measured("duration", "\"10s\"", units::duration, findings)?;
        if value.is_zero() && zero == Zero::Refused {
            findings.error(
                self.span,
                format!("`{}` must be longer than nothing", bare(self.key)),
            );
            return None;
        }
        Some(value)
    }

    /// Bytes, within a range.
    pub(crate) fn size(
        &self,
        range: RangeInclusive<u64>,
        findings: &mut Findings<'_>,
    ) -> Option<u64> {
        let value = self.measured("size", "\"64KiB\"", units::size, findings)?;
        if range.contains(&value) {
            return Some(value);
        }
        let least = units::show_size(*range.start());
        let bounds = if *range.end() == u64::MAX {
            format!("at least {least}")
        } else {
            format!("from {least} to {}", units::show_size(*range.end()))
        };
        let message = format!(
            "`{}` must be {bounds}, not {}",
            bare(self.key),
            units::show_size(value)
        );
        findings.error(self.span, message);
        None
    }

    fn measured<T>(
        &self,
        what: &str,
        example: &str,
        parse: fn(&str) -> Result<T, Fault>,
        findings: &mut Findings<'_>,
    ) -> Option<T> {
        match self.value {
            DeValue::String(text) => match parse(text) {
                Ok(value) => Some(value),
                Err(fault) => {
                    let what = format!("`{}`: {}", bare(self.key), fault.what);
                    findings.fault(self.span, Fault { what, ..fault });
                    None
                }
            },
            DeValue::Integer(number) if !self.is_made_up() => {
                let shown = short(&number.to_string());
                let message = format!("`{} = {shown}` needs a unit", bare(self.key));
                match integer(number).filter(|value| *value >= 0) {
                    Some(value) => {
                        findings.error_help(
                            self.span,
                            message,
                            unit_guess(&value.to_string(), what),
                        );
                    }
                    None => findings.error_help(self.span, message, format!("e.g. {example}")),
                }
                None
            }
            _ => {
                self.is_not(&format!("a {what} like {example}"), findings);
                None
            }
        }
    }

    /// One of a few words; `later` ones are known but not built.
    pub(crate) fn word<T: Copy>(
        &self,
        words: &[(&str, T)],
        later: &[&str],
        findings: &mut Findings<'_>,
    ) -> Option<T> {
        let names: Vec<String> = words
            .iter()
            .map(|(name, _)| format!("\"{name}\""))
            .collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let wanted = crate::suggest::either(&names);
        let text = self.text(&wanted, findings)?;
        if let Some((_, value)) = words.iter().find(|(name, _)| *name == text.value) {
            return Some(*value);
        }
        self.wrong_word(
            &text.value,
            words.iter().map(|(name, _)| *name),
            later,
            &wanted,
            findings,
        );
        None
    }

    /// Reports a word that is none of the possible ones.
    pub(crate) fn wrong_word<'w>(
        &self,
        word: &str,
        words: impl IntoIterator<Item = &'w str>,
        later: &[&str],
        wanted: &str,
        findings: &mut Findings<'_>,
    ) {
        let key = bare(self.key);
        if later.contains(&word) {
            let message = format!("`{key} = \"{word}\"` is not in this version yet");
            findings.error(self.span, message);
            return;
        }
        let message = format!("`{key}` must be {wanted}, not {}", quote(word));
        match nearest(word, words) {
            Some(meant) => {
                findings.error_help(self.span, message, format!("did you mean \"{meant}\"?"));
            }
            None => findings.error(self.span, message),
        }
    }

    /// A list's elements, or the one value. An empty list is an error where something is needed.
    pub(crate) fn one_or_more(&self, findings: &mut Findings<'_>) -> Vec<Field<'t>> {
        let items = self.one_or_any();
        if items.is_empty() {
            findings.error(self.span, format!("`{}` is an empty list", bare(self.key)));
        }
        items
    }

    /// A list's elements, or the one value.
    pub(crate) fn one_or_any(&self) -> Vec<Field<'t>> {
        match self.value {
            DeValue::Array(items) => items
                .iter()
                .map(|item| Field {
                    key: self.key,
                    key_span: self.key_span,
                    value: item.get_ref(),
                    span: Span {
                        source: self.span.source,
                        start: item.span().start,
                        end: item.span().end,
                    },
                })
                .collect(),
            _ => vec![self.clone()],
        }
    }
}

fn integer(number: &DeInteger<'_>) -> Option<i128> {
    i128::from_str_radix(number.as_str(), number.radix()).ok()
}

/// A number may have a million digits.
fn short(number: &str) -> String {
    if number.len() > 24 {
        let head: String = number.chars().take(20).collect();
        format!("{head}…")
    } else {
        number.to_owned()
    }
}
