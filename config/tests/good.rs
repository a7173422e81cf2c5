//! What good files become: the model's values, case by case.
//! Not the errors (`bad.rs`).
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

use ringway_config::*;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

fn source(path: &str, text: &str) -> Source {
    Source {
        path: path.to_owned(),
        text: text.to_owned(),
    }
}

/// The configuration of a text that must be clean.
fn config(text: &str) -> Config {
    let checked = check(&[source("ringway.toml", text)]);
    assert!(
        checked.diagnostics.is_empty(),
        "{}",
        render(&checked.diagnostics)
    );
    checked.config.unwrap()
}

fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

const MINIMAL: &str =
    "[listeners.web]\nbind = \":8080\"\n\n[[routes]]\nto = [\"127.0.0.1:3001\"]\n";

#[test]
fn the_minimal_file_gets_every_default() {
    let config = config(MINIMAL);
    assert_eq!(config.server.workers, Workers::Auto);
    assert_eq!(config.server.io, Io::Auto);
    assert_eq!(config.server.drain, seconds(30));
    assert_eq!(config.server.name, "ringway");
    assert!(config.server.trusted_proxies.is_empty());

    let listener = &config.listeners[0];
    assert_eq!(listener.name, "web");
    assert_eq!(listener.at.line, 1);
    assert_eq!(listener.bind, [Bind::Tcp(address("[::]:8080"))]);
    assert_eq!(
        listener.timeouts,
        ListenerTimeouts {
            headers: seconds(10),
            idle: seconds(75),
            body: seconds(30),
            handshake: seconds(10),
            detect: seconds(1),
            max_age: None,
        }
    );
    assert_eq!(
        listener.limits,
        ListenerLimits {
            header_bytes: 65536,
            headers: 100,
            target_bytes: 16384,
            body: None,
            connections: None,
            max_requests: None,
        }
    );
    assert_eq!(listener.to, None);

    let route = &config.routes[0];
    assert_eq!((route.name.as_str(), route.at.line), ("route-1", 4));
    assert_eq!(route.matches, Match::default());
    assert_eq!(
        route.timeouts,
        RouteTimeouts {
            connect: seconds(1),
            first_byte: seconds(15),
            idle: seconds(300),
            tunnel_idle: seconds(3600),
            total: None,
        }
    );
    assert_eq!(route.body_limit, None);
    assert_eq!(config.default_timeouts, route.timeouts);
    assert_eq!(
        route.action,
        Action::Forward {
            targets: vec![Target {
                cluster: 0,
                weight: 1
            }],
            split_by: None,
            rewrite: None
        }
    );

    assert_eq!(
        config.admin.bind,
        [AdminBind::Unix(PathBuf::from("/run/ringway/admin.sock"))]
    );
    assert_eq!(config.admin.token, None);
    assert_eq!(config.access_log.to, LogTo::Stdout);
}

#[test]
fn inline_endpoints_are_a_cluster_with_every_default() {
    let config = config(MINIMAL);
    let cluster = &config.clusters[0];
    assert_eq!(
        (cluster.name.as_str(), cluster.at.line),
        ("route:route-1", 5)
    );
    assert_eq!(cluster.balance, Balance::P2c);
    assert_eq!(cluster.host, HostSent::Keep);
    assert_eq!(cluster.pool_idle, seconds(4));
    assert_eq!(cluster.proxy_protocol, ProxySent::Off);
    assert_eq!(cluster.protocol, Protocol::H1);
    assert_eq!(
        cluster.limits,
        ClusterLimits {
            connections: 10_000,
            requests: 10_000,
            queue: 1_000,
            queue_for: seconds(1),
        }
    );
}

