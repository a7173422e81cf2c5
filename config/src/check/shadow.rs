//! Routes that can never match, because one in front takes the same requests; listeners that no route serves.
//! Conservative: regexes are compared as text, and only one earlier route is looked at at a time.

use crate::findings::Findings;
use crate::model::{
    Calls, HostMatch, IdentityMatch, Listener, Match, PathMatch, Route, ValueMatch,
};
use crate::raw::Raw;

/// Comparisons of conditions, so that a file of very many routes is checked in bounded time (about 0.1 s).
const BUDGET: usize = 5_000_000;

pub(crate) fn warn(
    raw: &Raw,
    routes: &[Route],
    listeners: &[Listener],
    findings: &mut Findings<'_>,
) {
    let asking = asking(listeners);
    // Conditions that could not be read would make wrong warnings.
    let torn = |position: usize| {
        raw.routes[position].matches.torn
            || raw.routes[position].matches.listeners.len()
                != routes[position].matches.listeners.len()
    };
    let mut budget = BUDGET;
    for (position, route) in routes.iter().enumerate() {
        if torn(position) {
            continue;
        }
        for (earlier, in_front) in routes[..position].iter().enumerate() {
            if torn(earlier) {
                continue;
            }
            if !covers(&in_front.matches, &route.matches, &asking, &mut budget) {
                continue;
            }
            let span = raw.routes[position].span;
            let place = findings.refer(span, raw.routes[earlier].span);
            let message = format!(
                "route \"{}\" can never match: \"{}\" ({place}) comes first and matches the same requests",
                route.name, in_front.name
            );
            findings.warn(span, message, None);
            break;
        }
        if budget == 0 {
            return;
        }
    }
}

/// The listeners that ask routes.
fn asking(listeners: &[Listener]) -> Vec<usize> {
    (0..listeners.len())
        .filter(|position| listeners[*position].asks_routes())
        .collect()
}

pub(crate) fn warn_of_listeners(
    raw: &Raw,
    routes: &[Route],
    listeners: &[Listener],
    findings: &mut Findings<'_>,
) {
    let asking = asking(listeners);
    for position in &asking {
        let serves = |route: &Route| {
            route.matches.listeners.is_empty() || route.matches.listeners.contains(position)
        };
        if !routes.iter().any(serves) {
            let message = format!(
                "listener \"{}\" has no route: every request is answered 404",
                listeners[*position].name
            );
            findings.warn(raw.listeners[*position].name.span, message, None);
        }
    }
    if let (true, Some(first)) = (asking.is_empty(), raw.routes.first()) {
        let message =
            "no route can match: every listener sends all to one cluster (`to`, `tcp`, `udp`)";
        findings.warn(first.span, message, None);
    }
}

/// Whether every request that `later` matches is matched by `front`.
fn covers(front: &Match, later: &Match, asking: &[usize], budget: &mut usize) -> bool {
    let later_listeners = if later.listeners.is_empty() {
        asking
    } else {
        &later.listeners
    };
    any_of(&front.listeners, later_listeners, budget, |a, b| a == b)
        && any_of(&front.methods, &later.methods, budget, |a, b| a == b)
        && any_of(&front.hosts, &later.hosts, budget, host_covers)
        && any_of(&front.paths, &later.paths, budget, path_covers)
        && any_of(
            &front.identities,
            &later.identities,
            budget,
            identity_covers,
        )
        && calls_cover(front.calls, later.calls)
        && all_of(&front.headers, &later.headers, budget)
        && all_of(&front.query, &later.query, budget)
}

/// Each of `later` is covered by one of `front`; an empty list is "any".
fn any_of<T>(
    front: &[T],
    later: &[T],
    budget: &mut usize,
    covers: impl Fn(&T, &T) -> bool,
) -> bool {
    if front.is_empty() {
        *budget = budget.saturating_sub(1);
        return true;
    }
    let work = front.len().saturating_mul(later.len()).saturating_add(1);
    if *budget < work {
        *budget = 0;
        return false;
    }
    *budget -= work;
    !later.is_empty() && later.iter().all(|b| front.iter().any(|a| covers(a, b)))
}

/// Each condition of `front` follows from one of `later`.
fn all_of(
    front: &[(String, ValueMatch)],
    later: &[(String, ValueMatch)],
    budget: &mut usize,
) -> bool {
    let work = front.len().saturating_mul(later.len()).saturating_add(1);
    if *budget < work {
        *budget = 0;
        return false;
    }
    *budget -= work;
    front.iter().all(|(name, value)| {
        later.iter().any(|(other, theirs)| {
            other == name && (*value == ValueMatch::Present || value == theirs)
        })
    })
}

fn calls_cover(front: Calls, later: Calls) -> bool {
    match front {
        Calls::Unasked => true,
        Calls::Grpc => later == Calls::Grpc,
        Calls::GrpcOrWeb => later != Calls::Unasked,
    }
}

fn host_covers(front: &HostMatch, later: &HostMatch) -> bool {
    match (front, later) {
        (HostMatch::Exact(a), HostMatch::Exact(b)) => a == b,
        (HostMatch::Exact(_), HostMatch::Wildcard(_)) => false,
        (HostMatch::Wildcard(a), HostMatch::Exact(b)) => is_below(a, b),
        (HostMatch::Wildcard(a), HostMatch::Wildcard(b)) => a == b || is_below(a, b),
    }
}

fn identity_covers(front: &IdentityMatch, later: &IdentityMatch) -> bool {
    match (front, later) {
        (IdentityMatch::Any, _) => true,
        (IdentityMatch::Below(a), IdentityMatch::Exact(b) | IdentityMatch::Below(b)) => {
            b.starts_with(a.as_str())
        }
        (a, b) => a == b,
    }
}

/// Whether `host` is `x.` in front of the domain.
fn is_below(domain: &str, host: &str) -> bool {
    host.strip_suffix(domain)
        .is_some_and(|front| front.len() > 1 && front.ends_with('.'))
}

fn path_covers(front: &PathMatch, later: &PathMatch) -> bool {
    match (front, later) {
        (PathMatch::Prefix(a), PathMatch::Exact(b) | PathMatch::Prefix(b)) => {
            let is_path = b.is_empty() || b.starts_with('/');
            is_path
                && b.strip_prefix(a.as_str())
                    .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        }
        (a, b) => a == b,
    }
}
