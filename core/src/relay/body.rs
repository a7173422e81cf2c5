//! One body in one direction: its framing is checked as it flows, and its bytes go from the receive buffer to the send queue
//! without a copy. It knows nothing of which side is the client.

use std::io::ErrorKind;
use std::io::Write as _;

use ringway_io::{Buf, OutBuf};
use ringway_protocols::http1::{
    BodyFraming, ChunkFault, ChunkedDecoder, HeadLimits, Piece, parse_trailers,
};

use ringway_protocols::grpc::Status;
use ringway_protocols::grpc_web::TextFault;

use super::side::{Sink, SinkBroken, Source};
use super::stream_body;
use super::traffic::Traffic;
use super::translation::Translation;
use crate::grpc;
use crate::http2::Octets;
use crate::link::Link;

/// Places in the send queue that one step may fill.
const STEP_SEGMENTS: usize = 3;
/// The size line of a last chunk.
pub(super) const LAST_CHUNK: &[u8] = b"0\r\n";
/// A trailer section may be as large as a head may be by default.
const TRAILER_LIMITS: HeadLimits = HeadLimits {
    head_bytes: 64 * 1024,
    fields: 100,
    target_bytes: 0,
};

/// How the body leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Output {
    /// In the coding in which it came.
    AsReceived,
    /// Chunked came, plain bytes leave (for an HTTP/1.0 client).
    Dechunked,
    /// Plain bytes came, chunked leaves (its length is not known, and its end should be seen).
    Chunked,
}

/// A body on its way.
#[derive(Debug)]
pub(crate) struct Body {
    coding: Coding,
    output: Output,
    /// Received, not yet passed on.
    pending: Option<Buf>,
    /// A chunk of ours has begun, and its closing CRLF is still owed.
    chunk_open: bool,
    /// Payload bytes so far.
    payload: u64,
    limit: u64,
    /// What its trailers say of a call's end.
    grpc_status: Option<Status>,
    /// Between gRPC-Web and gRPC. Not of one that leaves chunked as it came.
    pub(super) translation: Option<Translation>,
}

#[derive(Debug)]
enum Coding {
    Length(u64),
    Chunked(ChunkedDecoder),
    /// Behind the last chunk's line: the section so far.
    Trailers(OutBuf),
    UntilClose,
    Done,
}

/// What a body cannot survive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BodyFault {
    /// Its chunked coding is broken.
    Chunk(ChunkFault),
    /// Its payload is over the limit.
    TooLarge,
    /// Its sender ended the stream before its end.
    Cut,
    /// It is no base64.
    Text(TextFault),
    /// It ended within a message of gRPC.
    WithinMessage,
}

/// How far [`Body::fill`] came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fill {
    /// All of the body is queued.
    Done,
    /// More has to be received.
    More,
    /// The send queue has no room.
    Full,
}

impl Body {
    /// `limit` is the most payload bytes that may pass.
    pub(crate) fn new(framing: BodyFraming, output: Output, limit: u64) -> Body {
        let coding = match framing {
            BodyFraming::None | BodyFraming::Length(0) => Coding::Done,
            BodyFraming::Length(n) => Coding::Length(n),
            BodyFraming::Chunked => Coding::Chunked(ChunkedDecoder::new()),
            BodyFraming::UntilClose => Coding::UntilClose,
        };
        Body {
            coding,
            output,
            pending: None,
            chunk_open: false,
            payload: 0,
            limit,
            grpc_status: None,
            translation: None,
        }
    }

    pub(crate) fn is_done(&self) -> bool {
        matches!(self.coding, Coding::Done)
    }

    /// How it leaves.
    pub(super) fn output(&self) -> Output {
        self.output
    }

    /// Payload bytes so far.
    pub(crate) fn payload(&self) -> u64 {
        self.payload
    }

    /// What its trailers have said of a call's end.
    pub(super) fn grpc_status(&self) -> Option<Status> {
        self.grpc_status
    }

    pub(super) fn note_grpc_status(&mut self, status: Option<Status>) {
        self.grpc_status = status;
    }

    /// Received bytes that are not of this body, once it is done: of the next message.
    pub(crate) fn take_rest(&mut self) -> Option<Buf> {
        self.pending.take()
    }

    /// Hand over received bytes. Only when the last ones were used up.
    pub(crate) fn push(&mut self, buf: Buf) {
        debug_assert!(self.pending.is_none());
        self.pending = Some(buf);
    }