#[test]
fn the_defaults_that_are_shown_are_those_that_hold() {
    let mut unseen: Vec<&str> = defaults().iter().map(|row| row.key).collect();
    let mut take = |key: &str| {
        unseen.retain(|known| *known != key);
        let row = defaults().iter().find(|row| row.key == key);
        row.unwrap_or_else(|| panic!("no default {key}")).value
    };
    // A table of all its keys, those without a value left out.
    let mut table = |prefix: &str, keys: &[&str]| {
        let pairs: Vec<String> = keys
            .iter()
            .map(|key| (key, take(&format!("{prefix}{key}"))))
            .filter(|(_, value)| *value != "none")
            .map(|(key, value)| format!("{key} = {value}"))
            .collect();
        format!("{{ {} }}", pairs.join(", "))
    };
    let timeouts = ["connect", "first_byte", "idle", "tunnel_idle", "total"];
    let text = format!(
        "server = {}\nadmin = {}\naccess_log = {}\n[listeners.web]\nbind = \":80\"\ntimeouts = {}\nlimits = {}\n\
         [listeners.tls]\nbind = \":443\"\ntls = \"t\"\ntimeouts = {}\n[tls.t]\ncertificates = {{ cert = \"c\", key = \"k\" }}\n{}\n\
         [listeners.db]\nbind = \":5432\"\ntcp = [\"db:5432\"]\ntimeouts = {}\ndetect = {}\n\
         [listeners.any]\nbind = \":99\"\ntcp = [\"db:1\"]\ndetect = true\ntimeouts = {}\n\
         [listeners.dns]\nbind = \":53\"\nudp = [\"dns:53\"]\ntimeouts = {}\nlimits = {}\n\
         [listeners.socket]\nbind = {}\n\
         [[routes]]\nmatch = {{ path = \"/r\" }}\nredirect = {}\n\
         [[routes]]\nmatch = {{ path = \"/a\" }}\nrespond = {}\n\
         [[routes]]\nto = [{}]\ntimeouts = {}\ngrpc_web = {}\n\
         [clusters.c]\nbalance = {}\nlimits = {}\nhost = {}\npool = {}\nproxy_protocol = {}\nsource = {}\nprotocol = {}\nendpoints = [{}]\n",
        table(
            "[server] ",
            &["workers", "io", "drain", "trusted_proxies", "name"]
        ),
        table("[admin] ", &["bind", "token"]),
        table("[access_log] ", &["to"]),
        table(
            "[listeners.x] timeouts.",
            &["headers", "idle", "body", "max_age"]
        ),
        table(
            "[listeners.x] limits.",
            &[
                "header_bytes",
                "headers",
                "target_bytes",
                "body",
                "connections",
                "max_requests"
            ]
        ),
        table("[listeners.x] timeouts.", &["handshake"]),
        table("[tls.x] ", &["min_version"])
            .replace("{ ", "")
            .replace(" }", ""),
        table("[listeners.x] tcp: timeouts.", &["connect", "idle"]),
        table("[listeners.x] ", &["detect"])
            .replace("{ detect = ", "")
            .replace(" }", ""),
        table("[listeners.x] detect: timeouts.", &["detect"]),
        table("[listeners.x] udp: timeouts.", &["idle"]),
        table("[listeners.x] udp: limits.", &["connections"]),
        table("[listeners.x] bind.", &["mode", "owner"]).replace('}', ", unix = \"/x\" }"),
        table("[[routes]] redirect.", &["status"]).replace('}', ", to = \"/\" }"),
        table("[[routes]] respond.", &["status", "content_type"]),
        table("[[routes]] to.", &["weight"]).replace('}', ", cluster = \"c\" }"),
        table("[[routes]] timeouts.", &timeouts),
        table("[[routes]] ", &["grpc_web"])
            .replace("{ grpc_web = ", "")
            .replace(" }", ""),
        table("[clusters.x] ", &["balance"])
            .replace("{ balance = ", "")
            .replace(" }", ""),
        table(
            "[clusters.x] limits.",
            &["connections", "requests", "queue", "queue_for"]
        ),
        table("[clusters.x] ", &["host"])
            .replace("{ host = ", "")
            .replace(" }", ""),
        table("[clusters.x] pool.", &["idle"]),
        table("[clusters.x] ", &["proxy_protocol"])
            .replace("{ proxy_protocol = ", "")
            .replace(" }", ""),
        table("[clusters.x] ", &["source"])
            .replace("{ source = ", "")
            .replace(" }", ""),
        table("[clusters.x] ", &["protocol"])
            .replace("{ protocol = ", "")
            .replace(" }", ""),
        table("[clusters.x] endpoints.", &["weight", "backup"])
            .replace('}', ", address = \"10.0.0.1:80\" }"),
    );
    assert_eq!(table("[[routes]] ", &["split_by"]), "{  }");
    let absent = [
        "proxy_protocol",
        "tls",
        "redirect",
        "intercept",
        "responses",
    ];
    assert_eq!(table("[listeners.x] ", &absent), "{  }");
    assert_eq!(table("[server] ", &["mark"]), "{  }");
    assert_eq!(table("[tls.x] ", &["client_cert", "trust"]), "{  }");
    assert_eq!(table("[clusters.x] ", &["tls"]), "{  }");
    assert_eq!(
        table("[clusters.x] tls.", &["insecure"]),
        "{ insecure = false }"
    );
    assert_eq!(table("", &["enforce"]), "{ enforce = true }");
    assert_eq!(unseen, Vec::<&str>::new(), "not in this test");
    let bare = "[listeners.web]\nbind = \":80\"\n\
         [listeners.tls]\nbind = \":443\"\ntls = \"t\"\n\
         [tls.t]\ncertificates = { cert = \"c\", key = \"k\" }\n\
         [listeners.db]\nbind = \":5432\"\ntcp = [\"db:5432\"]\n\
         [listeners.any]\nbind = \":99\"\ntcp = [\"db:1\"]\ndetect = true\n\
         [listeners.dns]\nbind = \":53\"\nudp = [\"dns:53\"]\n\
         [listeners.socket]\nbind = \"unix:/x\"\n\
         [[routes]]\nmatch = { path = \"/r\" }\nredirect = \"/\"\n\
         [[routes]]\nmatch = { path = \"/a\" }\nrespond = {}\n\
         [[routes]]\nto = \"c\"\n[clusters.c]\nendpoints = [\"10.0.0.1:80\"]\n";
    // Nothing changed but the lines that things stand on.
    assert_eq!(diff(&config(bare), &config(&text)), Vec::<String>::new());
    for row in defaults() {
        assert!(row.reason.ends_with('.'), "{}", row.key);
    }
}

