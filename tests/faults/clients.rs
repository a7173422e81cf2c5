//! Clients that break off, in every state of an exchange: nothing of them may stay behind, and nobody else may notice.

use ringway_tests::{Client, Load, LoadPlan, Origin, PATIENCE, Proxy, both_drivers, front, until};

/// A client that sends this much of a request and goes.
const BEGINNINGS: [&str; 8] = [
    "",
    "G",
    "GET / HTTP/1.1\r\nHost: te",
    "GET / HTTP/1.1\r\nHost: test\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: test\r\n\r\nGET / HTTP/1.1\r\nHost: test\r\n\r\nGET /",
    "POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 100\r\n\r\nhello",
    "POST / HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel",
    "GET /long HTTP/1.1\r\nHost: test\r\n\r\n",
];

both_drivers! {
    fn clients_that_break_off_leave_nothing_behind(io) {
        let origin = Origin::answering(|asked| match asked.target.as_str() {
            "/long" => ringway_tests::ok(&"x".repeat(1 << 20)),
            _ => ringway_tests::ok("ok"),
        });
        let proxy = Proxy::start(io, &front(&origin, "pool = { idle = \"200ms\" }"));
        let plan = LoadPlan { address: proxy.web(), connections: 2, target: "/".into(), patience: PATIENCE };
        let load = Load::start(&plan);
        for round in 0..100 {
            for beginning in BEGINNINGS {
                let mut client = Client::connect(proxy.web());
                let _ = client.try_send(beginning);
                match round % 3 {
                    0 => client.reset(),
                    1 => client.half_close(),
                    _ => drop(client),
                }
            }
        }
        let report = load.stop();
        assert_eq!(report.bad(), 0, "others do not notice: {report:?}");
        let clean = |metrics: &ringway_tests::Metrics| {
            metrics.sum("ringway_listener_connections", &["listener=\"web\""]) == 0.0
                && metrics.sum("ringway_worker_buffers_in_use", &[]) == 0.0
                && metrics.sum("ringway_cluster_connections", &["cluster=\"origin\""]) == 0.0
                && metrics.sum("ringway_cluster_in_use", &["cluster=\"origin\""]) == 0.0
                // A listener on each of two workers, and what a driver needs for itself.
                && metrics.sum("ringway_worker_slots_in_use", &[]) <= 8.0
        };
        until("nothing to be left of them (see /metrics)", PATIENCE, || clean(&proxy.metrics()).then_some(()));
    }

    fn a_flood_of_connections_is_survived(io) {
        let origin = Origin::saying("ok");
        let proxy = Proxy::start(io, &front(&origin, ""));
        for _ in 0..5 {
            let clients: Vec<Client> = (0..400).filter_map(|_| Client::try_connect(proxy.web()).ok()).collect();
            assert!(clients.len() > 300);
            drop(clients);
        }
        assert_eq!(ringway_tests::get(proxy.web(), "/").status, 200);
        until("the flood to be gone", PATIENCE, || {
            (proxy.metrics().sum("ringway_listener_connections", &["listener=\"web\""]) == 0.0).then_some(())
        });
    }
}
