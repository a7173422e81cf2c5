//! The demo's parts, and the tour against a stand-in for the proxy that behaves or misbehaves as told.

use super::client::Client;
use super::settings::Settings;
use super::*;
use crate::control::scratch::Scratch;
use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

fn settings_for(dir: &Path) -> (Side, Origins, String) {
    let side = Side::start().unwrap();
    let origins = Origins::start(side.runtime()).unwrap();
    let text = settings::text(&Settings {
        proxy: "127.0.0.1:8080".parse().unwrap(),
        admin: "127.0.0.1:9901".parse().unwrap(),
        folder: dir,
        origins: &origins,
    });
    (side, origins, text)
}

fn check(text: &str) -> ringway_config::Checked {
    let (path, text) = ("ringway.toml".into(), text.into());
    ringway_config::check(&[ringway_config::Source { path, text }])
}

#[test]
fn the_written_file_is_good_and_so_is_its_edit() {
    let (_side, _, text) = settings_for(Path::new("/tmp/a \"b\" \\c"));
    for text in [text.clone(), settings::follow_v2(&text)] {
        let found = check(&text).diagnostics;
        assert!(found.is_empty(), "{}", ringway_config::render(&found));
    }
    let bad = settings::slip(&settings::follow_v2(&text));
    assert!(check(&bad).errors() > 0);
    assert_eq!(settings::unslip(&bad), settings::follow_v2(&text));
}

#[test]
fn the_proposed_edit_is_the_one_of_the_tour() {
    let dir = Scratch::new();
    let (_side, _, text) = settings_for(&dir);
    let file = dir.write("ringway.toml", &text);
    let done = Command::new("sed")
        .arg("-i")
        .arg(settings::SED)
        .arg(&file)
        .status();
    assert!(done.unwrap().success());
    let edited = fs::read_to_string(&file).unwrap();
    assert_eq!(edited, settings::follow_v2(&text));
    assert_ne!(edited, text);
}

#[test]
fn the_origins_answer() {
    let (_side, origins, _) = settings_for(Path::new("/tmp"));
    let get = |address, fields: &[(&str, &str)]| {
        let mut client = Client::connect(address).unwrap();
        client.get("/products/7", fields).unwrap()
    };
    let v1 = get(origins.products_v1, &[]);
    assert_eq!(v1.body, "products v1: GET /products/7\n");
    let v2 = get(origins.products_v2, &[("x-corp-user", "ann")]);
    assert_eq!(v2.body, "products v2: GET /products/7 for ann\n");
    let begun = Instant::now();
    assert_eq!(get(origins.slow, &[]).status, 200);
    assert!(begun.elapsed() >= origins::SLOW);
    let codes: Vec<_> = (0..6).map(|_| get(origins.flaky, &[]).status).collect();
    assert_eq!(codes, [200, 200, 200, 200, 503, 200]);
}

#[test]
fn ports() {
    let held = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = held.local_addr().unwrap().port();
    let why = free_addresses(Some(port)).unwrap_err();
    assert!(why.starts_with(&format!("port {port}: ")), "{why}");
    drop(held);
    let (web, admin) = free_addresses(Some(port)).unwrap();
    assert_eq!(web.port(), port);
    assert_ne!(admin.port(), port);
}

#[test]
fn folders() {
    let first = Folder::make(None).unwrap();
    let second = Folder::make(None).unwrap();
    assert_ne!(first.path, second.path);
    assert!(first.farewell().contains("is removed"));
    let path = first.path.clone();
    drop(first);
    assert!(!path.exists());
    let dir = Scratch::new();
    let wanted = dir.join("a/b");
    drop(Folder::make(Some(&wanted)).unwrap());
    assert!(wanted.exists(), "one that was asked for is kept");
    fs::write(wanted.join("ringway.toml"), "mine").unwrap();
    let why = Folder::make(Some(&wanted)).err().unwrap();
    assert!(why.contains("has a ringway.toml already"), "{why}");
}

#[test]
fn words_of_a_shell() {
    let cases = [
        (
            "/tmp/ringway-demo-1/ringway.toml",
            "/tmp/ringway-demo-1/ringway.toml",
        ),
        ("/tmp/a b", "'/tmp/a b'"),
        ("/tmp/it's", r"'/tmp/it'\''s'"),
    ];
    for (path, expected) in cases {
        assert_eq!(quoted(Path::new(path)), expected);
    }
}

/// How the stand-in misbehaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    None,
    PlainIsV2,
    HeaderIgnored,
    SplitToOne,
    SlowIsFast,
    FlakyIsRetried,
    EditIgnored,
    EditDropsConnection,
    BadEditServed,
    BadEditNotSaid,
    CountsTooMuch,
}

/// Answers as the proxy would with the demo's file, which it reads for every request.
struct StandIn {
    file: PathBuf,
    fault: Fault,
    text: Mutex<String>,
    split: AtomicU64,
    flaky: AtomicU64,
    products: AtomicU64,
}

impl StandIn {
    /// Whether the file is bad; a good one is taken.
    fn follow(&self) -> bool {
        let now = fs::read_to_string(&self.file).unwrap();
        let bad = check(&now).errors() > 0;
        if !bad && self.fault != Fault::EditIgnored {
            *self.text.lock().unwrap() = now;
        }
        bad
    }

