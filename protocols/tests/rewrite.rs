//! Golden tables of rewritten heads, and what must hold of every rewritten head.
//!
//! Not here: which heads are accepted (`heads.rs`).
#![forbid(unsafe_code)]

mod support;

use ringway_protocols::http1::*;
use ringway_protocols::http2::hpack::{Decoder, Encoder, Fields};
use ringway_protocols::http2::{Asked, encode_request, encode_response, lines};
use support::*;

const REQUESTS: &str = include_str!("golden/rewritten_requests.txt");
const RESPONSES: &str = include_str!("golden/rewritten_responses.txt");

const ADDED: &str = r"X-Forwarded-For: 192.0.2.7\r\nX-Forwarded-Proto: http\r\nX-Forwarded-Host: a\r\nX-Forwarded-Port: 80\r\nVia: 1.1 rw\r\n\r\n";

/// The words of a case, and its message, which begins with `first`.
fn words(case: &Case, first: &[u8]) -> (Vec<(String, Vec<u8>)>, Vec<u8>) {
    let start = case
        .raw
        .windows(first.len())
        .position(|window| window == first)
        .unwrap_or(0);
    let (before, message) = case.raw.split_at(start);
    let mut words = Vec::new();
    let mut rest = before;
    while !rest.is_empty() {
        let end = next_word(rest);
        let word = rest[..end].trim_ascii_end();
        let at = word.iter().position(|&octet| octet == b'=');
        let (name, value) = match at {
            Some(at) => (&word[..at], word[at + 1..].to_vec()),
            None => (word, Vec::new()),
        };
        words.push((String::from_utf8_lossy(name).into_owned(), value));
        rest = &rest[end..];
    }
    (words, message.to_vec())
}

const WORDS: [&str; 14] = [
    "trusted",
    "websocket",
    "target=",
    "host=",
    "id=",
    "remove=",
    "set=",
    "add=",
    "HEAD",
    "old",
    "close",
    "length=",
    "chunked",
    "until_close",
];

/// Where the next word begins; a value may hold spaces.
fn next_word(rest: &[u8]) -> usize {
    (1..rest.len())
        .find(|&at| {
            rest[at - 1] == b' ' && WORDS.iter().any(|w| rest[at..].starts_with(w.as_bytes()))
        })
        .unwrap_or(rest.len())
}

/// What is removed before anything is set or added, where the name is a known one, and the edits that are left.
fn edits(words: &[(String, Vec<u8>)]) -> (Removed, Vec<FieldEdit<'_>>) {
    let mut removed = Removed::default();
    let mut is_first = true;
    let mut edits = listed(words);
    edits.retain(|edit| match edit {
        FieldEdit::Remove { name } => !(is_first && removed.insert(name)),
        FieldEdit::Set { .. } | FieldEdit::Add { .. } => {
            is_first = false;
            true
        }
    });
    (removed, edits)
}

fn listed(words: &[(String, Vec<u8>)]) -> Vec<FieldEdit<'_>> {
    words
        .iter()
        .filter_map(|(name, value)| {
            let mut parts = value.splitn(2, |&octet| octet == b':');
            let field = parts.next().unwrap_or_default();
            let text = parts.next().unwrap_or_default();
            match name.as_str() {
                "remove" => Some(FieldEdit::Remove { name: field }),
                "set" => Some(FieldEdit::Set {
                    name: field,
                    value: text,
                }),
                "add" => Some(FieldEdit::Add {
                    name: field,
                    value: text,
                }),
                _ => None,
            }
        })
        .collect()
}

fn word<'a>(words: &'a [(String, Vec<u8>)], name: &str) -> Option<&'a [u8]> {
    let found = words.iter().find(|(word, _)| word == name);
    found.map(|(_, value)| value.as_slice())
}