#[test]
fn server_values() {
    let server = config(
        "[server]\nworkers = 4\nio = \"epoll\"\ndrain = \"0s\"\nname = \"edge\"\n\
         trusted_proxies = [\"10.0.0.0/8\", \"192.168.0.1\", \"fd00::/8\", \"0.0.0.0/0\"]\n\
         [listeners.web]\nbind = \":80\"\nto = [\"unix:/run/app.sock\"]\n",
    )
    .server;
    assert_eq!(server.workers, Workers::Count(4));
    assert_eq!(server.io, Io::Epoll);
    assert_eq!(server.drain, Duration::ZERO);
    assert_eq!(server.name, "edge");
    let blocks: Vec<String> = server.trusted_proxies.iter().map(Peer::to_string).collect();
    assert_eq!(
        blocks,
        ["10.0.0.0/8", "192.168.0.1/32", "fd00::/8", "0.0.0.0/0"]
    );
}

#[test]
fn addresses_to_listen_on() {
    let cases = [
        (":8080", "[::]:8080"),
        (":0", "[::]:0"),
        ("127.0.0.1:0", "127.0.0.1:0"),
        ("[::1]:80", "[::1]:80"),
        ("0.0.0.0:65535", "0.0.0.0:65535"),
    ];
    for (text, expected) in cases {
        let listeners = config(&format!(
            "[listeners.web]\nbind = \"{text}\"\nto = [\"name:1\"]\n"
        ))
        .listeners;
        assert_eq!(listeners[0].bind, [Bind::Tcp(address(expected))], "{text}");
    }
}

