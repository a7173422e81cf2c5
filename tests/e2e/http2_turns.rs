//! Rules of HTTP/2 that take turns: something is sent, the answer to it comes, and then something else is sent (RFC 9113, the cases of h2spec that look
//! at a stream's state or at windows). What one turn does is in `http2_frames`.

use crate::web;
use ringway_tests::frames::{
    END_HEADERS, END_STREAM, Frame, Frames, block, code, frame, get_block, kind,
};
use ringway_tests::{Http2Origin, Origin, Proxy, both_drivers, front, ok};

const ALL: u8 = END_STREAM | END_HEADERS;

/// Everything is answered here.
fn ours() -> String {
    web("") + "[[routes]]\nrespond = { status = 200, body = \"ours\" }\n"
}

/// A POST with this length, whose body is to come.
fn post(length: &str) -> Vec<u8> {
    block(&[
        (":method", "POST"),
        (":scheme", "http"),
        (":path", "/"),
        (":authority", "test"),
        ("content-length", length),
    ])
}

/// The answer's last frame.
fn ends(stream: u32) -> impl Fn(&Frame) -> bool {
    move |f| {
        f.stream == stream
            && f.flags & END_STREAM != 0
            && matches!(f.kind, kind::DATA | kind::HEADERS)
    }
}

/// Ask with a body to come, and wait until the answer is whole.
fn answered_early(frames: &mut Frames, stream: u32, length: &str) {
    frames.send(kind::HEADERS, END_HEADERS, stream, &post(length));
    frames.until("the answer", ends(stream));
}

/// What a stream, or the connection, was ended with.
fn ended_with(frames: &mut Frames, stream: u32) -> Option<u32> {
    let end = frames.until("an end", |f| {
        f.kind == kind::GOAWAY || (f.kind == kind::RST_STREAM && f.stream == stream)
    });
    end.code()
}

