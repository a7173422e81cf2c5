//! A client on a raw socket: sends the bytes it is given and reads answers strictly. Not a user agent: it follows
//! nothing, adds nothing, and forgives nothing.

use crate::socket::Socket;
use crate::text::latin1;
use crate::tls::TlsStream;
use crate::wait::PATIENCE;
use crate::wire::{Body, Field, Framing, Head, Wire, WireError};
use ringway_tls::{Connector, Facts};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

/// A final answer.
#[derive(Debug, Clone)]
pub struct Answer {
    /// `HTTP/1.1` or what stood there.
    pub version: String,
    /// Three digits.
    pub status: u16,
    /// Its head.
    pub head: Head,
    /// How its body was delimited.
    pub framing: Framing,
    /// Without the coding.
    pub body: Vec<u8>,
    /// Behind a chunked body.
    pub trailers: Vec<Field>,
    /// The interim answers that came before it.
    pub interim: Vec<(u16, Head)>,
}

impl Answer {
    /// The body as `latin1` text.
    pub fn text(&self) -> String {
        latin1(&self.body)
    }

    /// The first value of a field.
    pub fn field(&self, name: &str) -> Option<&str> {
        self.head.get(name)
    }

    /// Whether it says that the connection ends here.
    pub fn says_close(&self) -> bool {
        self.head.all("connection").iter().any(|value| {
            value
                .split(',')
                .any(|t| t.trim().eq_ignore_ascii_case("close"))
        })
    }
}

/// How a connection ended, with what came before that was not part of an answer taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// By FIN.
    Clean(Vec<u8>),
    /// By RST.
    Reset(Vec<u8>),
    /// It did not end in time.
    Open(Vec<u8>),
}

impl End {
    /// The bytes that came before the end.
    pub fn leftover(&self) -> &[u8] {
        match self {
            End::Clean(bytes) | End::Reset(bytes) | End::Open(bytes) => bytes,
        }
    }
}

/// One connection to the proxy.
pub struct Client {
    /// For what the methods here do not offer.
    pub wire: Wire,
}

impl Client {
    /// Connect, or fail the test.
    pub fn connect(address: SocketAddr) -> Client {
        Client::try_connect(address).unwrap_or_else(|e| panic!("cannot connect to {address}: {e}"))
    }

    /// Connect, or say why not.
    pub fn try_connect(address: SocketAddr) -> std::io::Result<Client> {
        let stream = TcpStream::connect_timeout(&address, Duration::from_secs(5))?;
        stream.set_nodelay(true)?;
        Ok(Client {
            wire: Wire::new(Socket::Tcp(stream)),
        })
    }

    /// How a connection ends on which the client says nothing. One that is reset at once may be so before `connect` has returned.
    pub fn end_of_connecting(address: SocketAddr) -> End {
        match Client::try_connect(address) {
            Ok(mut client) => client.end(),
            Err(e) if e.kind() == std::io::ErrorKind::ConnectionReset => End::Reset(Vec::new()),
            Err(e) => panic!("cannot connect to {address}: {e}"),
        }
    }

    /// Connect over a Unix socket, or say why not.
    pub fn try_connect_path(path: &std::path::Path) -> std::io::Result<Client> {
        Ok(Client {
            wire: Wire::new(Socket::Unix(std::os::unix::net::UnixStream::connect(path)?)),
        })
    }

    /// Connect by TLS, asking for `host`, or say why not.
    pub fn try_connect_tls(
        address: SocketAddr,
        connector: &Connector,
        host: &str,
    ) -> std::io::Result<Client> {
        let stream = TcpStream::connect_timeout(&address, Duration::from_secs(5))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let stream = TlsStream::connect(stream, connector, host)?;
        Ok(Client {
            wire: Wire::new(Socket::Tls(Box::new(stream))),
        })
    }

    /// Connect by TLS, asking for `localhost`, or fail the test.
    pub fn connect_tls(address: SocketAddr, connector: &Connector) -> Client {
        Client::try_connect_tls(address, connector, "localhost")
            .unwrap_or_else(|e| panic!("no TLS with {address}: {e}"))
    }

