//! Golden tables of gRPC-Web: content types, text cut anywhere, where messages end, trailers as a message.
#![forbid(unsafe_code)]

use ringway_protocols::grpc_web::{
    AnswerBody, Form, Kind, Messages, Passed, TextDecoder, TextEncoder, TextFault, answer_form,
    is_call, kind, put_grpc_type, put_trailers, put_web_type, suffix_of_grpc,
};

const BINARY: Form = Form::Binary;
const TEXT: Form = Form::Text;

fn of(form: Form, suffix: &str) -> Option<Kind<'_>> {
    let suffix = suffix.as_bytes();
    Some(Kind { form, suffix })
}

#[test]
fn content_types_are_read() {
    let table: &[(&str, Option<Kind<'_>>)] = &[
        ("application/grpc-web", of(BINARY, "")),
        ("application/grpc-web+proto", of(BINARY, "+proto")),
        ("application/grpc-web+json", of(BINARY, "+json")),
        ("application/grpc-web-text", of(TEXT, "")),
        ("application/grpc-web-text+proto", of(TEXT, "+proto")),
        ("application/grpc-web-text-base64", of(TEXT, "")),
        ("application/grpc-web-text-base64+proto", of(TEXT, "+proto")),
        ("Application/gRPC-Web-Text+Proto", of(TEXT, "+Proto")),
        ("application/grpc-web;charset=utf-8", of(BINARY, "")),
        ("application/grpc-web-text; charset=UTF-8", of(TEXT, "")),
        ("application/grpc-web+proto ; a=b", of(BINARY, "+proto")),
        ("application/grpc-web ", of(BINARY, "")),
        ("application/grpc", None),
        ("application/grpc+proto", None),
        ("application/grpc-websocket", None),
        ("application/grpc-web-texts", None),
        ("application/grpc-web-json", None),
        ("application/grpc-web+", None),
        ("application/grpc-web+a/b", None),
        ("application/grpc-web proto", None),
        ("application/grpc-web,application/grpc-web", None),
        ("application/grpc-we", None),
        ("text/plain", None),
        ("", None),
    ];
    for (value, expected) in table {
        assert_eq!(kind(value.as_bytes()), *expected, "{value:?}");
        assert_eq!(is_call(b"POST", value.as_bytes()), expected.is_some());
        assert!(!is_call(b"OPTIONS", value.as_bytes()));
    }
    let table: &[(&str, Option<&str>)] = &[
        ("application/grpc", Some("")),
        ("application/grpc+proto", Some("+proto")),
        ("APPLICATION/GRPC; a=b", Some("")),
        ("application/grpc-web", None),
        ("application/grpcx", None),
        ("text/html", None),
    ];
    for (value, expected) in table {
        assert_eq!(
            suffix_of_grpc(value.as_bytes()),
            expected.map(str::as_bytes),
            "{value:?}"
        );
    }
}

#[test]
fn content_types_are_written() {
    let written = |put: &dyn Fn(&mut Vec<u8>)| {
        let mut out = Vec::new();
        put(&mut out);
        String::from_utf8(out).expect("ASCII alone is written")
    };
    let web = |form, suffix| written(&move |out| put_web_type(out, Kind { form, suffix }));
    assert_eq!(web(BINARY, b""), "application/grpc-web");
    assert_eq!(web(BINARY, b"+proto"), "application/grpc-web+proto");
    assert_eq!(web(TEXT, b"+proto"), "application/grpc-web-text+proto");
    assert_eq!(
        written(&|out| put_grpc_type(out, b"+json")),
        "application/grpc+json"
    );
}

#[test]
fn the_answer_is_written_as_its_client_reads_it() {
    let table: &[(&[&str], Form, Form)] = &[
        (&[], TEXT, TEXT),
        (&[], BINARY, BINARY),
        (&["*/*"], TEXT, TEXT),
        (&["application/grpc-web-text"], TEXT, TEXT),
        (&["application/grpc-web-text"], BINARY, TEXT),
        (&["application/grpc-web"], TEXT, BINARY),
        (
            &["text/html, application/grpc-web-text+proto;q=0.9"],
            BINARY,
            TEXT,
        ),
        (
            &["application/grpc-web, application/grpc-web-text"],
            TEXT,
            BINARY,
        ),
        (&["*/*", "application/grpc-web-text"], BINARY, TEXT),
    ];
    for (accept, asked, expected) in table {
        let values = accept.iter().map(|value| value.as_bytes());
        assert_eq!(answer_form(values, *asked), *expected, "{accept:?}");
    }
}

/// What text says when it comes in pieces of this many octets.
fn read(text: &[u8], piece: usize) -> Result<Vec<u8>, TextFault> {
    let (mut decoder, mut out) = (TextDecoder::new(), Vec::new());
    for piece in text.chunks(piece) {
        decoder.read(piece, &mut out)?;
    }
    decoder.finish().map(|()| out)
}

#[test]
fn text_is_read_however_it_is_cut() {
    use TextFault::{Cut, Octet, Padding};
    let table: &[(&str, Result<&[u8], TextFault>)] = &[
        ("", Ok(b"")),
        ("AAAA", Ok(&[0, 0, 0])),
        ("AAAAAAA=", Ok(&[0; 5])),
        ("aGVsbG8=", Ok(b"hello")),
        ("+/+/", Ok(&[0xfb, 0xff, 0xbf])),
        // Each flush of its writer is base64 of its own.
        ("aA==ZWw=bG8=", Ok(b"hello")),
        ("aGVsbA==bw==", Ok(b"hello")),
        ("aA==aA==aA==aA==", Ok(b"hhhh")),
        ("A", Err(Cut)),
        ("AA", Err(Cut)),
        ("AAA", Err(Cut)),
        ("aA=", Err(Cut)),
        ("aGVsbG8", Err(Cut)),
        ("=AAA", Err(Padding)),
        ("A===", Err(Padding)),
        ("====", Err(Padding)),
        ("AA=A", Err(Padding)),
        ("aGVsbG8=A===", Err(Padding)),
        // Bits behind the last octet that are not zero.
        ("aB==", Err(Padding)),
        ("aGVsbG9=", Err(Padding)),
        ("AA A", Err(Octet)),
        ("AAA\n", Err(Octet)),
        ("aGVs\r\nbG8=", Err(Octet)),
        ("-_-_", Err(Octet)),
        ("\0\0\0\0", Err(Octet)),
        ("\u{e9}AA", Err(Octet)),
        ("aGVsbG8=!AAA", Err(Octet)),
    ];
    for (text, expected) in table {
        for piece in 1..=text.len().max(1) {
            let read = read(text.as_bytes(), piece);
            assert_eq!(
                read.as_deref(),
                expected.as_deref(),
                "{text:?} in pieces of {piece}"
            );
        }
    }
}

#[test]
fn what_is_written_as_text_is_read_again() {
    let octets: Vec<u8> = (0..=255).cycle().take(1000).collect();
    for piece in [1, 2, 3, 4, 5, 7, 100, 1000] {
        let (mut encoder, mut text) = (TextEncoder::new(), Vec::new());
        for (n, piece) in octets.chunks(piece).enumerate() {
            encoder.write(piece, &mut text);
            if n % 3 == 0 {
                encoder.flush(&mut text);
            }
        }
        encoder.flush(&mut text);
        assert_eq!(read(&text, 13), Ok(octets.clone()), "{piece}");
    }
}

/// Three messages, the middle one empty, and where they end.
const MESSAGES: (&[u8], [usize; 4]) = (
    b"\0\0\0\0\x05hello\0\0\0\0\0\x01\0\0\0\x02hi",
    [0, 10, 15, 22],
);

#[test]
fn messages_end_where_their_lengths_say() {
    let (bytes, ends) = MESSAGES;
    let mut octets = Messages::new();
    for (n, octet) in bytes.iter().enumerate() {
        assert_eq!(octets.is_between(), ends.contains(&n), "{n}");
        octets.pass(&[*octet]);
    }
    assert!(octets.is_between());
    for from in 0..bytes.len() {
        let mut messages = Messages::new();
        messages.pass(&bytes[..from]);
        let next = ends.iter().find(|end| **end > from).expect("one is last");
        assert_eq!(from + messages.pass_to_end(&bytes[from..]), *next, "{from}");
        assert!(messages.is_between());
    }
    let mut longest = Messages::new();
    longest.pass(&[0, 0xff, 0xff, 0xff, 0xff]);
    assert_eq!(longest.pass_to_end(&[0; 100]), 100);
    assert!(!longest.is_between());
}

#[test]
fn answers_are_padded_behind_each_message() {
    let (bytes, _) = MESSAGES;
    for piece in 1..=bytes.len() {
        let (mut text, mut plain) = (AnswerBody::new(TEXT), AnswerBody::new(BINARY));
        let (mut out, mut nothing) = (Vec::new(), Vec::new());
        for piece in bytes.chunks(piece) {
            assert_eq!(text.pass(piece, &mut out), Passed::Written);
            assert_eq!(plain.pass(piece, &mut nothing), Passed::AsTheyAre);
        }
        assert!(text.is_between() && plain.is_between() && nothing.is_empty());
        assert_eq!(
            String::from_utf8_lossy(&out),
            "AAAAAAVoZWxsbw==AAAAAAA=AQAAAAJoaQ==",
            "{piece}"
        );
    }
    let mut begun = AnswerBody::new(TEXT);
    let mut out = Vec::new();
    assert_eq!(begun.pass(b"\0\0\0\0\x05he", &mut out), Passed::Written);
    assert_eq!(
        (out.as_slice(), begun.is_between()),
        (b"AAAAAAVo".as_slice(), false)
    );
}

#[test]
fn trailers_are_the_last_message() {
    let lines = b"grpc-status: 5\r\ngrpc-message: no\r\n";
    let mut out = Vec::new();
    put_trailers(&mut out, BINARY, lines);
    assert_eq!(out, [b"\x80\0\0\0\x22".as_slice(), lines].concat());
    let mut text = Vec::new();
    put_trailers(&mut text, TEXT, lines);
    assert_eq!(read(&text, 5), Ok(out));
    let mut none = Vec::new();
    put_trailers(&mut none, BINARY, b"");
    assert_eq!(none, [0x80, 0, 0, 0, 0]);
}
