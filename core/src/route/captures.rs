//! What the winning route's regexes captured, on memory that is used again. Not kept by the route: it belongs to the exchange.

use std::ops::Range;

use regex::bytes::CaptureLocations;
use rustc_hash::FxHashMap;

use super::pattern::Pattern;

/// Most patterns whose match positions are kept for use again. Above it they start anew (an allocation each); the
/// number is far more than the capturing patterns of a large configuration.
const MOST_LOCATIONS: usize = 1024;

/// Named captures, name to bytes. A worker keeps some and lends one to each exchange: once grown, finding allocates
/// nothing. Not one per idle connection: the memory it grows to is that of the largest head it met.
#[derive(Debug, Default)]
pub struct Captures {
    bytes: Vec<u8>,
    found: Vec<Found>,
    /// Memory that the regex crate needs per pattern, by the pattern's text: a reload makes new regexes of the same text.
    locations: FxHashMap<Box<str>, CaptureLocations>,
    /// A decoded query value, while it is compared.
    pub(super) decoded: Vec<u8>,
}

/// Where in `bytes` a name and its value stand.
#[derive(Debug)]
struct Found {
    name: Range<usize>,
    value: Range<usize>,
}

impl Captures {
    /// Empty; allocates nothing yet.
    pub fn new() -> Self {
        Captures::default()
    }

    /// What `name` captured; `None` if there is no such name, its group took no part in the match, or no template of
    /// the route uses it. If several regexes of a route have the name, the first in the order path, headers, query.
    pub fn get(&self, name: &str) -> Option<&[u8]> {
        let found = self
            .found
            .iter()
            .find(|found| &self.bytes[found.name.clone()] == name.as_bytes())?;
        Some(&self.bytes[found.value.clone()])
    }

    /// Forget what was captured; keep the memory.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.found.clear();
    }

    /// Keep a capture by hand (a value that did not come from a regex).
    pub fn push(&mut self, name: &str, value: &[u8]) {
        push(&mut self.bytes, &mut self.found, name, value);
    }

    /// Match `value` as a whole, and keep the groups that the route uses. Whether it matched.
    pub(super) fn take(&mut self, pattern: &Pattern, value: &[u8]) -> bool {
        if pattern.used.is_empty() {
            return pattern.matches(value);
        }
        let (regex, text) = (pattern.regex(), pattern.regex().as_str());
        if !self.locations.contains_key(text) {
            if self.locations.len() >= MOST_LOCATIONS {
                self.locations.clear();
            }
            self.locations
                .insert(text.into(), regex.capture_locations());
        }
        let Some(positions) = self.locations.get_mut(text) else {
            return false; // Not reached: it was put there.
        };
        if regex.captures_read(positions, value).is_none() {
            return false;
        }
        for (group, name) in &pattern.used {
            if let Some((start, end)) = positions.get(*group) {
                push(&mut self.bytes, &mut self.found, name, &value[start..end]);
            }
        }
        true
    }
}

fn push(bytes: &mut Vec<u8>, found: &mut Vec<Found>, name: &str, value: &[u8]) {
    let start = bytes.len();
    bytes.extend_from_slice(name.as_bytes());
    let middle = bytes.len();
    bytes.extend_from_slice(value);
    found.push(Found {
        name: start..middle,
        value: middle..bytes.len(),
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::route::pattern::Patterns;
    use std::collections::BTreeSet;

    #[test]
    fn the_first_of_a_name_stands_until_cleared() {
        let mut captures = Captures::new();
        captures.push("who", b"ann");
        captures.push("who", b"bob");
        captures.push("w", b"");
        assert_eq!(captures.get("who"), Some(&b"ann"[..]));
        assert_eq!(captures.get("w"), Some(&b""[..]));
        assert_eq!(captures.get("wh"), None);
        captures.clear();
        assert_eq!(captures.get("who"), None);
    }

    #[test]
    fn takes_what_is_used_and_took_part() {
        let variables = BTreeSet::from(["a", "b"]);
        let pattern = Patterns::default()
            .compile("(?:(?<a>x)|(?<b>y))(?<c>z)", &variables)
            .unwrap();
        let mut captures = Captures::new();
        assert!(!captures.take(&pattern, b"yzz"));
        assert!(captures.found.is_empty());
        assert!(captures.take(&pattern, b"yz"));
        let found = ["a", "b", "c"].map(|name| captures.get(name));
        assert_eq!(found, [None, Some(&b"y"[..]), None]);
    }

    #[test]
    fn kept_positions_are_bounded() {
        let mut captures = Captures::new();
        let mut patterns = Patterns::default();
        for i in 0..MOST_LOCATIONS + 10 {
            let pattern = patterns
                .compile(&format!("(?<a>{i})"), &BTreeSet::from(["a"]))
                .unwrap();
            captures.clear();
            assert!(captures.take(&pattern, i.to_string().as_bytes()));
            assert_eq!(captures.get("a"), Some(i.to_string().as_bytes()));
        }
        assert!(captures.locations.len() <= MOST_LOCATIONS);
    }
}
