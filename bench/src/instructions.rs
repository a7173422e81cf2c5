//! Instructions per operation of each piece, counted by callgrind: the same on a noisy machine as on a quiet one.
//! Not time: caches, branches and the kernel are not in it.
//!
//! Each piece runs twice, in two lengths; the difference is free of what starting and ending cost.

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use clap::Args;

use crate::{machine, pieces};

/// Operations in the short run. Enough that tables have grown and pools are filled.
const SHORT: u64 = 500;
/// Operations that the long run does on top.
const MORE: u64 = 2_000;

/// Count the instructions per operation of each piece (needs valgrind).
#[derive(Debug, Args)]
pub(crate) struct InstructionsArgs {
    /// Only pieces whose name holds this.
    #[arg(long, default_value = "")]
    only: String,
    /// Write the result to this file as well.
    #[arg(long)]
    record: Option<PathBuf>,
    /// Run this piece (this is how the counting starts it).
    #[arg(long, hide = true, requires = "times")]
    piece: Option<String>,
    #[arg(long, hide = true)]
    times: Option<u64>,
}

/// Count and print, or run a piece.
pub(crate) fn run(args: &InstructionsArgs) -> io::Result<()> {
    if let (Some(name), Some(times)) = (&args.piece, args.times) {
        let piece = pieces::all().into_iter().find(|p| p.name == name);
        let piece = piece.ok_or_else(|| io::Error::other("there is no such piece"))?;
        return pieces::repeat(piece, times);
    }
    let mut text = format!(
        "# Instructions per operation\n\n\
         Counted by callgrind in user space: the difference between {SHORT} and {} operations, divided by {MORE}. They hold for the\n\
         compiler and the processor's features named here, whatever else the machine does.\n\n\
         {}{}\n| piece | instructions | one operation |\n|---|---|---|\n",
        SHORT + MORE,
        machine::facts().line(),
        compiler(),
    );
    for piece in pieces::all() {
        if !piece.name.contains(&args.only) {
            continue;
        }
        eprintln!("{}", piece.name);
        let counted = match (count(piece.name, SHORT)?, count(piece.name, SHORT + MORE)?) {
            (Counted::Instructions(short), Counted::Instructions(long)) => {
                format!("{:.0}", long.saturating_sub(short) as f64 / MORE as f64)
            }
            (Counted::Failed(why), _) | (_, Counted::Failed(why)) => {
                eprintln!("{why}");
                "not counted (valgrind cannot run it)".to_owned()
            }
        };
        let _ = writeln!(text, "| `{}` | {counted} | {} |", piece.name, piece.about);
    }
    io::stdout().write_all(text.as_bytes())?;
    args.record
        .as_ref()
        .map_or(Ok(()), |path| std::fs::write(path, text))
}

enum Counted {
    Instructions(u64),
    Failed(String),
}

/// Run one piece under callgrind.
fn count(piece: &str, times: u64) -> io::Result<Counted> {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(std::env::current_exe()?)
        .args(["instructions", "--piece", piece])
        .args(["--times", &times.to_string()])
        .stdin(Stdio::null())
        .output()
        .map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => {
                io::Error::other("valgrind is not on PATH (apt-get install valgrind)")
            }
            _ => error,
        })?;
    let said = String::from_utf8_lossy(&output.stderr);
    Ok(match collected(&said) {
        Some(n) if output.status.success() => Counted::Instructions(n),
        _ => Counted::Failed(said.into_owned()),
    })
}

/// The count in `==7== Collected : 12345`.
fn collected(said: &str) -> Option<u64> {
    let line = said.lines().find(|line| line.contains("Collected :"))?;
    line.rsplit(':').next()?.trim().parse().ok()
}

/// A line about what made the code; empty where there is no compiler.
fn compiler() -> String {
    let version = Command::new("rustc").arg("--version").output();
    let version = version.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
    match version {
        Ok(version) if !version.is_empty() => format!("Compiler at hand: {version}.\n"),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::collected;
    use crate::pieces;

    #[test]
    fn the_count_is_found_among_what_callgrind_says() {
        let said = "==7== Events    : Ir\n==7== Collected : 1234567\n==7==\n";
        assert_eq!(collected(said), Some(1_234_567));
        assert_eq!(collected("valgrind: no such file"), None);
    }

    /// A piece whose input is not what it says panics here rather than in a measurement.
    #[test]
    fn every_piece_does_its_work() {
        let uring = ringway_io::probe()
            .uring
            .is_ok_and(|found| found.suffices());
        for piece in pieces::all() {
            let done = pieces::repeat(piece, 3);
            let needs_uring = piece.name == "echo-uring" && !uring;
            assert!(done.is_ok() || needs_uring, "{}: {done:?}", piece.name);
        }
    }

    #[test]
    fn names_are_unique() {
        let mut names: Vec<_> = pieces::all().iter().map(|piece| piece.name).collect();
        let before = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), before);
    }
}
