//! A connection's share of a turn of the worker's loop: how much of what its peer sent is looked at before everybody else has been. Whoever sends more than that
//! waits for its own sake, and for nobody else's. Streams are begun few in a turn by all connections together, too: each may take fresh memory and open a connection. Where they are
//! cheap they are many, since what is begun together is written together. Not a limit on what a client may send in all (`watch`).

use std::cell::Cell;
use std::task::Context;

use ringway_io as io;

/// Receive buffers.
const BUFFERS: u32 = 16;
/// Octets of header blocks, which cost far more than others. A hundred usual requests.
const BLOCKS: u32 = 16 * 1024;
/// Streams of one client's connection.
const STREAMS: u32 = 16;
/// Of all connections together. The first one of a connection is not held up by others.
const ALL_STREAMS: u32 = 32;
/// Of all, and of one, as long as the turn is young: streams that take fresh memory make it old soon.
const MOST_STREAMS: u32 = 128;
/// It is no more, after this.
const YOUNG_US: u64 = 500;
/// The clock is read once for so many streams.
const LOOK_EVERY: u32 = 8;

/// What all connections of a worker have begun.
#[derive(Debug, Clone, Copy)]
struct Begun {
    turn: u64,
    streams: u32,
    young: bool,
}

impl Begun {
    const NONE: Begun = Begun {
        turn: 0,
        streams: 0,
        young: true,
    };

    fn is_young(&mut self) -> bool {
        if self.young && self.streams.is_multiple_of(LOOK_EVERY) {
            self.young = io::turn_age_us() < YOUNG_US;
        }
        self.young
    }
}

thread_local! {
    /// In the turn that it is, or was.
    static BEGUN: Cell<Begun> = const { Cell::new(Begun::NONE) };
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
        let mut begun = match BEGUN.get() {
            begun if begun.turn == self.turn => begun,
            _ => Begun {
                turn: self.turn,
                ..Begun::NONE
            },
        };
        let may = self.streams == 0
            || self.streams < STREAMS && begun.streams < ALL_STREAMS
            || begun.streams < MOST_STREAMS && begun.is_young();
        if may {
            self.streams += 1;
            begun.streams += 1;
        }
        BEGUN.set(begun);
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
    use std::time::Duration;

    use super::*;

    #[test]
    fn streams_are_begun_few_in_a_turn_and_each_connection_begins_one() {
        io::run(io::WorkerOptions::default(), || async {
            let begin = |share: &mut Share| (0..100).filter(|_| share.may_begin()).count();
            let mut shares: Vec<Share> = (0..5).map(|_| Share::default()).collect();
            let grow_old = || std::thread::sleep(Duration::from_micros(YOUNG_US));
            grow_old();
            let begun: Vec<usize> = shares.iter_mut().map(begin).collect();
            assert_eq!(begun, [16, 16, 1, 1, 1]);
            io::next_turn().await;
            grow_old();
            let begun: Vec<usize> = shares.iter_mut().rev().map(begin).collect();
            assert_eq!(begun, [16, 16, 1, 1, 1]);
        })
        .unwrap();
    }

    #[test]
    fn a_young_turn_begins_more_of_them_and_each_connection_one_all_the_same() {
        // Of many turns: one may grow old while the machine does something else.
        let all = |begun: &[usize]| begun == [100, 28, 1, 1, 1];
        io::run(io::WorkerOptions::default(), || async move {
            for _ in 0..1000 {
                let mut shares: Vec<Share> = (0..5).map(|_| Share::default()).collect();
                let begin = |share: &mut Share| (0..100).filter(|_| share.may_begin()).count();
                let begun: Vec<usize> = shares.iter_mut().map(begin).collect();
                if all(&begun) {
                    return;
                }
                io::next_turn().await;
            }
            panic!("no turn was young");
        })
        .unwrap();
    }
}
