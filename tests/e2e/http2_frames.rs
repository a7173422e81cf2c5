//! What frames may do to a connection and its streams (RFC 9113, the cases of h2spec): who breaks a rule has the stream or the connection ended with
//! the code that the rule names, and everybody else goes on.

use crate::web;
use ringway_tests::frames::{
    END_HEADERS, END_STREAM, Frame, Frames, PREFACE, block, code, frame, get_block, kind,
};
use ringway_tests::{Io, Origin, Proxy, both_drivers};

/// What must come of a case.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Fate {
    /// RST_STREAM of stream 1 with this code, or the connection's end.
    Stream(u32),
    /// GOAWAY with one of these codes, or the connection's end without one.
    Connection(&'static [u32]),
    /// Nothing: the connection answers.
    Alive,
}

use Fate::{Alive, Connection, Stream};

impl Fate {
    /// This frame is what must come. (A connection that ends takes its streams with it.)
    pub(crate) fn is_met_by(self, frame: &Frame) -> bool {
        match (self, frame.kind, frame.code()) {
            (Stream(wanted), kind::RST_STREAM, Some(code)) => frame.stream == 1 && code == wanted,
            (Stream(_), kind::GOAWAY, Some(code)) => code != code::NO_ERROR,
            (Connection(wanted), kind::GOAWAY, Some(code)) => wanted.contains(&code),
            (Alive, kind::PING, _) => frame.payload == b"are you?",
            (Connection(_) | Stream(_) | Alive, ..) => false,
        }
    }
}

const ALL: u8 = END_STREAM | END_HEADERS;
pub(crate) const PROTOCOL: &[u32] = &[code::PROTOCOL_ERROR];
pub(crate) const SIZE: &[u32] = &[code::FRAME_SIZE_ERROR, code::PROTOCOL_ERROR];
pub(crate) const FLOW: &[u32] = &[code::FLOW_CONTROL_ERROR, code::PROTOCOL_ERROR];
pub(crate) const CLOSED: &[u32] = &[code::STREAM_CLOSED, code::PROTOCOL_ERROR];
pub(crate) const COMPRESSION: &[u32] = &[code::COMPRESSION_ERROR, code::PROTOCOL_ERROR];

