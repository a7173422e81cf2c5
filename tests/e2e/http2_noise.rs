//! Frames of HTTP/2 that mean nothing together, from clients and from endpoints: whatever comes, the proxy goes on. What single frames do is in `http2_frames` and
//! `http2_servers`; what is read of them without a connection is fuzzed.

use crate::web;
use ringway_tests::frames::{END_HEADERS, END_STREAM, Frames, PREFACE, frame, get_block};
use ringway_tests::http2::get;
use ringway_tests::{Client, Http2Client, Origin, Proxy, Setup, both_drivers, front};
use std::io::Write;
use std::net::{SocketAddr, TcpListener, TcpStream};

/// Connections that talk nonsense.
const CONNECTIONS: u64 = 200;

/// xorshift: the same noise on every machine.
struct Dice(u64);

impl Dice {
    fn throw(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % sides
    }
}

/// Some frames: of a kind, with flags, of a stream and with a payload that mostly fit, and sometimes an octet that is another.
fn noise(seed: u64, answers: bool) -> Vec<u8> {
    let mut dice = Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let mut out = Vec::new();
    for _ in 0..=dice.throw(30) {
        let kind = dice.throw(11) as u8;
        let flags = match dice.throw(4) {
            0 => dice.throw(256) as u8,
            1 => END_STREAM | END_HEADERS,
            2 => END_HEADERS,
            _ => 0,
        };
        let stream = match (kind, dice.throw(8)) {
            (_, 0) => dice.throw(12) as u32,
            (4 | 6 | 7, _) => 0,
            (8, 1) => 0,
            _ => 2 * dice.throw(5) as u32 + 1,
        };
        let payload: Vec<u8> = match (kind, answers) {
            (1, true) => vec![0x88],
            (1, false) => get_block("/", &[]),
            (2, _) => vec![0, 0, 0, 0, 7],
            (3 | 8, _) => (dice.throw(70_000) as u32).to_be_bytes().to_vec(),
            (4, _) if flags & 1 == 1 => Vec::new(),
            (4, _) => [
                &[0, dice.throw(9) as u8],
                &(dice.throw(20_000) as u32).to_be_bytes()[..],
            ]
            .concat(),
            (6, _) => vec![7; 8],
            (7, _) => [&(dice.throw(9) as u32).to_be_bytes()[..], &[0; 4]].concat(),
            _ => vec![b'x'; dice.throw(300) as usize],
        };
        out.extend(frame(kind, flags, stream, &payload));
    }
    for _ in 0..dice.throw(3) {
        let at = dice.throw(out.len() as u64) as usize;
        out[at] = dice.throw(256) as u8;
    }
    out
}

/// Nobody has panicked, and others are served.
fn lives(proxy: &Proxy) {
    assert_eq!(
        proxy.metrics().sum("ringway_worker_task_panics_total", &[]),
        0.0
    );
    assert_eq!(Client::connect(proxy.web()).get("/").status, 200);
}

fn talk(address: SocketAddr, seed: u64) {
    let mut socket = TcpStream::connect(address).expect("the proxy listens");
    let begins = [PREFACE, &frame(4, 0, 0, &[])].concat();
    // It may end the connection at any octet.
    let _ = socket.write_all(&[begins, noise(seed, false)].concat());
    if seed.is_multiple_of(2) {
        let _ = Frames::over(socket).rest();
    }
}

both_drivers! {
    fn noise_of_clients_is_survived(io) {
        let origin = Origin::saying("ok");
        let text = front(&origin, "").replace("bind = \"127.0.0.1:0\"\n", "bind = \"127.0.0.1:0\"\ntimeouts = { headers = \"100ms\", idle = \"100ms\", body = \"100ms\" }\n");
        let proxy = Setup::on(io).workers(1).start(&text);
        for seed in 1..=CONNECTIONS {
            talk(proxy.web(), seed);
        }
        assert_eq!(Http2Client::connect(proxy.web()).ask(get("/")).status, 200);
        lives(&proxy);
    }

    fn noise_of_endpoints_is_survived(io) {
        let good = Origin::saying("ok");
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("an address");
        std::thread::spawn(move || {
            for (seed, socket) in listener.incoming().enumerate() {
                let Ok(mut socket) = socket else { return };
                let begins = [frame(4, 0, 0, &[]), frame(4, 1, 0, &[])].concat();
                let _ = socket.write_all(&[begins, noise(seed as u64 + 1, true)].concat());
                // It stays until the proxy has enough of it.
                std::thread::spawn(move || Frames::over(socket).rest());
            }
        });
        let text = web("") + &format!(
            "[[routes]]\nmatch = {{ path = \"/noise\" }}\nto = \"noise\"\ntimeouts = {{ first_byte = \"50ms\", idle = \"50ms\" }}\n[[routes]]\nto = [\"{}\"]\n\
             [clusters.noise]\nendpoints = [\"{address}\"]\nprotocol = \"h2\"\n", good.address());
        let proxy = Setup::on(io).workers(1).start(&text);
        for _ in 0..CONNECTIONS / 2 {
            // Whatever it is told.
            let mut client = Client::connect(proxy.web());
            client.send(crate::request("GET", "/noise", "Connection: close\r\n"));
            let _ = client.try_answer("GET");
        }
        lives(&proxy);
    }
}
