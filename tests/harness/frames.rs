//! A client of HTTP/2, or a server, that sends frames octet by octet, as no library would, and reads what comes back. It knows no streams and no state; header blocks
//! it writes are literals, and of those that come it reads a status of the static table.

use crate::socket::Socket;
use crate::tls::TlsStream;
use crate::wait::PATIENCE;
use ringway_tls::Connector;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

/// What a connection begins with.
pub const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Types of frames.
pub mod kind {
    #![allow(missing_docs, reason = "each is the name of its frame")]
    pub const DATA: u8 = 0;
    pub const HEADERS: u8 = 1;
    pub const PRIORITY: u8 = 2;
    pub const RST_STREAM: u8 = 3;
    pub const SETTINGS: u8 = 4;
    pub const PUSH_PROMISE: u8 = 5;
    pub const PING: u8 = 6;
    pub const GOAWAY: u8 = 7;
    pub const WINDOW_UPDATE: u8 = 8;
    pub const CONTINUATION: u8 = 9;
}

/// Flags: END_STREAM, and ACK of SETTINGS and PING.
pub const END_STREAM: u8 = 0x1;
/// The last frame of a header block.
pub const END_HEADERS: u8 = 0x4;

/// Codes of errors.
pub mod code {
    #![allow(missing_docs, reason = "each is the name of its code")]
    pub const NO_ERROR: u32 = 0;
    pub const PROTOCOL_ERROR: u32 = 1;
    pub const INTERNAL_ERROR: u32 = 2;
    pub const FLOW_CONTROL_ERROR: u32 = 3;
    pub const STREAM_CLOSED: u32 = 5;
    pub const FRAME_SIZE_ERROR: u32 = 6;
    pub const REFUSED_STREAM: u32 = 7;
    pub const COMPRESSION_ERROR: u32 = 9;
    pub const ENHANCE_YOUR_CALM: u32 = 11;
}

/// A frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// One of [`kind`].
    pub kind: u8,
    /// As it came.
    pub flags: u8,
    /// 0: of the connection.
    pub stream: u32,
    /// Without the frame's head.
    pub payload: Vec<u8>,
}

impl Frame {
    /// The error code of RST_STREAM or GOAWAY.
    pub fn code(&self) -> Option<u32> {
        let at = match self.kind {
            kind::RST_STREAM => 0,
            kind::GOAWAY => 4,
            _ => return None,
        };
        let code = self.payload.get(at..at + 4)?;
        Some(u32::from_be_bytes(code.try_into().ok()?))
    }

    /// The status of a response whose block begins with one of the static table.
    pub fn status(&self) -> Option<u16> {
        match (self.kind, self.payload.first()) {
            (kind::HEADERS, Some(0x88)) => Some(200),
            (kind::HEADERS, Some(0x89)) => Some(204),
            (kind::HEADERS, Some(0x8c)) => Some(400),
            (kind::HEADERS, Some(0x8d)) => Some(404),
            (kind::HEADERS, Some(0x8e)) => Some(500),
            _ => None,
        }
    }
}

/// The octets of a frame.
pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("a short frame");
    let mut octets = length.to_be_bytes()[1..].to_vec();
    octets.extend([kind, flags]);
    octets.extend(stream.to_be_bytes());
    octets.extend(payload);
    octets
}

/// A field as a literal that is not indexed, without Huffman coding.
pub fn literal(name: &[u8], value: &[u8]) -> Vec<u8> {
    let mut block = vec![0];
    for text in [name, value] {
        match text.len() {
            short @ 0..127 => block.push(short as u8),
            long => {
                block.push(127);
                let mut rest = long - 127;
                while rest >= 128 {
                    block.push((rest % 128) as u8 | 128);
                    rest /= 128;
                }
                block.push(rest as u8);
            }
        }
        block.extend(text);
    }
    block
}

/// A block of fields, in order; pseudo-fields too.
pub fn block(fields: &[(&str, &str)]) -> Vec<u8> {
    let literals = fields.iter();
    literals
        .flat_map(|(name, value)| literal(name.as_bytes(), value.as_bytes()))
        .collect()
}

/// The pseudo-fields of `GET path` at `test`, and these fields.
pub fn get_block(path: &str, fields: &[(&str, &str)]) -> Vec<u8> {
    let pseudo = [
        (":method", "GET"),
        (":scheme", "http"),
        (":path", path),
        (":authority", "test"),
    ];
    block(&[&pseudo, fields].concat())
}

fn listed(settings: &[(u16, u32)]) -> Vec<u8> {
    let pairs = settings.iter();
    pairs
        .flat_map(|(id, value)| [&id.to_be_bytes()[..], &value.to_be_bytes()].concat())
        .collect()
}

/// A connection.
pub struct Frames {
    socket: Socket,
    buffer: Vec<u8>,
}

impl Frames {
    /// Connect and send nothing.
    pub fn bare(address: SocketAddr) -> Frames {
        let socket = TcpStream::connect(address).expect("the proxy listens");
        Frames::over(socket)
    }

    /// Over a connection that stands, for those with options of their own.
    pub fn over(socket: TcpStream) -> Frames {
        socket.set_nodelay(true).expect("TCP_NODELAY");
        let frames = Frames {
            socket: Socket::Tcp(socket),
            buffer: Vec::new(),
        };
        frames.socket.set_timeout(PATIENCE);
        frames
    }

    /// The other side of it: take a client's preface and SETTINGS on a connection that it has opened, and send ours.
    pub fn serve(socket: TcpStream) -> Frames {
        Frames::serve_with(socket, &[])
    }

