//! Frames (RFC 9113 sections 4 and 6): their heads, the small ones that are written whole, and what a peer's SETTINGS say.
//!
//! Not here: streams, windows, and what a frame means for them; header blocks (`hpack`).

use std::fmt;

/// Octets of a frame's head.
pub const HEAD: usize = 9;
/// What a frame may carry until something else is agreed. Neither do we allow more, nor send more: a large frame keeps all other streams waiting.
pub const MOST_PAYLOAD: u32 = 16 * 1024;
/// A window's largest size, and the largest stream.
pub const MOST: u32 = (1 << 31) - 1;
/// A window's size until SETTINGS say otherwise.
pub const WINDOW: u32 = 65_535;
/// What a client begins with (section 3.4).
pub const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Bits of a frame's flags.
pub mod flag {
    /// DATA and HEADERS: nothing follows on the stream.
    pub const END_STREAM: u8 = 0x1;
    /// SETTINGS and PING: an answer.
    pub const ACK: u8 = 0x1;
    /// HEADERS and CONTINUATION: the block is whole.
    pub const END_HEADERS: u8 = 0x4;
    /// DATA and HEADERS: octets without a meaning at the end, their number at the beginning.
    pub const PADDED: u8 = 0x8;
    /// HEADERS: a priority stands before the block.
    pub const PRIORITY: u8 = 0x20;
}

/// Types of frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Kind {
    Data,
    Headers,
    Priority,
    Reset,
    Settings,
    PushPromise,
    Ping,
    GoAway,
    WindowUpdate,
    Continuation,
    /// To be ignored (section 5.5).
    Unknown,
}

impl Kind {
    fn of(octet: u8) -> Kind {
        match octet {
            0 => Kind::Data,
            1 => Kind::Headers,
            2 => Kind::Priority,
            3 => Kind::Reset,
            4 => Kind::Settings,
            5 => Kind::PushPromise,
            6 => Kind::Ping,
            7 => Kind::GoAway,
            8 => Kind::WindowUpdate,
            9 => Kind::Continuation,
            _ => Kind::Unknown,
        }
    }
}

/// A frame's first octets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrameHead {
    /// Octets of the payload.
    pub len: u32,
    /// Its type.
    pub kind: Kind,
    /// See [`flag`].
    pub flags: u8,
    /// 0: the connection.
    pub stream: u32,
}

impl FrameHead {
    /// As it was received. The reserved bit is ignored (section 4.1).
    pub fn read(octets: [u8; HEAD]) -> FrameHead {
        let [a, b, c, kind, flags, stream @ ..] = octets;
        FrameHead {
            len: u32::from_be_bytes([0, a, b, c]),
            kind: Kind::of(kind),
            flags,
            stream: u32::from_be_bytes(stream) & MOST,
        }
    }

    /// As it is sent.
    pub fn write(self) -> [u8; HEAD] {
        let [_, a, b, c] = self.len.to_be_bytes();
        let [d, e, f, g] = self.stream.to_be_bytes();
        [a, b, c, self.kind as u8, self.flags, d, e, f, g]
    }

    /// Has it this flag?
    pub fn has(self, flag: u8) -> bool {
        self.flags & flag != 0
    }
}

/// An error code (section 7).
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Reason(pub u32);

macro_rules! reasons {
    ($($name:ident $code:literal;)+) => {
        #[allow(missing_docs)]
        impl Reason {
            $(pub const $name: Reason = Reason($code);)+
        }

        impl fmt::Display for Reason {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match *self {
                    $(Reason::$name => f.write_str(stringify!($name)),)+
                    Reason(code) => write!(f, "error code {code:#x}"),
                }
            }
        }
    };
}

reasons! {
    NO_ERROR 0x0;
    PROTOCOL_ERROR 0x1;
    INTERNAL_ERROR 0x2;
    FLOW_CONTROL_ERROR 0x3;
    SETTINGS_TIMEOUT 0x4;
    STREAM_CLOSED 0x5;
    FRAME_SIZE_ERROR 0x6;
    REFUSED_STREAM 0x7;
    CANCEL 0x8;
    COMPRESSION_ERROR 0x9;
    CONNECT_ERROR 0xa;
    ENHANCE_YOUR_CALM 0xb;
    INADEQUATE_SECURITY 0xc;
    HTTP_1_1_REQUIRED 0xd;
}

