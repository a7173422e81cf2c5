//! Where findings are collected while a configuration is read and checked.
//! Not how they look (`diagnostics`).

use crate::diagnostics::{Diagnostic, SHOWN, Severity};
use crate::place::{Lines, Span};
use crate::units::Fault;
use crate::{Place, Source};
use std::collections::HashSet;

/// More are counted and not kept, so that a hostile file costs a bounded amount of memory. Five times what is shown.
const KEPT: usize = 500;

/// Of a longer line only this much is kept, in bytes.
const LINE_KEPT: usize = 4096;

struct Finding {
    severity: Severity,
    span: Span,
    message: String,
    help: Option<String>,
}

/// A message may hold a name from the file, and that may be as long as the file.
fn shortened(mut message: String) -> String {
    /// Longer than any sentence of ours.
    const LONGEST: usize = 600;
    if let Some((end, _)) = message.char_indices().nth(LONGEST) {
        message.truncate(end);
        message.push('…');
    }
    message
}

/// All that was found so far, and the sources it was found in.
pub(crate) struct Findings<'s> {
    sources: &'s [Source],
    lines: Vec<Lines>,
    found: Vec<Finding>,
    dropped: usize,
    errors: usize,
    /// Lines that are not TOML: what else is said of them would only be a consequence.
    broken: HashSet<(usize, usize)>,
    secrets: Vec<Span>,
}

impl<'s> Findings<'s> {
    pub(crate) fn new(sources: &'s [Source]) -> Findings<'s> {
        Findings {
            sources,
            lines: sources.iter().map(Lines::of).collect(),
            found: Vec::new(),
            dropped: 0,
            errors: 0,
            broken: HashSet::new(),
            secrets: Vec::new(),
        }
    }

    pub(crate) fn error(&mut self, span: Span, message: impl Into<String>) {
        self.push(Severity::Error, span, message.into(), None);
    }

    pub(crate) fn error_help(
        &mut self,
        span: Span,
        message: impl Into<String>,
        help: impl Into<String>,
    ) {
        self.push(Severity::Error, span, message.into(), Some(help.into()));
    }

    pub(crate) fn fault(&mut self, span: Span, fault: Fault) {
        self.push(Severity::Error, span, fault.what, fault.help);
    }

    /// What was read from the text there, or nothing and its fault is told.
    pub(crate) fn judged<T>(&mut self, span: Span, read: Result<T, Fault>) -> Option<T> {
        read.map_err(|fault| self.fault(span, fault)).ok()
    }

    pub(crate) fn warn(&mut self, span: Span, message: impl Into<String>, help: Option<String>) {
        self.push(Severity::Warning, span, message.into(), help);
    }

    /// The text is not TOML here.
    pub(crate) fn syntax(&mut self, span: Span, message: String, help: Option<String>) {
        let known = |finding: &Finding| finding.span == span && finding.message == message;
        if self.found.iter().rev().take(8).any(known) {
            return;
        }
        let line = self.lines[span.source].line_of(span.start);
        self.push(Severity::Error, span, message, help);
        self.broken.insert((span.source, line));
    }

    fn push(&mut self, severity: Severity, span: Span, message: String, help: Option<String>) {
        let line = self.lines[span.source].line_of(span.start);
        if self.broken.contains(&(span.source, line)) {
            // Still an error, if it is one; a broken line has counted already.
            return;
        }
        if severity == Severity::Error {
            self.errors += 1;
        }
        if self.found.len() >= KEPT {
            self.dropped += 1;
            return;
        }
        self.found.push(Finding {
            severity,
            span,
            message: shortened(message),
            help: help.map(shortened),
        });
    }

    /// These bytes are never shown.
    pub(crate) fn hide(&mut self, span: Span) {
        self.secrets.push(span);
    }

    pub(crate) fn errors(&self) -> usize {
        self.errors
    }

    /// Whether any text was not TOML, so that parts of it may be missing.
    pub(crate) fn is_torn(&self) -> bool {
        !self.broken.is_empty()
    }

    /// Whether there are more findings than are shown. To look for what was meant then costs time and helps nobody: names are
    /// compared with each other, so the work would grow with the square of a bad file's length.
    pub(crate) fn is_crowded(&self) -> bool {
        self.found.len() > SHOWN
    }

    /// Whether the line that holds this byte has been reported as not TOML.
    pub(crate) fn is_broken(&self, source: usize, byte: usize) -> bool {
        let line = self.lines[source].line_of(byte);
        self.broken.contains(&(source, line))
    }

    pub(crate) fn text(&self, source: usize) -> &'s str {
        self.sources.get(source).map_or("", |s| s.text.as_str())
    }

