//! The page, read back by a small parser of the exposition format, and by `promtool` where there is one.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::process::{Command, Stdio};
use std::sync::Arc;

use super::*;
use crate::observe::registry::{
    CertificateGauge, ClusterGauges, EndpointGauges, NoGauges, SERIES_MAX,
};

/// Labels in their order.
type Labels = Vec<(String, String)>;

#[derive(Debug, Default)]
struct Family {
    name: String,
    kind: String,
    help: String,
    samples: Vec<(String, Labels, f64)>,
}

/// Reads a page; panics with the line that is not in the format.
fn parse(text: &str) -> Vec<Family> {
    assert!(text.ends_with('\n'));
    let mut families: Vec<Family> = Vec::new();
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let (name, help) = rest.split_once(' ').unwrap();
            assert!(families.iter().all(|f| f.name != name), "{name} twice");
            families.push(Family {
                name: name.into(),
                help: help.into(),
                ..Family::default()
            });
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').unwrap();
            let family = families.last_mut().unwrap();
            assert_eq!(
                (family.name.as_str(), family.kind.as_str()),
                (name, ""),
                "{line}"
            );
            family.kind = kind.into();
        } else {
            let (name, labels, value) = parse_sample(line);
            let family = families.last_mut().unwrap();
            let suffix = name
                .strip_prefix(family.name.as_str())
                .unwrap_or_else(|| panic!("stray: {line}"));
            match family.kind.as_str() {
                "histogram" => assert!(["_bucket", "_sum", "_count"].contains(&suffix), "{line}"),
                "summary" => assert!(["_sum", "_count"].contains(&suffix), "{line}"),
                "counter" | "gauge" => assert_eq!(suffix, "", "{line}"),
                kind => panic!("type {kind}"),
            }
            family.samples.push((name, labels, value));
        }
    }
    families
}

fn parse_sample(line: &str) -> (String, Labels, f64) {
    let end = line.find(['{', ' ']).unwrap();
    let name = line[..end].to_owned();
    let mut labels = Vec::new();
    let mut rest = &line[end..];
    if let Some(mut inner) = rest.strip_prefix('{') {
        loop {
            let (label, after) = inner.split_once("=\"").unwrap();
            let mut value = String::new();
            let mut chars = after.char_indices();
            let close = loop {
                match chars.next().unwrap() {
                    (at, '"') => break at,
                    (_, '\\') => value.push(match chars.next().unwrap().1 {
                        'n' => '\n',
                        c @ ('\\' | '"') => c,
                        c => panic!("escape {c}: {line}"),
                    }),
                    (_, c) => value.push(c),
                }
            };
            labels.push((label.to_owned(), value));
            inner = &after[close + 1..];
            if let Some(next) = inner.strip_prefix('}') {
                rest = next;
                break;
            }
            inner = inner.strip_prefix(',').unwrap();
        }
    }
    let value = rest.strip_prefix(' ').unwrap();
    (
        name,
        labels,
        value.parse().unwrap_or_else(|_| panic!("value: {line}")),
    )
}

fn value(families: &[Family], name: &str, labels: &[(&str, &str)]) -> Option<f64> {
    let same = |l: &Labels| {
        l.iter()
            .map(|(a, b)| (a.as_str(), b.as_str()))
            .eq(labels.iter().copied())
    };
    let mut found = families
        .iter()
        .flat_map(|f| &f.samples)
        .filter(|(n, l, _)| n == name && same(l));
    let first = found.next().map(|(_, _, v)| *v);
    assert!(found.next().is_none(), "{name} {labels:?} twice");
    first
}

/// Name, labels in order, value.
type Expected<'a> = (&'a str, &'a [(&'a str, &'a str)], f64);

/// Two clusters, the second unknown to the registry.
struct TwoClusters;

