//! The origin's connections, against a client whose frames are written by hand.

use std::sync::Arc;

use ringway_protocols::http2::frame::{Kind, setting};

use super::super::Counters;
use super::*;
use crate::http2::script::{Frame, Script, octets_of, owned};

fn served(upload: &'static [u8]) -> Served {
    Served {
        answer: b"",
        upload,
        http2: None,
        bytes: None,
        ends: false,
        server: None,
        counters: Arc::new(Counters::default()),
    }
}

fn answer(body: usize, grpc: bool) -> Rc<Answer> {
    let origin = serde_json::json!({ "body": body, "http2": true, "grpc": grpc });
    Rc::new(Answer::new(&serde_json::from_value(origin).unwrap()))
}

/// One turn: it reads what the client says; what it says itself, without what it begins with.
fn turn(answering: &mut Answering<'_>, client: &mut Script) -> Result<Vec<Frame>, Fault> {
    answering.receive(&client.said())?;
    let mut written = Vec::new();
    loop {
        answering.go_on();
        let more = answering.frames.writer.written();
        if more.is_empty() {
            break;
        }
        written.extend(more);
    }
    let mut frames = client.read(&written);
    frames.retain(|one| one.head.kind != Kind::Settings && one.head.stream != 0);
    Ok(frames)
}

fn kinds(frames: &[Frame]) -> Vec<(Kind, u32, bool)> {
    let kind = |one: &Frame| (one.head.kind, one.head.stream, one.ends());
    frames.iter().map(kind).collect()
}

const GET: [(&str, &str); 4] = [
    (":method", "GET"),
    (":scheme", "http"),
    (":authority", "bench.test"),
    (":path", "/bench"),
];
const POST: [(&str, &str); 4] = [(":method", "POST"), GET[1], GET[2], GET[3]];
const CALL: [(&str, &str); 5] = [
    POST[0],
    GET[1],
    GET[2],
    (":path", "/bench.Bench/Unary"),
    ("te", "trailers"),
];

#[test]
fn small_answers_are_said_in_one_go() {
    let served = served(b"");
    let mut answering = Answering::new(&served, answer(100, false));
    let mut client = Script::client(&[]);
    client.head(1, true, &GET);
    client.head(3, true, &[GET[0], GET[1], GET[2], (":path", "/other")]);
    client.head(5, false, &GET);
    client.data(5, true, b"");
    client.head(7, false, &GET);
    client.data(7, true, b"a body that nobody sends");
    let frames = turn(&mut answering, &mut client).unwrap();
    assert_eq!(
        kinds(&frames),
        [
            (Kind::Headers, 1, false),
            (Kind::Headers, 3, true),
            (Kind::Headers, 5, false),
            (Kind::Headers, 7, true),
            (Kind::Data, 1, true),
            (Kind::Data, 5, true),
        ]
    );
    let wanted = [
        (":status", "200"),
        ("content-length", "100"),
        ("content-type", "application/octet-stream"),
    ];
    assert_eq!(frames[0].fields, owned(wanted));
    assert_eq!(frames[4].payload, crate::message::body(100));
    for refused in [1, 3] {
        assert_eq!(frames[refused].fields, owned([(":status", "400")]));
    }
    assert!(answering.open.is_empty());
    assert_eq!(served.counters.requests.load(Relaxed), 4);
}

#[test]
fn uploads_are_verified() {
    let upload = crate::message::body(1000);
    let served = served(upload);
    let mut answering = Answering::new(&served, answer(0, false));
    let mut client = Script::client(&[]);
    for stream in [1, 3, 5, 7] {
        client.head(stream, false, &POST);
    }
    client.data(1, false, &upload[..600]);
    client.data(3, true, &upload[..999]);
    client.data(5, true, &[0; 1000]);
    client.data(7, false, upload);
    client.data(1, true, &upload[600..]);
    // With trailers.
    client.head(7, true, &[("x-checked", "no")]);
    let frames = turn(&mut answering, &mut client).unwrap();
    let said: Vec<_> = frames
        .iter()
        .map(|one| (one.head.stream, one.fields[0].1.as_str(), one.ends()))
        .collect();
    assert_eq!(
        said,
        [
            (1, "200", true),
            (3, "400", true),
            (5, "400", true),
            (7, "200", true)
        ]
    );
}

