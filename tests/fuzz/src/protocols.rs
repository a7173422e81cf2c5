//! The protocol targets as plain functions, so that a test on the stable toolchain can replay their seeds.
//!
//! Not here: expectations about single inputs; those are golden tables. These hold for every input there is:
//! nothing panics, pieces change nothing, and what is written out is read back as the same message.

use ringway_protocols::grpc_web::{TextDecoder, TextEncoder, TextFault};
use ringway_protocols::http1::*;
use ringway_protocols::http2::hpack::{Decoder, Encoder, Fields, HpackFault, Indexing};
use ringway_protocols::path;
use ringway_protocols::websocket::Frames;

const LIMITS: HeadLimits = HeadLimits {
    head_bytes: 4096,
    fields: 40,
    target_bytes: 1024,
};

const FORWARDED: Forwarded<'static> = Forwarded {
    trusted: false,
    peer: b"192.0.2.7",
    proto: b"http",
    port: b"80",
    client_cert: None,
};

/// Any bytes as a request head.
pub fn request_head(input: &[u8]) {
    let mut head = RequestHead::new();
    let whole = head.parse(input, &LIMITS);

    let mut pieces = RequestHead::new();
    for cut in cuts(input.len()) {
        let first = pieces.parse(&input[..cut], &LIMITS);
        let second = match first {
            Ok(None) => pieces.parse(input, &LIMITS),
            done => done,
        };
        assert_eq!(second, whole, "cut at {cut}");
        pieces.reset();
    }

    let Ok(Some(length)) = whole else {
        return;
    };
    assert!(length <= input.len() && length <= LIMITS.head_bytes as usize);
    let request = head.view(input);
    times_seen(&request, b"ringway");
    let mut normal = Vec::new();
    if path::normalize(request.path(), &mut normal) == Ok(path::Normal::Rewritten) {
        let once = normal.clone();
        assert_eq!(
            path::normalize(&once, &mut normal),
            Ok(path::Normal::Unchanged)
        );
    }
    let edit = RequestEdit {
        target: None,
        host: None,
        via: b"ringway",
        forwarded: Forwarded {
            trusted: input.len().is_multiple_of(2),
            ..FORWARDED
        },
        request_id: Some(b"0195"),
        websocket: request.wants_websocket(),
        into_grpc: false,
        removed: Removed::default(),
        edits: &[FieldEdit::Set {
            name: b"x-set",
            value: b"1\r\nContent-Length: 5",
        }],
    };
    let mut out = Vec::new();
    write_request(&mut out, &request, &edit);
    check_written_request(&request, &out);
}

/// What we send is accepted by ourselves as the same message, and holds nothing that belongs to one connection.
fn check_written_request(request: &Request<'_>, out: &[u8]) {
    let limits = HeadLimits {
        head_bytes: 65536,
        fields: 100,
        target_bytes: 16384,
    };
    let mut again = RequestHead::new();
    assert_eq!(again.parse(out, &limits), Ok(Some(out.len())));
    let sent = again.view(out);
    assert_eq!(sent.method(), request.method());
    assert_eq!(sent.framing(), request.framing());
    assert_eq!(sent.authority(), request.authority());
    assert_eq!(sent.query(), request.query());
    if sent.target() != b"*" {
        assert_eq!(sent.path(), request.path());
    }
    assert_eq!(sent.wants_websocket(), request.wants_websocket());
    assert_eq!(sent.version(), Version::Http11);
    for (known, _, value) in sent.fields() {
        match known {
            Known::KeepAlive | Known::ProxyConnection | Known::Http2Settings => {
                panic!("{known:?} was passed on")
            }
            Known::Upgrade => assert_eq!(value, b"websocket"),
            Known::Connection => assert!(matches!(value, b"TE" | b"upgrade")),
            _ => {}
        }
    }
}

