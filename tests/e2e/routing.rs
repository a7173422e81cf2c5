//! Which route a request takes: the first in file order whose conditions all hold. Not the choice of an endpoint.

use crate::{request, web};
use ringway_tests::{Answer, Client, Origin, Proxy, both_drivers, get};

/// Each route answers with its own name.
fn says(name: &str, conditions: &str) -> String {
    format!(
        "[[routes]]\nname = \"{name}\"\n{conditions}\nrespond = {{ status = 200, body = \"{name}\" }}\n\n"
    )
}

fn ask(client: &mut Client, method: &str, host: &str, target: &str, fields: &str) -> Answer {
    client.send(format!(
        "{method} {target} HTTP/1.1\r\nHost: {host}\r\n{fields}\r\n"
    ));
    client.answer_to(method)
}

both_drivers! {
    fn hosts(io) {
        let text = web("")
            + &says("exact", "match = { host = \"shop.example\" }")
            + &says("wild", "match = { host = \"*.shop.example\" }")
            + &says("listed", "match = { host = [\"one.example\", \"two.example\"] }")
            + &says("rest", "");
        let proxy = Proxy::start(io, &text);
        let mut client = Client::connect(proxy.web());
        let cases = [
            ("shop.example", "exact"),
            ("SHOP.Example", "exact"),
            ("shop.example:8080", "exact"),
            ("a.shop.example", "wild"),
            ("a.b.shop.example", "wild"),
            ("A.SHOP.EXAMPLE:80", "wild"),
            ("ashop.example", "rest"),
            ("shop.example.org", "rest"),
            ("one.example", "listed"),
            ("two.example", "listed"),
            ("127.0.0.1", "rest"),
            ("[::1]:80", "rest"),
        ];
        for (host, route) in cases {
            assert_eq!(ask(&mut client, "GET", host, "/", "").text(), route, "host {host}");
        }
        let absolute = client.ask("GET http://a.shop.example/ HTTP/1.1\r\nHost: one.example\r\n\r\n");
        assert_eq!(absolute.text(), "wild", "the authority of an absolute target counts, not Host");
    }

    fn paths(io) {
        let text = web("")
            + &says("exact", "match = { path = \"/exact\" }")
            + &says("root", "match = { path = \"/\" }")
            + &says("below", "match = { path = \"/api/*\" }")
            + &says("regex", "match = { path = '~/item/[0-9]+' }")
            + &says("literal", "match = { path = \"=/star/*\" }")
            + &says("rest", "");
        let proxy = Proxy::start(io, &text);
        let mut client = Client::connect(proxy.web());
        let cases = [
            ("/exact", "exact"),
            ("/exact?q=1", "exact"),
            ("/exact/", "rest"),
            ("/Exact", "rest"),
            ("/", "root"),
            ("/?q", "root"),
            ("/api", "below"),
            ("/api/", "below"),
            ("/api/v1/x", "below"),
            ("/apis", "rest"),
            ("/item/42", "regex"),
            ("/item/42/x", "rest"),
            ("/x/item/42", "rest"),
            ("/star/*", "literal"),
            ("/star/x", "rest"),
        ];
        for (target, route) in cases {
            assert_eq!(ask(&mut client, "GET", "test", target, "").text(), route, "path {target}");
        }
    }

    fn paths_are_normal_before_they_match(io) {
        let text = web("")
            + &says("admin", "match = { path = \"/admin/*\" }")
            + &says("public", "match = { path = \"/public/*\" }")
            + &says("rest", "");
        let proxy = Proxy::start(io, &text);
        let mut client = Client::connect(proxy.web());
        let cases = [
            ("/public/../admin/x", "admin"),
            ("/public/%2e%2e/admin/x", "admin"),
            ("/public/.%2E/admin", "admin"),
            ("/./admin", "admin"),
            ("//admin//x", "admin"),
            ("/%61dmin", "admin"),
            ("/public/x/../../admin", "admin"),
            ("/public/./x", "public"),
            ("/Admin", "rest"),
        ];
        for (target, route) in cases {
            assert_eq!(ask(&mut client, "GET", "test", target, "").text(), route, "path {target}");
        }
    }

    fn methods_headers_and_queries(io) {
        let text = web("")
            + &says("method", "match = { path = \"/m\", method = [\"PUT\", \"DELETE\"] }")
            + &says("header", "match = { path = \"/h\", headers = { x-kind = \"blue\" } }")
            + &says("present", "match = { path = \"/h\", headers = { x-there = \"*\" } }")
            + &says("regex", "match = { path = \"/h\", headers = { user = '~(.+)@mycorp\\.com' } }")
            + &says("two", "match = { path = \"/two\", headers = { x-a = \"1\", x-b = \"2\" } }")
            + &says("query", "match = { path = \"/q\", query = { v = \"2\" } }")
            + &says("query-present", "match = { path = \"/q\", query = { debug = \"*\" } }")
            + &says("rest", "");
        let proxy = Proxy::start(io, &text);
        let mut client = Client::connect(proxy.web());
        let cases = [
            ("PUT", "/m", "", "method"),
            ("DELETE", "/m", "", "method"),
            ("GET", "/m", "", "rest"),
            ("put", "/m", "", "rest"),
            ("GET", "/h", "X-Kind: blue\r\n", "header"),
            ("GET", "/h", "x-KIND: blue\r\n", "header"),
            ("GET", "/h", "X-Kind: Blue\r\n", "rest"),
            ("GET", "/h", "X-Kind: blue2\r\n", "rest"),
            ("GET", "/h", "X-There:\r\n", "present"),
            ("GET", "/h", "User: ann@mycorp.com\r\n", "regex"),
            ("GET", "/h", "User: eve@mycorp.com.evil.org\r\n", "rest"),
            ("GET", "/h", "User: @mycorp.com\r\n", "rest"),
            ("GET", "/two", "X-A: 1\r\nX-B: 2\r\n", "two"),
            ("GET", "/two", "X-A: 1\r\n", "rest"),
            ("GET", "/q?v=2", "", "query"),
            ("GET", "/q?a=1&v=2&b", "", "query"),
            ("GET", "/q?v=22", "", "rest"),
            ("GET", "/q?debug", "", "query-present"),
            ("GET", "/q?debug=", "", "query-present"),
            ("GET", "/q", "", "rest"),
        ];
        for (method, target, fields, route) in cases {
            assert_eq!(ask(&mut client, method, "test", target, fields).text(), route, "{method} {target} {fields}");
        }
    }

    fn the_first_route_in_the_file_wins(io) {
        let text = web("")
            + &says("long", "match = { path = \"/a/b/*\" }")
            + &says("short", "match = { path = \"/a/*\" }")
            + &says("late", "match = { path = \"/a/c\" }");
        let proxy = Proxy::start(io, &text);
        assert_eq!(get(proxy.web(), "/a/b/c").text(), "long");
        assert_eq!(get(proxy.web(), "/a/c").text(), "short");
        proxy.await_log(0, "can never match");
    }

    fn the_users_of_mycorp_go_to_the_second_version(io) {
        let (one, two) = (Origin::saying("v1"), Origin::saying("v2"));
        let text = web("") + &format!(
            "[[routes]]\nname = \"corp-v2\"\n\
             match = {{ path = \"/products/*\", headers = {{ user = '~(?<who>.+)@mycorp\\.com' }} }}\n\
             to = \"products-v2\"\nheaders = {{ set = {{ x-corp-user = \"{{who}}\" }} }}\n\
             [[routes]]\nname = \"products\"\nmatch = {{ path = \"/products/*\" }}\nto = \"products-v1\"\n\
             [clusters.products-v1]\nendpoints = [\"{}\"]\n[clusters.products-v2]\nendpoints = [\"{}\"]\n",
            one.address(), two.address()
        );
        let proxy = Proxy::start(io, &text);
        let mut client = Client::connect(proxy.web());
        assert_eq!(client.ask(request("GET", "/products/7", "user: ann@mycorp.com\r\n")).text(), "v2");
        assert_eq!(two.last().head.all("x-corp-user"), ["ann"]);
        assert_eq!(client.ask(request("GET", "/products/7", "user: ann@other.com\r\n")).text(), "v1");
        assert_eq!(client.ask(request("GET", "/products/7", "user: eve@mycorp.com.evil.org\r\n")).text(), "v1");
        assert_eq!(client.ask(request("GET", "/products/7", "user: ann@mycorp.com\r\nX-Corp-User: root\r\n")).text(), "v2");
        assert_eq!(two.last().head.all("x-corp-user"), ["ann"], "the client's own is replaced");
        assert_eq!(client.get("/products/7").text(), "v1");
    }

    fn no_route_is_a_404(io) {
        let text = web("") + &says("only", "match = { path = \"/only\" }");
        let proxy = Proxy::start(io, &text);
        let mut client = Client::connect(proxy.web());
        let answer = client.get("/nothing");
        assert_eq!(answer.status, 404);
        assert_eq!(client.get("/only").status, 200, "the connection goes on");
        let line = proxy.await_access("of the 404", |line| line["path"] == "/nothing");
        assert_eq!((line["status"].as_u64(), line["flag"].as_str()), (Some(404), Some("NR")), "{line}");
        assert_eq!(ask(&mut client, "HEAD", "test", "/nothing", "").status, 404);
        assert_eq!(client.get("/only").status, 200, "an answer of ours to HEAD has no body");
    }

    fn a_body_that_we_answer_ourselves_is_not_taken_for_a_request(io) {
        let proxy = Proxy::start(io, &(web("") + &says("only", "match = { path = \"/only\" }")));
        let mut client = Client::connect(proxy.web());
        let inner = request("GET", "/only", "");
        client.send(request("POST", "/nothing", &format!("Content-Length: {}\r\n", inner.len())) + &inner);
        assert_eq!(client.answer().status, 404);
        // Either the body is skipped and the next request answered, or the connection ends: never an answer to the body.
        let _ = client.try_send(request("GET", "/next", ""));
        if let Ok(answer) = client.try_answer("GET") {
            assert_eq!(answer.status, 404, "the body was taken for a request");
        }
    }

    fn redirects(io) {
        let text = web("")
            + "[[routes]]\nmatch = { host = \"old.example\" }\nredirect = { status = 301, to = \"https://new.example{path}{query}\" }\n\
               [[routes]]\nmatch = { path = '~/u/(?<who>[a-z]+)' }\nredirect = { status = 302, to = \"/users/{who}\" }\n\
               [[routes]]\nredirect = \"https://{host}{path}{query}\"\n";
        let proxy = Proxy::start(io, &text);
        let mut client = Client::connect(proxy.web());
        let cases = [
            ("old.example", "/a/b?q=1", Some(301), "https://new.example/a/b?q=1"),
            ("old.example", "/a", Some(301), "https://new.example/a"),
            ("test", "/u/ann", Some(302), "/users/ann"),
            ("test", "/x?y", None, "https://test/x?y"),
        ];
        for (host, target, status, location) in cases {
            let answer = ask(&mut client, "GET", host, target, "");
            assert_eq!(answer.field("location"), Some(location), "{host}{target}");
            match status {
                Some(status) => assert_eq!(answer.status, status),
                None => assert!([301, 302, 303, 307, 308].contains(&answer.status)),
            }
        }
    }

    fn respond_has_a_status_a_type_and_a_body(io) {
        let text = web("") + "[[routes]]\nrespond = { status = 503, body = \"{\\\"down\\\":true}\", content_type = \"application/json\" }\n";
        let proxy = Proxy::start(io, &text);
        let mut client = Client::connect(proxy.web());
        let answer = client.get("/");
        assert_eq!((answer.status, answer.text().as_str()), (503, "{\"down\":true}"));
        assert_eq!(answer.field("content-type"), Some("application/json"));
        let head = ask(&mut client, "HEAD", "test", "/", "");
        assert_eq!((head.status, head.field("content-length")), (503, Some("13")));
        assert_eq!(client.get("/").status, 503);
    }

    fn a_listener_may_serve_one_cluster_or_its_own_routes(io) {
        let origin = Origin::saying("origin");
        let text = format!(
            "[listeners.web]\nbind = \"127.0.0.1:0\"\n[listeners.side]\nbind = \"127.0.0.1:0\"\n\
             [listeners.direct]\nbind = \"127.0.0.1:0\"\nto = [\"{}\"]\n", origin.address()
        ) + &says("side", "match = { listener = \"side\" }") + &says("web", "match = { listener = \"web\" }");
        let proxy = Proxy::start(io, &text);
        assert_eq!(get(proxy.address("web"), "/").text(), "web");
        assert_eq!(get(proxy.address("side"), "/").text(), "side");
        assert_eq!(get(proxy.address("direct"), "/").text(), "origin");
    }
}
