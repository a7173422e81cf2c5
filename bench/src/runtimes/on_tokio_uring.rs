//! The subject on tokio-uring.

use std::cell::RefCell;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;

use tokio_uring::buf::BoundedBuf;
use tokio_uring::net::{TcpListener, TcpStream};

use super::{Kind, ready, wire};

type Pool = Rc<RefCell<Vec<TcpStream>>>;

/// Serve until the process ends.
pub(crate) fn serve(kind: Kind, origin: SocketAddr) -> io::Result<()> {
    tokio_uring::start(accept(kind, origin))
}

async fn accept(kind: Kind, origin: SocketAddr) -> io::Result<()> {
    let listener = TcpListener::bind(super::ANY)?;
    ready(listener.local_addr()?);
    let pool = Pool::default();
    loop {
        let (client, _) = listener.accept().await?;
        client.set_nodelay(true)?;
        let pool = pool.clone();
        tokio_uring::spawn(async move {
            match kind {
                Kind::Relay => relay(client, origin).await,
                Kind::Http => forward(client, origin, pool).await,
            }
        });
    }
}

async fn connect(origin: SocketAddr) -> io::Result<TcpStream> {
    let upstream = TcpStream::connect(origin).await?;
    upstream.set_nodelay(true)?;
    Ok(upstream)
}

async fn relay(client: TcpStream, origin: SocketAddr) -> io::Result<()> {
    let client = Rc::new(client);
    let upstream = Rc::new(connect(origin).await?);
    tokio_uring::spawn(copy(upstream.clone(), client.clone()));
    copy(client, upstream).await
}

async fn copy(from: Rc<TcpStream>, to: Rc<TcpStream>) -> io::Result<()> {
    let mut buf = Vec::with_capacity(wire::READ);
    loop {
        let (read, back) = from.read(buf).await;
        if read? == 0 {
            return to.shutdown(std::net::Shutdown::Write);
        }
        buf = write(&to, back).await?;
    }
}

async fn forward(client: TcpStream, origin: SocketAddr, pool: Pool) -> io::Result<()> {
    let mut buf = Vec::with_capacity(wire::READ);
    let mut left;
    loop {
        (left, buf) = head(&client, buf).await?;
        if left.is_none() {
            return Ok(());
        }
        let pooled = pool.borrow_mut().pop();
        let upstream = match pooled {
            Some(upstream) => upstream,
            None => connect(origin).await?,
        };
        buf = write(&upstream, buf).await?;
        (left, buf) = head(&upstream, buf).await?;
        let mut left = left.ok_or_else(wire::cut)?;
        buf = write(&client, buf).await?;
        while left > 0 {
            buf.clear();
            let (read, back) = upstream.read(buf).await;
            let n = read?;
            if n == 0 {
                return Err(wire::cut());
            }
            left = left.saturating_sub(n as u64);
            buf = write(&client, back).await?;
        }
        pool.borrow_mut().push(upstream);
    }
}

async fn write(to: &TcpStream, buf: Vec<u8>) -> io::Result<Vec<u8>> {
    let (written, buf) = to.write_all(buf).await;
    written.map(|()| buf)
}

/// Read until a head is complete; how many bytes of its message are still to come.
async fn head(from: &TcpStream, mut buf: Vec<u8>) -> io::Result<(Option<u64>, Vec<u8>)> {
    buf.clear();
    loop {
        let at = buf.len();
        let (read, back) = from.read(buf.slice(at..)).await;
        buf = back.into_inner();
        if read? == 0 {
            return Ok((None, buf));
        }
        if let Some(left) = wire::missing(&buf)? {
            return Ok((Some(left), buf));
        }
    }
}
