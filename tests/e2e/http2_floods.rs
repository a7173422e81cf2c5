//! Clients of HTTP/2 that try to make us work or hold memory for nothing: each is cut off with ENHANCE_YOUR_CALM and counted, while another client is
//! served as before. What single frames do is in `http2_frames`.

use bytes::Bytes;
use http::Response;
use ringway_tests::frames::{
    END_HEADERS, END_STREAM, Frame, Frames, block, code, frame, get_block, kind, literal,
};
use ringway_tests::http2::{get, put};
use ringway_tests::{
    Client, Http2Client, Http2Origin, Io, Origin, PATIENCE, Proxy, Setup, both_drivers, front,
    until,
};
use std::net::SocketAddr;

const ALL: u8 = END_STREAM | END_HEADERS;

/// Send `round(n)` for n from 0 until the proxy has said goodbye, at most so often: how many were sent, and the code that it said.
fn flood(address: SocketAddr, most: u32, round: impl Fn(u32) -> Vec<u8>) -> (u32, Option<u32>) {
    let mut frames = Frames::connect(address, &[]);
    let mut sent = 0;
    while sent < most {
        let lot: Vec<u8> = (sent..sent + 50).flat_map(&round).collect();
        sent += 50;
        // The goodbye may come meanwhile.
        let _ = frames.try_send_octets(&lot);
        if let Err(said) = frames.sync() {
            return (sent, said);
        }
    }
    (sent, None)
}

fn goodbye(frames: Vec<Frame>) -> Option<u32> {
    frames
        .iter()
        .filter(|f| f.kind == kind::GOAWAY)
        .filter_map(Frame::code)
        .find(|code| *code != code::NO_ERROR)
}

/// A client beside them is answered.
fn bystander(proxy: &Proxy) {
    let mut client = Http2Client::connect(proxy.web());
    assert_eq!(client.ask(get("/")).status, 200);
    assert_eq!(Client::connect(proxy.web()).get("/").status, 200);
}

fn odd(n: u32) -> u32 {
    2 * n + 1
}

fn update(stream: u32, n: u32) -> Vec<u8> {
    frame(kind::WINDOW_UPDATE, 0, stream, &n.to_be_bytes())
}

fn plain(io: Io) -> (Proxy, Origin) {
    let origin = Origin::saying("ok");
    let proxy = Setup::on(io).workers(1).start(&front(&origin, ""));
    (proxy, origin)
}

/// A request that stays open: its body never comes.
fn open(n: u32) -> Vec<u8> {
    let fields = [
        (":method", "POST"),
        (":scheme", "http"),
        (":path", "/"),
        (":authority", "test"),
    ];
    frame(kind::HEADERS, END_HEADERS, odd(n), &block(&fields))
}

