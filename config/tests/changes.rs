//! What the log says after a reload: one change at a time, and its line.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

use ringway_config::{Config, Source, check, diff, render};

const BASE: &str = r#"
[server]
drain = "30s"

[listeners.web]
bind = ":8080"

[[routes]]
name  = "one"
match = { path = "/1" }
to    = "a"

[[routes]]
name = "two"
to   = [{ cluster = "a", weight = 95 }, { cluster = "b", weight = 5 }]

[clusters.a]
endpoints = ["10.0.0.1:80", "10.0.0.2:80"]

[clusters.b]
endpoints = ["10.0.0.3:80"]
"#;

fn config(text: &str) -> Config {
    let checked = check(&[Source {
        path: "x.toml".to_owned(),
        text: text.to_owned(),
    }]);
    checked
        .config
        .unwrap_or_else(|| panic!("{}", render(&checked.diagnostics)))
}

/// What is replaced in the base, by what, and the lines that this gives.
type Row = (&'static str, &'static str, &'static [&'static str]);

const ROWS: [Row; 24] = [
    ("", "", &[]),
    ("[server]", "# moved down\n\n[server]", &[]),
    ("30s", "1m", &["~ server: drain 30s -> 1m"]),
    (
        "drain = ",
        "workers = 2\nio = \"epoll\"\ntrusted_proxies = [\"10.0.0.0/8\"]\nname = \"x\"\ndrain = ",
        &["~ server: workers auto -> 2, io auto -> epoll, trusted_proxies, name ringway -> x"],
    ),
    (":8080", ":8081", &["~ listener web: bind"]),
    (
        "[listeners.web]",
        "[listeners.new]\nbind = \":81\"\n[listeners.web]",
        &["+ listener new"],
    ),
    ("\"/1\"", "\"/2\"", &["~ route one: match"]),
    ("\"a\"\n\n[[", "\"b\"\n\n[[", &["~ route one: to a -> b"]),
    ("95", "90", &["~ route two: to (a 95, b 5) -> (a 90, b 5)"]),
    (
        "to    = \"a\"",
        "to = [\"10.0.0.9:80\"]",
        &["~ route one: to a -> route:one", "+ cluster route:one"],
    ),
    (
        "to    = \"a\"",
        "redirect = \"/x\"",
        &["~ route one: to -> redirect"],
    ),
    (
        "to    = \"a\"",
        "to = \"a\"\nheaders = { remove = \"x\" }\ntimeouts = { total = \"1s\" }\nlimits = { body = \"1MiB\" }",
        &["~ route one: headers, timeouts, limits"],
    ),
    (
        "name  = \"one\"",
        "name = \"uno\"",
        &["- route one", "+ route uno"],
    ),
    (
        "\"10.0.0.2:80\"]",
        "\"10.0.0.4:80\", \"10.0.0.5:80\"]",
        &["~ cluster a: endpoints +2 -1"],
    ),
    (
        "\"10.0.0.1:80\", \"10.0.0.2:80\"]",
        "{ address = \"10.0.0.1:80\", weight = 2 }, \"10.0.0.2:80\"]\nbalance = \"random\"\npool = { idle = \"2s\" }",
        &["~ cluster a: endpoints ~1, balance p2c -> random, pool.idle 4s -> 2s"],
    ),
    (
        "[clusters.a]",
        "[clusters.a]\nprotocol = \"h2\"",
        &["~ cluster a: protocol"],
    ),
    (
        "to    = \"a\"",
        "to = \"g\"\ngrpc_web = true\n[clusters.g]\nendpoints = [\"10.0.0.9:1\"]\nprotocol = \"h2\"",
        &["~ route one: to a -> g, grpc_web", "+ cluster g"],
    ),
    (
        "[clusters.a]",
        "[clusters.a]\nproxy_protocol = \"v2\"",
        &["~ cluster a: proxy_protocol"],
    ),
    (
        "[clusters.a]",
        "[clusters.first]\nendpoints = [\"10.0.0.9:80\"]\n[clusters.a]",
        &["+ cluster first"],
    ),
    (
        "bind = \":8080\"",
        "bind = \":8080\"\ntls = \"t\"\n[tls.t]\ncertificates = { cert = \"c\", key = \"k\" }",
        &["~ listener web: tls", "+ tls t"],
    ),
    (
        "[clusters.a]",
        "[clusters.a]\ntls = { name = \"x\" }",
        &["~ cluster a: tls"],
    ),
    (
        "bind = \":8080\"",
        "bind = \":8080\"\npolicies = \"p\"\n[policies.p]\nallow = { address = \"10.0.0.0/8\" }",
        &["~ listener web: allow"],
    ),
    (
        "[server]",
        "access_log = { to = \"off\" }\nadmin = { bind = [], token = \"x\" }\n[server]",
        &["~ admin: bind, token", "~ access_log: to"],
    ),
    (
        "[server]",
        "[defaults]\ntimeouts = { idle = \"1m\" }\n[server]",
        &[
            "~ route one: timeouts",
            "~ route two: timeouts",
            "~ defaults: timeouts",
        ],
    ),
];

#[test]
fn each_change_has_its_line() {
    let old = config(BASE);
    for (from, to, expected) in ROWS {
        let text = BASE.replacen(from, to, 1);
        assert_eq!(diff(&old, &config(&text)), expected, "{from:?} -> {to:?}");
    }
}

#[test]
fn the_order_of_routes_is_a_change() {
    let (head, rest) = BASE.split_at(BASE.find("[[routes]]").unwrap());
    let (one, rest) = rest.split_at(rest[1..].find("[[routes]]").unwrap() + 1);
    let (two, clusters) = rest.split_at(rest.find("[clusters").unwrap());
    let swapped = format!("{head}{two}{one}{clusters}");
    let lines = diff(&config(BASE), &config(&swapped));
    assert_eq!(lines, ["~ routes: order"]);
}
