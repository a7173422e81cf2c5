//! Routes as the plan has them. Not how one is found: see `route`.

use ringway_config as config;
use ringway_protocols::http1::Removed;

use super::{Assembler, timeouts};
use crate::plan::{ActionPlan, EditPlan, EditsPlan, RewritePlan, RoutePlan, Timeouts};
use crate::route::{Split, Template};

impl Assembler {
    pub(super) fn route(&self, route: &config::Route) -> RoutePlan {
        let action = match &route.action {
            config::Action::Forward {
                targets,
                split_by,
                rewrite,
            } => ActionPlan::Forward {
                split: Split::compile(targets),
                split_by: split_by.clone(),
                rewrite: rewrite.as_ref().map(|r| rewrite_plan(r, &route.matches)),
            },
            config::Action::Redirect { status, location } => ActionPlan::Redirect {
                status: *status,
                location: Template::compile(location),
            },
            config::Action::Respond {
                status,
                body,
                content_type,
            } => ActionPlan::Respond {
                status: *status,
                body: body.as_bytes().into(),
                content_type: content_type.clone(),
            },
        };
        RoutePlan {
            name: route.name.clone(),
            action,
            allow: None,
            request_edits: edits(&route.request_headers),
            response_edits: edits(&route.response_headers),
            timeouts: timeouts(&route.timeouts),
            body_limit: route.body_limit,
            grpc_web: route.grpc_web,
            cells: self.metrics.route(&route.name),
        }
    }

    /// A route of a listener's own, behind those of the file: all that it takes goes to these clusters as it is.
    pub(super) fn whole(
        &self,
        name: String,
        targets: &[config::Target],
        timeouts: Timeouts,
    ) -> RoutePlan {
        RoutePlan {
            action: ActionPlan::Forward {
                split: Split::compile(targets),
                split_by: None,
                rewrite: None,
            },
            allow: None,
            request_edits: EditsPlan::default(),
            response_edits: EditsPlan::default(),
            timeouts,
            body_limit: None,
            grpc_web: false,
            cells: self.metrics.route(&name),
            name,
        }
    }
}

fn rewrite_plan(rewrite: &config::Rewrite, matches: &config::Match) -> RewritePlan {
    match rewrite {
        config::Rewrite::Path(template) => RewritePlan::Path(Template::compile(template)),
        config::Rewrite::Prefix(with) => {
            // Checked by the configuration: a prefix rewrite stands with exactly one prefix path.
            let matched = matches.paths.iter().find_map(|p| match p {
                config::PathMatch::Prefix(prefix) => Some(prefix.len()),
                _ => None,
            });
            RewritePlan::Prefix {
                matched: matched.unwrap_or(0),
                with: with.clone(),
            }
        }
    }
}

/// What is removed goes by bits where it can: only ahead of all that is set and added, since a removal takes that away too.
fn edits(edits: &[config::HeaderEdit]) -> EditsPlan {
    let mut removed = Removed::default();
    let mut list = Vec::new();
    let mut is_first = true;
    for edit in edits {
        let (config::HeaderEdit::Set { name, .. }
        | config::HeaderEdit::Add { name, .. }
        | config::HeaderEdit::Remove { name }) = edit;
        let name = name.clone();
        list.push(match edit {
            config::HeaderEdit::Remove { .. } if is_first && removed.insert(name.as_bytes()) => {
                continue;
            }
            config::HeaderEdit::Remove { .. } => EditPlan::Remove { name },
            config::HeaderEdit::Set { value, .. } => {
                is_first = false;
                let value = Template::compile(value);
                EditPlan::Set { name, value }
            }
            config::HeaderEdit::Add { value, .. } => {
                is_first = false;
                let value = Template::compile(value);
                EditPlan::Add { name, value }
            }
        });
    }
    EditsPlan { removed, list }
}

#[cfg(test)]
mod tests {
    use ringway_config::HeaderEdit;

    use super::*;

    #[test]
    fn known_fields_are_removed_by_bits_ahead_of_what_is_set() {
        let remove = |name: &str| HeaderEdit::Remove { name: name.into() };
        let set = HeaderEdit::Set {
            name: "via".into(),
            value: config::Template { parts: Vec::new() },
        };
        let all = [
            remove("via"),
            remove("x-debug"),
            remove("x-request-id"),
            remove("content-length"),
            set,
            remove("via"),
        ];
        let EditsPlan { removed, list } = edits(&all);
        let mut expected = Removed::default();
        assert!(expected.insert(b"via") && expected.insert(b"x-request-id"));
        assert_eq!(removed, expected);
        let said: Vec<_> = list
            .iter()
            .map(|edit| match edit {
                EditPlan::Set { name, .. } => format!("set {name}"),
                EditPlan::Add { name, .. } => format!("add {name}"),
                EditPlan::Remove { name } => format!("remove {name}"),
            })
            .collect();
        assert_eq!(
            said,
            [
                "remove x-debug",
                "remove content-length",
                "set via",
                "remove via"
            ]
        );
    }
}