both_drivers! {
    fn frames_without_use_end_the_connection(io) {
        let (proxy, _origin) = plain(io);
        type Round = fn(u32) -> Vec<u8>;
        let floods: [(&str, Round); 7] = [
            ("h2_flood_settings", |_| frame(kind::SETTINGS, 0, 0, &[0, 3, 0, 0, 0, 100])),
            ("h2_flood_pings", |_| frame(kind::PING, 0, 0, &[0; 8])),
            ("h2_flood_priorities", |n| frame(kind::PRIORITY, 0, odd(n), &[0, 0, 0, 0, 7])),
            ("h2_flood_window_updates", |_| update(0, 1)),
            ("h2_flood_unknown_frames", |_| frame(0x33, 0, 0, &[])),
            // The size of the peer's table goes up and down.
            ("h2_flood_settings", |n| frame(kind::SETTINGS, 0, 0, &[0, 1, 0, 0, if n % 2 == 0 { 16 } else { 0 }, 0])),
            ("h2_flood_pings", |_| frame(kind::PING, 1, 0, &[0; 8])),
        ];
        for (label, round) in floods {
            let before = proxy.metrics().sum("ringway_listener_protocol_errors_total", &[&format!("error=\"{label}\"")]);
            let (sent, said) = flood(proxy.web(), 4_000, round);
            assert!(sent <= 1_200, "{label}: {sent} frames before the goodbye");
            assert!(matches!(said, None | Some(code::ENHANCE_YOUR_CALM)), "{label}: {said:?}");
            until(label, PATIENCE, || {
                let now = proxy.metrics().sum("ringway_listener_protocol_errors_total", &[&format!("error=\"{label}\"")]);
                (now == before + 1.0).then_some(())
            });
            bystander(&proxy);
        }
        proxy.await_log(0, "it sends PING again and again");
    }

    fn rapid_resets_end_the_connection_and_little_goes_on(io) {
        let origin = Origin::saying("ok");
        let proxy = Setup::on(io).workers(1).start(&front(&origin, ""));
        let (sent, said) = flood(proxy.web(), 4_000, |n| {
            let headers = frame(kind::HEADERS, ALL, odd(n), &get_block("/flood", &[]));
            [headers, frame(kind::RST_STREAM, 0, odd(n), &8u32.to_be_bytes())].concat()
        });
        assert!(sent <= 700, "{sent} streams before the goodbye");
        assert!(matches!(said, None | Some(code::ENHANCE_YOUR_CALM)), "{said:?}");
        bystander(&proxy);
        // What was reset in the same breath was not passed on; a few cuts of the octets fall between a request and its reset.
        let passed = origin.asked().iter().filter(|asked| asked.path() == "/flood").count();
        assert!(passed < 100, "{passed} requests were passed on");
    }

    fn connections_to_upstreams_are_opened_a_few_at_a_time(io) {
        let origin = Origin::saying("ok");
        let proxy = Setup::on(io).workers(1).start(&front(&origin, ""));
        let turns = || proxy.metrics().sum("ringway_worker_loops_total", &[]);
        let open_upstreams = || proxy.metrics().sum("ringway_cluster_connections", &[]);
        let before = turns();
        // A connection for each of them, since their bodies do not come.
        let crowd: Vec<Frames> = (0..4)
            .map(|_| {
                let mut frames = Frames::connect(proxy.web(), &[]);
                frames.send_octets(&(0..100).flat_map(open).collect::<Vec<u8>>());
                frames
            })
            .collect();
        until("their connections", PATIENCE, || (open_upstreams() >= 400.0).then_some(()));
        // Whoever else is there has been looked at in between.
        let taken = turns() - before;
        assert!(taken >= 100.0, "400 connections in {taken} turns of the loop");
        bystander(&proxy);
        drop(crowd);
    }

    fn resets_that_the_client_provokes_end_the_connection(io) {
        let (proxy, _origin) = plain(io);
        // A stream is opened well, and then its window is opened too far: it is we who reset it.
        let (sent, said) = flood(proxy.web(), 4_000, |n| [open(n), update(odd(n), 0x7fff_ffff)].concat());
        assert!(sent <= 1_200, "{sent} streams before the goodbye");
        assert!(matches!(said, None | Some(code::ENHANCE_YOUR_CALM)), "{said:?}");
        // And by heads that are malformed in a way that only we know.
        let (sent, said) = flood(proxy.web(), 4_000, |n| frame(kind::HEADERS, ALL, odd(n), &get_block("/", &[("host", "other")])));
        assert!(sent <= 1_200, "{sent} streams before the goodbye");
        assert!(matches!(said, None | Some(code::ENHANCE_YOUR_CALM)), "{said:?}");
        bystander(&proxy);
    }

    fn data_without_content_ends_the_connection(io) {
        let (proxy, _origin) = plain(io);
        for piece in [&b""[..], b"x"] {
            let mut frames = Frames::connect(proxy.web(), &[]);
            frames.send_octets(&open(0));
            let lot: Vec<u8> = (0..3_000).flat_map(|_| frame(kind::DATA, 0, 1, piece)).collect();
            let _ = frames.try_send_octets(&lot);
            assert!(matches!(goodbye(frames.rest()), None | Some(code::ENHANCE_YOUR_CALM)));
            bystander(&proxy);
        }
    }

    fn streams_that_are_never_answered_end_the_connection(io) {
        let gate = ringway_tests::Gate::new();
        let origin = Origin::holding(&gate, "late");
        let proxy = Setup::on(io).workers(1).start(&front(&origin, ""));
        let (sent, said) = flood(proxy.web(), 120_000, |n| frame(kind::HEADERS, ALL, odd(n), &get_block("/", &[])));
        assert!(sent <= 1_200, "{sent} streams before the goodbye");
        assert!(matches!(said, None | Some(code::ENHANCE_YOUR_CALM)), "{said:?}");
        gate.open();
        bystander(&proxy);
    }

    fn header_blocks_without_end_are_cut(io) {
        let (proxy, _origin) = plain(io);
        let mut frames = Frames::connect(proxy.web(), &[]);
        frames.send(kind::HEADERS, END_STREAM, 1, &get_block("/", &[]));
        for _ in 0..200 {
            let more = frame(kind::CONTINUATION, 0, 1, &literal(b"x-more", &[b'a'; 500]));
            if frames.try_send_octets(&more).is_err() {
                break;
            }
        }
        let said = goodbye(frames.rest());
        assert!(matches!(said, None | Some(code::ENHANCE_YOUR_CALM)), "{said:?}");
        bystander(&proxy);
    }

    fn a_header_block_that_does_not_come_is_not_waited_for(io) {
        let origin = Origin::saying("ok");
        let text = front(&origin, "").replace("bind = \"127.0.0.1:0\"\n", "bind = \"127.0.0.1:0\"\ntimeouts = { headers = \"300ms\" }\n");
        let proxy = Proxy::start(io, &text);
        let mut frames = Frames::connect(proxy.web(), &[]);
        let head = frame(kind::HEADERS, ALL, 1, &get_block("/", &[]));
        frames.send_octets(&head[..head.len() - 3]);
        assert_eq!(goodbye(frames.rest()), Some(code::ENHANCE_YOUR_CALM));
        // The same where nothing at all comes behind the preface, in peace.
        let mut frames = Frames::connect(proxy.web(), &[]);
        assert_eq!(goodbye(frames.rest()), None);
        bystander(&proxy);
    }

    fn header_bombs_are_refused(io) {
        let (proxy, origin) = plain(io);
        let mut frames = Frames::connect(proxy.web(), &[]);
        // A field of 4,000 octets is put into the table once, and then named again and again, an octet each.
        let mut bomb = get_block("/bomb", &[]);
        bomb.push(0x40);
        bomb.extend(&literal(b"x-bomb", &[b'a'; 3_900])[1..]);
        bomb.extend(std::iter::repeat_n(0xbe, 8_000));
        frames.send(kind::HEADERS, ALL, 1, &bomb);
        let end = frames.until("a refusal", |f| matches!(f.kind, kind::HEADERS | kind::RST_STREAM | kind::GOAWAY));
        assert_ne!(end.status(), Some(200));
        assert!(origin.asked().iter().all(|asked| asked.path() != "/bomb"));
        // Many cookies are one field, and no more than a head may have.
        let mut frames = Frames::connect(proxy.web(), &[]);
        let mut cookies = get_block("/bomb", &[]);
        cookies.extend((0..3_000).flat_map(|_| literal(b"cookie", b"a=b")));
        for (n, piece) in cookies.chunks(16_384).enumerate() {
            let last = (n + 1) * 16_384 >= cookies.len();
            let flags = if last { END_HEADERS } else { 0 };
            match n {
                0 => frames.send(kind::HEADERS, flags | END_STREAM, 1, piece),
                _ => frames.send(kind::CONTINUATION, flags, 1, piece),
            }
        }
        let end = frames.until("a refusal", |f| matches!(f.kind, kind::HEADERS | kind::RST_STREAM | kind::GOAWAY));
        assert_ne!(end.status(), Some(200));
        bystander(&proxy);
    }

    fn header_bombs_that_are_refused_end_the_connection_too(io) {
        let (proxy, origin) = plain(io);
        let mut bomb = get_block("/bomb", &[]);
        bomb.extend((0..1_700).flat_map(|_| literal(b"cookie", b"a=b")));
        let whole = |n: u32| {
            let (first, rest) = bomb.split_at(16_000);
            [frame(kind::HEADERS, END_STREAM, odd(n), first), frame(kind::CONTINUATION, END_HEADERS, odd(n), rest)].concat()
        };
        let (sent, said) = flood(proxy.web(), 4_000, whole);
        assert!(sent <= 1_200, "{sent} bombs before the goodbye");
        assert!(matches!(said, None | Some(code::ENHANCE_YOUR_CALM)), "{said:?}");
        assert!(origin.asked().iter().all(|asked| asked.path() != "/bomb"));
        bystander(&proxy);
    }

    /// 10 connections of 100 streams that ask for 1 MiB each and never open their windows.
    fn windows_that_stay_shut_bound_memory_of_http1(io) {
        let body = vec![b'a'; 1 << 20];
        let whole = [format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len()).as_bytes(), &body].concat();
        let origin = Origin::answering(move |asked| match asked.path() {
            "/big" => whole.clone(),
            _ => ringway_tests::ok("ok"),
        });
        let proxy = Setup::on(io).workers(1).start(&front(&origin, ""));
        // What came with a head is in memory of its own.
        shut(&proxy, 100);
    }

    fn windows_that_stay_shut_bound_memory_of_http2(io) {
        let origin = big_by_http2();
        let proxy = Setup::on(io).workers(1).start(&to_http2(&origin));
        // 8 KiB of each stream's window.
        shut(&proxy, 1_000);
    }

    fn who_does_not_read_keeps_nobody_else_waiting(io) {
        let origin = big_by_http2();
        let proxy = Setup::on(io).workers(1).start(&to_http2(&origin));
        let mut shut = Frames::connect(proxy.web(), &[(4, 0)]);
        for n in 0..80 {
            shut.get(odd(n), "/big");
        }
        for _ in 0..80 {
            shut.until("a head", |f| f.kind == kind::HEADERS);
        }
        // On the same connection to the origin, whose windows are its own.
        let answer = Http2Client::connect(proxy.web()).ask(get("/big"));
        assert_eq!((answer.status, answer.body.len()), (200, 1 << 20));
        assert_eq!(origin.connections(), 1);
    }

    fn readers_that_stall_bound_memory(io) {
        let body = vec![b'a'; 1 << 20];
        let whole = [format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len()).as_bytes(), &body].concat();
        let origin = Origin::answering(move |_| whole.clone());
        let proxy = Setup::on(io).workers(1).start(&front(&origin, ""));
        // Their windows are open, and they take nothing from the connection.
        let _crowd: Vec<Frames> = (0..10)
            .map(|_| {
                let mut frames = Frames::connect(proxy.web(), &[(4, 0x7fff_ffff)]);
                frames.send_octets(&update(0, 0x7fff_ffff - 65_535));
                for n in 0..100 {
                    frames.get(odd(n), "/big");
                }
                frames
            })
            .collect();
        until("all requests at the origin", PATIENCE, || (origin.asked().len() >= 1_000).then_some(()));
        let mut before = 0.0;
        let held = until("nothing to move any more", PATIENCE, || {
            let now = buffers(&proxy);
            (std::mem::replace(&mut before, now) == now && now > 0.0).then_some(now)
        });
        // 16 in the send queue of each connection, 4 behind it, 16 promised to its streams, and those of heads that were on their way.
        assert!(held < 600.0, "{held} buffers are held");
    }

    fn windows_that_stay_shut_bound_memory_of_fixed_answers(io) {
        let body = "a".repeat(1 << 20);
        let text = crate::web("") + &format!(
            "[[routes]]\nmatch = {{ path = \"/big\" }}\nrespond = {{ status = 200, body = \"{body}\" }}\n\
             [[routes]]\nrespond = {{ status = 200, body = \"ok\" }}\n");
        let proxy = Setup::on(io).workers(1).start(&text);
        shut(&proxy, 100);
    }
}

