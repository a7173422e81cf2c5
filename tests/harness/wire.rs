//! A strict, minimal reader of HTTP/1.1 messages from a blocking socket (RFC 9112), for both sides. It takes only what
//! every recipient reads alike, and says in words what it did not like. It is no model of a lenient peer: those are in
//! `readers.rs`.

use crate::socket::Socket;
use crate::text::{latin1, shown};
use crate::wait::PATIENCE;
use std::fmt;
use std::io::{self, ErrorKind, Read, Write};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Why no message could be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WireError {
    /// The peer closed before the first byte of a message: a clean end.
    Closed,
    /// The peer closed within a message.
    Truncated(String),
    /// The peer reset the connection.
    Reset,
    /// Nothing came in time.
    TimedOut(String),
    /// What came is not HTTP/1.1 as it must be written.
    Malformed(String),
}

impl fmt::Display for WireError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?}")
    }
}

/// One field line, as it came; name and value are `latin1` text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    /// In the sender's spelling.
    pub name: String,
    /// Without the white space around it.
    pub value: String,
}

/// A message head: its first line, its fields in order, and its bytes.
#[derive(Debug, Clone, Default)]
pub struct Head {
    /// Request line or status line.
    pub start: String,
    /// In order of arrival.
    pub fields: Vec<Field>,
    /// Everything up to and with the empty line.
    pub raw: Vec<u8>,
}

impl Head {
    /// The first value of a field, whatever the case of its name.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.fields
            .iter()
            .find(|f| f.name.eq_ignore_ascii_case(name))
            .map(|f| f.value.as_str())
    }

    /// All values of a field, in order.
    pub fn all(&self, name: &str) -> Vec<&str> {
        self.fields
            .iter()
            .filter(|f| f.name.eq_ignore_ascii_case(name))
            .map(|f| f.value.as_str())
            .collect()
    }

    /// Whether the field is there.
    pub fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// Names in order and in their spelling.
    pub fn names(&self) -> Vec<&str> {
        self.fields.iter().map(|f| f.name.as_str()).collect()
    }

    /// How a request with this head is delimited (RFC 9112 6.3).
    pub fn request_framing(&self) -> Result<Framing, WireError> {
        self.framing()
            .map(|framing| framing.unwrap_or(Framing::None))
    }

    /// How a response with this head to a request of this method is delimited.
    pub fn response_framing(&self, status: u16, method: &str) -> Result<Framing, WireError> {
        let framing = self.framing()?;
        let bodiless = status < 200 || status == 204 || status == 304 || method == "HEAD";
        Ok(if bodiless {
            Framing::None
        } else {
            framing.unwrap_or(Framing::UntilClose)
        })
    }

    fn framing(&self) -> Result<Option<Framing>, WireError> {
        let (lengths, codings) = (self.all("content-length"), self.all("transfer-encoding"));
        match (lengths.as_slice(), codings.as_slice()) {
            ([], []) => Ok(None),
            ([length], []) if !length.is_empty() && length.bytes().all(|b| b.is_ascii_digit()) => {
                let length = length
                    .parse()
                    .map_err(|_| WireError::Malformed(format!("content-length {length}")))?;
                Ok(Some(Framing::Length(length)))
            }
            ([], [coding]) if coding.eq_ignore_ascii_case("chunked") => Ok(Some(Framing::Chunked)),
            _ => Err(WireError::Malformed(format!(
                "framing fields {lengths:?} {codings:?}"
            ))),
        }
    }
}

/// How a body is delimited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// There is none.
    None,
    /// By length.
    Length(u64),
    /// By the chunked coding.
    Chunked,
    /// By the end of the connection.
    UntilClose,
}

/// A body and what came with it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Body {
    /// Without the coding.
    pub bytes: Vec<u8>,
    /// Behind the last chunk.
    pub trailers: Vec<Field>,
    /// Chunk extensions that arrived, as written.
    pub extensions: Vec<String>,
}

