//! A connection's share of a turn of the worker's loop: how much of what its peer sent is looked at before everybody else has been. Whoever sends more than that
//! waits for its own sake, and for nobody else's. Streams are begun few in a turn by all connections together, too: each may take fresh memory and open a connection. Not a limit on what a
//! client may send in all (`watch`).

use std::cell::Cell;
use std::task::Context;

use ringway_io as io;

/// Receive buffers.
const BUFFERS: u32 = 16;
/// Octets of header blocks, which cost far more than others. A hundred usual requests.
const BLOCKS: u32 = 16 * 1024;
/// Streams of one client's connection.
const STREAMS: u32 = 16;
/// Of all connections together. The first one of a connection is not held up by others. (A busy worker takes some twenty exchanges a step further in a turn.)
const ALL_STREAMS: u32 = 32;

thread_local! {
    /// The turn of this worker, and the streams that were begun in it.
    static BEGUN: Cell<(u64, u32)> = const { Cell::new((0, 0)) };
}

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
        let all = match BEGUN.get() {
            (turn, all) if turn == self.turn => all,
            _ => 0,
        };
        let may = self.streams == 0 || self.streams < STREAMS && all < ALL_STREAMS;
        if may {
            self.streams += 1;
            BEGUN.set((self.turn, all + 1));
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_are_begun_few_in_a_turn_and_each_connection_begins_one() {
        io::run(io::WorkerOptions::default(), || async {
            let begin = |share: &mut Share| (0..100).filter(|_| share.may_begin()).count();
            let mut shares: Vec<Share> = (0..5).map(|_| Share::default()).collect();
            let begun: Vec<usize> = shares.iter_mut().map(begin).collect();
            assert_eq!(begun, [16, 16, 1, 1, 1]);
            io::next_turn().await;
            let begun: Vec<usize> = shares.iter_mut().rev().map(begin).collect();
            assert_eq!(begun, [16, 16, 1, 1, 1]);
        })
        .unwrap();
    }
}
