//! The attacking process: connections that do what an attack says, at a bounded rate and for a bounded time.

use std::io::{self, BufRead, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

use ringway_protocols::http2::frame::{FrameHead, HEAD, Kind, Reason};
use serde::{Deserialize, Serialize};

use super::kinds::{self, Attack, Way};

/// Rounds sent in one go.
const LOT: u32 = 50;
/// How long a connection pauses before it comes again.
const AGAIN: Duration = Duration::from_millis(2);
/// What a holder sends now and then.
const DRIP: Duration = Duration::from_millis(100);

/// What to do.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Spec {
    pub(super) attack: String,
    pub(super) address: SocketAddr,
    /// Rounds per second, over all connections.
    pub(super) rate: f64,
}

/// What came of it.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Done {
    pub(super) connections: u64,
    pub(super) frames: u64,
    /// Frames that a connection had sent when it was found to be ended, in the order in which that happened.
    pub(super) until_end: Vec<u64>,
    /// What GOAWAY said, the last time.
    pub(super) said: Option<u32>,
}

/// Attack until standard input says something.
pub(crate) fn attack(spec: &str) -> io::Result<()> {
    let spec: Spec = serde_json::from_str(spec)?;
    let attack = kinds::find(&spec.attack)?;
    let (spec, stop) = (&spec, &AtomicBool::new(false));
    let done = std::thread::scope(|scope| {
        let threads: Vec<_> = match attack.way {
            Way::Flood => (0..attack.connections)
                .map(|_| scope.spawn(|| flood(&attack, spec, stop)))
                .collect(),
            Way::Hold { reads } => {
                vec![scope.spawn(move || hold(&attack, spec.address, reads, stop))]
            }
        };
        super::say("begun")?;
        let mut line = String::new();
        let heard = io::stdin().lock().read_line(&mut line);
        stop.store(true, Relaxed);
        let mut done = Done::default();
        for thread in threads {
            done.add(thread.join().unwrap_or_default());
        }
        heard.map(|_| done)
    })?;
    super::say(&serde_json::to_string(&done)?)?;
    Ok(())
}

impl Done {
    /// A connection is over, by the proxy or by us.
    fn note(&mut self, peer: &Peer, sent: u64, cut: bool) {
        self.connections += 1;
        self.frames += sent;
        self.until_end.extend(cut.then_some(sent));
        self.said = peer.said.or(self.said);
        let _ = peer.stream.shutdown(Shutdown::Both);
    }

    fn add(&mut self, other: Done) {
        self.connections += other.connections;
        self.frames += other.frames;
        self.until_end.extend(other.until_end);
        self.said = other.said.or(self.said);
    }
}

/// One connection after the other.
fn flood(attack: &Attack, spec: &Spec, stop: &AtomicBool) -> Done {
    let mut done = Done::default();
    let weight = f64::from(LOT * attack.weight);
    let pause = Duration::from_secs_f64(weight * attack.connections as f64 / spec.rate.max(1.0));
    while !stop.load(Relaxed) {
        if let Ok(mut peer) = Peer::connect(spec.address, attack) {
            let sent = peer.flood(attack, pause, stop);
            done.note(&peer, sent, !stop.load(Relaxed));
        }
        std::thread::sleep(AGAIN);
    }
    done
}

/// All connections at once, and a round on each now and then.
fn hold(attack: &Attack, address: SocketAddr, reads: bool, stop: &AtomicBool) -> Done {
    let mut done = Done::default();
    let connect = |_| Peer::connect(address, attack).ok();
    let mut peers: Vec<Peer> = (0..attack.connections).filter_map(connect).collect();
    let mut n = 0;
    while !stop.load(Relaxed) {
        for peer in peers.iter_mut().filter(|peer| !peer.ended) {
            if reads {
                peer.look();
            }
            let round = (attack.round)(n);
            peer.ended |= !round.is_empty() && peer.send(&round, stop).is_err();
            if peer.ended {
                done.note(peer, u64::from(n), true);
            }
        }
        n += 1;
        std::thread::sleep(DRIP);
    }
    for peer in peers.iter().filter(|peer| !peer.ended) {
        done.note(peer, u64::from(n), false);
    }
    done
}

struct Peer {
    stream: TcpStream,
    received: Vec<u8>,
    said: Option<u32>,
    ended: bool,
}

impl Peer {
    fn connect(address: SocketAddr, attack: &Attack) -> io::Result<Peer> {
        let mut stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.write_all(&kinds::beginning(attack))?;
        stream.set_nonblocking(true)?;
        Ok(Peer {
            stream,
            received: Vec::new(),
            said: None,
            ended: false,
        })
    }

    /// Send rounds until the proxy ends it: how many frames that were.
    fn flood(&mut self, attack: &Attack, pause: Duration, stop: &AtomicBool) -> u64 {
        let (mut n, mut sent) = (0, 0);
        let mut next = Instant::now();
        while !stop.load(Relaxed) && !self.ended {
            let mut lot = Vec::new();
            for _ in 0..LOT {
                lot.extend((attack.round)(n));
                n += 1;
            }
            if self.send(&lot, stop).is_err() {
                break;
            }
            sent += frames_in(&lot);
            self.look();
            next += pause;
            std::thread::sleep(next.saturating_duration_since(Instant::now()));
        }
        sent
    }

    fn send(&mut self, mut octets: &[u8], stop: &AtomicBool) -> io::Result<()> {
        while !octets.is_empty() {
            match self.stream.write(octets) {
                Ok(n) => octets = &octets[n..],
                Err(e) if e.kind() == io::ErrorKind::WouldBlock && !stop.load(Relaxed) => {
                    self.look();
                    if self.ended {
                        return Err(io::ErrorKind::BrokenPipe.into());
                    }
                    std::thread::sleep(Duration::from_millis(1));
                }
                Err(e) => return Err(e),
            }
        }
        Ok(())
    }

    /// What has come, for a goodbye.
    fn look(&mut self) {
        let mut octets = [0; 16 * 1024];
        loop {
            match self.stream.read(&mut octets) {
                Ok(0) => self.ended = true,
                Ok(n) => {
                    self.received.extend(&octets[..n]);
                    self.take_frames();
                    if !self.ended {
                        continue;
                    }
                }
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
                Err(_) => self.ended = true,
            }
            return;
        }
    }

    fn take_frames(&mut self) {
        let mut at = 0;
        while let Some(head) = self.received[at..].first_chunk::<HEAD>() {
            let head = FrameHead::read(*head);
            let end = at + HEAD + head.len as usize;
            let Some(payload) = self.received.get(at + HEAD..end) else {
                break;
            };
            if head.kind == Kind::GoAway
                && let Some(code) = payload.get(4..8).and_then(|code| code.first_chunk::<4>())
            {
                let code = u32::from_be_bytes(*code);
                self.said = Some(code);
                self.ended |= code != Reason::NO_ERROR.0;
            }
            at = end;
        }
        self.received.drain(..at);
    }
}

fn frames_in(mut octets: &[u8]) -> u64 {
    let mut n = 0;
    while let Some(head) = octets.first_chunk::<HEAD>() {
        let all = HEAD + FrameHead::read(*head).len as usize;
        octets = octets.get(all..).unwrap_or_default();
        n += 1;
    }
    n
}
