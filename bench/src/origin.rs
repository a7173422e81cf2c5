//! The origin behind the proxies: answers every request with the same bytes, and checks what it was asked.
//!
//! A process of its own, so that its CPU time is not the proxy's. Its standard output says the address; a line on its standard
//! input asks for its counters; the end of its standard input ends it.

mod http2;

use std::io::{self, BufRead, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use ringway_io::{Buf, Listener, Stream, run, spawn};
use serde::{Deserialize, Serialize};
use socket2::{Domain, Socket, Type};

use crate::endless::Row;
use crate::message;
use crate::scenario::{Kind, Load, Origin, Protocol};
use crate::secured::{Server, Wire};

/// What to be.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Spec {
    #[serde(default)]
    pub(crate) protocol: Protocol,
    pub(crate) origin: Origin,
    pub(crate) load: Load,
    /// One worker on each; empty: one, anywhere.
    pub(crate) cpus: Vec<usize>,
    /// Listen on a Unix socket as well.
    #[serde(default)]
    pub(crate) unix: Option<PathBuf>,
    /// Speak TLS, with the certificates that lie there.
    #[serde(default)]
    pub(crate) certificates: Option<PathBuf>,
}

/// What it has seen so far.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub(crate) struct Seen {
    pub(crate) connections: u64,
    pub(crate) requests: u64,
}

#[derive(Default)]
struct Counters {
    connections: AtomicU64,
    requests: AtomicU64,
}

/// A request that is not what the scenario sends. Long enough to tell, short enough to read in an error.
const REFUSED: &[u8] =
    b"HTTP/1.1 400 Not what the load sends\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
/// Every so many uploads, the whole body is compared.
const SAMPLE: u64 = 64;
const BACKLOG: i32 = 4096;

/// Serve until standard input ends.
pub(crate) fn serve(spec: &str) -> io::Result<()> {
    let spec: Spec = serde_json::from_str(spec)?;
    let served = Served {
        answer: message::answer(&spec.origin),
        upload: crate::http2::body(spec.load.body, spec.origin.grpc),
        http2: spec.origin.http2.then(|| spec.origin.clone()),
        bytes: match (spec.protocol, spec.load.kind) {
            (Protocol::Http, _) => None,
            (Protocol::Tcp, Kind::Pour) => Some(Bytes::Row(Row::new(), spec.load.both)),
            (Protocol::Tcp, _) => Some(Bytes::Echo),
        },
        counters: Arc::new(Counters::default()),
        ends: spec.load.close,
        server: match &spec.certificates {
            Some(folder) => Some(Server::new(folder)?),
            None => None,
        },
    };
    let cpus: Vec<Option<usize>> = if spec.cpus.is_empty() {
        vec![None]
    } else {
        spec.cpus.iter().copied().map(Some).collect()
    };
    let unix = spec.unix.as_ref().map(UnixListener::bind).transpose()?;
    let mut address = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    for cpu in cpus {
        let listener = bind(address)?;
        address = listener.local_addr()?;
        let unix = unix.as_ref().map(UnixListener::try_clone).transpose()?;
        let served = served.clone();
        let options =
            crate::load::worker_options(cpu, crate::load::largest(&spec.load, spec.load.body));
        std::thread::spawn(move || {
            let accept = || async {
                if let Some(unix) = unix {
                    spawn(accept_all(unix.into(), served.clone()));
                }
                accept_all(listener.into(), served).await;
            };
            if let Err(e) = run(options, accept) {
                eprintln!("ringway-bench: origin: {e}");
                std::process::exit(1);
            }
        });
    }
    let mut out = io::stdout().lock();
    writeln!(out, "{address}")?;
    out.flush()?;
    for line in io::stdin().lock().lines() {
        line?;
        let seen = Seen {
            connections: served.counters.connections.load(Relaxed),
            requests: served.counters.requests.load(Relaxed),
        };
        writeln!(out, "{}", serde_json::to_string(&seen)?)?;
        out.flush()?;
    }
    Ok(())
}

