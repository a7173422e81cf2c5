//! The load's connections, against a server whose frames are written by hand.

use std::sync::Arc;

use ringway_protocols::http2::frame::{Kind, Reason, flag, setting};
use serde_json::json;

use super::*;
use crate::http2::script::{Frame, Script, octets_of, owned};
use crate::load::{Share, Spec, Stage};

/// What is asked: slots, octets of the upload and of the answer, and whether it is gRPC.
fn asking(streams: usize, upload: usize, body: usize, grpc: bool) -> Asking {
    let spec = json!({
        "address": "127.0.0.1:1",
        "cpus": [],
        "scenario": {
            "name": "t", "about": "a test", "seconds": 1.0, "warm_up": 0.0, "proxy": {}, "figures": [{ "of": "cpu-per-request" }],
            "load": { "kind": "closed", "connections": 1, "streams": streams, "body": upload },
            "origin": { "body": body, "http2": true, "grpc": grpc },
        },
    });
    let spec: Spec = serde_json::from_value(spec).unwrap();
    let share = Share { index: 0, count: 1 };
    Asking::new(Lane::new(&spec, Arc::new(Stage::default()), share, None))
}

/// One turn: it reads what the server says; what it says itself.
fn turn(asking: &mut Asking, server: &mut Script) -> Result<Vec<Frame>, Fault> {
    asking.receive(&server.said())?;
    let mut written = Vec::new();
    loop {
        asking.go_on()?;
        let more = asking.frames.writer.written();
        if more.is_empty() {
            return Ok(server.read(&written));
        }
        written.extend(more);
    }
}

fn asked(frames: &[Frame]) -> Vec<u32> {
    let heads = frames.iter().filter(|one| one.head.kind == Kind::Headers);
    heads.map(|one| one.head.stream).collect()
}

/// How long the header blocks among these are.
fn block_lengths(frames: &[Frame]) -> Vec<u32> {
    let heads = frames.iter().filter(|one| one.head.kind == Kind::Headers);
    heads.map(|one| one.head.len).collect()
}

const OK: (&str, &str) = (":status", "200");

#[test]
fn a_slot_asks_again_when_it_has_its_answer_and_no_more_than_the_server_takes() {
    let mut asking = asking(4, 0, 100, false);
    let mut server = Script::new(&[(setting::MAX_CONCURRENT_STREAMS, 3)]);
    let early = Script::new(&[]).read(&{
        asking.go_on().unwrap();
        asking.frames.writer.written()
    });
    assert!(asked(&early).is_empty(), "the server has said nothing yet");
    let first = turn(&mut asking, &mut server).unwrap();
    assert_eq!(asked(&first), [1, 3, 5]);
    let wanted = [
        (":method", "GET"),
        (":scheme", "http"),
        (":authority", "bench.test"),
        (":path", "/bench"),
        ("user-agent", "ringway-bench"),
        ("accept", "*/*"),
    ];
    for one in first.iter().filter(|one| one.head.kind == Kind::Headers) {
        assert_eq!(one.fields, owned(wanted));
        assert!(one.ends());
    }
    let lengths = block_lengths(&first);
    assert!(lengths[1] < lengths[0], "by the table");
    for stream in [3, 1] {
        server.head(stream, false, &[OK, ("content-length", "100")]);
        server.data(stream, true, crate::message::body(100));
    }
    assert_eq!(asked(&turn(&mut asking, &mut server).unwrap()), [7, 9]);
    frame::put_settings(&mut server.out, &[(setting::MAX_CONCURRENT_STREAMS, 9)]);
    assert_eq!(asked(&turn(&mut asking, &mut server).unwrap()), [11]);
}

