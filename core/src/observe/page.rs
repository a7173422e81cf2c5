//! Text in Prometheus' format 0.0.4 under construction: families, their samples, histograms.
//!
//! Not which families there are (`render`).

use std::fmt::{self, Display, Write};
use std::sync::atomic::Ordering::Relaxed;

use super::cells::Cells;
use super::count::{BOUNDS_US, BUCKETS, CLASSES, Endings, Histogram};
use super::names::Metric;
use super::registry::{Book, OTHER};
use crate::outcome::Flag;

/// Microseconds, shown as seconds without going through a float.
pub(super) struct Seconds(pub(super) u64);

impl Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:06}", self.0 / 1_000_000, self.0 % 1_000_000)
    }
}

/// The text under construction. Writing to a `String` cannot fail, hence the ignored results.
#[derive(Default)]
pub(super) struct Page {
    pub(super) text: String,
}

impl Page {
    /// Begin a family; its samples must follow before the next one begins.
    pub(super) fn family(&mut self, metric: &Metric) {
        let Metric {
            name, help, kind, ..
        } = metric;
        let _ = writeln!(
            self.text,
            "# HELP {name} {help}\n# TYPE {name} {}",
            kind.word()
        );
    }

    /// One sample; `values` are those of the metric's labels, in order.
    pub(super) fn sample(&mut self, metric: &Metric, values: &[&str], value: impl Display) {
        self.line(metric, "", values, None, value);
    }

    /// A family of one sample without labels.
    pub(super) fn one(&mut self, metric: &Metric, value: impl Display) {
        self.family(metric);
        self.sample(metric, &[], value);
    }

    /// A sample whose name has a suffix, and whose last label may be `le`.
    pub(super) fn line(
        &mut self,
        metric: &Metric,
        suffix: &str,
        values: &[&str],
        le: Option<&str>,
        value: impl Display,
    ) {
        debug_assert_eq!(metric.labels.len(), values.len(), "{}", metric.name);
        self.text.push_str(metric.name);
        self.text.push_str(suffix);
        let labels = metric.labels.iter().copied().zip(values.iter().copied());
        let mut mark = '{';
        for (label, value) in labels.chain(le.map(|le| ("le", le))) {
            self.text.push(mark);
            self.text.push_str(label);
            self.text.push_str("=\"");
            self.escaped(value);
            self.text.push('"');
            mark = ',';
        }
        if mark == ',' {
            self.text.push('}');
        }
        let _ = writeln!(self.text, " {value}");
    }

    /// A label's value: backslash, quote and line feed are the three that the format escapes.
    fn escaped(&mut self, value: &str) {
        for c in value.chars() {
            match c {
                '\\' => self.text.push_str("\\\\"),
                '"' => self.text.push_str("\\\""),
                '\n' => self.text.push_str("\\n"),
                c => self.text.push(c),
            }
        }
    }

    /// Buckets, sum and count of a histogram summed over the workers.
    pub(super) fn histogram<C>(
        &mut self,
        metric: &Metric,
        cells: &Cells<C>,
        of: impl Fn(&C) -> &Histogram,
    ) {
        let name = &[cells.name()];
        let mut below = 0_u64;
        for index in 0..BUCKETS {
            below = below.wrapping_add(cells.sum(|c| of(c).bucket(index)));
            let le = match BOUNDS_US.get(index) {
                Some(us) => (*us as f64 / 1e6).to_string(),
                None => "+Inf".to_owned(),
            };
            self.line(metric, "_bucket", name, Some(&le), below);
        }
        self.line(
            metric,
            "_sum",
            name,
            None,
            Seconds(cells.sum(|c| of(c).sum_us())),
        );
        self.line(metric, "_count", name, None, below);
    }

    /// Code classes of every name in a book.
    pub(super) fn classes<C: Default>(
        &mut self,
        metric: &Metric,
        book: &Book<C>,
        of: impl Fn(&C) -> &Endings,
    ) {
        self.family(metric);
        for cells in book.shown() {
            for (index, class) in CLASSES.iter().enumerate() {
                self.sample(
                    metric,
                    &[cells.name(), class],
                    cells.sum(|c| of(c).class(index)),
                );
            }
        }
    }

    /// Flags of every name in a book.
    pub(super) fn flags<C: Default>(
        &mut self,
        metric: &Metric,
        book: &Book<C>,
        free: &mut usize,
        of: impl Fn(&C) -> &Endings,
    ) {
        let labels = Flag::ALL.map(Flag::letters);
        let count = |c: &C, at: usize| of(c).flag(Flag::ALL[at]);
        self.seen(metric, book, free, (&labels, 0), count);
    }

    /// Counts of every name in a book by labels that are on the page once there is something to count. Such a label takes a series with its first
    /// exchange; when none is left, it is shown under `other`, which has all of them reserved. With the labels, the bit of the first in `shown`.
    pub(super) fn seen<C: Default>(
        &mut self,
        metric: &Metric,
        book: &Book<C>,
        free: &mut usize,
        (labels, first_bit): (&[&str], usize),
        of: impl Fn(&C, usize) -> u64,
    ) {
        self.family(metric);
        let mut folded = vec![0_u64; labels.len()];
        for cells in book.shown().filter(|cells| cells.name() != OTHER) {
            for (at, label) in labels.iter().enumerate() {
                let n = cells.sum(|c| of(c, at));
                let shown = cells.shown.load(Relaxed);
                let bit = 1_u64 << (first_bit + at);
                if n == 0 {
                    continue;
                }
                if shown & bit == 0 {
                    if *free == 0 {
                        folded[at] += n;
                        continue;
                    }
                    *free -= 1;
                    cells.shown.store(shown | bit, Relaxed);
                }
                self.sample(metric, &[cells.name(), label], n);
            }
        }
        for (at, label) in labels.iter().enumerate() {
            let n = folded[at] + book.other.sum(|c| of(c, at));
            if n > 0 {
                self.sample(metric, &[OTHER, label], n);
            }
        }
    }

    /// One number of every name in a book.
    pub(super) fn each<C: Default, V: Display>(
        &mut self,
        metric: &Metric,
        book: &Book<C>,
        of: impl Fn(&Cells<C>) -> V,
    ) {
        self.family(metric);
        for cells in book.shown() {
            self.sample(metric, &[cells.name()], of(cells));
        }
    }
}
