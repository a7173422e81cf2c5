//! `[admin]` as typed.
//! Not the secret's value where it is a reference: the caller opens files and the environment.

use super::address;
use super::field::Field;
use super::keys;
use super::table::Table;
use crate::findings::Findings;
use crate::model::{AdminBind, Secret};
use crate::place::{At, Span};
use crate::units::quote;
use toml::de::DeValue;

/// `[admin]`.
pub(crate) struct Admin {
    /// None: not given.
    pub(crate) bind: Option<Vec<At<AdminBind>>>,
    pub(crate) token: Option<Secret>,
    /// Whether there is a token key, readable or not.
    pub(crate) has_token: bool,
}

pub(crate) fn read(mut table: Table<'_>, findings: &mut Findings<'_>) -> Admin {
    let bind = table.take("bind").map(|field| {
        let items = field.one_or_any();
        items
            .iter()
            .filter_map(|item| read_bind(item, findings))
            .collect()
    });
    let token = table.take("token");
    let admin = Admin {
        bind,
        has_token: token.is_some(),
        token: token.and_then(|field| read_secret(&field, findings)),
    };
    table.finish(findings);
    admin
}

fn read_bind(field: &Field<'_>, findings: &mut Findings<'_>) -> Option<At<AdminBind>> {
    let text = field.text(
        "an address like \"127.0.0.1:9901\" or \"unix:/path\"",
        findings,
    )?;
    let value = findings.judged(text.span, address::admin(&text.value))?;
    Some(At {
        value,
        span: text.span,
    })
}

/// Any secret: a text, `{ file = … }` or `{ env = … }`.
fn read_secret(field: &Field<'_>, findings: &mut Findings<'_>) -> Option<Secret> {
    if let DeValue::String(text) = field.value {
        findings.hide(field.span);
        // The text must fit into an Authorization field.
        if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            findings.error(
                field.span,
                format!(
                    "`{}` must be visible ASCII without spaces, and not empty",
                    field.key
                ),
            );
            return None;
        }
        return Some(Secret::Literal(text.clone().into_owned()));
    }
    let DeValue::Table(_) = field.value else {
        findings.hide(field.span);
        let message = format!(
            "`{}` must be a text, {{ file = \"/path\" }} or {{ env = \"NAME\" }}",
            field.key
        );
        findings.error(field.span, message);
        return None;
    };
    let mut table = Table::open(format!("`{}`", field.key), &keys::SECRET, field, findings)?;
    let file = table.take("file");
    let env = table.take("env");
    let secret = match (file, env) {
        (Some(file), None) => file.file(findings).map(Secret::File),
        (None, Some(env)) => read_env(&env, findings),
        (Some(_), Some(env)) => {
            findings.error(
                env.key_span,
                "a secret is either in a `file` or in `env`, not both",
            );
            None
        }
        (None, None) => missing(field.span, field.key, findings),
    };
    table.finish(findings);
    secret
}

fn missing(span: Span, key: &str, findings: &mut Findings<'_>) -> Option<Secret> {
    let message = format!("`{key}` needs `file` or `env`");
    findings.error(span, message);
    None
}

fn read_env(field: &Field<'_>, findings: &mut Findings<'_>) -> Option<Secret> {
    let text = field.text("the name of an environment variable", findings)?;
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    if text.value.is_empty() || !text.value.bytes().all(plain) {
        let message = format!("{} is not a variable's name", quote(&text.value));
        let bare = text.value.trim_start_matches('$');
        if bare != text.value {
            findings.error_help(text.span, message, "without the `$`");
        } else {
            findings.error(text.span, message);
        }
        return None;
    }
    Some(Secret::Env(text.value))
}
