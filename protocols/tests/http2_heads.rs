//! The smuggling table's HTTP/2 half: which heads are written into the form that both versions share, how they look there, and why the others
//! are refused. Each head that is taken is read once more as HTTP/1.1 would, which must find the same.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

use ringway_protocols::http1::{
    BodyFraming, ClientConnection, Forwarded, HeadLimits, Removed, RequestEdit, RequestFault,
    RequestHead, ResponseEdit, ResponseFault, ResponseHead, Version,
};
use ringway_protocols::http2::hpack;
use ringway_protocols::http2::{
    Answers, Asked, HeadFault, Pseudo, Refused, Unannounced, encode_request, encode_response,
    lines, status_of, take_request, take_response, take_websocket, write_trailers,
};

const LIMITS: HeadLimits = HeadLimits {
    head_bytes: 65_536,
    fields: 100,
    target_bytes: 16_384,
};

type Fields<'a> = &'a [(&'a str, &'a str)];

fn pairs<'a>(fields: Fields<'a>) -> impl Iterator<Item = (&'a [u8], &'a [u8])> {
    fields.iter().map(|(n, v)| (n.as_bytes(), v.as_bytes()))
}

const GET: Pseudo<'_> = Pseudo {
    method: b"GET",
    scheme: Some(b"http"),
    authority: Some(b"a.test"),
    path: b"/p",
    protocol: None,
};

/// The head as text, once the reader of HTTP/1.1 has found the same in it.
fn taken(
    head: &RequestHead,
    out: Vec<u8>,
    done: Result<(), Refused<RequestFault>>,
) -> Result<String, Refused<RequestFault>> {
    if done.is_err() {
        assert_eq!(out, b"", "a refused head leaves nothing behind");
    }
    done?;
    let mut other = RequestHead::new();
    assert_eq!(other.parse(&out, &LIMITS), Ok(Some(out.len())));
    let (ours, read) = (head.view(&out), other.view(&out));
    assert_eq!(ours.version(), Version::Http2);
    assert!(ours.fields().eq(read.fields()), "{ours:?} {read:?}");
    let texts = |r: ringway_protocols::http1::Request<'_>| {
        let texts = [r.method(), r.target(), r.path(), r.authority()];
        texts.map(|text| String::from_utf8_lossy(text).into_owned())
    };
    assert_eq!(texts(ours), texts(read));
    assert_eq!(ours.query(), read.query());
    assert_eq!(ours.framing(), read.framing());
    assert_eq!(ours.keep_alive(), read.keep_alive());
    assert_eq!(ours.wants_websocket(), read.wants_websocket());
    Ok(String::from_utf8(out).unwrap())
}

fn request(
    pseudo: &Pseudo<'_>,
    fields: Fields<'_>,
    ends: bool,
) -> Result<String, Refused<RequestFault>> {
    let (mut head, mut out) = (RequestHead::new(), Vec::new());
    let done = take_request(&mut head, &mut out, &LIMITS, pseudo, || pairs(fields), ends);
    taken(&head, out, done)
}

fn written(pseudo: &Pseudo<'_>, fields: Fields<'_>, ends: bool) -> Result<String, HeadFault> {
    request(pseudo, fields, ends).map_err(malformed)
}

fn malformed<F: std::fmt::Debug>(refused: Refused<F>) -> HeadFault {
    match refused {
        Refused::Malformed(fault) => fault,
        Refused::AsHttp1(fault) => panic!("{fault:?}"),
    }
}