/// Each case: its name, the octets, and what comes of them.
#[rustfmt::skip]
fn cases() -> Vec<(&'static str, Vec<u8>, Fate)> {
    let headers = |flags, stream, block: &[u8]| frame(kind::HEADERS, flags, stream, block);
    let get = headers(ALL, 1, &get_block("/", &[]));
    let post = headers(
        END_HEADERS,
        1,
        &block(&[
            (":method", "POST"),
            (":scheme", "http"),
            (":path", "/"),
            (":authority", "test"),
        ]),
    );
    let with = |fields: &[(&str, &str)]| headers(ALL, 1, &get_block("/", fields));
    let only = |fields: &[(&str, &str)]| headers(ALL, 1, &block(fields));
    let odd_post = |length: &str| {
        let fields = [
            (":method", "POST"),
            (":scheme", "http"),
            (":path", "/"),
            (":authority", "test"),
            ("content-length", length),
        ];
        headers(END_HEADERS, 1, &block(&fields))
    };
    let update = |stream, n: u32| frame(kind::WINDOW_UPDATE, 0, stream, &n.to_be_bytes());
    let setting = |id: u16, value: u32| {
        frame(
            kind::SETTINGS,
            0,
            0,
            &[&id.to_be_bytes()[..], &value.to_be_bytes()].concat(),
        )
    };
    vec![
        ("an unknown type is ignored", frame(0x16, 0, 0, b"12345678"), Alive),
        ("flags without a meaning are ignored", frame(kind::PING, 0x16, 0, &[0; 8]), Alive),
        ("a reserved bit is ignored", [&[0, 0, 8, 6, 0, 0x80, 0, 0, 0][..], &[0; 8]].concat(), Alive),
        ("a frame above the largest", frame(kind::DATA, 0, 1, &[0; 16_385]), Connection(SIZE)),
        ("an even stream", headers(ALL, 2, &get_block("/", &[])), Connection(PROTOCOL)),
        ("an older stream", [headers(ALL, 5, &get_block("/", &[])), headers(ALL, 3, &get_block("/", &[]))] .concat(), Connection(CLOSED)),
        ("HEADERS on stream 0", headers(ALL, 0, &get_block("/", &[])), Connection(PROTOCOL)),
        ("DATA on stream 0", frame(kind::DATA, END_STREAM, 0, b"x"), Connection(PROTOCOL)),
        ("DATA on an idle stream", frame(kind::DATA, END_STREAM, 1, b"x"), Connection(CLOSED)),
        ("RST_STREAM on an idle stream", frame(kind::RST_STREAM, 0, 1, &[0; 4]), Connection(PROTOCOL)),
        ("WINDOW_UPDATE on an idle stream", update(1, 1), Connection(PROTOCOL)),
        ("CONTINUATION on an idle stream", frame(kind::CONTINUATION, END_HEADERS, 1, &get_block("/", &[])), Connection(PROTOCOL)),
        ("CONTINUATION behind a whole block", [get.clone(), frame(kind::CONTINUATION, END_HEADERS, 1, b"")].concat(), Connection(PROTOCOL)),
        ("another frame within a block", [headers(END_STREAM, 1, &get_block("/", &[])), frame(kind::PRIORITY, 0, 1, &[0; 5])] .concat(), Connection(PROTOCOL)),
        ("another stream within a block", [headers(END_STREAM, 1, &get_block("/", &[])), headers(ALL, 3, &get_block("/", &[]))] .concat(), Connection(PROTOCOL)),
        ("CONTINUATION of another stream", [headers(END_STREAM, 1, &get_block("/", &[])), frame(kind::CONTINUATION, END_HEADERS, 3, b"")] .concat(), Connection(PROTOCOL)),
        ("HEADERS behind a reset", [post.clone(), frame(kind::RST_STREAM, 0, 1, &8u32.to_be_bytes()), headers(ALL, 1, &get_block("/", &[]))] .concat(), Stream(code::STREAM_CLOSED)),
        ("CONTINUATION behind a reset", [post.clone(), frame(kind::RST_STREAM, 0, 1, &8u32.to_be_bytes()), frame(kind::CONTINUATION, END_HEADERS, 1, b"")] .concat(), Connection(PROTOCOL)),
        ("a block in three frames", [headers(END_STREAM, 1, b""), frame(kind::CONTINUATION, 0, 1, &get_block("/", &[])), frame(kind::CONTINUATION, END_HEADERS, 1, b"")] .concat(), Alive),
        ("DATA within a block", [headers(0, 1, &get_block("/", &[])), frame(kind::DATA, END_STREAM, 1, b"x")].concat(), Connection(PROTOCOL)),
        ("an unknown type within a block", [headers(0, 1, &get_block("/", &[])), frame(0x16, 0, 0, b"x")].concat(), Connection(PROTOCOL)),
        ("DATA behind the end", [get.clone(), frame(kind::DATA, END_STREAM, 1, b"x")].concat(), Stream(code::STREAM_CLOSED)),
        ("HEADERS behind the end", [get.clone(), headers(ALL, 1, &get_block("/", &[]))].concat(), Stream(code::STREAM_CLOSED)),
        ("DATA behind a reset", [post.clone(), frame(kind::RST_STREAM, 0, 1, &8u32.to_be_bytes()), frame(kind::DATA, 0, 1, b"x")] .concat(), Stream(code::STREAM_CLOSED)),
        ("padding as long as the frame", [post.clone(), frame(kind::DATA, 0x8, 1, &[5, 0, 0, 0, 0])].concat(), Connection(PROTOCOL)),
        ("padding of DATA", [post.clone(), frame(kind::DATA, END_STREAM | 0x8, 1, &[3, b'x', 0, 0, 0])].concat(), Alive),
        ("padding of HEADERS", headers(ALL | 0x8, 1, &[&[2][..], &get_block("/", &[]), &[0, 0]].concat()), Alive),
        ("padding of HEADERS as long as the frame", headers(ALL | 0x8, 1, &[99, 0x82]), Connection(PROTOCOL)),
        ("a stream that depends on itself", headers(ALL | 0x20, 1, &[&[0, 0, 0, 1, 7][..], &get_block("/", &[])].concat()), Stream(code::PROTOCOL_ERROR)),
        ("a PRIORITY of itself", frame(kind::PRIORITY, 0, 1, &[0, 0, 0, 1, 7]), Stream(code::PROTOCOL_ERROR)),
        ("PRIORITY of an idle stream", frame(kind::PRIORITY, 0, 3, &[0, 0, 0, 0, 255]), Alive),
        ("PRIORITY behind the end", [get.clone(), frame(kind::PRIORITY, 0, 1, &[0, 0, 0, 0, 1])].concat(), Alive),
        ("WINDOW_UPDATE behind the end", [get.clone(), update(1, 100)].concat(), Alive),
        ("RST_STREAM behind the end", [get.clone(), frame(kind::RST_STREAM, 0, 1, &8u32.to_be_bytes())].concat(), Alive),
        ("PRIORITY on stream 0", frame(kind::PRIORITY, 0, 0, &[0; 5]), Connection(PROTOCOL)),
        ("PRIORITY of another length", frame(kind::PRIORITY, 0, 1, &[0; 4]), Connection(SIZE)),
        ("RST_STREAM on stream 0", frame(kind::RST_STREAM, 0, 0, &[0; 4]), Connection(PROTOCOL)),
        ("RST_STREAM of another length", [post.clone(), frame(kind::RST_STREAM, 0, 1, &[0; 3])].concat(), Connection(SIZE)),
        ("SETTINGS on a stream", frame(kind::SETTINGS, 0, 1, &[]), Connection(PROTOCOL)),
        ("an acknowledgement with SETTINGS in it", frame(kind::SETTINGS, 1, 0, &[0; 6]), Connection(SIZE)),
        ("SETTINGS of another length", frame(kind::SETTINGS, 0, 0, &[0; 3]), Connection(SIZE)),
        ("ENABLE_PUSH of 2", setting(2, 2), Connection(PROTOCOL)),
        ("a window above 2^31-1", setting(4, 1 << 31), Connection(FLOW)),
        ("frames below 2^14", setting(5, 16_383), Connection(PROTOCOL)),
        ("frames above 2^24-1", setting(5, 1 << 24), Connection(PROTOCOL)),
        ("an unknown setting", setting(0xff, 1), Alive),
        ("two settings of a window, both fine", [setting(4, 100), setting(4, 1)].concat(), Alive),
        ("frames of 2^24-1", setting(5, (1 << 24) - 1), Alive),
        ("no table for fields", setting(1, 0), Alive),
        ("PUSH_PROMISE of a client", frame(kind::PUSH_PROMISE, END_HEADERS, 1, &[&[0, 0, 0, 2][..], &get_block("/", &[])].concat()), Connection(PROTOCOL)),
        ("PING on a stream", frame(kind::PING, 0, 1, &[0; 8]), Connection(PROTOCOL)),
        ("PING of another length", frame(kind::PING, 0, 0, &[0; 6]), Connection(SIZE)),
        ("an answer to no PING", frame(kind::PING, 1, 0, &[7; 8]), Alive),
        ("GOAWAY on a stream", frame(kind::GOAWAY, 0, 1, &[0; 8]), Connection(PROTOCOL)),
        ("WINDOW_UPDATE by nothing", update(0, 0), Connection(PROTOCOL)),
        ("WINDOW_UPDATE of a stream by nothing", [post.clone(), update(1, 0)].concat(), Stream(code::PROTOCOL_ERROR)),
        ("WINDOW_UPDATE of another length", frame(kind::WINDOW_UPDATE, 0, 0, &[0; 3]), Connection(SIZE)),
        ("a window beyond its bounds", [update(0, 0x7fff_ffff), update(0, 0x7fff_ffff)].concat(), Connection(FLOW)),
        ("a stream's window beyond its bounds", [post.clone(), update(1, 0x7fff_ffff), update(1, 0x7fff_ffff)].concat(), Stream(code::FLOW_CONTROL_ERROR)),
        ("an index that is not in the table", headers(ALL, 1, &[0x82, 0x86, 0x84, 0xfe]), Connection(COMPRESSION)),
        ("a literal without its end", headers(ALL, 1, &[0x82, 0x86, 0x84, 0x40, 0x0a, b'x']), Connection(COMPRESSION)),
        ("Huffman code with its own end in it", headers(ALL, 1, &[0x82, 0x86, 0x84, 0x00, 0x84, 0xff, 0xff, 0xff, 0xff, 0x01, b'1']), Connection(COMPRESSION)),
        ("a smaller table, before the fields", headers(ALL, 1, &[&[0x20][..], &get_block("/", &[])].concat()), Alive),
        ("index 0", headers(ALL, 1, &[0x80]), Connection(COMPRESSION)),
        ("a table above the limit", headers(ALL, 1, &[0x3f, 0xe2, 0x7f, 0x82, 0x86, 0x84]), Connection(COMPRESSION)),
        ("a table's size behind a field", headers(ALL, 1, &[0x82, 0x86, 0x84, 0x20]), Connection(COMPRESSION)),
        ("Huffman code that is padded by zeros", headers(ALL, 1, &[0x82, 0x86, 0x84, 0x00, 0x81, 0x18, 0x81, 0x18]), Connection(COMPRESSION)),
        ("capitals in a name", with(&[("X-Test", "1")]), Stream(code::PROTOCOL_ERROR)),
        ("an unknown pseudo-field", only(&[(":method", "GET"), (":scheme", "http"), (":path", "/"), (":test", "1")]), Stream(code::PROTOCOL_ERROR)),
        ("a pseudo-field of responses", only(&[(":method", "GET"), (":scheme", "http"), (":path", "/"), (":status", "200")]), Stream(code::PROTOCOL_ERROR)),
        ("a pseudo-field behind a field", only(&[(":method", "GET"), (":scheme", "http"), ("x-a", "1"), (":path", "/")]), Stream(code::PROTOCOL_ERROR)),
        // The library drops it, so that it goes no further.
        ("a pseudo-field among trailers", [post.clone(), headers(ALL, 1, &block(&[(":method", "GET")]))].concat(), Alive),
        ("trailers that do not end the stream", [post.clone(), headers(END_HEADERS, 1, &block(&[("x-a", "1")]))] .concat(), Stream(code::PROTOCOL_ERROR)),
        ("Connection", with(&[("connection", "keep-alive")]), Stream(code::PROTOCOL_ERROR)),
        ("Transfer-Encoding", with(&[("transfer-encoding", "chunked")]), Stream(code::PROTOCOL_ERROR)),
        ("TE of something else", with(&[("te", "trailers, deflate")]), Stream(code::PROTOCOL_ERROR)),
        ("an empty path", only(&[(":method", "GET"), (":scheme", "http"), (":path", ""), (":authority", "test")]), Stream(code::PROTOCOL_ERROR)),
        ("a path that is none", only(&[(":method", "GET"), (":scheme", "http"), (":path", "http://evil/"), (":authority", "test")]), Stream(code::PROTOCOL_ERROR)),
        ("a path with a space", only(&[(":method", "GET"), (":scheme", "http"), (":path", "/a b"), (":authority", "test")]), Stream(code::PROTOCOL_ERROR)),
        ("a line end in a value", with(&[("x-a", "1\r\nx-b: 2")]), Stream(code::PROTOCOL_ERROR)),
        ("NUL in a value", with(&[("x-a", "1\0")]), Stream(code::PROTOCOL_ERROR)),
        ("a value that begins with a space", with(&[("x-a", " 1")]), Stream(code::PROTOCOL_ERROR)),
        ("a name with a space", with(&[("x a", "1")]), Stream(code::PROTOCOL_ERROR)),
        ("a Host that differs", with(&[("host", "other")]), Stream(code::PROTOCOL_ERROR)),
        ("two Hosts", with(&[("host", "test"), ("host", "test")]), Stream(code::PROTOCOL_ERROR)),
        ("an authority with a user", only(&[(":method", "GET"), (":scheme", "http"), (":path", "/"), (":authority", "a@test")]), Stream(code::PROTOCOL_ERROR)),
        ("no method", only(&[(":scheme", "http"), (":path", "/"), (":authority", "test")]), Stream(code::PROTOCOL_ERROR)),
        ("no scheme", only(&[(":method", "GET"), (":path", "/"), (":authority", "test")]), Stream(code::PROTOCOL_ERROR)),
        ("no path", only(&[(":method", "GET"), (":scheme", "http"), (":authority", "test")]), Stream(code::PROTOCOL_ERROR)),
        ("no authority", only(&[(":method", "GET"), (":scheme", "http"), (":path", "/")]), Stream(code::PROTOCOL_ERROR)),
        ("two methods", only(&[(":method", "GET"), (":method", "GET"), (":scheme", "http"), (":path", "/")]), Stream(code::PROTOCOL_ERROR)),
        ("two paths", only(&[(":method", "GET"), (":scheme", "http"), (":path", "/"), (":path", "/")]), Stream(code::PROTOCOL_ERROR)),
        ("less content than announced", [odd_post("5"), frame(kind::DATA, END_STREAM, 1, b"test")].concat(), Stream(code::PROTOCOL_ERROR)),
        ("more content than announced", [odd_post("3"), frame(kind::DATA, 0, 1, b"te"), frame(kind::DATA, END_STREAM, 1, b"st")] .concat(), Stream(code::PROTOCOL_ERROR)),
        ("no content where some was announced", with(&[("content-length", "5")]), Stream(code::PROTOCOL_ERROR)),
    ]
}