/// A socket and what was read ahead from it.
pub struct Wire {
    socket: Socket,
    ahead: Vec<u8>,
    used: usize,
    record: Option<Arc<Mutex<Vec<u8>>>>,
}

impl Wire {
    /// On a connected socket; reads end after the harness's patience.
    pub fn new(socket: Socket) -> Wire {
        socket.set_timeout(PATIENCE);
        Wire {
            socket,
            ahead: Vec::new(),
            used: 0,
            record: None,
        }
    }

    /// Write each byte that arrives into `record` as well.
    pub fn recorded(mut self, record: Arc<Mutex<Vec<u8>>>) -> Wire {
        self.record = Some(record);
        self
    }

    /// The socket below.
    pub fn socket(&self) -> &Socket {
        &self.socket
    }

    /// The same, to do more with it than to send.
    pub fn socket_mut(&mut self) -> &mut Socket {
        &mut self.socket
    }

    /// Another limit for reads and writes.
    pub fn set_timeout(&self, limit: Duration) {
        self.socket.set_timeout(limit);
    }

    /// Write all of it.
    pub fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.socket.write_all(bytes)
    }

    /// What was read and not yet taken.
    pub fn waiting(&self) -> &[u8] {
        &self.ahead[self.used..]
    }

    fn consume(&mut self, n: usize) {
        self.used += n;
        if self.used == self.ahead.len() {
            self.ahead.clear();
            self.used = 0;
        }
    }

    /// Read once more from the socket; `Ok(0)` is the end.
    pub fn fill(&mut self) -> Result<usize, WireError> {
        let mut piece = [0_u8; 32 * 1024];
        loop {
            match self.socket.read(&mut piece) {
                Ok(n) => {
                    if self.used > 0 {
                        self.ahead.drain(..self.used);
                        self.used = 0;
                    }
                    self.ahead.extend_from_slice(&piece[..n]);
                    if let Some(record) = &self.record {
                        record
                            .lock()
                            .unwrap_or_else(PoisonError::into_inner)
                            .extend_from_slice(&piece[..n]);
                    }
                    return Ok(n);
                }
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                    return Err(WireError::TimedOut(format!(
                        "with {} read",
                        shown(self.waiting())
                    )));
                }
                Err(_) => return Err(WireError::Reset),
            }
        }
    }

    fn fill_within(&mut self, what: &str) -> Result<(), WireError> {
        match self.fill()? {
            0 => Err(WireError::Truncated(format!(
                "the connection ended in {what} after {}",
                shown(self.waiting())
            ))),
            _ => Ok(()),
        }
    }

    /// Exactly `n` bytes.
    pub fn take(&mut self, n: usize) -> Result<Vec<u8>, WireError> {
        while self.waiting().len() < n {
            self.fill_within("a counted part")?;
        }
        let bytes = self.waiting()[..n].to_vec();
        self.consume(n);
        Ok(bytes)
    }

    /// One line; its CRLF is taken and not returned.
    pub fn line(&mut self) -> Result<Vec<u8>, WireError> {
        let mut searched = 0;
        loop {
            let waiting = self.waiting();
            if let Some(at) = waiting[searched..].iter().position(|b| *b == b'\n') {
                let at = searched + at;
                let line = waiting[..at].to_vec();
                self.consume(at + 1);
                return match line.split_last() {
                    Some((b'\r', text)) if !text.contains(&b'\r') => Ok(text.to_vec()),
                    _ => Err(WireError::Malformed(format!(
                        "a line that does not end with CRLF: {}",
                        shown(&line)
                    ))),
                };
            }
            searched = waiting.len();
            self.fill_within("a line")?;
        }
    }

    /// The next message head.
    pub fn head(&mut self) -> Result<Head, WireError> {
        if self.waiting().is_empty() && self.fill()? == 0 {
            return Err(WireError::Closed);
        }
        let start = self.line()?;
        let mut head = Head {
            start: latin1(&start),
            raw: start,
            ..Head::default()
        };
        head.raw.extend_from_slice(b"\r\n");
        head.fields = self.fields(&mut head.raw)?;
        Ok(head)
    }

    fn fields(&mut self, raw: &mut Vec<u8>) -> Result<Vec<Field>, WireError> {
        let mut fields = Vec::new();
        loop {
            let line = self.line()?;
            raw.extend_from_slice(&line);
            raw.extend_from_slice(b"\r\n");
            if line.is_empty() {
                return Ok(fields);
            }
            fields.push(field(&line)?);
        }
    }

    /// The whole body.
    pub fn body(&mut self, framing: Framing) -> Result<Body, WireError> {
        let mut bytes = Vec::new();
        let mut body = self.body_into(framing, &mut |piece| bytes.extend_from_slice(piece))?;
        body.bytes = bytes;
        Ok(body)
    }

    /// The body piece by piece, for long ones; `bytes` of the result stays empty.
    pub fn body_into(
        &mut self,
        framing: Framing,
        sink: &mut dyn FnMut(&[u8]),
    ) -> Result<Body, WireError> {
        let mut body = Body::default();
        match framing {
            Framing::None => {}
            Framing::Length(length) => self.counted(length, sink)?,
            Framing::UntilClose => loop {
                let n = self.waiting().len();
                sink(self.waiting());
                self.consume(n);
                if self.fill()? == 0 {
                    break;
                }
            },
            Framing::Chunked => loop {
                let size = self.chunk_size(&mut body)?;
                if size == 0 {
                    body.trailers = self.fields(&mut Vec::new())?;
                    break;
                }
                self.counted(size, sink)?;
                if self.take(2)? != b"\r\n" {
                    return Err(WireError::Malformed("no CRLF behind a chunk".into()));
                }
            },
        }
        Ok(body)
    }

    /// One chunk of a chunked body; empty for the last one, whose trailers are read and dropped.
    pub fn chunk(&mut self) -> Result<Vec<u8>, WireError> {
        let size = self.chunk_size(&mut Body::default())?;
        if size == 0 {
            self.fields(&mut Vec::new())?;
            return Ok(Vec::new());
        }
        let bytes = self.take(size as usize)?;
        match self.take(2)?.as_slice() {
            b"\r\n" => Ok(bytes),
            _ => Err(WireError::Malformed("no CRLF behind a chunk".into())),
        }
    }

    fn chunk_size(&mut self, body: &mut Body) -> Result<u64, WireError> {
        let line = latin1(&self.line()?);
        let (digits, extension) = match line.split_once(';') {
            Some((digits, extension)) => (digits.to_owned(), Some(extension.to_owned())),
            None => (line.clone(), None),
        };
        body.extensions.extend(extension);
        let hex = !digits.is_empty()
            && digits.len() <= 16
            && digits.bytes().all(|b| b.is_ascii_hexdigit());
        let size = u64::from_str_radix(&digits, 16).ok().filter(|_| hex);
        size.ok_or_else(|| WireError::Malformed(format!("chunk size line {line:?}")))
    }

    fn counted(&mut self, mut left: u64, sink: &mut dyn FnMut(&[u8])) -> Result<(), WireError> {
        while left > 0 {
            if self.waiting().is_empty() {
                self.fill_within("a body")?;
            }
            let n = self
                .waiting()
                .len()
                .min(usize::try_from(left).unwrap_or(usize::MAX));
            sink(&self.waiting()[..n]);
            self.consume(n);
            left -= n as u64;
        }
        Ok(())
    }
}

fn field(line: &[u8]) -> Result<Field, WireError> {
    let text = latin1(line);
    let bad = |why: &str| Err(WireError::Malformed(format!("{why}: {text:?}")));
    let Some((name, value)) = text.split_once(':') else {
        return bad("a field line without a colon");
    };
    let token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
    if name.is_empty() || !name.chars().all(token) {
        return bad("a field name that is no token");
    }
    if value.chars().any(|c| (c < ' ' && c != '\t') || c == '\x7f') {
        return bad("a control byte in a field value");
    }
    Ok(Field {
        name: name.to_owned(),
        value: value.trim_matches([' ', '\t']).to_owned(),
    })
}
