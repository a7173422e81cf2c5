//! Mutual TLS: who clients are, what they may do, and what upstreams are told of them.

use super::{World, secure};
use crate::request;
use ringway_tests::{Authority, Client, End, Leaf, Origin, Proxy, both_drivers, front, ok};

const EDGE: &str = "spiffe://example.org/edge";
const BATCH: &str = "spiffe://example.org/batch/nightly";

/// A client with such a certificate.
fn as_one(authority: &Authority, proxy: &Proxy, leaf: &Leaf) -> std::io::Result<Client> {
    let made = authority.issue(leaf);
    Client::try_connect_tls(proxy.web(), &authority.connector(Some(&made)), "localhost")
}

fn mutual(origin: &Origin, more: &str) -> String {
    front(origin, "").replace(
        "[listeners.web]\n",
        &format!("[listeners.web]\ntls = \"mesh\"\n{more}\n"),
    )
}

fn reason(proxy: &Proxy, part: &str) {
    proxy.await_access(part, |line| {
        line["reason"]
            .as_str()
            .is_some_and(|why| why.contains(part))
    });
}

both_drivers! {
    fn bad_certificates_are_refused_with_a_reason(io) {
        let origin = Origin::saying("ok");
        let world = World::new();
        let revoked = world.authority.issue(&Leaf::of(&[EDGE]));
        world.scratch.write("ca.crl", &world.authority.revocations(&[&revoked]));
        let toml = mutual(&origin, "").replace("\"mesh\"", "\"listed\"")
            + "[tls.listed]\ncertificates = [{ cert = \"proxy.pem\", key = \"proxy.key\" }]\ntrust = [\"ca.pem\"]\ncrl = [\"ca.crl\"]\nclient_cert = \"required\"\n";
        let (authority, proxy) = world.start(io, &toml);
        let good = Leaf::of(&[EDGE]);
        // The handshake is over for a client of TLS 1.3 before the server has looked at its certificate: it learns with the answer.
        let answered = |client: std::io::Result<Client>| client.is_ok_and(|mut client| {
            client.try_send(request("GET", "/", "")).is_ok() && client.try_answer("GET").is_ok()
        });
        let by = |made| Client::try_connect_tls(proxy.web(), &authority.connector(made), "localhost");
        assert!(answered(as_one(&authority, &proxy, &good)));
        assert!(!answered(by(None)));
        reason(&proxy, "the peer sent no certificate, and one is required");
        assert!(!answered(by(Some(&revoked))));
        reason(&proxy, "the peer's certificate is revoked");
        for (leaf, why) in [
            (good.clone().valid(-400, 100), "the peer's certificate expired on"),
            (good.clone().valid(3, 100), "the peer's certificate is not valid before"),
            (good.clone().only_server(), "the peer's certificate may not be used by a client"),
        ] {
            assert!(!answered(as_one(&authority, &proxy, &leaf)), "{why}");
            reason(&proxy, why);
        }
        // A stranger's certificate, shown to a server that is believed all the same.
        let stranger = Authority::new("stranger").issue(&good);
        assert!(!answered(by(Some(&stranger))));
        reason(&proxy, "was not issued by an authority that is trusted here");
    }

    fn routes_and_templates_know_who_it_is(io) {
        let origin = Origin::answering(|asked| ok(asked.field("x-caller").unwrap_or("-")));
        let toml = secure("mesh", "") + &format!(
            "[[routes]]\nmatch = {{ identity = \"{EDGE}\" }}\nto = \"origin\"\nheaders = {{ set = {{ x-caller = \"edge {{identity}}\" }} }}\n\
             [[routes]]\nmatch = {{ identity = \"spiffe://example.org/batch/*\" }}\nrespond = {{ status = 200, body = \"batch\" }}\n\
             [clusters.origin]\nendpoints = [\"{}\"]\n", origin.address()
        );
        let (authority, proxy) = World::new().start(io, &toml);
        for (id, answer) in [(EDGE, format!("edge {EDGE}")), (BATCH, "batch".into())] {
            let mut client = as_one(&authority, &proxy, &Leaf::of(&[id])).expect("good");
            assert_eq!(client.get("/").text(), answer);
        }
        let mut other = as_one(&authority, &proxy, &Leaf::of(&["other.test"])).expect("good");
        assert_eq!(other.get("/other").status, 404);
        let line = proxy.await_access("of the other", |line| line["path"] == "/other");
        assert_eq!(line["identity"], "other.test", "{line}");
    }

    fn what_upstreams_are_told_is_ours(io) {
        let origin = Origin::answering(|asked| {
            let all: Vec<&str> = asked.head.all("x-forwarded-client-cert");
            ok(&all.join(" | "))
        });
        let claims = "X-Forwarded-Client-Cert: URI=spiffe://example.org/admin\r\nx-forwarded-client-cert: two\r\n";
        let (authority, proxy) = World::new().start(io, &mutual(&origin, ""));
        let mut client = as_one(&authority, &proxy, &Leaf::of(&[EDGE, "edge.test"])).expect("good");
        for fields in ["", claims] {
            let told = client.ask(request("GET", "/", fields)).text();
            assert!(told.starts_with("Hash=") && told.ends_with(&format!(";Subject=\"CN=leaf\";URI={EDGE};DNS=edge.test")), "{told}");
        }
        // Whoever has shown no certificate claims none.
        for toml in [front(&origin, ""), mutual(&origin, "").replace("mesh", "public")] {
            let (authority, proxy) = World::new().start(io, &toml);
            let mut client = if toml.contains("public") {
                Client::connect_tls(proxy.web(), &authority.connector(None))
            } else {
                Client::connect(proxy.web())
            };
            assert_eq!(client.ask(request("GET", "/", claims)).text(), "");
        }
    }

    fn policies_say_who_may_do_what(io) {
        let origin = Origin::saying("ok");
        let policy = format!(
            "[policies.callers]\nallow = [{{ identity = \"{EDGE}\" }}, {{ identity = \"spiffe://example.org/batch/*\", method = [\"GET\"], path = \"/reports/*\" }}]\n"
        );
        let toml = mutual(&origin, "policies = [\"callers\"]") + &policy;
        let (authority, proxy) = World::new().start(io, &toml);
        let client = |id| as_one(&authority, &proxy, &Leaf::of(&[id])).expect("good");
        assert_eq!(client(EDGE).get("/anything").status, 200);
        let mut batch = client(BATCH);
        assert_eq!(batch.get("/reports/7").status, 200);
        assert_eq!(batch.get("/orders").status, 403, "and the connection stays");
        assert_eq!(batch.ask(request("DELETE", "/reports/7", "")).status, 403);
        let mut other = client("spiffe://example.org/other");
        let answer = other.get("/denied");
        assert_eq!((answer.status, answer.text().as_str()), (403, "403 Forbidden\n"));
        let line = proxy.await_access("of the denial", |line| line["path"] == "/denied");
        assert_eq!(line["flag"], "DENY", "{line}");
        assert!(line["reason"].as_str().is_some_and(|why| why.contains("`spiffe://example.org/other`")), "{line}");
        assert_eq!(proxy.metrics().sum("ringway_route_flags_total", &["flag=\"DENY\""]), 3.0);
        proxy.reload(&crate::tls::with_tls(&(toml.replace("[policies.callers]", "[policies.callers]\nenforce = false"))));
        assert_eq!(other.get("/let-go").status, 200);
        let line = proxy.await_access("of what would be denied", |line| line["path"] == "/let-go");
        assert_eq!(line["flag"], "WDENY", "{line}");
    }

    fn also_what_we_answer_ourselves_is_under_policies(io) {
        let toml = secure("mesh", "policies = [\"callers\"]") + &format!(
            "[[routes]]\nrespond = {{ status = 200, body = \"secret\" }}\n[policies.callers]\nallow = [{{ identity = \"{EDGE}\" }}]\n"
        );
        let (authority, proxy) = World::new().start(io, &toml);
        let answer = |id| as_one(&authority, &proxy, &Leaf::of(&[id])).expect("good").get("/");
        assert_eq!(answer(EDGE).text(), "secret");
        assert_eq!(answer(BATCH).status, 403);
    }

    fn tcp_is_closed_to_who_may_not(io) {
        let origin = Origin::start(|visit| {
            if visit.wire.fill().is_ok() {
                visit.send("hello");
            }
        });
        let toml = secure("mesh", "policies = [\"callers\"]\ntcp = \"origin\"") + &format!(
            "[clusters.origin]\nendpoints = [\"{}\"]\n[policies.callers]\nallow = [{{ identity = \"{EDGE}\" }}]\n", origin.address()
        );
        let (authority, proxy) = World::new().start(io, &toml);
        let mut edge = as_one(&authority, &proxy, &Leaf::of(&[EDGE])).expect("good");
        edge.send("hi");
        assert_eq!(edge.end(), End::Clean(b"hello".to_vec()));
        let mut batch = as_one(&authority, &proxy, &Leaf::of(&[BATCH])).expect("good");
        let _ = batch.try_send("hi");
        assert!(!matches!(batch.end(), End::Open(_)), "closed");
        let line = proxy.await_access("of the denial", |line| line["flag"] == "DENY");
        assert_eq!(line["identity"], BATCH, "{line}");
        assert_eq!(origin.connections(), 1);
    }
}
