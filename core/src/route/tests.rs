//! Finding routes: golden tables, then thousands of generated requests against the reference.

use ringway_config::{Config, Match, Route};

use super::made::{Head, config, host, path, route, values};
use super::reference::{self, Plain};
use super::{Ask, Captures, Router};

fn matching(hosts: &[&str], paths: &[&str]) -> Match {
    Match {
        hosts: hosts.iter().map(|h| host(h)).collect(),
        paths: paths.iter().map(|p| path(p)).collect(),
        ..Match::default()
    }
}

fn routes(list: Vec<Match>) -> Config {
    config(list.into_iter().map(|m| route(m, "")).collect())
}

fn plain(authority: &str, target: &str) -> Plain {
    let (path, query) = match target.split_once('?') {
        Some((path, query)) => (path, Some(query.to_owned())),
        None => (target, None),
    };
    Plain {
        listener: 0,
        method: "GET".to_owned(),
        authority: authority.to_owned(),
        path: path.to_owned(),
        query,
        fields: Vec::new(),
    }
}

fn find(router: &Router, request: &Plain, captures: &mut Captures) -> Option<usize> {
    let fields = request
        .fields
        .iter()
        .map(|(n, v)| (n.as_str(), v.as_bytes()));
    let ask = Ask {
        listener: request.listener,
        method: request.method.as_bytes(),
        authority: request.authority.as_bytes(),
        path: request.path.as_bytes(),
        query: request.query.as_ref().map(|q| q.as_bytes()),
        identity: None,
        fields: &Head(fields.collect()),
    };
    router.find(&ask, captures)
}

/// Each case: authority, target, the route expected.
fn check(config: &Config, cases: &[(&str, &str, Option<usize>)]) {
    let router = Router::compile(config).unwrap();
    let mut captures = Captures::new();
    for (authority, target, expected) in cases {
        let found = find(&router, &plain(authority, target), &mut captures);
        assert_eq!(found, *expected, "{authority} {target}");
    }
}

#[test]
fn file_order_decides_between_exact_wildcard_and_any() {
    let config = routes(vec![
        matching(&["*.shop.example"], &["/early"]),
        matching(&["api.shop.example"], &[]),
        matching(&["*.example"], &["/x/*"]),
        matching(&[], &["/any"]),
        matching(&["*.shop.example", "other.example"], &[]),
        matching(&["other.example"], &["/any"]),
        matching(&[], &["/*"]),
    ]);
    check(
        &config,
        &[
            ("api.shop.example", "/early", Some(0)),
            ("api.shop.example", "/any", Some(1)),
            ("API.Shop.Example.:8080", "/x/1", Some(1)),
            ("www.shop.example", "/x/1", Some(2)),
            ("www.shop.example", "/any", Some(3)),
            ("a.b.shop.example", "/z", Some(4)),
            ("shop.example", "/z", Some(6)),
            ("shop.example", "/x", Some(2)),
            ("other.example:1", "/any", Some(3)),
            ("other.example", "/z", Some(4)),
            ("", "/", Some(6)),
            ("", "*", None),
            ("[::1]:80", "/any/", Some(6)),
        ],
    );
}

#[test]
fn addresses_as_hosts() {
    let config = routes(vec![
        matching(&["[::1]"], &[]),
        matching(&["2001:db8::a"], &[]),
        matching(&["127.0.0.1"], &[]),
    ]);
    check(
        &config,
        &[
            ("[::1]", "/", Some(0)),
            ("[0:0::1]:8080", "/", Some(0)),
            ("[2001:DB8:0::A]", "/", Some(1)),
            ("127.0.0.1:80", "/", Some(2)),
            ("127.0.0.10", "/", None),
        ],
    );
}

