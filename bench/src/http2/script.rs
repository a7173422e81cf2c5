//! The other side in tests: it writes whatever frames a test says, also odd ones, and reads ours.

use ringway_protocols::http2::frame::{self, FrameHead, HEAD, Kind, PREFACE, flag};
use ringway_protocols::http2::hpack::{Decoder, Encoder, Fields, Indexing};

/// See the module.
pub(crate) struct Script {
    encoder: Encoder,
    decoder: Decoder,
    /// What it has written.
    pub(crate) out: Vec<u8>,
}

/// A frame that it was sent.
#[derive(Debug)]
pub(crate) struct Frame {
    pub(crate) head: FrameHead,
    pub(crate) payload: Vec<u8>,
    /// Of a header block.
    pub(crate) fields: Vec<(String, String)>,
}

impl Script {
    /// It begins with these SETTINGS.
    pub(crate) fn new(settings: &[(u16, u32)]) -> Script {
        let mut script = Script {
            encoder: Encoder::new(),
            decoder: Decoder::new(4096),
            out: Vec::new(),
        };
        frame::put_settings(&mut script.out, settings);
        script
    }

    /// The same of a client.
    pub(crate) fn client(settings: &[(u16, u32)]) -> Script {
        let mut script = Script::new(settings);
        script.out.splice(0..0, *PREFACE);
        script
    }

    pub(crate) fn frame(&mut self, kind: Kind, flags: u8, stream: u32, payload: &[u8]) {
        frame::put_head(&mut self.out, kind, flags, stream, payload.len());
        self.out.extend_from_slice(payload);
    }

    pub(crate) fn block(&mut self, fields: &[(&str, &str)]) -> Vec<u8> {
        let mut block = Vec::new();
        self.encoder.begin(&mut block);
        for (name, value) in fields {
            let (name, value) = (name.as_bytes(), value.as_bytes());
            self.encoder
                .field(name, value, &mut block, Indexing::Incremental);
        }
        block
    }

    pub(crate) fn head(&mut self, stream: u32, ends: bool, fields: &[(&str, &str)]) {
        let block = self.block(fields);
        let flags = flag::END_HEADERS | u8::from(ends);
        self.frame(Kind::Headers, flags, stream, &block);
    }

    pub(crate) fn data(&mut self, stream: u32, ends: bool, octets: &[u8]) {
        self.frame(Kind::Data, u8::from(ends), stream, octets);
    }

    /// What it has written since it was asked last.
    pub(crate) fn said(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.out)
    }

    /// The frames in what we have written.
    pub(crate) fn read(&mut self, written: &[u8]) -> Vec<Frame> {
        let mut rest = written.strip_prefix(PREFACE).unwrap_or(written);
        let mut frames = Vec::new();
        while let Some((head, behind)) = rest.split_first_chunk::<HEAD>() {
            let head = FrameHead::read(*head);
            let (payload, behind) = behind.split_at(head.len as usize);
            rest = behind;
            let mut fields = Fields::default();
            if head.kind == Kind::Headers {
                assert!(head.has(flag::END_HEADERS));
                let read = self.decoder.decode(payload, &mut fields, 9999, 99);
                read.expect("a block in order");
            }
            let text = |octets: &[u8]| String::from_utf8_lossy(octets).into_owned();
            let fields = fields.iter().map(|(name, value)| (text(name), text(value)));
            frames.push(Frame {
                head,
                payload: payload.to_vec(),
                fields: fields.collect(),
            });
        }
        assert!(rest.is_empty(), "whole frames are written");
        frames
    }
}

/// The octets of a stream's DATA among these.
pub(crate) fn octets_of(frames: &[Frame], stream: u32) -> Vec<u8> {
    let data = frames.iter().filter(|one| one.is(Kind::Data, stream));
    data.flat_map(|one| one.payload.clone()).collect()
}

/// Fields as a frame has them.
pub(crate) fn owned<const N: usize>(fields: [(&str, &str); N]) -> [(String, String); N] {
    fields.map(|(name, value)| (name.to_owned(), value.to_owned()))
}

impl Frame {
    pub(crate) fn is(&self, kind: Kind, stream: u32) -> bool {
        (self.head.kind, self.head.stream) == (kind, stream)
    }

    pub(crate) fn ends(&self) -> bool {
        self.head.has(flag::END_STREAM)
    }
}
