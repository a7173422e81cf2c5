//! Clusters with `protocol = "auto"`: an endpoint says in its handshake which HTTP it speaks, and is spoken to so.

use super::{World, secure};
use ringway_tests::grpc_web::Web;
use ringway_tests::{Authority, Client, Io, Leaf, Origin, Proxy, Scratch, Setup, both_drivers, ok};
use std::collections::HashSet;

/// A server that knows nothing of ALPN.
fn old_server(authority: &Authority) -> Origin {
    let made = authority.issue(&Leaf::of(&["localhost"]));
    Origin::tls(authority.acceptor(&made, false), |visit| {
        while visit.request().is_some() {
            if !visit.send(ok("one")) {
                return;
            }
        }
    })
}

/// A proxy with one worker before these; `route` is a line of its only route.
fn before(io: Io, authority: &Authority, ports: &[u16], route: &str) -> Proxy {
    let scratch = Scratch::new();
    scratch.write("ca.pem", &authority.pem());
    let endpoints: Vec<String> = ports.iter().map(|p| format!("\"localhost:{p}\"")).collect();
    let text = crate::web("")
        + &format!(
            "[[routes]]\nto = \"servers\"\n{route}\n[clusters.servers]\nendpoints = [{}]\nprotocol = \"auto\"\nbalance = \"round_robin\"\n\
             tls = {{ use = \"ours\" }}\npool = {{ idle = \"1h\" }}\n[tls.ours]\ntrust = [\"ca.pem\"]\n",
            endpoints.join(", ")
        );
    Setup::on(io).workers(1).start_in(scratch, &text)
}

both_drivers! {
    fn an_endpoint_is_spoken_to_as_it_chooses(io) {
        // One that speaks both is a proxy.
        let both = secure("public", "") + "[[routes]]\nrespond = { status = 200, body = \"two\" }\n";
        let (authority, both) = World::new().start(io, &both);
        let old = old_server(&authority);
        let proxy = before(io, &authority, &[old.address().port(), both.web().port()], "");
        let mut client = Client::connect(proxy.web());
        let answers: Vec<String> = (0..8).map(|_| client.get("/").text()).collect();
        let kinds: HashSet<&str> = answers.iter().map(String::as_str).collect();
        assert_eq!(kinds, HashSet::from(["one", "two"]), "{answers:?}");
        let line = both.await_access("of one", |line| line["path"] == "/");
        assert_eq!(line["protocol"], "HTTP/2", "{line}");
        // What it chose is known: one connection of HTTP/2, and of HTTP/1.1 the one by which that was found out, or one behind it.
        assert_eq!(both.metrics().sum("ringway_listener_connections_total", &["listener=\"web\""]), 1.0);
        assert!(old.connections() <= 2, "{}", old.connections());
    }

    fn many_at_once_find_out_together(io) {
        let (authority, both) = World::new().start(io, &(secure("public", "") + "[[routes]]\nrespond = { status = 200, body = \"two\" }\n"));
        let old = old_server(&authority);
        for (port, told) in [(old.address().port(), "one"), (both.web().port(), "two")] {
            let proxy = before(io, &authority, &[port], "");
            let address = proxy.web();
            let asking: Vec<_> = (0..20)
                .map(|_| std::thread::spawn(move || ringway_tests::get(address, "/").text()))
                .collect();
            for asking in asking {
                assert_eq!(asking.join().expect("a client"), told);
            }
        }
        assert_eq!(both.metrics().sum("ringway_listener_connections_total", &["listener=\"web\""]), 1.0);
    }

    fn a_call_of_grpc_web_is_translated_for_who_can_speak_grpc(io) {
        let both = secure("public", "") + "[[routes]]\nmatch = { grpc = \"*\" }\nrespond = { status = 404, body = \"two\" }\n";
        let (authority, both) = World::new().start(io, &both);
        let old = old_server(&authority);
        for web in Web::ALL {
            let [to_both, to_old] = [both.web().port(), old.address().port()].map(|port| {
                let proxy = before(io, &authority, &[port], "grpc_web = true");
                web.call(proxy.web(), "/S/M", &[], &[b"x"])
            });
            assert_eq!((to_both.field("content-type"), to_both.field("grpc-message")), (Some(web.content_type()), Some("two")), "{web:?}");
            assert_eq!(to_old.texts(), ["one"], "{web:?}");
            let asked = old.last();
            assert_eq!((asked.head.get("content-type"), &asked.body), (Some(web.content_type()), &web.write(b"x")));
        }
    }
}