#[test]
fn uploads_keep_to_the_windows() {
    let mut asking = asking(2, 40_000, 0, false);
    let mut server = Script::new(&[(setting::INITIAL_WINDOW_SIZE, 7)]);
    let first = turn(&mut asking, &mut server).unwrap();
    let body = crate::message::body(40_000);
    for stream in [1, 3] {
        assert_eq!(octets_of(&first, stream), &body[..7]);
    }
    assert!(
        first
            .iter()
            .all(|one| one.head.kind != Kind::Data || !one.ends())
    );
    // Below what was sent already, and above again; then 65,535 - 14 are left of the connection's.
    frame::put_settings(&mut server.out, &[(setting::INITIAL_WINDOW_SIZE, 0)]);
    frame::put_window_update(&mut server.out, 1, 7);
    assert!(octets_of(&turn(&mut asking, &mut server).unwrap(), 1).is_empty());
    frame::put_settings(&mut server.out, &[(setting::INITIAL_WINDOW_SIZE, 100_000)]);
    let more = turn(&mut asking, &mut server).unwrap();
    let (one, three) = (octets_of(&more, 1), octets_of(&more, 3));
    assert_eq!(one.len() + three.len(), 65_535 - 14);
    assert!(three.len() > 20_000, "in turn");
    assert!(more.iter().all(|frame| frame.head.len <= 16_384));
    frame::put_window_update(&mut server.out, 0, 100_000);
    let last = turn(&mut asking, &mut server).unwrap();
    assert_eq!([&body[..7], &one, &octets_of(&last, 1)].concat(), body);
    assert_eq!([&body[..7], &three, &octets_of(&last, 3)].concat(), body);
    assert_eq!(last.iter().filter(|frame| frame.ends()).count(), 2);
}

#[test]
fn a_large_answer_opens_the_window_of_its_stream() {
    let mut asking = asking(1, 0, 1 << 20, false);
    let mut server = Script::new(&[]);
    turn(&mut asking, &mut server).unwrap();
    server.head(1, false, &[(":status", "103")]);
    server.head(1, false, &[OK, ("content-length", "1048576")]);
    let pieces = crate::message::body(1 << 20).chunks(16_384);
    pieces.for_each(|piece| server.data(1, false, piece));
    let frames = turn(&mut asking, &mut server).unwrap();
    let opened: Vec<_> = frames
        .iter()
        .map(|one| (one.head.kind, one.head.stream))
        .collect();
    assert_eq!(opened, [(Kind::WindowUpdate, 1); 2]);
    server.data(1, true, b"");
    assert_eq!(asked(&turn(&mut asking, &mut server).unwrap()), [3]);
}

#[test]
fn a_table_of_fields_that_the_server_does_not_want_is_not_used() {
    let mut asking = asking(3, 0, 0, false);
    let mut server = Script::new(&[(setting::HEADER_TABLE_SIZE, 0)]);
    let frames = turn(&mut asking, &mut server).unwrap();
    let lengths = block_lengths(&frames);
    // The first one says that it has none.
    assert!(lengths[0] == lengths[1] + 1 && lengths[1] == lengths[2]);
}

#[test]
fn wrong_answers_fail() {
    type Say = fn(&mut Script);
    let cases: [(Say, &str); 15] = [
        (
            |s| s.head(1, true, &[(":status", "502")]),
            "not a 200: :status: 502",
        ),
        (|s| s.head(1, false, &[OK]), "no Content-Length"),
        (
            |s| s.head(1, false, &[OK, ("content-length", "9")]),
            "not the length",
        ),
        (|s| s.head(1, false, &[("a", "b")]), "no status"),
        (
            |s| s.head(1, true, &[OK, ("content-length", "100")]),
            "the answer is cut",
        ),
        (
            |s| {
                s.head(
                    1,
                    false,
                    &[OK, ("content-length", "100"), ("connection", "close")],
                )
            },
            "may not stand in HTTP/2",
        ),
        (|s| s.data(1, true, b"x"), "a body without a head"),
        (|s| s.data(9, true, b"x"), "stream 9 is not open"),
        (
            |s| {
                s.head(1, false, &[OK, ("content-length", "100")]);
                s.data(1, false, &[0; 100]);
            },
            "the body is wrong",
        ),
        (
            |s| {
                s.head(1, false, &[OK, ("content-length", "100")]);
                s.data(1, false, crate::message::body(101));
            },
            "bytes after the answer's end",
        ),
        (
            |s| {
                s.head(1, false, &[OK, ("content-length", "100")]);
                s.head(1, false, &[OK]);
            },
            "a second head",
        ),
        (
            |s| frame::put_reset(&mut s.out, 3, Reason::REFUSED_STREAM),
            "a request was reset: REFUSED_STREAM",
        ),
        (
            |s| frame::put_goaway(&mut s.out, 1, Reason::ENHANCE_YOUR_CALM),
            "GOAWAY, ENHANCE_YOUR_CALM, the last stream is 1",
        ),
        (
            |s| s.frame(Kind::WindowUpdate, 0, 1, &[0; 4]),
            "HTTP/2: a window that is opened by nothing (PROTOCOL_ERROR)",
        ),
        (
            |s| s.frame(Kind::Headers, flag::END_HEADERS, 1, b"\xff\xff"),
            "HTTP/2: a header block out of order",
        ),
    ];
    for (say, wanted) in cases {
        let mut asking = asking(2, 0, 100, false);
        let mut server = Script::new(&[]);
        turn(&mut asking, &mut server).unwrap();
        say(&mut server);
        let fault = turn(&mut asking, &mut server)
            .expect_err(wanted)
            .to_string();
        assert!(fault.contains(wanted), "{fault}, not {wanted}");
    }
}

