//! One direction of a WebSocket: its bytes pass unread, but where its frames end is followed, so that near the end of a drain a Close frame (1001, going
//! away) can be put between two of them. Both directions, and the tunnel that moves most of them, are in `websocket`.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::task::{Context, Poll};

use ringway_io::{OutBuf, Tap};
use ringway_protocols::websocket::{Frames, going_away, going_away_masked};

use super::body::{PumpEnd, put};
use super::side::{Sink, Source};
use super::stream_body::from_broken;
use super::traffic::Traffic;
use crate::http2::Octets;
use crate::lane::Lane;

/// See the module.
#[derive(Debug)]
pub(super) struct Way<'x> {
    lane: &'x Lane,
    frames: RefCell<Frames>,
    /// Our Close frame was put; what comes behind it is dropped.
    told: Cell<bool>,
    /// Clients mask their frames.
    to_endpoint: bool,
}

impl Tap for Way<'_> {
    fn passed(&self, bytes: &[u8]) {
        self.frames.borrow_mut().pass(bytes);
    }

    fn passed_unseen(&self, n: u64) {
        self.frames.borrow_mut().pass_unseen(n);
    }
}

/// What is to be done next.
enum Next {
    Pass(Octets),
    Tell,
    End,
}

impl<'x> Way<'x> {
    pub(super) fn to_endpoint(lane: &'x Lane) -> Way<'x> {
        Way {
            lane,
            frames: RefCell::new(Frames::new()),
            told: Cell::new(false),
            to_endpoint: true,
        }
    }

    pub(super) fn to_client(lane: &'x Lane) -> Way<'x> {
        Way {
            to_endpoint: false,
            ..Way::to_endpoint(lane)
        }
    }

    /// Its receiver was told that we go away.
    pub(super) fn was_told(&self) -> bool {
        self.told.get()
    }

    /// Bytes, and then the end of this way.
    pub(super) async fn run(
        &self,
        from: Source<'_>,
        to: Sink<'_>,
        traffic: &Traffic<'_>,
    ) -> Result<(), PumpEnd> {
        loop {
            match self.next(from, to).await? {
                Next::Pass(octets) => {
                    let n = octets.len();
                    traffic.add(n);
                    self.pass(octets, to, traffic).await?;
                    if let Source::Http2(stream) = from {
                        traffic.note_piece();
                        // A stream that was reset meanwhile tells it with the next piece.
                        to.release(stream, n);
                    }
                }
                Next::Tell => self.tell(to, traffic).await?,
                Next::End => break,
            }
        }
        to.finish(traffic).await?;
        to.flush(traffic).await?;
        if let Sink::Http1(link) = to {
            link.shutdown_write();
        }
        Ok(())
    }

    async fn next(&self, from: Source<'_>, to: Sink<'_>) -> Result<Next, PumpEnd> {
        if let (Source::Http1(link), Some(ahead)) = (from, to.read_ahead()) {
            link.read_ahead(ahead);
        }
        let mut waited = false;
        poll_fn(|cx| {
            if let Poll::Ready(next) = poll_octets(from, cx) {
                return Poll::Ready(next);
            }
            if self.lane.is_parting() && !self.told.get() && self.frames.borrow().is_open_here() {
                return Poll::Ready(Ok(Next::Tell));
            }
            if !std::mem::replace(&mut waited, true) {
                to.submit();
            }
            Poll::Pending
        })
        .await
    }

    /// Pass it on; when we are about to go, up to where our Close frame can stand, and nothing behind that.
    async fn pass(
        &self,
        mut octets: Octets,
        to: Sink<'_>,
        traffic: &Traffic<'_>,
    ) -> Result<(), PumpEnd> {
        if self.told.get() {
            return Ok(());
        }
        if !self.lane.is_parting() {
            self.passed(octets.bytes());
            return hand_on(octets, to, traffic).await;
        }
        let n = self.frames.borrow_mut().pass_to_boundary(octets.bytes());
        let front = octets.split_to(n);
        if !front.is_empty() {
            hand_on(front, to, traffic).await?;
        }
        if self.frames.borrow().is_open_here() {
            return self.tell(to, traffic).await;
        }
        // Behind a Close of its own, if there is more.
        self.passed(octets.bytes());
        match octets.is_empty() {
            true => Ok(()),
            false => hand_on(octets, to, traffic).await,
        }
    }

    async fn tell(&self, to: Sink<'_>, traffic: &Traffic<'_>) -> Result<(), PumpEnd> {
        self.told.set(true);
        let mut close = OutBuf::take();
        if self.to_endpoint {
            let mask = (self.lane.roll() as u32).to_ne_bytes();
            close.extend_from_slice(&going_away_masked(mask));
        } else {
            close.extend_from_slice(&going_away());
        }
        while !to.has_room(1) {
            to.flush(traffic).await?;
        }
        put(to, close);
        Ok(to.flush(traffic).await?)
    }
}

fn poll_octets(from: Source<'_>, cx: &mut Context<'_>) -> Poll<Result<Next, PumpEnd>> {
    let octets = match from {
        Source::Http1(link) => link
            .poll_recv(cx)
            .map(|received| received.map(|buf| buf.map(Octets::from)))
            .map_err(PumpEnd::FromBroken)?,
        Source::Http2(stream) => stream.poll_data(cx).map_err(from_broken)?,
    };
    octets.map(|octets| Ok(octets.map_or(Next::End, Next::Pass)))
}

async fn hand_on(octets: Octets, to: Sink<'_>, traffic: &Traffic<'_>) -> Result<(), PumpEnd> {
    while !to.has_room(1) {
        to.flush(traffic).await?;
    }
    put(to, octets);
    to.submit();
    // A peer that takes it slowly keeps its sender waiting.
    match to.is_empty() {
        true => Ok(()),
        false => Ok(to.flush(traffic).await?),
    }
}
