//! `ringway check` and `ringway config`: what can be said about a configuration without running it.
//!
//! Not here: the checking itself (`ringway-config`), reading the files (`control`).

use std::fmt::Write as _;
use std::io::{self, Write};
use std::net::ToSocketAddrs as _;
use std::path::Path;
use std::process::ExitCode;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use ringway::control::{ConfigFiles, Loaded};
use ringway::credentials;
use ringway_config::{Address, Config};

/// How long all look-ups of names together may take: a dead name server must not hang a check.
const LOOK_UPS: Duration = Duration::from_secs(5);
/// Look-ups at once, each a thread.
const AT_ONCE: usize = 32;
/// Width of a default's reason in the table.
const REASON: usize = 60;

/// Whether certificates, keys and bundles are opened and judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Certificates {
    Judged,
    Unseen,
}

/// Check one file: findings to standard error, a line that all is well to `out`.
pub(crate) fn check(
    file: &Path,
    certificates: Certificates,
    out: &mut dyn Write,
) -> io::Result<ExitCode> {
    let loaded = match ConfigFiles::new(file).load() {
        Ok(loaded) => loaded,
        Err(why) => {
            writeln!(io::stderr(), "ringway: {why}")?;
            return Ok(ExitCode::FAILURE);
        }
    };
    write!(io::stderr(), "{}", findings(&loaded))?;
    let config = match &loaded.checked.config {
        Some(config) if loaded.errors() == 0 => config,
        _ => return Ok(ExitCode::FAILURE),
    };
    if certificates == Certificates::Judged {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let judged = credentials::judge(config, now.map_or(0, |since| since.as_secs()));
        for line in &judged.warnings {
            writeln!(io::stderr(), "{}: warning: {line}", file.display())?;
        }
        for line in &judged.errors {
            writeln!(io::stderr(), "{line}")?;
        }
        if !judged.errors.is_empty() {
            return Ok(ExitCode::FAILURE);
        }
    }
    for line in unknown_names(config) {
        writeln!(io::stderr(), "{}: warning: {line}", file.display())?;
    }
    for line in ringway::intercept::privilege::lacks(config) {
        writeln!(io::stderr(), "{line}: warning: not by this user")?;
    }
    writeln!(out, "{}: ok: {}", file.display(), summary(config, &loaded))?;
    Ok(ExitCode::SUCCESS)
}

/// Diagnostics and unresolved secrets; empty, or ends with a line end.
pub(crate) fn findings(loaded: &Loaded) -> String {
    let mut text = String::new();
    if !loaded.checked.diagnostics.is_empty() {
        text.push_str(ringway_config::render(&loaded.checked.diagnostics).trim_end());
        text.push('\n');
    }
    for line in &loaded.unresolved {
        let _ = writeln!(text, "{line}");
    }
    text
}

fn summary(config: &Config, loaded: &Loaded) -> String {
    let count = |n: usize, one: &str| format!("{n} {one}{}", if n == 1 { "" } else { "s" });
    [
        count(config.listeners.len(), "listener"),
        count(config.routes.len(), "route"),
        count(config.clusters.len(), "cluster"),
        count(loaded.sources.len(), "file"),
    ]
    .join(", ")
}

/// Names of endpoints that this machine cannot resolve now. Warnings: a check often runs where the services are not.
fn unknown_names(config: &Config) -> Vec<String> {
    let mut names: Vec<(String, u16)> = Vec::new();
    for cluster in &config.clusters {
        for endpoint in &cluster.endpoints {
            if let Address::Name { host, port } = &endpoint.address {
                names.push((host.clone(), *port));
            }
        }
    }
    names.sort();
    names.dedup();
    let deadline = Instant::now() + LOOK_UPS;
    let mut lines = Vec::new();
    for some in names.chunks(AT_ONCE) {
        let (tell, told) = mpsc::channel();
        for name in some.iter().cloned() {
            let tell = tell.clone();
            // Detached: a look-up cannot be cancelled, only left behind.
            thread::spawn(move || {
                let found = (name.0.as_str(), name.1).to_socket_addrs().map(drop);
                let _ = tell.send((name, found.map_err(|e| e.to_string())));
            });
        }
        let mut waiting = some.to_vec();
        while !waiting.is_empty() {
            let left = deadline.saturating_duration_since(Instant::now());
            let Ok((name, found)) = told.recv_timeout(left) else {
                break;
            };
            waiting.retain(|other| *other != name);
            if let Err(why) = found {
                lines.push(format!(
                    "the name {} cannot be resolved here: {why}",
                    name.0
                ));
            }
        }
        for (host, _) in waiting {
            lines.push(format!("the name {host} was not resolved in time"));
        }
    }
    lines
}

/// `ringway config defaults`: key, value, reason, aligned, the reason over several lines.
pub(crate) fn defaults_table(out: &mut dyn Write) -> io::Result<ExitCode> {
    let defaults = ringway_config::defaults();
    let width = |of: fn(&ringway_config::Default) -> &str| {
        let longest = defaults.iter().map(|d| of(d).chars().count()).max();
        longest.unwrap_or(0)
    };
    let (keys, values) = (width(|d| d.key), width(|d| d.value));
    for default in defaults {
        let (mut key, mut value) = (default.key, default.value);
        for line in wrap(default.reason, REASON) {
            writeln!(out, "{key:keys$}  {value:values$}  {line}")?;
            (key, value) = ("", "");
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The same as JSON: a list of objects.
pub(crate) fn defaults_json(out: &mut dyn Write) -> io::Result<ExitCode> {
    let list: Vec<_> = ringway_config::defaults()
        .iter()
        .map(|d| serde_json::json!({ "key": d.key, "value": d.value, "reason": d.reason }))
        .collect();
    writeln!(out, "{:#}", serde_json::Value::from(list))?;
    Ok(ExitCode::SUCCESS)
}

/// Lines of at most `width` characters, broken at spaces; at least one line.
fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    let mut length = 0;
    for word in text.split_whitespace() {
        let more = word.chars().count();
        match lines.last_mut() {
            Some(line) if length == 0 || length + 1 + more <= width => {
                if length > 0 {
                    line.push(' ');
                    length += 1;
                }
                line.push_str(word);
                length += more;
            }
            _ => {
                lines.push(word.to_owned());
                length = more;
            }
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_broken_at_spaces() {
        let cases: [(&str, &[&str]); 4] = [
            ("", &[""]),
            ("one two three", &["one two", "three"]),
            ("overlongword x", &["overlongword", "x"]),
            ("é è ê ë ü ö", &["é è ê ë", "ü ö"]),
        ];
        for (text, expected) in cases {
            assert_eq!(wrap(text, 7), expected, "{text}");
        }
    }
}
