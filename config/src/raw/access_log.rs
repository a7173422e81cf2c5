//! `[access_log]` as typed.
//! Not the file itself: nothing is opened here.

use super::field::Field;
use super::table::Table;
use crate::defaults;
use crate::findings::Findings;
use crate::model::LogTo;
use crate::units::quote;
use std::path::PathBuf;

/// What `to` must be, for messages.
const WANTED: &str = "\"stdout\", \"stderr\", \"off\" or \"file:/path\"";

/// `[access_log]`.
pub(crate) struct AccessLog {
    pub(crate) to: LogTo,
}

pub(crate) fn read(mut table: Table<'_>, findings: &mut Findings<'_>) -> AccessLog {
    let to = table
        .take("to")
        .and_then(|field| read_to(&field, findings))
        .unwrap_or(defaults::LOG_TO);
    table.finish(findings);
    AccessLog { to }
}

fn read_to(field: &Field<'_>, findings: &mut Findings<'_>) -> Option<LogTo> {
    let text = field.text(WANTED, findings)?;
    match text.value.as_str() {
        "stdout" => return Some(LogTo::Stdout),
        "stderr" => return Some(LogTo::Stderr),
        "off" => return Some(LogTo::Off),
        _ => {}
    }
    let value = &text.value;
    if let Some(path) = value.strip_prefix("file:") {
        if path.starts_with('/') && !path.ends_with('/') {
            return Some(LogTo::File(PathBuf::from(path)));
        }
        let message = format!("{} is not the absolute path of a file", quote(path));
        findings.error_help(
            text.span,
            message,
            "e.g. \"file:/var/log/ringway/access.log\"",
        );
        return None;
    }
    if value.starts_with('/') {
        let message = format!("`to` must be {WANTED}, not {}", quote(value));
        let help = format!("write {}", quote(&format!("file:{value}")));
        findings.error_help(text.span, message, help);
        return None;
    }
    if value.starts_with("syslog:") || value == "otlp" {
        let message = format!("`to = {}` is not in this version yet", quote(value));
        findings.error(text.span, message);
        return None;
    }
    field.wrong_word(value, ["stdout", "stderr", "off"], &[], WANTED, findings);
    None
}