both_drivers! {
    fn a_request_that_was_answered_early_is_still_judged(io) {
        let proxy = Proxy::start(io, &ours());
        let mut frames = Frames::connect(proxy.web(), &[]);

        answered_early(&mut frames, 1, "3");
        frames.send(kind::DATA, END_STREAM, 1, b"four");
        assert_eq!(ended_with(&mut frames, 1), Some(code::PROTOCOL_ERROR), "more than announced");

        answered_early(&mut frames, 3, "3");
        frames.send(kind::HEADERS, END_HEADERS, 3, &block(&[("x-trailer", "1")]));
        assert_eq!(ended_with(&mut frames, 3), Some(code::PROTOCOL_ERROR), "trailers that do not end it");

        // Behind a reset: DATA is told so, HEADERS of an old stream end the connection.
        for (stream, again, wanted) in [
            (5, frame(kind::DATA, END_STREAM, 5, b"abc"), code::STREAM_CLOSED),
            (7, frame(kind::HEADERS, ALL, 7, &get_block("/", &[])), code::STREAM_CLOSED),
        ] {
            answered_early(&mut frames, stream, "3");
            frames.send(kind::RST_STREAM, 0, stream, &8u32.to_be_bytes());
            frames.expect_alive();
            frames.send_octets(&again);
            assert_eq!(ended_with(&mut frames, stream), Some(wanted), "stream {stream}");
        }
    }

    fn the_rest_of_a_request_is_read_or_refused(io) {
        let proxy = Proxy::start(io, &ours());
        let mut frames = Frames::connect(proxy.web(), &[]);
        // Little is read: the stream ends in order, and nothing is said about it.
        answered_early(&mut frames, 1, "8000");
        frames.send(kind::DATA, END_STREAM, 1, &[7; 8000]);
        frames.get(3, "/");
        let next = frames.until("the next answer", |f| f.kind == kind::RST_STREAM || ends(3)(f));
        assert_eq!(next.stream, 3, "{next:?}");
        // Much is refused at once, without an error (RFC 9113 section 8.1).
        answered_early(&mut frames, 5, "100000");
        assert_eq!(ended_with(&mut frames, 5), Some(code::NO_ERROR));
        // So is what nobody sends before it has been asked to.
        let fields = [&post("5")[..], &block(&[("expect", "100-continue")])].concat();
        frames.send(kind::HEADERS, END_HEADERS, 7, &fields);
        assert_eq!(ended_with(&mut frames, 7), Some(code::NO_ERROR));
        frames.expect_alive();
    }

    fn a_body_that_does_not_come_is_not_waited_for_for_ever(io) {
        let proxy = Proxy::start(io, &ours().replace("[[routes]]", "timeouts = { body = \"200ms\" }\n[[routes]]"));
        let mut frames = Frames::connect(proxy.web(), &[]);
        answered_early(&mut frames, 1, "10");
        assert_eq!(ended_with(&mut frames, 1), Some(code::NO_ERROR));
        frames.expect_alive();
    }

    fn answers_keep_to_the_windows(io) {
        let origin = Origin::answering(|_| ok("hello"));
        let by_http2 = Http2Origin::saying("hello");
        let text = web("") + &format!(
            "[[routes]]\nmatch = {{ path = \"/ours\" }}\nrespond = {{ status = 200, body = \"hello\" }}\n\
             [[routes]]\nmatch = {{ path = \"/2\" }}\nto = \"two\"\n[[routes]]\nto = [\"{}\"]\n\
             [clusters.two]\nendpoints = [\"{}\"]\nprotocol = \"h2\"\n", origin.address(), by_http2.address());
        let proxy = Proxy::start(io, &text);
        for path in ["/", "/2", "/ours"] {
            // SETTINGS_INITIAL_WINDOW_SIZE of one octet, then of three: those that have begun get what was added (section 6.9.2).
            let mut frames = Frames::connect(proxy.web(), &[(4, 1)]);
            frames.get(1, path);
            let data = |f: &Frame| f.kind == kind::DATA && !f.payload.is_empty();
            assert_eq!(frames.until("an octet", data).payload, b"h", "{path}");
            frames.send(kind::SETTINGS, 0, 0, &[&4u16.to_be_bytes()[..], &3u32.to_be_bytes()].concat());
            assert_eq!(frames.until("two octets", data).payload, b"el", "{path}");
            // A window below nothing: what comes first goes to its debt.
            frames.send(kind::SETTINGS, 0, 0, &[&4u16.to_be_bytes()[..], &0u32.to_be_bytes()].concat());
            frames.send(kind::WINDOW_UPDATE, 0, 1, &3u32.to_be_bytes());
            frames.expect_alive();
            frames.send(kind::WINDOW_UPDATE, 0, 1, &1u32.to_be_bytes());
            assert_eq!(frames.until("an octet", data).payload, b"l", "{path}");
            frames.send(kind::WINDOW_UPDATE, 0, 1, &9u32.to_be_bytes());
            assert_eq!(frames.until("the rest", data).payload, b"o", "{path}");
        }
    }

    fn the_connections_window_is_kept_too(io) {
        let origin = Origin::answering(|_| ok(&"x".repeat(70_000)));
        let proxy = Proxy::start(io, &front(&origin, ""));
        let mut frames = Frames::connect(proxy.web(), &[(4, 1 << 20)]);
        frames.get(1, "/");
        let mut got = 0;
        while got < 65_535 {
            got += frames.until("DATA", |f| f.kind == kind::DATA).payload.len();
        }
        assert_eq!(got, 65_535);
        frames.expect_alive();
        frames.send(kind::WINDOW_UPDATE, 0, 0, &10_000u32.to_be_bytes());
        while got < 70_000 {
            got += frames.until("DATA", |f| f.kind == kind::DATA).payload.len();
        }
        frames.expect_alive();
    }

    fn settings_and_pings_are_answered(io) {
        let proxy = Proxy::start(io, &ours());
        let mut frames = Frames::connect(proxy.web(), &[]);
        frames.send(kind::SETTINGS, 0, 0, &[&3u16.to_be_bytes()[..], &5u32.to_be_bytes()].concat());
        frames.until("an acknowledgement", |f| f.kind == kind::SETTINGS && f.flags == 1 && f.payload.is_empty());
        frames.send(kind::PING, 0, 0, b"12345678");
        let pong = frames.until("the answer to a PING", |f| f.kind == kind::PING);
        assert_eq!((pong.flags, pong.stream, pong.payload.as_slice()), (1, 0, b"12345678".as_slice()));
    }

    fn fields_are_read_in_every_form(io) {
        let origin = Origin::answering(|asked| ok(&format!("{}-{}", asked.path(), asked.field("x-a").unwrap_or("none"))));
        let proxy = Proxy::start(io, &front(&origin, ""));
        let mut frames = Frames::connect(proxy.web(), &[]);
        let pseudo = [0x82, 0x86, 0x84, 0x41, 0x04, b't', b'e', b's', b't'];
        // RFC 7541 section 6: a field with a name of its own that is put into the table, is not, never is; the value in Huffman code; the one that
        // was put into the table by its index; and by its index the name alone.
        for (n, (field, told)) in [
            (&[0x40, 3, b'x', b'-', b'a', 1, b'1'][..], "/-1"),
            (&[0xbe][..], "/-1"),
            (&[0x00, 3, b'x', b'-', b'a', 1, b'2'][..], "/-2"),
            (&[0x10, 3, b'x', b'-', b'a', 1, b'3'][..], "/-3"),
            (&[0x7e, 1, b'4'][..], "/-4"),
            (&[0x00, 3, b'x', b'-', b'a', 0x81, 0x1f][..], "/-a"),
        ].into_iter().enumerate() {
            let stream = 2 * n as u32 + 1;
            // The authority is put into the table with the first block, before the field.
            let known: &[u8] = match n {
                0 => &pseudo,
                // It has been pushed back by what came behind it.
                1..=4 => &[0x82, 0x86, 0x84, 0xbf],
                _ => &[0x82, 0x86, 0x84, 0xc0],
            };
            frames.send(kind::HEADERS, ALL, stream, &[known, field].concat());
            let answer = frames.until("an answer", |f| f.kind == kind::DATA && f.stream == stream && !f.payload.is_empty());
            assert_eq!(String::from_utf8_lossy(&answer.payload), told, "{field:x?}");
        }
    }
}
