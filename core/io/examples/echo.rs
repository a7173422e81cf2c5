//! An echo server on one worker, or a fixed HTTP answer per received buffer (`--http`), for measuring with any load tool.
//!
//! `cargo run --release -p ringway-io --example echo -- [--epoll] [--http] [--cpu N] [ADDRESS]`

use std::net::TcpListener;

use ringway_io::{DriverChoice, Listener, Stream, WorkerOptions, driver, run, spawn};

const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

async fn serve(s: Stream, http: bool) -> std::io::Result<()> {
    while let Some(buf) = s.recv().await? {
        let _ = if http { s.queue(ANSWER) } else { s.queue(buf) };
        s.flush().await?;
    }
    Ok(())
}

fn main() -> std::io::Result<()> {
    let mut options = WorkerOptions::default();
    let mut address = "127.0.0.1:7777".to_owned();
    let mut http = false;
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--epoll" => options.driver = DriverChoice::Epoll,
            "--http" => http = true,
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
                let _ = serve(s, http).await;
            });
        }
    })
}
