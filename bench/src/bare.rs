//! The smallest forwarder of HTTP/2 that there can be on the `h2` crate, as something to compare with: what the protocol costs by that library on our
//! streams. A task per stream; heads, bodies and trailers as they are. No routes, no policy, no times, no log, no counters: not a proxy to use.

use std::cell::{Cell, RefCell};
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;

use bytes::Bytes;
use h2::client::SendRequest;
use h2::server::SendResponse;
use h2::{RecvStream, SendStream};
use http::{Request, Response};
use ringway_io::{Listener, Stream, WorkerOptions, dial, next_turn, run, spawn};
use socket2::SockAddr;

use crate::http2::library::{client, server};
use crate::http2::{Face, STREAMS};
use crate::origin::bind;

const CONNECT_MS: u32 = 5_000;

/// Forward what comes to `listen` to `origin`, with so many threads, until this process is ended.
pub(crate) fn forward(listen: SocketAddr, origin: SocketAddr, threads: usize) -> io::Result<()> {
    let one = move || -> io::Result<()> {
        let listener = bind(listen)?;
        run(WorkerOptions::default(), move || async move {
            let upstreams = Rc::new(Upstreams {
                origin,
                all: RefCell::default(),
                opening: Cell::new(false),
            });
            let Ok(listener) = Listener::from_fd(listener.into()) else {
                return;
            };
            while let Ok(client) = listener.accept().await {
                spawn(accept_all(client, upstreams.clone()));
            }
        })
    };
    let threads: Vec<_> = (0..threads).map(|_| std::thread::spawn(one)).collect();
    let ended = threads.into_iter().map(|thread| thread.join());
    ended
        .flat_map(|result| result.err().map(|_| io::Error::other("a thread panicked")))
        .map(Err)
        .next()
        .unwrap_or(Ok(()))
}

/// Connections to the origin, each with so many streams.
struct Upstreams {
    origin: SocketAddr,
    all: RefCell<Vec<Upstream>>,
    opening: Cell<bool>,
}

#[derive(Clone)]
struct Upstream {
    asks: SendRequest<Bytes>,
    used: Rc<Cell<u32>>,
}

/// A stream's place on one.
struct Place(Upstream);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.used.set(self.0.used.get() - 1);
    }
}

impl Upstreams {
    async fn place(&self) -> io::Result<Place> {
        loop {
            if let Some(place) = self.free() {
                return Ok(place);
            }
            if self.opening.replace(true) {
                next_turn().await;
                continue;
            }
            let opened = self.open().await;
            self.opening.set(false);
            self.all.borrow_mut().push(Upstream {
                asks: opened?,
                used: Rc::default(),
            });
        }
    }

    fn free(&self) -> Option<Place> {
        let all = self.all.borrow();
        let free = all.iter().find(|one| one.used.get() < STREAMS)?;
        free.used.set(free.used.get() + 1);
        Some(Place(free.clone()))
    }

    async fn open(&self) -> io::Result<SendRequest<Bytes>> {
        let stream = dial(&SockAddr::from(self.origin), CONNECT_MS).await?;
        let shaken = client().handshake(Face::new(Rc::new(stream))).await;
        let (asks, frames) = shaken.map_err(io::Error::other)?;
        spawn(async move { drop(frames.await) });
        Ok(asks)
    }
}

async fn accept_all(stream: Stream, upstreams: Rc<Upstreams>) {
    let face = Face::new(Rc::new(stream));
    let Ok(mut connection) = server().handshake::<_, Bytes>(face).await else {
        return;
    };
    while let Some(Ok((request, respond))) = connection.accept().await {
        let upstreams = upstreams.clone();
        // What fails is reset by its drop.
        spawn(async move { drop(exchange(request, respond, &upstreams).await) });
    }
}

async fn exchange(
    request: Request<RecvStream>,
    mut respond: SendResponse<Bytes>,
    upstreams: &Upstreams,
) -> io::Result<()> {
    let place = upstreams.place().await?;
    let asks = place.0.asks.clone().ready().await;
    let (head, upload) = request.into_parts();
    let ends = upload.is_end_stream();
    let asked = asks.and_then(|mut asks| asks.send_request(Request::from_parts(head, ()), ends));
    let (answer, to_origin) = asked.map_err(io::Error::other)?;
    if !ends {
        spawn(async move { drop(pass(upload, to_origin).await) });
    }
    let (head, body) = answer.await.map_err(io::Error::other)?.into_parts();
    let ends = body.is_end_stream();
    let told = respond.send_response(Response::from_parts(head, ()), ends);
    let to_client = told.map_err(io::Error::other)?;
    match ends {
        true => Ok(()),
        false => pass(body, to_client).await.map_err(io::Error::other),
    }
}

/// A body and its trailers, as the other side's window allows.
async fn pass(mut from: RecvStream, mut to: SendStream<Bytes>) -> Result<(), h2::Error> {
    while let Some(piece) = from.data().await {
        let mut piece = piece?;
        let all = piece.len();
        to.reserve_capacity(all);
        while to.capacity() < piece.len() {
            let Some(n) = std::future::poll_fn(|cx| to.poll_capacity(cx)).await else {
                return Ok(());
            };
            let n = n?.min(piece.len());
            if n < piece.len() {
                to.send_data(piece.split_to(n), false)?;
            }
        }
        let ends = from.is_end_stream();
        to.send_data(piece, ends)?;
        from.flow_control().release_capacity(all)?;
        if ends {
            return Ok(());
        }
    }
    match from.trailers().await? {
        Some(trailers) => to.send_trailers(trailers),
        None => to.send_data(Bytes::new(), true),
    }
}
