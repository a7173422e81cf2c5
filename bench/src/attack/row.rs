//! What an attack did to a proxy, in one round and over all of them, and how that is told.

use std::fmt::Write as _;

use super::bystander::Both;
use super::client::Done;
use super::kinds::Attack;
use crate::stats::spread;

/// One round.
pub(super) struct Row {
    pub(super) quiet: Both,
    pub(super) under: Both,
    /// What the proxy's memory grew by at most under the attack, in bytes.
    pub(super) grown: u64,
    /// Of a CPU, under the attack.
    pub(super) busy: f64,
    pub(super) done: Done,
    /// Requests that reached the attack's origin.
    pub(super) asked: u64,
    /// Which part of the CPUs' time other machines of the same host had.
    pub(super) stolen: f64,
}

/// A round in which they had more than this is made again.
pub(super) const DISTURBED: f64 = 0.03;

pub(super) const HEAD: &str = "| attack | proxy | p50 quiet, attacked (us) | p99 quiet, attacked (us) | ratio of p99 (least to most) | p99 without a proxy (us) | slowest | lost | memory grown by (MB) | proxy's CPU | frames until cut off (most), GOAWAY | connections | requests at the origin | stolen (most) |\n\
    |---|---|---|---|---|---|---|---|---|---|---|---|---|---|\n";

/// All rounds of one attack on one proxy: medians; of what is slowest and of memory the most, of what is lost all.
pub(super) fn line(attack: &Attack, proxy: &str, rounds: &[Row]) -> String {
    let over = |of: &dyn Fn(&Row) -> f64| spread(rounds.iter().map(of)).unwrap_or_default();
    let medians = |of: &dyn Fn(Both) -> u64| {
        let quiet = over(&|row| of(row.quiet) as f64).median;
        let under = over(&|row| of(row.under) as f64).median;
        format!("{quiet:.0}, {under:.0}")
    };
    let ratio = over(&|row| row.under.proxied.p99 as f64 / row.quiet.proxied.p99.max(1) as f64);
    let mut text = format!(
        "| {} | {proxy} | {} | {} |",
        attack.name,
        medians(&|seen| seen.proxied.p50),
        medians(&|seen| seen.proxied.p99),
    );
    let _ = writeln!(
        text,
        " {:.1} ({:.1} to {:.1}) | {} | {:.0} | {} | {:.1} | {:.0} % | {} | {:.0} | {:.0} | {:.0} % |",
        ratio.median,
        ratio.min,
        ratio.max,
        medians(&|seen| seen.straight.p99),
        over(&|row| row.under.proxied.most as f64).max,
        rounds.iter().map(|row| row.under.proxied.lost).sum::<u64>(),
        over(&|row| row.grown as f64).max / 1e6,
        over(&|row| row.busy).median * 100.0,
        cut_off(rounds),
        over(&|row| row.done.connections as f64).median,
        over(&|row| row.asked as f64).median,
        over(&|row| row.stolen).max * 100.0,
    );
    text
}

fn cut_off(rounds: &[Row]) -> String {
    let ends = rounds.iter().flat_map(|row| &row.done.until_end);
    let mut text = match spread(ends.map(|frames| *frames as f64)) {
        Some(ends) => format!("{:.0} ({:.0})", ends.median, ends.max),
        None => "not".to_owned(),
    };
    if let Some(code) = rounds.iter().rev().find_map(|row| row.done.said) {
        let _ = write!(text, ", {code}");
    }
    text
}
