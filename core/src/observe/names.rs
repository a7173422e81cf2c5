//! Every metric once: name, type, labels, help. The page is printed from this table and `METRICS.md` is written from it.
//!
//! Not the values (`cells.rs`) and not the format (`render.rs`). Labels are names from the configuration or words from a fixed
//! list; nothing that a client sends (path, host, address) is ever a label.

use super::registry::{OTHER, SERIES_MAX};
use super::render::{CLUSTER_SERIES, ROUTE_SERIES};

/// What a metric is, in Prometheus' words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Only grows (and begins at 0 when the process starts).
    Counter,
    /// Goes both ways.
    Gauge,
    /// Cumulative buckets with `le` in seconds, `_sum` and `_count`.
    Histogram,
    /// Only `_sum` and `_count`, no quantiles.
    Summary,
}

impl Kind {
    /// The word after `# TYPE`.
    pub fn word(self) -> &'static str {
        match self {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
            Kind::Summary => "summary",
        }
    }
}

/// One metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Metric {
    /// With prefix and unit.
    pub name: &'static str,
    /// Its type.
    pub kind: Kind,
    /// Names of its labels, in the order of the page; a histogram's `le` is not listed.
    pub labels: &'static [&'static str],
    /// One sentence.
    pub help: &'static str,
}

const fn counter(
    name: &'static str,
    labels: &'static [&'static str],
    help: &'static str,
) -> Metric {
    Metric {
        name,
        kind: Kind::Counter,
        labels,
        help,
    }
}

const fn gauge(name: &'static str, labels: &'static [&'static str], help: &'static str) -> Metric {
    Metric {
        name,
        kind: Kind::Gauge,
        labels,
        help,
    }
}

const fn histogram(
    name: &'static str,
    labels: &'static [&'static str],
    help: &'static str,
) -> Metric {
    Metric {
        name,
        kind: Kind::Histogram,
        labels,
        help,
    }
}

/// Declares each metric as a constant and as a row of [`ALL`], so that neither can exist without the other.
macro_rules! metrics {
    ($($id:ident = $metric:expr;)*) => {
        $(pub(super) const $id: Metric = $metric;)*
        /// Every metric, in the order of the page.
        pub const ALL: &[Metric] = &[$($id),*];
    };
}