/// Whether the case came to its fate.
fn judge(frames: &mut Frames, fate: Fate) -> Result<(), String> {
    // An answer to a PING says that the connection has taken in what was sent before.
    let alive = frames
        .try_send_octets(&frame(kind::PING, 0, 0, b"are you?"))
        .is_ok();
    let mut seen = Vec::new();
    while let Some(frame) = frames.read() {
        if fate.is_met_by(&frame) {
            return Ok(());
        }
        // A stream's fate comes at the latest with what its task does; an answer instead is wrong.
        if let (Stream(_), Some(status)) = (fate, frame.status())
            && status < 300
        {
            return Err(format!("it was answered with {status}"));
        }
        seen.push((frame.kind, frame.stream, frame.code()));
    }
    match fate {
        Connection(_) | Stream(_) => Ok(()),
        Alive => Err(format!(
            "the connection ended (alive when asked: {alive}); there were {seen:?}"
        )),
    }
}

/// Try all of them on connections of this kind.
pub(crate) fn try_all(mut connect: impl FnMut() -> Frames) {
    let mut wrong = Vec::new();
    for (name, octets, fate) in cases() {
        let mut frames = connect();
        // The proxy may close while this is being sent.
        let _ = frames.try_send_octets(&octets);
        if let Err(why) = judge(&mut frames, fate) {
            wrong.push(format!("{name}: {fate:?}: {why}"));
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

fn proxy(io: Io) -> (Proxy, Origin) {
    let origin = Origin::answering(|asked| match asked.path() {
        "/" => ringway_tests::ok("ok"),
        path => panic!("{path} must not come here"),
    });
    let text = web("") + &format!("[[routes]]\nto = [\"{}\"]\n", origin.address());
    (Proxy::start(io, &text), origin)
}

both_drivers! {
    fn rules_are_kept(io) {
        let (proxy, _origin) = proxy(io);
        try_all(|| Frames::connect(proxy.web(), &[]));
    }

    fn rules_are_kept_where_we_answer_ourselves(io) {
        let text = web("") + "[[routes]]\nrespond = { status = 200, body = \"ours\" }\n";
        let proxy = Proxy::start(io, &text);
        try_all(|| Frames::connect(proxy.web(), &[]));
    }

    fn other_streams_go_on(io) {
        let (proxy, _origin) = proxy(io);
        let mut frames = Frames::connect(proxy.web(), &[]);
        let bad = get_block("/", &[("connection", "close")]);
        for stream in [1, 5, 9] {
            frames.send(kind::HEADERS, ALL, stream, &bad);
            frames.get(stream + 2, "/");
            frames.until("the reset", |f| f.kind == kind::RST_STREAM && f.stream == stream);
            let answer = frames.until("an answer", |f| f.kind == kind::HEADERS && f.stream == stream + 2);
            assert_eq!(answer.status(), Some(200));
        }
        let errors = proxy.metrics().sum("ringway_listener_protocol_errors_total", &["error=\"h2_connection_field\""]);
        assert_eq!(errors, 3.0);
        frames.send(kind::HEADERS, ALL, 13, &get_block("/", &[("host", "other")]));
        frames.until("the reset", |f| f.kind == kind::RST_STREAM && f.stream == 13);
        assert_eq!(proxy.metrics().sum("ringway_listener_protocol_errors_total", &["error=\"h2_host_differs\""]), 1.0);
        frames.expect_alive();
    }

    fn what_http1_refuses_with_a_status_is_answered_so(io) {
        let (proxy, _origin) = proxy(io);
        let mut frames = Frames::connect(proxy.web(), &[]);
        let connect = block(&[(":method", "CONNECT"), (":authority", "test:443")]);
        frames.send(kind::HEADERS, ALL, 1, &connect);
        let answer = frames.until("an answer", |f| f.kind == kind::HEADERS && f.stream == 1);
        assert_ne!(answer.status(), Some(200));
        let many: Vec<(String, String)> = (0..101).map(|n| (format!("x-{n}"), "1".to_owned())).collect();
        let many: Vec<(&str, &str)> = many.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
        frames.send(kind::HEADERS, ALL, 3, &get_block("/", &many));
        frames.until("an answer", |f| f.kind == kind::HEADERS && f.stream == 3);
        proxy.await_access("CONNECT", |line| line["status"] == 501);
        proxy.await_access("too many fields", |line| line["status"] == 431);
        frames.expect_alive();
    }

    fn no_preface_no_http2(io) {
        let (proxy, _origin) = proxy(io);
        let mut frames = Frames::bare(proxy.web());
        frames.send_octets(&[&PREFACE[..20], b"XXXX"].concat());
        assert!(frames.rest().iter().all(|f| f.kind != kind::HEADERS));
    }

    fn streams_are_limited(io) {
        let gate = ringway_tests::Gate::new();
        let origin = Origin::holding(&gate, "held");
        let proxy = Proxy::start(io, &ringway_tests::front(&origin, ""));
        let mut frames = Frames::connect(proxy.web(), &[]);
        // The client may open so many before it has read the SETTINGS that say so.
        for n in 0..101 {
            frames.get(2 * n + 1, "/");
        }
        let refused = frames.until("a refusal", |f| f.kind == kind::RST_STREAM);
        assert_eq!((refused.stream, refused.code()), (201, Some(code::REFUSED_STREAM)));
        gate.await_arrivals(100);
        gate.open();
        for _ in 0..100 {
            frames.until("an answer", |f| f.kind == kind::HEADERS);
        }
        frames.expect_alive();
    }
}
