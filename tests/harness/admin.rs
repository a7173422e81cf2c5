//! Asking the admin listener over its Unix socket, and reading the metrics that it gives. Not a Prometheus client.

use crate::client::{Answer, Client};
use std::collections::BTreeMap;
use std::path::Path;

/// `GET path` on the admin socket, or why that did not work.
pub fn ask_admin(socket: &Path, path: &str) -> Result<Answer, String> {
    let mut client = Client::try_connect_path(socket)
        .map_err(|e| format!("cannot connect to {}: {e}", socket.display()))?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: admin\r\nConnection: close\r\n\r\n");
    client.try_send(request).map_err(|e| e.to_string())?;
    client.try_answer("GET").map_err(|e| e.to_string())
}

/// One scrape: each series by its name with labels, as written.
#[derive(Debug, Clone, Default)]
pub struct Metrics {
    /// By name and labels, e.g. `ringway_requests_total{route="all"}`.
    pub series: BTreeMap<String, f64>,
    /// Names that have a TYPE line.
    pub types: BTreeMap<String, String>,
}

impl Metrics {
    /// Read the text format, version 0.0.4. Panics on a line that is none.
    pub fn read(text: &str) -> Metrics {
        let mut metrics = Metrics::default();
        for line in text.lines().filter(|line| !line.is_empty()) {
            if let Some(rest) = line.strip_prefix("# TYPE ") {
                let (name, kind) = rest
                    .split_once(' ')
                    .unwrap_or_else(|| panic!("no type in `{line}`"));
                metrics.types.insert(name.to_owned(), kind.to_owned());
            } else if !line.starts_with('#') {
                let (series, value) = line
                    .rsplit_once(' ')
                    .unwrap_or_else(|| panic!("no value in `{line}`"));
                let value = value
                    .parse()
                    .unwrap_or_else(|_| panic!("`{value}` is no number in `{line}`"));
                let twin = metrics.series.insert(series.to_owned(), value);
                assert!(twin.is_none(), "the series {series} is there twice");
            }
        }
        metrics
    }

    /// The sum of all series of this name whose labels contain all the given `key="value"` texts.
    pub fn sum(&self, name: &str, labels: &[&str]) -> f64 {
        let ours = |series: &str| {
            let rest = series.strip_prefix(name)?;
            ((rest.is_empty() || rest.starts_with('{'))
                && labels.iter().all(|label| rest.contains(label)))
            .then_some(())
        };
        self.series
            .iter()
            .filter(|(series, _)| ours(series).is_some())
            .map(|(_, value)| value)
            .sum()
    }

    /// Whether there is any series of this name.
    pub fn has(&self, name: &str) -> bool {
        self.series.keys().any(|series| {
            series
                .strip_prefix(name)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('{'))
        })
    }
}
