//! End to end: the real binary between scripted clients and origins, one module for each thing that users see. Every
//! test runs on both drivers. What a malformed byte does is in `golden/`, what a dying peer under load does in `faults/`.
#![forbid(unsafe_code)]

mod access_log;
mod admin;
mod announced;
mod bodies;
mod bulk;
mod certificates;
mod clients;
mod connections;
mod detect;
mod discretion;
mod golden;
mod goodbye;
mod grpc;
mod grpc_answers;
mod grpc_web;
mod grpc_web_answers;
mod http2;
mod http2_floods;
mod http2_frames;
mod http2_noise;
mod http2_servers;
mod http2_turns;
mod http2_upstreams;
mod limits;
mod passthrough;
mod patience;
mod places;
mod programs;
mod proxied;
mod proxied_peers;
mod reload;
mod reload_files;
mod retries;
mod rewriting;
mod routing;
mod splitting;
mod spread;
mod starvation;
mod stop;
mod stopping;
mod streaming;
mod tcp;
mod terms;
mod timeouts;
mod tls;
mod udp;
mod unix;
mod upgrade;
mod upstreams;
mod websocket;
mod websocket_peers;

use ringway_tests::PATIENCE;
use socket2::{Domain, Type};
use std::net::{SocketAddr, TcpStream};

/// A listener `web` on a free port, with more lines of its own.
pub(crate) fn web(more: &str) -> String {
    format!("[listeners.web]\nbind = \"127.0.0.1:0\"\n{more}\n")
}

/// A connection to the proxy that takes in few bytes ahead of its reader.
pub(crate) fn narrow(address: SocketAddr, bytes: usize) -> TcpStream {
    let socket = socket2::Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    // Before connecting: the window that is offered comes from it.
    socket.set_recv_buffer_size(bytes).expect("SO_RCVBUF");
    socket.connect(&address.into()).expect("the proxy listens");
    let stream = TcpStream::from(socket);
    stream.set_nodelay(true).expect("TCP_NODELAY");
    stream
        .set_read_timeout(Some(PATIENCE))
        .expect("a time for reads");
    stream
}

/// A request with these field lines (each ends with CRLF) and the Host `test`.
pub(crate) fn request(method: &str, target: &str, fields: &str) -> String {
    format!("{method} {target} HTTP/1.1\r\nHost: test\r\n{fields}\r\n")
}
