//! What a WebSocket is told near the end of a drain: a Close frame with 1001 to both sides, between two frames. How else a stop ends is in `stop` and
//! `stopping`.

use crate::tls::World;
use crate::upgrade::{UPGRADE, upgraded};
use crate::websocket::{Socket, switch};
use crate::{request, web};
use ringway_tests::{Client, End, Origin, PATIENCE, Proxy, Setup, Visit, both_drivers, front};

/// A Close frame with 1001, not masked.
const GOING_AWAY: &[u8] = &[0x88, 2, 0x03, 0xe9];
/// Both sides are told after five of these six seconds, and have one to end: a busy machine needs some of it.
const DRAIN: &str = "drain = \"6s\"";

/// A short frame of a client. The mask is one that tests can read.
fn frame(opcode: u8, payload: &[u8]) -> Vec<u8> {
    let length = u8::try_from(payload.len()).expect("a short frame");
    let mut frame = vec![0x80 | opcode, 0x80 | length, 0, 0, 0, 0];
    frame.extend(payload);
    frame
}

/// Read a frame of a client: its opcode and payload.
fn read_frame(visit: &mut Visit) -> Option<(u8, Vec<u8>)> {
    let head = visit.wire.take(2).ok()?;
    assert!(
        head[1] & 0x80 != 0,
        "a client's frame that is not masked: {head:?}"
    );
    let mask = visit.wire.take(4).ok()?;
    let mut payload = visit.wire.take(usize::from(head[1] & 0x7f)).ok()?;
    for (n, octet) in payload.iter_mut().enumerate() {
        *octet ^= mask[n % 4];
    }
    Some((head[0] & 0xf, payload))
}

/// A server as the RFC wants one: it sends back each message, answers a Close with a Close, and then ends the connection.
fn polite() -> Origin {
    Origin::start(|visit| {
        if !switch(visit) {
            return;
        }
        while let Some((opcode, payload)) = read_frame(visit) {
            let mut back = vec![0x80 | opcode, payload.len() as u8];
            back.extend(payload);
            if !visit.send(back) || opcode == 8 {
                return;
            }
        }
    })
}

/// It ended before the drain did, and nothing had to be cut.
fn ended_well(proxy: &mut Proxy, from: usize) {
    assert!(proxy.exit(PATIENCE).success());
    proxy.await_log(from, "stopped cut=0");
}

both_drivers! {
    fn both_sides_are_told(io) {
        let origin = polite();
        let mut proxy = Setup::on(io).server(DRAIN).start(&front(&origin, ""));
        let mut client = upgraded(&proxy);
        client.send(frame(1, b"hello"));
        assert_eq!(client.wire.take(7).expect("the echo"), b"\x81\x05hello");
        let from = proxy.log.len();
        proxy.terminate();
        // It goes on while there is time.
        client.send(frame(1, b"again"));
        assert_eq!(client.wire.take(7).expect("the echo"), b"\x81\x05again");
        assert_eq!(client.end(), End::Clean(GOING_AWAY.to_vec()));
        ended_well(&mut proxy, from);
        // The server had the Close of a client, which it could read.
        let told = origin.records().concat();
        assert!(told[told.len() - 8..].starts_with(&[0x88, 0x82]), "{told:?}");
        let line = proxy.await_access("of the WebSocket", |line| line["status"] == 101);
        assert_eq!(line["flag"], "-", "{line}");
        assert!(line["reason"].as_str().is_some_and(|why| why.contains("1001")), "{line}");
    }

    fn a_frame_on_its_way_arrives_first(io) {
        let origin = polite();
        let mut proxy = Setup::on(io).server(DRAIN).start(&front(&origin, ""));
        let mut client = upgraded(&proxy);
        let whole = frame(1, b"in two parts");
        client.send(&whole[..9]);
        let from = proxy.log.len();
        proxy.terminate();
        // The way to us is between two frames, and says so at once.
        assert_eq!(client.wire.take(4).expect("a Close frame"), GOING_AWAY);
        // The rest of it, and something that is too late.
        client.send([&whole[9..], &frame(1, b"too late")].concat());
        assert_eq!(client.end(), End::Clean(Vec::new()));
        ended_well(&mut proxy, from);
        let told = origin.records().concat();
        let at = told.len() - 8;
        assert!(told[..at].ends_with(&whole), "{told:?}");
        assert!(told[at..].starts_with(&[0x88, 0x82]), "{told:?}");
    }

    fn who_said_goodbye_is_not_told_again(io) {
        let origin = polite();
        let mut proxy = Setup::on(io).server(DRAIN).start(&front(&origin, ""));
        let mut client = upgraded(&proxy);
        client.send(frame(8, &[0x03, 0xe8]));
        assert_eq!(client.end(), End::Clean(vec![0x88, 2, 0x03, 0xe8]));
        proxy.terminate();
        assert!(proxy.exit(PATIENCE).success());
        assert!(origin.records().concat().ends_with(&frame(8, &[0x03, 0xe8])));
    }

    fn a_stream_is_told_as_well(io) {
        let origin = polite();
        let mut proxy = Setup::on(io).server(DRAIN).start(&front(&origin, ""));
        let mut socket = Socket::open(proxy.web());
        socket.send(&frame(1, b"hello"), false);
        assert_eq!(socket.take(7), b"\x81\x05hello");
        let from = proxy.log.len();
        proxy.terminate();
        assert_eq!(socket.take(4), GOING_AWAY);
        socket.send(&frame(8, &[0x03, 0xe9]), true);
        assert_eq!(socket.end(), b"");
        ended_well(&mut proxy, from);
    }

    fn so_is_who_came_by_tls(io) {
        let origin = polite();
        let text = web("tls = \"public\"") + &format!("[[routes]]\nto = [\"{}\"]\n[server]\n{DRAIN}\n", origin.address());
        let (authority, mut proxy) = World::new().start(io, &text);
        let mut client = Client::connect_tls(proxy.web(), &authority.connector(None));
        client.send(request("GET", "/socket", UPGRADE));
        assert!(client.head().start.starts_with("HTTP/1.1 101"));
        client.send(frame(1, b"hello"));
        assert_eq!(client.wire.take(7).expect("the echo"), b"\x81\x05hello");
        let from = proxy.log.len();
        proxy.terminate();
        assert_eq!(client.end(), End::Clean(GOING_AWAY.to_vec()));
        ended_well(&mut proxy, from);
    }
}
