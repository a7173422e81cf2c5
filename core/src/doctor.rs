//! `ringway doctor`: looks at this machine and says what would keep the proxy slow or small, each with its fix.
//!
//! Not here: where the facts come from (`facts`) and what they mean (`judge`).

mod facts;
mod judge;

use std::io::{self, Write};
use std::process::ExitCode;

pub use facts::{CpuQuota, Facts, gather};
pub use judge::{Finding, Level, judge};

/// Gather, judge, print. Exit code 1 if something fails; a warning is not a failure.
///
/// # Errors
/// Those of `out`.
pub fn run(out: &mut dyn Write, colours: bool) -> io::Result<ExitCode> {
    let findings = judge(&gather());
    print(&findings, out, colours)?;
    let failed = findings.iter().any(|f| f.level == Level::Fail);
    Ok(if failed {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

fn print(findings: &[Finding], out: &mut dyn Write, colours: bool) -> io::Result<()> {
    let width = findings.iter().map(|f| f.subject.len()).max().unwrap_or(0);
    for finding in findings {
        let (word, colour) = match finding.level {
            Level::Ok => ("ok  ", "32"),
            Level::Warn => ("warn", "33"),
            Level::Fail => ("fail", "31"),
        };
        let word = if colours {
            format!("\x1b[{colour}m{word}\x1b[0m")
        } else {
            word.to_owned()
        };
        let subject = finding.subject;
        writeln!(out, "{word}  {subject:width$}  {}", finding.text)?;
        if let Some(fix) = &finding.fix {
            writeln!(out, "      {:width$}  fix: {fix}", "")?;
        }
    }
    let count = |level| findings.iter().filter(|f| f.level == level).count();
    let (warnings, failures) = (count(Level::Warn), count(Level::Fail));
    writeln!(
        out,
        "\n{warnings} to improve, {failures} that must be fixed"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_per_finding_with_its_fix_below() {
        let findings = [
            Finding {
                level: Level::Ok,
                subject: "kernel",
                text: "6.18.0".into(),
                fix: None,
            },
            Finding {
                level: Level::Warn,
                subject: "open files",
                text: "1024".into(),
                fix: Some("ulimit -n 1048576".into()),
            },
        ];
        let mut out = Vec::new();
        print(&findings, &mut out, false).unwrap();
        let expected = "\
ok    kernel      6.18.0
warn  open files  1024
                  fix: ulimit -n 1048576

1 to improve, 0 that must be fixed
";
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }
}
