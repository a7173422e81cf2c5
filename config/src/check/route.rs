//! Routes: names, exactly one action, clusters and listeners that exist, and keys that fit the action.
//! Not whether an earlier route takes all the requests (`shadow`).

use super::cluster::Clusters;
use super::edits;
use super::policy::{self, Policies};
use super::template::{self, Variables};
use crate::defaults;
use crate::findings::Findings;
use crate::model::{
    Action, Allow, Calls, Listener, Match, Part, PathMatch, Protocol, Rewrite, Route,
    RouteTimeouts, SplitBy, Target, Template,
};
use crate::place::{At, Span};
use crate::raw::{self, Raw, RawAction, RawRewrite};
use crate::suggest::nearest;
use crate::units::quote;
use std::collections::HashMap;

pub(crate) fn check<'r>(
    raw: &'r Raw,
    listeners: &[Listener],
    clusters: &mut Clusters,
    policies: &mut Policies<'r>,
    findings: &mut Findings<'_>,
) -> Vec<Route> {
    let names = names(&raw.routes, findings);
    let timeouts = raw.defaults.timeouts.unwrap_or(defaults::ROUTE_TIMEOUTS);
    raw.routes
        .iter()
        .zip(names)
        .map(|(route, name)| {
            let allow = allow(route, &name, policies, findings);
            Route {
                allow,
                ..one(route, name, timeouts, listeners, clusters, findings)
            }
        })
        .collect()
}

/// The names given, and `route-N` for the others.
fn names(routes: &[raw::Route], findings: &mut Findings<'_>) -> Vec<String> {
    let mut seen: HashMap<String, Span> = HashMap::new();
    let mut names = Vec::new();
    for (position, route) in routes.iter().enumerate() {
        let made = || format!("route-{}", position + 1);
        let name = route
            .name
            .as_ref()
            .map_or_else(made, |name| name.value.clone());
        let span = route.name.as_ref().map_or(route.span, |name| name.span);
        match seen.get(&name) {
            Some(first) => {
                let place = findings.refer(span, *first);
                let message = format!("two routes are named {} (first: {place})", quote(&name));
                findings.error(span, message);
            }
            None => {
                seen.insert(name.clone(), span);
            }
        }
        names.push(name);
    }
    names
}

fn one(
    route: &raw::Route,
    name: String,
    default_timeouts: RouteTimeouts,
    listeners: &[Listener],
    clusters: &mut Clusters,
    findings: &mut Findings<'_>,
) -> Route {
    let variables = Variables::of(&route.matches, findings);
    let action = action(route, &name, &variables, clusters, findings);
    let grpc_web = grpc_web(route, &action, clusters, findings);
    Route {
        at: findings.place(route.span),
        matches: matches(route, grpc_web, listeners, findings),
        action,
        request_headers: edits::check(&route.headers, &variables, findings),
        response_headers: edits::check(&route.response_headers, &variables, findings),
        timeouts: route.timeouts.unwrap_or(default_timeouts),
        body_limit: route.body_limit.as_ref().map(|body| body.value),
        allow: None,
        grpc_web,
        name,
    }
}

/// What it makes is gRPC, which only HTTP/2 carries.
fn grpc_web(
    route: &raw::Route,
    action: &Action,
    clusters: &Clusters,
    findings: &mut Findings<'_>,
) -> bool {
    let Some(wanted) = route.grpc_web.as_ref().filter(|typed| typed.value) else {
        return defaults::GRPC_WEB;
    };
    let Action::Forward { targets, .. } = action else {
        // Which keys do not fit the action was said there.
        return true;
    };
    let named = targets.iter().map(|target| target.cluster);
    let mut found = named.filter_map(|index| clusters.get(index));
    if let Some(cluster) = found.find(|cluster| cluster.protocol == Protocol::H1) {
        let message = format!(
            "`grpc_web` makes calls of gRPC, which is spoken by HTTP/2 alone, and cluster \"{}\" speaks HTTP/1.1",
            cluster.name
        );
        let help = "protocol = \"h2\" in [clusters.x]; an endpoint that speaks gRPC-Web itself needs no `grpc_web`";
        findings.error_help(wanted.span, message, help);
    }
    true
}

