//! What a request and an answer look like behind the proxy: forwarded fields, request ids, edits by the route. The
//! removal of hop-by-hop fields is in the conformance tables.

use crate::{request, web};
use ringway_tests::{Client, Origin, Proxy, Setup, ask, both_drivers, front, get, ok};

fn joined(values: &[&str]) -> String {
    values.join(", ")
}

fn is_uuid7(text: &str) -> bool {
    let groups: Vec<usize> = text.split('-').map(str::len).collect();
    groups == [8, 4, 4, 4, 12]
        && text
            .bytes()
            .all(|b| b == b'-' || b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
        && text.as_bytes()[14] == b'7'
        && matches!(text.as_bytes()[19], b'8' | b'9' | b'a' | b'b')
}

both_drivers! {
    fn a_stranger_is_not_believed(io) {
        let origin = Origin::saying("ok");
        let proxy = Proxy::start(io, &front(&origin, ""));
        let port = proxy.web().port().to_string();
        ask(proxy.web(), request("GET", "/", "X-Forwarded-For: 10.9.8.7\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: evil\r\nX-Forwarded-Port: 1\r\n"));
        let asked = origin.last();
        assert_eq!(asked.head.all("x-forwarded-for"), ["127.0.0.1"]);
        assert_eq!(asked.head.all("x-forwarded-proto"), ["http"]);
        assert_eq!(asked.head.all("x-forwarded-host"), ["test"]);
        for value in asked.head.all("x-forwarded-port") {
            assert_eq!(value, port, "the client's X-Forwarded-Port must not survive");
        }
    }

    fn a_trusted_proxy_is_believed(io) {
        let origin = Origin::saying("ok");
        let proxy = Setup::on(io).server("trusted_proxies = [\"127.0.0.0/8\"]").start(&front(&origin, ""));
        let id = "0190163d-8694-739b-aea5-966c26f8ad91";
        let fields = format!("X-Forwarded-For: 10.9.8.7\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: shop.example\r\nX-Request-Id: {id}\r\n");
        let answer = ask(proxy.web(), request("GET", "/trusted", &fields));
        let asked = origin.last();
        assert_eq!(joined(&asked.head.all("x-forwarded-for")), "10.9.8.7, 127.0.0.1");
        assert_eq!(asked.head.all("x-forwarded-proto"), ["https"]);
        assert_eq!(asked.head.all("x-forwarded-host"), ["shop.example"]);
        assert_eq!(asked.head.all("x-request-id"), [id]);
        assert_eq!(answer.field("x-request-id"), Some(id));
        let line = proxy.await_access("of the request", |line| line["path"] == "/trusted");
        assert_eq!(line["client"], "10.9.8.7", "the first address from the right that is not trusted");
    }

    fn an_ipv4_client_of_a_listener_for_both_has_an_ipv4_address(io) {
        let origin = Origin::saying("ok");
        let text = front(&origin, "").replace("127.0.0.1:0", ":0");
        let proxy = Setup::on(io).server("trusted_proxies = [\"127.0.0.0/8\"]").start(&text);
        let four = std::net::SocketAddr::from(([127, 0, 0, 1], proxy.web().port()));
        ask(four, request("GET", "/four", "X-Forwarded-For: 10.9.8.7\r\n"));
        assert_eq!(joined(&origin.last().head.all("x-forwarded-for")), "10.9.8.7, 127.0.0.1", "not ::ffff:127.0.0.1");
        assert_eq!(proxy.await_access("of IPv4", |line| line["path"] == "/four")["client"], "10.9.8.7");
        let six = std::net::SocketAddr::from((std::net::Ipv6Addr::LOCALHOST, proxy.web().port()));
        if std::net::TcpListener::bind("[::1]:0").is_err() {
            eprintln!("skipped: this machine has no IPv6");
            return;
        }
        ask(six, request("GET", "/six", "X-Forwarded-For: 10.9.8.7\r\n"));
        assert_eq!(joined(&origin.last().head.all("x-forwarded-for")), "::1", "a stranger's is replaced");
        assert_eq!(proxy.await_access("of IPv6", |line| line["path"] == "/six")["client"], "::1");
    }

    fn the_client_is_the_first_from_the_right_that_is_not_trusted(io) {
        let origin = Origin::saying("ok");
        let proxy = Setup::on(io).server("trusted_proxies = [\"127.0.0.0/8\", \"10.0.0.0/8\", \"2001:db8::/32\"]").start(&front(&origin, ""));
        let cases = [
            ("/one", "X-Forwarded-For: 1.2.3.4, 10.0.0.1\r\n", "1.2.3.4"),
            ("/spoofed", "X-Forwarded-For: 6.6.6.6, 1.2.3.4, 10.0.0.1, 10.0.0.2\r\n", "1.2.3.4"),
            ("/two-fields", "X-Forwarded-For: 6.6.6.6\r\nX-Forwarded-For: 1.2.3.4 , 10.0.0.1\r\n", "1.2.3.4"),
            ("/six", "X-Forwarded-For: 2001:db9::5, 2001:db8::1\r\n", "2001:db9::5"),
            ("/nothing", "", "127.0.0.1"),
        ];
        for (path, fields, client) in cases {
            ask(proxy.web(), request("GET", path, fields));
            let line = proxy.await_access(path, |line| line["path"] == path);
            assert_eq!(line["client"], client, "{path}: {line}");
        }
    }

    fn every_request_has_an_id_of_its_own(io) {
        let origin = Origin::saying("ok");
        let proxy = Proxy::start(io, &front(&origin, ""));
        let mut client = Client::connect(proxy.web());
        let mut seen = std::collections::BTreeSet::new();
        for _ in 0..50 {
            let answer = client.ask(request("GET", "/", "X-Request-Id: mine\r\n"));
            let asked = origin.last();
            let id = asked.field("x-request-id").expect("an id is sent on").to_owned();
            assert!(is_uuid7(&id), "{id} is no UUIDv7");
            assert_eq!(answer.field("x-request-id"), Some(id.as_str()), "the answer tells it");
            assert!(seen.insert(id), "an id was used twice");
        }
    }

    fn the_host_is_kept_or_replaced_as_told(io) {
        let origin = Origin::saying("ok");
        let at = origin.address();
        let text = web("") + &format!(
            "[[routes]]\nmatch = {{ path = \"/kept\" }}\nto = \"kept\"\n\
             [[routes]]\nmatch = {{ path = \"/upstream\" }}\nto = \"upstream\"\n\
             [[routes]]\nmatch = {{ path = \"/literal\" }}\nto = \"literal\"\n\
             [clusters.kept]\nendpoints = [\"{at}\"]\n\
             [clusters.upstream]\nendpoints = [\"{at}\"]\nhost = \"upstream\"\n\
             [clusters.literal]\nendpoints = [\"{at}\"]\nhost = \"inner.example\"\n"
        );
        let proxy = Proxy::start(io, &text);
        for (path, host) in [("/kept", "test".to_owned()), ("/upstream", at.to_string()), ("/literal", "inner.example".to_owned())] {
            assert_eq!(get(proxy.web(), path).status, 200);
            assert_eq!(origin.last().head.all("host"), [host.as_str()], "{path}");
        }
    }

    fn a_route_edits_fields(io) {
        let origin = Origin::answering(|_| b"HTTP/1.1 200 OK\r\nX-Inner: secret\r\nServer: thing\r\nContent-Length: 2\r\n\r\nok".to_vec());
        let text = web("") + &format!(
            "[[routes]]\nname = \"edited\"\nto = \"origin\"\n\
             headers = {{ set = {{ x-set = \"new\", x-where = \"{{host}} {{path}} {{client_ip}} {{route}} {{listener}}\" }}, add = {{ x-add = \"more\" }}, remove = [\"x-debug\"] }}\n\
             response_headers = {{ set = {{ server = \"ours\" }}, add = {{ x-frame-options = \"DENY\" }}, remove = [\"x-inner\"] }}\n\
             [clusters.origin]\nendpoints = [\"{}\"]\n", origin.address()
        );
        let proxy = Proxy::start(io, &text);
        let fields = "X-Set: old\r\nx-SET: older\r\nX-Add: one\r\nX-Debug: 1\r\nX-DEBUG: 2\r\nX-Other: stays\r\n";
        let answer = ask(proxy.web(), request("GET", "/a/b?q=1", fields));
        let asked = origin.last();
        assert_eq!(asked.head.all("x-set"), ["new"]);
        assert_eq!(asked.head.all("x-where"), ["test /a/b 127.0.0.1 edited web"]);
        assert_eq!(joined(&asked.head.all("x-add")), "one, more");
        assert!(!asked.head.has("x-debug"));
        assert_eq!(asked.field("x-other"), Some("stays"));
        assert_eq!(answer.head.all("server"), ["ours"]);
        assert_eq!(answer.head.all("x-frame-options"), ["DENY"]);
        assert!(!answer.head.has("x-inner"));
    }

    fn a_route_takes_away_what_we_add(io) {
        const OWN: [&str; 6] = ["x-forwarded-for", "x-forwarded-proto", "x-forwarded-host", "x-forwarded-port", "x-request-id", "via"];
        let origin = Origin::answering(|_| b"HTTP/1.1 200 OK\r\nVia: 1.0 inner\r\nX-Request-Id: 7\r\nContent-Length: 2\r\n\r\nok".to_vec());
        let edits = format!("to = \"origin\"\nheaders = {{ remove = {OWN:?} }}\nresponse_headers = {{ remove = [\"x-request-id\", \"via\"] }}");
        let proxy = Proxy::start(io, &front(&origin, "").replace("to = \"origin\"", &edits));
        for fields in ["", "X-Forwarded-For: 10.9.8.7\r\nvia: 1.1 me\r\nX-REQUEST-ID: 8\r\nX-Forwarded-Host: evil\r\n"] {
            let answer = ask(proxy.web(), request("GET", "/", fields));
            assert_eq!(answer.body, b"ok");
            for name in OWN {
                assert!(!origin.last().head.has(name), "{name} of a request with {fields:?}");
                assert!(!answer.head.has(name), "{name} of an answer");
            }
        }
        let line = proxy.await_access("of a request", |line| line["path"] == "/");
        assert!(line["request_id"].as_str().is_some_and(is_uuid7), "the log has one all the same: {line}");
    }

    fn answers_name_us_in_via_and_keep_the_servers_name(io) {
        let origin = Origin::answering(|_| b"HTTP/1.1 200 OK\r\nServer: thing/1.0\r\nVia: 1.0 inner\r\nContent-Length: 0\r\n\r\n".to_vec());
        let proxy = Setup::on(io).server("name = \"edge-7\"").start(&front(&origin, ""));
        let answer = get(proxy.web(), "/");
        assert_eq!(answer.head.all("server"), ["thing/1.0"]);
        assert_eq!(joined(&answer.head.all("via")), "1.0 inner, 1.1 edge-7");
        assert_eq!(joined(&origin.last().head.all("via")), "1.1 edge-7");
    }

    fn the_path_is_rewritten_as_told(io) {
        let origin = Origin::answering(|asked| ok(&asked.target));
        let text = web("") + &format!(
            "[[routes]]\nmatch = {{ path = \"/old/*\" }}\nto = \"origin\"\nrewrite = {{ prefix = \"/new\" }}\n\
             [[routes]]\nmatch = {{ path = \"/strip/*\" }}\nto = \"origin\"\nrewrite = {{ prefix = \"/\" }}\n\
             [[routes]]\nmatch = {{ path = '~/item/(?<id>[0-9]+)/(?<rest>.*)' }}\nto = \"origin\"\nrewrite = {{ path = \"/v2/{{rest}}/{{id}}\" }}\n\
             [[routes]]\nto = \"origin\"\n\
             [clusters.origin]\nendpoints = [\"{}\"]\n", origin.address()
        );
        let proxy = Proxy::start(io, &text);
        let cases = [
            ("/old/a/b?q=1", "/new/a/b?q=1"),
            ("/old", "/new"),
            ("/old/", "/new/"),
            ("/older/x", "/older/x"),
            ("/strip/a/b", "/a/b"),
            ("/strip", "/"),
            ("/item/42/x/y?q=%2F", "/v2/x/y/42?q=%2F"),
            ("/item/x/y", "/item/x/y"),
        ];
        for (sent, arrives) in cases {
            assert_eq!(get(proxy.web(), sent).text(), arrives, "{sent}");
        }
    }
}
