//! An origin in a process of its own, for tests that kill, stop and restart one: `ringway-tests-origin ADDRESS BODY`
//! answers every request with 200 and the body, and says `ready ADDRESS` on stderr when it listens. Not scripted.
#![forbid(unsafe_code)]

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};

fn main() -> std::io::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let address = arguments.next().unwrap_or_else(|| "127.0.0.1:0".into());
    let body = arguments.next().unwrap_or_else(|| "hello".into());
    // std sets SO_REUSEADDR, so that a restart finds its port free.
    let listener = TcpListener::bind(address)?;
    eprintln!("ready {}", listener.local_addr()?);
    for stream in listener.incoming() {
        let (stream, body) = (stream?, body.clone());
        std::thread::spawn(move || serve(stream, &body));
    }
    Ok(())
}

/// Requests without bodies only; a head may come in pieces, and several at once.
fn serve(mut stream: TcpStream, body: &str) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let answer = format!(
        "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let (mut seen, mut piece) = (Vec::new(), [0_u8; 4096]);
    loop {
        match stream.read(&mut piece)? {
            0 => return Ok(()),
            n => seen.extend_from_slice(&piece[..n]),
        }
        while let Some(end) = seen.windows(4).position(|four| four == b"\r\n\r\n") {
            seen.drain(..end + 4);
            stream.write_all(answer.as_bytes())?;
        }
    }
}