#[test]
fn large_answers_keep_to_the_windows_and_take_turns() {
    let served = served(b"");
    let mut answering = Answering::new(&served, answer(1 << 20, false));
    let mut client = Script::client(&[(setting::INITIAL_WINDOW_SIZE, 10_000)]);
    client.head(1, true, &GET);
    client.head(3, true, &GET);
    let first = turn(&mut answering, &mut client).unwrap();
    let body = crate::message::body(1 << 20);
    let mut got = [octets_of(&first, 1), octets_of(&first, 3)];
    assert_eq!([got[0].len(), got[1].len()], [10_000; 2]);
    frame::put_settings(&mut client.out, &[(setting::INITIAL_WINDOW_SIZE, 1 << 21)]);
    frame::put_window_update(&mut client.out, 0, 1 << 20);
    let more = turn(&mut answering, &mut client).unwrap();
    let lengths = [octets_of(&more, 1).len(), octets_of(&more, 3).len()];
    assert_eq!(lengths[0] + lengths[1], (1 << 20) + 65_535 - 20_000);
    assert!(lengths[0].abs_diff(lengths[1]) <= 16_384, "{lengths:?}");
    frame::put_window_update(&mut client.out, 0, 1 << 20);
    let last = turn(&mut answering, &mut client).unwrap();
    for (at, stream) in [1, 3].into_iter().enumerate() {
        got[at].extend(octets_of(&more, stream));
        got[at].extend(octets_of(&last, stream));
        assert!(got[at] == body, "stream {stream}");
    }
    assert_eq!(last.iter().filter(|one| one.ends()).count(), 2);
    assert!(answering.open.is_empty());
}

#[test]
fn calls_end_with_trailers() {
    let message = http2::body(100, true);
    let served = served(message);
    let mut answering = Answering::new(&served, answer(50, true));
    let mut client = Script::client(&[(setting::INITIAL_WINDOW_SIZE, 54)]);
    client.head(1, false, &CALL);
    client.data(1, true, message);
    client.head(3, false, &CALL[..4]);
    client.data(3, true, message);
    let frames = turn(&mut answering, &mut client).unwrap();
    assert_eq!(
        kinds(&frames),
        [
            (Kind::Headers, 1, false),
            (Kind::Headers, 3, true),
            (Kind::Data, 1, false)
        ]
    );
    frame::put_window_update(&mut client.out, 1, 1);
    let frames = turn(&mut answering, &mut client).unwrap();
    assert_eq!(
        kinds(&frames),
        [(Kind::Data, 1, false), (Kind::Headers, 1, true)]
    );
    assert_eq!(frames[1].fields, owned([("grpc-status", "0")]));
}

#[test]
fn more_streams_than_it_takes_are_refused_and_those_reset_are_forgotten() {
    let served = served(b"x");
    let mut answering = Answering::new(&served, answer(0, false));
    let mut client = Script::client(&[]);
    for n in 0..=STREAMS {
        client.head(2 * n + 1, false, &POST);
    }
    let refused = 2 * STREAMS + 1;
    let frames = turn(&mut answering, &mut client).unwrap();
    assert_eq!(kinds(&frames), [(Kind::Reset, refused, false)]);
    assert_eq!(frames[0].payload, Reason::REFUSED_STREAM.0.to_be_bytes());
    // What was on its way for both is borne.
    client.data(refused, true, b"x");
    frame::put_reset(&mut client.out, 1, Reason::CANCEL);
    client.data(1, true, b"x");
    client.head(refused + 2, false, &POST);
    client.data(refused + 2, true, b"x");
    let frames = turn(&mut answering, &mut client).unwrap();
    assert_eq!(kinds(&frames), [(Kind::Headers, refused + 2, true)]);
    assert_eq!(served.counters.requests.load(Relaxed), 101);
}

#[test]
fn frames_for_no_stream_end_the_connection() {
    type Say = fn(&mut Script);
    let cases: [(Say, Reason); 6] = [
        (|c| c.data(3, true, b""), Reason::PROTOCOL_ERROR),
        (|c| c.head(2, true, &GET), Reason::PROTOCOL_ERROR),
        (|c| c.head(1, false, &GET), Reason::PROTOCOL_ERROR),
        (
            |c| frame::put_window_update(&mut c.out, 3, 1),
            Reason::PROTOCOL_ERROR,
        ),
        (
            |c| frame::put_reset(&mut c.out, 3, Reason::CANCEL),
            Reason::PROTOCOL_ERROR,
        ),
        (
            |c| (0..65).for_each(|_| c.data(1, false, &[0; 16_384])),
            Reason::NO_ERROR,
        ),
    ];
    for (say, reason) in cases {
        let served = served(b"x");
        let mut answering = Answering::new(&served, answer(0, false));
        let mut client = Script::client(&[]);
        client.head(1, false, &POST);
        say(&mut client);
        let ended = turn(&mut answering, &mut client);
        let ended = ended.map_or_else(|fault| fault.reason, |_| Reason::NO_ERROR);
        assert_eq!(ended, reason);
    }
}
