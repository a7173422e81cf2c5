//! A proxy per host: the host forwards between the namespaces of its services, and one proxy serves all of them.

use crate::intercepted;
use crate::namespace::{Namespace, can_run};
use crate::service::{Service, ask, talk};
use ringway_tests::{Io, Proxy, Setup, both_drivers};

struct Host {
    own: Namespace,
    services: [Namespace; 2],
}

impl Host {
    fn new() -> Host {
        let own = Namespace::new("host");
        let services = [Namespace::new("a"), Namespace::new("b")];
        for (network, service) in [(1, &services[0]), (2, &services[1])] {
            own.cable(&format!("veth{network}"), service, "eth0", network);
            service.gateway(network);
        }
        own.forwards();
        Host { own, services }
    }

    fn proxy(&self, io: Io, way: &str) -> Proxy {
        let source = if way == "tproxy" { "client" } else { "own" };
        let text = format!(
            "[listeners.out]\nbind = \":15001\"\nintercept = \"{way}\"\n\
             [listeners.out-bytes]\nbind = \":15002\"\nintercept = \"{way}\"\ntcp = \"as-meant\"\n\
             [[routes]]\nto = \"as-meant\"\n\
             [clusters.as-meant]\nendpoints = \"original\"\nsource = \"{source}\"\n"
        );
        let setup = Setup::on(io)
            .server("name = \"host\"")
            .through(self.own.words());
        setup.start(&text)
    }
}

fn one_proxy(io: Io, way: &str, whose: &str) {
    if !can_run() {
        return;
    }
    let host = Host::new();
    let [a, b] = &host.services;
    let _services = [
        Service::http(a, 8080),
        Service::http(b, 8080),
        Service::lines(b, 7000),
    ];
    let proxy = host.proxy(io, way);
    let line = format!("apply host --way {way} {whose} --outbound 15001 --outbound 7000=15002");
    intercepted(&host.own, &line);
    for (from, client, seen, to) in [
        (a, "10.77.1.2", "10.77.2.1", "10.77.2.2"),
        (a, "fd77:1::2", "fd77:2::1", "[fd77:2::2]"),
        (b, "10.77.2.2", "10.77.1.1", "10.77.1.2"),
        (b, "fd77:2::2", "fd77:1::1", "[fd77:1::2]"),
    ] {
        // The proxy's own address, or the client's where that is kept.
        let seen = if way == "tproxy" { client } else { seen };
        let answer = ask(from, &format!("{to}:8080"), "shop");
        assert_eq!(
            answer.text(),
            format!("client {seen}, host shop, via 1.1 host")
        );
        let destination = format!("{to}:8080");
        let line = proxy.await_access("of a request", |line| {
            line["client"] == client && line["destination"] == destination.as_str()
        });
        assert_eq!(line["endpoint"], destination.as_str(), "{line}");
        if from.words() == a.words() {
            assert_eq!(talk(from, &format!("{to}:7000")), format!("client {seen}"));
        }
    }
    // The host's own traffic is not meant.
    assert!(
        ask(&host.own, "10.77.1.2:8080", "shop")
            .text()
            .ends_with("via ")
    );
}

both_drivers! {
    fn one_proxy_by_redirect(io) {
        one_proxy(io, "redirect", "--interface veth*");
    }

    fn one_proxy_by_tproxy(io) {
        one_proxy(io, "tproxy", "--source 10.77.0.0/16 --source fd77::/16");
    }
}

#[test]
fn one_proxy_by_iptables() {
    one_proxy(
        Io::Uring,
        "redirect",
        "--interface veth1 --interface veth2 --with iptables",
    );
    one_proxy(Io::Epoll, "tproxy", "--interface veth* --with iptables");
}
