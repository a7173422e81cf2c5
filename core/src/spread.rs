//! Which worker serves a fresh connection. The kernel gives it to one of the workers' sockets by a hash of the addresses, which is
//! even for thousands and lumpy for few: of 64 connections that stay, 38 on one of two workers is nothing unusual. So the worker
//! that accepted a connection hands it on, before its first byte, if another one clearly has fewer.
//!
//! What is compared is how many connections of the same listening address each worker has, with those on their way to it. Not how
//! busy workers are: that is known late, so that all would send to the same one until it shows; and not all listeners in one sum,
//! in which one listener's idle connections would make up for another's busy ones. Connections that are served stay where they are.

use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use crossbeam_utils::CachePadded;
use ringway_balancer::Permit;
use ringway_io as io;

use crate::accept::Door;
use crate::plan::DoorKey;

/// Connections that may be on their way to one worker; beyond it whoever has accepted one serves it. As many as a listener may
/// have accepted and not yet asked for, so that one turn of a worker fits.
const INBOX: usize = 256;

/// Handing on takes the other worker a wake-up, so it must be worth it. Two more than the other: then both have the same after
/// it; with one more it would only change sides. And a sixteenth more, since of hundreds that come and go a few more or less
/// are nothing: no worker has more than 6 % above another then, which is 3 % above the mean of two.
const MORE: u32 = 2;
const MORE_SHARE: u32 = 16;

/// How many a worker may hand on: so many at once, and so many more with each of its chores (five times a second). Connections that
/// come and go by the thousand even themselves out, and to hand on each that is worth it cost 5 % of CPU time there (`h1-close`).
/// Those that stay come in smaller numbers, or at once: 512 even out
/// a thousand that all came to one of two workers.
pub(crate) const HANDED_AT_ONCE: u32 = 512;
pub(crate) const HANDED_PER_TICK: u32 = 64;

/// Others that are looked at for one connection, in turn, so that accepting costs the same with many workers: the least of nine is
/// close to the least of all.
const LOOK_AT: usize = 8;

/// In a [`Crowd`]'s word: the worker's door is open. The other bits count.
const OPEN: u32 = 1 << 31;

/// The connections of one door's address, by worker: those that it serves and those that are on their way to it.
#[derive(Debug)]
pub(crate) struct Crowd {
    key: DoorKey,
    /// Padded: each is written by its worker for every connection.
    workers: Box<[CachePadded<AtomicU32>]>,
}

impl Crowd {
    pub(crate) fn new(key: DoorKey, workers: usize) -> Arc<Crowd> {
        let workers = (0..workers).map(|_| CachePadded::default()).collect();
        Arc::new(Crowd { key, workers })
    }

    pub(crate) fn key(&self) -> &DoorKey {
        &self.key
    }

    /// From now on this worker can be handed connections.
    pub(crate) fn open(&self, worker: usize) {
        self.workers[worker].fetch_or(OPEN, Relaxed);
    }

    /// From now on it is handed none. Those that were on their way before are in its count.
    pub(crate) fn close(&self, worker: usize) {
        self.workers[worker].fetch_and(!OPEN, Relaxed);
    }

    /// How many it serves, with those on their way to it.
    pub(crate) fn of(&self, worker: usize) -> u32 {
        self.workers[worker].load(Relaxed) & !OPEN
    }

    pub(crate) fn enter(&self, worker: usize) {
        self.workers[worker].fetch_add(1, Relaxed);
    }

    pub(crate) fn leave(&self, worker: usize) {
        self.workers[worker].fetch_sub(1, Relaxed);
    }

