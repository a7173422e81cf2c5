//! An origin whose every connection runs a script of the test, and that records the exact bytes that arrived. Not a web
//! server: what the script does not do does not happen.

use crate::gate::Gate;
use crate::socket::Socket;
use crate::tls::TlsStream;
use crate::wait::{PATIENCE, await_refused};
use crate::wire::{Body, Field, Framing, Head, Wire, WireError};
use ringway_tls::Acceptor;
use socket2::SockRef;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// A request that the strict reader accepted at the origin.
#[derive(Debug, Clone)]
pub struct Asked {
    /// As it came.
    pub method: String,
    /// As it came.
    pub target: String,
    /// `HTTP/1.1`, or what stood there.
    pub version: String,
    /// Its head.
    pub head: Head,
    /// How its body is delimited.
    pub framing: Framing,
    /// Without the coding; empty until it was read.
    pub body: Vec<u8>,
    /// Behind a chunked body.
    pub trailers: Vec<Field>,
    /// Chunk extensions that arrived.
    pub extensions: Vec<String>,
    /// Which connection it came on, counted from 0.
    pub connection: usize,
}

impl Asked {
    /// The first value of a field.
    pub fn field(&self, name: &str) -> Option<&str> {
        self.head.get(name)
    }

    /// The target without its query.
    pub fn path(&self) -> &str {
        self.target.split('?').next().unwrap_or_default()
    }
}

type Bytes = Arc<Mutex<Vec<u8>>>;

#[derive(Default)]
struct Shared {
    records: Mutex<Vec<Bytes>>,
    /// Of connections whose scripts still run.
    sockets: Mutex<Vec<Option<Socket>>>,
    asked: Mutex<Vec<Asked>>,
    faults: Mutex<Vec<String>>,
    ended: Mutex<Vec<usize>>,
    stop: AtomicBool,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One connection as its script sees it.
pub struct Visit {
    /// Counted from 0 over the origin's life.
    pub number: usize,
    /// For what the methods here do not offer.
    pub wire: Wire,
    shared: Arc<Shared>,
}

impl Visit {
    /// The next request's head; None when the peer closed cleanly or broke off (which is recorded as a fault).
    pub fn head(&mut self) -> Option<Asked> {
        match self.wire.head().and_then(|head| self.asked(head)) {
            Ok(asked) => Some(asked),
            Err(WireError::Closed) => None,
            Err(e) => {
                lock(&self.shared.faults).push(format!("connection {}: {e}", self.number));
                None
            }
        }
    }

    fn asked(&self, head: Head) -> Result<Asked, WireError> {
        let parts: Vec<&str> = head.start.split(' ').collect();
        let [method, target, version] = parts.as_slice() else {
            return Err(WireError::Malformed(format!(
                "request line {:?}",
                head.start
            )));
        };
        Ok(Asked {
            method: (*method).to_owned(),
            target: (*target).to_owned(),
            version: (*version).to_owned(),
            framing: head.request_framing()?,
            head,
            body: Vec::new(),
            trailers: Vec::new(),
            extensions: Vec::new(),
            connection: self.number,
        })
    }

    /// Read the body of a request whose head was read, and count the request as arrived. False: it broke off.
    pub fn body(&mut self, asked: &mut Asked) -> bool {
        match self.wire.body(asked.framing) {
            Ok(Body {
                bytes,
                trailers,
                extensions,
            }) => {
                (asked.body, asked.trailers, asked.extensions) = (bytes, trailers, extensions);
                self.count(asked);
                true
            }
            Err(e) => {
                lock(&self.shared.faults).push(format!("connection {}: {e}", self.number));
                false
            }
        }
    }

    /// Count a request as arrived whose body the script reads in its own way.
    pub fn count(&self, asked: &Asked) {
        lock(&self.shared.asked).push(asked.clone());
    }

    /// The next whole request.
    pub fn request(&mut self) -> Option<Asked> {
        let mut asked = self.head()?;
        self.body(&mut asked).then_some(asked)
    }

    /// Send bytes. False: the peer is gone, which a script may ignore.
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        self.wire.send(bytes.as_ref()).is_ok()
    }

    /// Close by RST, at once.
    pub fn reset(self) {
        self.wire.socket().reset_on_close();
        // The clone kept for the origin's end would hold the connection open.
        if let Some(socket) = lock(&self.shared.sockets).get_mut(self.number) {
            *socket = None;
        }
    }

    /// Read and drop until the peer closes.
    pub fn until_closed(&mut self) {
        while !matches!(self.wire.fill(), Ok(0) | Err(_)) {}
    }
}

