//! The subject on `ringway-io`, either driver. It is not the proxy: no parser, no routes, no limits.

use std::cell::RefCell;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::rc::Rc;

use ringway_io::{
    Buf, DriverChoice, Listener, OutBuf, Segment, Stream, WorkerOptions, dial, run, spawn, tunnel,
};

use super::{Kind, ready, wire};

const CONNECT_MS: u32 = 5_000;

type Pool = Rc<RefCell<Vec<Stream>>>;

/// Serve until the process ends.
pub(crate) fn serve(driver: DriverChoice, kind: Kind, origin: SocketAddr) -> io::Result<()> {
    let listener = TcpListener::bind(super::ANY)?;
    let options = WorkerOptions {
        driver,
        ..WorkerOptions::default()
    };
    run(options, move || async move {
        if let Err(error) = accept(listener, kind, origin).await {
            eprintln!("ringway-io: {error}");
        }
    })
}

async fn accept(listener: TcpListener, kind: Kind, origin: SocketAddr) -> io::Result<()> {
    let listener = Listener::from_std(listener)?;
    ready(listener.local_addr()?);
    let pool = Pool::default();
    loop {
        let client = listener.accept().await?;
        let pool = pool.clone();
        spawn(async move {
            // A client that goes away ends its task, as in every other subject.
            let _ = match kind {
                Kind::Relay => relay(client, origin).await,
                Kind::Http => forward(client, origin, pool).await,
            };
        });
    }
}

async fn relay(client: Stream, origin: SocketAddr) -> io::Result<()> {
    let upstream = dial(&origin.into(), CONNECT_MS).await?;
    tunnel(
        &client,
        &upstream,
        0,
        &Default::default(),
        &Default::default(),
    )
    .await
}

async fn forward(client: Stream, origin: SocketAddr, pool: Pool) -> io::Result<()> {
    while let Some((request, _)) = head(&client).await? {
        let pooled = pool.borrow_mut().pop();
        let upstream = match pooled {
            Some(upstream) => upstream,
            None => dial(&origin.into(), CONNECT_MS).await?,
        };
        send(&upstream, request);
        let (answer, mut left) = head(&upstream).await?.ok_or_else(wire::cut)?;
        send(&client, answer);
        while left > 0 {
            let piece = upstream.recv().await?.ok_or_else(wire::cut)?;
            left = left.saturating_sub(piece.len() as u64);
            client.flush().await?;
            send(&client, piece.into());
        }
        pool.borrow_mut().push(upstream);
        client.flush().await?;
    }
    Ok(())
}

fn send(to: &Stream, segment: Segment) {
    // The queue was flushed before.
    let _ = to.queue(segment);
    to.submit();
}

/// The bytes up to the end of a head at least, and how many bytes of its message are still to come.
async fn head(from: &Stream) -> io::Result<Option<(Segment, u64)>> {
    let Some(first) = from.recv().await? else {
        return Ok(None);
    };
    match wire::missing(&first)? {
        Some(left) => Ok(Some((first.into(), left))),
        None => rest_of_head(from, first).await.map(Some),
    }
}

async fn rest_of_head(from: &Stream, first: Buf) -> io::Result<(Segment, u64)> {
    let mut all = OutBuf::take();
    all.extend_from_slice(&first);
    loop {
        let more = from.recv().await?.ok_or_else(wire::cut)?;
        all.extend_from_slice(&more);
        if let Some(left) = wire::missing(&all)? {
            return Ok((all.into(), left));
        }
    }
}