    /// Who should serve a connection that `me` has accepted, if not `me`. It is counted there already, so that the next one to
    /// ask finds it. `turn` says where to begin to look.
    fn send_on(self: &Arc<Self>, me: usize, turn: usize) -> Option<OnItsWay> {
        let all = self.workers.len();
        let others = (0..all - 1).map(|n| (me + 1 + (turn + n) % (all - 1)) % all);
        // Who was the least may have been found by others too: then once more, with what there is now.
        for _ in 0..2 {
            let words = others
                .clone()
                .take(LOOK_AT)
                .map(|worker| (self.workers[worker].load(Relaxed), worker));
            let open = words.filter(|(word, _)| word & OPEN != 0);
            let (least, to) = open.min()?;
            if !is_worth_it(self.of(me), least & !OPEN) {
                return None;
            }
            // One location alone, and the mailbox orders the rest: nothing stronger is needed.
            if self.workers[to]
                .compare_exchange(least, least + 1, Relaxed, Relaxed)
                .is_ok()
            {
                let crowd = self.clone();
                return Some(OnItsWay { crowd, to });
            }
        }
        None
    }
}

fn is_worth_it(mine: u32, least: u32) -> bool {
    mine >= least.saturating_add(MORE.max(least / MORE_SHARE))
}

/// A place in the count of the worker that a connection is on its way to; left when dropped.
#[derive(Debug)]
struct OnItsWay {
    crowd: Arc<Crowd>,
    to: usize,
}

impl Drop for OnItsWay {
    fn drop(&mut self) {
        self.crowd.leave(self.to);
    }
}

/// A connection that was let in and that no worker serves yet.
#[derive(Debug)]
pub(crate) struct Fresh {
    pub(crate) accepted: io::Accepted,
    /// Its place among the clients of the whole process.
    pub(crate) in_process: Permit,
    /// Its place in the listener's `limits.connections`.
    pub(crate) in_listener: Option<Permit>,
}

/// One on its way to another worker.
#[derive(Debug)]
pub(crate) struct Handed {
    fresh: Fresh,
    way: OnItsWay,
}

impl Handed {
    /// Whose connections it is one of.
    pub(crate) fn crowd(&self) -> &Arc<Crowd> {
        &self.way.crowd
    }

    /// It has arrived: from now on the door's count has it.
    pub(crate) fn arrive(self, door: &Rc<Door>) -> (Fresh, Inside) {
        (self.fresh, Inside::new(door))
    }
}

/// A connection's door, and its place in the count of the worker whose door it is; left when dropped.
#[derive(Debug)]
pub(crate) struct Inside(Rc<Door>);

impl Inside {
    pub(crate) fn new(door: &Rc<Door>) -> Inside {
        door.crowd().enter(door.worker());
        Inside(door.clone())
    }
}

impl std::ops::Deref for Inside {
    type Target = Door;

    fn deref(&self) -> &Door {
        &self.0
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        self.0.crowd().leave(self.0.worker());
    }
}

/// Whether connections go to another worker than the kernel chose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spread {
    /// To the one with the fewest, where that is worth it.
    Even,
    /// Never. For measuring what it gives.
    Kernel,
}

/// The ways from every worker to every worker.
#[derive(Debug)]
pub(crate) struct Ways {
    inboxes: Vec<io::Sender<Handed>>,
    spread: Spread,
}

impl Ways {
    /// For so many workers, with the ends at which they receive.
    pub(crate) fn new(workers: usize, spread: Spread) -> (Arc<Ways>, Vec<io::Receiver<Handed>>) {
        let (inboxes, ends) = (0..workers).map(|_| io::mailbox(INBOX)).unzip();
        (Arc::new(Ways { inboxes, spread }), ends)
    }