enum Listening {
    Tls(TcpListener, Acceptor),
    Tcp(TcpListener),
    Unix(UnixListener),
}

impl Listening {
    /// None for a client whose handshake failed.
    fn accept(&self) -> std::io::Result<Option<Socket>> {
        Ok(match self {
            Listening::Tcp(l) => {
                let stream = l.accept()?.0;
                stream.set_nodelay(true)?;
                Some(Socket::Tcp(stream))
            }
            Listening::Unix(l) => Some(Socket::Unix(l.accept()?.0)),
            // One after the other: these origins have few clients.
            Listening::Tls(l, acceptor) => {
                let stream = l.accept()?.0;
                stream.set_nodelay(true)?;
                stream.set_read_timeout(Some(PATIENCE))?;
                let stream = TlsStream::accept(stream, acceptor).ok();
                stream.map(|stream| Socket::Tls(Box::new(stream)))
            }
        })
    }
}

/// A listening origin; ends with the test.
pub struct Origin {
    address: SocketAddr,
    path: Option<PathBuf>,
    shared: Arc<Shared>,
    accepting: Option<JoinHandle<()>>,
}

impl Origin {
    /// Run `script` on a thread for each connection, on a free port of 127.0.0.1.
    pub fn start(script: impl Fn(&mut Visit) + Send + Sync + 'static) -> Origin {
        Origin::taking(move |mut visit| script(&mut visit))
    }

    /// As `start`, for scripts that consume the connection (to reset it).
    pub fn taking(script: impl Fn(Visit) + Send + Sync + 'static) -> Origin {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port on loopback");
        // std's backlog of 128 drops connections of a crowd, and what is dropped comes again after a second.
        SockRef::from(&listener)
            .listen(2048)
            .expect("a longer backlog");
        let address = listener
            .local_addr()
            .expect("a bound socket has an address");
        Origin::listen(Listening::Tcp(listener), address, None, script)
    }

    /// By TLS, on a free port of 127.0.0.1.
    pub fn tls(acceptor: Acceptor, script: impl Fn(&mut Visit) + Send + Sync + 'static) -> Origin {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port on loopback");
        let address = listener.local_addr().expect("a bound socket has one");
        let script = move |mut visit: Visit| script(&mut visit);
        Origin::listen(Listening::Tls(listener, acceptor), address, None, script)
    }

    /// On a Unix socket.
    pub fn at_path(path: &Path, script: impl Fn(Visit) + Send + Sync + 'static) -> Origin {
        let listener =
            UnixListener::bind(path).expect("a socket can be made in the test's own directory");
        let nowhere = SocketAddr::from(([127, 0, 0, 1], 0));
        Origin::listen(
            Listening::Unix(listener),
            nowhere,
            Some(path.to_owned()),
            script,
        )
    }

    fn listen(
        listening: Listening,
        address: SocketAddr,
        path: Option<PathBuf>,
        script: impl Fn(Visit) + Send + Sync + 'static,
    ) -> Origin {
        let (shared, script) = (Arc::<Shared>::default(), Arc::new(script));
        let theirs = shared.clone();
        let accepting = std::thread::spawn(move || {
            while let Ok(socket) = listening.accept() {
                if theirs.stop.load(Ordering::SeqCst) {
                    break;
                }
                let Some(socket) = socket else { continue };
                let Ok(again) = socket.again() else { continue };
                let record = Bytes::default();
                let number = {
                    let mut records = lock(&theirs.records);
                    records.push(record.clone());
                    lock(&theirs.sockets).push(Some(again));
                    records.len() - 1
                };
                let (script, shared) = (script.clone(), theirs.clone());
                std::thread::spawn(move || {
                    let last = Last {
                        number,
                        shared: shared.clone(),
                    };
                    script(Visit {
                        number,
                        wire: Wire::new(socket).recorded(record),
                        shared,
                    });
                    drop(last);
                });
            }
        });
        Origin {
            address,
            path,
            shared,
            accepting: Some(accepting),
        }
    }

    /// Answer each request by a function of it, and keep connections alive.
    pub fn answering(answer: impl Fn(&Asked) -> Vec<u8> + Send + Sync + 'static) -> Origin {
        Origin::start(move |visit| {
            while let Some(asked) = visit.request() {
                if !visit.send(answer(&asked)) {
                    break;
                }
            }
        })
    }

    /// Answer everything with 200 and this body.
    pub fn saying(body: &str) -> Origin {
        let answer = ok(body);
        Origin::answering(move |_| answer.clone())
    }