    /// The sender ended its stream. Fine only for a body that lasts until then; queues the end of our coding.
    fn end(&mut self, to: Sink<'_>) -> Result<(), BodyFault> {
        match self.coding {
            Coding::UntilClose => {
                self.coding = Coding::Done;
                if self.output == Output::Chunked {
                    let end: &'static [u8] = if self.chunk_open {
                        b"\r\n0\r\n\r\n"
                    } else {
                        b"0\r\n\r\n"
                    };
                    put(to, end);
                }
                Ok(())
            }
            Coding::Done => Ok(()),
            _ => Err(BodyFault::Cut),
        }
    }

    /// Move what is pending into the send queue of `to`.
    fn fill(&mut self, to: Sink<'_>) -> Result<Fill, BodyFault> {
        loop {
            if self.is_done() {
                if let Some(translation) = &mut self.translation {
                    translation.end(b"")?;
                }
                return Ok(Fill::Done);
            }
            let Some(buf) = self.pending.take() else {
                return Ok(Fill::More);
            };
            if buf.is_empty() {
                continue;
            }
            if !to.has_room(STEP_SEGMENTS) {
                self.pending = Some(buf);
                return Ok(Fill::Full);
            }
            self.step(buf, to)?;
        }
    }

    /// Take at least one byte of `buf`; what is left of it becomes pending.
    fn step(&mut self, mut buf: Buf, to: Sink<'_>) -> Result<(), BodyFault> {
        match &mut self.coding {
            Coding::Length(left) => {
                let n = usize::try_from(*left).map_or(buf.len(), |left| left.min(buf.len()));
                *left -= n as u64;
                if *left == 0 {
                    self.coding = Coding::Done;
                }
                let data = buf.split_to(n);
                self.pending = Some(buf).filter(|rest| !rest.is_empty());
                self.count(n)?;
                self.put_data(to, data)
            }
            Coding::UntilClose => {
                self.count(buf.len())?;
                self.put_data(to, buf)
            }
            Coding::Chunked(_) => self.step_chunked(buf, to),
            Coding::Trailers(_) => self.step_trailers(&buf, to).map(|used| {
                buf.advance(used);
                self.pending = Some(buf);
            }),
            Coding::Done => Ok(()),
        }
    }

    /// Pass on the longest run that may leave as it came, then what stands behind it.
    fn step_chunked(&mut self, mut buf: Buf, to: Sink<'_>) -> Result<(), BodyFault> {
        let Coding::Chunked(decoder) = &mut self.coding else {
            return Ok(());
        };
        let as_received = self.output == Output::AsReceived;
        let mut run = 0;
        let mut data = 0;
        let stop = loop {
            match decoder.next(&buf[run..]).map_err(BodyFault::Chunk)? {
                Piece::Data(n) => {
                    (run, data) = (run + n, data + n);
                    if !as_received {
                        break Piece::Data(0);
                    }
                }
                Piece::Framing(n) if as_received => run += n,
                piece => break piece,
            }
        };
        self.count(data)?;
        if run > 0 {
            let run = buf.split_to(run);
            match self.translation {
                None => put(to, run),
                Some(_) => self.put_translated(to, run)?,
            }
        }
        match stop {
            Piece::Framing(n) => buf.advance(n),
            Piece::Skip { n, line } => {
                buf.advance(n);
                if let (true, Some(size)) = (as_received, line) {
                    let mut out = OutBuf::take();
                    // Writing to a buffer in memory cannot fail.
                    let _ = write!(*out, "{size:x}\r\n");
                    put(to, out);
                }
            }
            Piece::Last(n) => {
                buf.advance(n);
                self.coding = Coding::Trailers(OutBuf::take());
            }
            Piece::Data(_) | Piece::More => {}
        }
        self.pending = Some(buf);
        Ok(())
    }

    /// The last chunk leaves only when the trailer section has been checked: a fault in it must not end the body.
    /// Answers how many bytes of `buf` were of the section.
    fn step_trailers(&mut self, buf: &Buf, to: Sink<'_>) -> Result<usize, BodyFault> {
        let Coding::Trailers(section) = &mut self.coding else {
            return Ok(0);
        };
        let before = section.len();
        section.extend_from_slice(buf);
        let as_received = self.output == Output::AsReceived;
        let mut out = OutBuf::take();
        if as_received {
            out.extend_from_slice(LAST_CHUNK);
        }
        let Some(n) =
            parse_trailers(section, &TRAILER_LIMITS, &mut out).map_err(BodyFault::Chunk)?
        else {
            return Ok(buf.len());
        };
        self.coding = Coding::Done;
        let begin = if as_received { LAST_CHUNK.len() } else { 0 };
        self.grpc_status = grpc::status_in_lines(&out[begin..]);
        if as_received {
            out.extend_from_slice(b"\r\n");
            put(to, out);
        } else {
            to.put_trailers(out);
        }
        Ok(n - before)
    }

    /// Count payload against the limit.
    pub(super) fn count(&mut self, n: usize) -> Result<(), BodyFault> {
        self.payload += n as u64;
        if self.payload > self.limit {
            Err(BodyFault::TooLarge)
        } else {
            Ok(())
        }
    }

    fn put_data(&mut self, to: Sink<'_>, data: Buf) -> Result<(), BodyFault> {
        if self.translation.is_some() {
            return self.put_translated(to, data);
        }
        if self.output == Output::Chunked {
            let mut line = OutBuf::take();
            let before = if self.chunk_open { "\r\n" } else { "" };
            let _ = write!(*line, "{before}{:x}\r\n", data.len());
            self.chunk_open = true;
            put(to, line);
        }
        put(to, data);
        Ok(())
    }

    fn put_translated(&mut self, to: Sink<'_>, data: Buf) -> Result<(), BodyFault> {
        if let Some(translation) = &mut self.translation {
            let piece = translation.piece(data.into())?;
            if !piece.octets.is_empty() {
                put(to, piece.octets);
            }
        }
        Ok(())
    }
}

