//! Much through a listener of bytes: random bytes, compared one by one, however they come and go. By default little enough for every
//! run; `RINGWAY_SOAK_BYTES` says how many (a release build passes 10 GiB in minutes).

use ringway_tests::{Io, PATIENCE, Proxy, both_drivers, until};
use socket2::SockRef;
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::thread::{JoinHandle, sleep, spawn};
use std::time::Duration;

/// What a transfer has in all.
fn soak_bytes() -> u64 {
    let given = std::env::var("RINGWAY_SOAK_BYTES").ok();
    given.map_or(32 << 20, |text| text.parse().expect("a number of bytes"))
}

/// Random bytes, the same for the same seed (SplitMix64): one makes them, another compares.
struct Random(u64);

impl Random {
    fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Whole numbers only, so that both sides are at the same place: `bytes` has a multiple of eight.
    fn fill(&mut self, bytes: &mut [u8]) {
        for eight in bytes.chunks_exact_mut(8) {
            eight.copy_from_slice(&self.number().to_le_bytes());
        }
    }
}

/// How bytes are sent and taken.
#[derive(Clone, Copy)]
struct Gait {
    /// Bytes of a write, a multiple of eight.
    piece: usize,
    /// A pause after every so many writes and reads; 0: none.
    pause_every: u64,
    /// Of each socket's buffers; 0: as the system has them.
    window: usize,
}

const FAST: Gait = Gait {
    piece: 256 * 1024,
    pause_every: 0,
    window: 0,
};
const PAUSING: Gait = Gait {
    piece: 64 * 1024,
    pause_every: 40,
    window: 0,
};
const NARROW: Gait = Gait {
    piece: 32 * 1024,
    pause_every: 0,
    window: 16 * 1024,
};
const SMALL: Gait = Gait {
    piece: 512,
    pause_every: 0,
    window: 0,
};

const SEED: u64 = 20;

fn narrow(stream: &TcpStream, gait: Gait) {
    if gait.window > 0 {
        let socket = SockRef::from(stream);
        socket.set_send_buffer_size(gait.window).expect("an option");
        socket.set_recv_buffer_size(gait.window).expect("an option");
    }
}

fn pause(gait: Gait, turn: u64) {
    if gait.pause_every > 0 && turn.is_multiple_of(gait.pause_every) {
        sleep(Duration::from_millis(2));
    }
}

/// Send `bytes` random ones, then FIN.
fn sends(mut to: TcpStream, bytes: u64, gait: Gait) -> JoinHandle<()> {
    spawn(move || {
        let (mut random, mut piece, mut left, mut turn) =
            (Random(SEED), vec![0; gait.piece], bytes, 0);
        while left > 0 {
            let n = left.min(piece.len() as u64);
            random.fill(&mut piece);
            to.write_all(&piece[..n as usize]).expect("sent");
            left -= n;
            turn += 1;
            pause(gait, turn);
        }
        to.shutdown(Shutdown::Write).expect("ended");
    })
}

/// Receive to the end: exactly those.
fn takes(mut from: TcpStream, bytes: u64, gait: Gait) -> JoinHandle<()> {
    spawn(move || {
        let (mut random, mut wanted) = (Random(SEED), vec![0; gait.piece]);
        let (mut got, mut left, mut turn) = (vec![0; gait.piece], bytes, 0);
        while left > 0 {
            let n = left.min(wanted.len() as u64) as usize;
            random.fill(&mut wanted);
            from.read_exact(&mut got[..n]).expect("all of it comes");
            assert!(
                got[..n] == wanted[..n],
                "a byte differs among the last {left}"
            );
            left -= n as u64;
            turn += 1;
            pause(gait, turn);
        }
        assert_eq!(
            from.read(&mut got).expect("the end"),
            0,
            "something behind the end"
        );
    })
}

/// A proxy of bytes, and both ends of a connection through it.
struct Passage {
    proxy: Proxy,
    client: TcpStream,
    server: TcpStream,
}