#[test]
fn heads_that_are_right_are_written_so() {
    let table: &[(Pseudo<'_>, Fields<'_>, bool, &str)] = &[
        (GET, &[], true, "GET /p HTTP/1.1\r\nhost: a.test\r\n\r\n"),
        (
            GET,
            &[("accept", "*/*"), ("x-empty", "")],
            true,
            "GET /p HTTP/1.1\r\nhost: a.test\r\naccept: */*\r\nx-empty: \r\n\r\n",
        ),
        (
            GET,
            &[("cookie", "a=1"), ("te", "trailers"), ("cookie", "b=2")],
            true,
            "GET /p HTTP/1.1\r\nhost: a.test\r\nte: trailers\r\ncookie: a=1; b=2\r\n\r\n",
        ),
        (
            Pseudo {
                authority: None,
                ..GET
            },
            &[("host", "b.test:81")],
            true,
            "GET /p HTTP/1.1\r\nhost: b.test:81\r\n\r\n",
        ),
        (
            GET,
            &[("host", "A.TEST")],
            true,
            "GET /p HTTP/1.1\r\nhost: a.test\r\n\r\n",
        ),
        (
            Pseudo {
                method: b"POST",
                ..GET
            },
            &[],
            false,
            "POST /p HTTP/1.1\r\nhost: a.test\r\ntransfer-encoding: chunked\r\n\r\n",
        ),
        (
            Pseudo {
                method: b"POST",
                ..GET
            },
            &[("content-length", "3")],
            false,
            "POST /p HTTP/1.1\r\nhost: a.test\r\ncontent-length: 3\r\n\r\n",
        ),
        (
            Pseudo {
                method: b"OPTIONS",
                path: b"*",
                scheme: Some(b"HTTPS"),
                ..GET
            },
            &[("content-length", "0")],
            true,
            "OPTIONS * HTTP/1.1\r\nhost: a.test\r\ncontent-length: 0\r\n\r\n",
        ),
    ];
    for (pseudo, fields, ends, wanted) in table {
        let text = written(pseudo, fields, *ends).unwrap_or_else(|f| panic!("{wanted:?}: {f:?}"));
        assert_eq!(text, *wanted);
        let mut head = RequestHead::new();
        head.parse(text.as_bytes(), &LIMITS).unwrap();
        let framing = head.view(text.as_bytes()).framing();
        assert_eq!(framing == BodyFraming::Chunked, text.contains("chunked"));
    }
}

const CONNECT: Pseudo<'_> = Pseudo {
    method: b"CONNECT",
    ..GET
};

fn websocket(pseudo: &Pseudo<'_>, fields: Fields<'_>) -> Result<String, HeadFault> {
    let (mut head, mut out) = (RequestHead::new(), Vec::new());
    let key = b"dGhlIHNhbXBsZSBub25jZQ==";
    let done = take_websocket(&mut head, &mut out, &LIMITS, pseudo, || pairs(fields), key);
    taken(&head, out, done).map_err(malformed)
}

/// A response's head as text, once the reader of HTTP/1.1 has found the same in it.
fn response(
    status: u16,
    fields: Fields<'_>,
    answers: Answers<'_>,
) -> Result<String, Refused<ResponseFault>> {
    let (mut head, mut out) = (ResponseHead::new(), Vec::new());
    let done = take_response(&mut head, &mut out, &LIMITS, status, pairs(fields), answers);
    if done.is_err() {
        assert_eq!(out, b"", "a refused head leaves nothing behind");
    }
    done?;
    let mut other = ResponseHead::new();
    let read = other.parse(&out, &LIMITS, answers.to_head);
    assert_eq!(read, Ok(Some(out.len())));
    let (ours, read) = (head.view(&out), other.view(&out));
    assert_eq!(ours.version(), Version::Http2);
    assert!(ours.fields().eq(read.fields()), "{ours:?} {read:?}");
    assert_eq!(ours.status(), read.status());
    assert_eq!(ours.reason(), read.reason());
    assert_eq!(ours.framing(), read.framing());
    assert_eq!(ours.keep_alive(), read.keep_alive());
    assert_eq!(ours.is_websocket_upgrade(), read.is_websocket_upgrade());
    Ok(String::from_utf8(out).unwrap())
}

const ANSWERS: Answers<'_> = Answers {
    unannounced: Unannounced::Chunked,
    to_head: false,
    websocket: None,
};

