//! A compiled regex that must match a whole value, with the groups that its route uses. Not a search.

use std::collections::{BTreeSet, HashMap};

use regex::bytes::Regex;

/// A regex, anchored at both ends.
#[derive(Debug)]
pub(super) struct Pattern {
    regex: Regex,
    /// Groups whose text is kept when the route wins: index and name.
    pub(super) used: Vec<(usize, Box<str>)>,
}

impl Pattern {
    /// Whether the whole of `value` matches.
    pub(super) fn matches(&self, value: &[u8]) -> bool {
        self.regex.is_match(value)
    }

    pub(super) fn regex(&self) -> &Regex {
        &self.regex
    }
}

/// Compiles the patterns of a configuration; equal ones share their program.
#[derive(Debug, Default)]
pub(crate) struct Patterns {
    known: HashMap<String, Regex>,
}

impl Patterns {
    /// `variables` are the names that the route's templates use. The error is the regex crate's text.
    pub(super) fn compile(
        &mut self,
        text: &str,
        variables: &BTreeSet<&str>,
    ) -> Result<Pattern, String> {
        let regex = match self.known.get(text) {
            Some(regex) => regex.clone(),
            None => {
                // Alone first: `a)|(b` must not become right by what is put around it.
                Regex::new(text).map_err(|e| e.to_string())?;
                let regex = Regex::new(&format!(r"\A(?:{text})\z")).map_err(|e| e.to_string())?;
                self.known.insert(text.to_owned(), regex.clone());
                regex
            }
        };
        let used = regex
            .capture_names()
            .enumerate()
            .filter_map(|(group, name)| Some((group, name?)))
            .filter(|(_, name)| variables.contains(name))
            .map(|(group, name)| (group, name.into()))
            .collect();
        Ok(Pattern { regex, used })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_whole_value_must_match() {
        let cases: &[(&str, &[u8], bool)] = &[
            (r"(.+)@mycorp\.com", b"ann@mycorp.com", true),
            (r"(.+)@mycorp\.com", b"eve@mycorp.com.evil.org", false),
            (r"(.+)@mycorp\.com", b"ann@mycorp.com\n", false),
            ("a|bc", b"a", true),
            ("a|bc", b"ab", false),
            ("a|bc", b"xbc", false),
            ("(?m)^a$", b"a\na", false),
            ("^a$", b"a", true),
            ("", b"", true),
            ("", b"x", false),
            ("(?i)ABC", b"aBc", true),
            ("abc", b"ABC", false),
            (".+", b"caf\xe9", false),
            ("(?s-u:.)+", b"caf\xe9", true),
        ];
        for (text, value, expected) in cases {
            let pattern = Patterns::default().compile(text, &BTreeSet::new()).unwrap();
            assert_eq!(pattern.matches(value), *expected, "{text} {value:?}");
        }
    }

    #[test]
    fn what_is_wrong_is_an_error() {
        for text in [
            "(",
            "a)|(b",
            "a)(?:b",
            "[z-a]",
            "(?x)a # b",
            "(?<n>a)(?<n>b)",
        ] {
            let compiled = Patterns::default().compile(text, &BTreeSet::new());
            assert!(compiled.is_err(), "{text}");
        }
    }

    #[test]
    fn only_used_groups_are_kept() {
        let variables = BTreeSet::from(["b", "path"]);
        let pattern = Patterns::default()
            .compile("(?<a>x)(y)(?<b>z)", &variables)
            .unwrap();
        assert_eq!(pattern.used, [(3, "b".into())]);
    }
}
