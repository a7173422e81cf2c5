//! One body that comes by HTTP/2, to wherever it goes. The sender's window opens by what the receiver has taken, so that one who reads slowly bounds
//! what waits here. The connection has checked the body against its Content-Length.

use std::future::poll_fn;
use std::io::Write as _;

use ringway_io::{self as io, OutBuf};
use ringway_protocols::http1::ChunkFault;
use ringway_protocols::http2::{self, hpack::Fields};

use super::body::{Body, BodyFault, LAST_CHUNK, Output, PumpEnd, put};
use super::side::Sink;
use super::traffic::Traffic;
use super::translation::{LastMessage, Piece};
use crate::grpc;
use crate::http2::{Fault, Octets, Stream, spares};

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
        let piece = match &mut body.translation {
            None => Piece {
                octets: data,
                of_client: n,
            },
            Some(translation) => translation.piece(data).map_err(PumpEnd::Fault)?,
        };
        body.count(piece.of_client).map_err(PumpEnd::Fault)?;
        traffic.count(body.payload());
        if !piece.octets.is_empty() {
            while !to.has_room(PIECE_SEGMENTS) {
                to.flush(traffic).await?;
            }
            put_piece(body.output(), piece.octets, to);
            traffic.note_piece();
            match &mut body.translation {
                Some(translation) => traffic.set_gap(translation.gap()),
                // Known with the last piece: both leave in one frame.
                None if from.is_at_end() => to.end(),
                None => {}
            }
            // A peer that takes it slowly keeps its sender's window shut.
            if !to.is_empty() {
                to.flush(traffic).await?;
            }
        }
        // A stream that was reset meanwhile tells it with the next piece.
        to.release(from, n);
    }
    let trailers = from.take_trailers();
    body.note_grpc_status(trailers.as_ref().and_then(grpc::status_in));
    let ended = end(body, trailers.as_ref(), to, traffic).await;
    trailers.into_iter().for_each(spares::give);
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
            put_chunk(&mut out, data.bytes());
            put(to, out);
        }
        _ => put(to, data),
    }
}

/// Append a chunk with these octets, which are some.
pub(super) fn put_chunk(out: &mut OutBuf, octets: &[u8]) {
    // Writing to a buffer in memory cannot fail.
    let _ = write!(**out, "{:x}\r\n", octets.len());
    out.extend_from_slice(octets);
    out.extend_from_slice(b"\r\n");
}

/// The end of the body, with its trailers.
async fn end(
    body: &mut Body,
    trailers: Option<&Fields>,
    to: Sink<'_>,
    traffic: &Traffic<'_>,
) -> Result<(), PumpEnd> {
    let mut lines = OutBuf::take();
    let chunked = body.output() == Output::Chunked && matches!(to, Sink::Http1(_));
    if chunked {
        lines.extend_from_slice(LAST_CHUNK);
    }
    let begin = lines.len();
    if let Some(trailers) = trailers {
        http2::write_trailers(&mut lines, trailers.regular())
            .map_err(|_| PumpEnd::Fault(BodyFault::Chunk(ChunkFault::TrailerField)))?;
    }
    if let Some(translation) = &mut body.translation {
        let end = translation.end(&lines[begin..]).map_err(PumpEnd::Fault)?;
        if let Some(last) = end {
            lines.truncate(begin);
            // Of gRPC-Web alone.
            io::pooled(put_last(body, last, to, traffic)).await?;
        }
    }
    if chunked {
        lines.extend_from_slice(b"\r\n");
        while !to.has_room(PIECE_SEGMENTS) {
            to.flush(traffic).await?;
        }
        put(to, lines);
    } else {
        to.put_trailers(lines);
    }
    Ok(to.finish(traffic).await?)
}

async fn put_last(
    body: &mut Body,
    last: LastMessage,
    to: Sink<'_>,
    traffic: &Traffic<'_>,
) -> Result<(), PumpEnd> {
    if last.own_status.is_some() {
        body.note_grpc_status(last.own_status);
    }
    let Some(octets) = last.octets else {
        return Ok(());
    };
    body.count(octets.len()).map_err(PumpEnd::Fault)?;
    traffic.count(body.payload());
    while !to.has_room(PIECE_SEGMENTS) {
        to.flush(traffic).await?;
    }
    put_piece(body.output(), octets.into(), to);
    traffic.set_gap(None);
    Ok(())
}
