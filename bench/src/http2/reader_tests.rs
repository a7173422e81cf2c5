//! The reader, with frames as they may come and as they may not.

use super::*;
use crate::http2::script::Script;

type Field = (Vec<u8>, Vec<u8>);

/// What was told, with the pieces of bodies put together.
#[derive(Debug, Default, PartialEq, Eq)]
struct Told {
    heads: Vec<(u32, bool, Vec<Field>)>,
    bodies: Vec<(u32, Vec<u8>)>,
    counted: u32,
    ended: Vec<u32>,
    others: Vec<Event<'static>>,
}

impl Told {
    fn take(&mut self, event: Event<'_>, fields: &Fields) {
        match event {
            Event::Head { stream, ends } => {
                let own = |(name, value): (&[u8], &[u8])| (name.to_vec(), value.to_vec());
                self.heads
                    .push((stream, ends, fields.iter().map(own).collect()));
            }
            Event::Data {
                stream,
                counts,
                piece,
                ends,
            } => {
                self.counted += counts;
                self.ended.extend(ends.then_some(stream));
                match self.bodies.last_mut().filter(|(last, _)| *last == stream) {
                    Some((_, body)) => body.extend_from_slice(piece),
                    None => self.bodies.push((stream, piece.to_vec())),
                }
            }
            Event::Reset { stream, reason } => self.others.push(Event::Reset { stream, reason }),
            Event::GoAway { last, reason } => self.others.push(Event::GoAway { last, reason }),
            Event::Window { stream, octets } => self.others.push(Event::Window { stream, octets }),
            Event::Windows { octets } => self.others.push(Event::Windows { octets }),
        }
    }
}

/// Read in pieces of this length; what was told, and what was answered.
fn read(role: Role, octets: &[u8], length: usize) -> Result<(Told, Vec<u8>), Fault> {
    let (mut reader, mut writer) = (Reader::new(role), Writer::new());
    let mut told = Told::default();
    for mut piece in octets.chunks(length) {
        while let Some(event) = reader.next(&mut piece, &mut writer)? {
            told.take(event, reader.fields());
        }
        assert!(piece.is_empty(), "all is taken");
    }
    Ok((told, writer.written()))
}

fn odd() -> Vec<u8> {
    let mut script = Script::client(&[(frame::setting::INITIAL_WINDOW_SIZE, 70_000)]);
    let block = script.block(&[("one", "1"), ("two", "a longer value")]);
    // With padding, and a priority.
    let padded = [&[3, 0, 0, 0, 9, 7][..], &block, &[0; 3]].concat();
    let flags = flag::PADDED | flag::PRIORITY | flag::END_HEADERS;
    script.frame(Kind::Headers, flags, 1, &padded);
    script.frame(Kind::Data, flag::PADDED, 1, b"\x02hello\0\0");
    script.frame(Kind::Data, 0, 1, b"");
    script.frame(Kind::Data, flag::PADDED, 1, b"\x03\0\0\0");
    script.frame(Kind::Ping, 0, 0, b"12345678");
    script.frame(Kind::Ping, flag::ACK, 0, b"of ours?");
    script.frame(Kind::Settings, flag::ACK, 0, b"");
    script.frame(Kind::Priority, 0, 5, b"\0\0\0\0\x01");
    script.frame(Kind::Unknown, 0xff, 77, b"whatever");
    script.frame(
        Kind::Data,
        flag::PADDED | flag::END_STREAM,
        1,
        b"\x01 you\0",
    );
    // In three frames, one of them empty; the second uses what the first has put into the table.
    let block = script.block(&[("two", "a longer value"), ("three", "3")]);
    script.frame(Kind::Headers, flag::END_STREAM, 3, &block[..1]);
    script.frame(Kind::Continuation, 0, 3, b"");
    script.frame(Kind::Continuation, flag::END_HEADERS, 3, &block[1..]);
    script.frame(Kind::WindowUpdate, 0, 0, &5u32.to_be_bytes());
    script.frame(Kind::WindowUpdate, 0, 3, &6u32.to_be_bytes());
    script.frame(Kind::Reset, 0, 3, &8u32.to_be_bytes());
    script.frame(Kind::GoAway, 0, 0, b"\0\0\0\x03\0\0\0\0why");
    script.said()
}

#[test]
fn odd_frames_are_read_however_they_are_cut() {
    let octets = odd();
    let (told, answered) = read(Role::Server, &octets, octets.len()).unwrap();
    let field = |name: &str, value: &str| (name.into(), value.into());
    let two = field("two", "a longer value");
    assert_eq!(
        told.heads,
        [
            (1, false, vec![field("one", "1"), two.clone()]),
            (3, true, vec![two, field("three", "3")])
        ]
    );
    assert_eq!(told.bodies, [(1, b"hello you".to_vec())]);
    assert_eq!(told.counted, 8 + 4 + 6, "with padding");
    assert_eq!(told.ended, [1]);
    let (canceled, fine) = (Reason::CANCEL, Reason::NO_ERROR);
    assert_eq!(
        told.others,
        [
            Event::Windows {
                octets: 70_000 - 65_535
            },
            Event::Window {
                stream: 3,
                octets: 6
            },
            Event::Reset {
                stream: 3,
                reason: canceled
            },
            Event::GoAway {
                last: 3,
                reason: fine
            }
        ]
    );
    let mut wanted = Vec::new();
    frame::put_settings_ack(&mut wanted);
    frame::put_ping(&mut wanted, true, *b"12345678");
    assert_eq!(answered, wanted);
    let whole = (told, wanted);
    for length in 1..40 {
        let cut = read(Role::Server, &octets, length).unwrap();
        assert_eq!(cut, whole, "{length}");
    }
}

