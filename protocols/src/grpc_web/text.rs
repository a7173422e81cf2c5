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

/// Reads text as it comes. Behind padding it goes on: each piece that its writer has flushed is base64 of its own.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TextDecoder {
    /// The beginning of four characters.
    held: [u8; 4],
    count: usize,
}

impl TextDecoder {
    /// Nothing was read.
    pub fn new() -> TextDecoder {
        TextDecoder::default()
    }

    /// Append to `out` what this piece of text completes. After a fault nothing more is to be read.
    pub fn read(&mut self, mut text: &[u8], out: &mut Vec<u8>) -> Result<(), TextFault> {
        if self.count > 0 {
            let missing = (4 - self.count).min(text.len());
            let (first, rest) = text.split_at(missing);
            self.hold(first);
            text = rest;
            if self.count < 4 {
                return Ok(());
            }
            self.count = 0;
            decode(&self.held, out)?;
        }
        let (whole, rest) = text.split_at(text.len() / 4 * 4);
        decode(whole, out)?;
        self.hold(rest);
        Ok(())
    }

    fn hold(&mut self, text: &[u8]) {
        for octet in text {
            if let Some(place) = self.held.get_mut(self.count) {
                *place = *octet;
                self.count += 1;
            }
        }
    }

    /// The text has ended.
    pub fn finish(&self) -> Result<(), TextFault> {
        match self.count {
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
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TextEncoder {
    /// The beginning of three octets.
    held: [u8; 3],
    count: usize,
}

impl TextEncoder {
    /// Nothing was written.
    pub fn new() -> TextEncoder {
        TextEncoder::default()
    }

    /// Append these octets; one or two at the end are held until more come.
    pub fn write(&mut self, mut octets: &[u8], out: &mut Vec<u8>) {
        if self.count > 0 {
            let missing = (3 - self.count).min(octets.len());
            let (first, rest) = octets.split_at(missing);
            self.hold(first);
            octets = rest;
            if self.count < 3 {
                return;
            }
            self.count = 0;
            put_text(&self.held, out);
        }
        let (whole, rest) = octets.split_at(octets.len() / 3 * 3);
        put_text(whole, out);
        self.hold(rest);
    }

    fn hold(&mut self, octets: &[u8]) {
        for octet in octets {
            if let Some(place) = self.held.get_mut(self.count) {
                *place = *octet;
                self.count += 1;
            }
        }
    }

    /// Append what is held, with padding.
    pub fn flush(&mut self, out: &mut Vec<u8>) {
        let held = self.held.get(..self.count).unwrap_or_default();
        put_text(held, out);
        self.count = 0;
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
