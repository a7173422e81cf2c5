//! Texts with `{name}` parts: taken apart, and every name known.
//! Not how they are filled in.

use crate::findings::Findings;
use crate::model::{Part, Template};
use crate::place::{At, Span};
use crate::raw::Match;
use crate::suggest::nearest;
use crate::units::quote;

/// What every exchange has.
pub(crate) const BUILT_IN: [&str; 8] = [
    "host",
    "path",
    "query",
    "client_ip",
    "identity",
    "request_id",
    "listener",
    "route",
];

/// The names that a route's templates may use.
pub(crate) struct Variables<'r> {
    captures: Vec<&'r str>,
    /// Whether some condition could not be read, so that captures may be missing.
    torn: bool,
}

impl<'r> Variables<'r> {
    pub(crate) fn of(matches: &'r Match, findings: &mut Findings<'_>) -> Variables<'r> {
        let mut captures: Vec<&str> = Vec::new();
        for capture in &matches.captures {
            let name = capture.value.as_str();
            if BUILT_IN.contains(&name) {
                let message = format!("the capture `{name}` has the name of a built-in variable");
                findings.error(capture.span, message);
            } else if captures.contains(&name) {
                let message = format!("two conditions of this route capture `{name}`");
                findings.error(capture.span, message);
            } else {
                captures.push(name);
            }
        }
        Variables {
            captures,
            torn: matches.torn,
        }
    }
}

/// Takes a text apart; faults are reported, and the rest is still looked at.
pub(crate) fn parse(
    text: &At<String>,
    variables: &Variables<'_>,
    findings: &mut Findings<'_>,
) -> Template {
    let mut parts = Vec::new();
    let mut literal = String::new();
    let mut rest = text.value.as_str();
    while let Some(open) = rest.find('{') {
        literal.push_str(&rest[..open]);
        let behind = &rest[open + 1..];
        if let Some(after) = behind.strip_prefix('{') {
            literal.push('{');
            rest = after;
            continue;
        }
        let offset = text.value.len() - rest.len() + open;
        let Some(close) = behind.find('}') else {
            let place = findings.within(text.span, offset, 1);
            findings.error_help(place, "`{` without `}`", "`{{` is a literal `{`");
            rest = "";
            break;
        };
        let name = &behind[..close];
        let place = findings.within(text.span, offset, close + 2);
        if is_known(name, place, variables, findings) {
            if !literal.is_empty() {
                parts.push(Part::Literal(std::mem::take(&mut literal)));
            }
            parts.push(Part::Variable(name.to_owned()));
        }
        rest = &behind[close + 1..];
    }
    literal.push_str(rest);
    if !literal.is_empty() {
        parts.push(Part::Literal(literal));
    }
    Template { parts }
}

fn is_known(
    name: &str,
    place: Span,
    variables: &Variables<'_>,
    findings: &mut Findings<'_>,
) -> bool {
    if BUILT_IN.contains(&name) || variables.captures.contains(&name) {
        return true;
    }
    if variables.torn {
        return false;
    }
    let quoted = quote(name);
    let shown = &quoted[1..quoted.len() - 1];
    let message = format!("no variable `{shown}`");
    let names = variables.captures.iter().copied().chain(BUILT_IN);
    let help = if let Some(meant) = nearest(name, names) {
        format!("did you mean `{{{meant}}}`?")
    } else if !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_digit()) {
        "groups are used by name: (?<name>…)".to_owned()
    } else {
        let names: Vec<&str> = variables.captures.iter().copied().chain(BUILT_IN).collect();
        format!("there are {}; `{{{{` is a literal `{{`", names.join(", "))
    };
    findings.error_help(place, message, help);
    false
}