#[test]
fn a_websocket_is_written_as_a_handshake() {
    let fields: Fields<'_> = &[
        ("sec-websocket-version", "13"),
        ("sec-websocket-key", "of the client"),
        ("sec-websocket-accept", "of nobody"),
        ("sec-websocket-protocol", "chat"),
        ("cookie", "a=1"),
        ("cookie", "b=2"),
    ];
    let text = websocket(&CONNECT, fields).unwrap();
    assert_eq!(
        text,
        "GET /p HTTP/1.1\r\nhost: a.test\r\nsec-websocket-version: 13\r\nsec-websocket-protocol: chat\r\n\
         cookie: a=1; b=2\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
         sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    );
    let mut head = RequestHead::new();
    assert_eq!(head.parse(text.as_bytes(), &LIMITS), Ok(Some(text.len())));
    let request = head.view(text.as_bytes());
    assert!(request.wants_websocket());
    assert_eq!(request.framing(), BodyFraming::None);
}

#[test]
fn a_websocket_that_is_malformed_is_refused() {
    let table: &[(Pseudo<'_>, Fields<'_>, HeadFault)] = &[
        (GET, &[], HeadFault::Protocol),
        (
            Pseudo {
                scheme: None,
                ..CONNECT
            },
            &[],
            HeadFault::Scheme,
        ),
        (
            Pseudo {
                path: b"",
                ..CONNECT
            },
            &[],
            HeadFault::Path,
        ),
        (
            Pseudo {
                path: b"*",
                ..CONNECT
            },
            &[],
            HeadFault::Path,
        ),
        (
            Pseudo {
                path: b"/ HTTP/1.1\r\nx: y",
                ..CONNECT
            },
            &[],
            HeadFault::Path,
        ),
        (
            Pseudo {
                authority: None,
                ..CONNECT
            },
            &[],
            HeadFault::AuthorityMissing,
        ),
        (CONNECT, &[("content-length", "0")], HeadFault::TunnelLength),
        (CONNECT, &[("content-length", "5")], HeadFault::TunnelLength),
        (
            CONNECT,
            &[("transfer-encoding", "chunked")],
            HeadFault::ConnectionField,
        ),
        (CONNECT, &[("upgrade", "h2c")], HeadFault::ConnectionField),
        (
            CONNECT,
            &[("connection", "close")],
            HeadFault::ConnectionField,
        ),
        (
            CONNECT,
            &[("sec-websocket-key", "a\r\nb: c")],
            HeadFault::FieldValue,
        ),
    ];
    for (pseudo, fields, fault) in table {
        assert_eq!(
            websocket(pseudo, fields),
            Err(*fault),
            "{pseudo:?} {fields:?}"
        );
    }
}