/// The room was checked before the step.
#[inline]
pub(super) fn put(to: Sink<'_>, piece: impl Into<Octets>) {
    let piece = piece.into();
    match to {
        Sink::Http1(link) => {
            let queued = link.queue(piece.into_segment());
            debug_assert!(
                queued.is_ok(),
                "a step fills at most the places that were checked"
            );
        }
        Sink::Http2(sending) => {
            if let Some(sending) = &mut *sending.borrow_mut() {
                sending.put(piece);
            }
        }
    }
}

/// Why a body did not arrive.
#[derive(Debug)]
pub(crate) enum PumpEnd {
    /// The sender's bytes were at fault.
    Fault(BodyFault),
    /// The sender's connection broke.
    FromBroken(std::io::Error),
    /// The receiver's connection broke.
    ToBroken,
}

/// Move a whole body. At the end all of it is queued; its last piece is for the caller to submit or flush. Deadlines are the caller's:
/// a wait ends in an error only when its connection has broken.
pub(crate) async fn pump(
    body: &mut Body,
    from: Source<'_>,
    to: Sink<'_>,
    traffic: &Traffic<'_>,
) -> Result<(), PumpEnd> {
    match from {
        Source::Http1(link) => pump_framed(body, link, to, traffic).await,
        Source::Http2(stream) => stream_body::pump(body, stream, to, traffic).await,
    }
}

async fn pump_framed(
    body: &mut Body,
    from: &Link,
    to: Sink<'_>,
    traffic: &Traffic<'_>,
) -> Result<(), PumpEnd> {
    loop {
        let fill = body.fill(to);
        traffic.count(body.payload());
        match fill.map_err(PumpEnd::Fault)? {
            Fill::Done => {
                if let Some(rest) = body.take_rest() {
                    from.unread(rest);
                }
                return Ok(to.finish(traffic).await?);
            }
            Fill::Full => to.flush(traffic).await?,
            Fill::More => {
                // A stream takes one piece at a time: the next would only stand in memory behind it.
                if !to.is_empty() {
                    to.flush(traffic).await?;
                }
                let received = match from.try_recv() {
                    Some(buf) => Some(buf),
                    None => {
                        to.submit();
                        if let Some(ahead) = to.read_ahead() {
                            from.read_ahead(ahead);
                        }
                        from.recv().await.map_err(PumpEnd::FromBroken)?
                    }
                };
                traffic.note_moved();
                match received {
                    Some(buf) => {
                        traffic.note_touched();
                        body.push(buf);
                    }
                    None => body.end(to).map_err(PumpEnd::Fault)?,
                }
            }
        }
    }
}

impl From<SinkBroken> for PumpEnd {
    fn from(_: SinkBroken) -> PumpEnd {
        PumpEnd::ToBroken
    }
}

/// Read `n` bytes and drop them: a body that nobody wants, on a connection that is worth keeping.
pub(crate) async fn discard(from: &Link, mut n: u64, ms: u32) -> std::io::Result<()> {
    while n > 0 {
        from.set_deadline(ms);
        let Some(mut buf) = from.recv().await? else {
            return Err(ErrorKind::UnexpectedEof.into());
        };
        let used = usize::try_from(n).map_or(buf.len(), |n| n.min(buf.len()));
        n -= used as u64;
        buf.advance(used);
        from.unread(buf);
    }
    Ok(())
}