metrics! {
    BUILD_INFO = gauge("ringway_build_info", &["version"], "Always 1; the label says which version runs.");
    START_TIME = gauge("ringway_process_start_time_seconds", &[], "Unix time at which the process started.");
    DRAINING = gauge("ringway_draining", &[], "1 while the process is stopping.");
    RELOADS = counter("ringway_config_reloads_total", &["result"], "Reloads of the configuration, applied or rejected.");
    RELOAD_OK = gauge("ringway_config_last_reload_successful", &[], "1 if the last load or reload was accepted, 0 if it was rejected.");
    RELOAD_TIME = gauge("ringway_config_last_reload_success_timestamp_seconds", &[], "Unix time of the last load or reload that was accepted.");
    CONFIG_ERRORS = gauge("ringway_config_errors", &[], "Errors found by the last load or reload; 0 if it was accepted.");
    LOG_LINES = counter("ringway_access_log_lines_total", &[], "Access log lines formatted by the workers.");
    LOG_DROPPED = counter("ringway_access_log_lines_dropped_total", &["reason"], "Access log lines that were not written: no buffer was free (queue_full) or writing failed (write_failed).");
    PROCESS_LOG_DROPPED = counter("ringway_process_log_lines_dropped_total", &[], "Lines of the process log that were dropped because its queue was full.");

    LISTENER_OPENED = counter("ringway_listener_connections_total", &["listener"], "Client connections accepted.");
    LISTENER_OPEN = gauge("ringway_listener_connections", &["listener"], "Client connections open now.");
    LISTENER_REFUSED = counter("ringway_listener_connections_refused_total", &["listener"], "Client connections closed at once because the listener's limit was reached.");
    LISTENER_RETIRED = counter("ringway_listener_connections_retired_total", &["listener", "by"], "Connections of HTTP that were told to end because they had served their time (age) or so many requests (requests).");
    LISTENER_LOOPS = counter("ringway_listener_loops_total", &["listener"], "Intercepted connections refused because they were going to one of our own listeners.");
    LISTENER_TIMEOUTS = counter("ringway_listener_timeouts_total", &["listener", "kind"], "Deadlines that clients missed: headers, idle (a kept connection without a next request), body or handshake (a ClientHello).");
    LISTENER_ERRORS = counter("ringway_listener_protocol_errors_total", &["listener", "error"], "Requests refused because their bytes were not valid HTTP (nor, in text of gRPC-Web, base64) or above a limit, and connections refused for their PROXY header or ClientHello, or cut off for a flood of HTTP/2 frames, by fault.");
    LISTENER_GUESSES = counter("ringway_listener_detected_total", &["listener", "guess"], "Connections by what they were found to begin with, on listeners that look (detect); silent is nothing, or not enough, within the time.");
    LISTENER_DATAGRAMS = counter("ringway_listener_datagrams_total", &["listener", "direction"], "Datagrams from clients (in) and to clients (out). A session counts among the connections.");
    LISTENER_LOST = counter("ringway_listener_datagrams_dropped_total", &["listener", "reason"], "Datagrams of either direction that went no further: too many sessions of the listener or the process (sessions) or of the cluster (cluster_limit), no_endpoint, a listener that is going away (ending), a receiver that is too slow (queue_full), too_large, nobody there (send_failed), a full queue of the listening socket (kernel), or a client that no rule allows (denied).");
    LISTENER_HANDSHAKES = counter("ringway_listener_tls_handshakes_total", &["listener", "result"], "TLS handshakes with clients: full, resumed, or why there was none; truncated counts connections that ended later without a close_notify.");

    ROUTE_REQUESTS = counter("ringway_route_requests_total", &["route", "code"], "Exchanges by class of the status sent to the client; none if it got no answer.");
    ROUTE_FLAGS = counter("ringway_route_flags_total", &["route", "flag"], "Exchanges that ended with something to report, by response flag. A flag appears with its first exchange.");
    ROUTE_GRPC = counter("ringway_route_grpc_total", &["route", "status"], "Calls of gRPC and gRPC-Web by the status that the client was told; other for what is none. A call whose client took it back has none. A status appears with its first call.");
    ROUTE_DURATION = histogram("ringway_route_duration_seconds", &["route"], "From the first byte of the request to the last byte of the answer.");
    ROUTE_RECEIVED = counter("ringway_route_received_bytes_total", &["route"], "Bytes received from clients.");
    ROUTE_SENT = counter("ringway_route_sent_bytes_total", &["route"], "Bytes sent to clients.");

    CLUSTER_REQUESTS = counter("ringway_cluster_requests_total", &["cluster", "code"], "Exchanges by class of the upstream's status; none if it gave no answer.");
    CLUSTER_FLAGS = counter("ringway_cluster_flags_total", &["cluster", "flag"], "Exchanges that ended with something to report, by response flag. A flag appears with its first exchange.");
    CLUSTER_FIRST_BYTE = histogram("ringway_cluster_first_byte_seconds", &["cluster"], "Time until the upstream's first byte, of exchanges that got an answer.");
    CLUSTER_CONNECTS = counter("ringway_cluster_connects_total", &["cluster", "result"], "Attempts to connect to an endpoint, ok or failed.");
    CLUSTER_CONNECT_TIME = Metric { name: "ringway_cluster_connect_seconds", kind: Kind::Summary, labels: &["cluster"], help: "Time spent in attempts to connect, failed ones as well." };
    CLUSTER_HANDSHAKES = counter("ringway_cluster_tls_handshakes_total", &["cluster", "result"], "TLS handshakes with endpoints: full, resumed or failed.");
    CLUSTER_OPEN = gauge("ringway_cluster_connections", &["cluster"], "Upstream connections open now, in use or idle.");
    CLUSTER_IDLE = gauge("ringway_cluster_pool_idle_connections", &["cluster"], "Upstream connections waiting in the pools for a next request.");
    CLUSTER_REUSED = counter("ringway_cluster_pool_reused_total", &["cluster"], "Requests sent on a pooled connection.");
    CLUSTER_STALE = counter("ringway_cluster_pool_stale_total", &["cluster"], "Pooled connections that turned out to be dead when they were used.");
    CLUSTER_RETRIES = counter("ringway_cluster_retries_total", &["cluster"], "Attempts that repeated a failed one.");
    CLUSTER_OVERFLOWS = counter("ringway_cluster_overflows_total", &["cluster"], "Exchanges refused because a limit and its queue were full.");
    CLUSTER_IN_USE = gauge("ringway_cluster_in_use", &["cluster", "of"], "Places taken of a limit: of connections or of requests.");
    CLUSTER_WAITING = gauge("ringway_cluster_waiting", &["cluster", "of"], "Exchanges waiting for a place of a limit.");
    CLUSTER_LIMIT = gauge("ringway_cluster_limit", &["cluster", "of"], "The limit, over all workers.");
    ENDPOINT_ACTIVE = gauge("ringway_endpoint_active_requests", &["cluster", "endpoint"], "Exchanges that an endpoint is serving now.");

    CERTIFICATE_EXPIRY = gauge("ringway_tls_certificate_expiry_seconds", &["tls", "file"], "Seconds until a certificate of ours, or one above it in its file, ends.");

    WORKER_INFO = gauge("ringway_worker_info", &["worker", "driver"], "Always 1; the label says which driver the worker uses.");
    WORKER_LOOPS = counter("ringway_worker_loops_total", &["worker"], "Turns of the worker's loop.");
    WORKER_ENTERS = counter("ringway_worker_enters_total", &["worker"], "System calls that wait for the kernel (io_uring_enter or epoll_wait).");
    WORKER_COMPLETIONS = counter("ringway_worker_completions_total", &["worker"], "Completions or readiness events taken from the kernel.");
    WORKER_STALE = counter("ringway_worker_stale_completions_total", &["worker"], "Completions for a slot that had moved on; dropped.");
    WORKER_POLLS = counter("ringway_worker_polls_total", &["worker"], "Times that a task was run.");
    WORKER_BUSY = counter("ringway_worker_busy_seconds_total", &["worker"], "Time not spent waiting for the kernel.");
    WORKER_ACCEPTED = counter("ringway_worker_accepted_total", &["worker"], "Connections accepted.");
    WORKER_CONNECTIONS = gauge("ringway_worker_connections", &["worker"], "Client connections that the worker serves now.");
    WORKER_HANDED = counter("ringway_worker_connections_handed_total", &["worker"], "Accepted connections that went, before their first byte, to a worker with clearly fewer.");
    WORKER_TASK_PANICS = counter("ringway_worker_task_panics_total", &["worker"], "Tasks that ended by a panic: a defect, whose log has the place. Only the connection of that task has ended.");
    WORKER_ACCEPT_ERRORS = counter("ringway_worker_accept_errors_total", &["worker"], "Failed accepts, such as no file descriptors left.");
    WORKER_EXHAUSTED = counter("ringway_worker_buffers_exhausted_total", &["worker"], "Times that no receive buffer was free.");
    WORKER_SQ_FULL = counter("ringway_worker_submission_queue_full_total", &["worker"], "Times that the submission queue was full.");
    WORKER_CQ_OVERFLOW = counter("ringway_worker_completion_queue_overflows_total", &["worker"], "Times that the completion queue overflowed.");
    WORKER_DATAGRAMS_DROPPED = counter("ringway_worker_datagrams_dropped_total", &["worker"], "Datagrams received and dropped because the worker was too busy to take those before them.");
    WORKER_RECEIVED = counter("ringway_worker_received_bytes_total", &["worker"], "Bytes received from all sockets.");
    WORKER_SENT = counter("ringway_worker_sent_bytes_total", &["worker"], "Bytes sent to all sockets.");
    WORKER_SPLICED = counter("ringway_worker_spliced_bytes_total", &["worker"], "Bytes that tunnels passed on without copying them.");
    WORKER_NO_PIPE = counter("ringway_worker_pipes_exhausted_total", &["worker"], "Times that a tunnel found no pipe to splice through, and went on copying.");
    WORKER_PIPES = gauge("ringway_worker_pipes_in_use", &["worker"], "Pipes that hold bytes of tunnels now.");
    WORKER_BUFFERS = gauge("ringway_worker_buffers_in_use", &["worker"], "Receive buffers in use now.");
    WORKER_SLOTS = gauge("ringway_worker_slots_in_use", &["worker"], "Sockets open now.");
    WORKER_TASKS = gauge("ringway_worker_tasks", &["worker"], "Tasks alive now.");

    SERIES = gauge("ringway_metrics_series", &[], "Series taken of the 10,000 that there may be.");
    FOLDED = counter("ringway_metrics_names_folded_total", &[], "Names that found no room for series of their own and were counted as other; asked anew at each reload.");
}

