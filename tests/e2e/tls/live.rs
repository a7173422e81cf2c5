//! Certificates that change while the proxy runs.

use super::{PROXY, World, with_tls};
use ringway_tests::{Authority, Client, Leaf, Origin, PATIENCE, Proxy, both_drivers, front, until};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

fn to(origin: &Origin) -> String {
    front(origin, "").replace("[listeners.web]\n", "[listeners.web]\ntls = \"public\"\n")
}

/// What is now shown to those who come.
fn shown(authority: &Authority, proxy: &Proxy) -> [u8; 32] {
    let client = Client::connect_tls(proxy.web(), &authority.connector(None));
    client.tls().peer.as_ref().expect("a certificate").sha256
}

both_drivers! {
    fn a_new_pair_is_shown_to_new_connections(io) {
        let origin = Origin::saying("ok");
        let (authority, proxy) = World::new().start(io, &to(&origin));
        let mut old = Client::connect_tls(proxy.web(), &authority.connector(None));
        let before = shown(&authority, &proxy);
        let from = proxy.log.len();
        authority.issue(&Leaf::of(&["localhost", PROXY])).write(&proxy.scratch, "proxy");
        proxy.await_reloaded(from);
        until("the new one is shown", PATIENCE, || (shown(&authority, &proxy) != before).then_some(()));
        assert_eq!(old.get("/").text(), "ok", "the connection of before goes on");
    }

    fn a_broken_pair_keeps_the_old_one(io) {
        let origin = Origin::saying("ok");
        let (authority, proxy) = World::new().start(io, &to(&origin));
        let before = shown(&authority, &proxy);
        let made = authority.issue(&Leaf::of(&["localhost"]));
        let stale = authority.issue(&Leaf::of(&["localhost"]).valid(-400, 100));
        for (what, certificate, key) in [
            ("is broken PEM", "-----BEGIN CERTIFICATE-----\nAAAA", made.key.as_str()),
            ("holds a private key that is not that of the certificate", &made.pem, &authority.issue(&Leaf::of(&["x"])).key),
            ("holds a certificate that expired on", &stale.pem, &stale.key),
        ] {
            let from = proxy.log.len();
            proxy.scratch.replace("proxy.pem", certificate);
            proxy.scratch.replace("proxy.key", key);
            let line = proxy.await_log(from, what);
            assert!(line.contains("what was read before stays in force"), "{line}");
            assert_eq!(shown(&authority, &proxy), before, "{what}");
        }
        let from = proxy.log.len();
        made.write(&proxy.scratch, "proxy");
        proxy.await_log(from, "reloaded");
        until("the good one is shown", PATIENCE, || (shown(&authority, &proxy) != before).then_some(()));
        // A change of the text that names what cannot be used is refused as a whole.
        let more = "[tls.other]\ncertificates = [{ cert = \"nowhere.pem\", key = \"nowhere.key\" }]\n[listeners.other]\nbind = \"127.0.0.1:0\"\ntls = \"other\"\n";
        let lines = proxy.reload_refused(&with_tls(&(to(&origin) + more)));
        assert!(lines.iter().any(|line| line.contains("nowhere.pem")), "{lines:?}");
    }

    fn pairs_rotate_under_load_without_a_failed_request(io) {
        let origin = Origin::saying("ok");
        let (authority, proxy) = World::new().start(io, &to(&origin));
        let authority = Arc::new(authority);
        let stop = Arc::new(AtomicBool::new(false));
        let (good, rounds) = (Arc::new(AtomicU64::new(0)), 5);
        let address = proxy.web();
        let clients: Vec<_> = (0..4).map(|n| {
            let (authority, stop, good) = (authority.clone(), stop.clone(), good.clone());
            std::thread::spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    // Half of them with a session to resume.
                    let connector = authority.connector(None);
                    for _ in 0..1 + n % 2 {
                        let mut client = Client::connect_tls(address, &connector);
                        for _ in 0..5 {
                            assert_eq!(client.get("/").text(), "ok");
                            good.fetch_add(1, Ordering::Relaxed);
                        }
                    }
                }
            })
        }).collect();
        for round in 0..rounds {
            let so_far = good.load(Ordering::Relaxed);
            until("requests go on", PATIENCE, || (good.load(Ordering::Relaxed) > so_far + 20).then_some(()));
            let before = shown(&authority, &proxy);
            authority.issue(&Leaf::of(&["localhost"])).write(&proxy.scratch, "proxy");
            until(&format!("round {round} is shown"), PATIENCE, || (shown(&authority, &proxy) != before).then_some(()));
        }
        stop.store(true, Ordering::Relaxed);
        for client in clients {
            client.join().expect("no request failed");
        }
    }

    fn bundles_and_lists_are_followed(io) {
        let origin = Origin::saying("ok");
        let world = World::new();
        let caller = world.authority.issue(&Leaf::of(&["spiffe://example.org/edge"]));
        world.scratch.write("ca.crl", &world.authority.revocations(&[]));
        let toml = to(&origin).replace("\"public\"", "\"listed\"")
            + "[tls.listed]\ncertificates = [{ cert = \"proxy.pem\", key = \"proxy.key\" }]\ntrust = [\"ca.pem\"]\ncrl = [\"ca.crl\"]\nclient_cert = \"required\"\n";
        let (authority, proxy) = world.start(io, &toml);
        let connector = authority.connector(Some(&caller));
        let served = || {
            let client = Client::try_connect_tls(proxy.web(), &connector, "localhost");
            client.is_ok_and(|mut client| {
                client.try_send(crate::request("GET", "/", "")).is_ok() && client.try_answer("GET").is_ok()
            })
        };
        assert!(served());
        let from = proxy.log.len();
        proxy.scratch.replace("ca.crl", &authority.revocations(&[&caller]));
        proxy.await_reloaded(from);
        // Also not by the session that it could resume.
        assert!(!served());
    }

    fn the_end_of_a_certificate_is_told(io) {
        let origin = Origin::saying("ok");
        let world = World::new();
        world.authority.issue(&Leaf::of(&["localhost"]).valid(-1, 15)).write(&world.scratch, "proxy");
        let (_, proxy) = world.start(io, &to(&origin));
        // By the second, and the test takes some of them.
        let line = proxy.await_log(0, "ends in 1");
        assert!(line.contains("[tls.public]"), "{line}");
        let left = proxy.metrics().sum("ringway_tls_certificate_expiry_seconds", &["tls=\"public\""]);
        assert!((13.0..=14.0).contains(&(left / 86_400.0)), "{left}");
    }

    fn keys_are_nowhere_to_be_read(io) {
        let origin = Origin::saying("ok");
        let (_, proxy) = World::new().start(io, &to(&origin));
        let key = std::fs::read_to_string(proxy.scratch.file("proxy.key")).expect("written by the test");
        let secret = key.lines().nth(1).expect("base64").to_owned();
        for path in ["/config", "/metrics", "/status"] {
            assert!(!proxy.admin(path).text().contains(&secret), "{path}");
        }
        assert!(proxy.log.all().iter().all(|line| !line.contains(&secret)));
    }
}
