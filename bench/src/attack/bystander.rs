//! The client beside an attack: a request after the other on a connection of HTTP/2 of its own, a pause between them, and how long each took.
//! A process of its own, told by lines how long to go on.

use std::io::{self, BufRead, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use ringway_protocols::http2::frame::{self, FrameHead, HEAD, Kind, flag};
use serde::{Deserialize, Serialize};

use super::kinds;

/// Between two requests, so that it does not load the proxy itself.
const PAUSE: Duration = Duration::from_millis(1);
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

/// Ask for as many milliseconds as each line of standard input says, and tell what was seen.
pub(crate) fn stand_by(address: &str) -> io::Result<()> {
    // Before the attacker, whose CPU it shares, as far as this user may.
    let _ = rustix::process::setpriority_process(None, -19);
    let address: SocketAddr = address.parse().map_err(io::Error::other)?;
    let mut client = None;
    for line in io::stdin().lock().lines() {
        let ms = line?.trim().parse().map_err(io::Error::other)?;
        let seen = ask_for(&mut client, address, Duration::from_millis(ms))?;
        super::say(&serde_json::to_string(&seen)?)?;
    }
    Ok(())
}

fn ask_for(client: &mut Option<Client>, address: SocketAddr, long: Duration) -> io::Result<Seen> {
    let mut took = Histogram::<u64>::new_with_bounds(1, 60_000_000, 3).map_err(io::Error::other)?;
    let mut seen = Seen::default();
    let begun = Instant::now();
    while begun.elapsed() < long {
        let at = Instant::now();
        seen.requests += 1;
        match ask(client, address) {
            Ok(()) => took.saturating_record(at.elapsed().as_micros() as u64),
            Err(_) => {
                seen.lost += 1;
                *client = None;
            }
        }
        std::thread::sleep(PAUSE);
    }
    (seen.p50, seen.p99) = (took.value_at_quantile(0.5), took.value_at_quantile(0.99));
    seen.most = took.max();
    Ok(seen)
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
        let mut octets = kinds::get(n, "/", true);
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
