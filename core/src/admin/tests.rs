//! The admin listener asked with raw bytes over its Unix socket.

use super::*;
use crate::control::scratch::Scratch;
use crate::control::side::Side;
use crate::control::{Phase, Refusal, Running};
use ringway_config::{Config, Source};
use std::fs;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

struct Fixture {
    dir: Scratch,
    status: Status,
    admin: Admin,
    _side: Side,
}

const TEXT: &str =
    "[listeners.web]\nbind = \"127.0.0.1:0\"\n[[routes]]\nto = [\"127.0.0.1:1\"]\n[admin]\n";

fn source(text: String) -> Source {
    let path = "ringway.toml".into();
    Source { path, text }
}

fn config(text: &str) -> Config {
    let checked = ringway_config::check(&[source(text.to_owned())]);
    checked.config.expect("a good configuration")
}

fn fixture() -> Fixture {
    let side = Side::start().unwrap();
    let status = Status::default();
    let metrics: Metrics = Arc::new(|| "ringway_build_info 1\n".into());
    let admin = Admin::new(side.runtime().clone(), status.clone(), metrics);
    status.update(|facts| {
        facts.phase = Phase::Ready;
        facts.listeners = vec![
            ("web".into(), "127.0.0.1:8080".parse().unwrap()),
            ("web".into(), "[::1]:8080".parse().unwrap()),
        ];
        facts.running = Some(Arc::new(Running {
            config: config(TEXT),
            sources: vec![source(TEXT.to_owned())],
            hash: 0xabc,
            since: UNIX_EPOCH,
        }));
    });
    Fixture {
        dir: Scratch::new(),
        status,
        admin,
        _side: side,
    }
}

impl Fixture {
    fn serve(&mut self, name: &str) -> PathBuf {
        let path = self.dir.join(name);
        let wanted = [AdminBind::Unix(path.clone())];
        let prepared = self.admin.prepare(&wanted).unwrap();
        self.admin.commit(prepared);
        path
    }
}

/// Status, head and body of the answer to one request.
fn ask(socket: &Path, request: &str) -> (u16, String, String) {
    let mut stream = UnixStream::connect(socket).unwrap();
    let wait = Some(Duration::from_secs(20));
    stream.set_read_timeout(wait).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    // To the end: every answer closes its connection.
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head[9..12].parse().unwrap();
    (status, head.to_lowercase(), body.to_owned())
}

fn get(socket: &Path, path: &str) -> (u16, String, String) {
    ask(socket, &format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n"))
}

#[test]
fn what_each_path_answers() {
    let mut fixture = fixture();
    let socket = fixture.serve("folder/made/admin.sock");
    let cases = [
        ("/", 200, "text/plain", "/readyz"),
        (
            "/metrics",
            200,
            "text/plain; version=0.0.4",
            "ringway_build_info 1\n",
        ),
        ("/healthz", 200, "text/plain", "ok\n"),
        (
            "/readyz",
            200,
            "application/json",
            "\"config\": \"running\"",
        ),
        ("/config", 200, "application/json", "0000000000000abc"),
        ("/listeners", 200, "application/json", "\"127.0.0.1:8080\""),
        ("/nothing", 404, "text/plain", "GET / lists them"),
        ("/metrics/", 404, "text/plain", "GET / lists them"),
    ];
    for (path, status, kind, text) in cases {
        let answer = get(&socket, path);
        assert_eq!(answer.0, status, "{path}: {answer:?}");
        let kind = format!("content-type: {kind}");
        assert!(answer.1.contains(&kind), "{path}: {answer:?}");
        assert!(answer.2.contains(text), "{path}: {answer:?}");
    }
    let mode = fs::metadata(&socket).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o660);
}

