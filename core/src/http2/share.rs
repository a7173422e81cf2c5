//! A connection's share of a turn of the worker's loop: how much of what its peer sent is looked at before everybody else has been. Whoever sends more than that
//! waits for its own sake, and for nobody else's. Not a limit on what it may send in all (`watch`).

use std::task::Context;

use ringway_io as io;

/// Receive buffers.
const BUFFERS: u32 = 16;
/// Octets of header blocks, which cost far more than others. A hundred usual requests.
const BLOCKS: u32 = 16 * 1024;
/// Streams of a client's, each of which may open a connection.
const STREAMS: u32 = 16;

/// See the module. What was had of the turn `turn`.
#[derive(Debug, Default)]
pub(super) struct Share {
    turn: u64,
    buffers: u32,
    blocks: u32,
    streams: u32,
    /// The connection's task is woken with the next turn.
    waits: bool,
}

impl Share {
    fn look_at_the_clock(&mut self) {
        let turn = io::turn();
        if self.turn != turn {
            *self = Share {
                turn,
                ..Share::default()
            };
        }
    }

    /// Another buffer may be read.
    pub(super) fn may_read(&mut self) -> bool {
        self.look_at_the_clock();
        self.buffers < BUFFERS && self.blocks < BLOCKS
    }

    /// It was.
    pub(super) fn read(&mut self) {
        self.buffers += 1;
    }

    /// A header block was decoded.
    pub(super) fn decoded(&mut self, octets: usize) {
        self.blocks = self.blocks.saturating_add(octets as u32);
    }

    /// A stream may begin; it does.
    pub(super) fn may_begin(&mut self) -> bool {
        self.look_at_the_clock();
        let may = self.streams < STREAMS;
        self.streams += u32::from(may);
        may
    }

    /// Go on with the next turn.
    pub(super) fn wait(&mut self, cx: &Context<'_>) {
        if !std::mem::replace(&mut self.waits, true) {
            let waker = cx.waker().clone();
            io::spawn(async move {
                io::next_turn().await;
                waker.wake();
            });
        }
    }
}