#[test]
fn a_listener_with_one_cluster() {
    let config = config("[listeners.app]\nbind = \":80\"\nto = [\"unix:/run/app.sock\"]\n");
    assert_eq!(config.listeners[0].to, Some(0));
    assert_eq!(config.clusters[0].name, "listener:app");
    assert!(config.routes.is_empty());
}

#[test]
fn a_target_never_exceeds_the_head() {
    let text =
        "[listeners.web]\nbind = \":80\"\nlimits = { header_bytes = \"4KiB\" }\nto = [\"n:1\"]\n";
    let limits = config(text).listeners[0].limits;
    assert_eq!((limits.header_bytes, limits.target_bytes), (4096, 4096));
}

#[test]
fn endpoints_as_written() {
    let endpoints = config(
        "[listeners.web]\nbind = \":80\"\nto = [\"10.0.0.1:80\", \"[::1]:80\", \"Api.Internal:8080\", \
         \"my_service:9000\", \"unix:/run/a.sock\", { address = \"10.0.0.2:80\", weight = 0, backup = true }]\n",
    )
    .clusters
    .remove(0)
    .endpoints;
    let shown: Vec<String> = endpoints.iter().map(|e| e.address.to_string()).collect();
    assert_eq!(
        shown,
        [
            "10.0.0.1:80",
            "[::1]:80",
            "api.internal:8080",
            "my_service:9000",
            "unix:/run/a.sock",
            "10.0.0.2:80"
        ]
    );
    assert_eq!(
        endpoints[4].address,
        Address::Unix(PathBuf::from("/run/a.sock"))
    );
    assert_eq!((endpoints[5].weight, endpoints[5].backup), (0, true));
    assert_eq!((endpoints[0].weight, endpoints[0].backup), (1, false));
}

#[test]
fn a_kind_is_taken_whole() {
    let config = config(
        "[defaults]\ntimeouts = { connect = \"2s\", total = \"1m\" }\nlimits = { body = \"1MiB\" }\n\
         [listeners.a]\nbind = \":1\"\n[listeners.b]\nbind = \":2\"\nlimits = { body = \"2MiB\" }\n\
         [[routes]]\nmatch = { path = \"/1\" }\nto = \"c\"\ntimeouts = { first_byte = \"9s\" }\nlimits = { body = \"3MiB\" }\n\
         [[routes]]\nto = \"c\"\n[clusters.c]\nendpoints = [\"10.0.0.1:80\"]\n",
    );
    let bodies: Vec<_> = config.listeners.iter().map(|l| l.limits.body).collect();
    assert_eq!(bodies, [Some(1 << 20), Some(2 << 20)]);
    let (own, inherited) = (&config.routes[0], &config.routes[1]);
    assert_eq!(own.body_limit, Some(3 << 20));
    assert_eq!(inherited.body_limit, None);
    assert_eq!(
        (
            own.timeouts.connect,
            own.timeouts.first_byte,
            own.timeouts.total
        ),
        (seconds(1), seconds(9), None)
    );
    assert_eq!(inherited.timeouts.connect, seconds(2));
    assert_eq!(inherited.timeouts.total, Some(seconds(60)));
    assert_eq!(config.default_timeouts, inherited.timeouts);
}

#[test]
fn like_takes_all_then_its_own() {
    let config = config(
        "[listeners.web]\nbind = \":80\"\n[[routes]]\nto = [{ cluster = \"c\" }, { cluster = \"b\" }, { cluster = \"a\" }]\n\
         [clusters.c]\nlike = \"b\"\npool = { idle = \"9s\" }\n\
         [clusters.b]\nlike = \"a\"\nendpoints = [\"10.0.0.2:80\"]\nhost = \"upstream\"\n\
         [clusters.a]\nendpoints = [\"10.0.0.1:80\"]\nbalance = \"random\"\nhost = \"api.internal:8080\"\nlimits = { queue = 0 }\n",
    );
    let names: Vec<_> = config.clusters.iter().map(|c| c.name.as_str()).collect();
    assert_eq!(names, ["c", "b", "a"], "in the order of the file");
    let c = &config.clusters[0];
    assert_eq!(c.balance, Balance::Random);
    assert_eq!(c.host, HostSent::Upstream);
    assert_eq!(c.pool_idle, seconds(9));
    assert_eq!((c.limits.queue, c.limits.requests), (0, 10_000));
    assert_eq!(c.endpoints[0].address.to_string(), "10.0.0.2:80");
    let host = HostSent::Literal("api.internal:8080".into());
    assert_eq!(config.clusters[2].host, host);
}

