//! How results are shown: a table in the terminal, and a page.
//!
//! Both are made from `Results` alone.

mod html;
mod plot;
mod table;

use std::io::{self, Write};
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

pub(crate) use html::html;
pub(crate) use table::table;

use crate::results::Results;

/// What `show` is given.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// A results.json
    file: PathBuf,
}

/// Read a file of results, print its tables and write its page beside it.
pub(crate) fn show(options: &Options) -> io::Result<()> {
    let text = std::fs::read_to_string(&options.file)?;
    let results: Results = serde_json::from_str(&text)?;
    let page = options.file.with_extension("html");
    std::fs::write(&page, html(&results))?;
    let mut out = io::stdout().lock();
    for compared in &results.scenarios {
        out.write_all(table(compared).as_bytes())?;
    }
    writeln!(out, "\n{}", page.display())
}

/// As it is written: one line for each run, so that a file can be read and compared.
pub(crate) fn json(results: &Results) -> io::Result<String> {
    // A quote inside a text would be escaped, so that this stands at the beginning of a run and nowhere else.
    let text = serde_json::to_string(results)?;
    Ok(text.replace("{\"subject\":", "\n{\"subject\":") + "\n")
}

/// UTC, as in `2026-01-31T12:00:00Z`.
pub(crate) fn now() -> String {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    utc(since.map_or(0, |since| since.as_secs()))
}

/// Days to a date as in Howard Hinnant's `civil_from_days`.
fn utc(seconds: u64) -> String {
    let (days, second) = (seconds / 86_400 + 719_468, seconds % 86_400);
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let of_year = day - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let date = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = year + era * 400 + u64::from(month <= 2);
    let (hour, minute) = (second / 3600, second / 60 % 60);
    format!(
        "{year:04}-{month:02}-{date:02}T{hour:02}:{minute:02}:{:02}Z",
        second % 60
    )
}

/// A number with as many digits as are worth reading, thousands apart.
pub(crate) fn short(value: f64) -> String {
    match value.abs() {
        v if v >= 100.0 => thousands(value.round()),
        v if v >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

fn thousands(value: f64) -> String {
    let digits = format!("{:.0}", value.abs());
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    if value < 0.0 {
        format!("-{text}")
    } else {
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_and_numbers() {
        for (seconds, date) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_798_761_599, "2026-12-31T23:59:59Z"),
        ] {
            assert_eq!(utc(seconds), date);
        }
        for (value, text) in [
            (1_234_567.4, "1,234,567"),
            (100.0, "100"),
            (12.34, "12.3"),
            (1.234, "1.23"),
            (-1000.0, "-1,000"),
        ] {
            assert_eq!(short(value), text);
        }
    }
}