#[test]
fn paths_as_a_table() {
    let few = vec![
        matching(&[], &["/exact"]),
        matching(&[], &["/api/v1/*"]),
        matching(&[], &["/api/*", "/old"]),
        matching(&[], &[r"~/item/\d+|/it"]),
        matching(&[], &["/*"]),
    ];
    // The same behind enough routes that the bucket has its path index.
    let mut many = few.clone();
    many.extend((0..40).map(|i| matching(&[], &[&format!("/fill/{i}/*")])));
    for list in [few, many] {
        check(
            &routes(list),
            &[
                ("h", "/exact", Some(0)),
                ("h", "/exact/", Some(4)),
                ("h", "/Exact", Some(4)),
                ("h", "/api/v1", Some(1)),
                ("h", "/api/v1/x", Some(1)),
                ("h", "/api/v11", Some(2)),
                ("h", "/api", Some(2)),
                ("h", "/api/", Some(2)),
                ("h", "/apix", Some(4)),
                ("h", "/old", Some(2)),
                ("h", "/old/x", Some(4)),
                ("h", "/item/12", Some(3)),
                ("h", "/item/12/x", Some(4)),
                ("h", "/it", Some(3)),
                ("h", "/item/12?x=/api", Some(3)),
                ("h", "/", Some(4)),
                ("h", "*", None),
            ],
        );
    }
}

#[test]
fn method_listener_field_and_query_as_a_table() {
    let mut all = vec![Match::default(); 5];
    all[0].methods = vec!["POST".to_owned(), "PUT".to_owned()];
    all[1].listeners = vec![2, 3];
    all[2].headers = values(&[("user", r"~(.+)@mycorp\.com"), ("x-on", "*")]);
    all[3].query = values(&[("v", "a b"), ("q", "~[0-9]+")]);
    all[4].headers = values(&[("X-Mode", "beta")]);
    let router = Router::compile(&routes(all)).unwrap();
    type Change = fn(&mut Plain);
    let cases: &[(Change, Option<usize>)] = &[
        (|_| {}, None),
        (|r| r.method = "PUT".into(), Some(0)),
        (|r| r.method = "put".into(), None),
        (|r| r.listener = 3, Some(1)),
        (
            |r| r.fields = fields(&[("user", "ann@mycorp.com"), ("x-on", "")]),
            Some(2),
        ),
        (|r| r.fields = fields(&[("user", "ann@mycorp.com")]), None),
        (
            |r| r.fields = fields(&[("user", "eve@mycorp.com.evil.org"), ("x-on", "")]),
            None,
        ),
        (
            |r| r.fields = fields(&[("user", "x"), ("x-on", "1"), ("user", "a@mycorp.com")]),
            Some(2),
        ),
        (|r| r.fields = fields(&[("x-mode", "beta")]), Some(4)),
        (|r| r.fields = fields(&[("x-mode", "alpha, beta")]), None),
        (|r| r.query = Some("v=a+b&q=12".into()), Some(3)),
        (|r| r.query = Some("%76=a%20b&q=%31".into()), Some(3)),
        (|r| r.query = Some("v=x&q=y&q=7&v=a+b".into()), Some(3)),
        (|r| r.query = Some("v=a+b&q=".into()), None),
        (|r| r.query = Some("v=a%2Bb&q=1".into()), None),
    ];
    for (at, (change, expected)) in cases.iter().enumerate() {
        let mut request = plain("h", "/");
        change(&mut request);
        assert_eq!(
            find(&router, &request, &mut Captures::new()),
            *expected,
            "case {at}"
        );
    }
}

fn fields(list: &[(&str, &str)]) -> Vec<(String, String)> {
    list.iter()
        .map(|(n, v)| (n.to_string(), v.to_string()))
        .collect()
}