#[test]
fn other_methods() {
    let mut fixture = fixture();
    let socket = fixture.serve("admin.sock");
    let (status, head, body) = ask(
        &socket,
        "POST /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n",
    );
    assert_eq!(status, 405);
    assert!(head.contains("allow: get"), "{head}");
    assert_eq!(body, "only GET and HEAD here\n");
    let (status, head, body) = ask(&socket, "HEAD /healthz HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_eq!((status, body.as_str()), (200, ""));
    assert!(head.contains("content-length: 3"), "{head}");
    let (status, _, _) = ask(&socket, "NONSENSE\r\n\r\n");
    assert_eq!(status, 400);
}

#[test]
fn readiness() {
    let mut fixture = fixture();
    let socket = fixture.serve("admin.sock");
    let json = |socket: &Path| {
        let (status, _, body) = get(socket, "/readyz");
        let detail: serde_json::Value = serde_json::from_str(&body).unwrap();
        (status, detail)
    };
    let (status, detail) = json(&socket);
    assert_eq!(status, 200);
    assert_eq!(detail["loaded_at"], "1970-01-01T00:00:00Z");
    fixture.status.update(|facts| {
        facts.rejected = Some(Refusal {
            at: UNIX_EPOCH,
            lines: vec!["ringway.toml:1:1: no".into()],
        });
    });
    let (status, detail) = json(&socket);
    assert_eq!(status, 200, "what runs goes on");
    assert_eq!(detail["config"], "rejected");
    assert_eq!(detail["errors"][0], "ringway.toml:1:1: no");
    for (phase, text) in [(Phase::Draining, "draining"), (Phase::Starting, "starting")] {
        fixture.status.update(|facts| facts.phase = phase);
        let (status, detail) = json(&socket);
        assert_eq!(status, 503);
        assert_eq!(detail["phase"], text);
        assert_eq!(get(&socket, "/healthz").0, 200);
    }
}

#[test]
fn a_token_guards_all_but_health() {
    let mut fixture = fixture();
    let socket = fixture.serve("admin.sock");
    fixture.status.update(|facts| {
        facts.token = Some("s3cret".into());
        facts.rejected = Some(Refusal {
            at: UNIX_EPOCH,
            lines: vec!["token = 5".into()],
        });
    });
    for path in ["/", "/metrics", "/config", "/listeners", "/nothing"] {
        let (status, head, _) = get(&socket, path);
        assert_eq!(status, 401, "{path}");
        assert!(head.contains("www-authenticate: bearer"), "{head}");
    }
    assert_eq!(get(&socket, "/healthz").0, 200);
    let (status, _, body) = get(&socket, "/readyz");
    assert_eq!(status, 200);
    assert!(body.contains("rejected"), "{body}");
    assert!(
        !body.contains("token = 5"),
        "the file is not quoted: {body}"
    );
    let cases = [
        ("Bearer s3cret", 200),
        ("bearer s3cret", 200),
        ("Bearer s3cre", 401),
        ("Bearer s3cret2", 401),
        ("Bearer s3creT", 401),
        ("Bearer ", 401),
        ("Bearer", 401),
        ("Basic s3cret", 401),
        ("s3cret", 401),
    ];
    for (shown, status) in cases {
        let request = format!("GET /config HTTP/1.1\r\nHost: x\r\nAuthorization: {shown}\r\n\r\n");
        assert_eq!(ask(&socket, &request).0, status, "{shown:?}");
    }
}

#[test]
fn secrets_are_not_shown() {
    let cases = [
        // As it reads; and spelled otherwise, when nothing can be shown.
        ("\"hunter2\"", true),
        ("'hunter2'", true),
        (r#""hunter\u0032""#, false),
    ];
    for (token, shown) in cases {
        let text = format!("{TEXT}token = {token}\n");
        let found = redact::sources(&config(&text), &[source(text)]);
        assert!(!found[0].text.contains("hunter"), "{}", found[0].text);
        assert!(found[0].text.contains("***"), "{}", found[0].text);
        assert_eq!(found[0].text.contains("[listeners.web]"), shown);
    }
}

#[test]
fn a_dead_socket_is_replaced_and_a_living_one_is_not() {
    let dir = Scratch::new();
    let path = dir.join("admin.sock");
    drop(UnixListener::bind(&path).unwrap());
    assert!(path.exists(), "a dead process leaves its file");
    let bound = bind::bind(&AdminBind::Unix(path.clone())).unwrap();
    let why = bind::bind(&AdminBind::Unix(path.clone())).unwrap_err();
    assert!(why.contains("another process serves it"), "{why}");
    drop(bound);
    assert!(!path.exists(), "removed at the end");
    dir.write("admin.sock", "precious");
    let why = bind::bind(&AdminBind::Unix(path.clone())).unwrap_err();
    assert!(why.contains("not a socket"), "{why}");
    assert_eq!(fs::read_to_string(&path).unwrap(), "precious");
    let why = bind::bind(&AdminBind::Unix(path.join("below/admin.sock"))).unwrap_err();
    assert!(why.contains("its folder cannot be made"), "{why}");
}

#[test]
fn a_fallback_folder_must_be_ours_alone() {
    let dir = Scratch::new();
    let user = fs::metadata(&*dir).unwrap().uid();
    let folder = dir.join("ringway-0");
    bind::private_folder(&folder, user).unwrap();
    let mode = |folder: &Path| fs::metadata(folder).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&folder), 0o700);
    bind::private_folder(&folder, user).expect("again");
    assert!(
        bind::private_folder(&folder, user + 1).is_err(),
        "another's"
    );
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o777)).unwrap();
    assert!(bind::private_folder(&folder, user).is_err(), "open to all");
    let link = dir.join("link");
    std::os::unix::fs::symlink(&*dir, &link).unwrap();
    assert!(bind::private_folder(&link, user).is_err(), "a link");
}

#[test]
fn a_successors_socket_is_not_removed() {
    let dir = Scratch::new();
    let path = dir.join("admin.sock");
    let first = bind::bind(&AdminBind::Unix(path.clone())).unwrap();
    fs::remove_file(&path).unwrap();
    let _second = bind::bind(&AdminBind::Unix(path.clone())).unwrap();
    drop(first);
    assert!(path.exists());
}

#[test]
fn addresses_change_live_and_all_or_none() {
    let mut fixture = fixture();
    let first = fixture.serve("first.sock");
    assert_eq!(get(&first, "/healthz").0, 200);
    // One of two cannot be had: nothing of it stays, what is served goes on.
    let second = fixture.dir.join("second.sock");
    let held = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let wanted = [
        AdminBind::Unix(second.clone()),
        AdminBind::Tcp(held.local_addr().unwrap()),
    ];
    let faults = fixture.admin.prepare(&wanted).unwrap_err();
    assert_eq!(faults.len(), 1, "{faults:?}");
    assert!(!second.exists());
    assert_eq!(get(&first, "/healthz").0, 200);
    // Moved: the new one answers, the old one is gone.
    let prepared = fixture
        .admin
        .prepare(&[AdminBind::Unix(second.clone())])
        .unwrap();
    assert_eq!(fixture.admin.commit(prepared).len(), 1);
    assert_eq!(get(&second, "/healthz").0, 200);
    assert!(!first.exists());
}
