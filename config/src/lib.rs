//! The TOML configuration: text in, a checked [`Config`] or diagnostics out.
//! No file access, no environment, no clock.
//!
//! `raw` reads the spanned tree of each source and reports what is wrong with a value by itself; `check` resolves names, fills in
//! defaults and reports what does not fit together; `model` is the result.
#![forbid(unsafe_code)]

mod check;
mod defaults;
mod diagnostics;
mod diff;
mod findings;
mod place;
mod raw;
mod suggest;
mod units;

pub mod model;

pub use defaults::{Default, MARK, defaults};
pub use diagnostics::{Diagnostic, Severity, render};
pub use diff::diff;
pub use model::*;

use findings::Findings;

/// One file as read by the caller.
#[derive(Debug, Clone)]
pub struct Source {
    /// As it is to be shown in diagnostics.
    pub path: String,
    /// The whole text, UTF-8.
    pub text: String,
}

/// What checking found. `config` is Some if there is no error.
#[derive(Debug)]
pub struct Checked {
    /// The configuration, if there is no error.
    pub config: Option<Config>,
    /// Errors first, then warnings, each by place. Bounded: of many thousands the first 500 and a count.
    pub diagnostics: Vec<Diagnostic>,
}

impl Checked {
    /// How many errors there are.
    pub fn errors(&self) -> usize {
        diagnostics::count(&self.diagnostics, Severity::Error)
    }

    /// How many warnings there are.
    pub fn warnings(&self) -> usize {
        diagnostics::count(&self.diagnostics, Severity::Warning)
    }
}

/// The `include` globs of a main file, as written (the caller expands them, sorted by name, relative to the file).
/// Of a text that does not parse, those that can be read all the same.
pub fn includes(main: &Source) -> Vec<String> {
    raw::includes(main)
}

/// The text with every secret literal as `***`, for showing it to people.
pub fn without_secrets(source: &Source) -> String {
    raw::without_secrets(source)
}

/// A regex of a route as it is to be compiled: it must match the whole value. Checked to compile in this form, with Unicode.
pub fn whole(regex: &str) -> String {
    format!(r"\A(?:{regex})\z")
}

/// Check a configuration: the main file first, then the included ones in order. All errors at once.
pub fn check(sources: &[Source]) -> Checked {
    if sources.is_empty() {
        let nothing = Source {
            path: String::new(),
            text: String::new(),
        };
        return check(&[nothing]);
    }
    let mut findings = Findings::new(sources);
    let raw = raw::read(sources, &mut findings);
    // What a torn text lacks would be reported as missing or unknown, and fixing the text makes that report wrong.
    let config = if findings.is_torn() {
        None
    } else {
        check::check(&raw, &mut findings)
    };
    let config = config.filter(|_| findings.errors() == 0);
    Checked {
        config,
        diagnostics: findings.into_diagnostics(),
    }
}