#[test]
fn nothing_panics_whatever_octet_is_another() {
    let octets = odd();
    for at in 0..octets.len() {
        for other in [0, 1, 0x7f, 0x80, 0xff, octets[at] ^ 1] {
            let mut octets = octets.clone();
            octets[at] = other;
            for length in [1, 10, octets.len()] {
                // A fault or none: both are an answer.
                let _ = read(Role::Server, &octets, length);
            }
        }
    }
}

#[test]
fn the_connections_window_is_opened_when_half_is_used() {
    let mut script = Script::new(&[]);
    let frames = super::super::CONNECTION_WINDOW / MOST_PAYLOAD;
    for _ in 0..frames / 2 {
        script.data(1, false, &[0; MOST_PAYLOAD as usize]);
    }
    let (_, answered) = read(Role::Client, &script.said(), 100_000).unwrap();
    let mut wanted = Vec::new();
    frame::put_settings_ack(&mut wanted);
    frame::put_window_update(&mut wanted, 0, super::super::CONNECTION_WINDOW / 2);
    assert_eq!(answered, wanted);
}

#[test]
fn frames_that_may_not_be_end_the_connection() {
    type Say = fn(&mut Script);
    let cases: [(Say, Reason, &str); 12] = [
        (
            |s| s.frame(Kind::Data, 0, 0, b"x"),
            Reason::PROTOCOL_ERROR,
            "may not be here",
        ),
        (
            |s| s.frame(Kind::Data, 0, 1, &[0; 16_385]),
            Reason::FRAME_SIZE_ERROR,
            "too long",
        ),
        (
            |s| s.frame(Kind::Data, flag::PADDED, 1, b"\x05abc"),
            Reason::PROTOCOL_ERROR,
            "more padding",
        ),
        (
            |s| s.frame(Kind::Data, flag::PADDED, 1, b""),
            Reason::FRAME_SIZE_ERROR,
            "another length",
        ),
        (
            |s| s.frame(Kind::Headers, flag::PADDED, 1, b"\x05abc"),
            Reason::PROTOCOL_ERROR,
            "more padding",
        ),
        (
            |s| s.frame(Kind::Headers, flag::END_HEADERS, 1, b"\xff\xff"),
            Reason::COMPRESSION_ERROR,
            "out of order",
        ),
        (
            |s| {
                s.frame(Kind::Headers, 0, 1, b"");
                s.frame(Kind::Ping, 0, 0, &[0; 8]);
            },
            Reason::PROTOCOL_ERROR,
            "cut",
        ),
        (
            |s| {
                s.frame(Kind::Headers, 0, 1, &[0; 16_000]);
                (0..4).for_each(|_| s.frame(Kind::Continuation, 0, 1, &[0; 16_000]));
            },
            Reason::ENHANCE_YOUR_CALM,
            "without an end",
        ),
        (
            |s| s.frame(Kind::PushPromise, flag::END_HEADERS, 1, &[0; 8]),
            Reason::PROTOCOL_ERROR,
            "may not be here",
        ),
        (
            |s| s.frame(Kind::WindowUpdate, 0, 1, &[0; 4]),
            Reason::PROTOCOL_ERROR,
            "by nothing",
        ),
        (
            |s| s.frame(Kind::WindowUpdate, 0, 0, &MOST.to_be_bytes()),
            Reason::FLOW_CONTROL_ERROR,
            "too far",
        ),
        (
            |s| frame::put_settings(&mut s.out, &[(frame::setting::MAX_FRAME_SIZE, 1)]),
            Reason::PROTOCOL_ERROR,
            "SETTINGS",
        ),
    ];
    for (say, reason, why) in cases {
        let mut script = Script::new(&[]);
        say(&mut script);
        let octets = script.said();
        for length in [1, 7, octets.len()] {
            let fault = read(Role::Client, &octets, length).expect_err(why);
            assert_eq!(fault.reason, reason, "{fault}");
            assert!(fault.why.contains(why), "{fault}, not {why}");
        }
    }
    let mut early = Vec::new();
    frame::put_ping(&mut early, false, [0; 8]);
    assert!(read(Role::Client, &early, 3).is_err(), "no SETTINGS");
    assert!(read(Role::Server, b"GET / HTTP/1.1\r\n", 3).is_err());
}