/// Any bytes as a response head; the first one says whether the request was HEAD.
pub fn response_head(input: &[u8]) {
    let Some((first, input)) = input.split_first() else {
        return;
    };
    let to_head = first % 2 == 1;
    let mut head = ResponseHead::new();
    let whole = head.parse(input, &LIMITS, to_head);

    let mut pieces = ResponseHead::new();
    for cut in cuts(input.len()) {
        let first = pieces.parse(&input[..cut], &LIMITS, to_head);
        let second = match first {
            Ok(None) => pieces.parse(input, &LIMITS, to_head),
            done => done,
        };
        assert_eq!(second, whole, "cut at {cut}");
        pieces.reset();
    }

    let Ok(Some(length)) = whole else {
        return;
    };
    assert!(length <= input.len() && length <= LIMITS.head_bytes as usize);
    let response = head.view(input);
    let edit = ResponseEdit {
        via: b"ringway",
        client: Version::Http11,
        connection: match response.framing() {
            BodyFraming::UntilClose => ClientConnection::Close,
            _ => ClientConnection::KeepAlive,
        },
        framing: response.framing(),
        request_id: Some(b"0195"),
        websocket: response.is_websocket_upgrade(),
        removed: Removed::default(),
        edits: &[],
    };
    let mut out = Vec::new();
    write_response(&mut out, &response, &edit);
    let mut again = ResponseHead::new();
    assert_eq!(again.parse(&out, &BIG, to_head), Ok(Some(out.len())));
    let sent = again.view(&out);
    assert_eq!(sent.status(), response.status());
    assert_eq!(sent.framing(), response.framing());
    assert_eq!(sent.reason(), response.reason());
    assert_eq!(sent.is_websocket_upgrade(), response.is_websocket_upgrade());
}

const BIG: HeadLimits = HeadLimits {
    head_bytes: 65536,
    fields: 100,
    target_bytes: 16384,
};

/// Any bytes as a chunked body; the first one says how they are cut.
pub fn chunked(input: &[u8]) {
    let Some((first, input)) = input.split_first() else {
        return;
    };
    let whole = read_body(input, input.len().max(1));
    let pieces = read_body(input, usize::from(*first).max(1));
    assert_eq!(whole.end, pieces.end);
    assert_eq!(whole.content, pieces.content);
    if let Ok(Some(_)) = whole.end {
        for body in [&whole, &pieces] {
            let again = read_body(&body.forwarded, body.forwarded.len());
            assert_eq!(again.end, Ok(Some(body.forwarded.len())));
            assert_eq!(again.content, whole.content);
        }
    }
}

struct Body {
    end: Result<Option<usize>, ChunkFault>,
    content: Vec<u8>,
    forwarded: Vec<u8>,
}

fn read_body(input: &[u8], step: usize) -> Body {
    let mut decoder = ChunkedDecoder::new();
    let mut body = Body {
        end: Ok(None),
        content: Vec::new(),
        forwarded: Vec::new(),
    };
    let (mut at, mut end) = (0, 0);
    while end < input.len() {
        end = (end + step).min(input.len());
        match read_on(&mut decoder, &input[..end], &mut at, &mut body) {
            Ok(None) => {}
            done => {
                body.end = done;
                break;
            }
        }
    }
    body
}

fn read_on(
    decoder: &mut ChunkedDecoder,
    input: &[u8],
    at: &mut usize,
    body: &mut Body,
) -> Result<Option<usize>, ChunkFault> {
    while !decoder.is_done() {
        let rest = &input[*at..];
        let n = match decoder.next(rest)? {
            Piece::More => return Ok(None),
            Piece::Last(n) => n,
            Piece::Data(n) => {
                body.content.extend_from_slice(&rest[..n]);
                body.forwarded.extend_from_slice(&rest[..n]);
                n
            }
            Piece::Framing(n) => {
                body.forwarded.extend_from_slice(&rest[..n]);
                n
            }
            Piece::Skip { n, line } => {
                if let Some(size) = line {
                    let line = format!("{size:x}\r\n");
                    body.forwarded.extend_from_slice(line.as_bytes());
                }
                n
            }
        };
        assert!(n > 0 && n <= rest.len());
        *at += n;
    }
    let mut trailers = Vec::new();
    let section = parse_trailers(&input[*at..], &LIMITS, &mut trailers)?;
    Ok(section.map(|n| {
        body.forwarded.extend_from_slice(b"0\r\n");
        body.forwarded.extend_from_slice(&trailers);
        body.forwarded.extend_from_slice(b"\r\n");
        *at + n
    }))
}

