//! What the keys of a route become: matches, splits, templates, rewrites, edits, answers.
//! Not the errors (`bad.rs`), nor how defaults are inherited (`good.rs`).
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

use ringway_config::*;

/// The configuration of a text that must be clean.
fn config(text: &str) -> Config {
    let checked = check(&[Source {
        path: "ringway.toml".to_owned(),
        text: text.to_owned(),
    }]);
    assert!(
        checked.diagnostics.is_empty(),
        "{}",
        render(&checked.diagnostics)
    );
    checked.config.unwrap()
}

/// The only route of a text, under a listener and with two clusters that are used.
fn route(text: &str) -> Route {
    let whole = format!(
        "[listeners.web]\nbind = \":80\"\n[[routes]]\n{text}\n[[routes]]\nname = \"rest\"\n\
         to = [{{ cluster = \"a\" }}, {{ cluster = \"b\" }}]\n\
         [clusters.a]\nendpoints = [\"10.0.0.1:80\"]\n[clusters.b]\nendpoints = [\"10.0.0.2:80\"]\n"
    );
    config(&whole).routes.remove(0)
}

#[test]
fn calls_of_grpc_are_paths() {
    let table: [(&str, &[PathMatch]); 4] = [
        (
            "\"shop.Orders/Get\"",
            &[PathMatch::Exact("/shop.Orders/Get".into())],
        ),
        ("\"Orders/*\"", &[PathMatch::Prefix("/Orders".into())]),
        ("\"*\"", &[]),
        (
            "[\"a.b_1.C/_d\", \"E/*\"]",
            &[
                PathMatch::Exact("/a.b_1.C/_d".into()),
                PathMatch::Prefix("/E".into()),
            ],
        ),
    ];
    for (written, paths) in table {
        let matches = route(&format!("match = {{ grpc = {written} }}\nto = \"a\"")).matches;
        assert_eq!(
            (matches.calls, &*matches.paths),
            (Calls::Grpc, paths),
            "{written}"
        );
    }
    let other = route("match = { path = \"/a\" }\nto = \"a\"");
    assert_eq!(
        (other.matches.calls, other.grpc_web),
        (Calls::Unasked, false)
    );
}

#[test]
fn calls_of_grpc_web_are_calls_where_they_are_translated() {
    let one = |text: &str| {
        let clusters = "[clusters.a]\nendpoints = [\"10.0.0.1:1\"]\nprotocol = \"h2\"\n";
        config(&format!(
            "[listeners.web]\nbind = \":80\"\n[[routes]]\n{text}\nto = \"a\"\n{clusters}"
        ))
        .routes
        .remove(0)
    };
    let table = [
        (
            "match = { grpc = \"*\" }\ngrpc_web = true",
            Calls::GrpcOrWeb,
            true,
        ),
        (
            "match = { grpc = \"*\" }\ngrpc_web = false",
            Calls::Grpc,
            false,
        ),
        ("grpc_web = true", Calls::Unasked, true),
    ];
    for (text, calls, grpc_web) in table {
        let route = one(text);
        assert_eq!(
            (route.matches.calls, route.grpc_web),
            (calls, grpc_web),
            "{text}"
        );
    }
}

#[test]
fn the_language_of_matches() {
    let matches = route(
        "match = { listener = \"web\", host = [\"Shop.Example.com\", \"*.example.org\", \"[::1]\", \"=10.0.0.1\"], \
         path = [\"/a\", \"/b/*\", \"/*\", '~/c/\\d+', \"=/d/*\", \"=*\"], method = [\"GET\", \"PURGE\"], \
         headers = { User = '~(.+)@mycorp\\.com', x-a = \"*\", x-b = \"=*\", x-c = \"plain\", x-d = \"\" }, \
         query = { debug = \"1\" } }\nto = \"a\"",
    )
    .matches;
    assert_eq!(matches.listeners, [0]);
    assert_eq!(
        matches.hosts,
        [
            HostMatch::Exact("shop.example.com".into()),
            HostMatch::Wildcard("example.org".into()),
            HostMatch::Exact("[::1]".into()),
            HostMatch::Exact("10.0.0.1".into()),
        ]
    );
    assert_eq!(
        matches.paths,
        [
            PathMatch::Exact("/a".into()),
            PathMatch::Prefix("/b".into()),
            PathMatch::Prefix(String::new()),
            PathMatch::Regex(r"/c/\d+".into()),
            PathMatch::Exact("/d/*".into()),
            PathMatch::Exact("*".into()),
        ]
    );
    assert_eq!(matches.methods, ["GET", "PURGE"]);
    let header = |name: &str, value: ValueMatch| (name.to_owned(), value);
    assert_eq!(
        matches.headers,
        [
            header("user", ValueMatch::Regex(r"(.+)@mycorp\.com".into())),
            header("x-a", ValueMatch::Present),
            header("x-b", ValueMatch::Exact("*".into())),
            header("x-c", ValueMatch::Exact("plain".into())),
            header("x-d", ValueMatch::Exact(String::new())),
        ]
    );
    assert_eq!(
        matches.query,
        [header("debug", ValueMatch::Exact("1".into()))]
    );
    let any = route(
        "match = { host = [\"a.example\", \"*\"], path = \"*\", method = \"*\", headers = { x = \"1\" } }\nto = \"a\"",
    );
    assert!(any.matches.hosts.is_empty() && any.matches.paths.is_empty());
    assert!(any.matches.methods.is_empty());
}

