//! All routes by host: exact names, wildcard suffixes, any. Not a walk over routes: each key leads to its own few.

use std::collections::HashMap;

use ringway_config::{HostMatch, PathMatch, Route};
use rustc_hash::FxHashMap;

use super::bucket::{Bucket, NONE};
use super::conditions::Conditions;
use super::fields::Ask;
use super::host::{Host, LONGEST};

/// Buckets of routes by host key. A route with several hosts is in several; keys are in the form of [`Host`].
#[derive(Debug)]
pub(super) struct Index {
    exact: FxHashMap<Box<[u8]>, Bucket>,
    /// `*.x` under `x`.
    wildcard: FxHashMap<Box<[u8]>, Bucket>,
    /// Bytes of the longest key in `wildcard`: longer parts of a host are not looked up.
    longest_wildcard: usize,
    any: Bucket,
}

impl Index {
    /// Faults are appended to `faults` as (route, sentence).
    pub(super) fn new(routes: &[Route], faults: &mut Vec<(usize, String)>) -> Self {
        let mut exact: HashMap<Box<[u8]>, Vec<u32>> = HashMap::new();
        let mut wildcard: HashMap<Box<[u8]>, Vec<u32>> = HashMap::new();
        let mut any = Vec::new();
        for (at, route) in routes.iter().enumerate() {
            let index = at as u32;
            if route.matches.hosts.is_empty() {
                any.push(index);
            }
            for host in &route.matches.hosts {
                let (keys, text) = match host {
                    HostMatch::Exact(text) => (&mut exact, text),
                    HostMatch::Wildcard(text) => (&mut wildcard, text),
                };
                let Some(key) = Host::of(text.as_bytes()) else {
                    faults.push((at, format!("host `{text}` is longer than {LONGEST} bytes")));
                    continue;
                };
                let list = keys.entry(key.as_bytes().into()).or_default();
                if list.last() != Some(&index) {
                    list.push(index);
                }
            }
        }
        let paths: Vec<&[PathMatch]> = routes.iter().map(|r| &*r.matches.paths).collect();
        let buckets = |lists: HashMap<Box<[u8]>, Vec<u32>>| {
            let made = lists
                .into_iter()
                .map(|(key, list)| (key, Bucket::new(list, &paths)));
            made.collect::<FxHashMap<_, _>>()
        };
        Index {
            longest_wildcard: wildcard.keys().map(|key| key.len()).max().unwrap_or(0),
            exact: buckets(exact),
            wildcard: buckets(wildcard),
            any: Bucket::new(any, &paths),
        }
    }

    /// The first route in file order that matches, or [`NONE`].
    ///
    /// File order over several buckets: each is asked for a route before the best so far, so no lists are merged. The
    /// most specific bucket goes first, since it most often has the answer.
    pub(super) fn first(&self, ask: &Ask<'_>, routes: &[Conditions], decoded: &mut Vec<u8>) -> u32 {
        let mut best = NONE;
        let by_host = !(self.exact.is_empty() && self.wildcard.is_empty());
        if by_host && let Some(host) = Host::of(ask.authority) {
            let host = host.as_bytes();
            if let Some(bucket) = self.exact.get(host) {
                best = bucket.first(ask, routes, best, decoded);
            }
            if !self.wildcard.is_empty() {
                for suffix in suffixes(host, self.longest_wildcard) {
                    if let Some(bucket) = self.wildcard.get(suffix) {
                        best = bucket.first(ask, routes, best, decoded);
                    }
                }
            }
        }
        self.any.first(ask, routes, best, decoded)
    }
}

/// What may stand behind the `*.` of a wildcard for `host`, longest first: what follows each dot that has something in front.
fn suffixes(host: &[u8], longest: usize) -> impl Iterator<Item = &[u8]> {
    memchr::memchr_iter(b'.', host)
        .filter(|&dot| dot > 0)
        .map(|dot| &host[dot + 1..])
        .filter(move |suffix| suffix.len() <= longest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suffixes_as_a_table() {
        let cases: &[(&str, usize, &[&str])] = &[
            ("a.b.example", 99, &["b.example", "example"]),
            ("a.b.example", 8, &["example"]),
            ("example", 99, &[]),
            (".example", 99, &[]),
            ("..example", 99, &["example"]),
            ("", 99, &[]),
        ];
        for (host, longest, expected) in cases {
            let found: Vec<&[u8]> = suffixes(host.as_bytes(), *longest).collect();
            let expected: Vec<&[u8]> = expected.iter().map(|s| s.as_bytes()).collect();
            assert_eq!(found, expected, "{host}");
        }
    }
}
