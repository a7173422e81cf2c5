//! Plots as SVG: bars with whiskers, ratios, and curves on logarithmic scales.
//!
//! Colours are CSS classes of the page, so that one plot serves light and dark. Numbers are pixels of a fixed width, which the page scales.

use std::fmt::Write as _;

use super::short;
use crate::stats::Spread;

const WIDTH: f64 = 720.0;
/// Left of the bars, for names.
const NAMES: f64 = 120.0;
/// Right of the bars, for values.
const VALUES: f64 = 150.0;
const ROW: f64 = 34.0;
const THICK: f64 = 18.0;

/// Text that came from outside.
pub(super) fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

/// One bar: parts laid end to end (a light one and a full one), and where the whole lay in the rounds.
pub(super) struct Bar<'a> {
    pub(super) name: &'a str,
    /// CSS class of its colour.
    pub(super) class: String,
    /// Lengths of the full and the light part.
    pub(super) parts: (f64, f64),
    pub(super) spread: Spread,
    /// Beside the value.
    pub(super) note: String,
}

/// Horizontal bars from zero.
pub(super) fn bars(title: &str, rows: &[Bar<'_>]) -> String {
    let most = rows.iter().map(|r| r.spread.max).fold(0.0, f64::max);
    let scale = (WIDTH - NAMES - VALUES) / most.max(f64::MIN_POSITIVE);
    let height = rows.len() as f64 * ROW + 8.0;
    let mut svg = open(title, height);
    for (i, row) in rows.iter().enumerate() {
        let middle = i as f64 * ROW + ROW / 2.0;
        let top = middle - THICK / 2.0;
        name(&mut svg, row.name, middle);
        let (full, light) = (row.parts.0 * scale, row.parts.1 * scale);
        let _ = write!(
            svg,
            r#"<g class="{}"><title>{}: {} ({} to {})</title><rect class="full" x="{NAMES}" y="{top:.1}" width="{full:.1}" height="{THICK}" rx="2"/>"#,
            row.class,
            escape(row.name),
            short(row.spread.median),
            short(row.spread.min),
            short(row.spread.max),
        );
        if light > 0.0 {
            let _ = write!(
                svg,
                r#"<rect class="light" x="{:.1}" y="{top:.1}" width="{light:.1}" height="{THICK}" rx="2"/>"#,
                NAMES + full + 1.0,
            );
        }
        svg.push_str("</g>");
        let (from, to) = (
            NAMES + row.spread.min * scale,
            NAMES + row.spread.max * scale,
        );
        whisker(&mut svg, from, to, middle);
        let end = to.max(NAMES + full + light) + 8.0;
        let _ = write!(
            svg,
            r#"<text class="value" x="{end:.1}" y="{:.1}">{}<tspan class="note" dx="6">{}</tspan></text>"#,
            middle + 4.0,
            short(row.spread.median),
            escape(&row.note),
        );
    }
    svg.push_str("</svg>");
    svg
}

/// Between two labels of an axis.
const TICK_ROOM: f64 = 30.0;

/// One ratio with its spread and what is wanted of it.
pub(super) struct Ratio<'a> {
    pub(super) name: &'a str,
    pub(super) class: String,
    pub(super) spread: Spread,
    pub(super) bar: Option<f64>,
}

