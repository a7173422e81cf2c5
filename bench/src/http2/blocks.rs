//! Header blocks that come in on a connection: put together from their frames, and decoded.
//!
//! Not what their fields mean (`heads`), and not other frames (`reader`).

use ringway_protocols::http2::frame::{self, FrameHead, Kind, Reason, flag};
use ringway_protocols::http2::hpack::{Decoder, Fields};

use super::Fault;
use super::reader::fault;

/// The size of the table of fields that a peer's encoder may use; the default.
const TABLE: usize = 4096;
/// Octets of a header block and of what is in it, and fields: more than any proxy adds to what we send.
const MOST_BLOCK: usize = 64 * 1024;
const MOST_FIELDS: usize = 128;

/// See the module.
pub(super) struct Blocks {
    decoder: Decoder,
    fields: Fields,
    /// One that comes in several frames: of which stream, and whether that ends with it.
    begun: Option<(u32, bool)>,
    octets: Vec<u8>,
}

impl Blocks {
    pub(super) fn new() -> Blocks {
        Blocks {
            decoder: Decoder::new(TABLE),
            fields: Fields::default(),
            begun: None,
            octets: Vec::new(),
        }
    }

    /// Of the block that was whole last.
    pub(super) fn fields(&self) -> &Fields {
        &self.fields
    }

    /// Nothing comes between the frames of a block (RFC 9113 section 4.3).
    pub(super) fn may_come(&self, head: FrameHead) -> bool {
        match self.begun {
            Some((stream, _)) => head.kind == Kind::Continuation && head.stream == stream,
            None => head.kind != Kind::Continuation,
        }
    }

    /// A frame of a block. With the last one: of which stream it is, and whether that ends with it.
    pub(super) fn take(
        &mut self,
        head: FrameHead,
        payload: &[u8],
    ) -> Result<Option<(u32, bool)>, Fault> {
        let (mut octets, mut of) = (payload, self.begun);
        if head.kind == Kind::Headers {
            let unpadded = frame::unpadded(head, payload).map_err(|reason| Fault {
                reason,
                why: "more padding than a frame has",
            });
            (octets, _) = unpadded?;
            of = Some((head.stream, head.has(flag::END_STREAM)));
        }
        let is_whole = head.has(flag::END_HEADERS);
        self.begun = of.filter(|_| !is_whole);
        if is_whole && self.octets.is_empty() {
            self.decode(octets)?;
            return Ok(of);
        }
        if self.octets.len() + octets.len() > MOST_BLOCK {
            return fault(Reason::ENHANCE_YOUR_CALM, "a header block without an end");
        }
        self.octets.extend_from_slice(octets);
        if !is_whole {
            return Ok(None);
        }
        let mut block = std::mem::take(&mut self.octets);
        self.decode(&block)?;
        block.clear();
        self.octets = block;
        Ok(of)
    }

    fn decode(&mut self, block: &[u8]) -> Result<(), Fault> {
        self.fields.clear();
        let fields = &mut self.fields;
        let decoded = self.decoder.decode(block, fields, MOST_BLOCK, MOST_FIELDS);
        match decoded {
            Err(_) => fault(Reason::COMPRESSION_ERROR, "a header block out of order"),
            Ok(()) if self.fields.is_over() => {
                fault(Reason::ENHANCE_YOUR_CALM, "more fields than anybody sends")
            }
            Ok(()) => Ok(()),
        }
    }
}
