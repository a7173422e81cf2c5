//! Closed loop by HTTP/2: on each connection so many streams, each of which asks again when it has its answer.

use std::rc::Rc;
use std::time::Instant;

use bytes::Bytes;
use h2::client::SendRequest;
use http::Request;
use ringway_io::{Stream, sleep, spawn};

use super::lane::{Lane, PATIENCE_MS};
use super::verify::{Expect, Fault, body_piece};
use crate::http2::{self, Face};

const LOOK_EVERY_MS: u32 = 20;

/// Until the stage is over.
pub(super) async fn run(lane: Rc<Lane>) {
    for _ in 0..lane.share.of(lane.load.connections) {
        let lane = lane.clone();
        spawn(async move {
            if let Err(fault) = connection(&lane).await {
                lane.fail(&fault);
            }
        });
    }
    while !lane.is_over() {
        sleep(LOOK_EVERY_MS).await;
    }
}

async fn connection(lane: &Rc<Lane>) -> Result<(), Fault> {
    let stream = Rc::new(lane.dial().await?);
    stream.set_deadline(PATIENCE_MS);
    let shaken = http2::client().handshake(Face::new(stream.clone())).await;
    let (asks, frames) = shaken.map_err(wrong)?;
    let request = http2::request(&lane.load, lane.grpc)
        .map_err(|e| Fault::Wrong(format!("cannot be asked: {e}")))?;
    for i in 0..lane.load.streams {
        let asking = Asking {
            lane: lane.clone(),
            stream: stream.clone(),
            asks: asks.clone(),
            request: request.clone(),
        };
        spawn(asking.ask_all(i == 0));
    }
    drop(asks);
    frames.await.map_err(wrong)?;
    match lane.is_over() {
        true => Ok(()),
        false => Err(Fault::Closed("the connection has ended".to_owned())),
    }
}

/// One of a connection's places for requests.
struct Asking {
    lane: Rc<Lane>,
    stream: Rc<Stream>,
    asks: SendRequest<Bytes>,
    request: Request<()>,
}

impl Asking {
    async fn ask_all(mut self, is_first: bool) {
        let mut news = is_first;
        while !self.lane.is_over() {
            let started = Instant::now();
            if let Err(fault) = self.ask().await {
                return self.lane.fail(&fault);
            }
            self.lane.count(started);
            if std::mem::take(&mut news) {
                self.lane.stage.connected();
            }
        }
    }

    async fn ask(&mut self) -> Result<(), Fault> {
        let Lane { expect, upload, .. } = *self.lane;
        let mut asks = self.asks.clone().ready().await.map_err(wrong)?;
        let asked = asks.send_request(self.request.clone(), upload.is_empty());
        let (answer, mut sending) = asked.map_err(wrong)?;
        if !upload.is_empty() {
            let upload = http2::octets(upload);
            sending.send_data(upload, true).map_err(wrong)?;
        }
        let answer = answer.await.map_err(wrong)?;
        self.stream.set_deadline(PATIENCE_MS);
        if let Some(fault) = http2::fault_of(&answer, expect.body.len(), self.lane.grpc) {
            return Err(Fault::Wrong(format!("{fault}: {answer:?}")));
        }
        self.check(answer.into_body(), expect).await
    }

    async fn check(&self, mut body: h2::RecvStream, expect: Expect) -> Result<(), Fault> {
        let whole = self.lane.is_sample();
        let mut at = 0;
        while let Some(piece) = body.data().await {
            let piece = piece.map_err(wrong)?;
            at = body_piece(expect, at, &piece, whole)?;
            // A stream that was reset meanwhile tells it with the next piece.
            let _ = body.flow_control().release_capacity(piece.len());
            self.stream.set_deadline(PATIENCE_MS);
        }
        if at < expect.body.len() {
            return Err(Fault::Wrong("the answer is cut".to_owned()));
        }
        let trailers = body.trailers().await.map_err(wrong)?;
        if self.lane.grpc && !http2::is_ok(trailers.as_ref()) {
            return Err(Fault::Wrong(format!("no good trailers: {trailers:?}")));
        }
        Ok(())
    }
}

fn wrong(error: h2::Error) -> Fault {
    Fault::Wrong(format!("HTTP/2: {error}"))
}
