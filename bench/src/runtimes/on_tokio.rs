//! The subject on tokio, one thread.

use std::cell::RefCell;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;

use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional_with_sizes};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::LocalSet;

use super::{Kind, ready, wire};

type Pool = Rc<RefCell<Vec<TcpStream>>>;

/// Serve until the process ends.
pub(crate) fn serve(kind: Kind, origin: SocketAddr) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()?;
    LocalSet::new().block_on(&runtime, accept(kind, origin))
}

async fn accept(kind: Kind, origin: SocketAddr) -> io::Result<()> {
    let listener = TcpListener::bind(super::ANY).await?;
    ready(listener.local_addr()?);
    let pool = Pool::default();
    loop {
        let (client, _) = listener.accept().await?;
        client.set_nodelay(true)?;
        let pool = pool.clone();
        tokio::task::spawn_local(async move {
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

async fn relay(mut client: TcpStream, origin: SocketAddr) -> io::Result<()> {
    let mut upstream = connect(origin).await?;
    copy_bidirectional_with_sizes(&mut client, &mut upstream, wire::READ, wire::READ).await?;
    Ok(())
}

async fn forward(mut client: TcpStream, origin: SocketAddr, pool: Pool) -> io::Result<()> {
    let mut buf = Vec::with_capacity(wire::READ);
    while head(&mut client, &mut buf).await?.is_some() {
        let pooled = pool.borrow_mut().pop();
        let mut upstream = match pooled {
            Some(upstream) => upstream,
            None => connect(origin).await?,
        };
        upstream.write_all(&buf).await?;
        let mut left = head(&mut upstream, &mut buf).await?.ok_or_else(wire::cut)?;
        client.write_all(&buf).await?;
        while left > 0 {
            buf.clear();
            if upstream.read_buf(&mut buf).await? == 0 {
                return Err(wire::cut());
            }
            left = left.saturating_sub(buf.len() as u64);
            client.write_all(&buf).await?;
        }
        pool.borrow_mut().push(upstream);
    }
    Ok(())
}

/// Read until a head is complete; how many bytes of its message are still to come.
async fn head(from: &mut TcpStream, buf: &mut Vec<u8>) -> io::Result<Option<u64>> {
    buf.clear();
    loop {
        if from.read_buf(buf).await? == 0 {
            return Ok(None);
        }
        if let Some(left) = wire::missing(buf)? {
            return Ok(Some(left));
        }
    }
}
