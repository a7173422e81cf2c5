//! Waiting for something that can be observed. Not for giving something "enough time".

use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

/// How long a test waits for what must come before it fails. Long, since a loaded machine is no fault of the proxy;
/// it is only ever spent in full by a test that fails.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Ask again and again until `look` finds something; panics with `what` after `limit`.
pub fn until<T>(what: &str, limit: Duration, mut look: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(
            start.elapsed() < limit,
            "waited {limit:?} in vain for: {what}"
        );
        std::thread::sleep(Duration::from_millis(3));
    }
}

/// Wait until connecting is refused. A listening socket that was closed here lives on in a process that another test is just starting, from its
/// fork to its exec: until then the kernel accepts connections for it, and nobody else can have its address.
pub fn await_refused<T>(mut connect: impl FnMut() -> io::Result<T>) {
    until("connecting to be refused", PATIENCE, || {
        let refused = |e: &io::Error| e.kind() == io::ErrorKind::ConnectionRefused;
        connect().err().filter(refused)
    });
}

/// An address on loopback on which nobody listens: connecting is refused, and whoever wants to listen there can.
pub fn nobody() -> SocketAddr {
    let gone = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = gone.local_addr().expect("its address");
    drop(gone);
    await_refused(|| TcpStream::connect(address));
    address
}