/// The contents of `METRICS.md`.
pub fn markdown() -> String {
    let mut text = format!(
        "# Metrics\n\nWritten from the table in `names.rs`. Prometheus text format 0.0.4, at `/metrics` of the admin listener.\n\n\
         - Labels are names from the configuration or words from a fixed list, never anything that a client sent.\n\
         - At most {SERIES_MAX} series. A name that finds no room is counted under the name `{OTHER}`. A route takes {ROUTE_SERIES}\n  \
           series, a cluster {CLUSTER_SERIES}, each flag and status of gRPC that one of them has seen one more, a listener as many as there are protocol\n  \
           faults and endings of TLS handshakes, and 23. Names that no configuration in use holds any more are forgotten when their room is needed.\n\
         - Every counter begins at 0 when the process starts and keeps its value over reloads.\n\n\
         | name | type | labels | what it says |\n|---|---|---|---|\n",
    );
    for metric in ALL {
        let labels: Vec<String> = metric.labels.iter().map(|l| format!("`{l}`")).collect();
        let row = [
            format!("`{}`", metric.name),
            metric.kind.word().to_owned(),
            labels.join(", "),
            metric.help.to_owned(),
        ];
        text.push_str(&format!("| {} |\n", row.join(" | ")));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_the_rules() {
        let mut seen = std::collections::HashSet::new();
        for metric in ALL {
            let name = metric.name;
            assert!(seen.insert(name), "{name} twice");
            assert!(name.starts_with("ringway_"), "{name}: prefix");
            assert!(
                name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'),
                "{name}: letters"
            );
            assert_eq!(
                metric.kind == Kind::Counter,
                name.ends_with("_total"),
                "{name}: counters alone end in _total"
            );
            for unit in ["_us", "_ms", "_ns", "_milliseconds", "_kb"] {
                assert!(
                    !name.contains(&format!("{unit}_")) && !name.ends_with(unit),
                    "{name}: base units only"
                );
            }
            assert!(
                metric.help.ends_with('.') && !metric.help.contains(['\n', '\\', '|']),
                "{name}: help"
            );
        }
    }

    #[test]
    fn the_document_is_the_table() {
        let written = include_str!("METRICS.md");
        assert_eq!(
            written,
            markdown(),
            "METRICS.md is out of date; run the ignored test `write_the_document`"
        );
    }

    #[test]
    #[ignore = "writes METRICS.md anew"]
    fn write_the_document() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/src/observe/METRICS.md");
        std::fs::write(path, markdown()).unwrap();
        assert_eq!(std::fs::read_to_string(path).unwrap(), markdown());
    }
}