#[test]
fn an_acceptance_is_written_as_a_switch() {
    let fields: Fields<'_> = &[
        ("content-length", "0"),
        ("sec-websocket-accept", "of the server"),
        ("sec-websocket-protocol", "chat"),
    ];
    let answers = Answers {
        websocket: Some(b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="),
        ..ANSWERS
    };
    let text = response(200, fields, answers).unwrap();
    assert_eq!(
        text,
        "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
         sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nsec-websocket-protocol: chat\r\n\r\n"
    );
    let mut head = ResponseHead::new();
    head.parse(text.as_bytes(), &LIMITS, false).unwrap();
    assert!(head.view(text.as_bytes()).is_websocket_upgrade());
    let refusal = response(403, &[], answers).unwrap();
    assert!(refusal.starts_with("HTTP/1.1 403 Forbidden\r\n"));
    let cases: [(Fields<'_>, HeadFault); 2] = [
        (
            &[("transfer-encoding", "chunked")],
            HeadFault::ConnectionField,
        ),
        (&[("x", "a\nb")], HeadFault::FieldValue),
    ];
    for (fields, fault) in cases {
        let refused = response(200, fields, answers);
        assert_eq!(refused, Err(Refused::Malformed(fault)));
    }
}

#[test]
fn heads_that_are_malformed_are_refused() {
    let odd = |path| Pseudo { path, ..GET };
    let to = |authority| Pseudo {
        authority: Some(authority),
        ..GET
    };
    let table: &[(Pseudo<'_>, Fields<'_>, bool, HeadFault)] = &[
        (Pseudo { method: b"", ..GET }, &[], true, HeadFault::Method),
        (
            Pseudo {
                method: b"GET / HTTP/1.1\r\nX: y",
                ..GET
            },
            &[],
            true,
            HeadFault::Method,
        ),
        (
            Pseudo {
                scheme: Some(b"ftp"),
                ..GET
            },
            &[],
            true,
            HeadFault::Scheme,
        ),
        (odd(b""), &[], true, HeadFault::Path),
        (odd(b"p"), &[], true, HeadFault::Path),
        (odd(b"*"), &[], true, HeadFault::Path),
        (odd(b"http://evil.test/"), &[], true, HeadFault::Path),
        (odd(b"/a b"), &[], true, HeadFault::Path),
        (
            odd(b"/ HTTP/1.1\r\nHost: evil.test\r\n\r\nGET /"),
            &[],
            true,
            HeadFault::Path,
        ),
        (odd(b"/a\0"), &[], true, HeadFault::Path),
        (odd(b"/a#b"), &[], true, HeadFault::Path),
        (odd(b"/\xc3\xa4"), &[], true, HeadFault::Path),
        (to(b""), &[], true, HeadFault::Authority),
        (to(b"user@a.test"), &[], true, HeadFault::Authority),
        (to(b"a.test/x"), &[], true, HeadFault::Authority),
        (to(b"a.test\r\nx: y"), &[], true, HeadFault::Authority),
        (to(b"a.test:99999"), &[], true, HeadFault::Authority),
        (
            Pseudo {
                authority: None,
                ..GET
            },
            &[],
            true,
            HeadFault::AuthorityMissing,
        ),
        (GET, &[("host", "b.test")], true, HeadFault::HostDiffers),
        (
            GET,
            &[("host", "a.test"), ("host", "a.test")],
            true,
            HeadFault::HostRepeated,
        ),
        (
            GET,
            &[("host", "a.test"), ("host", "b.test")],
            true,
            HeadFault::HostRepeated,
        ),
        (GET, &[("", "x")], true, HeadFault::FieldName),
        (GET, &[("Accept", "x")], true, HeadFault::FieldName),
        (GET, &[("Host", "a.test")], true, HeadFault::FieldName),
        (GET, &[("a b", "x")], true, HeadFault::FieldName),
        (GET, &[("a:", "x")], true, HeadFault::FieldName),
        (GET, &[(":path", "/other")], true, HeadFault::FieldName),
        (GET, &[("a\r\nb", "x")], true, HeadFault::FieldName),
        (GET, &[("a\0", "x")], true, HeadFault::FieldName),
        (
            GET,
            &[("a", "x\r\ntransfer-encoding: chunked")],
            true,
            HeadFault::FieldValue,
        ),
        (GET, &[("a", "x\ny")], true, HeadFault::FieldValue),
        (GET, &[("a", "x\ry")], true, HeadFault::FieldValue),
        (GET, &[("a", "x\0")], true, HeadFault::FieldValue),
        (GET, &[("a", " x")], true, HeadFault::FieldValue),
        (GET, &[("a", "x\t")], true, HeadFault::FieldValue),
        (GET, &[("cookie", "a\r\nx: y")], true, HeadFault::FieldValue),
        (
            GET,
            &[("host", "a.test\r\nx: y")],
            true,
            HeadFault::HostDiffers,
        ),
        (
            GET,
            &[("connection", "close")],
            true,
            HeadFault::ConnectionField,
        ),
        (
            GET,
            &[("keep-alive", "x")],
            true,
            HeadFault::ConnectionField,
        ),
        (
            GET,
            &[("proxy-connection", "x")],
            true,
            HeadFault::ConnectionField,
        ),
        (
            GET,
            &[("transfer-encoding", "chunked")],
            false,
            HeadFault::ConnectionField,
        ),
        (
            GET,
            &[("transfer-encoding", "identity")],
            true,
            HeadFault::ConnectionField,
        ),
        (
            GET,
            &[("upgrade", "websocket")],
            true,
            HeadFault::ConnectionField,
        ),
        (GET, &[("te", "gzip")], true, HeadFault::Te),
        (GET, &[("te", "trailers, gzip")], true, HeadFault::Te),
        (
            GET,
            &[("content-length", "5")],
            true,
            HeadFault::LengthWithoutBody,
        ),
        (
            GET,
            &[("content-length", "x")],
            true,
            HeadFault::LengthWithoutBody,
        ),
    ];
    for (pseudo, fields, ends, fault) in table {
        let done = written(pseudo, fields, *ends);
        assert_eq!(done, Err(*fault), "{pseudo:?} {fields:?}");
    }
}

#[test]
fn what_http1_refuses_is_refused_by_its_reader() {
    let post = Pseudo {
        method: b"POST",
        ..GET
    };
    let table: &[(Pseudo<'_>, Fields<'_>, RequestFault)] = &[
        (
            Pseudo {
                method: b"CONNECT",
                path: b"",
                ..GET
            },
            &[],
            RequestFault::ConnectMethod,
        ),
        (
            post,
            &[("content-length", "3"), ("content-length", "3")],
            RequestFault::ContentLengthRepeated,
        ),
        (
            post,
            &[("content-length", "+3")],
            RequestFault::ContentLengthInvalid,
        ),
        (
            post,
            &[("content-length", "3, 3")],
            RequestFault::ContentLengthInvalid,
        ),
        (
            Pseudo {
                method: b"TRACE",
                ..GET
            },
            &[],
            RequestFault::TraceWithBody,
        ),
    ];
    for (pseudo, fields, fault) in table {
        let refused = request(pseudo, fields, false);
        assert_eq!(refused, Err(Refused::AsHttp1(*fault)), "{fields:?}");
    }
    let many: Vec<(String, String)> = (0..101).map(|n| (format!("x-{n}"), "1".into())).collect();
    let many: Vec<(&str, &str)> = many.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
    let refused = |pseudo: &Pseudo<'_>, fields: Fields<'_>| match request(pseudo, fields, true) {
        Err(Refused::AsHttp1(fault)) => fault,
        other => panic!("{other:?}"),
    };
    assert_eq!(refused(&GET, &many), RequestFault::TooManyFields);
    let large = "x".repeat(65_536);
    assert_eq!(refused(&GET, &[("x", &large)]), RequestFault::HeadTooLarge);
    let long = format!("/{}", &large[..16_384]);
    let path = long.as_bytes();
    assert_eq!(
        refused(&Pseudo { path, ..GET }, &[]),
        RequestFault::TargetTooLong
    );
    let method = &large.as_bytes()[..65];
    assert_eq!(
        refused(&Pseudo { method, ..GET }, &[]),
        RequestFault::MethodTooLong
    );
}

#[test]
fn responses_are_judged_alike() {
    let write = |status, fields: Fields<'_>, unannounced| {
        let answers = Answers {
            unannounced,
            ..ANSWERS
        };
        response(status, fields, answers).map_err(malformed)
    };
    assert_eq!(
        write(200, &[("a", "b")], Unannounced::None).unwrap(),
        "HTTP/1.1 200 OK\r\na: b\r\ncontent-length: 0\r\n\r\n"
    );
    assert_eq!(
        write(200, &[], Unannounced::Chunked).unwrap(),
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
    );
    let fields: Fields<'_> = &[("content-length", "4"), ("te", "trailers")];
    assert_eq!(
        write(299, fields, Unannounced::Chunked).unwrap(),
        "HTTP/1.1 299 \r\ncontent-length: 4\r\n\r\n"
    );
    let twice: Fields<'_> = &[("content-length", "4"), ("content-length", "5")];
    assert_eq!(
        response(200, twice, ANSWERS),
        Err(Refused::AsHttp1(ResponseFault::ContentLengthRepeated))
    );
    let faults: &[(u16, Fields<'_>, HeadFault)] = &[
        (101, &[], HeadFault::Status),
        (600, &[], HeadFault::Status),
        (200, &[("a", "b\r\nc: d")], HeadFault::FieldValue),
        (200, &[("connection", "close")], HeadFault::ConnectionField),
        (
            200,
            &[("transfer-encoding", "chunked")],
            HeadFault::ConnectionField,
        ),
        (200, &[("A", "b")], HeadFault::FieldName),
    ];
    for (status, fields, fault) in faults {
        assert_eq!(
            write(*status, fields, Unannounced::Nothing),
            Err(*fault),
            "{status} {fields:?}"
        );
    }
}

/// RFC 7541 section 6.2.3.
#[test]
fn secrets_stay_secrets() {
    let sent: Fields<'_> = &[
        (":method", "GET"),
        (":scheme", "https"),
        (":authority", "a.test"),
        (":path", "/secret"),
        ("x-token", "t"),
        ("x-other", "o"),
        ("cookie", "of more than twenty octets"),
    ];
    let secrets: [&[u8]; 4] = [b":authority", b":path", b"x-token", b"cookie"];
    let decode = |block: &[u8]| {
        let mut list = hpack::Fields::default();
        let decoded = hpack::Decoder::new(4096).decode(block, &mut list, 1 << 16, 100);
        assert_eq!(decoded, Ok(()));
        list
    };
    let never = |list: &hpack::Fields| -> Vec<Vec<u8>> {
        let never = list.never_indexed();
        never.map(|(name, _)| name.to_vec()).collect()
    };
    let (mut block, mut encoder) = (Vec::new(), hpack::Encoder::new());
    for (name, value) in pairs(sent) {
        let indexing = match secrets.contains(&name) {
            true => hpack::Indexing::Never,
            false => hpack::Indexing::Incremental,
        };
        encoder.field(name, value, &mut block, indexing);
    }
    let list = decode(&block);
    assert_eq!(never(&list), secrets);

    let (mut head, mut out) = (RequestHead::new(), Vec::new());
    let pseudo = Pseudo::of(&list).unwrap();
    let regular = || list.regular();
    take_request(&mut head, &mut out, &LIMITS, &pseudo, regular, true).unwrap();
    let names = || list.never_indexed().map(|(name, _)| name);
    head.keep_secret(&out, names());
    let edit = RequestEdit {
        target: None,
        host: None,
        via: b"rw",
        forwarded: Forwarded {
            trusted: false,
            peer: b"192.0.2.7",
            proto: b"https",
            port: b"443",
            client_cert: None,
        },
        request_id: None,
        websocket: false,
        into_grpc: false,
        removed: Removed::default(),
        edits: &[],
    };
    let asked = Asked {
        scheme: b"https",
        websocket: false,
    };
    let mut block = Vec::new();
    let to = &mut hpack::Encoder::new();
    encode_request(to, &mut block, &head.view(&out), &edit, asked);
    assert_eq!(never(&decode(&block)), secrets);
    // The next head is another's.
    out.clear();
    take_request(&mut head, &mut out, &LIMITS, &GET, || pairs(&[]), true).unwrap();
    block.clear();
    let to = &mut hpack::Encoder::new();
    encode_request(to, &mut block, &head.view(&out), &edit, asked);
    assert_eq!(never(&decode(&block)), Vec::<Vec<u8>>::new());

    let (mut head, mut out) = (ResponseHead::new(), Vec::new());
    take_response(&mut head, &mut out, &LIMITS, 200, list.regular(), ANSWERS).unwrap();
    head.keep_secret(&out, names());
    let edit = ResponseEdit {
        via: b"rw",
        client: Version::Http2,
        connection: ClientConnection::KeepAlive,
        framing: BodyFraming::Chunked,
        request_id: None,
        websocket: false,
        removed: Removed::default(),
        edits: &[],
    };
    block.clear();
    let to = &mut hpack::Encoder::new();
    encode_response(to, &mut block, &head.view(&out), &edit);
    assert_eq!(never(&decode(&block)), secrets[2..]);
}

