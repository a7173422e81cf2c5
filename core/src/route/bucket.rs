//! The routes of one host key, found by path. Not ordered by anything but the file: indices ascend, the lowest wins.

use ringway_config::PathMatch;
use rustc_hash::FxHashMap;

use super::conditions::Conditions;
use super::fields::Ask;

/// Up to this many routes are simply walked: comparing a few paths costs less than hashing one.
const FEW: usize = 8;

/// No route found yet.
pub(super) const NONE: u32 = u32::MAX;

/// Routes that share a host key.
#[derive(Debug)]
pub(super) enum Bucket {
    /// Asked one after the other.
    Few(Vec<u32>),
    /// Asked by path.
    Many(Paths),
}

/// Lists of route indices, each ascending. A route with several paths is in several.
///
/// The hash is fast and has no secret; that is safe here, since the keys come from the configuration: a request can
/// only look up.
#[derive(Debug, Default)]
pub(super) struct Paths {
    exact: FxHashMap<Box<[u8]>, Vec<u32>>,
    prefixes: FxHashMap<Box<[u8]>, Vec<u32>>,
    /// Bytes of the longest prefix: longer parts of a path are not looked up, however many `/` a request sends.
    longest_prefix: usize,
    /// Any path, or a regex.
    rest: Vec<u32>,
}

impl Bucket {
    /// `members` are ascending route indices, without repetition; `paths` are those of each route of the file.
    pub(super) fn new(members: Vec<u32>, paths: &[&[PathMatch]]) -> Self {
        if members.len() <= FEW {
            return Bucket::Few(members);
        }
        let mut many = Paths::default();
        for member in members {
            let paths = paths[member as usize];
            if paths.is_empty() {
                append(&mut many.rest, member);
            }
            for path in paths {
                match path {
                    PathMatch::Exact(path) => {
                        append(
                            many.exact.entry(path.as_bytes().into()).or_default(),
                            member,
                        );
                    }
                    PathMatch::Prefix(prefix) => {
                        many.longest_prefix = many.longest_prefix.max(prefix.len());
                        append(
                            many.prefixes.entry(prefix.as_bytes().into()).or_default(),
                            member,
                        );
                    }
                    PathMatch::Regex(_) => append(&mut many.rest, member),
                }
            }
        }
        Bucket::Many(many)
    }

    /// The first route that matches, if it is before `best`; else `best`.
    pub(super) fn first(
        &self,
        ask: &Ask<'_>,
        routes: &[Conditions],
        best: u32,
        decoded: &mut Vec<u8>,
    ) -> u32 {
        let whole = |route: u32, decoded: &mut Vec<u8>| routes[route as usize].hold(ask, decoded);
        let paths = match self {
            Bucket::Few(members) => return walk(members, best, |route| whole(route, decoded)),
            Bucket::Many(paths) => paths,
        };
        let mut beyond = |list: Option<&Vec<u32>>, best: u32| match list {
            Some(list) => walk(list, best, |route| {
                routes[route as usize].hold_beyond_path(ask, decoded)
            }),
            None => best,
        };
        let mut best = best;
        if !paths.exact.is_empty() {
            best = beyond(paths.exact.get(ask.path), best);
        }
        if !paths.prefixes.is_empty() {
            for end in segment_ends(ask.path, paths.longest_prefix) {
                best = beyond(paths.prefixes.get(&ask.path[..end]), best);
            }
        }
        walk(&paths.rest, best, |route| whole(route, decoded))
    }
}

fn append(list: &mut Vec<u32>, member: u32) {
    if list.last() != Some(&member) {
        list.push(member);
    }
}

/// The first of an ascending list for which `holds`, if it is before `best`; else `best`.
fn walk(list: &[u32], best: u32, mut holds: impl FnMut(u32) -> bool) -> u32 {
    list.iter()
        .copied()
        .take_while(|&route| route < best)
        .find(|&route| holds(route))
        .unwrap_or(best)
}

/// Where a prefix of `path` may end, up to `longest`: before each `/`, and at the end.
fn segment_ends(path: &[u8], longest: usize) -> impl Iterator<Item = usize> {
    let reach = path.len().min(longest.saturating_add(1));
    let at_end = (path.len() <= longest).then_some(path.len());
    memchr::memchr_iter(b'/', &path[..reach]).chain(at_end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segment_ends_as_a_table() {
        let cases: &[(&str, usize, &[&str])] = &[
            ("/api/v1/x", 99, &["", "/api", "/api/v1", "/api/v1/x"]),
            ("/api/v1/x", 7, &["", "/api", "/api/v1"]),
            ("/api/v1/x", 6, &["", "/api"]),
            ("/api/v1/x", 4, &["", "/api"]),
            ("/api/v1/x", 3, &[""]),
            ("/api/v1/x", 0, &[""]),
            ("/api/", 99, &["", "/api", "/api/"]),
            ("/", 99, &["", "/"]),
            ("*", 99, &["*"]),
            ("*", 0, &[]),
            ("", 9, &[""]),
        ];
        for (path, longest, expected) in cases {
            let found: Vec<&str> = segment_ends(path.as_bytes(), *longest)
                .map(|end| &path[..end])
                .collect();
            assert_eq!(&found, expected, "{path} {longest}");
        }
    }
}
