//! The TOML configuration: text in, a checked [`Config`] or diagnostics out. No file access, no environment, no clock.
#![forbid(unsafe_code)]
#![allow(unused_variables, missing_docs, clippy::todo)]
//! INTERFACE SKELETON: signatures that `core` is written against. Real layout: raw/ -> check/ -> model/, units, diagnostics, defaults, diff, suggest.

pub mod model;
pub use model::*;

/// One file as read by the caller.
#[derive(Debug, Clone)]
pub struct Source { /// As it is to be shown in diagnostics.
    pub path: String, pub text: String }

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity { Warning, Error }

/// One finding with its place; line and column start at 1 (column in characters).
#[derive(Debug, Clone)]
pub struct Diagnostic { pub severity: Severity, pub path: String, pub line: u32, pub column: u32, pub message: String, /// The whole line's text.
    pub line_text: String, /// Length of the marked part, in characters.
    pub span: u32, pub help: Option<String> }

/// What checking found. `config` is Some if there is no error.
#[derive(Debug)]
pub struct Checked { pub config: Option<Config>, pub diagnostics: Vec<Diagnostic> }
impl Checked { pub fn errors(&self) -> usize { todo!() } pub fn warnings(&self) -> usize { todo!() } }

/// The `include` globs of a main file, as written (the caller expands them, sorted by name, relative to the file). Empty if the text does not parse.
pub fn includes(main: &Source) -> Vec<String> { todo!() }
/// Check a configuration: the main file first, then the included ones in order. All errors at once.
pub fn check(sources: &[Source]) -> Checked { todo!() }
/// Diagnostics for people: `path:line:col: message`, the line, a marker, help; ends with a count line ("2 errors, 1 warning").
pub fn render(diagnostics: &[Diagnostic]) -> String { todo!() }
/// What changed, a line each, for the log: `+ route corp-v2`, `- listener old`, `~ cluster products: endpoints +1 -1`; nothing when equal.
pub fn diff(old: &Config, new: &Config) -> Vec<String> { todo!() }

/// A built-in default, for `ringway config defaults`.
#[derive(Debug, Clone, Copy)]
pub struct Default { pub key: &'static str, pub value: &'static str, pub reason: &'static str }
/// Every default with its reason; the values are rendered from the same constants that the model uses (a test holds them together).
pub fn defaults() -> &'static [Default] { todo!() }
