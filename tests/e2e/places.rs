//! Places within a cluster's limits come back, and idle connections do not keep them from others. That limits are exact
//! is in `limits.rs`.

use crate::{request, web};
use ringway_tests::{
    Client, Load, LoadPlan, Origin, PATIENCE, Proxy, Setup, both_drivers, front, get, ok, until,
};
use std::time::Duration;

both_drivers! {
    fn a_client_that_resets_its_upload_gives_its_place_back(io) {
        let gate = ringway_tests::Gate::new();
        let theirs = gate.clone();
        let origin = Origin::start(move |visit| {
            visit.wire.socket().small_receive_buffer(16 * 1024);
            while let Some(mut asked) = visit.head() {
                if asked.target == "/unread" {
                    theirs.wait();
                    return;
                }
                if !visit.body(&mut asked) || !visit.send(ok("ok")) {
                    return;
                }
            }
        });
        let proxy = Proxy::start(io, &front(&origin, "limits = { requests = 1, queue = 0 }"));
        let mut client = Client::connect(proxy.web());
        client.send(request("PUT", "/unread", "Content-Length: 1073741824\r\n"));
        gate.await_arrivals(1);
        // Until nobody takes any more.
        client.wire.set_timeout(Duration::from_millis(300));
        let block = vec![b'x'; 64 * 1024];
        while client.try_send(&block).is_ok() {}
        assert_eq!(get(proxy.web(), "/full").status, 503, "the only place is taken");
        client.reset();
        until("the place to be free", Duration::from_secs(3), || (get(proxy.web(), "/next").status == 200).then_some(()));
        let line = proxy.await_access("of the client that left", |line| line["path"] == "/unread");
        assert_eq!(line["flag"], "DC", "{line}");
        gate.open();
    }

    fn an_idle_connection_does_not_keep_the_only_place(io) {
        let (one, two) = (Origin::saying("ok"), Origin::saying("ok"));
        let text = web("") + &format!(
            "[[routes]]\nto = \"both\"\n[clusters.both]\nbalance = \"round_robin\"\nendpoints = [\"{}\", \"{}\"]\n\
             limits = {{ connections = 1, queue = 0 }}\n", one.address(), two.address()
        );
        let proxy = Proxy::start(io, &text);
        let mut client = Client::connect(proxy.web());
        for n in 0..20 {
            assert_eq!(client.get(&format!("/{n}")).status, 200, "request {n} of a single client");
        }
        assert!(one.asked().len() >= 5 && two.asked().len() >= 5, "both take their turns");
    }

    fn at_the_limit_connections_are_handed_on(io) {
        let origin = Origin::saying("ok");
        let proxy = Setup::on(io).workers(1).start(&front(&origin, "limits = { connections = 2 }"));
        let plan = LoadPlan { address: proxy.web(), connections: 8, target: "/".into(), patience: PATIENCE };
        let load = Load::start(&plan);
        until("hundreds of requests", PATIENCE, || (load.good() > 400).then_some(()));
        let report = load.stop();
        assert!(report.failures.is_empty() && report.answers.keys().all(|status| *status == 200), "{report:?}");
        assert!(origin.connections() <= 8, "{} connections for {:?}", origin.connections(), report.answers);
    }
}