#[test]
fn admin_and_access_log() {
    let config = config(
        "[listeners.web]\nbind = \":80\"\nto = [\"n:1\"]\n\
         [admin]\nbind = [\"unix:/run/x.sock\", \"127.0.0.1:0\"]\ntoken = { env = \"TOKEN\" }\n[access_log]\nto = \"file:/var/log/x\"\n",
    );
    assert_eq!(
        config.admin.bind,
        [
            AdminBind::Unix(PathBuf::from("/run/x.sock")),
            AdminBind::Tcp(address("127.0.0.1:0"))
        ]
    );
    assert_eq!(config.admin.token, Some(Secret::Env("TOKEN".into())));
    assert_eq!(config.access_log.to, LogTo::File("/var/log/x".into()));
    assert!(!format!("{config:?}").contains("TOKEN"));
}

#[test]
fn secrets_are_not_shown() {
    let text = "[listeners.web]\nbind = \":80\"\nto = [\"n:1\"]\n[admin]\ntoken = \"s3cret\" # x\n";
    let main = source("x", text);
    let shown = without_secrets(&main);
    assert_eq!(shown, text.replace("s3cret", "***"));
    assert!(!format!("{:?}", check(&[main]).config).contains("s3cret"));
    let torn = without_secrets(&source("x", &text.replace("\" # x", "")));
    assert!(!torn.contains("s3cret"), "{torn}");
}

#[test]
fn files_are_one_configuration() {
    let main = source(
        "main.toml",
        "include = [\"conf.d/*.toml\", \"more.toml\"]\n[listeners.web]\nbind = \":80\"\n[[routes]]\nmatch = { path = \"/1\" }\nto = \"late\"\n",
    );
    assert_eq!(includes(&main), ["conf.d/*.toml", "more.toml"]);
    let one = source(
        "conf.d/1.toml",
        "[[routes]]\nmatch = { path = \"/2\" }\nto = \"late\"\n",
    );
    let two = source(
        "conf.d/2.toml",
        "[[routes]]\nto = \"late\"\n[clusters.late]\nendpoints = [\"10.0.0.1:80\"]\n",
    );
    let checked = check(&[main, one, two]);
    assert_eq!(render(&checked.diagnostics), "");
    let config = checked.config.unwrap();
    let places: Vec<_> = config
        .routes
        .iter()
        .map(|r| (r.name.as_str(), r.at.path.as_str(), r.at.line))
        .collect();
    assert_eq!(
        places,
        [
            ("route-1", "main.toml", 4),
            ("route-2", "conf.d/1.toml", 1),
            ("route-3", "conf.d/2.toml", 1)
        ]
    );
    assert_eq!(config.clusters[0].at.path, "conf.d/2.toml");
}

#[test]
fn nothing_at_all_is_an_error() {
    let checked = check(&[]);
    assert_eq!((checked.errors(), checked.warnings()), (1, 0));
    assert!(checked.config.is_none());
    assert!(includes(&source("x", "include = \"a.toml\"\n[")).contains(&"a.toml".to_owned()));
}