#[test]
fn captures_of_the_winner_only() {
    let mut by_user = matching(&[], &["/fixed", "~/(?<first>[^/]+)/(?<second>.*)"]);
    by_user.headers = values(&[("user", "~(?<who>[^@]+)@(?<corp>.+)")]);
    by_user.query = values(&[("v", "~(?s)(?<version>.*)")]);
    let loser = matching(&[], &["~/(?<first>.)(?<rest>.*)"]);
    let config = config(vec![
        route(by_user, "{who} {second} {version} {host}"),
        route(loser, "{rest}"),
    ]);
    let router = Router::compile(&config).unwrap();
    let mut captures = Captures::new();
    let mut request = plain("h", "/a/b/c?v=%0D%0Ax&v=2");
    request.fields = fields(&[("user", "nobody"), ("user", "ann@x"), ("user", "bob@y")]);

    let names = ["who", "corp", "first", "second", "version", "rest"];
    let got = |captures: &Captures| {
        names.map(|n| {
            captures
                .get(n)
                .map(|v| String::from_utf8(v.to_vec()).unwrap())
        })
    };
    let text = |list: [Option<&str>; 6]| list.map(|t| t.map(str::to_owned));
    assert_eq!(find(&router, &request, &mut captures), Some(0));
    // `corp` and `first` are used by no template of the route.
    assert_eq!(
        got(&captures),
        text([Some("ann"), None, None, Some("b/c"), Some("\r\nx"), None])
    );

    request.path = "/fixed".to_owned();
    assert_eq!(find(&router, &request, &mut captures), Some(0));
    assert_eq!(
        got(&captures),
        text([Some("ann"), None, None, None, Some("\r\nx"), None])
    );

    request.fields.clear();
    assert_eq!(find(&router, &request, &mut captures), Some(1));
    assert_eq!(
        got(&captures),
        text([None, None, None, None, None, Some("ixed")])
    );

    request.path = "*".to_owned();
    assert_eq!(find(&router, &request, &mut captures), None);
    assert_eq!(
        got(&captures),
        text([None; 6]),
        "cleared though nothing matched"
    );
}

#[test]
fn every_fault_is_reported_with_its_place() {
    let mut odd = matching(&[&"h".repeat(300)], &["~("]);
    odd.headers = values(&[("a", "~[")]);
    let config = config(vec![
        route(odd, ""),
        route(matching(&[], &["/fine"]), "{host}"),
        route(matching(&[], &["~/(?<path>.*)"]), "{path}"),
        route(matching(&[], &["~/(?<path>.*)"]), "not used"),
        route(Match::default(), "{nothing}"),
    ]);
    let faults = Router::compile(&config).unwrap_err();
    let parts = [
        "longer than 255",
        "path regex `(`",
        "header a regex `[`",
        "`path` has the name",
        "`{nothing}`",
    ];
    assert_eq!(faults.len(), parts.len(), "{faults:#?}");
    for (fault, part) in faults.iter().zip(parts) {
        assert!(
            fault.starts_with("made.toml:7: route \"made\": "),
            "{fault}"
        );
        assert!(fault.contains(part), "{fault}");
    }
}

#[test]
fn hostile_requests_do_no_harm() {
    let list = (0..20)
        .map(|i| matching(&["*.example"], &[&format!("/{i}/*")]))
        .collect();
    let router = Router::compile(&routes(list)).unwrap();
    let mut captures = Captures::new();
    for (authority, path) in [
        ("a.".repeat(30_000), "/".repeat(16_000)),
        ("[".repeat(200), "/0".repeat(8_000)),
        (":".repeat(200), String::new()),
    ] {
        assert_eq!(
            find(&router, &plain(&authority, &path), &mut captures),
            None
        );
    }
    assert_eq!(
        find(
            &router,
            &plain("a.example", &format!("/0{}", "/".repeat(9000))),
            &mut captures
        ),
        Some(0)
    );
}

/// A small generator with a fixed seed.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % bound
    }

    fn one<'a>(&mut self, list: &[&'a str]) -> &'a str {
        list[self.below(list.len())]
    }

    /// None up to three of a list.
    fn some<'a>(&mut self, list: &[&'a str], most: usize) -> Vec<&'a str> {
        (0..self.below(most + 1)).map(|_| self.one(list)).collect()
    }
}