/// Ratios on a logarithmic scale, around a line at 1.
pub(super) fn ratios(title: &str, rows: &[Ratio<'_>]) -> String {
    let ends = rows
        .iter()
        .flat_map(|r| [r.spread.min, r.spread.max, r.bar.unwrap_or(1.0)]);
    let (low, high) = ends.fold((0.9f64, 1.1f64), |(l, h), v| (l.min(v), h.max(v)));
    let (low, high) = ((low * 0.95).ln(), (high * 1.05).ln());
    let x = |v: f64| NAMES + (v.ln() - low) / (high - low) * (WIDTH - NAMES - VALUES);
    let height = rows.len() as f64 * ROW + 30.0;
    let bottom = height - 24.0;
    let mut svg = open(title, height);
    let ticks = [
        0.1, 0.2, 0.5, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0, 20.0, 50.0, 100.0,
    ];
    let mut free = f64::NEG_INFINITY;
    for tick in ticks {
        let at = x(tick);
        // 1 always has its label; others only where there is room beside the last one, and beside that of 1.
        let hidden = tick != 1.0 && (at < free || (at - x(1.0)).abs() < TICK_ROOM);
        if !(low..=high).contains(&tick.ln()) || hidden {
            continue;
        }
        free = at + TICK_ROOM;
        let class = if tick == 1.0 { "one" } else { "grid" };
        let _ = write!(
            svg,
            r#"<line class="{class}" x1="{at:.1}" x2="{at:.1}" y1="0" y2="{bottom:.1}"/><text class="tick" text-anchor="middle" x="{at:.1}" y="{:.1}">{tick}</text>"#,
            bottom + 16.0,
        );
    }
    for (i, row) in rows.iter().enumerate() {
        let middle = i as f64 * ROW + ROW / 2.0;
        name(&mut svg, row.name, middle);
        if let Some(bar) = row.bar {
            let _ = write!(
                svg,
                r#"<path class="goal" d="M{:.1} {:.1}v{THICK}"><title>wanted: {bar}</title></path>"#,
                x(bar),
                middle - THICK / 2.0,
            );
        }
        let (from, to) = (x(row.spread.min), x(row.spread.max));
        let _ = write!(
            svg,
            r#"<g class="{}"><line class="span" x1="{from:.1}" x2="{to:.1}" y1="{middle:.1}" y2="{middle:.1}"/><circle class="full ring" cx="{:.1}" cy="{middle:.1}" r="6"/></g>"#,
            row.class,
            x(row.spread.median),
        );
        let wanted = row.bar.map_or(String::new(), |bar| format!("wanted {bar}"));
        let _ = write!(
            svg,
            r#"<text class="value" x="{:.1}" y="{:.1}">{} x<tspan class="note" dx="6">{wanted}</tspan></text>"#,
            WIDTH - VALUES + 24.0,
            middle + 4.0,
            short(row.spread.median),
        );
    }
    svg.push_str("</svg>");
    svg
}

/// A latency curve: quantiles and microseconds, rising.
pub(super) struct Curve<'a> {
    pub(super) name: &'a str,
    pub(super) class: String,
    pub(super) points: Vec<(f64, f64)>,
}

/// Below the curves, for the axis.
const AXIS: f64 = 40.0;
const HEIGHT: f64 = 340.0;
const LEFT: f64 = 64.0;
const RIGHT: f64 = 110.0;
/// Labels at the ends of curves need so much height.
const LABEL: f64 = 15.0;

