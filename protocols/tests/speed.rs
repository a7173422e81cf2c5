//! What reading and rewriting a head costs: `cargo test --release -p ringway-protocols --test speed -- --ignored --nocapture`.
//!
//! Not here: assertions about time; a machine under load would make them lie.
#![forbid(unsafe_code)]
#![allow(clippy::print_stdout, reason = "printing is its purpose")]

mod support;

use std::hint::black_box;
use std::time::Instant;

use ringway_protocols::http1::*;
use support::LIMITS;

const REQUEST: &[u8] = b"GET /static/app/main.js?v=20260711 HTTP/1.1\r\nHost: www.example.com\r\n\
Connection: keep-alive\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko)\r\n\
Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\nAccept-Language: en-US,en;q=0.5\r\n\
Accept-Encoding: gzip, deflate, br\r\nReferer: https://www.example.com/index.html\r\n\
Cookie: session=0123456789abcdef0123456789abcdef; theme=dark\r\nCache-Control: max-age=0\r\n\
If-None-Match: \"5f1a-62b0\"\r\n\r\n";

const RESPONSE: &[u8] = b"HTTP/1.1 200 OK\r\nServer: nginx\r\nDate: Sat, 11 Jul 2026 10:00:00 GMT\r\n\
Content-Type: application/json\r\nContent-Length: 95\r\nConnection: keep-alive\r\nCache-Control: no-store\r\n\
ETag: \"abc\"\r\n\r\n";

/// The best of several rounds, in nanoseconds per call.
fn measure(what: &str, mut call: impl FnMut()) {
    const CALLS: u32 = 200_000;
    let best = (0..7)
        .map(|_| {
            let start = Instant::now();
            for _ in 0..CALLS {
                call();
            }
            start.elapsed().as_nanos() as f64 / f64::from(CALLS)
        })
        .fold(f64::MAX, f64::min);
    println!("{what}: {best:.0} ns");
}

#[test]
#[ignore = "prints figures"]
fn figures() {
    let mut head = RequestHead::new();
    measure("request head, 10 fields: read, classified, checked", || {
        assert!(head.parse(black_box(REQUEST), &LIMITS).is_ok());
    });
    measure("the same with httparse (fields only)", || {
        let mut fields = [const { std::mem::MaybeUninit::uninit() }; 100];
        let mut other = httparse::Request::new(&mut []);
        let read = other.parse_with_uninit_headers(black_box(REQUEST), &mut fields);
        assert!(read.is_ok());
    });
    let mut out = Vec::new();
    let edit = RequestEdit {
        target: None,
        host: None,
        via: b"ringway",
        forwarded: Forwarded {
            trusted: false,
            peer: b"192.0.2.7",
            proto: b"http",
            port: b"80",
            client_cert: None,
        },
        request_id: Some(b"01980000-0000-7000-8000-000000000000"),
        websocket: false,
        into_grpc: false,
        removed: Removed::default(),
        edits: &[],
    };
    let view = head.view(REQUEST);
    measure("request head written", || {
        out.clear();
        write_request(&mut out, black_box(&view), &edit);
    });
    let mut head = ResponseHead::new();
    measure("response head, 7 fields: read", || {
        assert!(head.parse(black_box(RESPONSE), &LIMITS, false).is_ok());
    });
    let view = head.view(RESPONSE);
    let edit = ResponseEdit {
        via: b"ringway",
        client: Version::Http11,
        connection: ClientConnection::KeepAlive,
        framing: view.framing(),
        request_id: None,
        websocket: false,
        removed: Removed::default(),
        edits: &[],
    };
    measure("response head written", || {
        out.clear();
        write_response(&mut out, black_box(&view), &edit);
    });
    let trickle = [
        b"GET / HTTP/1.1\r\nHost: a\r\nX: ".as_slice(),
        &[b'a'; 65_000],
    ]
    .concat();
    let start = Instant::now();
    let mut head = RequestHead::new();
    for end in 0..trickle.len() {
        assert_eq!(head.parse(&trickle[..end], &LIMITS), Ok(None));
    }
    let total = start.elapsed();
    println!("64 KiB of an endless field, octet by octet: {total:?} in all");
    let many = [
        b"GET / HTTP/1.1\r\n".to_vec(),
        b"X: 0123456789\r\n".repeat(99),
    ]
    .concat();
    let start = Instant::now();
    head.reset();
    for end in 0..many.len() {
        assert_eq!(head.parse(&many[..end], &LIMITS), Ok(None));
    }
    let total = start.elapsed();
    println!("99 fields, octet by octet: {total:?} in all");
}