fn buffers(proxy: &Proxy) -> f64 {
    proxy.metrics().sum("ringway_worker_buffers_in_use", &[])
}

fn big_by_http2() -> Http2Origin {
    Http2Origin::start(|request, mut respond| async move {
        let Ok(mut stream) = respond.send_response(Response::new(()), false) else {
            return;
        };
        if request.uri().path() == "/big" {
            let _ = put(&mut stream, &vec![b'a'; 1 << 20], true).await;
        } else {
            let _ = stream.send_data(Bytes::from_static(b"ok"), true);
        }
    })
}

fn to_http2(origin: &Http2Origin) -> String {
    format!(
        "[listeners.web]\nbind = \"127.0.0.1:0\"\n[[routes]]\nto = \"origin\"\n[clusters.origin]\nendpoints = [\"{}\"]\nprotocol = \"h2\"\n",
        origin.address()
    )
}

fn shut(proxy: &Proxy, most: u32) {
    bystander(proxy);
    let (before, _) = proxy.memory_kib();
    let crowd: Vec<Frames> = (0..10)
        .map(|_| {
            // SETTINGS_INITIAL_WINDOW_SIZE: 0.
            let mut frames = Frames::connect(proxy.web(), &[(4, 0)]);
            for n in 0..100 {
                frames.get(odd(n), "/big");
            }
            frames
        })
        .collect();
    let (waiting, mut crowd) = (crowd, Vec::new());
    for mut frames in waiting {
        for _ in 0..100 {
            frames.until("a head", |f| f.kind == kind::HEADERS);
        }
        frames.expect_alive();
        crowd.push(frames);
    }
    let held = buffers(proxy);
    assert!(held <= f64::from(most), "{held} receive buffers are held");
    let (_, peak) = proxy.memory_kib();
    let grown = peak.saturating_sub(before) / 1024;
    // It is 15 in an optimised build, of which a quarter is what was received; here tasks are larger.
    assert!(grown < 40, "{grown} MiB more than before");
    bystander(proxy);
}