/// Curves over nines: each step to the right is a tenth of the requests.
pub(super) fn curves(title: &str, curves: &[Curve<'_>]) -> String {
    let all = || curves.iter().flat_map(|c| c.points.iter());
    let nines = |q: f64| -(1.0 - q).max(1e-9).log10();
    let last = all().map(|(q, _)| nines(*q)).fold(1.0, f64::max);
    let low = all()
        .map(|(_, us)| *us)
        .fold(f64::INFINITY, f64::min)
        .max(1.0);
    let high = all().map(|(_, us)| *us).fold(low * 2.0, f64::max);
    let (low, high) = ((low * 0.9).log10(), (high * 1.1).log10());
    let x = |q: f64| LEFT + nines(q) / last * (WIDTH - LEFT - RIGHT);
    let y = |us: f64| 8.0 + (high - us.max(1.0).log10()) / (high - low) * (HEIGHT - AXIS - 8.0);
    let mut svg = open(title, HEIGHT);
    axes(&mut svg, (low, high), last, &x, &y);
    for curve in curves {
        let path: Vec<String> = curve
            .points
            .iter()
            .map(|(q, us)| format!("{:.1},{:.1}", x(*q), y(*us)))
            .collect();
        let _ = write!(
            svg,
            r#"<g class="{}"><polyline class="curve" points="{}"/>"#,
            curve.class,
            path.join(" ")
        );
        for q in [0.5, 0.9, 0.99, 0.999, 0.9999] {
            if let Some((_, us)) = curve.points.iter().find(|(at, _)| (at - q).abs() < 1e-9) {
                let _ = write!(
                    svg,
                    r#"<circle class="full ring" cx="{:.1}" cy="{:.1}" r="4"><title>{} p{}: {}</title></circle>"#,
                    x(q),
                    y(*us),
                    escape(curve.name),
                    q * 100.0,
                    time(*us),
                );
            }
        }
        svg.push_str("</g>");
    }
    let ends = curves
        .iter()
        .filter_map(|c| c.points.last().map(|(q, us)| ((c, x(*q), y(*us)), y(*us))));
    let column = WIDTH - RIGHT + 14.0;
    for ((curve, x, y), at) in apart(ends.collect()) {
        let _ = write!(
            svg,
            r#"<g class="{}"><path class="leader" d="M{:.1} {y:.1}L{:.1} {at:.1}"/><text class="label" x="{column:.1}" y="{:.1}">{}</text></g>"#,
            curve.class,
            x + 4.0,
            column - 4.0,
            at + 4.0,
            escape(curve.name),
        );
    }
    svg.push_str("</svg>");
    svg
}

/// Move labels down until none lies on another. Beside each is its height.
fn apart<T>(mut ends: Vec<(T, f64)>) -> Vec<(T, f64)> {
    ends.sort_by(|a, b| a.1.total_cmp(&b.1));
    for i in 1..ends.len() {
        ends[i].1 = ends[i].1.max(ends[i - 1].1 + LABEL);
    }
    ends
}

fn axes(
    svg: &mut String,
    (low, high): (f64, f64),
    last: f64,
    x: &dyn Fn(f64) -> f64,
    y: &dyn Fn(f64) -> f64,
) {
    for decade in low.floor() as i32..=high.ceil() as i32 {
        for step in [1.0, 2.0, 5.0] {
            let us = step * 10f64.powi(decade);
            if us.log10() < low || us.log10() > high {
                continue;
            }
            let _ = write!(
                svg,
                r#"<line class="grid" x1="{LEFT}" x2="{0:.1}" y1="{2:.1}" y2="{2:.1}"/><text class="tick" text-anchor="end" x="{1:.1}" y="{3:.1}">{4}</text>"#,
                WIDTH - RIGHT,
                LEFT - 8.0,
                y(us),
                y(us) + 4.0,
                time(us),
            );
        }
    }
    let bottom = HEIGHT - AXIS;
    for (q, label) in [
        (0.0, "fastest"),
        (0.5, "p50"),
        (0.9, "p90"),
        (0.99, "p99"),
        (0.999, "p99.9"),
        (0.9999, "p99.99"),
    ] {
        if -(1.0f64 - q).log10() > last + 0.01 {
            continue;
        }
        let _ = write!(
            svg,
            r#"<line class="grid" x1="{0:.1}" x2="{0:.1}" y1="8" y2="{bottom:.1}"/><text class="tick" text-anchor="middle" x="{0:.1}" y="{1:.1}">{label}</text>"#,
            x(q),
            bottom + 18.0,
        );
    }
}

/// Microseconds for people.
fn time(us: f64) -> String {
    match us {
        us if us >= 1e6 => format!("{} s", trim(us / 1e6)),
        us if us >= 1e3 => format!("{} ms", trim(us / 1e3)),
        us => format!("{} us", trim(us)),
    }
}

fn trim(value: f64) -> String {
    let text = format!("{value:.1}");
    text.strip_suffix(".0").map_or(text.clone(), str::to_owned)
}

fn open(title: &str, height: f64) -> String {
    format!(
        r#"<svg viewBox="0 0 {WIDTH} {height:.0}" role="img" aria-label="{}">"#,
        escape(title)
    )
}

fn name(svg: &mut String, name: &str, middle: f64) {
    let _ = write!(
        svg,
        r#"<text class="name" text-anchor="end" x="{:.1}" y="{:.1}">{}</text>"#,
        NAMES - 12.0,
        middle + 4.0,
        escape(name)
    );
}

fn whisker(svg: &mut String, from: f64, to: f64, middle: f64) {
    let (up, down) = (middle - 4.0, middle + 4.0);
    let _ = write!(
        svg,
        r#"<path class="whisker" d="M{from:.1} {middle:.1}H{to:.1}M{from:.1} {up:.1}V{down:.1}M{to:.1} {up:.1}V{down:.1}"/>"#
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_do_not_lie_on_each_other() {
        let moved = apart(vec![("a", 20.0), ("b", 18.0), ("c", 90.0)]);
        let at: Vec<f64> = moved.iter().map(|(_, y)| *y).collect();
        assert_eq!(at, [18.0, 18.0 + LABEL, 90.0]);
    }

    #[test]
    fn times() {
        for (us, text) in [
            (50.0, "50 us"),
            (1000.0, "1 ms"),
            (2500.0, "2.5 ms"),
            (1e6, "1 s"),
        ] {
            assert_eq!(time(us), text);
        }
    }

    #[test]
    fn names_cannot_leave_their_place() {
        let spread = Spread {
            median: 1.0,
            min: 1.0,
            max: 1.0,
        };
        let svg = bars(
            "t",
            &[Bar {
                name: "<script>",
                class: "s0".to_owned(),
                parts: (1.0, 0.0),
                spread,
                note: "<b>".to_owned(),
            }],
        );
        assert!(!svg.contains("<script>") && !svg.contains("<b>"));
    }
}
