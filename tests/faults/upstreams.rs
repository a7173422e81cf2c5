//! Origins that are killed, stopped and restarted under load.

use crate::OriginProcess;
use ringway_tests::{Io, Load, LoadPlan, LoadReport, PATIENCE, Proxy, both_drivers, get, until};
use std::time::Duration;

const FIRST_BYTE: Duration = Duration::from_millis(800);
const CONNECT: Duration = Duration::from_millis(500);

fn text(origins: &[&OriginProcess]) -> String {
    let endpoints: Vec<String> = origins
        .iter()
        .map(|origin| format!("\"{}\"", origin.address))
        .collect();
    format!(
        "[listeners.web]\nbind = \"127.0.0.1:0\"\n\n[[routes]]\nname = \"all\"\nto = \"origin\"\n\
         timeouts = {{ connect = \"{}ms\", first_byte = \"{}ms\" }}\n\n[clusters.origin]\nendpoints = [{}]\n",
        CONNECT.as_millis(),
        FIRST_BYTE.as_millis(),
        endpoints.join(", ")
    )
}

fn load(proxy: &Proxy) -> Load {
    let plan = LoadPlan {
        address: proxy.web(),
        connections: 4,
        target: "/".into(),
        patience: PATIENCE,
    };
    let load = Load::start(&plan);
    until("the load to run", PATIENCE, || {
        (load.good() > 300).then_some(())
    });
    load
}

fn await_more(load: &Load) {
    let before = load.good();
    until("service to return", PATIENCE, || {
        (load.good() > before + 300).then_some(())
    });
}

/// Every request was answered, in time, and with one of these.
fn only(report: &LoadReport, statuses: &[u16]) {
    assert!(
        report.failures.is_empty(),
        "a request without an answer: {report:?}"
    );
    assert!(
        report
            .answers
            .keys()
            .all(|status| statuses.contains(status)),
        "{report:?}"
    );
    // Two attempts at most, and a second for a machine that has other things to do.
    let limit = (FIRST_BYTE + CONNECT) * 2 + Duration::from_secs(2);
    assert!(
        report.slowest < limit,
        "something hung past its time: {report:?}"
    );
}

fn killed(io: Io) {
    let mut origin = OriginProcess::start("hello");
    let proxy = Proxy::start(io, &text(&[&origin]));
    let running = load(&proxy);
    for _ in 0..3 {
        origin.kill();
        until("the failure to be told", PATIENCE, || {
            (get(proxy.web(), "/").status == 503).then_some(())
        });
        origin.restart();
        await_more(&running);
    }
    // 502 for what was in flight, 503 while nobody listens.
    only(&running.stop(), &[200, 502, 503]);
}

fn stopped(io: Io) {
    let origin = OriginProcess::start("hello");
    let proxy = Proxy::start(io, &text(&[&origin]));
    let running = load(&proxy);
    origin.signal("STOP");
    // The kernel still takes connections in on its behalf: it is reached, and says nothing.
    until("the time-out to be told", PATIENCE, || {
        (get(proxy.web(), "/").status == 504).then_some(())
    });
    origin.signal("CONT");
    await_more(&running);
    only(&running.stop(), &[200, 502, 503, 504]);
}

fn one_of_two_killed(io: Io) {
    let (mut one, two) = (OriginProcess::start("one"), OriginProcess::start("two"));
    let proxy = Proxy::start(io, &text(&[&one, &two]));
    let running = load(&proxy);
    one.kill();
    await_more(&running);
    for _ in 0..50 {
        let answer = get(proxy.web(), "/");
        assert_eq!(
            (answer.status, answer.text().as_str()),
            (200, "two"),
            "the other one serves"
        );
    }
    one.restart();
    until("the restarted one to serve again", PATIENCE, || {
        (get(proxy.web(), "/").text() == "one").then_some(())
    });
    let report = running.stop();
    only(&report, &[200, 502, 503]);
    // At most what was in flight when it died, twice over.
    assert!(report.bad() <= 16, "{report:?}");
}

both_drivers! {
    fn an_origin_that_is_killed_and_restarted(io) {
        killed(io);
    }

    fn an_origin_that_is_stopped_and_continued(io) {
        stopped(io);
    }

    fn one_of_two_origins_is_killed(io) {
        one_of_two_killed(io);
    }
}
