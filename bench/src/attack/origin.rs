//! The origin behind an attack: answers by path, and counts. `/big` has 1 MiB, `/hold` is never answered, a body is read before its answer, all else is `ok`.

use std::io::{self, BufRead};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Octets of a large answer.
const BIG: usize = 1 << 20;
static BODY: [u8; BIG] = [b'a'; BIG];
/// Of what is sent in one go.
const PIECE: usize = 16 * 1024;

/// Of each connection: an answer that nobody takes is to wait here, and not by the megabyte in the memory of the kernel that the proxy and the bystander have too.
const SEND_BUFFER: u32 = 64 * 1024;

/// Requests that it has seen.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub(super) struct Asked {
    pub(super) requests: u64,
}

/// Serve until standard input ends; each line of it asks for the counts. By HTTP/2, or by HTTP/1.1.
pub(crate) fn serve(speaks: &str) -> io::Result<()> {
    let http2 = speaks == super::HTTP2;
    let asked = Arc::new(AtomicU64::new(0));
    let counts = asked.clone();
    let (tell, told) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        let served = runtime.and_then(|r| r.block_on(accept(http2, counts, tell)));
        if let Err(e) = served {
            eprintln!("ringway-bench: origin: {e}");
            std::process::exit(1);
        }
    });
    let address: SocketAddr = told.recv().map_err(io::Error::other)?;
    super::say(&address.to_string())?;
    for line in io::stdin().lock().lines() {
        line?;
        let asked = Asked {
            requests: asked.load(Relaxed),
        };
        super::say(&serde_json::to_string(&asked)?)?;
    }
    Ok(())
}

async fn accept(
    http2: bool,
    asked: Arc<AtomicU64>,
    tell: std::sync::mpsc::Sender<SocketAddr>,
) -> io::Result<()> {
    let socket = tokio::net::TcpSocket::new_v4()?;
    socket.set_send_buffer_size(SEND_BUFFER)?;
    socket.bind((Ipv4Addr::LOCALHOST, 0).into())?;
    let listener: TcpListener = socket.listen(4096)?;
    tell.send(listener.local_addr()?)
        .map_err(io::Error::other)?;
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let asked = asked.clone();
        tokio::spawn(async move {
            // A connection that breaks is the proxy's affair.
            let _ = match http2 {
                true => serve_http2(stream, asked).await.map_err(io::Error::other),
                false => serve_http1(stream, asked).await,
            };
        });
    }
}

async fn serve_http1(mut stream: TcpStream, asked: Arc<AtomicU64>) -> io::Result<()> {
    let mut received = Vec::new();
    loop {
        let end = loop {
            if let Some(at) = memchr::memmem::find(&received, b"\r\n\r\n") {
                break at + 4;
            }
            if stream.read_buf(&mut received).await? == 0 {
                return Ok(());
            }
        };
        let head: Vec<u8> = received.drain(..end).collect();
        let head = String::from_utf8_lossy(&head).to_lowercase();
        let path = head.split(' ').nth(1).unwrap_or_default();
        asked.fetch_add(1, Relaxed);
        if path == "/hold" {
            std::future::pending::<()>().await;
        }
        if head.contains("transfer-encoding: chunked") {
            while memchr::memmem::find(&received, b"0\r\n\r\n").is_none() {
                received.clear();
                if stream.read_buf(&mut received).await? == 0 {
                    return Ok(());
                }
            }
            received.clear();
        }
        let body: &[u8] = if path == "/big" { &BODY } else { b"ok" };
        let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len());
        match body.len() {
            BIG => {
                stream.write_all(answer.as_bytes()).await?;
                // A large write would hold the CPU until it is done, whoever waits for that.
                for piece in body.chunks(PIECE) {
                    stream.write_all(piece).await?;
                }
            }
            _ => {
                let whole = [answer.as_bytes(), body].concat();
                stream.write_all(&whole).await?;
            }
        }
    }
}

async fn serve_http2(stream: TcpStream, asked: Arc<AtomicU64>) -> Result<(), h2::Error> {
    let mut builder = h2::server::Builder::new();
    builder
        .max_concurrent_streams(100)
        .initial_window_size(1 << 20);
    let mut connection = builder.handshake::<_, Bytes>(stream).await?;
    while let Some(request) = connection.accept().await {
        let (request, mut respond) = request?;
        asked.fetch_add(1, Relaxed);
        tokio::spawn(async move {
            let path = request.uri().path().to_owned();
            if path == "/hold" {
                std::future::pending::<()>().await;
            }
            let mut upload = request.into_body();
            while let Some(Ok(piece)) = upload.data().await {
                let _ = upload.flow_control().release_capacity(piece.len());
            }
            let mut stream = respond.send_response(http::Response::new(()), false)?;
            if path != "/big" {
                return stream.send_data(Bytes::from_static(b"ok"), true);
            }
            let mut left = BIG;
            while left > 0 {
                stream.reserve_capacity(left.min(PIECE));
                let Some(n) = std::future::poll_fn(|cx| stream.poll_capacity(cx)).await else {
                    break;
                };
                let n = n?.min(left);
                left -= n;
                stream.send_data(
                    Bytes::from_static(&[b'a'; PIECE]).slice(..n.min(PIECE)),
                    left == 0,
                )?;
            }
            Ok::<(), h2::Error>(())
        });
    }
    Ok(())
}