#[test]
fn calls_need_their_message_and_good_trailers() {
    type Say = fn(&mut Script, &[u8]);
    let grpc = ("content-type", "application/grpc");
    let cases: [(Say, Option<&str>); 5] = [
        (
            |s, message| {
                s.data(1, false, message);
                s.head(1, true, &[("grpc-status", "0")]);
            },
            None,
        ),
        (
            |s, message| {
                s.data(1, false, message);
                s.head(1, true, &[("grpc-status", "13")]);
            },
            Some("no good trailers: grpc-status: 13"),
        ),
        (
            |s, message| s.data(1, true, message),
            Some("no good trailers: none"),
        ),
        (
            |s, _| s.head(1, true, &[("grpc-status", "0")]),
            Some("the answer is cut"),
        ),
        (
            |s, message| {
                s.data(1, false, message);
                s.head(1, true, &[OK]);
            },
            Some("a second head"),
        ),
    ];
    for (say, wanted) in cases {
        let mut asking = asking(1, 100, 50, true);
        let mut server = Script::new(&[]);
        let frames = turn(&mut asking, &mut server).unwrap();
        assert_eq!(octets_of(&frames, 1), http2::body(100, true));
        server.head(1, false, &[OK, grpc]);
        say(&mut server, http2::body(50, true));
        match (turn(&mut asking, &mut server), wanted) {
            (Ok(frames), None) => assert_eq!(asked(&frames), [3]),
            (Err(fault), Some(wanted)) => {
                assert!(fault.to_string().contains(wanted), "{fault}, not {wanted}");
            }
            (other, _) => panic!("{other:?} instead of {wanted:?}"),
        }
    }
}

#[test]
fn an_answer_before_the_request_was_sent_is_wrong() {
    let mut asking = asking(1, 100, 0, false);
    let mut server = Script::new(&[(setting::INITIAL_WINDOW_SIZE, 7)]);
    turn(&mut asking, &mut server).unwrap();
    server.head(1, true, &[OK, ("content-length", "0")]);
    let fault = turn(&mut asking, &mut server).expect_err("too early");
    assert!(fault.to_string().contains("before all of the request"));
}

#[test]
fn what_comes_late_for_an_answered_request_is_borne() {
    let mut asking = asking(1, 0, 0, false);
    let mut server = Script::new(&[]);
    turn(&mut asking, &mut server).unwrap();
    server.head(1, true, &[OK, ("content-length", "0")]);
    frame::put_window_update(&mut server.out, 1, 7);
    frame::put_reset(&mut server.out, 1, Reason::NO_ERROR);
    assert_eq!(asked(&turn(&mut asking, &mut server).unwrap()), [3]);
}

#[test]
fn a_connection_without_streams_left_says_so() {
    let mut asking = asking(2, 0, 0, false);
    asking.next = MOST;
    let fault = turn(&mut asking, &mut Script::new(&[])).expect_err("no stream");
    assert!(fault.to_string().contains("no more streams"));
}
