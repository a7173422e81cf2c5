//! What reads frames of HTTP/2, as plain functions.
//!
//! Not here: streams and windows, which belong to a connection with a task; `tests/e2e/http2_noise.rs` sends those frames that mean nothing.

use ringway_protocols::http1::*;
use ringway_protocols::http2::frame::{self, FrameHead, HEAD, Kind, MOST, Settings, flag};
use ringway_protocols::http2::hpack::{Decoder, Fields};
use ringway_protocols::http2::{
    Answers, Guard, Pseudo, Unannounced, status_of, take_request, take_response, take_websocket,
};

const LIMITS: HeadLimits = HeadLimits {
    head_bytes: 1 << 20,
    fields: 1024,
    target_bytes: 1 << 16,
};

/// Any bytes as what a client or a server sends behind the preface; the first one says where they are cut.
pub fn http2_frames(input: &[u8]) {
    let Some((first, octets)) = input.split_first() else {
        return;
    };
    guarded(octets, usize::from(*first).max(1));
    let mut read = Read {
        decoder: Decoder::new(4096),
        settings: Settings::default(),
        block: None,
    };
    let mut rest = octets;
    while let Some(head) = rest.first_chunk::<HEAD>() {
        let read_head = FrameHead::read(*head);
        // But for the reserved bit, and what kind an unknown one is.
        let written = read_head.write();
        assert_eq!(FrameHead::read(written), read_head);
        assert!(read_head.stream <= MOST);
        let Some(payload) = rest.get(HEAD..HEAD + read_head.len as usize) else {
            return;
        };
        rest = &rest[HEAD + payload.len()..];
        if read.frame(read_head, payload).is_err() {
            return;
        }
    }
}

/// A guard that sees octets in pieces finds what one finds that sees them at once.
fn guarded(octets: &[u8], step: usize) {
    let preface = frame::PREFACE.as_slice();
    let mut whole = Guard::new(0);
    let mut pieces = Guard::new(0);
    let found = whole
        .received(preface, 0)
        .and_then(|()| whole.received(octets, 0));
    let mut cut = pieces.received(preface, 0);
    for piece in octets.chunks(step) {
        cut = cut.and_then(|()| pieces.received(piece, 0));
    }
    assert_eq!(found, cut);
    if found.is_ok() {
        assert_eq!(whole.block_since_ms(), pieces.block_since_ms());
    }
}

/// The end of a connection.
struct Ended;

struct Read {
    decoder: Decoder,
    settings: Settings,
    /// The block under way.
    block: Option<Vec<u8>>,
}

impl Read {
    fn frame(&mut self, head: FrameHead, payload: &[u8]) -> Result<(), Ended> {
        match head.kind {
            Kind::Settings => {
                let server = head.has(flag::PADDED);
                self.settings.apply(payload, server).map_err(|_| Ended)?;
                assert!(self.settings.window <= MOST && self.settings.payload < 1 << 24);
                Ok(())
            }
            Kind::Headers => {
                let (block, on) = frame::unpadded(head, payload).map_err(|_| Ended)?;
                assert!(block.len() <= payload.len() && on.is_none_or(|on| on <= MOST));
                self.block = Some(block.to_vec());
                self.end_block(head)
            }
            Kind::Continuation => {
                self.block.as_mut().ok_or(Ended)?.extend_from_slice(payload);
                self.end_block(head)
            }
            _ => Ok(()),
        }
    }

    fn end_block(&mut self, head: FrameHead) -> Result<(), Ended> {
        if !head.has(flag::END_HEADERS) {
            return Ok(());
        }
        let block = self.block.take().unwrap_or_default();
        let mut fields = Fields::default();
        let decoded = self.decoder.decode(&block, &mut fields, 1 << 16, 1024);
        decoded.map_err(|_| Ended)?;
        request(&fields, head.has(flag::END_STREAM));
        answer(&fields);
        Ok(())
    }
}

/// A head that is taken is one that HTTP/1.1 reads, as a whole and alike, whatever a client put into its fields; or it is refused.
fn request(fields: &Fields, ends: bool) {
    let Ok(pseudo) = Pseudo::of(fields) else {
        return;
    };
    let (mut head, mut out) = (RequestHead::new(), Vec::new());
    let regular = || fields.regular();
    let taken = take_request(&mut head, &mut out, &LIMITS, &pseudo, regular, ends);
    judge_request(&head, &out, taken.is_ok(), &pseudo);
    out.clear();
    let key = b"dGhlIHNhbXBsZSBub25jZQ==";
    let taken = take_websocket(&mut head, &mut out, &LIMITS, &pseudo, regular, key);
    judge_request(&head, &out, taken.is_ok(), &pseudo);
}

fn judge_request(head: &RequestHead, out: &[u8], taken: bool, pseudo: &Pseudo<'_>) {
    if !taken {
        return assert!(out.is_empty(), "a fault leaves nothing behind");
    }
    let mut other = RequestHead::new();
    let read = other.parse(out, &LIMITS);
    assert_eq!(read, Ok(Some(out.len())), "nothing stands behind the head");
    let (ours, read) = (head.view(out), other.view(out));
    assert!(ours.fields().eq(read.fields()));
    assert_eq!(ours.method(), read.method());
    assert_eq!(ours.target(), read.target());
    assert_eq!(ours.path(), read.path());
    assert_eq!(ours.query(), read.query());
    assert_eq!(ours.authority(), read.authority());
    assert_eq!(ours.framing(), read.framing());
    assert_eq!(ours.wants_websocket(), read.wants_websocket());
    assert!(!out.windows(4).rev().skip(1).any(|w| w == b"\r\n\r\n"));
    assert!(pseudo.method == ours.method() || ours.wants_websocket());
}

fn answer(fields: &Fields) {
    let Ok(status) = status_of(fields) else {
        return;
    };
    let answers = Answers {
        unannounced: Unannounced::Chunked,
        to_head: false,
        websocket: None,
    };
    let (mut head, mut out) = (ResponseHead::new(), Vec::new());
    let regular = fields.regular();
    if take_response(&mut head, &mut out, &LIMITS, status, regular, answers).is_err() {
        return assert!(out.is_empty(), "a fault leaves nothing behind");
    }
    let mut other = ResponseHead::new();
    let read = other.parse(&out, &LIMITS, false);
    assert_eq!(read, Ok(Some(out.len())), "nothing stands behind the head");
    let (ours, read) = (head.view(&out), other.view(&out));
    assert!(ours.fields().eq(read.fields()));
    assert_eq!(ours.status(), status);
    assert_eq!(ours.framing(), read.framing());
}
