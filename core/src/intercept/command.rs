//! `ringway intercept`: runs the steps, or prints them. Not what they are.

use std::io::{self, Write};
use std::path::Path;
use std::process::{Command, ExitCode, Output, Stdio};

use super::steps::{self, Machine, Step, When};
use super::wish::{Way, Wish};
use super::{NAME, ROUTES, iptables};

/// Which program writes the rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Backend {
    /// nft where it is installed, else iptables.
    Auto,
    /// nftables.
    Nft,
    /// iptables and ip6tables.
    Iptables,
}

/// Write the rules, or print the commands that would.
///
/// # Errors
/// Those of `out`.
pub fn apply(
    wish: &Wish,
    backend: Backend,
    dry_run: bool,
    out: &mut dyn Write,
) -> io::Result<ExitCode> {
    let machine = look();
    let with_nft = match backend {
        Backend::Auto => machine.nft || !machine.iptables,
        Backend::Nft => true,
        Backend::Iptables => false,
    };
    let missing = match (with_nft, machine.nft, machine.iptables) {
        (true, false, _) => Some("nft (package nftables)"),
        (false, _, false) => Some("iptables"),
        _ => None,
    };
    if let Some(program) = missing.filter(|_| !dry_run) {
        return fail(&format!("{program} is not installed here, or not in PATH"));
    }
    let steps = steps::apply(wish, with_nft, machine);
    run(&steps, dry_run, "intercepting", out)
}

/// Remove them, or print the commands that would.
///
/// # Errors
/// Those of `out`.
pub fn remove(dry_run: bool, out: &mut dyn Write) -> io::Result<ExitCode> {
    run(
        &steps::remove(look()),
        dry_run,
        "nothing is intercepted",
        out,
    )
}

/// Print the rules that are in force.
///
/// # Errors
/// Those of `out`.
pub fn show(out: &mut dyn Write) -> io::Result<ExitCode> {
    let machine = look();
    let mut found = Vec::new();
    if machine.nft {
        found.extend(printed(&["nft", "list", "table", "inet", NAME]));
    }
    if machine.iptables {
        let programs: &[&str] = if machine.ipv6 {
            &["iptables", "ip6tables"]
        } else {
            &["iptables"]
        };
        for program in programs {
            for table in [Way::Redirect, Way::Tproxy].map(iptables::table) {
                let rules = printed(&[program, "-w", "-t", table, "-S"]).unwrap_or_default();
                let ours = iptables::chain_name("");
                let ours: Vec<&str> = rules.lines().filter(|line| line.contains(&ours)).collect();
                if !ours.is_empty() {
                    found.push(format!("# {program} -t {table}\n{}\n", ours.join("\n")));
                }
            }
        }
    }
    let priority = ROUTES.to_string();
    for family in ["-4", "-6"] {
        let rule = printed(&["ip", family, "rule", "show", "priority", &priority]);
        found.extend(
            rule.filter(|rule| !rule.is_empty())
                .map(|rule| format!("# ip {family} rule\n{rule}")),
        );
    }
    if found.is_empty() {
        writeln!(out, "nothing is intercepted")?;
    }
    for text in found {
        write!(out, "{text}")?;
    }
    Ok(ExitCode::SUCCESS)
}

/// What writes rules here, for the doctor: `nft`, `iptables` or nothing.
#[must_use]
pub fn has_rules_program() -> Option<&'static str> {
    ["nft", "iptables"]
        .into_iter()
        .find(|program| is_installed(program))
}

fn look() -> Machine {
    Machine {
        nft: is_installed("nft"),
        iptables: is_installed("iptables"),
        ipv6: Path::new("/proc/net/if_inet6").exists(),
    }
}

/// Systems keep such programs where users without privilege do not look.
fn is_installed(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
}

fn run(steps: &[Step], dry_run: bool, done: &str, out: &mut dyn Write) -> io::Result<ExitCode> {
    if dry_run {
        for step in steps {
            write!(out, "{step}")?;
        }
        return Ok(ExitCode::SUCCESS);
    }
    for step in steps {
        if let Err(why) = take(step) {
            return fail(&why);
        }
    }
    writeln!(out, "{done}")?;
    Ok(ExitCode::SUCCESS)
}

fn fail(why: &str) -> io::Result<ExitCode> {
    writeln!(io::stderr(), "ringway: {}", why.trim_end())?;
    Ok(ExitCode::FAILURE)
}

fn take(step: &Step) -> Result<(), String> {
    let is_wanted = match &step.when {
        When::Always => true,
        When::If(words) => asks(words)?.status.success(),
        When::Unless(words) => !asks(words)?.status.success(),
        When::IfPrints(words) => !asks(words)?.stdout.is_empty(),
        When::UnlessPrints(words) => asks(words)?.stdout.is_empty(),
    };
    if !is_wanted {
        return Ok(());
    }
    let done = output(&step.words, step.input.as_deref())?;
    if done.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&done.stderr);
    let hint = if said.contains("ermitted") || said.contains("ermission denied") {
        "\nrules are written by root (CAP_NET_ADMIN); --dry-run prints them"
    } else {
        ""
    };
    Err(format!(
        "`{}`: {}: {}{hint}",
        step.words.join(" "),
        done.status,
        said.trim_end()
    ))
}

fn asks(words: &[String]) -> Result<Output, String> {
    output(words, None)
}

fn printed(words: &[&str]) -> Option<String> {
    let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
    let done = output(&words, None)
        .ok()
        .filter(|done| done.status.success())?;
    Some(String::from_utf8_lossy(&done.stdout).into_owned())
}

fn output(words: &[String], input: Option<&str>) -> Result<Output, String> {
    let failed = |error: io::Error| format!("`{}`: {error}", words.join(" "));
    let mut child = Command::new(&words[0])
        .args(&words[1..])
        .stdin(if input.is_some() {
            Stdio::piped()
        } else {
            Stdio::null()
        })
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(failed)?;
    if let (Some(input), Some(mut stdin)) = (input, child.stdin.take()) {
        // A few KiB, less than a pipe holds: it cannot block. That it was not read shows in the exit code.
        let _ = stdin.write_all(input.as_bytes());
    }
    child.wait_with_output().map_err(failed)
}