#[test]
fn proxy_headers_in_and_out() {
    let config = config(
        "[listeners.web]\nbind = \":80\"\nproxy_protocol = { from = [\"10.0.0.0/8\", \"::1\"] }\n\
         [listeners.plain]\nbind = \":81\"\n\
         [[routes]]\nto = [{ cluster = \"a\" }, { cluster = \"b\" }, { cluster = \"c\" }, { cluster = \"d\" }]\n\
         [clusters.a]\nendpoints = [\"10.0.0.1:80\"]\nproxy_protocol = \"v1\"\n\
         [clusters.b]\nlike = \"a\"\n\
         [clusters.c]\nlike = \"a\"\nproxy_protocol = \"off\"\n\
         [clusters.d]\nlike = \"a\"\nproxy_protocol = \"v2_crc32c\"\n",
    );
    let from = config.listeners[0].proxy_protocol.as_ref().unwrap();
    let from: Vec<String> = from.iter().map(ToString::to_string).collect();
    assert_eq!(from, ["10.0.0.0/8", "::1/128"]);
    assert_eq!(config.listeners[1].proxy_protocol, None);
    let sent: Vec<ProxySent> = config.clusters.iter().map(|c| c.proxy_protocol).collect();
    assert_eq!(
        sent,
        [
            ProxySent::V1,
            ProxySent::V1,
            ProxySent::Off,
            ProxySent::V2Crc32c
        ]
    );
}

#[test]
fn a_listener_of_bytes() {
    let rows = [
        ("", "", 1_000, 3_600_000),
        ("timeouts = { idle = \"8h\" }\n", "", 1_000, 28_800_000),
        (
            "",
            "[defaults]\ntimeouts = { connect = \"3s\", tunnel_idle = \"5m\" }\n",
            3_000,
            300_000,
        ),
        // A kind is taken whole.
        (
            "timeouts = { connect = \"2s\" }\n",
            "[defaults]\ntimeouts = { tunnel_idle = \"5m\" }\n",
            2_000,
            3_600_000,
        ),
    ];
    for (own, defaults, connect, idle) in rows {
        let text = format!(
            "[listeners.db]\nbind = \":1\"\ntcp = \"db\"\n{own}{defaults}[clusters.db]\nendpoints = [\"a:1\"]\n"
        );
        let tcp = config(&text).listeners[0].tcp.clone().unwrap();
        assert_eq!(tcp.routes[0].targets[0].cluster, 0);
        assert_eq!(
            (tcp.connect.as_millis(), tcp.idle.as_millis()),
            (connect, idle),
            "{text}"
        );
    }
}

#[test]
fn sockets_to_listen_on() {
    let unix = |path: &str, mode, user: Option<&str>, group: Option<&str>| {
        Bind::Unix(UnixBind {
            path: path.into(),
            mode,
            user: user.map(str::to_owned),
            group: group.map(str::to_owned),
        })
    };
    let cases = [
        ("\"unix:/run/x\"", unix("/run/x", 0o660, None, None)),
        ("\"unix:@x\"", unix("@x", 0o660, None, None)),
        (
            "{ unix = \"/x\", mode = \"600\" }",
            unix("/x", 0o600, None, None),
        ),
        (
            "{ unix = \"unix:/x\", owner = \"a:b\" }",
            unix("/x", 0o660, Some("a"), Some("b")),
        ),
        (
            "{ unix = \"/x\", owner = \"33\" }",
            unix("/x", 0o660, Some("33"), None),
        ),
        (
            "{ unix = \"/x\", owner = \":b\" }",
            unix("/x", 0o660, None, Some("b")),
        ),
    ];
    for (text, expected) in cases {
        let text = format!("[listeners.a]\nbind = {text}\nto = [\"a:1\"]\n");
        assert_eq!(config(&text).listeners[0].bind, [expected], "{text}");
    }
    let server = "[server]\ntrusted_proxies = [\"unix\", \"10.0.0.0/8\"]\n";
    let text = format!("{server}[listeners.a]\nbind = \":1\"\nto = [\"unix:@b\"]\n");
    let config = config(&text);
    assert_eq!(config.server.trusted_proxies[0], Peer::Unix);
    let address = &config.clusters[0].endpoints[0].address;
    assert_eq!(address.to_string(), "unix:@b");
}