#[test]
fn whole_means_whole() {
    assert_eq!(whole("a|b"), r"\A(?:a|b)\z");
}

#[test]
fn splits() {
    let cases = [
        ("header:X-User", SplitBy::Header("x-user".into())),
        ("cookie:sid", SplitBy::Cookie("sid".into())),
        ("client_ip", SplitBy::ClientIp),
    ];
    for (text, expected) in cases {
        let route = route(&format!(
            "match = {{ path = \"/x\" }}\nto = [{{ cluster = \"b\", weight = 95 }}, {{ cluster = \"a\", weight = 0 }}]\nsplit_by = \"{text}\""
        ));
        let Action::Forward {
            targets, split_by, ..
        } = route.action
        else {
            panic!("not forwarded");
        };
        assert_eq!(split_by, Some(expected));
        let sides: Vec<(usize, u32)> = targets.iter().map(|t| (t.cluster, t.weight)).collect();
        assert_eq!(sides, [(1, 95), (0, 0)]);
    }
}

fn literal(text: &str) -> Part {
    Part::Literal(text.to_owned())
}

fn variable(name: &str) -> Part {
    Part::Variable(name.to_owned())
}

#[test]
fn templates() {
    let cases = [
        (
            "https://{host}{path}{query}",
            vec![
                literal("https://"),
                variable("host"),
                variable("path"),
                variable("query"),
            ],
        ),
        ("/a{{b}}c", vec![literal("/a{b}}c")]),
        (
            "/{{{route}}",
            vec![literal("/{"), variable("route"), literal("}")],
        ),
        ("{path}", vec![variable("path")]),
        ("/x", vec![literal("/x")]),
    ];
    for (text, parts) in cases {
        let route = route(&format!(
            "match = {{ path = \"/x\" }}\nredirect = \"{text}\""
        ));
        let Action::Redirect { status, location } = route.action else {
            panic!("not redirected");
        };
        assert_eq!((status, location.parts), (307, parts), "{text}");
    }
}

#[test]
fn rewrites() {
    let rewrite = |text: &str| match route(text).action {
        Action::Forward { rewrite, .. } => rewrite.unwrap(),
        _ => panic!("not forwarded"),
    };
    let prefix = |to: &str| {
        rewrite(&format!(
            "match = {{ path = \"/api/*\" }}\nto = \"a\"\nrewrite = {{ prefix = \"{to}\" }}"
        ))
    };
    assert_eq!(prefix("/v2"), Rewrite::Prefix("/v2".into()));
    assert_eq!(prefix("/v2/"), Rewrite::Prefix("/v2".into()));
    assert_eq!(prefix("/"), Rewrite::Prefix(String::new()));
    let path = rewrite(
        "match = { path = ['~/a/(?<id>.+)', '~/b/(?P<id>.+)'] }\nto = \"a\"\nrewrite = { path = \"/v2/{id}\" }",
    );
    let parts = vec![literal("/v2/"), variable("id")];
    assert_eq!(path, Rewrite::Path(Template { parts }));
}

#[test]
fn edits_come_in_their_order() {
    let route = route(
        "match = { headers = { user = '~(?<who>.+)@mycorp\\.com' } }\nto = \"a\"\n\
         headers = { add = { X-A = \"1\" }, set = { x-b = \"{who}\" }, remove = [\"X-C\", \"x-a\"] }\n\
         response_headers = { remove = \"server\" }",
    );
    let template = |part: Part| Template { parts: vec![part] };
    let removed = |name: &str| HeaderEdit::Remove { name: name.into() };
    assert_eq!(
        route.request_headers,
        [
            removed("x-c"),
            removed("x-a"),
            HeaderEdit::Set {
                name: "x-b".into(),
                value: template(variable("who"))
            },
            HeaderEdit::Add {
                name: "x-a".into(),
                value: template(literal("1"))
            },
        ]
    );
    assert_eq!(route.response_headers, [removed("server")]);
}

#[test]
fn answers() {
    let action = |text: &str| route(&format!("match = {{ path = \"/x\" }}\n{text}")).action;
    assert_eq!(
        action("respond = { body = \"ok\\n\" }"),
        Action::Respond {
            status: 200,
            body: "ok\n".into(),
            content_type: "text/plain; charset=utf-8".into()
        }
    );
    assert_eq!(
        action("respond = { status = 503, content_type = \"text/html\" }"),
        Action::Respond {
            status: 503,
            body: String::new(),
            content_type: "text/html".into()
        }
    );
}
