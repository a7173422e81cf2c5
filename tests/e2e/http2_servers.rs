//! What frames an endpoint may send (RFC 9113, the cases of h2spec for clients): who breaks a rule has the stream or the connection ended with the code that
//! the rule names, and the client gets an answer of ours. What clients may send is in `http2_frames`.

use crate::http2_frames::Fate::{Alive, Connection, Stream};
use crate::http2_frames::{COMPRESSION, FLOW, Fate, PROTOCOL, SIZE};
use crate::{request, web};
use ringway_tests::frames::{END_HEADERS, END_STREAM, Frames, block, code, frame, kind};
use ringway_tests::{Client, Proxy, both_drivers};
use std::net::TcpListener;

const ALL: u8 = END_STREAM | END_HEADERS;

/// As `judge`, but two answers to PINGs in a row without a fate are one: nothing came of it.
fn judge(frames: &mut Frames, fate: Fate) -> Result<(), String> {
    let ping = frame(kind::PING, 0, 0, b"are you?");
    let (mut seen, mut answered) = (Vec::new(), 0);
    let _ = frames.try_send_octets(&ping);
    while let Some(frame) = frames.read() {
        if fate.is_met_by(&frame) {
            return Ok(());
        }
        if Alive.is_met_by(&frame) {
            answered += 1;
            if answered == 2 {
                return Err(format!("nothing came of it; there were {seen:?}"));
            }
            let _ = frames.try_send_octets(&ping);
        }
        seen.push((frame.kind, frame.stream, frame.code()));
    }
    match fate {
        Connection(_) | Stream(_) => Ok(()),
        Alive => Err(format!("the connection ended; there were {seen:?}")),
    }
}

/// Each case: its name, the octets behind a request on stream 1, and what comes of them.
#[rustfmt::skip]
fn cases() -> Vec<(&'static str, Vec<u8>, Fate)> {
    let headers = |flags, stream, block: &[u8]| frame(kind::HEADERS, flags, stream, block);
    let ok = || block(&[(":status", "200")]);
    let head = headers(END_HEADERS, 1, &ok());
    let whole = headers(ALL, 1, &ok());
    let reset = frame(kind::RST_STREAM, 0, 1, &8u32.to_be_bytes());
    let update = |stream, n: u32| frame(kind::WINDOW_UPDATE, 0, stream, &n.to_be_bytes());
    let setting = |id: u16, value: u32| {
        frame(kind::SETTINGS, 0, 0, &[&id.to_be_bytes()[..], &value.to_be_bytes()].concat())
    };
    let with = |fields: &[(&str, &str)]| headers(ALL, 1, &block(fields));
    vec![
        ("an unknown type is ignored", frame(0x16, 0, 0, b"12345678"), Alive),
        ("flags without a meaning are ignored", frame(kind::PING, 0x16, 0, &[0; 8]), Alive),
        ("a reserved bit is ignored", [&[0, 0, 8, 6, 0, 0x80, 0, 0, 0][..], &[0; 8]].concat(), Alive),
        ("DATA of 2^14 octets", [head.clone(), frame(kind::DATA, END_STREAM, 1, &[0; 16_384])].concat(), Alive),
        ("DATA above the largest", [head.clone(), frame(kind::DATA, 0, 1, &[0; 16_385])].concat(), Connection(SIZE)),
        ("HEADERS above the largest", headers(ALL, 1, &[0; 16_385]), Connection(SIZE)),
        ("an invalid block", headers(ALL, 1, &[0x88, 0xfe]), Connection(COMPRESSION)),
        ("DATA on an idle stream", frame(kind::DATA, END_STREAM, 3, b"x"), Connection(PROTOCOL)),
        ("RST_STREAM on an idle stream", frame(kind::RST_STREAM, 0, 3, &[0; 4]), Connection(PROTOCOL)),
        ("WINDOW_UPDATE on an idle stream", update(3, 1), Connection(PROTOCOL)),
        ("CONTINUATION on an idle stream", frame(kind::CONTINUATION, END_HEADERS, 3, &ok()), Connection(PROTOCOL)),
        ("HEADERS on a stream that nobody opened", headers(ALL, 101, &ok()), Connection(PROTOCOL)),
        ("HEADERS on a stream of the endpoint's own", headers(ALL, 2, &ok()), Connection(PROTOCOL)),
        ("CONTINUATION behind a reset", [head.clone(), reset.clone(), frame(kind::CONTINUATION, END_HEADERS, 1, b"")].concat(), Connection(PROTOCOL)),
        ("CONTINUATION behind the end", [whole.clone(), frame(kind::CONTINUATION, END_HEADERS, 1, b"")].concat(), Connection(PROTOCOL)),
        ("DATA on stream 0", frame(kind::DATA, END_STREAM, 0, b"x"), Connection(PROTOCOL)),
        ("padding as long as the frame", [head.clone(), frame(kind::DATA, 0x8, 1, &[5, 0, 0, 0, 0])].concat(), Connection(PROTOCOL)),
        ("another frame within a block", [headers(END_STREAM, 1, &ok()), frame(kind::PRIORITY, 0, 1, &[0; 5])].concat(), Connection(PROTOCOL)),
        ("HEADERS on stream 0", headers(ALL, 0, &ok()), Connection(PROTOCOL)),
        ("padding of HEADERS as long as the frame", headers(ALL | 0x8, 1, &[99, 0x88]), Connection(PROTOCOL)),
        ("PRIORITY on stream 0", frame(kind::PRIORITY, 0, 0, &[0; 5]), Connection(PROTOCOL)),
        ("PRIORITY of another length", frame(kind::PRIORITY, 0, 1, &[0; 4]), Stream(code::FRAME_SIZE_ERROR)),
        ("RST_STREAM on stream 0", frame(kind::RST_STREAM, 0, 0, &[0; 4]), Connection(PROTOCOL)),
        ("RST_STREAM of another length", frame(kind::RST_STREAM, 0, 1, &[0; 3]), Connection(SIZE)),
        ("an acknowledgement with SETTINGS in it", frame(kind::SETTINGS, 1, 0, &[0; 6]), Connection(SIZE)),
        ("SETTINGS on a stream", frame(kind::SETTINGS, 0, 1, &[]), Connection(PROTOCOL)),
        ("SETTINGS of another length", frame(kind::SETTINGS, 0, 0, &[0; 3]), Connection(SIZE)),
        ("a window above 2^31-1", setting(4, 1 << 31), Connection(FLOW)),
        ("frames below 2^14", setting(5, 16_383), Connection(PROTOCOL)),
        ("frames above 2^24-1", setting(5, 1 << 24), Connection(PROTOCOL)),
        ("an unknown setting", setting(0xff, 1), Alive),
        ("an answer to no PING", frame(kind::PING, 1, 0, &[7; 8]), Alive),
        ("PING on a stream", frame(kind::PING, 0, 1, &[0; 8]), Connection(PROTOCOL)),
        ("PING of another length", frame(kind::PING, 0, 0, &[0; 6]), Connection(SIZE)),
        ("GOAWAY on a stream", frame(kind::GOAWAY, 0, 1, &[0; 8]), Connection(PROTOCOL)),
        ("WINDOW_UPDATE by nothing", update(0, 0), Connection(PROTOCOL)),
        ("WINDOW_UPDATE of another length", frame(kind::WINDOW_UPDATE, 0, 0, &[0; 3]), Connection(SIZE)),
        ("a window beyond its bounds", [update(0, 0x7fff_ffff), update(0, 0x7fff_ffff)].concat(), Connection(FLOW)),
        ("a block in three frames", [headers(END_STREAM, 1, b""), frame(kind::CONTINUATION, 0, 1, &ok()), frame(kind::CONTINUATION, END_HEADERS, 1, b"")].concat(), Alive),
        ("CONTINUATION on stream 0", [headers(END_STREAM, 1, &ok()), frame(kind::CONTINUATION, END_HEADERS, 0, b"")].concat(), Connection(PROTOCOL)),
        ("CONTINUATION behind a whole block", [head.clone(), frame(kind::CONTINUATION, END_HEADERS, 1, b"")].concat(), Connection(PROTOCOL)),
        ("CONTINUATION behind DATA", [head.clone(), frame(kind::DATA, 0, 1, b"x"), frame(kind::CONTINUATION, END_HEADERS, 1, b"")].concat(), Connection(PROTOCOL)),
        ("a promise that was forbidden", frame(kind::PUSH_PROMISE, END_HEADERS, 1, &[&[0, 0, 0, 2][..], &ok()].concat()), Connection(PROTOCOL)),
        ("no status", with(&[("x-a", "1")]), Stream(code::PROTOCOL_ERROR)),
        ("a status that is no number", with(&[(":status", "2x0")]), Stream(code::PROTOCOL_ERROR)),
        ("a pseudo-field of requests", with(&[(":status", "200"), (":path", "/")]), Stream(code::PROTOCOL_ERROR)),
        ("DATA behind the end", [whole.clone(), frame(kind::DATA, 0, 1, b"x")].concat(), Connection(&[code::STREAM_CLOSED])),
        ("HEADERS behind the end", [whole.clone(), headers(ALL, 1, &ok())].concat(), Connection(&[code::STREAM_CLOSED])),
        ("Connection", with(&[(":status", "200"), ("connection", "close")]), Stream(code::PROTOCOL_ERROR)),
        ("capitals in a name", with(&[(":status", "200"), ("X-A", "1")]), Stream(code::PROTOCOL_ERROR)),
    ]
}