#[test]
fn interception_and_where_it_goes_on_to() {
    let config = config(
        "[server]\nmark = 7\n\
         [listeners.out]\nbind = \":15001\"\nintercept = \"redirect\"\ntcp = \"as-meant\"\n\
         [listeners.in]\nbind = \":15006\"\nintercept = \"tproxy\"\n\
         [[routes]]\nto = [{ cluster = \"a\" }, { cluster = \"b\" }, { cluster = \"c\" }]\n\
         [clusters.as-meant]\nendpoints = \"original\"\n\
         [clusters.a]\nendpoints = \"original:localhost\"\nsource = \"client\"\n\
         [clusters.b]\nendpoints = \"original:127.0.0.2\"\n\
         [clusters.c]\nlike = \"b\"\n",
    );
    assert_eq!(config.server.mark, Some(7));
    let ways: Vec<Intercept> = config.listeners.iter().map(|l| l.intercept).collect();
    assert_eq!(ways, [Intercept::Redirect, Intercept::Tproxy]);
    let original: Vec<String> = config
        .clusters
        .iter()
        .map(|c| c.original.map(|o| o.to_string()).unwrap_or_default())
        .collect();
    assert_eq!(
        original,
        [
            "original",
            "original:localhost",
            "original:127.0.0.2",
            "original:127.0.0.2"
        ]
    );
    let sources: Vec<SourceSent> = config.clusters.iter().map(|c| c.source).collect();
    assert_eq!(sources[..2], [SourceSent::Own, SourceSent::Client]);
}

#[test]
fn destinations_of_intercepted_connections() {
    let rows = [
        ("10.0.0.0/8:5432", Some("10.0.0.0/8"), Some(5432)),
        ("10.0.0.1", Some("10.0.0.1/32"), None),
        (":5432", None, Some(5432)),
        ("[fd00::/8]:5432", Some("fd00::/8"), Some(5432)),
        ("[fd00::1]", Some("fd00::1/128"), None),
        ("fd00::/8", Some("fd00::/8"), None),
    ];
    for (text, block, port) in rows {
        let config = config(&format!(
            "[listeners.out]\nbind = \":15002\"\nintercept = \"redirect\"\n\
             tcp = [{{ destination = [\"{text}\", \":1\"], to = \"db\" }}, {{ to = \"rest\" }}]\n\
             [clusters.db]\nendpoints = [\"a:1\"]\n[clusters.rest]\nendpoints = \"original\"\n"
        ));
        let routes = &config.listeners[0].tcp.as_ref().unwrap().routes;
        let found = routes[0].matches.destinations[0];
        let shown = found.block.map(|block| block.to_string());
        assert_eq!((shown.as_deref(), found.port), (block, port), "{text}");
        assert!(routes[1].matches.is_any());
    }
}

const SECURE: &str = r#"
[listeners.web]
bind = ":443"
tls = "mesh"
timeouts = { handshake = "3s" }
policies = ["mesh", "strict"]

[listeners.plain]
bind = ":80"
redirect = "https:8443"

[listeners.db]
bind = ":5432"
tls = "mesh"
tcp = "app"
timeouts = { handshake = "4s", idle = "1m" }

[defaults]
allow = [{ address = "10.0.0.0/8" }]

[[routes]]
match = { identity = ["*", "=*", "spiffe://a.b/c", "spiffe://a.b/*", "CN=edge"] }
to = "app"
policies = ["mesh"]

[[routes]]
to = "other"
policies = ["mesh"]
allow = [{ method = ["GET", "HEAD"], path = "/a/*", headers = { x-y = "1" } }]
enforce = false

[clusters.app]
endpoints = ["10.0.0.1:443"]
tls = { use = "mesh", identity = ["spiffe://a.b/c", "spiffe://a.b/d/*"] }

[clusters.other]
like = "app"
tls = { name = "API.internal", insecure = true }

[clusters.plain]
like = "app"
tls = false

[[routes]]
match = { path = "/plain" }
to = "plain"

[tls.mesh]
certificates = { cert = "a.pem", key = "a.key", ocsp = "a.ocsp" }
trust = ["one.pem", "two.pem"]
crl = "revoked.pem"
client_cert = "optional"
min_version = "1.3"

