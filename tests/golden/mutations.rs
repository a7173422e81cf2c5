//! Requests of the table, damaged at random, in the ways in which requests are smuggled. What becomes of one is not
//! expected here; only that no two back-ends could see different requests in what arrived, and that each answer of the
//! origin belongs to a request that it saw. The seed is fixed and printed, so that a failure comes again;
//! `RINGWAY_MUTATIONS=rounds,seed` asks for others.

use ringway_tests::{
    Client, End, Io, Origin, PATIENCE, Proxy, Rows, agree, complete_requests, front, shown,
};

const FILES: [(&str, &str); 3] = [
    ("requests/fields.txt", include_str!("requests/fields.txt")),
    ("requests/framing.txt", include_str!("requests/framing.txt")),
    ("requests/chunked.txt", include_str!("requests/chunked.txt")),
];
const ROUNDS: usize = 1500;
const SEED: u64 = 0x7269_6e67_7761_7931;
/// What parsers have been confused by.
const BYTES: [&str; 20] = [
    "\r", "\n", "\r\n", "\r\r\n", "\0", " ", "\t", ":", ",", ";", "0", "+", "-", "x", "\x0b",
    "\x0c", "\u{85}", "\u{a0}", "\r\n ", "\r\n\r\n",
];
const LINES: [&str; 14] = [
    "Transfer-Encoding: chunked\r\n",
    "Transfer-Encoding: identity\r\n",
    "Transfer-Encoding:\tchunked\r\n",
    "Transfer-Encoding : chunked\r\n",
    "transfer-encoding: Chunked\r\n",
    "Transfer_Encoding: chunked\r\n",
    "X: y\nTransfer-Encoding: chunked\r\n",
    " Transfer-Encoding: chunked\r\n",
    "Content-Length: 0\r\n",
    "Content-Length: 3\r\n",
    "Content-Length:\r\n",
    "content-length: 00\r\n",
    "Connection: content-length, transfer-encoding\r\n",
    "Host: b\r\n",
];

struct Dice(u64);

impl Dice {
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % n.max(1)
    }

    /// Each character of the text is one byte.
    fn one_of(&mut self, from: &[&str]) -> Vec<u8> {
        from[self.below(from.len())]
            .chars()
            .map(|c| c as u8)
            .collect()
    }
}

fn damage(request: &mut Vec<u8>, dice: &mut Dice) {
    let at = dice.below(request.len());
    let ends: Vec<usize> = request
        .windows(2)
        .enumerate()
        .filter(|(_, two)| two == b"\r\n")
        .map(|(at, _)| at + 2)
        .collect();
    let line = ends.get(dice.below(ends.len())).copied().unwrap_or(0);
    match dice.below(7) {
        0 => drop(request.remove(at)),
        1 => request.insert(at, request[at]),
        2 => drop(request.splice(at..at, dice.one_of(&BYTES))),
        3 => drop(request.splice(at..=at, dice.one_of(&BYTES))),
        4 | 5 => drop(request.splice(line..line, dice.one_of(&LINES))),
        _ => {
            let again = request[line..]
                .iter()
                .position(|b| *b == b'\n')
                .map_or(request.len(), |n| line + n + 1);
            let copy = request[line..again].to_vec();
            drop(request.splice(again..again, copy));
        }
    }
}

/// How many rounds, and the seed.
fn asked_for() -> (usize, u64) {
    let Ok(text) = std::env::var("RINGWAY_MUTATIONS") else {
        return (ROUNDS, SEED);
    };
    let parsed = text
        .split_once(',')
        .and_then(|(n, seed)| Some((n.parse().ok()?, seed.parse().ok()?)));
    parsed.unwrap_or_else(|| panic!("RINGWAY_MUTATIONS={text} is not `rounds,seed`"))
}

fn run(io: Io) {
    let (rounds, seed) = asked_for();
    eprintln!("{rounds} rounds, seed {seed}");
    let rows = Rows::read(&FILES).0;
    let whole = rows
        .iter()
        .filter(|row| row.key("expect") == Some("forward"))
        .map(|row| row.pieces.concat());
    let seeds: Vec<Vec<u8>> = whole.filter(|request| request.len() < 1000).collect();
    assert!(seeds.len() > 20);
    let origin = Origin::start(|visit| {
        // One request on each connection, so that each connection can be judged on its own.
        if let Some(asked) = visit.request() {
            visit.send(format!(
                "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
                if asked.method == "HEAD" { 0 } else { 2 }
            ));
            visit.send(if asked.method == "HEAD" { "" } else { "ok" });
        }
    });
    let proxy = Proxy::start(io, &front(&origin, ""));
    let (mut dice, mut answered) = (Dice(seed), 0);
    for round in 0..rounds {
        let mut request = seeds[dice.below(seeds.len())].clone();
        for _ in 0..=dice.below(3) {
            damage(&mut request, &mut dice);
        }
        let mark = origin.connections();
        let mut client = Client::connect(proxy.web());
        client.wire.set_timeout(PATIENCE / 2);
        let _ = client.try_send(&request);
        let _ = client.try_send("GET /behind HTTP/1.1\r\nHost: behind\r\n\r\n");
        client.half_close();
        let end = client.end();
        assert!(
            !matches!(end, End::Open(_)),
            "round {round}: the connection stays open for {}",
            shown(&request)
        );
        let good = end
            .leftover()
            .windows(12)
            .filter(|twelve| twelve == b"HTTP/1.1 200")
            .count();
        origin.accept_all();
        let mut whole = 0;
        for bytes in arrived(&origin, mark) {
            let seen = agree(&bytes).map_or(0, |seen| {
                seen.iter().filter(|(_, end, _)| end.is_some()).count()
            });
            let most = complete_requests(&bytes);
            assert_eq!(
                seen,
                most,
                "round {round}: back-ends differ; sent {}, arrived {}",
                shown(&request),
                shown(&bytes)
            );
            assert!(
                most <= 1,
                "round {round}: {most} requests in one; sent {}, arrived {}",
                shown(&request),
                shown(&bytes)
            );
            whole += most;
        }
        assert!(
            good <= whole,
            "round {round}: {good} answers to {whole} requests; sent {}",
            shown(&request)
        );
        answered += good;
    }
    // A proxy that refuses everything would pass as well.
    assert!(
        answered > rounds / 10,
        "only {answered} requests of {rounds} rounds were answered"
    );
    assert_eq!(Client::connect(proxy.web()).get("/").text(), "ok");
}

/// What arrived on each connection made since, once its script has ended.
fn arrived(origin: &Origin, mark: usize) -> Vec<Vec<u8>> {
    for connection in mark..origin.connections() {
        assert!(
            origin.await_end(connection),
            "an upstream connection stays open"
        );
    }
    origin.records_from(mark)
}

#[test]
fn damage_changes_the_request() {
    let mut dice = Dice(SEED);
    let sound = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello".to_vec();
    let changed = (0..200).filter(|_| {
        let mut request = sound.clone();
        damage(&mut request, &mut dice);
        request != sound
    });
    assert!(changed.count() > 180);
}

#[test]
fn on_io_uring() {
    run(Io::Uring);
}

#[test]
fn on_epoll() {
    run(Io::Epoll);
}