#[test]
fn requests() {
    let cases = cases(REQUESTS);
    assert!(cases.len() >= 70, "only {} cases", cases.len());
    let mut wrong = Vec::new();
    for case in &cases {
        // Before the method: words. The method is what stands in front of the target.
        let methods: [&[u8]; 4] = [b"GET ", b"OPTIONS ", b"TRACE ", b"POST "];
        let method = methods
            .into_iter()
            .find(|method| case.raw.windows(method.len()).any(|w| w == *method))
            .expect("a known method");
        let (words, message) = words(case, method);
        let (removed, edits) = edits(&words);
        let mut head = RequestHead::new();
        let parsed = head.parse(&message, &LIMITS);
        assert_eq!(parsed, Ok(Some(message.len())), "{}", case.name);
        let edit = RequestEdit {
            target: word(&words, "target"),
            host: word(&words, "host"),
            via: b"rw",
            forwarded: Forwarded {
                trusted: word(&words, "trusted").is_some(),
                peer: b"192.0.2.7",
                proto: b"http",
                port: b"80",
                client_cert: None,
            },
            request_id: word(&words, "id"),
            websocket: word(&words, "websocket").is_some(),
            into_grpc: word(&words, "into_grpc").is_some(),
            removed,
            edits: &edits,
        };
        let mut out = Vec::new();
        write_request(&mut out, &head.view(&message), &edit);
        let by_name = RequestEdit {
            removed: Removed::default(),
            edits: &listed(&words),
            ..edit
        };
        let mut same = Vec::new();
        write_request(&mut same, &head.view(&message), &by_name);
        assert_eq!(escape(&same), escape(&out), "{}", case.name);
        let expected = match case.expected.strip_suffix('~') {
            Some(start) => format!("{start}{ADDED}"),
            None => case.expected.clone(),
        };
        if escape(&out) != expected {
            wrong.push(format!("{}:\n  {}\n  {expected}", case.name, escape(&out)));
        }
        let mut again = RequestHead::new();
        assert_eq!(
            again.parse(&out, &LIMITS),
            Ok(Some(out.len())),
            "{}",
            case.name
        );
        let framing = match head.view(&message).framing() {
            BodyFraming::Length(_) if word(&words, "into_grpc").is_some() => BodyFraming::Chunked,
            framing => framing,
        };
        assert_eq!(again.view(&out).framing(), framing);

        // As a block it says the same.
        let asked = Asked {
            scheme: b"https",
            websocket: edit.websocket,
        };
        let mut block = Vec::new();
        let to = &mut Encoder::new();
        encode_request(to, &mut block, &head.view(&message), &edit, asked);
        let written = again.view(&out);
        let method = match edit.websocket {
            true => b"CONNECT",
            false => written.method(),
        };
        let mut wanted = fields([
            (b":method", method),
            (b":scheme", b"https"),
            (b":authority", written.authority()),
            (b":path", written.target()),
        ]);
        wanted.retain(|(name, value)| name != ":authority" || !value.is_empty());
        if edit.websocket {
            wanted.extend(fields([(b":protocol", b"websocket")]));
        }
        wanted.extend(lines_of(&out, edit.websocket));
        assert_eq!(decoded(&block), wanted, "{}", case.name);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn responses() {
    let cases = cases(RESPONSES);
    assert!(cases.len() >= 25, "only {} cases", cases.len());
    let mut wrong = Vec::new();
    for case in &cases {
        let (words, message) = words(case, b"HTTP/");
        let (removed, edits) = edits(&words);
        let mut head = ResponseHead::new();
        let parsed = head.parse(&message, &LIMITS, word(&words, "HEAD").is_some());
        assert_eq!(parsed, Ok(Some(message.len())), "{}", case.name);
        let response = head.view(&message);
        let framing = match () {
            () if word(&words, "chunked").is_some() => BodyFraming::Chunked,
            () if word(&words, "until_close").is_some() => BodyFraming::UntilClose,
            () => response.framing(),
        };
        let edit = ResponseEdit {
            via: b"rw",
            client: match word(&words, "old") {
                Some(_) => Version::Http10,
                None => Version::Http11,
            },
            connection: match word(&words, "close") {
                Some(_) => ClientConnection::Close,
                None => ClientConnection::KeepAlive,
            },
            framing,
            request_id: word(&words, "id"),
            websocket: word(&words, "websocket").is_some(),
            removed,
            edits: &edits,
        };
        let mut out = Vec::new();
        write_response(&mut out, &response, &edit);
        let by_name = ResponseEdit {
            removed: Removed::default(),
            edits: &listed(&words),
            ..edit
        };
        let mut same = Vec::new();
        write_response(&mut same, &response, &by_name);
        assert_eq!(escape(&same), escape(&out), "{}", case.name);
        if escape(&out) != case.expected {
            wrong.push(format!(
                "{}:\n  {}\n  {}",
                case.name,
                escape(&out),
                case.expected
            ));
        }

        // As a block it says the same.
        let mut block = Vec::new();
        encode_response(&mut Encoder::new(), &mut block, &response, &edit);
        let status = match response.status() {
            101 => "200".to_owned(),
            status => status.to_string(),
        };
        let mut wanted = fields([(b":status", status.as_bytes())]);
        wanted.extend(lines_of(&out, response.status() == 101));
        assert_eq!(decoded(&block), wanted, "{}", case.name);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

type Text = (String, String);

fn fields<const N: usize>(fields: [(&[u8], &[u8]); N]) -> Vec<Text> {
    let text = |octets| String::from_utf8_lossy(octets).into_owned();
    let texts = fields.map(|(name, value)| (text(name).to_ascii_lowercase(), text(value)));
    texts.to_vec()
}

/// The fields of a head that HTTP/2 has too.
fn lines_of(head: &[u8], websocket: bool) -> Vec<Text> {
    let of_http1 = ["sec-websocket-key", "sec-websocket-accept"];
    lines(head, true)
        .flat_map(|line| fields([(&head[line.name], &head[line.value])]))
        .filter(|(name, _)| !(websocket && of_http1.contains(&&name[..])))
        .collect()
}

fn decoded(block: &[u8]) -> Vec<Text> {
    let mut list = Fields::default();
    let decoded = Decoder::new(4096).decode(block, &mut list, 1 << 20, 1000);
    assert_eq!(decoded, Ok(()));
    list.iter().flat_map(|field| fields([field])).collect()
}

#[test]
fn loops() {
    let cases: [(&str, bool); 9] = [
        ("", false),
        ("Via: 1.1 rw\r\n", false),
        ("Via: 1.1 rw, 1.1 rw\r\n", true),
        ("Via: 1.1 rw\r\nX: y\r\nVia: 1.0 RW\r\n", true),
        ("Via: 1.1 rw (one, two), HTTP/1.1 rw\r\n", true),
        ("Via: 1.1 x (1.1 rw, 1.1 rw)\r\n", false),
        ("Via: 1.1 rwx, 1.1 xrw, 1.1 rw\r\n", false),
        ("Via: rw 1.1, rw rw\r\n", false),
        ("X-Via: 1.1 rw, 1.1 rw\r\n", false),
    ];
    for (fields, expected) in cases {
        let raw = format!("GET / HTTP/1.1\r\nHost: a\r\n{fields}\r\n");
        let mut head = RequestHead::new();
        assert_eq!(head.parse(raw.as_bytes(), &LIMITS), Ok(Some(raw.len())));
        let seen = times_seen(&head.view(raw.as_bytes()), b"rw") >= 2;
        assert_eq!(seen, expected, "{fields}");
    }
}

#[test]
fn answers() {
    let text = |status, to_head, connection, version| {
        let mut out = Vec::new();
        let fields = [("Retry-After", "1"), ("X", "a\r\nb")];
        answer(
            &mut out, status, &fields, b"no\n", connection, to_head, version,
        );
        escape(&out)
    };
    let (keep, close) = (ClientConnection::KeepAlive, ClientConnection::Close);
    let fields = r"Retry-After: 1\r\nX: a  b\r\n";
    assert_eq!(
        text(503, false, close, Version::Http11),
        format!(
            r"HTTP/1.1 503 Service Unavailable\r\n{fields}Content-Length: 3\r\nConnection: close\r\n\r\nno\n"
        ),
    );
    assert_eq!(
        text(404, true, keep, Version::Http11),
        format!(r"HTTP/1.1 404 Not Found\r\n{fields}Content-Length: 3\r\n\r\n"),
    );
    assert_eq!(
        text(304, false, keep, Version::Http10),
        format!(r"HTTP/1.1 304 Not Modified\r\n{fields}Connection: keep-alive\r\n\r\n"),
    );
    assert_eq!(reason_phrase(431), "Request Header Fields Too Large");
    assert_eq!(reason_phrase(299), "");
}
