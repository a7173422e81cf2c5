//! HTTP/1.1: reading heads, deciding framing, writing heads, the chunked coding, paths.

use std::hint::black_box;

use ringway_protocols::http1::{
    BodyFraming, ChunkedDecoder, ClientConnection, FieldEdit, Forwarded, HeadLimits,
    Piece as Chunk, Removed, RequestEdit, RequestHead, ResponseEdit, ResponseHead, Version,
    write_request, write_response,
};
use ringway_protocols::path;

use super::{Piece, Work};

/// The proxy's defaults.
const LIMITS: HeadLimits = HeadLimits {
    head_bytes: 64 * 1024,
    fields: 100,
    target_bytes: 16 * 1024,
};

/// What a browser sends.
const TEN: &[u8] = b"GET /catalog/items?page=2&sort=price HTTP/1.1\r\n\
Host: shop.example.com\r\n\
User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0\r\n\
Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\n\
Accept-Language: en-US,en;q=0.5\r\n\
Accept-Encoding: gzip, deflate, br, zstd\r\n\
Referer: https://shop.example.com/catalog/items?page=1&sort=price\r\n\
Connection: keep-alive\r\n\
Cookie: session=4f3c2b1a09f8e7d6c5b4a39281706f5e; theme=dark; cart=17\r\n\
Upgrade-Insecure-Requests: 1\r\n\
Sec-Fetch-Mode: navigate\r\n\r\n";

const RESPONSE: &[u8] = b"HTTP/1.1 200 OK\r\n\
Server: origin\r\n\
Date: Mon, 01 Jan 2024 00:00:00 GMT\r\n\
Content-Type: text/html; charset=utf-8\r\n\
Content-Length: 1024\r\n\
Cache-Control: private, max-age=0\r\n\
ETag: \"5f3e-18c2a7b9d00\"\r\n\
Vary: Accept-Encoding\r\n\
X-Content-Type-Options: nosniff\r\n\r\n";

const NO_BODY: &[u8] = b"POST /a HTTP/1.1\r\nHost: a.example\r\n\r\n";
const LENGTH: &[u8] = b"POST /a HTTP/1.1\r\nHost: a.example\r\nContent-Length: 1024\r\n\r\n";
const CHUNKED: &[u8] = b"POST /a HTTP/1.1\r\nHost: a.example\r\nTransfer-Encoding: chunked\r\n\r\n";

pub(super) const PIECES: &[Piece] = &[
    Piece {
        name: "request-head-10",
        about: "parse a request head of 10 fields, 523 bytes",
        work: Work::Step(|| parse_request(TEN.to_vec())),
    },
    Piece {
        name: "request-head-40",
        about: "parse a request head of 40 fields, 3 KiB",
        work: Work::Step(|| parse_request(forty())),
    },
    Piece {
        name: "response-head-8",
        about: "parse a response head of 8 fields",
        work: Work::Step(parse_response),
    },
    Piece {
        name: "framing-none",
        about: "parse a head of one field, Host: the base of the next two",
        work: Work::Step(|| parse_request(NO_BODY.to_vec())),
    },
    Piece {
        name: "framing-length",
        about: "the same with Content-Length",
        work: Work::Step(|| parse_request(LENGTH.to_vec())),
    },
    Piece {
        name: "framing-chunked",
        about: "the same with Transfer-Encoding",
        work: Work::Step(|| parse_request(CHUNKED.to_vec())),
    },
    Piece {
        name: "write-request-10",
        about: "rewrite the head of 10 fields for an upstream",
        work: Work::Step(|| rewrite_request(TEN.to_vec(), &[])),
    },
    Piece {
        name: "write-request-40",
        about: "rewrite the head of 40 fields for an upstream",
        work: Work::Step(|| rewrite_request(forty(), &[])),
    },
    Piece {
        name: "write-request-10-edits",
        about: "the head of 10 fields with two fields set and one removed by configuration",
        work: Work::Step(|| rewrite_request(TEN.to_vec(), EDITS)),
    },
    Piece {
        name: "write-response-8",
        about: "rewrite the response head of 8 fields for a client",
        work: Work::Step(rewrite_response),
    },
    Piece {
        name: "chunked-16x1k",
        about: "find the pieces of 16 chunks of 1 KiB",
        work: Work::Step(chunked),
    },
    Piece {
        name: "path-normal",
        about: "check a path that is in normal form",
        work: Work::Step(|| normalize(b"/catalog/items/17/reviews")),
    },
    Piece {
        name: "path-rewritten",
        about: "bring a path with dot segments and escapes into normal form",
        work: Work::Step(|| normalize(b"/catalog/./items/%7e17/../18/reviews")),
    },
];

