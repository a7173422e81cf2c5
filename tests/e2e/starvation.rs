//! Nobody keeps the receive buffers of a worker from the others: with many times more bytes waiting for slow peers than
//! a worker has buffers (4,096), an innocent request is answered as if nothing were.

use crate::{request, web};
use ringway_tests::{Client, Io, Origin, PATIENCE, Proxy, Setup, both_drivers, until};
use socket2::{Domain, Type};
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How many clients are more than enough to hold every buffer.
struct Crowd {
    clients: usize,
    /// Bytes that each sends ahead, one at a time.
    ahead: usize,
}

/// Each answer to a client that does not read holds 16 of them with io_uring.
const READERS: usize = 400;

/// With io_uring a client that is not read from holds 16 of them; with epoll only what was received with its request.
fn senders(io: Io) -> Crowd {
    match io {
        Io::Uring => Crowd {
            clients: 400,
            ahead: 16,
        },
        Io::Epoll => Crowd {
            clients: 4300,
            ahead: 1,
        },
    }
}

/// The files of this process and, inherited, of the proxy.
const FILES: u64 = 20_000;

/// One crowd at a time.
static ONE: Mutex<()> = Mutex::new(());

fn open_files() -> u64 {
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let line = limits
        .lines()
        .find_map(|line| line.strip_prefix("Max open files"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok())
        .unwrap_or(0)
}

/// Whether this process may open enough files, after raising its limit if need be.
fn may_open_many() -> bool {
    if open_files() < FILES {
        let id = std::process::id().to_string();
        let _ = Command::new("prlimit")
            .args(["--pid", &id, &format!("--nofile={FILES}:")])
            .status();
    }
    let enough = open_files() >= FILES;
    if !enough {
        eprintln!("skipped: {} open files are too few", open_files());
    }
    enough
}

/// A peer for a crowd, on one thread: takes every connection in, and writes as much to each as it takes.
struct Feeder {
    address: SocketAddr,
    connections: Arc<AtomicUsize>,
    /// Nobody took anything in the last round.
    still: Arc<AtomicBool>,
    stop: Arc<AtomicBool>,
    running: Option<JoinHandle<()>>,
}

impl Feeder {
    fn start(head: &'static str, piece: Vec<u8>) -> Feeder {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        socket2::SockRef::from(&listener)
            .listen(4096)
            .expect("a longer backlog");
        listener.set_nonblocking(true).expect("O_NONBLOCK");
        let address = listener.local_addr().expect("an address");
        let connections = Arc::<AtomicUsize>::default();
        let (still, stop) = (Arc::<AtomicBool>::default(), Arc::<AtomicBool>::default());
        let theirs = (connections.clone(), still.clone(), stop.clone());
        let running = std::thread::spawn(move || {
            let (connections, still, stop) = theirs;
            let mut streams: Vec<TcpStream> = Vec::new();
            while !stop.load(Ordering::Relaxed) {
                let mut moved = false;
                while let Ok((mut stream, _)) = listener.accept() {
                    // The request's head comes first: an answer ahead of it would be refused.
                    let _ = stream.read(&mut [0; 4096]);
                    let _ = stream.write_all(head.as_bytes());
                    stream.set_nonblocking(true).expect("O_NONBLOCK");
                    streams.push(stream);
                    moved = true;
                }
                connections.store(streams.len(), Ordering::Relaxed);
                for stream in streams.iter_mut().filter(|_| !piece.is_empty()) {
                    moved |= match stream.write(&piece) {
                        Ok(n) => n > 0,
                        Err(e) => e.kind() == ErrorKind::Interrupted,
                    };
                }
                still.store(!moved, Ordering::Relaxed);
                if !moved {
                    std::thread::sleep(Duration::from_millis(2));
                }
            }
        });
        Feeder {
            address,
            connections,
            still,
            stop,
            running: Some(running),
        }
    }

    fn await_stall(&self, clients: usize) {
        let mut since = Instant::now();
        let what = format!("all of {clients} clients to be here and to wait");
        // It comes in small steps, one per timer of the kernel's: a busy machine is given more time.
        until(&what, 3 * PATIENCE, || {
            let here = self.connections.load(Ordering::Relaxed) >= clients;
            if !here || !self.still.load(Ordering::Relaxed) {
                since = Instant::now();
            }
            (since.elapsed() > Duration::from_millis(150)).then_some(())
        });
    }
}

impl Drop for Feeder {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(running) = self.running.take() {
            let _ = running.join();
        }
    }
}