/// Any bytes as header blocks of one connection, each behind its length; the first one says the limits.
pub fn hpack(input: &[u8]) {
    let Some((first, mut rest)) = input.split_first() else {
        return;
    };
    let most = usize::from(first & 0x3f);
    let (mut whole, mut limited) = (Decoder::new(4096), Decoder::new(4096));
    let (mut encoder, mut again) = (Encoder::new(), Decoder::new(4096));
    while let Some((length, behind)) = rest.split_first() {
        let (block, behind) = behind.split_at(usize::from(*length).min(behind.len()));
        rest = behind;
        let [mut all, mut some, mut back] = [(); 3].map(|()| Fields::default());
        let decoded = whole.decode(block, &mut all, 1 << 24, usize::MAX);
        let within = limited.decode(block, &mut some, 32 * most, most);
        if within == Err(HpackFault::Copies) {
            return;
        }
        assert_eq!(within, decoded, "limits change no fault");
        check_limited(&some, &all, most);
        if decoded.is_err() {
            return;
        }
        let mut out = Vec::new();
        encoder.allow(u32::from(*length) * 20);
        encoder.begin(&mut out);
        for (n, (name, value)) in all.iter().enumerate() {
            let ways = [Indexing::Incremental, Indexing::Without, Indexing::Never];
            encoder.field(name, value, &mut out, ways[(n + most) % 3 * (n % 2)]);
        }
        assert_eq!(again.decode(&out, &mut back, 1 << 24, usize::MAX), Ok(()));
        assert!(back.iter().eq(all.iter()), "we read what we write");
    }
}

/// Of a list that is too long, the beginning is kept.
fn check_limited(some: &Fields, all: &Fields, most: usize) {
    let size = |fields: &Fields| -> usize {
        let sizes = fields.iter().map(|(name, value)| name.len() + value.len());
        sizes.map(|octets| octets + 32).sum()
    };
    assert_eq!(some.list_size(), all.list_size());
    assert_eq!(size(all), all.list_size());
    assert!(some.len() <= most && size(some) <= 32 * most);
    assert!(some.iter().zip(all.iter()).all(|(one, other)| one == other));
    assert_eq!(some.is_over(), some.len() < all.len());
}

/// Any bytes as one direction of a WebSocket.
pub fn websocket_frames(input: &[u8]) {
    let mut whole = Frames::new();
    whole.pass(input);
    for cut in cuts(input.len()) {
        let (front, rest) = input.split_at(cut);
        let mut frames = Frames::new();
        frames.pass(front);
        let mut to_boundary = frames.clone();
        let n = to_boundary.pass_to_boundary(rest);
        assert!(n <= rest.len());
        // In front of the boundary there is none.
        assert!(frames.is_open_here() <= (n == 0));
        assert!(n == rest.len() || to_boundary.is_open_here() || to_boundary.is_hopeless());
        to_boundary.pass(&rest[n..]);
        assert_eq!(to_boundary, whole);
        frames.pass(rest);
        assert_eq!(frames, whole);
        // What nobody saw is either within a frame or loses the place.
        let mut unseen = Frames::new();
        unseen.pass(front);
        unseen.pass_unseen(rest.len() as u64);
        assert!(unseen == whole || unseen.is_hopeless());
    }
}

/// Any bytes as messages of gRPC-Web in text.
pub fn grpc_web_text(input: &[u8]) {
    let read = |pieces: &[&[u8]]| -> Result<Vec<u8>, TextFault> {
        let (mut decoder, mut out) = (TextDecoder::new(), Vec::new());
        for piece in pieces {
            decoder.read(piece, &mut out)?;
        }
        decoder.finish().map(|()| out)
    };
    let whole = read(&[input]);
    for cut in cuts(input.len()) {
        let (front, rest) = input.split_at(cut);
        assert_eq!(read(&[front, rest]), whole, "cut at {cut}");
    }
    let Ok(octets) = whole else {
        return;
    };
    assert!(octets.len() <= input.len() / 4 * 3);
    for cut in cuts(octets.len()) {
        let (mut encoder, mut text) = (TextEncoder::new(), Vec::new());
        let (front, rest) = octets.split_at(cut);
        encoder.write(front, &mut text);
        if cut % 2 == 0 {
            encoder.flush(&mut text);
        }
        encoder.write(rest, &mut text);
        encoder.flush(&mut text);
        assert_eq!(
            read(&[&text]).as_ref(),
            Ok(&octets),
            "we read what we write"
        );
    }
}

/// Some places to cut an input at; all of them would make long inputs slow.
fn cuts(length: usize) -> impl Iterator<Item = usize> {
    (0..=length).step_by(length / 24 + 1)
}