pub(crate) fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    socket.set_reuse_port(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// What is served where no requests come.
#[derive(Clone, Copy)]
enum Bytes {
    /// Everything back.
    Echo,
    /// An endless row; and the client's is checked, if it pours one too.
    Row(Row, bool),
}

#[derive(Clone)]
struct Served {
    answer: &'static [u8],
    upload: &'static [u8],
    /// Some: answered by HTTP/2.
    http2: Option<Origin>,
    bytes: Option<Bytes>,
    /// Where a client says that its request is the last, it is.
    ends: bool,
    /// Some: by TLS. (Where requests come by HTTP/1.1.)
    server: Option<Server>,
    counters: Arc<Counters>,
}

async fn accept_all(listener: OwnedFd, served: Served) {
    let listener = match Listener::from_fd(listener) {
        Ok(listener) => listener,
        Err(e) => return eprintln!("ringway-bench: origin: {e}"),
    };
    let http2 = served.http2.as_ref().map(http2::Answer::new).map(Rc::new);
    while let Ok(stream) = listener.accept().await {
        served.counters.connections.fetch_add(1, Relaxed);
        let (served, http2) = (served.clone(), http2.clone());
        spawn(async move {
            // Proxies close their idle connections as they like, also with a reset.
            let _ = match (served.bytes, http2) {
                (None, None) => match &served.server {
                    Some(server) => answer_secured(server, stream, &served).await,
                    None => answer_all(&stream.into(), &served).await,
                },
                (None, Some(answer)) => http2::answer_all(stream, &served, answer).await,
                (Some(Bytes::Echo), _) => echo(&stream, &served).await,
                (Some(Bytes::Row(row, both)), _) => pour(stream, row, both).await,
            };
        });
    }
}

async fn echo(stream: &Stream, served: &Served) -> io::Result<()> {
    while let Some(buf) = stream.recv().await? {
        served.counters.requests.fetch_add(1, Relaxed);
        if let Err(buf) = stream.queue(buf) {
            stream.flush().await?;
            let _ = stream.queue(buf);
        }
        stream.submit();
    }
    stream.shutdown_write();
    Ok(())
}

async fn pour(stream: Stream, row: Row, both: bool) -> io::Result<()> {
    let stream = Rc::new(stream);
    if both {
        let theirs = stream.clone();
        spawn(async move {
            // The load sees to it that a connection that ends fails its run.
            if let Ok(false) = row.check(&theirs, |_| false).await {
                eprintln!("ringway-bench: origin: the load's row has a wrong byte");
                std::process::exit(1);
            }
        });
    }
    row.pour(&stream, |_| false).await
}

async fn answer_secured(server: &Server, stream: Stream, served: &Served) -> io::Result<()> {
    match server.secure(stream).await {
        Ok(wire) => answer_all(&wire, served).await,
        Err(e) => {
            eprintln!("ringway-bench: origin: {e}");
            Err(e)
        }
    }
}

async fn answer_all(stream: &Wire, served: &Served) -> io::Result<()> {
    let mut partial = Vec::new();
    while let Some(mut buf) = stream.recv().await? {
        while !buf.is_empty() {
            let Some(after_head) = head_end(&mut partial, &buf) else {
                break;
            };
            let is_last = served.ends && (says_close(&partial) || says_close(&buf[..after_head]));
            buf.advance(after_head);
            let n = served.counters.requests.fetch_add(1, Relaxed);
            let good = partial.starts_with(b"GET /bench ") && served.upload.is_empty()
                || partial.starts_with(b"POST /bench ")
                    && body_is_right(stream, &mut buf, served.upload, n.is_multiple_of(SAMPLE))
                        .await?;
            partial.clear();
            let answer = if good { served.answer } else { REFUSED };
            stream.send(&[answer]).await?;
            if !good || is_last {
                return stream.end().await;
            }
        }
    }
    Ok(())
}

/// Proxies keep that to themselves: so says who asks directly.
fn says_close(head: &[u8]) -> bool {
    memchr::memmem::find(head, b"\r\nConnection: close\r\n").is_some()
}

/// Where in `buf` the head ends. `head` gets its bytes: the beginning if it is whole in `buf`, all of them if it is cut.
fn head_end(head: &mut Vec<u8>, buf: &[u8]) -> Option<usize> {
    /// Enough to see the request line.
    const BEGINNING: usize = 16;
    if head.is_empty()
        && let Some(at) = memchr::memmem::find(buf, b"\r\n\r\n")
    {
        head.extend_from_slice(&buf[..BEGINNING.min(at)]);
        return Some(at + 4);
    }
    let before = head.len();
    head.extend_from_slice(buf);
    let from = before.saturating_sub(3);
    let at = memchr::memmem::find(&head[from..], b"\r\n\r\n")?;
    Some(from + at + 4 - before)
}

async fn body_is_right(
    stream: &Wire,
    first: &mut Buf,
    wanted: &'static [u8],
    whole: bool,
) -> io::Result<bool> {
    let mut at = first.len().min(wanted.len());
    let mut right = crate::load::matches(wanted, 0, &first[..at], whole);
    first.advance(at);
    while at < wanted.len() {
        let Some(mut buf) = stream.recv().await? else {
            return Ok(false);
        };
        let n = buf.len().min(wanted.len() - at);
        right &= crate::load::matches(wanted, at, &buf[..n], whole);
        at += n;
        buf.advance(n);
        stream.unread(buf);
    }
    Ok(right)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_found_however_it_is_cut() {
        let bytes = b"GET /bench HTTP/1.1\r\nHost: x\r\n\r\nGET";
        let end = bytes.len() - 3;
        for cut in 0..bytes.len() {
            let mut head = Vec::new();
            match head_end(&mut head, &bytes[..cut]) {
                Some(at) => assert_eq!((at, cut >= end), (end, true)),
                None => {
                    assert!(cut < end);
                    let at = head_end(&mut head, &bytes[cut..]);
                    assert_eq!(at, Some(end - cut), "cut at {cut}");
                }
            }
            assert!(head.starts_with(b"GET /bench "), "cut at {cut}");
        }
    }
}
