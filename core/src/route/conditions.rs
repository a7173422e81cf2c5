//! The conditions of one route, compiled: do all of them hold, and what do they capture. Not the index over routes.

use std::collections::BTreeSet;

use ringway_config::{Calls, IdentityMatch, Match, PathMatch, ValueMatch};
use ringway_protocols::{grpc, grpc_web};

use super::captures::Captures;
use super::fields::Ask;
use super::pattern::{Pattern, Patterns};
use super::query;

/// All of them must hold; an empty list holds always. Hosts are not among them: the index has asked them.
#[derive(Debug)]
pub(crate) struct Conditions {
    listeners: Vec<usize>,
    methods: Vec<Box<[u8]>>,
    identities: Vec<IdentityMatch>,
    paths: Vec<PathTest>,
    fields: Vec<(Box<[u8]>, ValueTest)>,
    query: Vec<(Box<[u8]>, ValueTest)>,
    calls: Calls,
    /// Some regex captures what the route uses.
    captures: bool,
}

#[derive(Debug)]
enum PathTest {
    Exact(Box<[u8]>),
    Prefix(Box<[u8]>),
    Regex(Pattern),
}

#[derive(Debug)]
enum ValueTest {
    Exact(Box<[u8]>),
    Present,
    Regex(Pattern),
}

impl Conditions {
    /// `variables` are the names that the route's templates use. Every fault is appended to `faults`.
    pub(crate) fn compile(
        matches: &Match,
        variables: &BTreeSet<&str>,
        patterns: &mut Patterns,
        faults: &mut Vec<String>,
    ) -> Self {
        let mut captures = false;
        let mut pattern = |what: &str, text: &str| match patterns.compile(text, variables) {
            Ok(pattern) => {
                captures |= !pattern.used.is_empty();
                Some(pattern)
            }
            Err(fault) => {
                faults.push(format!("{what} regex `{text}`: {fault}"));
                None
            }
        };
        let paths = matches.paths.iter().filter_map(|path| {
            Some(match path {
                PathMatch::Exact(path) => PathTest::Exact(path.as_bytes().into()),
                PathMatch::Prefix(prefix) => PathTest::Prefix(prefix.as_bytes().into()),
                PathMatch::Regex(text) => PathTest::Regex(pattern("path", text)?),
            })
        });
        let paths = paths.collect();
        let mut value = |what: &str, value: &ValueMatch| {
            Some(match value {
                ValueMatch::Exact(text) => ValueTest::Exact(text.as_bytes().into()),
                ValueMatch::Present => ValueTest::Present,
                ValueMatch::Regex(text) => ValueTest::Regex(pattern(what, text)?),
            })
        };
        let fields = matches.headers.iter().filter_map(|(name, test)| {
            let lower = name.to_ascii_lowercase();
            Some((
                lower.as_bytes().into(),
                value(&format!("header {name}"), test)?,
            ))
        });
        let fields = fields.collect();
        let query = matches.query.iter().filter_map(|(name, test)| {
            Some((
                name.as_bytes().into(),
                value(&format!("query {name}"), test)?,
            ))
        });
        Conditions {
            listeners: matches.listeners.clone(),
            identities: matches.identities.clone(),
            methods: matches
                .methods
                .iter()
                .map(|m| m.as_bytes().into())
                .collect(),
            paths,
            fields,
            query: query.collect(),
            calls: matches.calls,
            captures,
        }
    }

    /// Names of the regex groups whose text is kept.
    pub(super) fn captured(&self) -> impl Iterator<Item = &str> {
        let paths = self.paths.iter().filter_map(|path| match path {
            PathTest::Regex(pattern) => Some(pattern),
            _ => None,
        });
        let values = self
            .fields
            .iter()
            .chain(&self.query)
            .filter_map(|(_, test)| match test {
                ValueTest::Regex(pattern) => Some(pattern),
                _ => None,
            });
        paths
            .chain(values)
            .flat_map(|pattern| pattern.used.iter().map(|(_, name)| &**name))
    }

    /// Whether all conditions hold. `decoded` is scratch memory.
    pub(crate) fn hold(&self, ask: &Ask<'_>, decoded: &mut Vec<u8>) -> bool {
        (self.paths.is_empty() || self.paths.iter().any(|path| path.holds(ask.path)))
            && self.hold_beyond_path(ask, decoded)
    }

