//! A connected stream, TCP or Unix, with the few things that tests do to one. Not more than std and socket2 offer.

use crate::tls::TlsStream;
use socket2::SockRef;
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::unix::net::UnixStream;
use std::time::Duration;

/// One connected stream.
pub enum Socket {
    /// Over IP.
    Tcp(TcpStream),
    /// Over a path.
    Unix(UnixStream),
    /// Encrypted, over IP.
    Tls(Box<TlsStream>),
}

impl Socket {
    /// The longest that a read or a write may take.
    pub fn set_timeout(&self, limit: Duration) {
        let set = match self {
            Socket::Tcp(s) => s
                .set_read_timeout(Some(limit))
                .and_then(|()| s.set_write_timeout(Some(limit))),
            Socket::Unix(s) => s
                .set_read_timeout(Some(limit))
                .and_then(|()| s.set_write_timeout(Some(limit))),
            Socket::Tls(s) => s
                .socket
                .set_read_timeout(Some(limit))
                .and_then(|()| s.socket.set_write_timeout(Some(limit))),
        };
        set.expect("a non-zero timeout can be set on a socket");
    }

    /// Another name of the same socket; of what is below where it is encrypted.
    pub fn again(&self) -> io::Result<Socket> {
        Ok(match self {
            Socket::Tcp(s) => Socket::Tcp(s.try_clone()?),
            Socket::Unix(s) => Socket::Unix(s.try_clone()?),
            Socket::Tls(s) => Socket::Tcp(s.socket.try_clone()?),
        })
    }

    /// Close one or both directions; a socket that is gone already is fine.
    pub fn shutdown(&self, how: Shutdown) {
        let _ = match self {
            Socket::Tcp(s) => s.shutdown(how),
            Socket::Unix(s) => s.shutdown(how),
            Socket::Tls(s) => s.socket.shutdown(how),
        };
    }

    /// Make the coming close a reset: SO_LINGER with zero seconds.
    pub fn reset_on_close(&self) {
        if let Socket::Tcp(s) = self {
            SockRef::from(s)
                .set_linger(Some(Duration::ZERO))
                .expect("SO_LINGER can be set");
        }
    }

    /// Keep the kernel from taking in much on our behalf.
    pub fn small_receive_buffer(&self, bytes: usize) {
        if let Socket::Tcp(s) = self {
            SockRef::from(s)
                .set_recv_buffer_size(bytes)
                .expect("SO_RCVBUF can be set");
        }
    }
}

impl Read for Socket {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match self {
            Socket::Tcp(s) => s.read(into),
            Socket::Unix(s) => s.read(into),
            Socket::Tls(s) => s.read(into),
        }
    }
}

impl Write for Socket {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Socket::Tcp(s) => s.write(bytes),
            Socket::Unix(s) => s.write(bytes),
            Socket::Tls(s) => s.write(bytes),
        }
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
