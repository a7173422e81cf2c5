//! `ringway demo --tour`: makes the demo's requests, edits its file, and says of each step whether it held.
//!
//! Not here: starting and ending what it asks. All requests to the proxy go over one kept connection: a reload that drops it, or
//! a single request, fails the tour.

use std::fs;
use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use super::client::{Answer, Client};
use super::origins::{FLAKY, SLOW};
use super::{in_words, settings};

/// How long an edit may take to be followed. It is 100 ms of quiet and the reload; the rest is for a busy machine.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);
/// Between two requests while waiting for an edit.
const LOOK: Duration = Duration::from_millis(20);
/// Requests of the split. With 80 to 20, all on one side happens once in 10^14 times.
const SPLIT: usize = 150;

/// Where things are.
pub(super) struct Way {
    pub(super) file: PathBuf,
    pub(super) proxy: SocketAddr,
    pub(super) admin: SocketAddr,
    /// For an edit to be followed.
    pub(super) patience: Duration,
}

struct Tour {
    way: Way,
    client: Client,
    /// Requests that the `products` route answered.
    products: u64,
}

/// A step tells what it saw, or what it missed.
type Told = Result<String, String>;
type Step = (&'static str, fn(&mut Tour) -> Told);

const STEPS: [Step; 9] = [
    ("plain route", Tour::plain),
    ("header regex", Tour::header),
    ("weighted split", Tour::split),
    ("slow origin", Tour::slow),
    ("flaky origin", Tour::flaky),
    ("live edit", Tour::live_edit),
    ("bad edit", Tour::bad_edit),
    ("edit repaired", Tour::repaired),
    ("metrics", Tour::metrics),
];

/// Walk through all steps; stops at the first that did not hold, with its name and why.
pub(super) fn run(way: Way, out: &mut dyn Write) -> Result<(), String> {
    let client = Client::connect(way.proxy).map_err(in_words("the proxy does not answer"))?;
    let shown = |e: std::io::Error| format!("standard output: {e}");
    writeln!(out, "Ringway tour, proxy on http://{}\n", way.proxy).map_err(shown)?;
    let mut tour = Tour {
        way,
        client,
        products: 0,
    };
    for (n, (name, step)) in STEPS.iter().enumerate() {
        let n = n + 1;
        match step(&mut tour) {
            Ok(saw) => writeln!(out, "{n}  {name:14}  {saw}").map_err(shown)?,
            Err(why) => return Err(format!("step {n} ({name}) did not hold: {why}")),
        }
    }
    Ok(())
}

impl Tour {
    fn get(&mut self, path: &str, fields: &[(&str, &str)]) -> Result<Answer, String> {
        self.client
            .get(path, fields)
            .map_err(in_words(format!("GET {path}")))
    }

    /// A request to the plain route, which must succeed whatever else is going on.
    fn product(&mut self) -> Result<String, String> {
        let answer = self.get("/products/7", &[])?;
        self.products += 1;
        expect(&answer, 200, "products ")?;
        Ok(answer.body.trim().to_owned())
    }

    fn plain(&mut self) -> Told {
        let body = self.product()?;
        if body != "products v1: GET /products/7" {
            return Err(format!("expected products v1, got {body:?}"));
        }
        Ok(format!("GET /products/7 -> {body}"))
    }

    fn header(&mut self) -> Told {
        let answer = self.get("/products/7", &[("user", "ann@mycorp.com")])?;
        expect(&answer, 200, "products v2: GET /products/7 for ann")?;
        // The expression must match the whole value.
        let other = self.get("/products/7", &[("user", "eve@mycorp.com.evil.org")])?;
        self.products += 1;
        expect(&other, 200, "products v1")?;
        Ok(format!("user: ann@mycorp.com -> {}", answer.body.trim()))
    }

    fn split(&mut self) -> Told {
        let mut v1 = 0;
        for n in 0..SPLIT {
            let answer = self.get(&format!("/split/{n}"), &[])?;
            expect(&answer, 200, "products ")?;
            v1 += usize::from(answer.body.starts_with("products v1"));
        }
        let v2 = SPLIT - v1;
        let saw = format!("{SPLIT} x GET /split/n -> v1 {v1}, v2 {v2} (weights 80, 20)");
        if v2 == 0 || v1 <= v2 {
            return Err(saw);
        }
        Ok(saw)
    }

    fn slow(&mut self) -> Told {
        let start = Instant::now();
        let answer = self.get("/slow/report", &[])?;
        expect(&answer, 200, "slow: ")?;
        let took = start.elapsed();
        if took < SLOW {
            return Err(format!("answered after {took:?}, before the origin can"));
        }
        Ok(format!(
            "GET /slow/report -> 200 after {} ms",
            took.as_millis()
        ))
    }

    fn flaky(&mut self) -> Told {
        let mut codes = Vec::new();
        for n in 0..FLAKY {
            codes.push(self.get(&format!("/flaky/{n}"), &[])?.status);
        }
        let saw = format!("{FLAKY} x GET /flaky/n -> {codes:?}, passed on as they came");
        let good = codes.iter().filter(|code| **code == 200).count() as u64;
        if good != FLAKY - 1 || !codes.contains(&503) {
            return Err(saw);
        }
        Ok(saw)
    }

    fn live_edit(&mut self) -> Told {
        let saved = self.edit(settings::follow_v2)?;
        let mut requests = 0;
        while !self.product()?.starts_with("products v2") {
            requests += 1;
            self.wait(saved, || {
                format!("{requests} requests later still products v1")
            })?;
        }
        Ok(format!(
            "saved to = \"products-v2\": followed after {} ms, connection kept",
            saved.elapsed().as_millis()
        ))
    }

    fn bad_edit(&mut self) -> Told {
        let saved = self.edit(settings::slip)?;
        let detail = loop {
            self.still_v2()?;
            let detail = self.admin("/readyz")?;
            if detail["config"] == "rejected" {
                break detail;
            }
            self.wait(saved, || format!("/readyz says {detail}"))?;
        };
        self.still_v2()?;
        let errors = detail["errors"].as_array();
        let first = errors.and_then(|errors| errors.iter().find_map(|line| line.as_str()));
        let first = first.ok_or_else(|| format!("no reason in /readyz: {detail}"))?;
        Ok(format!("refused, v2 goes on: {}", without_folder(first)))
    }

    fn repaired(&mut self) -> Told {
        let saved = self.edit(settings::unslip)?;
        loop {
            self.still_v2()?;
            let detail = self.admin("/readyz")?;
            if detail["config"] == "running" {
                return Ok("accepted again".to_owned());
            }
            self.wait(saved, || format!("/readyz says {detail}"))?;
        }
    }

    fn metrics(&mut self) -> Told {
        let counted = |tour: &Self| -> Result<(u64, u64, u64), String> {
            let text = tour.ask_admin("/metrics")?;
            Ok((
                sum(&text, "ringway_route_requests_total", "route=\"products\""),
                sum(&text, "ringway_config_reloads_total", "result=\"applied\""),
                sum(&text, "ringway_config_reloads_total", "result=\"rejected\""),
            ))
        };
        // A worker counts an exchange after its last byte is out: the last one may be on its way.
        let start = Instant::now();
        let (requests, applied, rejected) = loop {
            let now = counted(self)?;
            if now.0 >= self.products {
                break now;
            }
            self.wait(start, || {
                format!("{} requests counted, {} made", now.0, self.products)
            })?;
        };
        let saw = format!(
            "route products: {requests} requests; reloads: {applied} applied, {rejected} refused"
        );
        if requests != self.products || applied == 0 || rejected == 0 {
            return Err(format!("{saw}; made: {} requests", self.products));
        }
        Ok(saw)
    }

    fn still_v2(&mut self) -> Result<(), String> {
        let body = self.product()?;
        if body.starts_with("products v2") {
            return Ok(());
        }
        Err(format!(
            "traffic changed by a file that was refused: {body:?}"
        ))
    }

    /// Change the file in place, as an editor would; returns when.
    fn edit(&self, change: impl Fn(&str) -> String) -> Result<Instant, String> {
        let file = &self.way.file;
        let before = fs::read_to_string(file).map_err(in_words(file.display()))?;
        let after = change(&before);
        if after == before {
            return Err(format!("{}: not as the demo wrote it", file.display()));
        }
        fs::write(file, after).map_err(in_words(file.display()))?;
        Ok(Instant::now())
    }

    /// A pause, or the end of patience.
    fn wait(&self, since: Instant, why: impl FnOnce() -> String) -> Result<(), String> {
        let patience = self.way.patience;
        if since.elapsed() > patience {
            return Err(format!("after {patience:?}: {}", why()));
        }
        thread::sleep(LOOK);
        Ok(())
    }

    fn ask_admin(&self, path: &str) -> Result<String, String> {
        let said = Client::connect(self.way.admin).and_then(|mut admin| admin.get(path, &[]));
        let answer = said.map_err(in_words(format!("admin {path}")))?;
        expect(&answer, 200, "")?;
        Ok(answer.body)
    }

    fn admin(&self, path: &str) -> Result<serde_json::Value, String> {
        serde_json::from_str(&self.ask_admin(path)?).map_err(in_words(format!("admin {path}")))
    }
}

fn expect(answer: &Answer, status: u16, begin: &str) -> Result<(), String> {
    if answer.status == status && answer.body.starts_with(begin) {
        return Ok(());
    }
    Err(format!(
        "expected {status} {begin:?}, got {} {:?}",
        answer.status, answer.body
    ))
}

/// The sum of a metric's series that have a label.
fn sum(text: &str, metric: &str, label: &str) -> u64 {
    text.lines()
        .filter(|line| line.starts_with(metric) && line.contains(label))
        .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
        .sum::<f64>() as u64
}

/// A diagnostic without the path before the file's name.
fn without_folder(line: &str) -> &str {
    line.find("ringway.toml").map_or(line, |at| &line[at..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_of_series() {
        let text = "# HELP a_total x\na_total{route=\"p\",code=\"2xx\"} 3\na_total{route=\"p\",code=\"5xx\"} 1\na_total{route=\"q\",code=\"2xx\"} 9\n";
        assert_eq!(sum(text, "a_total", "route=\"p\""), 4);
        assert_eq!(sum(text, "b_total", "route=\"p\""), 0);
    }

    #[test]
    fn a_diagnostic_is_shown_from_the_files_name() {
        let cases = [
            ("/x/ringway.toml:3:1: no", "ringway.toml:3:1: no"),
            ("no file", "no file"),
        ];
        for (line, expected) in cases {
            assert_eq!(without_folder(line), expected);
        }
    }
}