#[test]
fn trailers_keep_what_may_trail() {
    let mut out = b"0\r\n".to_vec();
    let fields: Fields<'_> = &[
        ("grpc-status", "0"),
        ("content-length", "1"),
        ("x-forwarded-for", "1.2.3.4"),
        ("host", "x"),
        ("x-sum", "2"),
    ];
    write_trailers(&mut out, pairs(fields)).unwrap();
    assert_eq!(out, b"0\r\ngrpc-status: 0\r\nx-sum: 2\r\n");
    let forged = write_trailers(&mut out, pairs(&[("a", "1"), ("b", "x\r\n\r\nGET /")]));
    assert_eq!(forged, Err(HeadFault::FieldValue));
    assert_eq!(out, b"0\r\ngrpc-status: 0\r\nx-sum: 2\r\n");
}

#[test]
fn lines_of_our_heads_are_found_again() {
    let head = b"POST /x?y HTTP/1.1\r\nX-A: 1\r\nHost: h:8\r\nConnection: TE\r\nTE: trailers\r\nX-Empty: \r\nTransfer-Encoding: chunked\r\n\r\n";
    let found: Vec<(&[u8], &[u8])> = lines(head, true)
        .map(|line| (&head[line.name], &head[line.value]))
        .collect();
    let wanted: [(&[u8], &[u8]); 3] = [(b"X-A", b"1"), (b"TE", b"trailers"), (b"X-Empty", b"")];
    assert_eq!(found, wanted);
    assert_eq!(lines(b"", true).count(), 0);
    assert_eq!(lines(b"a: b\r\nc: d\r\n", false).count(), 2);
}