impl fmt::Debug for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Identifiers of settings that we send (section 6.5.2, RFC 8441 section 3).
pub mod setting {
    #![allow(missing_docs)]
    pub const HEADER_TABLE_SIZE: u16 = 0x1;
    pub const ENABLE_PUSH: u16 = 0x2;
    pub const MAX_CONCURRENT_STREAMS: u16 = 0x3;
    pub const INITIAL_WINDOW_SIZE: u16 = 0x4;
    pub const MAX_FRAME_SIZE: u16 = 0x5;
    pub const MAX_HEADER_LIST_SIZE: u16 = 0x6;
    pub const ENABLE_CONNECT_PROTOCOL: u16 = 0x8;
}

/// What a peer has said in its SETTINGS, or what holds until it does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// Octets of the table that its decoder may keep.
    pub header_table: u32,
    /// Streams that it takes at once.
    pub streams: u32,
    /// A new stream's window towards it.
    pub window: u32,
    /// What a frame may carry.
    pub payload: u32,
    /// It takes extended CONNECT.
    pub connect_protocol: bool,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            header_table: 4096,
            streams: u32::MAX,
            window: WINDOW,
            payload: MOST_PAYLOAD,
            connect_protocol: false,
        }
    }
}

impl Settings {
    /// Take in the payload of a SETTINGS frame. `server`: it is from one. An error ends the connection.
    pub fn apply(&mut self, payload: &[u8], server: bool) -> Result<(), Reason> {
        let (all, rest) = payload.as_chunks::<6>();
        if !rest.is_empty() {
            return Err(Reason::FRAME_SIZE_ERROR);
        }
        for [a, b, c, d, e, f] in all {
            let value = u32::from_be_bytes([*c, *d, *e, *f]);
            match u16::from_be_bytes([*a, *b]) {
                setting::HEADER_TABLE_SIZE => self.header_table = value,
                // A server never asks to be pushed to.
                setting::ENABLE_PUSH if value > 1 || (server && value == 1) => {
                    return Err(Reason::PROTOCOL_ERROR);
                }
                setting::MAX_CONCURRENT_STREAMS => self.streams = value,
                setting::INITIAL_WINDOW_SIZE if value > MOST => {
                    return Err(Reason::FLOW_CONTROL_ERROR);
                }
                setting::INITIAL_WINDOW_SIZE => self.window = value,
                setting::MAX_FRAME_SIZE if !(MOST_PAYLOAD..1 << 24).contains(&value) => {
                    return Err(Reason::PROTOCOL_ERROR);
                }
                setting::MAX_FRAME_SIZE => self.payload = value,
                setting::ENABLE_CONNECT_PROTOCOL if value > 1 => {
                    return Err(Reason::PROTOCOL_ERROR);
                }
                setting::ENABLE_CONNECT_PROTOCOL => self.connect_protocol = value == 1,
                _ => {}
            }
        }
        Ok(())
    }
}

/// Append a frame's head.
pub fn put_head(out: &mut Vec<u8>, kind: Kind, flags: u8, stream: u32, len: usize) {
    let head = FrameHead {
        len: len as u32,
        kind,
        flags,
        stream,
    };
    out.extend_from_slice(&head.write());
}

/// Append SETTINGS.
pub fn put_settings(out: &mut Vec<u8>, settings: &[(u16, u32)]) {
    put_head(out, Kind::Settings, 0, 0, settings.len() * 6);
    for (name, value) in settings {
        out.extend_from_slice(&name.to_be_bytes());
        out.extend_from_slice(&value.to_be_bytes());
    }
}

/// Append the answer to SETTINGS.
pub fn put_settings_ack(out: &mut Vec<u8>) {
    put_head(out, Kind::Settings, flag::ACK, 0, 0);
}

/// Append a PING, or the answer to one.
pub fn put_ping(out: &mut Vec<u8>, ack: bool, payload: [u8; 8]) {
    put_head(out, Kind::Ping, if ack { flag::ACK } else { 0 }, 0, 8);
    out.extend_from_slice(&payload);
}

/// Append a RST_STREAM.
pub fn put_reset(out: &mut Vec<u8>, stream: u32, reason: Reason) {
    put_head(out, Kind::Reset, 0, stream, 4);
    out.extend_from_slice(&reason.0.to_be_bytes());
}

/// Append a WINDOW_UPDATE. `stream` 0: the connection's.
pub fn put_window_update(out: &mut Vec<u8>, stream: u32, octets: u32) {
    put_head(out, Kind::WindowUpdate, 0, stream, 4);
    out.extend_from_slice(&octets.to_be_bytes());
}

/// Append a GOAWAY.
pub fn put_goaway(out: &mut Vec<u8>, last: u32, reason: Reason) {
    put_head(out, Kind::GoAway, 0, 0, 8);
    out.extend_from_slice(&last.to_be_bytes());
    out.extend_from_slice(&reason.0.to_be_bytes());
}