impl Passage {
    fn open(io: Io, gait: Gait) -> Passage {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let origin = listener.local_addr().expect("its address");
        let proxy = Proxy::start(io, &bytes_to(origin));
        let client = TcpStream::connect(proxy.address("bytes")).expect("connected");
        let (server, _) = listener.accept().expect("the proxy connects");
        for stream in [&client, &server] {
            stream.set_read_timeout(Some(PATIENCE)).expect("an option");
            stream.set_write_timeout(Some(PATIENCE)).expect("an option");
            narrow(stream, gait);
        }
        Passage {
            proxy,
            client,
            server,
        }
    }

    fn spliced(&self) -> f64 {
        self.proxy
            .metrics()
            .sum("ringway_worker_spliced_bytes_total", &[])
    }

    /// So many up, and so many down, at the same time, each direction ended by its own FIN.
    fn carry(&self, up: u64, down: u64, gait: Gait) {
        let again = |s: &TcpStream| s.try_clone().expect("another name");
        let all = [
            sends(again(&self.client), up, gait),
            takes(again(&self.server), up, gait),
            sends(again(&self.server), down, gait),
            takes(again(&self.client), down, gait),
        ];
        for one in all {
            one.join().expect("whole");
        }
    }
}

fn bytes_to(origin: SocketAddr) -> String {
    format!(
        "[listeners.bytes]\nbind = \"127.0.0.1:0\"\ntcp = \"origin\"\n[clusters.origin]\nendpoints = [\"{origin}\"]\n"
    )
}

both_drivers! {
    fn much_goes_up_and_an_answer_down(io) {
        let passage = Passage::open(io, FAST);
        passage.carry(soak_bytes(), 1000, FAST);
        assert!(passage.spliced() > soak_bytes() as f64 / 2.0, "{} bytes were spliced", passage.spliced());
        let line = passage.proxy.await_access("of the connection", |line| line["listener"] == "bytes");
        assert_eq!((&line["bytes_in"], &line["bytes_out"]), (&soak_bytes().into(), &1000.into()), "{line}");
        assert_eq!(line["flag"], "-", "{line}");
    }

    fn much_goes_both_ways(io) {
        let passage = Passage::open(io, FAST);
        passage.carry(soak_bytes(), soak_bytes(), FAST);
        assert!(passage.spliced() > soak_bytes() as f64, "{} bytes were spliced", passage.spliced());
    }

    fn with_pauses_it_is_whole(io) {
        Passage::open(io, PAUSING).carry(soak_bytes() / 4, soak_bytes() / 8, PAUSING);
    }

    fn through_narrow_windows_it_is_whole(io) {
        Passage::open(io, NARROW).carry(soak_bytes() / 4, soak_bytes() / 8, NARROW);
    }

    fn in_small_pieces_it_is_whole(io) {
        Passage::open(io, SMALL).carry(soak_bytes() / 8, soak_bytes() / 16, SMALL);
    }

    fn a_reset_amid_much_is_passed_on(io) {
        let passage = Passage::open(io, FAST);
        let mut piece = vec![5; FAST.piece];
        let mut client = passage.client.try_clone().expect("another name");
        let pours = spawn(move || {
            let piece = vec![5; FAST.piece];
            loop {
                if let Err(e) = client.write_all(&piece) {
                    return e;
                }
            }
        });
        let mut server = passage.server;
        for _ in 0..40 {
            server.read_exact(&mut piece).expect("it comes");
        }
        SockRef::from(&server).set_linger(Some(Duration::ZERO)).expect("an option");
        drop(server);
        let error = pours.join().expect("no panic");
        assert!([ErrorKind::ConnectionReset, ErrorKind::BrokenPipe].contains(&error.kind()), "{error}");
        let line = passage.proxy.await_access("of the connection", |line| line["listener"] == "bytes");
        assert_eq!(line["flag"], "UR", "{line}");
        until("no pipe is held any more", PATIENCE, || {
            (passage.proxy.metrics().sum("ringway_worker_pipes_in_use", &[]) == 0.0).then_some(())
        });
    }
}