impl Gauges for TwoClusters {
    fn certificates(&self, each: &mut dyn FnMut(CertificateGauge<'_>)) {
        each(CertificateGauge {
            tls: "public",
            file: "/etc/ringway/public.pem",
            left_s: 86_400,
        });
    }

    fn clusters(&self, each: &mut dyn FnMut(ClusterGauges<'_>)) {
        let gate = |n| GateGauges {
            in_use: n,
            waiting: n + 1,
            limit: 100,
        };
        let endpoints = [
            EndpointGauges {
                address: "10.0.0.1:80",
                active: 3,
            },
            EndpointGauges {
                address: "unix:/x",
                active: 0,
            },
        ];
        each(ClusterGauges {
            name: "products",
            connections: gate(4),
            requests: gate(6),
            endpoints: &endpoints,
        });
        each(ClusterGauges {
            name: "unknown",
            connections: gate(1),
            requests: gate(2),
            endpoints: &[],
        });
    }
}

/// A registry in which every family has a sample.
fn lived_in() -> Arc<Registry> {
    let registry = Registry::new(2);
    registry.set_io_counters(0, Arc::default(), "io_uring");
    let io = Arc::new(ringway_io::Counters::default());
    io.busy_ns.store(1_500_000_999, Relaxed);
    io.loops.store(7, Relaxed);
    registry.set_io_counters(1, io, "epoll");
    registry.set_io_counters(9, Arc::default(), "epoll");
    let listener = registry.listener("web");
    listener.of(0).opened();
    listener.of(1).opened();
    listener.of(1).closed();
    listener.of(1).refused_connection();
    listener.of(0).protocol_error("never heard of");
    listener.of(0).timeout(ClientTimeout::Body);
    let route = registry.route("shop");
    route.of(0).exchange(200, Flag::None, 300, 100, 1_000);
    route.of(1).exchange(503, Flag::Overflow, 2_000_000, 50, 10);
    route.of(1).exchange(0, Flag::ClientGone, 9_000_000, 1, 0);
    route.of(1).grpc(Status::Ok);
    let cluster = registry.cluster("products");
    cluster.of(0).exchange(200, Flag::None, 250);
    cluster.of(1).exchange(0, Flag::ConnectFailed, 0);
    cluster.of(0).connect(true, 500_000);
    cluster.of(0).connect(false, 1_000_000);
    cluster.of(0).connections(2);
    cluster.of(1).connections(-1);
    cluster.of(0).pool(1);
    cluster.of(0).reused();
    cluster.of(0).stale();
    cluster.of(0).retry();
    cluster.of(0).overflow();
    registry.process().config_loaded(1_700_000_000);
    registry.process().reload_applied(1_700_000_001);
    registry.process().reload_rejected(3);
    registry.process().log_lines_lost(4);
    registry.log(0).lines.add(10);
    registry.log(1).dropped.add(2);
    registry
}

#[test]
fn every_metric_of_the_table_is_on_the_page_and_no_other() {
    let families = parse(&lived_in().render(&TwoClusters));
    let found: BTreeMap<&str, &Family> = families.iter().map(|f| (f.name.as_str(), f)).collect();
    let known: BTreeSet<&str> = names::ALL.iter().map(|m| m.name).collect();
    assert_eq!(found.keys().copied().collect::<BTreeSet<_>>(), known);
    for metric in names::ALL {
        let family = found[metric.name];
        assert_eq!(
            (family.kind.as_str(), family.help.as_str()),
            (metric.kind.word(), metric.help)
        );
        assert!(!family.samples.is_empty(), "{} has no sample", metric.name);
        for (name, labels, _) in &family.samples {
            let mut expected = metric.labels.to_vec();
            expected.extend(name.ends_with("_bucket").then_some("le"));
            assert_eq!(
                labels.iter().map(|(l, _)| l.as_str()).collect::<Vec<_>>(),
                expected,
                "{name}"
            );
        }
    }
}

#[test]
fn numbers_are_summed_over_workers() {
    let families = parse(&lived_in().render(&TwoClusters));
    let table: &[Expected<'_>] = &[
        (
            "ringway_route_requests_total",
            &[("route", "shop"), ("code", "2xx")],
            1.0,
        ),
        (
            "ringway_route_requests_total",
            &[("route", "shop"), ("code", "none")],
            1.0,
        ),
        (
            "ringway_route_requests_total",
            &[("route", "shop"), ("code", "4xx")],
            0.0,
        ),
        (
            "ringway_route_flags_total",
            &[("route", "shop"), ("flag", "UO")],
            1.0,
        ),
        (
            "ringway_route_duration_seconds_bucket",
            &[("route", "shop"), ("le", "0.00025")],
            0.0,
        ),
        (
            "ringway_route_duration_seconds_bucket",
            &[("route", "shop"), ("le", "0.0005")],
            1.0,
        ),
        (
            "ringway_route_duration_seconds_bucket",
            &[("route", "shop"), ("le", "5")],
            2.0,
        ),
        (
            "ringway_route_duration_seconds_bucket",
            &[("route", "shop"), ("le", "+Inf")],
            3.0,
        ),
        (
            "ringway_route_duration_seconds_sum",
            &[("route", "shop")],
            11.0003,
        ),
        (
            "ringway_route_duration_seconds_count",
            &[("route", "shop")],
            3.0,
        ),
        (
            "ringway_route_received_bytes_total",
            &[("route", "shop")],
            151.0,
        ),
        (
            "ringway_cluster_first_byte_seconds_count",
            &[("cluster", "products")],
            1.0,
        ),
        (
            "ringway_cluster_requests_total",
            &[("cluster", "products"), ("code", "none")],
            1.0,
        ),
        (
            "ringway_cluster_connects_total",
            &[("cluster", "products"), ("result", "failed")],
            1.0,
        ),
        (
            "ringway_cluster_connect_seconds_sum",
            &[("cluster", "products")],
            1.5,
        ),
        (
            "ringway_cluster_connections",
            &[("cluster", "products")],
            1.0,
        ),
        (
            "ringway_cluster_in_use",
            &[("cluster", "products"), ("of", "requests")],
            6.0,
        ),
        (
            "ringway_cluster_waiting",
            &[("cluster", "other"), ("of", "connections")],
            2.0,
        ),
        (
            "ringway_endpoint_active_requests",
            &[("cluster", "products"), ("endpoint", "10.0.0.1:80")],
            3.0,
        ),
        ("ringway_listener_connections", &[("listener", "web")], 1.0),
        (
            "ringway_listener_timeouts_total",
            &[("listener", "web"), ("kind", "body")],
            1.0,
        ),
        (
            "ringway_listener_protocol_errors_total",
            &[("listener", "web"), ("error", "other")],
            1.0,
        ),
        (
            "ringway_config_reloads_total",
            &[("result", "rejected")],
            1.0,
        ),
        ("ringway_config_last_reload_successful", &[], 0.0),
        (
            "ringway_config_last_reload_success_timestamp_seconds",
            &[],
            1_700_000_001.0,
        ),
        ("ringway_config_errors", &[], 3.0),
        (
            "ringway_access_log_lines_dropped_total",
            &[("reason", "write_failed")],
            4.0,
        ),
        (
            "ringway_access_log_lines_dropped_total",
            &[("reason", "queue_full")],
            2.0,
        ),
        ("ringway_worker_busy_seconds_total", &[("worker", "1")], 1.5),
        (
            "ringway_worker_info",
            &[("worker", "0"), ("driver", "io_uring")],
            1.0,
        ),
    ];
    for (name, labels, expected) in table {
        assert_eq!(
            value(&families, name, labels),
            Some(*expected),
            "{name} {labels:?}"
        );
    }
    assert_eq!(
        value(
            &families,
            "ringway_route_flags_total",
            &[("route", "shop"), ("flag", "UT")],
        ),
        None
    );
    assert_eq!(
        value(
            &families,
            "ringway_worker_info",
            &[("worker", "9"), ("driver", "epoll")]
        ),
        None
    );
}

#[test]
fn names_may_hold_anything() {
    let registry = Registry::new(1);
    let name = "a\"b\\c\nd é } 1\t";
    registry
        .route(name)
        .of(0)
        .exchange(200, Flag::Loop, 1, 1, 1);
    let families = parse(&registry.render(&NoGauges));
    assert_eq!(
        value(
            &families,
            "ringway_route_flags_total",
            &[("route", name), ("flag", "LOOP")]
        ),
        Some(1.0)
    );
}

fn series(registry: &Registry, gauges: &dyn Gauges) -> usize {
    parse(&registry.render(gauges))
        .iter()
        .map(|f| f.samples.len())
        .sum()
}

#[test]
fn a_name_takes_as_many_series_as_are_reserved_for_it() {
    let registry = Registry::new(3);
    (0..3).for_each(|w| registry.set_io_counters(w, Arc::default(), "epoll"));
    let empty = series(&registry, &NoGauges);
    let _route = registry.route("a");
    assert_eq!(series(&registry, &NoGauges) - empty, ROUTE_SERIES);
    let _listener = registry.listener("a");
    assert_eq!(
        series(&registry, &NoGauges) - empty - ROUTE_SERIES,
        listener_series()
    );
    let _cluster = registry.cluster("products");
    // Two gates of a cluster that has cells, and two of one that is shown as `other`; two endpoints and a certificate.
    let expected = empty + ROUTE_SERIES + listener_series() + CLUSTER_SERIES + 6 + 3;
    assert_eq!(series(&registry, &TwoClusters), expected);
    let others = (
        registry.route(OTHER),
        registry.cluster(OTHER),
        registry.listener(OTHER),
    );
    for flag in Flag::ALL {
        others.0.of(0).exchange(200, flag, 1, 1, 1);
        others.1.of(0).exchange(200, flag, 1);
    }
    Status::ALL.into_iter().for_each(|s| others.0.of(0).grpc(s));
    let full =
        series(&registry, &TwoClusters) - (ROUTE_SERIES + listener_series() + CLUSTER_SERIES + 3);
    assert_eq!(full, reserved_series(3));
}

#[test]
fn there_are_never_more_series_than_the_limit() {
    struct Many;
    impl Gauges for Many {
        fn certificates(&self, _: &mut dyn FnMut(CertificateGauge<'_>)) {}

        fn clusters(&self, each: &mut dyn FnMut(ClusterGauges<'_>)) {
            let gate = GateGauges::default();
            for i in 0..3_000 {
                let endpoints = [EndpointGauges {
                    address: "10.0.0.1:80",
                    active: 1,
                }];
                each(ClusterGauges {
                    name: &format!("c{i}"),
                    connections: gate,
                    requests: gate,
                    endpoints: &endpoints,
                });
            }
        }
    }
    let registry = Registry::new(2);
    let mut exchanges = 0;
    let held: Vec<_> = (0..150)
        .map(|i| {
            (
                registry.route(&format!("r{i}")),
                registry.cluster(&format!("c{i}")),
            )
        })
        .collect();
    let mut last = 0.0;
    for round in 0..3 {
        for (route, cluster) in &held {
            for flag in Flag::ALL {
                route.of(0).exchange(200, flag, 1, 1, 1);
                cluster.of(1).exchange(200, flag, 1);
            }
            exchanges += Flag::ALL.len() - 1;
        }
        let families = parse(&registry.render(&Many));
        let lines: usize = families.iter().map(|f| f.samples.len()).sum();
        assert!((SERIES_MAX - 250..=SERIES_MAX).contains(&lines), "{lines}");
        let flags = families
            .iter()
            .find(|f| f.name == "ringway_route_flags_total")
            .unwrap();
        assert_eq!(
            flags.samples.iter().map(|s| s.2).sum::<f64>(),
            exchanges as f64,
            "round {round}"
        );
        let other: f64 = flags
            .samples
            .iter()
            .filter(|s| s.1[0].1 == OTHER)
            .map(|s| s.2)
            .sum();
        assert!(
            other > last,
            "what has no room is counted as other and only grows"
        );
        last = other;
    }
}

#[test]
fn promtool_accepts_the_page() {
    for page in [
        lived_in().render(&TwoClusters),
        Registry::new(1).render(&NoGauges),
    ] {
        let spawned = Command::new("promtool")
            .args(["check", "metrics"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn();
        let Ok(mut promtool) = spawned else {
            println!("skipped: no promtool on PATH");
            return;
        };
        let mut stdin = promtool.stdin.take().unwrap();
        stdin.write_all(page.as_bytes()).unwrap();
        drop(stdin);
        let out = promtool.wait_with_output().unwrap();
        let said = [out.stdout, out.stderr].concat();
        let said = String::from_utf8_lossy(&said);
        assert!(out.status.success() && said.is_empty(), "{said}");
    }
}