const EDITS: &[FieldEdit<'static>] = &[
    FieldEdit::Set {
        name: b"x-tenant",
        value: b"blue",
    },
    FieldEdit::Set {
        name: b"x-region",
        value: b"eu-central",
    },
    FieldEdit::Remove { name: b"cookie" },
];

/// The ten, and thirty that nobody knows.
fn forty() -> Vec<u8> {
    let mut head = TEN[..TEN.len() - 2].to_vec();
    for n in 0..30 {
        head.extend_from_slice(
            format!("X-Service-Attribute-{n:02}: value-{n:02}-0123456789abcdef0123456789abcdef0123456789abcdef0\r\n").as_bytes(),
        );
    }
    head.extend_from_slice(b"\r\n");
    head
}

fn parse_request(bytes: Vec<u8>) -> Box<dyn FnMut() -> usize> {
    let mut head = RequestHead::new();
    Box::new(move || {
        head.reset();
        match head.parse(black_box(&bytes), &LIMITS) {
            Ok(Some(n)) => n + usize::from(head.view(&bytes).framing() == BodyFraming::Chunked),
            other => unreachable!("the head is whole and valid: {other:?}"),
        }
    })
}

fn parse_response() -> Box<dyn FnMut() -> usize> {
    let mut head = ResponseHead::new();
    Box::new(move || {
        head.reset();
        match head.parse(black_box(RESPONSE), &LIMITS, false) {
            Ok(Some(n)) => n + usize::from(head.view(RESPONSE).status()),
            other => unreachable!("the head is whole and valid: {other:?}"),
        }
    })
}

fn rewrite_request(
    bytes: Vec<u8>,
    edits: &'static [FieldEdit<'static>],
) -> Box<dyn FnMut() -> usize> {
    let mut head = RequestHead::new();
    let parsed = head.parse(&bytes, &LIMITS);
    assert!(matches!(parsed, Ok(Some(_))), "the head is whole and valid");
    let mut out = Vec::with_capacity(8 * 1024);
    Box::new(move || {
        out.clear();
        let edit = RequestEdit {
            target: None,
            host: None,
            via: b"ringway",
            forwarded: Forwarded {
                trusted: false,
                peer: b"192.0.2.17",
                proto: b"http",
                port: b"8080",
                client_cert: None,
            },
            request_id: Some(b"018f3b5c-7a1e-7c00-8000-000000000001"),
            websocket: false,
            into_grpc: false,
            removed: Removed::default(),
            edits: black_box(edits),
        };
        write_request(&mut out, &head.view(&bytes), &edit);
        out.len()
    })
}

fn rewrite_response() -> Box<dyn FnMut() -> usize> {
    let mut head = ResponseHead::new();
    let parsed = head.parse(RESPONSE, &LIMITS, false);
    assert!(matches!(parsed, Ok(Some(_))), "the head is whole and valid");
    let mut out = Vec::with_capacity(8 * 1024);
    Box::new(move || {
        out.clear();
        let edit = ResponseEdit {
            via: b"ringway",
            client: Version::Http11,
            connection: ClientConnection::KeepAlive,
            framing: BodyFraming::Length(1024),
            request_id: Some(b"018f3b5c-7a1e-7c00-8000-000000000001"),
            websocket: false,
            removed: Removed::default(),
            edits: black_box(&[]),
        };
        write_response(&mut out, &head.view(RESPONSE), &edit);
        out.len()
    })
}

fn chunked() -> Box<dyn FnMut() -> usize> {
    let mut body = Vec::new();
    for _ in 0..16 {
        body.extend_from_slice(b"400\r\n");
        body.extend_from_slice(&[b'x'; 1024]);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(b"0\r\n");
    Box::new(move || {
        let mut decoder = ChunkedDecoder::new();
        let (mut at, mut payload) = (0, 0);
        let body = black_box(&body[..]);
        loop {
            match decoder.next(&body[at..]) {
                Ok(Chunk::Data(n)) => (at, payload) = (at + n, payload + n),
                Ok(Chunk::Framing(n) | Chunk::Skip { n, .. }) => at += n,
                Ok(Chunk::Last(_)) => return payload,
                other => unreachable!("the body is whole and valid: {other:?}"),
            }
        }
    })
}

fn normalize(raw: &'static [u8]) -> Box<dyn FnMut() -> usize> {
    let mut out = Vec::with_capacity(256);
    Box::new(move || {
        out.clear();
        match path::normalize(black_box(raw), &mut out) {
            Ok(_) => out.len(),
            Err(fault) => unreachable!("the path is valid: {fault:?}"),
        }
    })
}
