//! Policies: unique names, and which `allow` is in force for a listener or a route.
//! Not the rules themselves (`raw`).

use crate::findings::Findings;
use crate::model::Allow;
use crate::place::{At, Span};
use crate::raw;
use crate::suggest::nearest;
use crate::units::quote;
use std::collections::HashMap;

/// The named ones, and which of them are used.
pub(crate) struct Policies<'r> {
    by_name: HashMap<&'r str, &'r raw::Policy>,
    used: Vec<&'r str>,
}

impl<'r> Policies<'r> {
    pub(crate) fn read(all: &'r [raw::Policy], findings: &mut Findings<'_>) -> Policies<'r> {
        let mut by_name: HashMap<&str, &raw::Policy> = HashMap::new();
        for policy in all {
            let name = &policy.name;
            if let Some(first) = by_name.get(name.value.as_str()) {
                let place = findings.refer(name.span, first.name.span);
                let message = format!(
                    "policy {} is defined twice (first: {place})",
                    quote(&name.value)
                );
                findings.error(name.span, message);
                continue;
            }
            by_name.insert(&name.value, policy);
        }
        Policies {
            by_name,
            used: Vec::new(),
        }
    }

    /// The last of these that has an `allow`: each kind is taken whole from one place.
    pub(crate) fn allow(
        &mut self,
        names: &[At<String>],
        findings: &mut Findings<'_>,
    ) -> Option<(&'r raw::Allow, String)> {
        let mut last = None;
        for name in names {
            let Some((known, policy)) = self.by_name.get_key_value(name.value.as_str()) else {
                self.unknown(name, findings);
                continue;
            };
            self.used.push(known);
            if let Some(allow) = &policy.allow {
                last = Some((allow, format!("policy {}", name.value)));
            }
        }
        last
    }

    fn unknown(&self, name: &At<String>, findings: &mut Findings<'_>) {
        let message = format!("no policy named {}", quote(&name.value));
        let meant = if findings.is_crowded() {
            None
        } else {
            nearest(&name.value, self.by_name.keys().copied())
        };
        let help = match meant {
            Some(meant) => format!("there is \"{meant}\""),
            None => format!("policies are tables: [policies.{}]", name.value),
        };
        findings.error_help(name.span, message, help);
    }

    pub(crate) fn warn_unused(&self, all: &[raw::Policy], findings: &mut Findings<'_>) {
        for policy in all {
            if !self.used.contains(&policy.name.value.as_str()) {
                let message = format!(
                    "policy \"{}\" is not used by any listener or route",
                    policy.name.value
                );
                findings.warn(policy.name.span, message, None);
            }
        }
    }
}

/// The model's form.
pub(crate) fn made(allow: &raw::Allow, from: String) -> Allow {
    Allow {
        rules: allow.rules.clone(),
        enforce: allow.enforce,
        from,
    }
}

/// Conditions on requests, for a listener that reads none.
pub(crate) fn refuse_http(allow: &raw::Allow, listener: Span, findings: &mut Findings<'_>) {
    if let Some(key) = allow.http_keys.first() {
        let place = findings.refer(key.span, listener);
        let message = format!(
            "`{}` has nothing to look at: the listener that this is for ({place}) passes bytes on",
            key.value
        );
        findings.error(key.span, message);
    }
}

/// Where somebody must have an identity, and nobody is asked for one.
pub(crate) fn warn_unasked(allow: &raw::Allow, findings: &mut Findings<'_>) {
    if allow.rules.iter().all(|rule| !rule.identities.is_empty()) {
        let message = "nobody can be allowed: no listener asks clients for certificates";
        let help = "a listener with `tls`, and in that [tls.x]: client_cert = \"required\"";
        findings.warn(allow.span, message, Some(help.to_owned()));
    }
}