    /// The text of a line that holds this byte.
    pub(crate) fn line_at(&self, source: usize, byte: usize) -> &'s str {
        let text = self.text(source);
        let lines = &self.lines[source];
        text.get(lines.range(lines.line_of(byte), text))
            .unwrap_or("")
    }

    pub(crate) fn place(&self, span: Span) -> Place {
        Place {
            path: self
                .sources
                .get(span.source)
                .map(|s| s.path.clone())
                .unwrap_or_default(),
            line: self.lines[span.source]
                .spot(span, self.text(span.source))
                .line,
        }
    }

    /// A part of a quoted text, counted in its bytes; the whole text where escapes or several lines make counting unsafe.
    pub(crate) fn within(&self, text: Span, offset: usize, length: usize) -> Span {
        let written = self
            .text(text.source)
            .get(text.start..text.end)
            .unwrap_or("");
        let quote = written.chars().next().unwrap_or(' ');
        let is_plain = matches!(quote, '\'' | '"')
            && !written.contains(['\\', '\n'])
            && !written.starts_with("\"\"\"")
            && !written.starts_with("'''");
        let start = text.start + 1 + offset;
        if !is_plain || start >= text.end {
            return text;
        }
        Span {
            source: text.source,
            start,
            end: (start + length).min(text.end),
        }
    }

    /// How a message names another place: `line 12`, with the file if it is another one.
    pub(crate) fn refer(&self, from: Span, other: Span) -> String {
        let place = self.place(other);
        if from.source == other.source {
            format!("line {}", place.line)
        } else {
            format!("{}:{}", place.path, place.line)
        }
    }

    /// Errors first, then by place.
    pub(crate) fn into_diagnostics(mut self) -> Vec<Diagnostic> {
        let mut found = std::mem::take(&mut self.found);
        found.sort_by_key(|finding| (std::cmp::Reverse(finding.severity), finding.span));
        let mut all: Vec<Diagnostic> = found.into_iter().map(|f| self.diagnostic(f)).collect();
        if self.dropped > 0
            && let Some(last) = all.last().cloned()
        {
            all.push(Diagnostic {
                severity: Severity::Error,
                message: format!("{} more findings are not listed", self.dropped),
                help: None,
                ..last
            });
        }
        all
    }

    fn diagnostic(&self, finding: Finding) -> Diagnostic {
        let source = finding.span.source;
        let text = self.text(source);
        let spot = self.lines[source].spot(finding.span, text);
        Diagnostic {
            severity: finding.severity,
            path: self.sources[source].path.clone(),
            line: spot.line,
            column: spot.column,
            message: finding.message,
            line_text: self.shown_line(finding.span),
            span: spot.length,
            help: finding.help,
        }
    }

    /// The first source's text without its secrets. A line that is not TOML and speaks of a token loses its end.
    pub(crate) fn hidden_text(&self) -> String {
        let text = self.text(0);
        let mut hidden: Vec<std::ops::Range<usize>> = self
            .secrets
            .iter()
            .map(|span| span.start..span.end)
            .collect();
        for (_, number) in &self.broken {
            let range = self.lines[0].range(*number, text);
            let line = text.get(range.clone()).unwrap_or("");
            if let Some(equals) = value_of_token(line) {
                hidden.push(range.start + equals + 1..range.end);
            }
        }
        hidden.sort_by_key(|range| range.start);
        let mut shown = String::new();
        let mut at = 0;
        for range in hidden {
            let start = range.start.max(at);
            shown.push_str(text.get(at..start).unwrap_or(""));
            shown.push_str("\"***\"");
            at = range.end.max(at);
        }
        shown.push_str(text.get(at..).unwrap_or(""));
        shown
    }

    fn shown_line(&self, span: Span) -> String {
        let text = self.text(span.source);
        let lines = &self.lines[span.source];
        let number = lines.line_of(span.start);
        let range = lines.range(number, text);
        let line = text.get(range.clone()).unwrap_or("");
        let value_of_broken = self
            .broken
            .contains(&(span.source, number))
            .then(|| value_of_token(line))
            .flatten();
        let mut shown = String::new();
        for (at, c) in line.char_indices() {
            if shown.len() >= LINE_KEPT {
                break;
            }
            let byte = range.start + at;
            let secret = value_of_broken.is_some_and(|equals| at > equals && c != ' ')
                || self.secrets.iter().any(|hidden| {
                    hidden.source == span.source && hidden.start <= byte && byte < hidden.end
                });
            shown.push(if secret { '*' } else { c });
        }
        shown
    }
}

/// Where the `=` behind the word is, in a line that the parser made nothing of.
fn value_of_token(line: &str) -> Option<usize> {
    let at = line.find("token")?;
    Some(at + line[at..].find('=')?)
}
