//! An echo server on one worker, a fixed HTTP answer per received buffer (`--http`), or a tunnel (`--to ADDRESS`), for measuring
//! with any load tool.
//!
//! `cargo run --release -p ringway-io --example echo -- [--epoll] [--http | --to ADDRESS] [--cpu N] [ADDRESS]`

use std::cell::Cell;
use std::net::{SocketAddr, TcpListener};

use ringway_io::{DriverChoice, Listener, Stream, WorkerOptions, dial, driver, run, spawn, tunnel};

const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

async fn serve(s: Stream, http: bool) -> std::io::Result<()> {
    while let Some(buf) = s.recv().await? {
        let _ = if http { s.queue(ANSWER) } else { s.queue(buf) };
        s.flush().await?;
    }
    Ok(())
}

async fn relay(s: Stream, to: SocketAddr) -> std::io::Result<()> {
    let upstream = dial(&to.into(), 1000).await?;
    tunnel(&s, &upstream, 60_000, &Cell::new(0), &Cell::new(0)).await
}

fn main() -> std::io::Result<()> {
    let mut options = WorkerOptions::default();
    let mut address = "127.0.0.1:7777".to_owned();
    let mut http = false;
    let mut to = None;
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--epoll" => options.driver = DriverChoice::Epoll,
            "--http" => http = true,
            "--to" => to = args.next().and_then(|a| a.parse().ok()),
            "--cpu" => options.cpu = args.next().and_then(|n| n.parse().ok()),
            _ => address = arg,
        }
    }
    let listener = TcpListener::bind(address)?;
    run(options, || async move {
        let listener = match Listener::from_std(listener) {
            Ok(listener) => listener,
            Err(e) => return eprintln!("{e}"),
        };
        eprintln!("{:?} at {:?}", driver(), listener.local_addr());
        while let Ok(s) = listener.accept().await {
            spawn(async move {
                let _ = match to {
                    Some(to) => relay(s, to).await,
                    None => serve(s, http).await,
                };
            });
        }
    })
}
