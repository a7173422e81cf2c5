//! A proxy per service: two namespaces with a cable between them, a sidecar in each.

use crate::namespace::{Namespace, can_run};
use crate::service::{Service, ask, connect, talk};
use crate::{intercept, intercepted};
use ringway_tests::{Client, End, Io, PATIENCE, Proxy, Setup, both_drivers, until};

/// HTTP goes by host to what is called `special`, else where it was going; port 7000 is no HTTP.
fn configuration(way: &str) -> String {
    let source = if way == "tproxy" { "client" } else { "own" };
    let to = if way == "tproxy" {
        "original"
    } else {
        "original:localhost"
    };
    format!(
        "[listeners.out]\nbind = \":15001\"\nintercept = \"{way}\"\n\
         [listeners.out-bytes]\nbind = \":15002\"\nintercept = \"{way}\"\ntcp = \"as-meant\"\n\
         [listeners.in]\nbind = \":15006\"\nintercept = \"{way}\"\nto = \"here\"\n\
         [listeners.in-bytes]\nbind = \":15007\"\nintercept = \"{way}\"\ntcp = \"here\"\n\
         [[routes]]\nmatch = {{ host = \"special\" }}\nrespond = {{ status = 200, body = \"routed by host\" }}\n\
         [[routes]]\nto = \"as-meant\"\n\
         [clusters.as-meant]\nendpoints = \"original\"\n\
         [clusters.here]\nendpoints = \"{to}\"\nsource = \"{source}\"\n"
    )
}

fn sidecar(io: Io, inside: &Namespace, name: &str, way: &str, with: &str) -> Proxy {
    let setup = Setup::on(io)
        .server(&format!("name = \"{name}\""))
        .through(inside.words());
    let proxy = setup.start(&configuration(way));
    let line = format!(
        "apply sidecar --way {way} --with {with} --outbound 15001 --outbound 7000=15002 --inbound 15006 --inbound 7000=15007"
    );
    intercepted(inside, &line);
    proxy
}

/// Service A talks to service B by HTTP and otherwise, over IPv4 and IPv6, and both sidecars see it.
fn two_services(io: Io, way: &str, with: &str) {
    if !can_run() {
        return;
    }
    let (a, b) = (Namespace::new("a"), Namespace::new("b"));
    a.cable("eth0", &b, "eth0", 1);
    let _web = Service::http(&b, 8080);
    let _lines = Service::lines(&b, 7000);
    let from_a = sidecar(io, &a, "side-a", way, with);
    let at_b = sidecar(io, &b, "side-b", way, with);
    for (client, service) in [("10.77.1.1", "10.77.1.2"), ("fd77:1::1", "[fd77:1::2]")] {
        let to = format!("{service}:8080");
        let answer = ask(&a, &to, "shop");
        if answer.status != 200 {
            let why = |line: &serde_json::Value| line["status"] != 200;
            panic!("{to}: {}", from_a.await_access("of side-a", why));
        }
        let taken_for = match way {
            "tproxy" => client,
            _ if client.contains(':') => "::1",
            _ => "127.0.0.1",
        };
        let expected = format!("client {taken_for}, host shop, via 1.1 side-a, 1.1 side-b");
        assert_eq!(answer.text(), expected, "{to}");
        let routed = ask(&a, &to, "special");
        assert_eq!(routed.text(), "routed by host");
        let lines = format!("{service}:7000");
        assert_eq!(talk(&a, &lines), format!("client {taken_for}"));
        for (proxy, listener, destination) in [
            (&from_a, "out", &to),
            (&from_a, "out-bytes", &lines),
            (&at_b, "in", &to),
            (&at_b, "in-bytes", &lines),
        ] {
            let line = proxy.await_access(listener, |line| {
                line["listener"] == listener && line["destination"] == destination.as_str()
            });
            assert_eq!(line["client"], client, "{line}");
            assert_eq!(line["flag"], "-", "{line}");
            if proxy.id() == from_a.id() && line["cluster"] == "as-meant" {
                assert_eq!(line["endpoint"], destination.as_str(), "{line}");
            }
        }
    }
}

