//! In steady state a worker allocates nothing per exchange: a counting allocator, the real proxy in this process, a raw client
//! and a raw origin. Both drivers. Not speed: that is the bench's.
#![forbid(unsafe_code)]
#![allow(
    clippy::unwrap_used,
    reason = "in a test a failed step is a failed test"
)]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use ringway::control::Proxy as _;
use ringway::observe::Registry;
use ringway::start;
use ringway_config::{Source, check};

#[global_allocator]
static ALLOCATOR: ringway_io::CountingAllocator = ringway_io::CountingAllocator;

/// Buffers of the access log that a worker makes at most (`observe::access_log`).
const LOG_BUFFERS: u64 = 32;

/// What clients ask, each again and again on one connection.
const REQUESTS: [&str; 5] = [
    "GET /plain HTTP/1.1\r\nHost: a\r\nUser-Agent: test\r\nAccept: */*\r\n\r\n",
    "POST /plain HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello",
    "POST /plain HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    "GET /captured/x?y=z HTTP/1.1\r\nHost: a\r\nuser: ann@mycorp.com\r\n\r\n",
    "GET /chunked HTTP/1.1\r\nHost: a\r\n\r\n",
];

fn config(driver: &str, origin: SocketAddr, log: &str) -> String {
    format!(
        r#"
[server]
workers = 1
io = "{driver}"
[listeners.web]
bind = "127.0.0.1:0"
[[routes]]
match = {{ path = "/captured/*", headers = {{ user = '~(?<who>.+)@mycorp\.com' }} }}
to = [{{ cluster = "a", weight = 1 }}, {{ cluster = "b", weight = 1 }}]
headers = {{ set = {{ x-user = "{{who}}" }}, remove = ["user"] }}
response_headers = {{ set = {{ x-route = "{{route}}" }} }}
[[routes]]
to = "a"
[clusters.a]
endpoints = ["{origin}"]
[clusters.b]
endpoints = ["{origin}"]
balance = "round_robin"
[admin]
bind = []
[access_log]
to = "{log}"
"#
    )
}

/// A keep-alive origin that answers each request when its head (and a body that came with it) is here.
fn origin() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            std::thread::spawn(move || {
                let mut part = [0; 4096];
                let mut got: Vec<u8> = Vec::new();
                while let Ok(n @ 1..) = stream.read(&mut part) {
                    got.extend_from_slice(&part[..n]);
                    let whole = if got.starts_with(b"POST") {
                        got.ends_with(b"hello") || got.ends_with(b"0\r\n\r\n")
                    } else {
                        got.ends_with(b"\r\n\r\n")
                    };
                    if !whole {
                        continue;
                    }
                    let answer: &[u8] = if got.starts_with(b"GET /chunked") {
                        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nend\r\n0\r\n\r\n"
                    } else {
                        b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nend"
                    };
                    got.clear();
                    if stream.write_all(answer).is_err() {
                        return;
                    }
                }
            });
        }
    });
    address
}

/// The id of the only worker's thread.
fn worker() -> i32 {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    let tid = tasks.filter_map(|task| {
        let path = task.ok()?.path();
        let name = std::fs::read_to_string(path.join("comm")).ok()?;
        (name.trim() == "ringway-0")
            .then(|| path.file_name()?.to_str()?.parse().ok())
            .flatten()
    });
    let found: Vec<i32> = tid.collect();
    assert_eq!(found.len(), 1, "one worker");
    found[0]
}

fn exchange(stream: &mut TcpStream, request: &str) {
    stream.write_all(request.as_bytes()).unwrap();
    let mut got = Vec::new();
    let mut part = [0; 4096];
    loop {
        let n = stream.read(&mut part).unwrap();
        assert!(n > 0, "closed after {:?}", String::from_utf8_lossy(&got));
        got.extend_from_slice(&part[..n]);
        if got.ends_with(b"\r\n\r\nend") || got.ends_with(b"end\r\n0\r\n\r\n") {
            break;
        }
    }
    assert!(
        got.starts_with(b"HTTP/1.1 200"),
        "{}",
        String::from_utf8_lossy(&got)
    );
}

/// One test, so that there is only one worker at a time in the process.
#[test]
fn an_exchange_allocates_nothing() {
    let origin = origin();
    for (driver, log) in [
        ("io_uring", "off"),
        ("io_uring", "file:/dev/null"),
        ("epoll", "off"),
        ("epoll", "file:/dev/null"),
    ] {
        let source = Source {
            path: "test.toml".into(),
            text: config(driver, origin, log),
        };
        let checked = check(&[source]);
        let config = checked
            .config
            .unwrap_or_else(|| panic!("{}", ringway_config::render(&checked.diagnostics)));
        let mut proxy = match start::start(&config, Registry::new(1)) {
            Ok(proxy) => proxy,
            Err(error) if driver == "io_uring" => {
                println!("skipped on io_uring: {error}");
                continue;
            }
            Err(error) => panic!("{error}"),
        };
        proxy.apply(&config).unwrap();
        let (_, address) = proxy.listeners()[0].clone();
        let mut clients: Vec<TcpStream> = (0..4)
            .map(|_| TcpStream::connect(address.as_str()).unwrap())
            .collect();
        let mut round = |times: usize| {
            for _ in 0..times {
                for client in &mut clients {
                    REQUESTS
                        .iter()
                        .for_each(|request| exchange(client, request));
                }
            }
        };
        // Warm: tables have grown to their size, and every periodic chore has run a few times.
        let warm = Instant::now() + Duration::from_millis(1500);
        while Instant::now() < warm {
            round(20);
        }
        let before = ringway_io::allocations_of(worker());
        assert!(before > 0, "the allocator counts the worker");
        round(500);
        let after = ringway_io::allocations_of(worker());
        // The log's buffers are made when they are first needed, up to so many; then they go round.
        let most = if log == "off" { 0 } else { LOG_BUFFERS };
        assert!(
            after - before <= most,
            "{} allocations in 10,000 exchanges on {driver} with access_log.to = {log:?}",
            after - before
        );
        proxy.stop();
    }
}