both_drivers! {
    fn rules_are_kept_by_endpoints_too(io) {
        // An endpoint for each case, so that none finds what another has left behind.
        let (mut text, mut listeners) = (web(""), Vec::new());
        for n in 0..cases().len() {
            let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
            let address = listener.local_addr().expect("an address");
            text += &format!(
                "[[routes]]\nmatch = {{ path = \"/{n}\" }}\nto = \"case-{n}\"\n\
                 [clusters.case-{n}]\nendpoints = [\"{address}\"]\nprotocol = \"h2\"\n"
            );
            listeners.push(listener);
        }
        let proxy = Proxy::start(io, &text);
        let mut wrong = Vec::new();
        for (n, ((name, octets, fate), listener)) in cases().into_iter().zip(listeners).enumerate() {
            let address = proxy.web();
            let client = std::thread::spawn(move || {
                let mut client = Client::connect(address);
                client.send(request("GET", &format!("/{n}"), ""));
                client.try_answer("GET").map(|answer| answer.status)
            });
            let (socket, _) = listener.accept().expect("a connection of the proxy");
            let mut frames = Frames::serve(socket);
            frames.until("the request", |f| f.kind == kind::HEADERS && f.stream == 1);
            let _ = frames.try_send_octets(&octets);
            if let Err(why) = judge(&mut frames, fate) {
                wrong.push(format!("{name}: {fate:?}: {why}"));
            }
            drop((frames, listener));
            // Whoever asked is not left alone: there is an answer, or one that had begun is cut.
            match client.join().expect("a client") {
                Ok(200 | 502 | 503) | Err(_) => {}
                Ok(status) => wrong.push(format!("{name}: the client was told {status}")),
            }
        }
        assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
    }
}
