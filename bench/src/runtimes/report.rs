//! The comparison as a table, with the machine's facts. No path of the machine goes in.

use std::fmt::Write;

use super::load::{self, Window};
use super::{Kind, Row, RuntimesArgs, name};
use crate::machine;

/// Markdown. Ratios are to the first subject (ringway-io on io_uring unless others were asked for), round by round.
pub(super) fn text(rows: &[Row], args: &RuntimesArgs) -> String {
    let mut out = String::new();
    let _ = write!(
        out,
        "# Runtimes compared\n\n\
         The same small program on each runtime; CPU time of the subject's process by /proc, divided by the requests that it\n\
         served. `relay` passes bytes between a client's connection and an upstream connection of its own; `http` reads heads\n\
         to their end and forwards on pooled connections. {} connections in a closed loop, {} bytes of request, {} of answer;\n\
         {} rounds of {} s in turns; subject on core {}, load and origin together on core {}. Numbers are medians; a ratio is\n\
         the median (lowest to highest) of its rounds' ratios, and above 1 means more CPU time than the first subject.\n\n",
        args.connections,
        load::REQUEST.len(),
        load::ANSWER.len(),
        args.rounds,
        f64::from(args.turn_ms) / 1000.0,
        args.core,
        args.load_core
    );
    out.push_str(&machine::facts().line());
    let mut rest = rows;
    while let Some(first) = rest.first() {
        let end = rest.iter().take_while(|r| r.kind == first.kind).count();
        let (group, behind) = rest.split_at(end);
        table(&mut out, first.kind, group);
        rest = behind;
    }
    let busiest = rows
        .iter()
        .flat_map(|row| &row.windows)
        .map(|w| w.load_cpu.total_us() as f64 / w.seconds / 1e4)
        .fold(0.0, f64::max);
    let _ = writeln!(
        out,
        "\nThe core of the load was busy for at most {busiest:.0} % of a round. Where it was the bottleneck, requests per second say\n\
         nothing about the subject; CPU time per request still does."
    );
    out
}

fn table(out: &mut String, kind: Kind, rows: &[Row]) {
    let _ = write!(
        out,
        "\n## {}\n\n| subject | us per request | user | system | ratio | requests/s | subject's core busy |\n|---|---|---|---|---|---|---|\n",
        name(kind)
    );
    let Some(first) = rows.first() else { return };
    for row in rows {
        let of = |f: fn(&Window) -> f64| median(row.windows.iter().map(f).collect());
        let pairs = row.windows.iter().zip(&first.windows);
        let mut ratios: Vec<f64> = pairs.map(|(a, b)| total(a) / total(b)).collect();
        ratios.sort_by(f64::total_cmp);
        let (low, high) = (ratios.first(), ratios.last());
        let (low, high) = (low.copied().unwrap_or(0.0), high.copied().unwrap_or(0.0));
        let _ = writeln!(
            out,
            "| {} | {:.2} | {:.2} | {:.2} | {:.2} ({low:.2} to {high:.2}) | {:.0} | {:.0} % |",
            name(row.subject),
            of(total),
            of(|w| per_request(w, w.cpu.user_us)),
            of(|w| per_request(w, w.cpu.system_us)),
            median(ratios),
            of(|w| w.requests as f64 / w.seconds),
            of(|w| w.cpu.total_us() as f64 / w.seconds / 1e4),
        );
    }
}

fn total(window: &Window) -> f64 {
    per_request(window, window.cpu.total_us())
}

fn per_request(window: &Window, us: u64) -> f64 {
    us as f64 / window.requests.max(1) as f64
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => 0.0,
        n if n % 2 == 1 => values[middle],
        _ => (values[middle - 1] + values[middle]) / 2.0,
    }
}

#[cfg(test)]
mod tests {
    use super::median;

    #[test]
    fn the_middle_is_found_in_any_order() {
        assert_eq!(median(vec![3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(vec![4.0, 1.0, 3.0, 2.0]), 2.5);
        assert_eq!(median(Vec::new()), 0.0);
    }
}
