//! An endless row of bytes that both ends of a connection know: one pours it, the other checks it as it comes.
//!
//! Not when it begins or ends, and not what is counted: that is the affair of `load` and `origin`.

use std::io;

use ringway_io::{Buf, Stream};

use crate::load::matches;
use crate::message;

/// After so many bytes the row begins anew. No buffer's length divides it, so that a piece that was left out or doubled shows.
const PERIOD: usize = (1 << 20) - 61;
/// Bytes of one send: enough that the sender's own work per byte is small.
const PIECE: usize = 256 * 1024;
/// Every so many pieces are compared whole, the others at both ends.
const SAMPLE: u64 = 64;

/// The row, and nobody's place in it.
#[derive(Clone, Copy)]
pub(crate) struct Row(&'static [u8]);

impl Row {
    pub(crate) fn new() -> Row {
        Row(message::body(PERIOD))
    }

    /// Send until `over`, which is told of each piece that the kernel has taken.
    pub(crate) async fn pour(
        self,
        stream: &Stream,
        mut over: impl FnMut(usize) -> bool,
    ) -> io::Result<()> {
        for piece in self.0.chunks(PIECE).cycle() {
            // There is room: all before is flushed.
            let _ = stream.queue(piece);
            stream.flush().await?;
            if over(piece.len()) {
                break;
            }
        }
        Ok(())
    }

    /// Receive from the row's beginning until the end, or until `over`, which is told of each right piece. `false`: one was wrong.
    pub(crate) async fn check(
        self,
        stream: &Stream,
        mut over: impl FnMut(usize) -> bool,
    ) -> io::Result<bool> {
        let mut at = Place::default();
        while let Some(buf) = stream.recv().await? {
            let len = buf.len();
            if !self.is_next(&mut at, buf) {
                return Ok(false);
            }
            if over(len) {
                break;
            }
        }
        Ok(true)
    }

    fn is_next(self, at: &mut Place, mut buf: Buf) -> bool {
        at.pieces += 1;
        let whole = at.pieces.is_multiple_of(SAMPLE);
        while !buf.is_empty() {
            let n = buf.len().min(PERIOD - at.byte);
            if !matches(self.0, at.byte, &buf[..n], whole) {
                return false;
            }
            buf.advance(n);
            at.byte = (at.byte + n) % PERIOD;
        }
        true
    }
}

/// How far somebody has got in the row.
#[derive(Default)]
struct Place {
    byte: usize,
    pieces: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_in_the_row_is_found_by_its_bytes() {
        let row = Row::new();
        // No piece that is a buffer's length away looks like the one that is next.
        for shift in [1, 64, 1024, 16 * 1024, 64 * 1024, 1 << 20] {
            let from = shift % PERIOD;
            assert!(!matches(row.0, 0, &row.0[from..from + 1024], false));
        }
        assert!(matches(row.0, 5, &row.0[5..5000], true));
    }
}
