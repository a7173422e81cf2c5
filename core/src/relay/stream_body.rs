//! One body that comes by HTTP/2, to wherever it goes. The sender's window opens by what the receiver has taken, so that one who reads slowly bounds
//! what waits here. The connection has checked the body against its Content-Length.

use std::future::poll_fn;
use std::io::Write as _;

use ringway_io::OutBuf;
use ringway_protocols::http1::ChunkFault;
use ringway_protocols::http2::{self, hpack::Fields};

use super::body::{Body, BodyFault, Output, PumpEnd, Traffic, put};
use super::side::Sink;
use crate::grpc;
use crate::http2::{Fault, Octets, Stream};

/// Places in the send queue that a piece takes.
const PIECE_SEGMENTS: usize = 1;

/// Move a whole body, see [`super::body::pump`].
pub(super) async fn pump(
    body: &mut Body,
    from: &Stream,
    to: Sink<'_>,
    traffic: &Traffic<'_>,
) -> Result<(), PumpEnd> {
    while let Some(data) = next(from, to, traffic).await? {
        traffic.note_touched();
        let n = data.len();
        body.count(n).map_err(PumpEnd::Fault)?;
        traffic.count(body.payload());
        if n > 0 {
            while !to.has_room(PIECE_SEGMENTS) {
                to.flush(traffic).await?;
            }
            put_piece(body.output(), data, to);
            traffic.note_piece();
            if from.is_at_end() {
                // Known with the last piece: both leave in one frame.
                to.end();
            }
            // A peer that takes it slowly keeps its sender's window shut.
            if !to.is_empty() {
                to.flush(traffic).await?;
            }
        }
        // A stream that was reset meanwhile tells it with the next piece.
        from.release(n);
    }
    let trailers = from.take_trailers();
    body.note_grpc_status(trailers.as_ref().and_then(grpc::status_in));
    let ended = end(body.output(), trailers.as_ref(), to, traffic).await;
    trailers
        .into_iter()
        .for_each(|fields| from.give_back(fields));
    ended
}

/// The next piece; None at the body's end.
async fn next(
    from: &Stream,
    to: Sink<'_>,
    traffic: &Traffic<'_>,
) -> Result<Option<Octets>, PumpEnd> {
    let mut waited = false;
    let piece = poll_fn(|cx| {
        let polled = from.poll_data(cx);
        if polled.is_pending() && !std::mem::replace(&mut waited, true) {
            to.submit();
        }
        polled
    })
    .await;
    if waited {
        traffic.note_moved();
    }
    piece.map_err(from_broken)
}

pub(super) fn from_broken(fault: Fault) -> PumpEnd {
    let kind = match fault {
        Fault::Io(kind) => kind,
        _ => std::io::ErrorKind::ConnectionReset,
    };
    PumpEnd::FromBroken(std::io::Error::new(kind, fault.to_string()))
}

fn put_piece(output: Output, data: Octets, to: Sink<'_>) {
    match (to, output) {
        (Sink::Http1(_), Output::Chunked) => {
            let mut out = OutBuf::take();
            // Writing to a buffer in memory cannot fail.
            let _ = write!(*out, "{:x}\r\n", data.len());
            out.extend_from_slice(data.bytes());
            out.extend_from_slice(b"\r\n");
            put(to, out);
        }
        _ => put(to, data),
    }
}

/// The end of the body, with its trailers.
async fn end(
    output: Output,
    trailers: Option<&Fields>,
    to: Sink<'_>,
    traffic: &Traffic<'_>,
) -> Result<(), PumpEnd> {
    let mut lines = OutBuf::take();
    let chunked = output == Output::Chunked && matches!(to, Sink::Http1(_));
    if chunked {
        lines.extend_from_slice(b"0\r\n");
    }
    if let Some(trailers) = trailers {
        http2::write_trailers(&mut lines, trailers.regular())
            .map_err(|_| PumpEnd::Fault(BodyFault::Chunk(ChunkFault::TrailerField)))?;
    }
    if chunked {
        lines.extend_from_slice(b"\r\n");
        while !to.has_room(PIECE_SEGMENTS) {
            to.flush(traffic).await?;
        }
        put(to, lines);
    } else {
        to.put_trailers(&lines);
    }
    Ok(to.finish(traffic).await?)
}
