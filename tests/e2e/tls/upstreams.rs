//! Upstreams by TLS: who is believed, what is said where nobody is, and which connections serve whom.

use super::World;
use ringway_tests::{Authority, Client, Leaf, Origin, Proxy, Visit, both_drivers, get, ok};

const ID: &str = "spiffe://example.org/origin";

/// Answers with a count of its connection's requests.
fn counting(visit: &mut Visit) {
    let mut count = 0;
    while visit.request().is_some() {
        count += 1;
        if !visit.send(ok(&count.to_string())) {
            return;
        }
    }
}

fn origin(authority: &Authority, leaf: &Leaf) -> Origin {
    let made = authority.issue(leaf);
    Origin::tls(authority.acceptor(&made, false), counting)
}

/// A proxy whose cluster has this `tls`, and another one that trusts the test's authority.
fn to(origin: &Origin, tls: &str) -> String {
    let port = origin.address().port();
    crate::web("")
        + &format!(
            "[[routes]]\nto = \"origin\"\n[clusters.origin]\nendpoints = [\"localhost:{port}\"]\ntls = {tls}\npool = {{ idle = \"1h\" }}\n\
             [tls.ours]\ntrust = [\"ca.pem\"]\n[tls.listed]\ntrust = [\"ca.pem\"]\ncrl = [\"ca.crl\"]\n"
        )
}

/// 503, and the reason in the log.
fn refused(proxy: &Proxy, reason: &str) {
    let answer = get(proxy.web(), "/refused");
    assert_eq!(answer.status, 503, "{}", answer.text());
    assert!(
        !answer.text().contains("TLS"),
        "what is behind us is not for strangers: {}",
        answer.text()
    );
    let line = proxy.await_access("of the refusal", |line| line["path"] == "/refused");
    assert_eq!(line["flag"], "UF", "{line}");
    let said = line["reason"].as_str().unwrap_or_default();
    assert!(said.contains(reason), "`{reason}` is not in `{said}`");
}

