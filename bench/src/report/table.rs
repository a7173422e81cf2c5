//! The table in the terminal: one line for each subject, medians over the rounds, ratios with their spread.

use super::short;
use crate::results::{Compared, Run};
use crate::scenario::Kind;
use crate::stats::Spread;

/// A column: its title, and what stands in it.
type Column = (&'static str, fn(&Run) -> Option<f64>);

const TIMED: &[Column] = &[
    ("req/s", |r| Some(r.per_second())),
    ("CPU us/req", |r| {
        Some(r.used.cpu_us() / r.load.requests as f64)
    }),
    ("user", |r| Some(r.used.user_us / r.load.requests as f64)),
    ("sys", |r| Some(r.used.system_us / r.load.requests as f64)),
    ("switches/req", |r| {
        Some((r.used.switches + r.used.forced_switches) as f64 / r.load.requests as f64)
    }),
    ("p50 us", |r| r.latency(0.5)),
    ("p99 us", |r| r.latency(0.99)),
    ("p99.9 us", |r| r.latency(0.999)),
    ("p99.99 us", |r| r.latency(0.9999)),
    ("RSS MiB", |r| Some(r.resident as f64 / 1_048_576.0)),
    ("upstreams", |r| Some(r.upstream_connections as f64)),
    ("proxy %", |r| Some(r.proxy_busy * 100.0)),
    ("load %", |r| Some(r.load_busy * 100.0)),
    ("others %", |r| r.others.map(|o| o * 100.0)),
];

const POURED: &[Column] = &[
    ("GB/s", |r| Some(r.gigabytes() / r.load.seconds)),
    ("GB/CPU-s", Run::gigabytes_per_cpu_second),
    ("CPU us/MiB", |r| {
        Some(r.used.cpu_us() / r.load.requests as f64)
    }),
    ("user", |r| Some(r.used.user_us / r.load.requests as f64)),
    ("sys", |r| Some(r.used.system_us / r.load.requests as f64)),
    ("switches/MiB", |r| {
        Some((r.used.switches + r.used.forced_switches) as f64 / r.load.requests as f64)
    }),
    ("RSS MiB", |r| Some(r.resident as f64 / 1_048_576.0)),
    ("proxy %", |r| Some(r.proxy_busy * 100.0)),
    ("load %", |r| Some(r.load_busy * 100.0)),
    ("others %", |r| r.others.map(|o| o * 100.0)),
];

const IDLE: &[Column] = &[
    ("bytes/connection", |r| r.bytes_per_connection),
    ("RSS MiB", |r| Some(r.resident as f64 / 1_048_576.0)),
    ("upstreams", |r| Some(r.upstream_connections as f64)),
];

/// The figures of a scenario: titles first, then a row for each subject, medians over the rounds.
pub(super) fn cells(compared: &Compared) -> Vec<Vec<String>> {
    let columns = match compared.scenario.load.kind {
        Kind::Idle => IDLE,
        Kind::Pour => POURED,
        Kind::Closed | Kind::Open => TIMED,
    };
    let mut rows = vec![
        std::iter::once(String::new())
            .chain(columns.iter().map(|(title, _)| (*title).to_owned()))
            .collect::<Vec<_>>(),
    ];
    for subject in &compared.subjects {
        let mut row = vec![subject.name.clone()];
        for (_, value) in columns {
            let value = compared.over_rounds(&subject.name, value);
            row.push(value.map_or("-".to_owned(), |v| short(v.median)));
        }
        rows.push(row);
    }
    rows
}

/// For the terminal.
pub(crate) fn table(compared: &Compared) -> String {
    let scenario = &compared.scenario;
    let rows = cells(compared);
    let mut text = format!(
        "\n{}: {}\n\n{}",
        scenario.name,
        scenario.about,
        aligned(&rows)
    );
    for figure in &scenario.figures {
        text.push_str(&format!(
            "\n{}, compared with {} = 1 (more is better for {}): median, least and most of the rounds' ratios\n",
            figure.of.title(),
            compared.subjects[0].name,
            compared.subjects[0].name
        ));
        for subject in compared.subjects.iter().skip(1) {
            let Some(ratio) = compared.ratio(&subject.name, figure.of) else {
                continue;
            };
            let bar = figure.bars.get(&subject.name).copied();
            text.push_str(&format!("  {:<15} {}\n", subject.name, judged(ratio, bar)));
        }
    }
    for remark in compared.remarks() {
        text.push_str(&format!("  {remark}\n"));
    }
    text
}

/// A ratio, and whether it is what is wanted.
pub(super) fn judged(ratio: Spread, bar: Option<f64>) -> String {
    let told = format!(
        "{} x  ({} to {})",
        short(ratio.median),
        short(ratio.min),
        short(ratio.max)
    );
    match bar {
        Some(bar) if ratio.median >= bar => format!("{told}  bar {bar} x: met"),
        Some(bar) => format!("{told}  bar {bar} x: MISSED"),
        None => told,
    }
}

fn aligned(rows: &[Vec<String>]) -> String {
    let widths: Vec<usize> = (0..rows[0].len())
        .map(|i| rows.iter().map(|row| row[i].len()).max().unwrap_or(0))
        .collect();
    let mut text = String::new();
    for row in rows {
        let mut line = format!("{:<width$}", row[0], width = widths[0]);
        for (cell, width) in row.iter().zip(&widths).skip(1) {
            line.push_str(&format!("  {cell:>width$}"));
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::tests::compared;

    #[test]
    fn a_table_tells_figures_ratios_and_bars() {
        let text = table(&compared());
        for part in [
            "h1-small",
            "CPU us/req",
            "nginx",
            "1.50 x  (1.40 to 2.00)  bar 1.3 x: met",
        ] {
            assert!(text.contains(part), "{part} in {text}");
        }
        let missed = judged(
            Spread {
                median: 1.2,
                min: 1.0,
                max: 1.4,
            },
            Some(1.3),
        );
        assert!(missed.ends_with("MISSED"));
    }
}
