//! The page of results: one self-contained file that a person looks at, plots first, figures below them.
//!
//! No script and nothing from elsewhere. What is drawn is in `plot`.

use std::fmt::Write as _;

use super::plot::{self, Bar, Curve, Ratio, escape};
use super::{short, table};
use crate::results::{Compared, Results, Run};
use crate::scenario::{Cost, Figure, Kind};
use crate::stats::spread;

/// Its looks; two sets of colours, chosen by the reader's system.
const STYLE: &str = include_str!("page.css");

/// One self-contained page.
pub(crate) fn html(results: &Results) -> String {
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <title>Ringway beside its peers</title><style>\n{STYLE}</style></head><body><main>\n<h1>Ringway beside its peers</h1>\n"
    );
    page.push_str(&introduction(results));
    if results.scenarios.len() > 1 {
        page.push_str(&overview(results));
    }
    for compared in &results.scenarios {
        page.push_str(&section(compared));
    }
    page.push_str(&machine(results));
    page.push_str("</main></body></html>\n");
    page
}

fn introduction(results: &Results) -> String {
    let subjects = results.scenarios.first().map_or(0, |c| c.subjects.len());
    format!(
        "<p>{subjects} proxies, the same work, in turns, {} rounds, {} core{} each. {}. Measured {}.</p>\n\
         <p class=\"quiet\">The figure to compare is CPU time per request: it holds on a noisy machine, where requests per second \
         do not. Ratios are taken within each round; the dot is their median, the line goes from the least to the most.</p>\n",
        results.rounds,
        results.cores,
        if results.cores == 1 { "" } else { "s" },
        capital(&results.pinned.describe()),
        escape(&results.when.replace('T', " ").replace('Z', " UTC")),
    )
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or(String::new(), |first| {
        first.to_uppercase().to_string() + letters.as_str()
    })
}

/// Scenarios by peers, one ratio each.
fn overview(results: &Results) -> String {
    let mut peers: Vec<&str> = Vec::new();
    for subject in results
        .scenarios
        .iter()
        .flat_map(|c| c.subjects.iter().skip(1))
    {
        if !peers.contains(&subject.name.as_str()) {
            peers.push(&subject.name);
        }
    }
    let mut text = String::from(
        "<h2>All at a glance</h2><p class=\"quiet\">How many times Ringway's cost each peer has. Above 1, Ringway is better. A star: below what is wanted.</p>\
         <div class=\"wide\"><table><thead><tr><th></th><th></th>",
    );
    for peer in &peers {
        let _ = write!(text, "<th>{}</th>", escape(peer));
    }
    text.push_str("</tr></thead><tbody>");
    for compared in &results.scenarios {
        let name = escape(&compared.scenario.name);
        for figure in &compared.scenario.figures {
            let _ = write!(
                text,
                "<tr><td><a href=\"#{name}\">{name}</a></td><td class=\"words\">{}</td>",
                figure.of.title()
            );
            for peer in &peers {
                let ratio = compared.ratio(peer, figure.of);
                let missed = ratio
                    .zip(figure.bars.get(*peer))
                    .is_some_and(|(ratio, bar)| ratio.median < *bar);
                let ratio = ratio.map_or("-".to_owned(), |r| format!("{} x", short(r.median)));
                let _ = match missed {
                    true => write!(text, "<td class=\"missed\">{ratio} *</td>"),
                    false => write!(text, "<td>{ratio}</td>"),
                };
            }
            text.push_str("</tr>");
        }
    }
    text.push_str("</tbody></table></div>\n");
    text
}

fn section(compared: &Compared) -> String {
    let scenario = &compared.scenario;
    let name = escape(&scenario.name);
    let mut text = format!(
        "<section id=\"{name}\"><h2>{name}</h2><p>{}.</p>\n",
        escape(&capital(&scenario.about))
    );
    for figure in &scenario.figures {
        text.push_str(&ratios(compared, figure));
    }
    match scenario.load.kind {
        Kind::Idle => text.push_str(&figure_of(
            "Resident memory per idle connection, bytes",
            "",
            &bars(compared, "bytes", |r| {
                r.bytes_per_connection.map(|b| (b, 0.0))
            }),
        )),
        Kind::Pour => text.push_str(&poured(compared)),
        Kind::Closed | Kind::Open => text.push_str(&timed(compared)),
    }
    let remarks = compared.remarks();
    if !remarks.is_empty() {
        let items = remarks.iter().map(|r| format!("<li>{}</li>", escape(r)));
        let _ = writeln!(
            text,
            "<ul class=\"remarks\">{}</ul>",
            items.collect::<String>()
        );
    }
    text.push_str(&figures(compared));
    text.push_str("</section>\n");
    text
}