[policies.mesh]
allow = [{ identity = "spiffe://a.b/*" }]

[policies.strict]
allow = [{ identity = "spiffe://a.b/c" }]
enforce = false
"#;

/// The same text may warn of a route that stands behind another: these cases are about values.
fn secure() -> Config {
    check(&[source("ringway.toml", SECURE)]).config.unwrap()
}

#[test]
fn tls_of_listeners_and_clusters_is_resolved() {
    let config = secure();
    let tls = &config.tls[0];
    assert_eq!(tls.name, "mesh");
    assert_eq!(
        tls.certificates,
        [CertificateFiles {
            cert: PathBuf::from("a.pem"),
            key: PathBuf::from("a.key"),
            ocsp: Some(PathBuf::from("a.ocsp")),
        }]
    );
    assert_eq!(tls.trust, ["one.pem", "two.pem"].map(PathBuf::from));
    assert_eq!(tls.crl, ["revoked.pem"].map(PathBuf::from));
    assert_eq!(tls.client_cert, ClientCert::Optional);
    assert_eq!(tls.min_version, TlsVersion::Tls13);
    assert!(
        config.routes[1]
            .allow
            .as_ref()
            .is_some_and(|allow| !allow.enforce)
    );
    let of = |name: &str| config.listeners.iter().find(|l| l.name == name).unwrap();
    assert_eq!(of("web").tls, Some(0));
    assert_eq!(of("web").timeouts.handshake, seconds(3));
    assert_eq!(of("db").timeouts.handshake, seconds(4));
    assert_eq!(of("plain").timeouts.handshake, seconds(10));
    assert_eq!(of("plain").redirect_https, Some(8443));
    let cluster = |name: &str| config.clusters.iter().find(|c| c.name == name).unwrap();
    assert_eq!(
        cluster("app").tls,
        Some(ClusterTls {
            of: Some(0),
            name: None,
            identities: vec![
                IdentityMatch::Exact("spiffe://a.b/c".to_owned()),
                IdentityMatch::Below("spiffe://a.b/d/".to_owned()),
            ],
            insecure: false,
        })
    );
    assert_eq!(
        cluster("other").tls,
        Some(ClusterTls {
            of: None,
            name: Some("api.internal".to_owned()),
            identities: Vec::new(),
            insecure: true,
        })
    );
    assert_eq!(cluster("plain").tls, None);
}

#[test]
fn allow_is_taken_whole_from_the_nearest_place() {
    let config = secure();
    let from = |allow: &Option<Allow>| allow.as_ref().map(|a| (a.from.clone(), a.enforce));
    let some = |from: &str, enforce| Some((from.to_owned(), enforce));
    let listeners: Vec<_> = config
        .listeners
        .iter()
        .map(|l| (l.name.as_str(), from(&l.allow)))
        .collect();
    assert_eq!(
        listeners,
        [
            ("web", some("policy strict", false)),
            ("plain", some("defaults", true)),
            ("db", some("defaults", true)),
        ]
    );
    let routes: Vec<_> = config.routes.iter().map(|r| from(&r.allow)).collect();
    assert_eq!(
        routes,
        [
            some("policy mesh", true),
            some("route route-2", false),
            None
        ]
    );
    assert_eq!(
        config.routes[1].allow.as_ref().unwrap().rules,
        [AllowRule {
            methods: vec!["GET".to_owned(), "HEAD".to_owned()],
            paths: vec![PathMatch::Prefix("/a".to_owned())],
            headers: vec![("x-y".to_owned(), ValueMatch::Exact("1".to_owned()))],
            ..AllowRule::default()
        }]
    );
    assert_eq!(
        config.routes[0].matches.identities,
        [
            IdentityMatch::Any,
            IdentityMatch::Exact("*".to_owned()),
            IdentityMatch::Exact("spiffe://a.b/c".to_owned()),
            IdentityMatch::Below("spiffe://a.b/".to_owned()),
            IdentityMatch::Exact("CN=edge".to_owned()),
        ]
    );
}
