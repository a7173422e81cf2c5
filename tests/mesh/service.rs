//! Services and their clients that know nothing of a proxy: one that speaks HTTP, one that speaks something else. Each tells its client who it
//! takes it for.

use crate::namespace::Namespace;
use ringway_tests::{Answer, Client};
use socket2::SockRef;
use std::io::{BufRead, BufReader, Write};
use std::net::{IpAddr, Shutdown, SocketAddr, TcpListener, TcpStream};

/// A service on a port of all addresses of a namespace; ends with the test.
pub(crate) struct Service(TcpListener);

impl Service {
    /// Answers each request with what it was asked: client, Host, Via.
    pub(crate) fn http(inside: &Namespace, port: u16) -> Service {
        Service::start(inside, port, |stream| {
            let client = client(&stream);
            let mut lines = BufReader::new(stream.try_clone().expect("a second name")).lines();
            let (mut host, mut via) = (String::new(), Vec::new());
            while let Some(Ok(line)) = lines.next() {
                if let Some((name, value)) = line.split_once(": ") {
                    match name.to_ascii_lowercase().as_str() {
                        "host" => host = value.to_owned(),
                        "via" => via.push(value.to_owned()),
                        _ => {}
                    }
                }
                if line.is_empty() {
                    let body = format!("client {client}, host {host}, via {}", via.join(", "));
                    via.clear();
                    let answer = format!(
                        "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}",
                        body.len()
                    );
                    if (&stream).write_all(answer.as_bytes()).is_err() {
                        return;
                    }
                }
            }
        })
    }

    /// Speaks first (`client IP`), then sends each line back.
    pub(crate) fn lines(inside: &Namespace, port: u16) -> Service {
        Service::start(inside, port, |mut stream| {
            let mut said = writeln!(stream, "client {}", client(&stream));
            let lines = BufReader::new(stream.try_clone().expect("a second name")).lines();
            for line in lines.map_while(Result::ok) {
                said = said.and_then(|()| writeln!(stream, "{line}"));
            }
        })
    }

    fn start(inside: &Namespace, port: u16, serve: fn(TcpStream)) -> Service {
        inside.enter(|| {
            let listener =
                TcpListener::bind(("::", port)).expect("a free port of its own namespace");
            let accepting = listener.try_clone().expect("a second name");
            std::thread::spawn(move || {
                while let Ok((stream, _)) = accepting.accept() {
                    std::thread::spawn(move || serve(stream));
                }
            });
            Service(listener)
        })
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // Whoever accepts is woken, and ends.
        let _ = SockRef::from(&self.0).shutdown(Shutdown::Both);
    }
}

fn client(stream: &TcpStream) -> IpAddr {
    stream
        .peer_addr()
        .map_or(IpAddr::from([0, 0, 0, 0]), |a| a.ip().to_canonical())
}

/// A client inside connects.
pub(crate) fn connect(inside: &Namespace, to: &str) -> Client {
    let to: SocketAddr = to.parse().expect("an address");
    inside.enter(|| Client::connect(to))
}

/// A client inside asks by HTTP, with this Host.
pub(crate) fn ask(inside: &Namespace, to: &str, host: &str) -> Answer {
    connect(inside, to).ask(format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n"))
}

/// A client inside talks to a service of lines; who that takes it for.
pub(crate) fn talk(inside: &Namespace, to: &str) -> String {
    let mut client = connect(inside, to);
    let mut line = || {
        let mut line = Vec::new();
        while line.last() != Some(&b'\n') {
            line.extend(client.wire.take(1).expect("a line of the service"));
        }
        String::from_utf8_lossy(&line).trim_end().to_owned()
    };
    let greeting = line();
    client.send("hello\n");
    let echo = client.wire.take(6).expect("the echo");
    assert_eq!(echo, b"hello\n");
    greeting
}