fn poured(compared: &Compared) -> String {
    let of_cpu = |r: &Run| Some((r.gigabytes_per_cpu_second()?, 0.0));
    let of_time = |r: &Run| Some((r.gigabytes() / r.load.seconds, 0.0));
    let mut text = figure_of(
        "Gigabytes per second of the proxy's CPU time",
        "",
        &bars(compared, "GB", of_cpu),
    );
    text.push_str(&figure_of(
        "Gigabytes per second",
        "<span class=\"key\">where the load's CPU is full, this is what the load can do</span>",
        &bars(compared, "GB/s", of_time),
    ));
    text
}

fn timed(compared: &Compared) -> String {
    let per_request = |r: &Run| {
        let requests = r.load.requests as f64;
        Some((r.used.system_us / requests, r.used.user_us / requests))
    };
    let mut text = figure_of(
        "CPU time of the proxy per request, us",
        "<span class=\"key\"><i class=\"box full\"></i>in the kernel</span>\
         <span class=\"key\"><i class=\"box light\"></i>in its own code</span>",
        &bars(compared, "us", per_request),
    );
    if compared.scenario.load.kind == Kind::Closed {
        text.push_str(&figure_of(
            "Requests per second",
            "",
            &bars(compared, "requests/s", |r| Some((r.per_second(), 0.0))),
        ));
    }
    let note = if compared.scenario.load.kind == Kind::Closed {
        "<span class=\"key\">at full load: waiting in a queue of all connections, hence the other side of throughput</span>"
    } else {
        "<span class=\"key\">from the intended start of each request</span>"
    };
    text.push_str(&figure_of("Latency", note, &latency(compared)));
    text
}

fn figure_of(title: &str, keys: &str, svg: &str) -> String {
    format!("<figure><figcaption>{title}{keys}</figcaption>{svg}</figure>\n")
}

/// The same colour for the same proxy on every page.
fn class_of(name: &str) -> String {
    const KNOWN: [&str; 6] = ["ringway", "nginx", "haproxy", "envoy", "traefik", "caddy"];
    let place = KNOWN.iter().position(|known| *known == name);
    format!("s{}", place.unwrap_or(KNOWN.len()))
}

fn ratios(compared: &Compared, figure: &Figure) -> String {
    let of = figure.of;
    let base = &compared.subjects[0].name;
    let rows: Vec<Ratio<'_>> = compared
        .subjects
        .iter()
        .skip(1)
        .filter_map(|subject| {
            Some(Ratio {
                name: &subject.name,
                class: class_of(&subject.name),
                spread: compared.ratio(&subject.name, of)?,
                bar: figure.bars.get(&subject.name).copied(),
            })
        })
        .collect();
    if rows.is_empty() {
        return String::new();
    }
    let what = match of {
        Cost::CpuPerRequest => "CPU time per request",
        Cost::CpuPerByte => "CPU time per byte",
        Cost::P50 => "Median latency",
        Cost::P99 => "99th percentile of latency",
        Cost::P999 => "99.9th percentile of latency",
        Cost::BytesPerConnection => "Memory per idle connection",
    };
    let title = format!("{what}, as a multiple of {}'s", capital(base));
    let keys = if figure.bars.is_empty() {
        ""
    } else {
        "<span class=\"key\"><i class=\"tickmark\"></i>what is wanted at least</span>"
    };
    figure_of(&title, keys, &plot::ratios(&title, &rows))
}

/// A bar for each subject: medians of its parts (a full one, a light one), and the spread of their sum.
fn bars(compared: &Compared, title: &str, parts: impl Fn(&Run) -> Option<(f64, f64)>) -> String {
    let rows: Vec<Bar<'_>> = compared
        .subjects
        .iter()
        .filter_map(|subject| {
            let of = |pick: fn((f64, f64)) -> f64| {
                spread(
                    compared
                        .runs_of(&subject.name)
                        .filter_map(|r| parts(r).map(pick)),
                )
            };
            let (sum, full) = (of(|(a, b)| a + b)?, of(|(a, _)| a)?.median);
            Some(Bar {
                name: &subject.name,
                class: class_of(&subject.name),
                // The parts' medians need not add up to the sum's; the sum is what is read, so the light part fills up.
                parts: (full, (sum.median - full).max(0.0)),
                spread: sum,
                note: title.to_owned(),
            })
        })
        .collect();
    plot::bars(title, &rows)
}