/// The route's own `allow`, else that of its policies.
fn allow<'r>(
    route: &'r raw::Route,
    name: &str,
    policies: &mut Policies<'r>,
    findings: &mut Findings<'_>,
) -> Option<Allow> {
    let of_policies = policies.allow(&route.policies, findings);
    if let Some(own) = &route.allow {
        return Some(policy::made(own, format!("route {name}")));
    }
    of_policies.map(|(allow, from)| policy::made(allow, from))
}

fn matches(
    route: &raw::Route,
    grpc_web: bool,
    listeners: &[Listener],
    findings: &mut Findings<'_>,
) -> Match {
    let raw = &route.matches;
    let mut found = Vec::new();
    for name in &raw.listeners {
        let position = listeners.iter().position(|l| l.name == name.value);
        match position {
            Some(position) if listeners[position].udp.is_some() => {
                let message = format!(
                    "listener \"{}\" passes datagrams on (`udp`) and reads no requests, so it asks no route",
                    name.value
                );
                findings.error(name.span, message);
            }
            Some(position) if listeners[position].to.is_some() => {
                let message = format!(
                    "listener \"{}\" sends all to one cluster (`to`), so it asks no route",
                    name.value
                );
                findings.error(name.span, message);
            }
            Some(position) if listeners[position].redirect_https.is_some() => {
                let message = format!(
                    "listener \"{}\" redirects every request to https, so it asks no route",
                    name.value
                );
                findings.error(name.span, message);
            }
            Some(position) if !listeners[position].asks_routes() => {
                let message = format!(
                    "listener \"{}\" passes bytes on (`tcp`) and reads no requests, so it asks no route",
                    name.value
                );
                findings.error(name.span, message);
            }
            Some(position) => found.push(position),
            None => {
                let message = format!("no listener named {}", quote(&name.value));
                let names = listeners.iter().map(|l| l.name.as_str());
                let meant = if findings.is_crowded() {
                    None
                } else {
                    nearest(&name.value, names)
                };
                match meant {
                    Some(meant) => {
                        findings.error_help(name.span, message, format!("there is \"{meant}\""));
                    }
                    None => findings.error(name.span, message),
                }
            }
        }
    }
    Match {
        listeners: found,
        hosts: raw.hosts.clone(),
        paths: raw.paths.clone(),
        methods: raw.methods.clone(),
        headers: raw.headers.clone(),
        query: raw.query.clone(),
        identities: raw.identities.clone(),
        calls: match (raw.grpc, grpc_web) {
            (false, _) => Calls::Unasked,
            (true, false) => Calls::Grpc,
            (true, true) => Calls::GrpcOrWeb,
        },
    }
}

/// Stands in for an action that could not be read: the errors keep the configuration from being used.
fn no_action() -> Action {
    Action::Respond {
        status: 404,
        body: String::new(),
        content_type: defaults::RESPOND_TYPE.to_owned(),
    }
}

fn action(
    route: &raw::Route,
    name: &str,
    variables: &Variables<'_>,
    clusters: &mut Clusters,
    findings: &mut Findings<'_>,
) -> Action {
    let Some(first) = route.actions.first() else {
        findings.error_help(
            route.span,
            format!("route \"{name}\" does nothing"),
            "it needs one of `to`, `redirect` and `respond`",
        );
        return no_action();
    };
    for other in route.actions.iter().skip(1) {
        findings.error(
            other.span,
            "a route has one action: `to`, `redirect` or `respond`",
        );
    }
    match &first.value {
        RawAction::Torn => no_action(),
        RawAction::To(to) => {
            let targets = clusters.targets(to, format!("route:{name}"), findings);
            let is_split = matches!(to, raw::To::Split(sides) if sides.len() > 1);
            Action::Forward {
                split_by: split_by(route, is_split, findings),
                rewrite: rewrite(route, variables, findings),
                targets: or_placeholder(targets),
            }
        }
        RawAction::Redirect { status, location } => {
            refuse_forward_keys(route, "redirected", findings);
            Action::Redirect {
                status: *status,
                location: self::location(location, variables, findings),
            }
        }
        RawAction::Respond {
            status,
            body,
            content_type,
        } => {
            refuse_forward_keys(route, "answered here", findings);
            Action::Respond {
                status: *status,
                body: body.clone(),
                content_type: content_type.clone(),
            }
        }
    }
}

/// A route whose clusters are unknown has errors; what the model holds then is not seen by anybody.
pub(super) fn or_placeholder(targets: Vec<Target>) -> Vec<Target> {
    if targets.is_empty() {
        return vec![Target {
            cluster: 0,
            weight: defaults::WEIGHT,
        }];
    }
    targets
}