    /// The same with these SETTINGS.
    pub fn serve_with(socket: TcpStream, settings: &[(u16, u32)]) -> Frames {
        let mut frames = Frames::over(socket);
        let preface = frames.take(PREFACE.len()).expect("a preface");
        assert_eq!(preface, PREFACE);
        let first = frames.read().expect("SETTINGS of the client");
        assert_eq!((first.kind, first.flags), (kind::SETTINGS, 0), "{first:?}");
        frames.send(kind::SETTINGS, 0, 0, &listed(settings));
        frames.send(kind::SETTINGS, END_STREAM, 0, &[]);
        frames
    }

    /// Connect by TLS to `localhost` and send nothing. The connector names the protocols.
    pub fn bare_tls(address: SocketAddr, connector: &Connector) -> Frames {
        let Frames { socket, buffer } = Frames::bare(address);
        let Socket::Tcp(socket) = socket else {
            unreachable!("it is made of TCP");
        };
        let stream = TlsStream::connect(socket, connector, "localhost");
        let stream = stream.unwrap_or_else(|e| panic!("no TLS with {address}: {e}"));
        Frames {
            socket: Socket::Tls(Box::new(stream)),
            buffer,
        }
    }

    /// Connect, send the preface and these SETTINGS, and acknowledge the other side's.
    pub fn connect(address: SocketAddr, settings: &[(u16, u32)]) -> Frames {
        let mut frames = Frames::bare(address);
        frames.begin(settings);
        frames
    }

    /// The same on a connection that stands.
    pub fn begin(&mut self, settings: &[(u16, u32)]) {
        let first = frame(kind::SETTINGS, 0, 0, &listed(settings));
        self.send_octets(&[PREFACE, &first].concat());
        let first = self.read().expect("SETTINGS of the proxy");
        assert_eq!((first.kind, first.flags), (kind::SETTINGS, 0), "{first:?}");
        self.send(kind::SETTINGS, END_STREAM, 0, &[]);
    }

    /// Send octets as they are.
    pub fn send_octets(&mut self, octets: &[u8]) {
        self.try_send_octets(octets)
            .unwrap_or_else(|e| panic!("cannot send to the proxy: {e}"));
    }

    /// The same to a peer that may be gone.
    pub fn try_send_octets(&mut self, octets: &[u8]) -> std::io::Result<()> {
        self.socket.write_all(octets)
    }

    /// Send a frame.
    pub fn send(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        self.send_octets(&frame(kind, flags, stream, payload));
    }

    /// Ask for a path without a body.
    pub fn get(&mut self, stream: u32, path: &str) {
        let block = get_block(path, &[]);
        self.send(kind::HEADERS, END_STREAM | END_HEADERS, stream, &block);
    }

    /// The next frame; None at the end of the connection, be it orderly or not.
    pub fn read(&mut self) -> Option<Frame> {
        let head = self.take(9)?;
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
        let payload = self.take(length as usize)?;
        Some(Frame {
            kind: head[3],
            flags: head[4],
            stream,
            payload,
        })
    }

    /// Wait until all that was sent has been taken in. An error is the end of the connection, with what its GOAWAY said.
    pub fn sync(&mut self) -> Result<(), Option<u32>> {
        let mut said = None;
        if self
            .try_send_octets(&frame(kind::PING, 0, 0, b"are you?"))
            .is_ok()
        {
            while let Some(frame) = self.read() {
                if frame.kind == kind::PING && frame.flags == 1 && frame.payload == b"are you?" {
                    return Ok(());
                }
                said = said.or(frame.code().filter(|_| frame.kind == kind::GOAWAY));
            }
        }
        let rest = self.rest();
        let later = rest.iter().filter(|f| f.kind == kind::GOAWAY);
        Err(said.or(later.filter_map(Frame::code).next()))
    }

    /// Frames up to the one that is wanted; panics if the connection ends before.
    pub fn until(&mut self, what: &str, wanted: impl Fn(&Frame) -> bool) -> Frame {
        let mut seen = Vec::new();
        while let Some(frame) = self.read() {
            if wanted(&frame) {
                return frame;
            }
            seen.push((frame.kind, frame.stream, frame.code()));
        }
        panic!("the connection ended without {what}; there were {seen:?}");
    }

    /// Whatever comes up to the end of the connection.
    pub fn rest(&mut self) -> Vec<Frame> {
        std::iter::from_fn(|| self.read()).collect()
    }

    /// The connection still answers.
    pub fn expect_alive(&mut self) {
        self.send(kind::PING, 0, 0, b"are you?");
        self.until("the answer to a PING", |f| {
            f.kind == kind::PING && f.flags == 1 && f.payload == b"are you?"
        });
    }

    /// Nothing more will be sent.
    pub fn half_close(&self) {
        self.socket.shutdown(std::net::Shutdown::Write);
    }

    fn take(&mut self, n: usize) -> Option<Vec<u8>> {
        let mut piece = [0; 16 * 1024];
        while self.buffer.len() < n {
            match self.socket.read(&mut piece) {
                Ok(0) => return None,
                Ok(read) => self.buffer.extend(&piece[..read]),
                Err(error)
                    if matches!(
                        error.kind(),
                        std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut
                    ) =>
                {
                    panic!("no frame in {PATIENCE:?}")
                }
                Err(_) => return None,
            }
        }
        let rest = self.buffer.split_off(n);
        Some(std::mem::replace(&mut self.buffer, rest))
    }
}