/// A client with small segments, since what a kernel keeps for one that does not read grows with them.
fn small(address: SocketAddr) -> TcpStream {
    let socket = socket2::Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    socket.set_recv_buffer_size(4096).expect("SO_RCVBUF");
    socket.set_tcp_mss(1400).expect("TCP_MAXSEG");
    socket.connect(&address.into()).expect("the proxy listens");
    let stream = TcpStream::from(socket);
    stream.set_nodelay(true).expect("TCP_NODELAY");
    stream
}

/// Asks again and again on connections of its own.
struct Innocent {
    stop: Arc<AtomicBool>,
    asking: JoinHandle<usize>,
}

impl Innocent {
    fn start(address: SocketAddr) -> Innocent {
        let stop = Arc::<AtomicBool>::default();
        let over = stop.clone();
        let asking = std::thread::spawn(move || {
            let mut count = 0;
            while !over.load(Ordering::Relaxed) {
                let mut client = Client::connect(address);
                // Without what is tested here it is never answered; a busy machine takes its time.
                client.wire.set_timeout(PATIENCE);
                client.send(request("GET", "/innocent", ""));
                match client.try_answer("GET") {
                    Ok(answer) => assert_eq!(answer.status, 200),
                    Err(e) => panic!("no answer after {count} good ones: {e}"),
                }
                count += 1;
                std::thread::sleep(Duration::from_millis(5));
            }
            count
        });
        Innocent { stop, asking }
    }

    /// It has been answered all the time.
    fn end(self) {
        self.stop.store(true, Ordering::Relaxed);
        let count = self.asking.join().expect("an innocent client is served");
        assert!(count > 0, "not one answer");
    }
}

fn crowded(io: Io, feeder: &Feeder, innocent: &Origin) -> Proxy {
    let text = web("")
        + &format!(
            "[[routes]]\nmatch = {{ path = \"/innocent\" }}\nto = [\"{}\"]\n[[routes]]\nto = [\"{}\"]\ntimeouts = {{ connect = \"10s\", first_byte = \"60s\" }}\n",
            innocent.address(),
            feeder.address
        );
    Setup::on(io).workers(1).start(&text)
}

both_drivers! {
    fn readers_that_stall(io) {
        let _one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
        if !may_open_many() {
            return;
        }
        let feeder = Feeder::start("HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n", vec![b'x'; 64 * 1024]);
        let origin = Origin::saying("ok");
        let proxy = crowded(io, &feeder, &origin);
        let innocent = Innocent::start(proxy.web());
        let crowd: Vec<TcpStream> = (0..READERS)
            .map(|_| {
                let mut stream = small(proxy.web());
                stream.write_all(request("GET", "/large", "").as_bytes()).expect("the request leaves");
                stream
            })
            .collect();
        feeder.await_stall(READERS);
        for _ in 0..10 {
            assert_eq!(ringway_tests::get(proxy.web(), "/innocent").status, 200);
        }
        innocent.end();
        drop(crowd);
    }

    fn clients_that_send_ahead(io) {
        let _one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
        if !may_open_many() {
            return;
        }
        let feeder = Feeder::start("", Vec::new());
        let origin = Origin::saying("ok");
        let proxy = crowded(io, &feeder, &origin);
        let innocent = Innocent::start(proxy.web());
        let Crowd { clients, ahead } = senders(io);
        let mut crowd: Vec<TcpStream> = (0..clients).map(|_| small(proxy.web())).collect();
        for stream in &mut crowd {
            stream.write_all((request("GET", "/slow", "") + "G").as_bytes()).expect("the request leaves");
        }
        feeder.await_stall(clients);
        // One byte of the next request at a time, so that each is received on its own.
        for _ in 1..ahead {
            for stream in &mut crowd {
                stream.write_all(b"E").expect("a byte leaves");
            }
            for _ in 0..3 {
                assert_eq!(ringway_tests::get(proxy.web(), "/innocent").status, 200, "which shows that they were received");
            }
        }
        for _ in 0..10 {
            assert_eq!(ringway_tests::get(proxy.web(), "/innocent").status, 200);
        }
        innocent.end();
        drop(crowd);
    }
}