/// What of a payload is meant (sections 6.1 and 6.2): without padding, and without a priority. The other part is the stream that a priority names.
pub fn unpadded(head: FrameHead, payload: &[u8]) -> Result<(&[u8], Option<u32>), Reason> {
    let mut rest = payload;
    if head.has(flag::PADDED) {
        let (&padding, behind) = rest.split_first().ok_or(Reason::FRAME_SIZE_ERROR)?;
        let len = behind.len().checked_sub(padding.into());
        rest = &behind[..len.ok_or(Reason::PROTOCOL_ERROR)?];
    }
    if !head.has(flag::PRIORITY) {
        return Ok((rest, None));
    }
    let (priority, block) = rest.split_at_checked(5).ok_or(Reason::FRAME_SIZE_ERROR)?;
    Ok((block, u32_at(priority).map(|on| on & MOST)))
}

/// A number at the beginning of a payload.
pub fn u32_at(payload: &[u8]) -> Option<u32> {
    payload.first_chunk().map(|four| u32::from_be_bytes(*four))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_read_as_it_was_written() {
        let head = FrameHead {
            len: 0x01_02_03,
            kind: Kind::Continuation,
            flags: 0x24,
            stream: 0x7fff_fffe,
        };
        assert_eq!(head.write(), [1, 2, 3, 9, 0x24, 0x7f, 0xff, 0xff, 0xfe]);
        assert_eq!(FrameHead::read(head.write()), head);
        let mut reserved = head.write();
        reserved[5] |= 0x80;
        assert_eq!(
            FrameHead::read(reserved),
            head,
            "the reserved bit is ignored"
        );
        reserved[3] = 77;
        assert_eq!(FrameHead::read(reserved).kind, Kind::Unknown);
    }

    #[test]
    fn settings_outside_their_bounds() {
        let apply = |name: u16, value: u32, server| {
            let mut out = Vec::new();
            put_settings(&mut out, &[(name, value)]);
            Settings::default().apply(&out[HEAD..], server)
        };
        assert_eq!(
            apply(setting::ENABLE_PUSH, 2, false),
            Err(Reason::PROTOCOL_ERROR)
        );
        assert_eq!(apply(setting::ENABLE_PUSH, 1, false), Ok(()));
        assert_eq!(
            apply(setting::ENABLE_PUSH, 1, true),
            Err(Reason::PROTOCOL_ERROR)
        );
        assert_eq!(apply(setting::INITIAL_WINDOW_SIZE, MOST, true), Ok(()));
        assert_eq!(
            apply(setting::INITIAL_WINDOW_SIZE, MOST + 1, true),
            Err(Reason::FLOW_CONTROL_ERROR)
        );
        for wrong in [0, 16_383, 1 << 24] {
            assert_eq!(
                apply(setting::MAX_FRAME_SIZE, wrong, true),
                Err(Reason::PROTOCOL_ERROR)
            );
        }
        assert_eq!(apply(setting::MAX_FRAME_SIZE, (1 << 24) - 1, true), Ok(()));
        assert_eq!(
            apply(setting::ENABLE_CONNECT_PROTOCOL, 2, true),
            Err(Reason::PROTOCOL_ERROR)
        );
        assert_eq!(apply(0xf0f0, u32::MAX, true), Ok(()), "unknown");
        assert_eq!(
            Settings::default().apply(&[0; 7], true),
            Err(Reason::FRAME_SIZE_ERROR)
        );
    }

    #[test]
    fn padding_and_priority_are_taken_off() {
        let head = |flags| FrameHead {
            len: 0,
            kind: Kind::Headers,
            flags,
            stream: 1,
        };
        let both = flag::PADDED | flag::PRIORITY;
        assert_eq!(unpadded(head(0), b"abc"), Ok((&b"abc"[..], None)));
        assert_eq!(
            unpadded(head(flag::PADDED), b"\x02abc"),
            Ok((&b"a"[..], None))
        );
        assert_eq!(
            unpadded(head(flag::PADDED), b"\x03abc"),
            Ok((&b""[..], None))
        );
        assert_eq!(
            unpadded(head(flag::PADDED), b"\x04abc"),
            Err(Reason::PROTOCOL_ERROR)
        );
        assert_eq!(
            unpadded(head(flag::PADDED), b""),
            Err(Reason::FRAME_SIZE_ERROR)
        );
        assert_eq!(
            unpadded(head(both), b"\x01\x80\0\0\x07\xffab"),
            Ok((&b"a"[..], Some(7)))
        );
        assert_eq!(
            unpadded(head(flag::PRIORITY), b"\0\0\0\x07"),
            Err(Reason::FRAME_SIZE_ERROR)
        );
    }
}