/// Fields as they come out of a header block.
fn decoded(fields: Fields<'_>) -> hpack::Fields {
    let mut list = hpack::Fields::default();
    pairs(fields).for_each(|(name, value)| list.push(name, value));
    list
}

#[test]
fn pseudo_fields_of_requests() {
    let (method, scheme, path) = ((":method", "GET"), (":scheme", "http"), (":path", "/"));
    let authority = (":authority", "a.test");
    let right: &[Fields<'_>] = &[
        &[method, scheme, path],
        &[path, authority, scheme, method, ("accept", "*/*")],
        &[(":method", "CONNECT"), authority],
        &[
            (":method", "CONNECT"),
            (":protocol", "websocket"),
            scheme,
            path,
            authority,
        ],
    ];
    for fields in right {
        let list = decoded(fields);
        let pseudo = Pseudo::of(&list).unwrap_or_else(|fault| panic!("{fields:?}: {fault:?}"));
        assert_eq!(pseudo.authority.is_some(), fields.contains(&authority));
    }
    let wrong: &[Fields<'_>] = &[
        &[],
        &[scheme, path],
        &[method, path],
        &[method, scheme],
        &[method, method, scheme, path],
        &[method, scheme, path, authority, authority],
        &[method, scheme, path, (":status", "200")],
        &[method, scheme, path, (":other", "")],
        // Behind a regular field it is none.
        &[method, scheme, ("accept", "*/*"), path],
        &[
            (":method", "CONNECT"),
            (":protocol", "websocket"),
            path,
            authority,
        ],
    ];
    for fields in wrong {
        let list = decoded(fields);
        assert_eq!(
            Pseudo::of(&list).err(),
            Some(HeadFault::PseudoField),
            "{fields:?}"
        );
    }
}

#[test]
fn a_pseudo_field_among_the_others_is_no_field() {
    let fields = &[("accept", "*/*"), (":authority", "b.test")];
    assert_eq!(written(&GET, fields, true), Err(HeadFault::FieldName));
}

#[test]
fn statuses_of_responses() {
    let of = |fields: Fields<'_>| status_of(&decoded(fields));
    assert_eq!(of(&[(":status", "200"), ("server", "x")]), Ok(200));
    for wrong in ["20", "2000", "2x0", "", "-10"] {
        assert_eq!(of(&[(":status", wrong)]), Err(HeadFault::Status), "{wrong}");
    }
    let wrong: &[Fields<'_>] = &[
        &[],
        &[("server", "x"), (":status", "200")],
        &[(":status", "200"), (":status", "200")],
        &[(":status", "200"), (":path", "/")],
    ];
    for fields in wrong {
        assert_eq!(of(fields), Err(HeadFault::PseudoField), "{fields:?}");
    }
}
