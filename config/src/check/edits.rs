//! Header edits: values with known variables, and no edit that undoes another.
//! Not which names may be edited (`raw`).

use super::template::{self, Variables};
use crate::findings::Findings;
use crate::model::HeaderEdit;
use crate::raw::{Edit, Edits};
use std::collections::HashSet;

/// The edits in their order: removals, sets, adds.
pub(crate) fn check(
    edits: &Edits,
    variables: &Variables<'_>,
    findings: &mut Findings<'_>,
) -> Vec<HeaderEdit> {
    let mut removed = HashSet::new();
    let mut set = HashSet::new();
    let mut checked = Vec::new();
    for edit in &edits.list {
        checked.push(match edit {
            Edit::Remove(name) => {
                if !removed.insert(name.value.as_str()) {
                    findings.error(name.span, format!("`{}` is removed twice", name.value));
                }
                HeaderEdit::Remove {
                    name: name.value.clone(),
                }
            }
            Edit::Set(name, value) => {
                if removed.contains(name.value.as_str()) {
                    let message = format!("`{}` is removed and set", name.value);
                    findings.error_help(name.span, message, "`set` alone replaces it");
                }
                if !set.insert(name.value.as_str()) {
                    findings.error(name.span, format!("`{}` is set twice", name.value));
                }
                HeaderEdit::Set {
                    name: name.value.clone(),
                    value: template::parse(value, variables, findings),
                }
            }
            Edit::Add(name, value) => HeaderEdit::Add {
                name: name.value.clone(),
                value: template::parse(value, variables, findings),
            },
        });
    }
    checked
}
