//! The admin listener and the metrics. What counts as which flag is asserted beside what causes it.

use crate::{request, web};
use ringway_tests::{
    Client, Gate, Metrics, Origin, PATIENCE, Proxy, Setup, binary, both_drivers, front, get,
    repository, until,
};
use serde_json::Value;
use std::process::{Command, Stdio};

both_drivers! {
    fn health_readiness_and_the_list(io) {
        let origin = Origin::saying("ok");
        let proxy = Proxy::start(io, &front(&origin, ""));
        assert_eq!(proxy.admin("/healthz").status, 200);
        let ready = proxy.admin("/readyz");
        assert_eq!(ready.status, 200);
        serde_json::from_str::<Value>(&ready.text()).expect("/readyz is JSON");
        assert!(proxy.admin("/").text().contains("/metrics"));
        assert_eq!(proxy.admin("/nothing").status, 404);
        let listeners: Value = serde_json::from_str(&proxy.admin("/listeners").text()).expect("/listeners is JSON");
        assert!(listeners.to_string().contains(&proxy.web().to_string()), "{listeners}");
    }

    fn the_configuration_is_shown_without_secrets(io) {
        let origin = Origin::saying("ok");
        let text = front(&origin, "") + "\n[admin]\nbind = [\"127.0.0.1:0\"]\ntoken = \"very-secret-token\"\n";
        let proxy = Proxy::start(io, &text);
        let found = proxy.log.wait(0, PATIENCE, |line| {
            let at = line.find("address=").filter(|_| line.contains("admin"))?;
            line[at + 8..].split([' ', ',']).next().map(|text| text.trim_matches('"').trim_start_matches("http://").to_owned())
        });
        let address = found.expect("a line says where the admin listener is");
        let address = address.parse().unwrap_or_else(|_| panic!("`{address}` is no address"));
        let ask = |path: &str, token: &str| Client::connect(address).ask(request("GET", path, token));
        assert_eq!(ask("/config", "").status, 401);
        assert_eq!(ask("/metrics", "Authorization: Bearer wrong\r\n").status, 401);
        assert_eq!(ask("/healthz", "").status, 200);
        assert_eq!(ask("/readyz", "").status, 200);
        let config = ask("/config", "Authorization: Bearer very-secret-token\r\n");
        assert_eq!(config.status, 200);
        assert!(config.text().contains("origin"), "{}", config.text());
        assert!(!config.text().contains("very-secret-token"), "a secret is shown");
    }

    fn the_counters_move(io) {
        let origin = Origin::saying("hello");
        let proxy = Proxy::start(io, &front(&origin, ""));
        let mut client = Client::connect(proxy.web());
        for _ in 0..10 {
            assert_eq!(client.get("/").status, 200);
        }
        let metrics = until("ten requests in the metrics", PATIENCE, || {
            let metrics = proxy.metrics();
            (metrics.sum("ringway_route_requests_total", &["route=\"all\"", "code=\"2xx\""]) == 10.0).then_some(metrics)
        });
        assert_eq!(metrics.sum("ringway_cluster_requests_total", &["cluster=\"origin\"", "code=\"2xx\""]), 10.0);
        assert_eq!(metrics.sum("ringway_listener_connections", &["listener=\"web\""]), 1.0);
        assert_eq!(metrics.sum("ringway_listener_connections_total", &["listener=\"web\""]), 1.0);
        assert_eq!(metrics.sum("ringway_cluster_connects_total", &["cluster=\"origin\"", "result=\"ok\""]), 1.0);
        assert_eq!(metrics.sum("ringway_cluster_pool_reused_total", &["cluster=\"origin\""]), 9.0);
        assert_eq!(metrics.sum("ringway_cluster_pool_idle_connections", &["cluster=\"origin\""]), 1.0);
        assert_eq!(metrics.sum("ringway_route_duration_seconds_count", &["route=\"all\""]), 10.0);
        assert!(metrics.sum("ringway_route_duration_seconds_sum", &["route=\"all\""]) > 0.0);
        assert!(metrics.sum("ringway_route_sent_bytes_total", &["route=\"all\""]) >= 50.0);
        assert_eq!(metrics.sum("ringway_worker_info", &[]), 2.0);
        assert_eq!(metrics.sum("ringway_worker_info", &[&format!("driver=\"{}\"", io.name())]), 2.0, "the driver asked for runs");
        assert!(metrics.sum("ringway_worker_loops_total", &[]) > 0.0);
        assert_eq!(metrics.sum("ringway_worker_slots_in_use", &[]) as u64 % 1000, metrics.sum("ringway_worker_slots_in_use", &[]) as u64);
        drop(client);
        until("the closed connection to be counted", PATIENCE, || {
            (proxy.metrics().sum("ringway_listener_connections", &["listener=\"web\""]) == 0.0).then_some(())
        });
    }

    fn buckets_of_a_histogram_only_grow(io) {
        let origin = Origin::saying("hello");
        let proxy = Proxy::start(io, &front(&origin, ""));
        for _ in 0..5 {
            get(proxy.web(), "/");
        }
        until("five in the histogram", PATIENCE, || {
            let metrics = proxy.metrics();
            let all = metrics.sum("ringway_route_duration_seconds_bucket", &["route=\"all\"", "le=\"+Inf\""]);
            (all == 5.0 && all == metrics.sum("ringway_route_duration_seconds_count", &["route=\"all\""])).then_some(())
        });
        assert_eq!(proxy.metrics().types.get("ringway_route_duration_seconds").map(String::as_str), Some("histogram"));
    }

    fn faults_are_counted_by_name(io) {
        let origin = Origin::saying("hello");
        let proxy = Proxy::start(io, &front(&origin, ""));
        for _ in 0..3 {
            assert_eq!(Client::connect(proxy.web()).ask("GET / HTTP/1.1\r\nHost : a\r\n\r\n").status, 400);
        }
        until("three faults in the metrics", PATIENCE, || {
            (proxy.metrics().sum("ringway_listener_protocol_errors_total", &["listener=\"web\""]) == 3.0).then_some(())
        });
    }

    fn limits_are_gauges(io) {
        let gate = Gate::new();
        let origin = Origin::holding(&gate, "ok");
        let proxy = Proxy::start(io, &front(&origin, "limits = { requests = 7 }"));
        let mut clients: Vec<Client> = (0..3).map(|_| Client::connect(proxy.web())).collect();
        for client in &mut clients {
            client.send(request("GET", "/", ""));
        }
        gate.await_arrivals(3);
        let metrics = proxy.metrics();
        assert_eq!(metrics.sum("ringway_cluster_limit", &["cluster=\"origin\"", "of=\"requests\""]), 7.0);
        assert_eq!(metrics.sum("ringway_cluster_in_use", &["cluster=\"origin\"", "of=\"requests\""]), 3.0);
        gate.open();
        for client in &mut clients {
            client.answer();
        }
        until("the limit to be free", PATIENCE, || {
            (proxy.metrics().sum("ringway_cluster_in_use", &["cluster=\"origin\"", "of=\"requests\""]) == 0.0).then_some(())
        });
    }

    fn every_metric_is_documented(io) {
        let origin = Origin::saying("hello");
        let proxy = Proxy::start(io, &front(&origin, ""));
        get(proxy.web(), "/");
        get(proxy.web(), "/\u{7f}");
        let document = std::fs::read_to_string(repository().join("core/src/observe/METRICS.md")).expect("METRICS.md is there");
        let metrics: Metrics = proxy.metrics();
        assert!(metrics.types.len() > 20, "{:?}", metrics.types);
        for name in metrics.types.keys() {
            assert!(document.contains(&format!("`{name}`")), "{name} is not in METRICS.md");
        }
    }

    fn promtool_accepts_the_metrics(io) {
        let origin = Origin::saying("hello");
        let proxy = Setup::on(io).start(&front(&origin, ""));
        get(proxy.web(), "/");
        let text = proxy.admin("/metrics").text();
        let child = Command::new("promtool").args(["check", "metrics"]).stdin(Stdio::piped()).stderr(Stdio::piped()).stdout(Stdio::piped()).spawn();
        let Ok(mut child) = child else {
            eprintln!("skipped: promtool is not installed; the own reader of the format accepts it");
            assert!(!Metrics::read(&text).series.is_empty());
            return;
        };
        std::io::Write::write_all(&mut child.stdin.take().expect("asked to be a pipe"), text.as_bytes()).expect("promtool reads");
        let done = child.wait_with_output().expect("promtool ends");
        assert!(done.status.success(), "{}{}", String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
    }
}

fn ringway(arguments: &[&str]) -> (Option<i32>, String) {
    let done = Command::new(binary())
        .args(arguments)
        .output()
        .expect("the binary runs");
    let text =
        String::from_utf8_lossy(&done.stdout).into_owned() + &String::from_utf8_lossy(&done.stderr);
    (done.status.code(), text)
}

#[test]
fn check_reports_all_errors_at_once() {
    let scratch = ringway_tests::Scratch::new();
    let good = scratch.write(
        "good.toml",
        &(web("") + "[[routes]]\nrespond = { status = 204 }\n"),
    );
    let (code, text) = ringway(&["check", &good.display().to_string()]);
    assert_eq!(code, Some(0), "{text}");
    let bad = scratch.write(
        "bad.toml",
        &(web("timeouts = { idle = 5 }")
            + "[[routes]]\nto = \"nowhere\"\n\n[serverr]\nworkers = 1\n"),
    );
    let (code, text) = ringway(&["check", &bad.display().to_string()]);
    assert_eq!(code, Some(1), "{text}");
    for wanted in [
        "bad.toml:3:",
        "needs a unit",
        "nowhere",
        "serverr",
        "did you mean",
        "3 errors",
    ] {
        assert!(text.contains(wanted), "`{wanted}` is not in:\n{text}");
    }
    let (code, text) = ringway(&["check", &scratch.file("missing.toml").display().to_string()]);
    assert_ne!(code, Some(0));
    assert!(text.contains("missing.toml"), "{text}");
}

#[test]
fn the_other_commands_answer() {
    let (code, text) = ringway(&["--version"]);
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("ringway"), "{text}");
    let (code, text) = ringway(&["config", "defaults"]);
    assert_eq!(code, Some(0), "{text}");
    assert!(
        text.contains("first_byte") && text.contains("15s"),
        "{text}"
    );
    let (code, text) = ringway(&["doctor"]);
    assert!(code == Some(0) || code == Some(1), "{text}");
    assert!(text.contains("io_uring"), "{text}");
    let (code, text) = ringway(&["completions", "bash"]);
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("ringway"), "{text}");
    let (code, text) = ringway(&["no-such-command"]);
    assert_ne!(code, Some(0), "{text}");
}
