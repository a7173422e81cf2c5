//! Diagnostics as the caller gets them, and how they are shown to people.
//! Not how they are collected (`findings`).

use std::fmt::Write;

/// Whether a configuration can be used all the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// It can, but it hardly means what was meant.
    Warning,
    /// It cannot.
    Error,
}

/// One finding with its place; line and column start at 1 (column in characters).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// Whether the configuration can be used all the same.
    pub severity: Severity,
    /// The source's path, as the caller named it.
    pub path: String,
    /// From 1.
    pub line: u32,
    /// In characters, from 1.
    pub column: u32,
    /// What is wrong, without a full stop.
    pub message: String,
    /// The whole line's text (its first 4096 bytes if it is longer), secrets as `*`.
    pub line_text: String,
    /// Length of the marked part, in characters.
    pub span: u32,
    /// What to do about it.
    pub help: Option<String>,
}

/// More than this is not shown: nobody reads on, and the first ones are the cause.
pub(crate) const SHOWN: usize = 100;

/// A line of the file longer than this is cut around the mark, in characters.
const WIDTH: usize = 160;

/// Diagnostics for people: `path:line:col: message`, the line, a marker, help; ends with a count line ("2 errors, 1 warning").
///
/// Every line ends with a line feed; nothing at all is shown for no diagnostics. At most 100 are shown, then how many more there are.
pub fn render(diagnostics: &[Diagnostic]) -> String {
    let mut out = String::new();
    let mut line_before: Option<(&str, u32)> = None;
    for diagnostic in diagnostics.iter().take(SHOWN) {
        let line = (diagnostic.path.as_str(), diagnostic.line);
        one(&mut out, diagnostic, line_before == Some(line));
        line_before = Some(line);
    }
    if diagnostics.len() > SHOWN {
        let _ = writeln!(out, "and {} more", diagnostics.len() - SHOWN);
    }
    if !diagnostics.is_empty() {
        out.push_str(&count_line(diagnostics));
        out.push('\n');
    }
    out
}

fn one(out: &mut String, diagnostic: &Diagnostic, line_is_shown: bool) {
    let severity = match diagnostic.severity {
        Severity::Error => "",
        Severity::Warning => "warning: ",
    };
    let message: String = diagnostic.message.chars().map(harmless).collect();
    let _ = write!(
        out,
        "{}:{}:{}: {severity}{message}",
        diagnostic.path, diagnostic.line, diagnostic.column
    );
    let help: Option<String> = diagnostic
        .help
        .as_ref()
        .map(|help| help.chars().map(harmless).collect());
    // A line is shown once; what else is wrong with it follows in words.
    if line_is_shown || diagnostic.line_text.trim().is_empty() {
        if let Some(help) = help {
            let _ = write!(out, "; {help}");
        }
        out.push('\n');
        return;
    }
    out.push('\n');
    let excerpt = Excerpt::of(diagnostic);
    let _ = writeln!(out, "{:>5} | {}", diagnostic.line, excerpt.text);
    if let Some(mark) = excerpt.mark {
        let help = help.map(|help| format!(" {help}")).unwrap_or_default();
        let _ = writeln!(out, "      | {mark}{help}");
    } else if let Some(help) = help {
        let _ = writeln!(out, "      | {help}");
    }
}

/// What is shown of a line.
struct Excerpt {
    text: String,
    /// None if the mark would be beyond the text that is kept.
    mark: Option<String>,
}

impl Excerpt {
    fn of(diagnostic: &Diagnostic) -> Excerpt {
        let all: Vec<char> = diagnostic.line_text.chars().map(harmless).collect();
        let column = diagnostic.column.saturating_sub(1) as usize;
        let from = if all.len() <= WIDTH {
            0
        } else {
            column.saturating_sub(WIDTH / 2).min(all.len() - WIDTH)
        };
        let to = all.len().min(from + WIDTH);
        let text: String = all[from..to].iter().collect();
        let before = if from > 0 { "…" } else { "" };
        let after = if to < all.len() { "…" } else { "" };
        // At the line's end is just behind its last character.
        let mark = (column <= all.len()).then(|| {
            let indent = all[from..column.min(to)]
                .iter()
                .map(|c| if *c == '\t' { '\t' } else { ' ' });
            let length = (diagnostic.span as usize).clamp(1, to.saturating_sub(column).max(1));
            before
                .chars()
                .map(|_| ' ')
                .chain(indent)
                .chain(std::iter::repeat_n('^', length))
                .collect()
        });
        Excerpt {
            text: format!("{before}{text}{after}"),
            mark,
        }
    }
}

/// A file must not drive the terminal that its errors are read on.
fn harmless(c: char) -> char {
    let turns_text = matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    if (c.is_control() && c != '\t') || turns_text {
        '\u{fffd}'
    } else {
        c
    }
}

fn count_line(diagnostics: &[Diagnostic]) -> String {
    let errors = count(diagnostics, Severity::Error);
    let warnings = count(diagnostics, Severity::Warning);
    match (errors, warnings) {
        (0, warnings) => plural(warnings, "warning"),
        (errors, 0) => plural(errors, "error"),
        (errors, warnings) => format!(
            "{}, {}",
            plural(errors, "error"),
            plural(warnings, "warning")
        ),
    }
}

pub(crate) fn count(diagnostics: &[Diagnostic], severity: Severity) -> usize {
    diagnostics
        .iter()
        .filter(|diagnostic| diagnostic.severity == severity)
        .count()
}

fn plural(number: usize, noun: &str) -> String {
    let s = if number == 1 { "" } else { "s" };
    format!("{number} {noun}{s}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(line_text: &str, column: u32, span: u32) -> Diagnostic {
        Diagnostic {
            severity: Severity::Error,
            path: "a.toml".into(),
            line: 7,
            column,
            message: "wrong".into(),
            line_text: line_text.into(),
            span,
            help: Some("right".into()),
        }
    }

    #[test]
    fn the_second_finding_of_a_line_is_words_only() {
        let both = [sample("key = 1", 1, 3), sample("key = 1", 7, 1)];
        assert_eq!(
            render(&both),
            "a.toml:7:1: wrong\n    7 | key = 1\n      | ^^^ right\na.toml:7:7: wrong; right\n2 errors\n"
        );
    }

    #[test]
    fn tabs_stay_under_tabs_and_controls_are_harmless() {
        let shown = render(&[sample("\tk\u{1b}[2J = 1", 2, 1)]);
        assert_eq!(
            shown,
            "a.toml:7:2: wrong\n    7 | \tk\u{fffd}[2J = 1\n      | \t^ right\n1 error\n"
        );
    }

    #[test]
    fn long_lines_are_cut_around_the_mark() {
        let line = "x".repeat(5000);
        for column in [1, 80, 2500, 5000, 5001, 9000] {
            let shown = render(&[sample(&line, column, 30)]);
            assert!(shown.lines().all(|l| l.chars().count() < 200), "{column}");
            assert_eq!(shown.contains('^'), column <= 5001, "{column}");
        }
    }

    #[test]
    fn many_are_counted_not_shown() {
        let many: Vec<_> = (0..150)
            .map(|line| Diagnostic {
                line,
                ..sample("k", 1, 1)
            })
            .collect();
        assert!(render(&many).ends_with("\nand 50 more\n150 errors\n"));
        assert_eq!(render(&[]), "");
    }
}
