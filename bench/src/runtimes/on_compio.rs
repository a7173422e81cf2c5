//! The subject on compio, which takes io_uring where it can.

use std::cell::RefCell;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;

use compio::buf::{BufResult, IntoInner, IoBuf};
use compio::io::util::copy_with_size;
use compio::io::{AsyncRead, AsyncWriteExt};
use compio::net::{TcpListener, TcpStream};
use compio::runtime::Runtime;

use super::{Kind, ready, wire};

type Pool = Rc<RefCell<Vec<TcpStream>>>;

/// Serve until the process ends.
pub(crate) fn serve(kind: Kind, origin: SocketAddr) -> io::Result<()> {
    Runtime::new()?.block_on(accept(kind, origin))
}

async fn accept(kind: Kind, origin: SocketAddr) -> io::Result<()> {
    let listener = TcpListener::bind(super::ANY).await?;
    ready(listener.local_addr()?);
    let pool = Pool::default();
    loop {
        let (client, _) = listener.accept().await?;
        client.set_nodelay(true)?;
        let pool = pool.clone();
        compio::runtime::spawn(async move {
            match kind {
                Kind::Relay => relay(client, origin).await,
                Kind::Http => forward(client, origin, pool).await,
            }
        })
        .detach();
    }
}

async fn connect(origin: SocketAddr) -> io::Result<TcpStream> {
    let upstream = TcpStream::connect(origin).await?;
    upstream.set_nodelay(true)?;
    Ok(upstream)
}

async fn relay(client: TcpStream, origin: SocketAddr) -> io::Result<()> {
    let upstream = connect(origin).await?;
    let (mut client_reads, mut client_writes) = client.into_split();
    let (mut upstream_reads, mut upstream_writes) = upstream.into_split();
    compio::runtime::spawn(async move {
        copy_with_size(&mut upstream_reads, &mut client_writes, wire::READ).await
    })
    .detach();
    copy_with_size(&mut client_reads, &mut upstream_writes, wire::READ).await?;
    Ok(())
}

async fn forward(mut client: TcpStream, origin: SocketAddr, pool: Pool) -> io::Result<()> {
    let mut buf = Vec::with_capacity(wire::READ);
    let mut left;
    loop {
        (left, buf) = head(&mut client, buf).await?;
        if left.is_none() {
            return Ok(());
        }
        let pooled = pool.borrow_mut().pop();
        let mut upstream = match pooled {
            Some(upstream) => upstream,
            None => connect(origin).await?,
        };
        buf = write(&mut upstream, buf).await?;
        (left, buf) = head(&mut upstream, buf).await?;
        let mut left = left.ok_or_else(wire::cut)?;
        buf = write(&mut client, buf).await?;
        while left > 0 {
            buf.clear();
            let BufResult(read, back) = upstream.read(buf).await;
            let n = read?;
            if n == 0 {
                return Err(wire::cut());
            }
            left = left.saturating_sub(n as u64);
            buf = write(&mut client, back).await?;
        }
        pool.borrow_mut().push(upstream);
    }
}

async fn write(to: &mut TcpStream, buf: Vec<u8>) -> io::Result<Vec<u8>> {
    let BufResult(written, buf) = to.write_all(buf).await;
    written.map(|()| buf)
}

/// Read until a head is complete; how many bytes of its message are still to come.
async fn head(from: &mut TcpStream, mut buf: Vec<u8>) -> io::Result<(Option<u64>, Vec<u8>)> {
    buf.clear();
    loop {
        let at = buf.len();
        let BufResult(read, back) = from.read(buf.slice(at..)).await;
        buf = back.into_inner();
        if read? == 0 {
            return Ok((None, buf));
        }
        if let Some(left) = wire::missing(&buf)? {
            return Ok((Some(left), buf));
        }
    }
}
