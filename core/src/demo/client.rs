//! A blocking HTTP/1.1 client, just enough for the demo: GET on one kept connection, answers with Content-Length.
//!
//! Not here: anything a real client needs. What it does not know is an error, never a guess.

use std::io::{self, Read, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// No answer of the demo takes longer.
const PATIENCE: Duration = Duration::from_secs(5);
/// Largest head and largest body; metrics are the largest body by far.
const HEAD: usize = 64 << 10;
const BODY: usize = 16 << 20;

/// One connection. It is never replaced by another: a connection that is lost is a finding.
pub(super) struct Client {
    stream: TcpStream,
    address: SocketAddr,
    /// Read and not used yet.
    rest: Vec<u8>,
}

/// One answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) body: String,
}

impl Client {
    pub(super) fn connect(address: SocketAddr) -> io::Result<Client> {
        let stream = TcpStream::connect_timeout(&address, PATIENCE)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        stream.set_nodelay(true)?;
        Ok(Client {
            stream,
            address,
            rest: Vec::new(),
        })
    }

    /// Ask, and read the whole answer.
    pub(super) fn get(&mut self, path: &str, fields: &[(&str, &str)]) -> io::Result<Answer> {
        let mut request = format!("GET {path} HTTP/1.1\r\nHost: {}\r\n", self.address);
        for (name, value) in fields {
            request.push_str(&format!("{name}: {value}\r\n"));
        }
        request.push_str("\r\n");
        self.stream.write_all(request.as_bytes())?;
        let head = loop {
            if let Some(at) = self.rest.windows(4).position(|w| w == b"\r\n\r\n") {
                break self.take(at + 4);
            }
            self.more(HEAD)?;
        };
        let (status, length) = read_head(&head).ok_or_else(|| wrong("an unexpected head"))?;
        if length > BODY {
            return Err(wrong("too large a body"));
        }
        while self.rest.len() < length {
            self.more(BODY + HEAD)?;
        }
        Ok(Answer {
            status,
            body: self.take(length),
        })
    }

    fn more(&mut self, limit: usize) -> io::Result<()> {
        if self.rest.len() > limit {
            return Err(wrong("too long an answer"));
        }
        let mut buffer = [0; 16 << 10];
        match self.stream.read(&mut buffer)? {
            0 => Err(wrong("the connection ended before the answer did")),
            n => {
                self.rest.extend_from_slice(&buffer[..n]);
                Ok(())
            }
        }
    }

    fn take(&mut self, n: usize) -> String {
        let rest = self.rest.split_off(n);
        let taken = std::mem::replace(&mut self.rest, rest);
        String::from_utf8_lossy(&taken).into_owned()
    }
}

/// Status and Content-Length.
fn read_head(head: &str) -> Option<(u16, usize)> {
    let mut lines = head.split("\r\n");
    let status = lines.next()?.strip_prefix("HTTP/1.1 ")?.get(..3)?;
    let length = lines.find_map(|line| {
        let (name, value) = line.split_once(':')?;
        let named = name.eq_ignore_ascii_case("content-length");
        named.then(|| value.trim().parse().ok())
    })??;
    Some((status.parse().ok()?, length))
}

fn wrong(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads() {
        let cases = [
            (
                "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n",
                Some((200, 5)),
            ),
            (
                "HTTP/1.1 503 \r\na: b\r\ncontent-length:0\r\n\r\n",
                Some((503, 0)),
            ),
            (
                "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n",
                None,
            ),
            ("HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\n", None),
            ("HTTP/1.1 2\r\n\r\n", None),
            ("", None),
        ];
        for (head, expected) in cases {
            assert_eq!(read_head(head), expected, "{head:?}");
        }
    }
}