both_drivers! {
    fn two_sidecars_by_redirect(io) {
        two_services(io, "redirect", "nft");
    }

    fn two_sidecars_by_tproxy(io) {
        two_services(io, "tproxy", "nft");
    }

    /// One port for all: what begins as HTTP does goes by its routes, the rest by where it was going.
    fn one_port_takes_every_protocol(io) {
        if !can_run() {
            return;
        }
        let (a, b) = (Namespace::new("a"), Namespace::new("b"));
        a.cable("eth0", &b, "eth0", 1);
        let _web = Service::http(&b, 8080);
        let _lines = [Service::lines(&b, 7000), Service::lines(&b, 7001)];
        let proxy = Setup::on(io).server("name = \"side-a\"").through(a.words()).start(
            "[listeners.out]\nbind = \":15001\"\nintercept = \"redirect\"\ndetect = true\nto = \"as-meant\"\n\
             timeouts = { detect = \"200ms\" }\n\
             tcp = [{ destination = \"10.77.1.0/24:7001\", to = [\"10.77.1.2:7000\"] }, { to = \"as-meant\" }]\n\
             [clusters.as-meant]\nendpoints = \"original\"\n",
        );
        intercepted(&a, "apply sidecar --no-inbound");
        let answer = ask(&a, "10.77.1.2:8080", "shop");
        assert_eq!(answer.text(), "client 10.77.1.1, host shop, via 1.1 side-a");
        for (to, endpoint) in [("10.77.1.2:7000", "10.77.1.2:7000"), ("10.77.1.2:7001", "10.77.1.2:7000"), ("[fd77:1::2]:7001", "[fd77:1::2]:7001")] {
            talk(&a, to);
            let line = proxy.await_access(to, |line| line["destination"] == to);
            assert_eq!(line["endpoint"], endpoint, "{line}");
        }
    }

    /// The same limits and pools as for any cluster: a second request of a client finds its connection, another client's does not.
    fn original_destinations_have_connections_of_their_own(io) {
        if !can_run() {
            return;
        }
        let (a, b) = (Namespace::new("a"), Namespace::new("b"));
        a.cable("eth0", &b, "eth0", 1);
        let _services = [Service::http(&b, 8080), Service::http(&b, 8081)];
        let proxy = sidecar(io, &a, "side-a", "redirect", "nft");
        let request = "GET / HTTP/1.1\r\nHost: shop\r\n\r\n";
        let mut first = connect(&a, "10.77.1.2:8080");
        let mut second = connect(&a, "10.77.1.2:8081");
        for _ in 0..2 {
            assert_eq!(first.ask(request).status, 200);
            assert_eq!(second.ask(request).status, 200);
        }
        for (destination, reused) in [("10.77.1.2:8080", true), ("10.77.1.2:8081", true), ("10.77.1.2:8080", false), ("10.77.1.2:8081", false)] {
            let line = proxy.await_access("of a request", |line| {
                line["destination"] == destination && line["reused"] == reused
            });
            assert_eq!(line["endpoint"], destination, "{line}");
        }
    }

    /// Straight to a listener that intercepts, or by way of the rules to one of ours: both would go round for ever.
    fn what_was_going_to_us_is_refused(io) {
        if !can_run() {
            return;
        }
        let (a, b) = (Namespace::new("a"), Namespace::new("b"));
        a.cable("eth0", &b, "eth0", 1);
        let proxy = sidecar(io, &b, "side-b", "redirect", "nft");
        for (inside, to, listener) in [(&b, "127.0.0.1:15001", "out"), (&b, "[::1]:15002", "out-bytes"), (&a, "10.77.1.2:15001", "in")] {
            // The reset may be quicker than the client.
            let connected = inside.enter(|| Client::try_connect(to.parse().expect("an address")));
            if let Ok(mut client) = connected {
                assert!(matches!(client.end(), End::Reset(_)), "{to}");
            }
            let line = proxy.await_access("of a loop", |line| line["listener"] == listener && line["flag"] == "LOOP");
            assert_eq!(line["destination"], to, "{line}");
            until("the loop in the counters", PATIENCE, || {
                let loops = proxy.metrics().sum("ringway_listener_loops_total", &[&format!("listener=\"{listener}\"")]);
                (loops == 1.0).then_some(())
            });
        }
    }
}

#[test]
fn two_sidecars_by_iptables() {
    two_services(Io::Uring, "redirect", "iptables");
    two_services(Io::Epoll, "tproxy", "iptables");
}

/// Without CAP_NET_ADMIN the proxy cannot mark its connections, and says so; its user is exempt instead.
#[test]
fn a_proxy_without_privilege_is_exempt_by_its_user() {
    if !can_run() {
        return;
    }
    let (a, b) = (Namespace::new("a"), Namespace::new("b"));
    a.cable("eth0", &b, "eth0", 1);
    let _web = Service::http(&b, 8080);
    let mut words = a.words();
    words.extend(
        [
            "setpriv",
            "--bounding-set=-net_admin,-net_raw",
            "--inh-caps=-net_admin,-net_raw",
        ]
        .map(str::to_owned),
    );
    let proxy = Setup::on(Io::Epoll)
        .server("name = \"side-a\"")
        .through(words.clone())
        .start(&configuration("redirect").replace("source = \"client\"", ""));
    proxy.await_log(0, "carry no mark");
    intercepted(&a, "apply sidecar --outbound 15001 --no-inbound --uid root");
    // This test's own user is exempt.
    assert!(ask(&a, "10.77.1.2:8080", "shop").text().ends_with("via "));
    // Another one is not, and the proxy's own connection is.
    let mut curl = a.words();
    let line = "setpriv --reuid=12345 --regid=12345 --clear-groups curl -s --max-time 10 http://10.77.1.2:8080/";
    curl.extend(line.split_whitespace().map(str::to_owned));
    let done = std::process::Command::new(&curl[0])
        .args(&curl[1..])
        .output()
        .expect("ip runs");
    let said = String::from_utf8_lossy(&done.stdout).into_owned();
    if done.status.code() == Some(127) {
        eprintln!("skipped in part: `curl` or `setpriv` is not installed");
        return;
    }
    assert!(
        said.ends_with("via 1.1 side-a"),
        "{said} {}",
        String::from_utf8_lossy(&done.stderr)
    );

    // What needs the privilege is refused with the reason.
    let refused = proxy.reload_refused(&configuration("tproxy"));
    let text = refused.join("\n");
    assert!(
        text.contains("intercept = \\\"tproxy\\\" needs CAP_NET_ADMIN")
            || text.contains("intercept = \"tproxy\" needs CAP_NET_ADMIN"),
        "{text}"
    );
}

/// What is missing is said, not left to the kernel's words alone.
#[test]
fn rules_need_privilege() {
    if !can_run() {
        return;
    }
    let a = Namespace::new("a");
    let done = intercept(&a, "apply host");
    assert_eq!(done.status.code(), Some(2), "{done:?}");
    let said = String::from_utf8_lossy(&done.stderr).into_owned();
    assert!(said.contains("whose connections?"), "{said}");
}