    /// What the handshake agreed on.
    pub fn tls(&self) -> &Facts {
        match self.wire.socket() {
            Socket::Tls(stream) => stream.facts(),
            _ => panic!("this client did not come by TLS"),
        }
    }

    /// Send bytes; a peer that is gone already fails the test.
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.wire
            .send(bytes.as_ref())
            .unwrap_or_else(|e| panic!("cannot send to the proxy: {e}"));
    }

    /// Send bytes to a peer that may be gone.
    pub fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> std::io::Result<()> {
        self.wire.send(bytes.as_ref())
    }

    /// Say that no more bytes will come (FIN) and go on reading.
    pub fn half_close(&self) {
        self.wire.socket().shutdown(Shutdown::Write);
    }

    /// Close by RST.
    pub fn reset(self) {
        self.wire.socket().reset_on_close();
    }

    /// The next head, interim or final.
    pub fn head(&mut self) -> Head {
        self.wire
            .head()
            .unwrap_or_else(|e| panic!("no response head: {e}"))
    }

    /// The next final answer to anything but HEAD.
    pub fn answer(&mut self) -> Answer {
        self.answer_to("GET")
    }

    /// The next final answer to a request of this method.
    pub fn answer_to(&mut self, method: &str) -> Answer {
        self.try_answer(method)
            .unwrap_or_else(|e| panic!("no answer: {e}"))
    }

    /// The next final answer, or why there is none.
    pub fn try_answer(&mut self, method: &str) -> Result<Answer, WireError> {
        let mut interim = Vec::new();
        loop {
            let head = self.wire.head()?;
            let (version, status) = status_line(&head.start)?;
            if (100..200).contains(&status) && status != 101 {
                interim.push((status, head));
                continue;
            }
            let framing = head.response_framing(status, method)?;
            let Body {
                bytes, trailers, ..
            } = self.wire.body(framing)?;
            return Ok(Answer {
                version,
                status,
                head,
                framing,
                body: bytes,
                trailers,
                interim,
            });
        }
    }

    /// Ask on this connection.
    pub fn ask(&mut self, request: impl AsRef<[u8]>) -> Answer {
        self.send(request);
        self.answer()
    }

    /// `GET path` on this connection, with the Host `test`.
    pub fn get(&mut self, path: &str) -> Answer {
        self.ask(format!("GET {path} HTTP/1.1\r\nHost: test\r\n\r\n"))
    }

    /// Read until the connection ends.
    pub fn end(&mut self) -> End {
        loop {
            match self.wire.fill() {
                Ok(0) => return End::Clean(self.wire.waiting().to_vec()),
                Ok(_) => {}
                Err(WireError::TimedOut(_)) => return End::Open(self.wire.waiting().to_vec()),
                Err(_) => return End::Reset(self.wire.waiting().to_vec()),
            }
        }
    }

    /// The connection ends, by FIN or RST, and nothing more comes before.
    pub fn expect_closed(&mut self) {
        match self.end() {
            End::Clean(rest) | End::Reset(rest) => assert!(
                rest.is_empty(),
                "bytes before the end: {}",
                crate::shown(&rest)
            ),
            End::Open(rest) => panic!("the connection stays open; read: {}", crate::shown(&rest)),
        }
    }
}

fn status_line(line: &str) -> Result<(String, u16), WireError> {
    let bad = || WireError::Malformed(format!("status line {line:?}"));
    let (version, rest) = line.split_once(' ').ok_or_else(bad)?;
    let digits = rest.get(..3).ok_or_else(bad)?;
    let good = version == "HTTP/1.1"
        && digits.bytes().all(|b| b.is_ascii_digit())
        && matches!(rest.as_bytes().get(3), None | Some(b' '));
    let status: u16 = digits.parse().map_err(|_| bad())?;
    if good && (100..600).contains(&status) {
        Ok((version.to_owned(), status))
    } else {
        Err(bad())
    }
}

/// Ask once on a connection of its own.
pub fn ask(address: SocketAddr, request: impl AsRef<[u8]>) -> Answer {
    Client::connect(address).ask(request)
}

/// `GET path` once on a connection of its own, with the Host `test`.
pub fn get(address: SocketAddr, path: &str) -> Answer {
    Client::connect(address).get(path)
}
