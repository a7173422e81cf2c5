//! The compiled routes of a configuration. What `find` gives is an index; acting on it is the caller's part.

use std::collections::BTreeSet;

use ringway_config::{Action, Config, HeaderEdit, Rewrite, Route};

use super::bucket::NONE;
use super::captures::Captures;
use super::conditions::Conditions;
use super::fields::Ask;
use super::index::Index;
use super::pattern::Patterns;
use super::template;

/// The routes of a snapshot, compiled. Immutable; all workers may share one.
#[derive(Debug)]
pub struct Router {
    index: Index,
    routes: Vec<Conditions>,
}

impl Router {
    /// # Errors
    /// Every fault of every route, each with the route's place and name: a regex that does not compile or is too
    /// large, a template that names what nothing captures, a capture that a template uses and that has the name of a
    /// built-in. A checked configuration has none of them.
    pub fn compile(config: &Config) -> Result<Router, Vec<String>> {
        let mut patterns = Patterns::default();
        let mut faults: Vec<(usize, String)> = Vec::new();
        let index = Index::new(&config.routes, &mut faults);
        let mut routes = Vec::with_capacity(config.routes.len());
        for (at, route) in config.routes.iter().enumerate() {
            let variables = variables(route);
            let mut found = Vec::new();
            let conditions =
                Conditions::compile(&route.matches, &variables, &mut patterns, &mut found);
            if found.is_empty() {
                check_names(&conditions, &variables, &mut found);
            }
            faults.extend(found.into_iter().map(|fault| (at, fault)));
            routes.push(conditions);
        }
        if faults.is_empty() {
            return Ok(Router { index, routes });
        }
        faults.sort_by_key(|(at, _)| *at);
        let said = faults.into_iter().map(|(at, fault)| {
            let Route {
                name, at: place, ..
            } = &config.routes[at];
            format!("{}:{}: route \"{name}\": {fault}", place.path, place.line)
        });
        Err(said.collect())
    }

    /// The index (in the configuration's routes) of the first route in file order that matches. What its regexes
    /// captured, as far as its templates use it, is left in `captures`, which is cleared first.
    pub fn find(&self, ask: &Ask<'_>, captures: &mut Captures) -> Option<usize> {
        captures.clear();
        let found = self.index.first(ask, &self.routes, &mut captures.decoded);
        if found == NONE {
            return None;
        }
        self.routes[found as usize].capture(ask, captures);
        Some(found as usize)
    }
}

/// The names that the route's templates use.
fn variables(route: &Route) -> BTreeSet<&str> {
    let edits = route.request_headers.iter().chain(&route.response_headers);
    let values = edits.filter_map(|edit| match edit {
        HeaderEdit::Set { value, .. } | HeaderEdit::Add { value, .. } => Some(value),
        HeaderEdit::Remove { .. } => None,
    });
    let action = match &route.action {
        Action::Forward {
            rewrite: Some(Rewrite::Path(path)),
            ..
        } => Some(path),
        Action::Redirect { location, .. } => Some(location),
        Action::Forward { .. } | Action::Respond { .. } => None,
    };
    values.chain(action).flat_map(template::names).collect()
}

fn check_names(conditions: &Conditions, variables: &BTreeSet<&str>, faults: &mut Vec<String>) {
    let captured: BTreeSet<&str> = conditions.captured().collect();
    for name in variables {
        match (template::is_built_in(name), captured.contains(name)) {
            (true, true) => faults.push(format!(
                "the capture `{name}` has the name of a built-in; call it otherwise"
            )),
            (false, false) => faults.push(format!(
                "`{{{name}}}` is neither a built-in nor captured by this route"
            )),
            _ => {}
        }
    }
}
