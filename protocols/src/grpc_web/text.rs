//! Messages as text: base64 (RFC 4648 section 4) that comes in pieces cut anywhere, and has padding wherever its writer had no more to say.
//!
//! Not here: where messages end.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use base64::{DecodeError, encoded_len};

faults! {
    /// Why text is refused.
    TextFault:
    Octet "grpc_web_octet" "a body of gRPC-Web has an octet that base64 does not have (RFC 4648 section 4)";
    Padding "grpc_web_padding" "a body of gRPC-Web has padding, or bits in front of it, that base64 does not allow there (RFC 4648 section 3.5)";
    Cut "grpc_web_cut" "a body of gRPC-Web ends within four characters of base64 (RFC 4648 section 4)";
}

/// The beginning of a group of `N` octets, which come in pieces.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Begun<const N: usize> {
    octets: [u8; N],
    count: usize,
}

impl<const N: usize> Begun<N> {
    const NOTHING: Begun<N> = Begun {
        octets: [0; N],
        count: 0,
    };

    /// Go on with this piece: the group that has begun, once it is whole, and the whole groups behind it. What is left begins the next one.
    fn groups<'p>(&mut self, piece: &'p [u8]) -> (Option<[u8; N]>, &'p [u8]) {
        let missing = match self.count {
            0 => 0,
            count => (N - count).min(piece.len()),
        };
        let (first, rest) = piece.split_at(missing);
        self.keep(first);
        let whole = (self.count == N).then(|| std::mem::replace(self, Begun::NOTHING).octets);
        let (groups, rest) = rest.split_at(rest.len() / N * N);
        self.keep(rest);
        (whole, groups)
    }

    fn keep(&mut self, octets: &[u8]) {
        for octet in octets {
            if let Some(place) = self.octets.get_mut(self.count) {
                *place = *octet;
                self.count += 1;
            }
        }
    }
}

/// Reads text as it comes. Behind padding it goes on: each piece that its writer has flushed is base64 of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TextDecoder {
    begun: Begun<4>,
}

impl Default for TextDecoder {
    fn default() -> TextDecoder {
        TextDecoder::new()
    }
}

impl TextDecoder {
    /// Nothing was read.
    pub fn new() -> TextDecoder {
        TextDecoder {
            begun: Begun::NOTHING,
        }
    }

    /// Append to `out` what this piece of text completes. After a fault nothing more is to be read.
    pub fn read(&mut self, text: &[u8], out: &mut Vec<u8>) -> Result<(), TextFault> {
        let (first, groups) = self.begun.groups(text);
        if let Some(first) = first {
            decode(&first, out)?;
        }
        decode(groups, out)
    }

    /// The text has ended.
    pub fn finish(&self) -> Result<(), TextFault> {
        match self.begun.count {
            0 => Ok(()),
            _ => Err(TextFault::Cut),
        }
    }
}

/// Whole fours of characters, of which any may be padded.
fn decode(mut text: &[u8], out: &mut Vec<u8>) -> Result<(), TextFault> {
    while !text.is_empty() {
        let padded = memchr::memchr(b'=', text).map(|at| at / 4 * 4 + 4);
        let (run, rest) = text.split_at(padded.unwrap_or(text.len()));
        STANDARD.decode_vec(run, out).map_err(|fault| match fault {
            DecodeError::InvalidByte(_, octet) if octet != b'=' => TextFault::Octet,
            _ => TextFault::Padding,
        })?;
        text = rest;
    }
    Ok(())
}

/// Writes octets as text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TextEncoder {
    begun: Begun<3>,
}

impl Default for TextEncoder {
    fn default() -> TextEncoder {
        TextEncoder::new()
    }
}

impl TextEncoder {
    /// Nothing was written.
    pub fn new() -> TextEncoder {
        TextEncoder {
            begun: Begun::NOTHING,
        }
    }

    /// Append these octets; one or two at the end are held until more come.
    pub fn write(&mut self, octets: &[u8], out: &mut Vec<u8>) {
        let (first, groups) = self.begun.groups(octets);
        if let Some(first) = first {
            put_text(&first, out);
        }
        put_text(groups, out);
    }

    /// Append what is held, with padding.
    pub fn flush(&mut self, out: &mut Vec<u8>) {
        let begun = std::mem::replace(&mut self.begun, Begun::NOTHING);
        put_text(begun.octets.get(..begun.count).unwrap_or_default(), out);
    }
}

/// Append these octets as text of their own, padded.
fn put_text(octets: &[u8], out: &mut Vec<u8>) {
    let start = out.len();
    let Some(length) = encoded_len(octets.len(), true) else {
        return;
    };
    out.resize(start + length, 0);
    if let Some(room) = out.get_mut(start..) {
        // It has just the room.
        let _ = STANDARD.encode_slice(octets, room);
    }
}