both_drivers! {
    fn a_verified_endpoint_is_spoken_to_and_kept(io) {
        let world = World::new();
        let origin = origin(&world.authority, &Leaf::of(&["localhost"]));
        let (_, proxy) = world.start(io, &to(&origin, "{ use = \"ours\" }"));
        let mut client = Client::connect(proxy.web());
        assert_eq!((client.get("/").text(), client.get("/").text()), ("1".into(), "2".into()));
        assert_eq!(origin.connections(), 1);
        let full = proxy.metrics().sum("ringway_cluster_tls_handshakes_total", &["cluster=\"origin\"", "result=\"full\""]);
        assert_eq!(full, 1.0);
    }

    fn bad_certificates_are_refused_with_a_reason(io) {
        let by_name = "{ use = \"ours\" }";
        let by_id = &format!("{{ use = \"ours\", identity = \"{ID}\" }}");
        let good = Leaf::of(&["localhost"]);
        for (what, leaf, tls, reason) in [
            ("expired", good.clone().valid(-400, 100), by_name, "the peer's certificate expired on"),
            ("not yet valid", good.clone().valid(3, 100), by_name, "the peer's certificate is not valid before"),
            ("wrong name", Leaf::of(&["elsewhere.test"]), by_name, "the peer's certificate is not for `localhost`"),
            ("wrong usage", good.clone().only_client(), by_name, "the peer's certificate may not be used by a server"),
            ("wrong id", Leaf::of(&["localhost", "spiffe://example.org/other"]), by_id, "the peer is `spiffe://example.org/other`"),
            ("no id", Leaf::of(&["localhost"]), by_id, "the peer is `"),
        ] {
            let world = World::new();
            let origin = origin(&world.authority, &leaf);
            let (_, proxy) = world.start(io, &to(&origin, tls));
            eprintln!("{what}");
            refused(&proxy, reason);
        }
    }

    fn strangers_and_the_revoked_are_refused(io) {
        let world = World::new();
        let stranger = Authority::new("stranger");
        let unknown = origin(&stranger, &Leaf::of(&["localhost"]));
        let (_, proxy) = world.start(io, &to(&unknown, "{ use = \"ours\" }"));
        refused(&proxy, "was not issued by an authority that is trusted here");
        drop(proxy);

        let world = World::new();
        let made = world.authority.issue(&Leaf::of(&["localhost"]));
        world.scratch.write("ca.crl", &world.authority.revocations(&[&made]));
        let revoked = Origin::tls(world.authority.acceptor(&made, false), counting);
        let (_, proxy) = world.start(io, &to(&revoked, "{ use = \"listed\" }"));
        refused(&proxy, "the peer's certificate is revoked");
    }

    fn an_identity_stands_for_a_name_and_a_name_can_be_given(io) {
        for (leaf, tls) in [
            (Leaf::of(&[ID]), format!("{{ use = \"ours\", identity = \"{ID}\" }}")),
            (Leaf::of(&[ID]), "{ use = \"ours\", identity = \"spiffe://example.org/*\" }".into()),
            (Leaf::of(&["orders.internal"]), "{ use = \"ours\", name = \"orders.internal\" }".into()),
            (Leaf::of(&["anything"]).valid(-400, 100), "{ insecure = true }".into()),
        ] {
            let world = World::new();
            let origin = origin(&world.authority, &leaf);
            let (_, proxy) = world.start(io, &to(&origin, &tls));
            assert_eq!(get(proxy.web(), "/").text(), "1", "{tls}");
            if tls.contains("insecure") {
                proxy.await_log(0, "its endpoints are not verified");
            }
        }
    }

    fn who_asks_for_a_certificate_gets_ours(io) {
        let world = World::new();
        let made = world.authority.issue(&Leaf::of(&["localhost"]));
        let origin = Origin::tls(world.authority.acceptor(&made, true), counting);
        let (_, proxy) = world.start(io, &to(&origin, "{ use = \"mesh\" }"));
        assert_eq!(get(proxy.web(), "/").text(), "1");
        // And who has none to show is refused by it.
        proxy.reload(&crate::tls::with_tls(&to(&origin, "{ use = \"ours\" }")));
        let answer = get(proxy.web(), "/");
        assert!([502, 503].contains(&answer.status), "{}", answer.status);
    }

    fn another_endpoint_is_tried(io) {
        let world = World::new();
        let bad = origin(&Authority::new("stranger"), &Leaf::of(&["localhost"]));
        let good = origin(&world.authority, &Leaf::of(&["localhost"]));
        let both = format!("[\"localhost:{}\", \"localhost:{}\"]", bad.address().port(), good.address().port());
        let one = format!("[\"localhost:{}\"]", good.address().port());
        let toml = to(&good, "{ use = \"ours\" }").replace(&one, &both);
        let (_, proxy) = world.start(io, &toml);
        for _ in 0..10 {
            assert_eq!(get(proxy.web(), "/").status, 200);
        }
    }

    fn connections_do_not_outlive_what_was_demanded(io) {
        let world = World::new();
        let origin = origin(&world.authority, &Leaf::of(&["localhost", ID]));
        let by = |tls: &str| crate::tls::with_tls(&to(&origin, tls));
        let (_, proxy) = world.start(io, &to(&origin, "{ use = \"ours\" }"));
        let mut client = Client::connect(proxy.web());
        assert_eq!(client.get("/").text(), "1");
        proxy.reload(&(by("{ use = \"ours\" }") + "\n# changed\n"));
        assert_eq!(client.get("/").text(), "2", "the same is demanded");
        proxy.reload(&by(&format!("{{ use = \"ours\", identity = \"{ID}\" }}")));
        assert_eq!(client.get("/").text(), "1", "more is demanded");
        proxy.reload(&by("{ use = \"ours\", identity = \"spiffe://example.org/other\" }"));
        assert_eq!(client.get("/").status, 503);
    }

    fn an_answer_that_was_cut_is_not_passed_on_as_whole(io) {
        let world = World::new();
        let made = world.authority.issue(&Leaf::of(&["localhost"]));
        let origin = Origin::tls(world.authority.acceptor(&made, false), |visit| {
            let announced = visit.request().is_some_and(|asked| asked.path() == "/announced");
            visit.send("HTTP/1.1 200 OK\r\n\r\nsome");
            if announced && let ringway_tests::Socket::Tls(stream) = visit.wire.socket_mut() {
                stream.close_notify();
            }
        });
        let (_, proxy) = world.start(io, &to(&origin, "{ use = \"ours\" }"));
        assert_eq!(get(proxy.web(), "/announced").text(), "some");
        let mut client = Client::connect(proxy.web());
        client.send(crate::request("GET", "/cut", ""));
        client.try_answer("GET").expect_err("it is not whole");
        let line = proxy.await_access("of the cut one", |line| line["path"] == "/cut");
        assert_eq!(line["flag"], "UC", "{line}");
    }

    fn two_proxies_speak_http_2_by_mutual_tls(io) {
        let behind = Origin::answering(|asked| ok(asked.field("x-forwarded-client-cert").unwrap_or("-")));
        let world = World::new();
        let inner = crate::tls::secure("mesh", "")
            + &format!("[[routes]]\nto = \"origin\"\n[clusters.origin]\nendpoints = [\"{}\"]\n", behind.address());
        let files: Vec<(&str, String)> = ["ca.pem", "ca.crl", "proxy.pem", "proxy.key"].into_iter()
            .map(|name| (name, std::fs::read_to_string(world.scratch.file(name)).expect("made"))).collect();
        let (_, inner) = world.start(io, &inner);
        let scratch = ringway_tests::Scratch::new();
        for (name, text) in files {
            scratch.write(name, &text);
        }
        let outer = crate::web("") + &format!(
            "[[routes]]\nto = \"inner\"\n[clusters.inner]\nendpoints = [\"localhost:{}\"]\nprotocol = \"h2\"\ntls = {{ use = \"mesh\" }}\n", inner.web().port()
        );
        let outer = ringway_tests::Setup::on(io).start_in(scratch, &crate::tls::with_tls(&outer));
        for _ in 0..3 {
            let told = get(outer.web(), "/by-h2").text();
            assert!(told.contains(&format!("URI={}", crate::tls::PROXY)), "{told}");
        }
        let line = inner.await_access("of one", |line| line["path"] == "/by-h2");
        assert_eq!((line["protocol"].as_str(), line["identity"].as_str()), (Some("HTTP/2"), Some(crate::tls::PROXY)), "{line}");
    }

    fn large_bodies_by_tls_on_both_sides(io) {
        const BYTES: usize = 2_000_000;
        let world = World::new();
        let made = world.authority.issue(&Leaf::of(&["localhost"]));
        let origin = Origin::tls(world.authority.acceptor(&made, false), |visit| {
            while let Some(asked) = visit.request() {
                let mut answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", asked.body.len()).into_bytes();
                answer.extend_from_slice(&asked.body);
                if !visit.send(answer) { return; }
            }
        });
        let toml = to(&origin, "{ use = \"ours\" }").replace("[listeners.web]\n", "[listeners.web]\ntls = \"public\"\n");
        let (authority, proxy) = world.start(io, &toml);
        let mut client = Client::connect_tls(proxy.web(), &authority.connector(None));
        let body = crate::tls::clients::pattern(BYTES);
        let sent = body.clone();
        client.send(crate::request("POST", "/", &format!("Content-Length: {BYTES}\r\n")));
        client.send(sent);
        assert!(client.answer().body == body);
    }
}
