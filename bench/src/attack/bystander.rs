//! The client beside an attack: a request at a time on each of its connections of HTTP/2, so many a second, and how long each took. They go to
//! an origin of its own. A process of its own, told by lines how long to go on.

use std::io::{self, BufRead, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use ringway_protocols::http2::frame::{self, FrameHead, HEAD, Kind, flag};
use serde::{Deserialize, Serialize};

use super::kinds;
use crate::peers::BESIDE;

/// Connections, each of which asks once in each period.
const CLIENTS: u32 = 2;
/// From the beginning of a request to that of the next: so long that it does not load the proxy itself.
const PERIOD: Duration = Duration::from_millis(2);
/// A request that takes longer is lost.
const PATIENCE: Duration = Duration::from_secs(5);

/// What it saw, in microseconds.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub(super) struct Seen {
    pub(super) requests: u64,
    /// Those that were not answered with 200 in time.
    pub(super) lost: u64,
    pub(super) p50: u64,
    pub(super) p99: u64,
    pub(super) most: u64,
}

/// What two saw at the same time.
#[derive(Debug, Clone, Copy)]
pub(super) struct Both {
    pub(super) proxied: Seen,
    /// By the one that asks its origin without a proxy.
    pub(super) straight: Seen,
}

/// Ask for as many milliseconds as each line of standard input says, and tell what was seen.
pub(crate) fn stand_by(address: &str) -> io::Result<()> {
    let address: SocketAddr = address.parse().map_err(io::Error::other)?;
    let mut clients: Vec<Option<Client>> = (0..CLIENTS).map(|_| None).collect();
    for line in io::stdin().lock().lines() {
        let ms = line?.trim().parse().map_err(io::Error::other)?;
        let seen = ask_all(&mut clients, address, Duration::from_millis(ms))?;
        super::say(&serde_json::to_string(&seen)?)?;
    }
    Ok(())
}

fn ask_all(
    clients: &mut [Option<Client>],
    address: SocketAddr,
    long: Duration,
) -> io::Result<Seen> {
    let begun = Instant::now();
    let threads = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..)
            .zip(clients)
            .map(|(i, client)| {
                let first = begun + PERIOD * i / CLIENTS;
                scope.spawn(move || ask_for(client, address, first, long))
            })
            .collect();
        let ended = threads.into_iter().map(|thread| thread.join());
        ended.collect::<Vec<_>>()
    });
    let mut took = histogram()?;
    let mut seen = Seen::default();
    for thread in threads {
        let (its, lost) = thread.map_err(|_| io::Error::other("a thread panicked"))??;
        took.add(its).map_err(io::Error::other)?;
        seen.lost += lost;
    }
    (seen.p50, seen.p99) = (took.value_at_quantile(0.5), took.value_at_quantile(0.99));
    (seen.requests, seen.most) = (took.len(), took.max());
    Ok(seen)
}

fn histogram() -> io::Result<Histogram<u64>> {
    Histogram::new_with_bounds(1, 60_000_000, 3).map_err(io::Error::other)
}

/// One connection: a request in each period. Its time counts from when it was due, so that whoever made one wait has made those behind it wait.
fn ask_for(
    client: &mut Option<Client>,
    address: SocketAddr,
    first: Instant,
    long: Duration,
) -> io::Result<(Histogram<u64>, u64)> {
    let mut took = histogram()?;
    let mut lost = 0;
    let mut due = first;
    while due < first + long {
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        if ask(client, address).is_err() {
            lost += 1;
            *client = None;
        }
        took.saturating_record(due.elapsed().as_micros() as u64);
        due += PERIOD;
    }
    Ok((took, lost))
}

fn ask(client: &mut Option<Client>, address: SocketAddr) -> io::Result<()> {
    let client = match client {
        Some(client) => client,
        None => client.insert(Client::connect(address)?),
    };
    client.ask()
}

struct Client {
    stream: TcpStream,
    next: u32,
}

impl Client {
    fn connect(address: SocketAddr) -> io::Result<Client> {
        let mut stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.write_all(&kinds::beginning(&kinds::PEACE))?;
        Ok(Client { stream, next: 0 })
    }

    fn ask(&mut self) -> io::Result<()> {
        let n = self.next;
        self.next += 1;
        let mut octets = kinds::get(n, BESIDE, true);
        if n % 1_000 == 999 {
            // More than the answers took of it.
            frame::put_window_update(&mut octets, 0, 20_000);
        }
        self.stream.write_all(&octets)?;
        loop {
            let mut head = [0; HEAD];
            self.stream.read_exact(&mut head)?;
            let head = FrameHead::read(head);
            let mut payload = vec![0; head.len as usize];
            self.stream.read_exact(&mut payload)?;
            match head.kind {
                // 200 in the static table.
                Kind::Headers if payload.first() != Some(&0x88) => {
                    return Err(io::Error::other("not answered with 200"));
                }
                Kind::Ping if !head.has(flag::ACK) => {
                    let payload = payload.first_chunk().copied().unwrap_or_default();
                    let mut pong = Vec::new();
                    frame::put_ping(&mut pong, true, payload);
                    self.stream.write_all(&pong)?;
                }
                Kind::GoAway | Kind::Reset => return Err(io::ErrorKind::ConnectionReset.into()),
                _ => {}
            }
            let of_answer = matches!(head.kind, Kind::Headers | Kind::Data);
            if of_answer && head.has(flag::END_STREAM) {
                return Ok(());
            }
        }
    }
}