/// Requests beyond a quantile that make it worth drawing.
const BEYOND: f64 = 10.0;

fn latency(compared: &Compared) -> String {
    let curves: Vec<Curve<'_>> = compared
        .subjects
        .iter()
        .map(|subject| {
            let runs = || compared.runs_of(&subject.name);
            let least = runs().map(|r| r.load.requests).min().unwrap_or(0) as f64;
            let quantiles = runs().next().map_or(&[][..], |r| &r.load.latency);
            let points = quantiles
                .iter()
                .filter(|(q, _)| (1.0 - q) * least >= BEYOND)
                .filter_map(|(q, _)| {
                    Some((*q, spread(runs().filter_map(|r| r.latency(*q)))?.median))
                })
                .collect();
            Curve {
                name: &subject.name,
                class: class_of(&subject.name),
                points,
            }
        })
        .collect();
    plot::curves("Latency by percentile", &curves)
}

fn figures(compared: &Compared) -> String {
    let cells = table::cells(compared);
    let mut text =
        String::from("<details><summary>Figures (medians)</summary><div class=\"wide\"><table>");
    for (i, row) in cells.iter().enumerate() {
        let tag = if i == 0 { "th" } else { "td" };
        text.push_str("<tr>");
        for cell in row {
            let _ = write!(text, "<{tag}>{}</{tag}>", escape(cell));
        }
        text.push_str("</tr>");
    }
    text.push_str("</table></div><ul>");
    for subject in &compared.subjects {
        let _ = write!(
            text,
            "<li>{}: {}; configuration {}</li>",
            escape(&subject.name),
            escape(&subject.version),
            escape(subject.config_sha256.get(..12).unwrap_or_default())
        );
    }
    text.push_str("</ul></details>\n");
    text
}

fn machine(results: &Results) -> String {
    let machine = &results.machine;
    let load = |l: [f64; 3]| l.map(|v| format!("{v:.2}")).join(", ");
    let facts = [
        (
            "CPU",
            format!(
                "{} ({} CPUs{})",
                machine.cpu,
                machine.cpus,
                if machine.virtual_machine {
                    ", virtual machine"
                } else {
                    ""
                }
            ),
        ),
        ("Memory", format!("{} MiB", machine.memory_mib)),
        ("Kernel", machine.kernel.clone()),
        (
            "Loopback",
            format!(
                "MTU {}, {}",
                machine.loopback_mtu, machine.congestion_control
            ),
        ),
        ("Load before (1, 5, 15 minutes)", load(results.load_before)),
        ("Load after", load(results.load_after)),
    ];
    let mut text = String::from("<h2>The machine</h2><table class=\"facts\">");
    for (name, value) in facts {
        let _ = write!(
            text,
            "<tr><td>{name}</td><td class=\"words\">{}</td></tr>",
            escape(&value)
        );
    }
    text.push_str("</table>\n");
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::tests::compared;

    fn results() -> Results {
        Results {
            format: 1,
            when: "2026-01-31T12:00:00Z".to_owned(),
            machine: crate::machine::Machine::default(),
            load_before: [0.0; 3],
            load_after: [0.0; 3],
            cores: 1,
            pinned: crate::pin::Plan::default(),
            rounds: 3,
            scenarios: vec![compared(), compared()],
        }
    }

    #[test]
    fn a_page_stands_alone_and_has_its_plots() {
        let page = html(&results());
        for part in [
            "<svg",
            "1.50 x",
            "wanted 1.3",
            "nginx",
            "prefers-color-scheme",
            "All at a glance",
        ] {
            assert!(page.contains(part), "{part}");
        }
        for foreign in ["http://", "https://", "<script", "NaN", "inf\""] {
            assert!(!page.contains(foreign), "{foreign}");
        }
        assert_eq!(page.matches("<svg").count(), page.matches("</svg>").count());
    }

    #[test]
    fn recorded_results_can_be_read_again() {
        let text = serde_json::to_string(&results()).unwrap();
        let again: Results = serde_json::from_str(&text).unwrap();
        assert_eq!(html(&again), html(&results()));
    }
}