    /// The same for a request whose path the index has found to fit.
    pub(super) fn hold_beyond_path(&self, ask: &Ask<'_>, decoded: &mut Vec<u8>) -> bool {
        (self.listeners.is_empty() || self.listeners.contains(&ask.listener))
            && (self.methods.is_empty() || self.methods.iter().any(|m| **m == *ask.method))
            && (self.identities.is_empty()
                || ask
                    .identity
                    .is_some_and(|id| self.identities.iter().any(|i| is(i, id))))
            && self.is_call(ask)
            && self
                .fields
                .iter()
                .all(|(name, test)| any_value(ask, name, &mut |value| test.holds(value)))
            && self.query.iter().all(|(name, test)| {
                any_pair(ask, name, &mut |value| test.holds_decoded(value, decoded))
            })
    }

    /// Whether it is a call of the kind that is asked for.
    fn is_call(&self, ask: &Ask<'_>) -> bool {
        let also_web = match self.calls {
            Calls::Unasked => return true,
            Calls::Grpc => false,
            Calls::GrpcOrWeb => true,
        };
        any_value(ask, b"content-type", &mut |value| {
            grpc::is_call(ask.method, value) || (also_web && grpc_web::is_call(ask.method, value))
        })
    }

    /// Keep what the regexes capture from a request for which the conditions hold. Of several paths the first that
    /// fits counts, of several values of a field the first that fits.
    pub(super) fn capture(&self, ask: &Ask<'_>, captures: &mut Captures) {
        if !self.captures {
            return;
        }
        let _ = self.paths.iter().any(|path| match path {
            PathTest::Regex(pattern) => captures.take(pattern, ask.path),
            other => other.holds(ask.path),
        });
        for (name, test) in &self.fields {
            if let ValueTest::Regex(pattern) = test {
                any_value(ask, name, &mut |value| captures.take(pattern, value));
            }
        }
        let mut decoded = std::mem::take(&mut captures.decoded);
        for (name, test) in &self.query {
            if let ValueTest::Regex(pattern) = test {
                any_pair(ask, name, &mut |value| {
                    decoded.clear();
                    decoded.extend(query::decoded(value));
                    captures.take(pattern, &decoded)
                });
            }
        }
        captures.decoded = decoded;
    }
}

/// Texts are compared as they are: an identity has no two spellings.
fn is(wanted: &IdentityMatch, identity: &str) -> bool {
    match wanted {
        IdentityMatch::Any => true,
        IdentityMatch::Exact(exact) => exact == identity,
        // Something must follow: the prefix alone names nobody.
        IdentityMatch::Below(prefix) => identity
            .strip_prefix(prefix.as_str())
            .is_some_and(|below| !below.is_empty()),
    }
}

/// Whether a value of the field `name` passes.
fn any_value(ask: &Ask<'_>, name: &[u8], passes: &mut dyn FnMut(&[u8]) -> bool) -> bool {
    let mut passed = false;
    ask.fields.values(name, &mut |value| {
        // A source that goes on after being told to stop must not undo it, nor capture twice.
        passed = passed || passes(value);
        passed
    });
    passed
}

/// Whether a value (as received) of the query parameter `name` passes.
fn any_pair(ask: &Ask<'_>, name: &[u8], passes: &mut dyn FnMut(&[u8]) -> bool) -> bool {
    query::pairs(ask.query.unwrap_or_default())
        .any(|(found, value)| query::decoded(found).eq(name.iter().copied()) && passes(value))
}

impl PathTest {
    fn holds(&self, path: &[u8]) -> bool {
        match self {
            PathTest::Exact(exact) => **exact == *path,
            PathTest::Prefix(prefix) => path
                .strip_prefix(&**prefix)
                .is_some_and(|below| below.is_empty() || below[0] == b'/'),
            PathTest::Regex(pattern) => pattern.matches(path),
        }
    }
}

impl ValueTest {
    fn holds(&self, value: &[u8]) -> bool {
        match self {
            ValueTest::Exact(exact) => **exact == *value,
            ValueTest::Present => true,
            ValueTest::Regex(pattern) => pattern.matches(value),
        }
    }

    fn holds_decoded(&self, value: &[u8], decoded: &mut Vec<u8>) -> bool {
        match self {
            ValueTest::Exact(exact) => query::decoded(value).eq(exact.iter().copied()),
            ValueTest::Present => true,
            ValueTest::Regex(pattern) => {
                decoded.clear();
                decoded.extend(query::decoded(value));
                pattern.matches(decoded)
            }
        }
    }
}