    /// Hand `fresh` to a worker that has clearly fewer connections of this door than the door's own; given back if there is none.
    pub(crate) fn hand_on(&self, fresh: Fresh, door: &Door, turn: usize) -> Result<(), Fresh> {
        if self.spread == Spread::Kernel || self.inboxes.len() < 2 || door.is_closed() {
            return Err(fresh);
        }
        let Some(way) = door.crowd().send_on(door.worker(), turn) else {
            return Err(fresh);
        };
        // Full, or its worker has ended: whoever has the connection serves it.
        let to = way.to;
        let sent = self.inboxes[to].send(Handed { fresh, way });
        sent.map_err(|handed| handed.fresh)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn crowd(counts: &[u32]) -> Arc<Crowd> {
        let crowd = Crowd::new("web".into(), counts.len());
        for (worker, count) in counts.iter().enumerate() {
            crowd.open(worker);
            (0..*count).for_each(|_| crowd.enter(worker));
        }
        crowd
    }

    fn counts(crowd: &Crowd) -> Vec<u32> {
        (0..crowd.workers.len()).map(|w| crowd.of(w)).collect()
    }

    #[test]
    fn a_connection_goes_where_that_is_worth_it() {
        // What the workers have, and where a connection goes that worker 0 has accepted.
        let cases: [(&[u32], usize); 14] = [
            (&[7], 0),
            (&[0, 0], 0),
            (&[1, 0], 0),
            (&[2, 0], 1),
            (&[3, 2], 0),
            (&[4, 2], 1),
            (&[0, 9], 0),
            (&[33, 32], 0),
            (&[34, 32], 1),
            (&[515, 500], 0),
            (&[531, 500], 1),
            (&[5, 4, 3], 2),
            (&[5, 3, 4], 1),
            (&[4, 3, 9, 3], 0),
        ];
        for (have, wanted) in cases {
            for turn in 0..5 {
                let crowd = crowd(have);
                let way = (have.len() > 1).then(|| crowd.send_on(0, turn)).flatten();
                let to = way.as_ref().map_or(0, |way| way.to);
                assert_eq!(to, wanted, "{have:?}, turn {turn}");
                let mut then = have.to_vec();
                then[to] += u32::from(way.is_some());
                assert_eq!(counts(&crowd), then, "it is counted before it arrives");
                drop(way);
                assert_eq!(counts(&crowd), have, "and not when it is lost");
            }
        }
    }

    #[test]
    fn who_is_closed_is_handed_nothing() {
        let crowd = crowd(&[9, 0, 3]);
        crowd.close(1);
        assert_eq!(crowd.send_on(0, 0).map(|way| way.to), Some(2));
        crowd.close(2);
        assert!(crowd.send_on(0, 0).is_none());
        let never_opened = Crowd::new("web".into(), 2);
        (0..9).for_each(|_| never_opened.enter(0));
        assert!(never_opened.send_on(0, 0).is_none());
        assert_eq!(counts(&crowd), [9, 0, 3]);
    }

    #[test]
    fn with_many_workers_each_is_found_in_its_turn() {
        for least in 1..40 {
            let mut have = [20; 40];
            have[least] = 3;
            let crowd = crowd(&have);
            let found =
                (0..39).filter(|turn| crowd.send_on(0, *turn).is_some_and(|way| way.to == least));
            assert_eq!(found.count(), LOOK_AT, "worker {least}");
        }
    }

    #[test]
    fn whatever_the_kernel_does_the_counts_are_even() {
        for workers in [2, 3, 8] {
            let crowd = crowd(&vec![0; workers]);
            let mut kept = Vec::new();
            // All to worker 0, then all to the last one.
            for n in 0..1000 {
                let me = if n < 500 { 0 } else { workers - 1 };
                match crowd.send_on(me, n) {
                    Some(way) => kept.push(way),
                    None => crowd.enter(me),
                }
                let now = counts(&crowd);
                let (least, most) = (now.iter().min().unwrap(), now.iter().max().unwrap());
                assert!(most - least <= MORE.max(least / MORE_SHARE), "{n}: {now:?}");
            }
        }
    }

    #[test]
    fn workers_that_hand_on_at_once_do_not_all_send_to_one() {
        let crowd = crowd(&[400, 400, 0, 0]);
        std::thread::scope(|scope| {
            for me in [0, 1] {
                let crowd = &crowd;
                scope.spawn(move || {
                    for turn in 0..300 {
                        match crowd.send_on(me, turn) {
                            // Arrived at once.
                            Some(way) => crowd.enter(way.to),
                            None => crowd.enter(me),
                        }
                    }
                });
            }
        });
        let now = counts(&crowd);
        assert_eq!(now.iter().sum::<u32>(), 1400, "{now:?}");
        assert!(now[2].abs_diff(now[3]) <= 4, "{now:?}");
        assert!(now[2] > 250, "{now:?}");
    }
}
