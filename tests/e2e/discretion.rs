//! What is said to whom: the operator's log names the upstream, the client's answer does not; and what a route adds goes
//! where it was meant to go.

use crate::{request, web};
use ringway_tests::{
    Client, Gate, Metrics, Origin, PATIENCE, Proxy, Scratch, both_drivers, front, get, ok, until,
};
use std::net::SocketAddr;

/// Nothing of the cluster `depot` and its endpoint is in the answer; both the address and more are in the log.
fn is_discreet(proxy: &Proxy, path: &str, status: u16, address: SocketAddr) {
    let answer = get(proxy.web(), path);
    assert_eq!(answer.status, status, "{path}");
    let said = ringway_tests::latin1(&answer.head.raw) + &answer.text();
    for secret in [&address.to_string(), &address.port().to_string(), "depot"] {
        // A port's digits may stand in an identity by chance.
        let text = said.replace(answer.field("x-request-id").unwrap_or("-"), "");
        assert!(!text.contains(secret), "{path}: `{secret}` in {text}");
    }
    let line = proxy.await_access(path, |line| line["path"] == path);
    let reason = line["reason"].as_str().unwrap_or_default();
    assert!(reason.contains(&address.to_string()), "{line}");
}

fn to(cluster: &str, address: SocketAddr, more: &str) -> String {
    format!(
        "[[routes]]\nmatch = {{ path = \"/{cluster}\" }}\nto = \"depot-{cluster}\"\ntimeouts = {{ first_byte = \"200ms\" }}\n\
         [clusters.depot-{cluster}]\nendpoints = [\"{address}\"]\n{more}\n"
    )
}

fn applied(metrics: &Metrics) -> f64 {
    metrics.sum("ringway_config_reloads_total", &["result=\"applied\""])
}

both_drivers! {
    fn the_client_is_not_told_what_stands_behind(io) {
        let closes = Origin::start(|visit| {
            visit.request();
        });
        let mute = Origin::start(|visit| {
            visit.request();
            visit.until_closed();
        });
        let nonsense = Origin::start(|visit| {
            visit.request();
            visit.send("HTTP/9.9 nonsense\r\n\r\n");
            visit.until_closed();
        });
        let mut gone = Origin::saying("gone");
        gone.stop_listening();
        let text = web("") + &to("closes", closes.address(), "") + &to("mute", mute.address(), "")
            + &to("nonsense", nonsense.address(), "") + &to("gone", gone.address(), "");
        let proxy = Proxy::start(io, &text);
        is_discreet(&proxy, "/closes", 502, closes.address());
        is_discreet(&proxy, "/nonsense", 502, nonsense.address());
        is_discreet(&proxy, "/gone", 503, gone.address());
        is_discreet(&proxy, "/mute", 504, mute.address());
    }

    fn the_client_is_not_told_which_limit_was_full(io) {
        let gate = Gate::new();
        let origin = Origin::holding(&gate, "ok");
        let text = web("") + "[[routes]]\nto = \"depot\"\n" + &format!(
            "[clusters.depot]\nendpoints = [\"{}\"]\nlimits = {{ requests = 1, queue = 0 }}\n", origin.address()
        );
        let proxy = Proxy::start(io, &text);
        let mut first = Client::connect(proxy.web());
        first.send(request("GET", "/first", ""));
        gate.await_arrivals(1);
        let answer = get(proxy.web(), "/full");
        assert_eq!(answer.status, 503);
        assert!(!answer.text().contains("depot"), "{}", answer.text());
        let line = proxy.await_access("of the overflow", |line| line["path"] == "/full");
        assert!(line["reason"].as_str().is_some_and(|reason| reason.contains("depot")), "{line}");
        gate.open();
        assert_eq!(first.answer().status, 200);
    }

    fn fields_for_the_answer_are_not_on_interim_ones(io) {
        let origin = Origin::start(|visit| {
            visit.request();
            visit.send("HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n");
            visit.send(ok("final"));
            visit.until_closed();
        });
        let text = front(&origin, "").replace(
            "to = \"origin\"",
            "to = \"origin\"\nresponse_headers = { add = { x-added = \"1\" }, set = { x-set = \"2\" } }",
        );
        let proxy = Proxy::start(io, &text);
        let answer = get(proxy.web(), "/");
        assert_eq!((answer.field("x-added"), answer.field("x-set")), (Some("1"), Some("2")));
        let (status, hints) = &answer.interim[0];
        assert_eq!(*status, 103);
        assert!(hints.has("link") && !hints.has("x-added") && !hints.has("x-set"), "{:?}", hints.fields);
    }

    fn a_configured_503_is_what_was_configured(io) {
        let text = web("") + "[[routes]]\nrespond = { status = 503, body = \"closed on Sundays\" }\n";
        let proxy = Proxy::start(io, &text);
        let answer = get(proxy.web(), "/");
        assert_eq!((answer.status, answer.text().as_str()), (503, "closed on Sundays"));
        assert_eq!(answer.field("retry-after"), None, "nobody said that it is over soon");
    }

    fn a_path_is_no_host(io) {
        let scratch = Scratch::new();
        let path = scratch.file("origin.sock");
        let origin = Origin::at_path(&path, |mut visit| {
            while visit.request().is_some() {
                visit.send(ok("ok"));
            }
        });
        let text = web("") + &format!(
            "[[routes]]\nto = \"local\"\n[clusters.local]\nendpoints = [\"unix:{}\"]\nhost = \"upstream\"\n", path.display()
        );
        let proxy = Proxy::start(io, &text);
        assert_eq!(get(proxy.web(), "/").status, 200);
        assert_eq!(origin.last().field("host"), Some("test"));
    }

    fn the_start_is_no_reload(io) {
        let origin = Origin::saying("ok");
        let proxy = Proxy::start(io, &front(&origin, ""));
        assert_eq!(applied(&proxy.metrics()), 0.0);
        proxy.reload(&front(&origin, "pool = { idle = \"1s\" }"));
        assert_eq!(applied(&proxy.metrics()), 1.0);
    }

    fn idle_ends_and_refused_paths_are_counted(io) {
        let origin = Origin::saying("ok");
        let text = front(&origin, "").replace("bind = \"127.0.0.1:0\"", "bind = \"127.0.0.1:0\"\ntimeouts = { idle = \"200ms\" }");
        let proxy = Proxy::start(io, &text);
        let figure = |name: &str, label: &str| proxy.metrics().sum(name, &["listener=\"web\"", label]);
        let idle = || figure("ringway_listener_timeouts_total", "kind=\"idle\"");
        let paths = || figure("ringway_listener_protocol_errors_total", "error=\"path\"");
        assert_eq!((idle(), paths()), (0.0, 0.0));
        let mut client = Client::connect(proxy.web());
        assert_eq!(client.get("/").status, 200);
        client.expect_closed();
        until("the idle connection to be counted", PATIENCE, || (idle() == 1.0).then_some(()));
        assert_eq!(paths(), 0.0);
        for path in ["/a%2fb", "/a%5Cb"] {
            assert_eq!(get(proxy.web(), path).status, 400);
        }
        until("the refused paths to be counted", PATIENCE, || (paths() == 2.0).then_some(()));
    }
}