fn split_by(route: &raw::Route, is_split: bool, findings: &mut Findings<'_>) -> Option<SplitBy> {
    let split_by = route.split_by.as_ref()?;
    if !is_split {
        findings.error_help(
            split_by.span,
            "`split_by` without a split",
            "`to` lists two clusters or more: [{ cluster = \"a\" }, { cluster = \"b\" }]",
        );
    }
    split_by.value.clone()
}

/// Keys that speak of what is sent on, on a route that sends nothing on.
fn refuse_forward_keys(route: &raw::Route, what: &str, findings: &mut Findings<'_>) {
    let mut refuse = |span: Span, key: &str| {
        findings.error(
            span,
            format!("`{key}` has nothing to act on: the request is {what}"),
        );
    };
    if let Some(split_by) = &route.split_by {
        refuse(split_by.span, "split_by");
    }
    if let Some(rewrite) = &route.rewrite {
        refuse(rewrite.span, "rewrite");
    }
    if let Some(grpc_web) = route.grpc_web.as_ref().filter(|typed| typed.value) {
        refuse(grpc_web.span, "grpc_web");
    }
    if let Some(edit) = route.headers.list.first() {
        let (raw::Edit::Remove(name) | raw::Edit::Set(name, _) | raw::Edit::Add(name, _)) = edit;
        refuse(name.span, "headers");
    }
}

fn rewrite(
    route: &raw::Route,
    variables: &Variables<'_>,
    findings: &mut Findings<'_>,
) -> Option<Rewrite> {
    let rewrite = route.rewrite.as_ref()?;
    match rewrite.value.as_ref()? {
        RawRewrite::Prefix(prefix) => {
            let paths = &route.matches.paths;
            let fits = matches!(paths.as_slice(), [PathMatch::Prefix(_)]);
            if !fits && !route.matches.torn {
                findings.error_help(
                    rewrite.span,
                    "`rewrite.prefix` needs exactly one prefix in `match.path`",
                    "e.g. match = { path = \"/api/*\" }",
                );
            }
            if let Err(fault) = raw::check_path(&prefix.value) {
                findings.fault(prefix.span, fault);
                return None;
            }
            let bare = prefix.value.strip_suffix('/').unwrap_or(&prefix.value);
            Some(Rewrite::Prefix(bare.to_owned()))
        }
        RawRewrite::Path(path) => {
            let template = template::parse(path, variables, findings);
            check_rewritten_path(path, &template, findings);
            Some(Rewrite::Path(template))
        }
    }
}

fn check_rewritten_path(path: &At<String>, template: &Template, findings: &mut Findings<'_>) {
    let begins = match template.parts.first() {
        Some(Part::Literal(text)) => text.starts_with('/'),
        Some(Part::Variable(_)) => true,
        None => false,
    };
    if !begins {
        findings.error(path.span, "a path begins with `/`");
    }
    for part in &template.parts {
        let has_query = match part {
            Part::Literal(text) => text.contains(['?', '#']),
            Part::Variable(name) => name == "query",
        };
        if has_query {
            findings.error(
                path.span,
                "`rewrite.path` is the path alone; the query stays as it is",
            );
            return;
        }
    }
    if !literals_are_visible(template) {
        findings.error(path.span, "a path has no spaces and is ASCII");
    }
}

fn literals_are_visible(template: &Template) -> bool {
    template.parts.iter().all(|part| match part {
        Part::Literal(text) => text.bytes().all(|byte| byte.is_ascii_graphic()),
        Part::Variable(_) => true,
    })
}

fn location(text: &At<String>, variables: &Variables<'_>, findings: &mut Findings<'_>) -> Template {
    let template = template::parse(text, variables, findings);
    let begins = match template.parts.first() {
        Some(Part::Literal(literal)) => literal.starts_with('/') || literal.contains("://"),
        Some(Part::Variable(_)) => true,
        None => false,
    };
    if !begins {
        let message = format!("{} is not a place to redirect to", quote(&text.value));
        let help = "e.g. \"https://{host}{path}{query}\" or \"/new{query}\"";
        findings.error_help(text.span, message, help);
    } else if !literals_are_visible(&template) {
        findings.error(text.span, "a URL has no spaces and is ASCII");
    }
    template
}
