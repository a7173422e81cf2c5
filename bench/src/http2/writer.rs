//! What goes out on a connection: frames, and bodies as far as the peer's windows and the room for them allow.
//!
//! Not which streams there are, and not the socket (`frames`).

use ringway_protocols::http2::frame::{
    self, FrameHead, HEAD, Kind, MOST, MOST_PAYLOAD, Reason, Settings, flag,
};
use ringway_protocols::http2::hpack::Encoder;

use super::out::Out;
use super::{Fault, Head};

/// See the module.
pub(crate) struct Writer {
    encoder: Encoder,
    /// What the peer's SETTINGS say. None: they have not come.
    peer: Option<Settings>,
    /// The connection's window towards the peer.
    window: i64,
    pub(super) out: Out,
}

/// A body on its way out: all that is held of it.
#[derive(Debug, Default)]
pub(crate) struct Sending {
    rest: &'static [u8],
    /// The stream's window towards the peer.
    window: i64,
}

/// What became of a body's next frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sent {
    /// It is written, and was the last.
    Last,
    /// It is written.
    One,
    /// Not now: a window is shut, or there is no room.
    Nothing,
}

impl Writer {
    pub(super) fn new() -> Writer {
        Writer {
            encoder: Encoder::new(),
            peer: None,
            window: frame::WINDOW.into(),
            out: Out::default(),
        }
    }

    /// How many streams the peer takes at once. None before it has said so.
    pub(crate) fn most_streams(&self) -> Option<u32> {
        self.peer.map(|peer| peer.streams)
    }

    /// Bodies have to wait for room.
    pub(crate) fn is_full(&self) -> bool {
        self.out.is_full()
    }

    /// Write something small.
    pub(crate) fn put(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        write(self.out.open());
    }

    /// Write a head, or trailers. (None of ours is longer than a frame may be.)
    pub(crate) fn head(&mut self, stream: u32, ends: bool, head: &Head) {
        let out = self.out.open();
        let begin = out.len();
        // How long the block is shows when it is there.
        out.extend_from_slice(&[0; HEAD]);
        let block = out.len();
        head.encode(&mut self.encoder, out);
        let end = if ends { flag::END_STREAM } else { 0 };
        let written = FrameHead {
            len: (out.len() - block) as u32,
            kind: Kind::Headers,
            flags: flag::END_HEADERS | end,
            stream,
        };
        out[begin..block].copy_from_slice(&written.write());
    }

    /// A body to be sent on a fresh stream.
    pub(crate) fn sending(&self, body: &'static [u8]) -> Sending {
        Sending {
            rest: body,
            window: self.peer.unwrap_or_default().window.into(),
        }
    }

    /// Write the next frame of a body, which leaves others their turn. `ends`: nothing comes behind the body.
    pub(crate) fn send(&mut self, stream: u32, sending: &mut Sending, ends: bool) -> Sent {
        let peer = self.peer.unwrap_or_default();
        let payload = peer.payload.min(MOST_PAYLOAD) as usize;
        let window = usize::try_from(self.window.min(sending.window)).unwrap_or(0);
        let n = sending.rest.len().min(window).min(payload);
        if n == 0 || self.is_full() {
            return Sent::Nothing;
        }
        let (piece, rest) = sending.rest.split_at(n);
        let is_last = rest.is_empty();
        let flags = if is_last && ends { flag::END_STREAM } else { 0 };
        frame::put_head(self.out.open(), Kind::Data, flags, stream, n);
        self.out.put(piece);
        sending.rest = rest;
        sending.window -= n as i64;
        self.window -= n as i64;
        match is_last {
            true => Sent::Last,
            false => Sent::One,
        }
    }

    /// The peer's SETTINGS. By how much the windows of all streams grow.
    pub(super) fn settle(&mut self, payload: &[u8], of_server: bool) -> Result<i64, Fault> {
        let before = self.peer.unwrap_or_default();
        let mut peer = before;
        peer.apply(payload, of_server).map_err(|reason| Fault {
            reason,
            why: "SETTINGS that may not be",
        })?;
        self.peer = Some(peer);
        if peer.header_table != before.header_table {
            self.encoder.allow(peer.header_table);
        }
        self.put(frame::put_settings_ack);
        Ok(i64::from(peer.window) - i64::from(before.window))
    }

    /// The peer opens the connection's window.
    pub(super) fn open(&mut self, octets: u32) -> Result<(), Fault> {
        self.window = opened(self.window, octets.into())?;
        Ok(())
    }
}

impl Sending {
    pub(crate) fn is_done(&self) -> bool {
        self.rest.is_empty()
    }

    /// The peer opens (or, by its SETTINGS, shuts) the stream's window by so much.
    pub(crate) fn open(&mut self, octets: i64) -> Result<(), Fault> {
        self.window = opened(self.window, octets)?;
        Ok(())
    }
}

fn opened(window: i64, octets: i64) -> Result<i64, Fault> {
    let now = window + octets;
    if now > MOST.into() {
        return Err(Fault {
            reason: Reason::FLOW_CONTROL_ERROR,
            why: "a window that was opened too far",
        });
    }
    Ok(now)
}

#[cfg(test)]
impl Writer {
    /// All that is to be sent.
    pub(crate) fn written(&mut self) -> Vec<u8> {
        let mut written = Vec::new();
        while let Some(segment) = self.out.pop() {
            written.extend_from_slice(segment.bytes());
        }
        written
    }
}