    /// Answer everything with 200 and this body, but only once the gate is open.
    pub fn holding(gate: &Gate, body: &str) -> Origin {
        let (gate, answer) = (gate.clone(), ok(body));
        Origin::answering(move |_| {
            gate.wait();
            answer.clone()
        })
    }

    /// Where it listens (TCP).
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The exact bytes that arrived, by connection.
    pub fn records(&self) -> Vec<Vec<u8>> {
        lock(&self.shared.records)
            .iter()
            .map(|record| lock(record).clone())
            .collect()
    }

    /// The same for the connections from number `first` on.
    pub fn records_from(&self, first: usize) -> Vec<Vec<u8>> {
        let records = lock(&self.shared.records);
        records[first.min(records.len())..]
            .iter()
            .map(|record| lock(record).clone())
            .collect()
    }

    /// A place in the records, for [`Origin::since`].
    pub fn mark(&self) -> Vec<usize> {
        lock(&self.shared.records)
            .iter()
            .map(|record| lock(record).len())
            .collect()
    }

    /// What arrived behind a mark: connection and bytes, where there are any.
    pub fn since(&self, mark: &[usize]) -> Vec<(usize, Vec<u8>)> {
        let records = lock(&self.shared.records);
        let fresh = records.iter().enumerate().map(|(number, record)| {
            (
                number,
                lock(record)[mark.get(number).copied().unwrap_or(0)..].to_vec(),
            )
        });
        fresh.filter(|(_, bytes)| !bytes.is_empty()).collect()
    }

    /// Wait until every connection that was made before now has been accepted: accepting is first come, first served.
    pub fn accept_all(&self) {
        let mut wire = Wire::new(Socket::Tcp(
            TcpStream::connect(self.address).expect("the origin listens"),
        ));
        wire.socket().shutdown(Shutdown::Write);
        assert_eq!(
            wire.fill(),
            Ok(0),
            "a script ends when its client says nothing"
        );
    }

    /// Wait until the script of a connection has ended, thus the proxy has let go of it.
    pub fn await_end(&self, connection: usize) -> bool {
        let start = Instant::now();
        while !lock(&self.shared.ended).contains(&connection) {
            if start.elapsed() > PATIENCE {
                return false;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        true
    }

    /// The whole requests that arrived, in order.
    pub fn asked(&self) -> Vec<Asked> {
        lock(&self.shared.asked).clone()
    }

    /// The last whole request that arrived.
    pub fn last(&self) -> Asked {
        self.asked()
            .pop()
            .expect("at least one request has arrived at the origin")
    }

    /// What the strict reader did not like, and messages that broke off.
    pub fn faults(&self) -> Vec<String> {
        lock(&self.shared.faults).clone()
    }

    /// How many connections were made.
    pub fn connections(&self) -> usize {
        lock(&self.shared.records).len()
    }

    /// Close every connection there is (FIN), as a server does with its idle ones; the listener stays.
    pub fn close_connections(&self) {
        for socket in lock(&self.shared.sockets).iter().flatten() {
            socket.shutdown(Shutdown::Both);
        }
    }

    /// Stop listening, so that connecting is refused; connections stay.
    pub fn stop_listening(&mut self) {
        self.stop_accepting();
        match &self.path {
            Some(path) => await_refused(|| UnixStream::connect(path)),
            None => await_refused(|| TcpStream::connect(self.address)),
        }
    }

    fn stop_accepting(&mut self) {
        self.shared.stop.store(true, Ordering::SeqCst);
        match &self.path {
            Some(path) => drop(UnixStream::connect(path)),
            None => drop(TcpStream::connect(self.address)),
        }
        if let Some(accepting) = self.accepting.take() {
            let _ = accepting.join();
        }
    }
}

impl Drop for Origin {
    fn drop(&mut self) {
        self.stop_accepting();
        self.close_connections();
    }
}

/// Ends a connection with its script, whatever clone of the socket is kept.
struct Last {
    number: usize,
    shared: Arc<Shared>,
}

impl Drop for Last {
    fn drop(&mut self) {
        let socket = lock(&self.shared.sockets)
            .get_mut(self.number)
            .and_then(Option::take);
        if let Some(socket) = socket {
            socket.shutdown(Shutdown::Both);
        }
        lock(&self.shared.ended).push(self.number);
    }
}

/// A 200 with a length and this body.
pub fn ok(body: &str) -> Vec<u8> {
    format!(
        "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}