    fn product(&self, uri: &Uri, headers: &HeaderMap) -> Response {
        let bad = self.follow();
        let user = headers.get("user").and_then(|user| user.to_str().ok());
        let corp = user.and_then(|user| user.strip_suffix("@mycorp.com"));
        if let Some(user) = corp.filter(|_| self.fault != Fault::HeaderIgnored) {
            return format!("products v2: GET {uri} for {user}\n").into_response();
        }
        self.products.fetch_add(1, Ordering::Relaxed);
        if bad && self.fault == Fault::BadEditServed {
            return (StatusCode::NOT_FOUND, "no route\n").into_response();
        }
        let text = self.text.lock().unwrap();
        let edited = *text == settings::follow_v2(&text);
        let v2 = edited || self.fault == Fault::PlainIsV2;
        let version = if v2 { "v2" } else { "v1" };
        let mut response = format!("products {version}: GET {uri}\n").into_response();
        if edited && self.fault == Fault::EditDropsConnection {
            let close = axum::http::HeaderValue::from_static("close");
            response.headers_mut().insert("connection", close);
        }
        response
    }
}

async fn stand_in(State(own): State<Arc<StandIn>>, uri: Uri, headers: HeaderMap) -> Response {
    let path = uri.path();
    if path.starts_with("/products/") {
        return own.product(&uri, &headers);
    }
    if path.starts_with("/split/") {
        let n = own.split.fetch_add(1, Ordering::Relaxed);
        let v2 = n % 5 == 4 && own.fault != Fault::SplitToOne;
        return format!("products {}: split\n", if v2 { "v2" } else { "v1" }).into_response();
    }
    if path.starts_with("/slow/") {
        if own.fault != Fault::SlowIsFast {
            tokio::time::sleep(origins::SLOW).await;
        }
        return "slow: done\n".into_response();
    }
    if path.starts_with("/flaky/") {
        let n = own.flaky.fetch_add(1, Ordering::Relaxed);
        if n % 5 == 2 && own.fault != Fault::FlakyIsRetried {
            return StatusCode::SERVICE_UNAVAILABLE.into_response();
        }
        return "flaky: done\n".into_response();
    }
    if path == "/readyz" {
        let bad = own.follow() && own.fault != Fault::BadEditNotSaid;
        return if bad {
            r#"{"config": "rejected", "errors": ["/x/ringway.toml:30:1: unknown key `too`"]}"#
        } else {
            r#"{"config": "running"}"#
        }
        .into_response();
    }
    let more = u64::from(own.fault == Fault::CountsTooMuch);
    let products = own.products.load(Ordering::Relaxed) + more;
    format!(
        "ringway_route_requests_total{{route=\"products\",code=\"2xx\"}} {products}\n\
         ringway_config_reloads_total{{result=\"applied\"}} 2\n\
         ringway_config_reloads_total{{result=\"rejected\"}} 1\n"
    )
    .into_response()
}

/// Take the tour on a stand-in; what was printed, and how it ended.
fn tour(fault: Fault) -> (String, Result<(), String>) {
    let dir = Scratch::new();
    let (side, _, text) = settings_for(&dir);
    let own = Arc::new(StandIn {
        file: dir.write("ringway.toml", &text),
        fault,
        text: Mutex::new(text),
        split: AtomicU64::new(0),
        flaky: AtomicU64::new(0),
        products: AtomicU64::new(0),
    });
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    socket.set_nonblocking(true).unwrap();
    let address = socket.local_addr().unwrap();
    let routes = Router::new()
        .fallback(stand_in)
        .with_state(Arc::clone(&own));
    let _inside = side.runtime().enter();
    let socket = tokio::net::TcpListener::from_std(socket).unwrap();
    side.runtime()
        .spawn(async { axum::serve(socket, routes).await });
    let way = tour::Way {
        file: own.file.clone(),
        proxy: address,
        admin: address,
        patience: Duration::from_millis(300),
    };
    let mut out = Vec::new();
    let told = tour::run(way, &mut out);
    (String::from_utf8(out).unwrap(), told)
}

#[test]
fn the_tour_holds_on_a_proxy_that_does() {
    let (out, told) = tour(Fault::None);
    told.unwrap();
    let steps = out
        .lines()
        .filter(|line| line.starts_with(char::is_numeric));
    assert_eq!(steps.count(), 9, "{out}");
    assert!(
        out.contains("GET /products/7 -> products v1: GET /products/7"),
        "{out}"
    );
    assert!(out.contains("v1 120, v2 30"), "{out}");
    assert!(
        out.contains("ringway.toml:30:1: unknown key `too`"),
        "{out}"
    );
}

#[test]
fn the_tour_names_the_step_that_did_not_hold() {
    let cases = [
        (Fault::PlainIsV2, "step 1 (plain route)"),
        (Fault::HeaderIgnored, "step 2 (header regex)"),
        (Fault::SplitToOne, "step 3 (weighted split)"),
        (Fault::SlowIsFast, "step 4 (slow origin)"),
        (Fault::FlakyIsRetried, "step 5 (flaky origin)"),
        (Fault::EditIgnored, "step 6 (live edit)"),
        (Fault::EditDropsConnection, "step 7 (bad edit)"),
        (Fault::BadEditServed, "step 7 (bad edit)"),
        (Fault::BadEditNotSaid, "step 7 (bad edit)"),
        (Fault::CountsTooMuch, "step 9 (metrics)"),
    ];
    // Side by side: each walks through the slow origin.
    std::thread::scope(|all| {
        for (fault, step) in cases {
            all.spawn(move || {
                let (out, told) = tour(fault);
                let why = told.expect_err(&format!("{fault:?} was not noticed:\n{out}"));
                assert!(why.starts_with(step), "{fault:?}: {why}");
            });
        }
    });
}
