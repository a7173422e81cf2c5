//! Memory of idle connections: what 10,000 clients cost that keep a connection open after one request.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;

use crate::proxy::Proxy;

const REQUEST: &[u8] = b"GET /idle HTTP/1.1\r\nhost: bench\r\nuser-agent: idle\r\n\r\n";
const RESPONSE: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
/// Connections before the first reading, so that what is allocated once is not counted for each.
const WARM: usize = 200;

/// Measure and print.
pub(crate) fn run(binary: Option<PathBuf>, connections: usize, driver: &str) -> io::Result<()> {
    let wanted = (connections + WARM) as u64 + 100;
    let limit = rlimit::increase_nofile_limit(wanted)?;
    if limit < wanted {
        return Err(io::Error::other(format!(
            "{wanted} open files are needed and {limit} are allowed; raise `ulimit -n`"
        )));
    }
    let origin = origin()?;
    let config = format!(
        "[server]\nworkers = 1\nio = \"{driver}\"\n[listeners.web]\nbind = \"127.0.0.1:0\"\ntimeouts = {{ idle = \"10m\" }}\n\
         [[routes]]\nto = [\"{origin}\"]\n[access_log]\nto = \"off\"\n"
    );
    let proxy = Proxy::start(binary, &config)?;
    let mut open = Vec::with_capacity(connections + WARM);
    for _ in 0..WARM {
        open.push(one_request(proxy.address)?);
    }
    let before = proxy.resident()?;
    for _ in 0..connections {
        open.push(one_request(proxy.address)?);
    }
    let after = proxy.resident()?;
    let each = after.saturating_sub(before) as f64 / connections as f64;
    let line = format!(
        "idle-memory: driver {driver}, {connections} connections after one request each: {each:.0} bytes of resident memory per connection \
         ({:.1} MiB before, {:.1} MiB after)\n",
        before as f64 / 1048576.0,
        after as f64 / 1048576.0
    );
    io::stdout().write_all(line.as_bytes())
}

fn one_request(address: SocketAddr) -> io::Result<TcpStream> {
    let mut stream = TcpStream::connect(address)?;
    stream.write_all(REQUEST)?;
    let mut got = Vec::new();
    let mut part = [0; 1024];
    while !got.ends_with(b"\r\n\r\nok") {
        match stream.read(&mut part)? {
            0 => {
                return Err(io::Error::other(format!(
                    "the proxy closed after {:?}",
                    String::from_utf8_lossy(&got)
                )));
            }
            n => got.extend_from_slice(&part[..n]),
        }
    }
    if !got.starts_with(b"HTTP/1.1 200") {
        return Err(io::Error::other(format!(
            "not a 200: {:?}",
            String::from_utf8_lossy(&got)
        )));
    }
    Ok(stream)
}

/// A keep-alive origin: a thread for each of the proxy's few connections.
fn origin() -> io::Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            std::thread::spawn(move || answer_all(stream));
        }
    });
    Ok(address)
}

fn answer_all(mut stream: TcpStream) -> io::Result<()> {
    let mut head = Vec::new();
    let mut part = [0; 2048];
    loop {
        match stream.read(&mut part)? {
            0 => return Ok(()),
            n => head.extend_from_slice(&part[..n]),
        }
        if head.ends_with(b"\r\n\r\n") {
            stream.write_all(RESPONSE)?;
            head.clear();
        }
    }
}