// Small vocabularies, so that routes overlap and requests hit.
const ROUTE_HOSTS: &[&str] = &[
    "a.x", "b.x", "x", "c.a.x", "*.x", "*.a.x", "*.y", "::1", "1.2.3.4",
];
const ASKED_HOSTS: &[&str] = &[
    "a.x",
    "A.X:80",
    "b.x.",
    "x",
    "c.a.x",
    "d.c.a.x:1",
    "y",
    "q.y.:9",
    "[::1]:80",
    "1.2.3.4:5",
    "",
    "none",
    ".x",
    "..x",
];
const ROUTE_PATHS: &[&str] = &[
    "/",
    "/a",
    "/a/b",
    "/*",
    "/a/*",
    "/a/b/*",
    "/ab/*",
    "/c",
    "~/a|/a/b",
    "~/[a-c]+/?",
    "~/(?<seg>[^/]+)/b",
    "~.*b",
];
const ASKED_PATHS: &[&str] = &[
    "/", "/a", "/a/", "/a/b", "/a/bc", "/ab", "/ab/c", "/c", "/c/b", "/a/b/c/d", "*", "/zz",
];
const VALUES: &[&str] = &["*", "1", "2", "~[12]", "~1|12", "a b"];
const FIELD_NAMES: &[&str] = &["h", "g"];
const ASKED_VALUES: &[&str] = &["1", "2", "12", "", "a b"];
const QUERIES: &[&str] = &[
    "",
    "h=1",
    "h=2&g=1",
    "g",
    "h=a+b",
    "h=%61%20b&h=1",
    "%68=1",
    "&g=12&&h=",
    "h=1=2",
];
const METHODS: &[&str] = &["GET", "POST", "HEAD"];

fn generated_route(random: &mut Random) -> Route {
    let conditions = |random: &mut Random, chance: usize| match random.below(chance) {
        0 => values(&[(random.one(FIELD_NAMES), random.one(VALUES))]),
        _ => Vec::new(),
    };
    let matches = Match {
        listeners: if random.below(5) == 0 {
            vec![random.below(2)]
        } else {
            Vec::new()
        },
        hosts: random.some(ROUTE_HOSTS, 3).into_iter().map(host).collect(),
        paths: random.some(ROUTE_PATHS, 2).into_iter().map(path).collect(),
        calls: ringway_config::Calls::Unasked,
        methods: if random.below(4) == 0 {
            vec![random.one(METHODS).to_owned()]
        } else {
            Vec::new()
        },
        headers: conditions(random, 3),
        query: conditions(random, 4),
        identities: Vec::new(),
    };
    route(matches, "")
}

fn generated_request(random: &mut Random) -> Plain {
    let fields = (0..random.below(3)).map(|_| (random.one(FIELD_NAMES), random.one(ASKED_VALUES)));
    let fields: Vec<(&str, &str)> = fields.collect();
    Plain {
        listener: random.below(3),
        method: random.one(METHODS).to_owned(),
        authority: random.one(ASKED_HOSTS).to_owned(),
        path: random.one(ASKED_PATHS).to_owned(),
        query: (random.below(2) == 0).then(|| random.one(QUERIES).to_owned()),
        fields: self::fields(&fields),
    }
}

#[test]
fn agrees_with_the_reference() {
    let mut random = Random(11);
    let mut captures = Captures::new();
    let (mut found, mut missed) = (0, 0);
    for size in (0..240).map(|i| [1, 3, 8, 9, 15, 40, 90][i % 7]) {
        let config = config((0..size).map(|_| generated_route(&mut random)).collect());
        let router = Router::compile(&config).unwrap();
        for _ in 0..40 {
            let request = generated_request(&mut random);
            let expected = reference::find(&config, &request);
            assert_eq!(
                find(&router, &request, &mut captures),
                expected,
                "{request:?}\n{:#?}",
                expected.map(|at| &config.routes[at].matches)
            );
            match expected {
                Some(_) => found += 1,
                None => missed += 1,
            }
        }
    }
    assert!(
        found > 2000 && missed > 1000,
        "{found} found, {missed} missed: both kinds are tried"
    );
}
