//! `bind` of a listener as typed: an address, or a Unix socket with its permissions.
//! Not whether two want the same one.

use super::address::{self, socket_path};
use super::field::Field;
use super::keys;
use super::table::Table;
use crate::defaults;
use crate::findings::Findings;
use crate::model::{Bind, UnixBind};
use crate::place::At;
use crate::units::{Fault, quote};
use toml::de::DeValue;

/// One address.
pub(crate) fn read(field: &Field<'_>, findings: &mut Findings<'_>) -> Option<At<Bind>> {
    if let DeValue::Table(_) = field.value {
        let unix = read_unix(field, findings)?;
        return Some(At {
            value: Bind::Unix(unix),
            span: field.span,
        });
    }
    if let DeValue::Integer(number) = field.value
        && let Ok(port) = number.as_str().parse::<u16>()
    {
        let message = format!("`bind` must be an address, not the number {port}");
        findings.error_help(field.span, message, format!("did you mean \":{port}\"?"));
        return None;
    }
    let text = field.text("an address like \":8080\"", findings)?;
    let read = match text.value.strip_prefix("unix:") {
        Some(path) => socket_path(path).map(|path| {
            Bind::Unix(UnixBind {
                path,
                mode: defaults::SOCKET_MODE,
                user: None,
                group: None,
            })
        }),
        None => address::bind(&text.value).map(Bind::Tcp),
    };
    let value = findings.judged(text.span, read)?;
    Some(At {
        value,
        span: text.span,
    })
}

fn read_unix(field: &Field<'_>, findings: &mut Findings<'_>) -> Option<UnixBind> {
    let mut table = Table::open("`bind`", &keys::UNIX_BIND, field, findings)?;
    let unix = table.take("unix");
    let is_misspelt = table.misspells("unix");
    let (mode, owner) = (table.take("mode"), table.take("owner"));
    table.finish(findings);
    let Some(unix) = unix else {
        if !is_misspelt {
            let help = "e.g. bind = { unix = \"/run/app.sock\", mode = \"0660\" }";
            findings.error_help(field.span, "`bind` as a table without `unix`", help);
        }
        return None;
    };
    let path = unix.text("a path like \"/run/app.sock\"", findings)?;
    let read = socket_path(path.value.strip_prefix("unix:").unwrap_or(&path.value));
    let path = findings.judged(path.span, read)?;
    let mut bind = UnixBind {
        path,
        mode: defaults::SOCKET_MODE,
        user: None,
        group: None,
    };
    if let (true, Some(key)) = (bind.is_abstract(), mode.as_ref().or(owner.as_ref())) {
        let message = format!("`{}` of an abstract socket, which is no file", key.key);
        findings.error_help(
            key.key_span,
            message,
            "who may connect is not checked there",
        );
        return None;
    }
    if let Some(field) = mode {
        bind.mode = checked(&field, "text like \"0660\"", read_mode, findings)?;
    }
    if let Some(field) = owner {
        (bind.user, bind.group) = checked(&field, "text like \"app:app\"", read_owner, findings)?;
    }
    Some(bind)
}

fn checked<T>(
    field: &Field<'_>,
    wanted: &str,
    read: fn(&str) -> Result<T, Fault>,
    findings: &mut Findings<'_>,
) -> Option<T> {
    let text = field.text(wanted, findings)?;
    findings.judged(text.span, read(&text.value))
}

/// Octal, as `chmod` has it.
fn read_mode(text: &str) -> Result<u32, Fault> {
    let digits = (3..=4).contains(&text.len()) && text.bytes().all(|d| (b'0'..=b'7').contains(&d));
    match u32::from_str_radix(text, 8) {
        Ok(mode) if digits && mode <= 0o777 => Ok(mode),
        _ => Err(Fault::new(format!("{} is not a mode", quote(text)))
            .help("three octal digits, for owner, group and others: \"0660\"")),
    }
}

/// `user`, `user:group` or `:group`; names or numbers.
fn read_owner(text: &str) -> Result<(Option<String>, Option<String>), Fault> {
    let (user, group) = match text.split_once(':') {
        Some((user, group)) => (user, Some(group)),
        None => (text, None),
    };
    let plain = |name: &str| {
        let plain = |octet: u8| octet.is_ascii_alphanumeric() || b"-_.$".contains(&octet);
        name.len() <= 64 && name.bytes().all(plain)
    };
    let says_something = !user.is_empty() || group.is_some_and(|group| !group.is_empty());
    if !says_something || group == Some("") || !plain(user) || !group.is_none_or(plain) {
        return Err(Fault::new(format!("{} is not an owner", quote(text)))
            .help("e.g. \"app\", \"app:web\" or \":web\""));
    }
    let name = |name: &str| (!name.is_empty()).then(|| name.to_owned());
    Ok((name(user), group.and_then(name)))
}
