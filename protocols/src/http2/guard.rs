//! What a peer may send before it is a flood. It sees the heads of frames as the octets pass by, and keeps one account: frames that cost us work and
//! bring nothing are charged, answers that were sent and time credit it.
//!
//! Not here: whether a frame is valid, and how large a header block may be; whoever reads the frames judges those. It has no clock: time
//! is told.
//!
//! | frame from a client | charge |
//! |---|---|
//! | HEADERS | 1 (an answer brings 1 back) |
//! | DATA with at least 64 octets, or the end of a stream | 0 |
//! | DATA with fewer | 1 (in a WebSocket or a call of gRPC, whose messages are small by nature, 0 once it was passed on) |
//! | RST_STREAM, PRIORITY, PING, SETTINGS, CONTINUATION, any other | 1 |
//! | WINDOW_UPDATE | 1 (each 8 octets that were sent bring 1 back) |
//!
//! So a reset stream costs 2, and rapid resets end after some 500 of them. The first 1,000 are free, which no honest client needs in one go, and
//! 100 more each second.

use super::frame::{FrameHead, HEAD, Kind, PREFACE, flag};

/// What an account holds at most, and at first. "About 2,000 abusive frames" is what a peer may be let do; rapid resets are two each.
const FULL: u32 = 1_000;
/// What a second brings back.
const PER_SECOND: u64 = 100;
/// So many octets sent pay for one WINDOW_UPDATE. Honest receivers send at most two for a frame of data, and some (gRPC's) do so for frames of a
/// few octets: the head of a frame has nine, and a message of gRPC five more.
const OCTETS_PER_UPDATE: u64 = 8;
/// DATA below this is charged: less content than what it costs to take it in.
const SMALL_DATA: u32 = 64;

faults! {
    /// What a flood consisted of: the kind of frame that the account could not pay for.
    Flood:
    Requests "h2_flood_requests" "it opens streams and does not wait for their answers";
    Resets "h2_flood_resets" "it opens streams and resets them";
    Settings "h2_flood_settings" "it sends SETTINGS again and again";
    Pings "h2_flood_pings" "it sends PING again and again";
    Priorities "h2_flood_priorities" "it sends PRIORITY again and again";
    SmallData "h2_flood_small_data" "it sends DATA with next to nothing in it";
    WindowUpdates "h2_flood_window_updates" "it sends WINDOW_UPDATE for less than it receives";
    Continuations "h2_flood_continuations" "it sends CONTINUATION again and again";
    Unknown "h2_flood_unknown_frames" "it sends frames of unknown types again and again";
}

/// See the module. One for each connection.
#[derive(Debug)]
pub struct Guard {
    /// The first octets are not frames.
    preface: usize,
    head: [u8; HEAD],
    /// Octets of a head that have come.
    read: u8,
    /// Octets of the frame's payload that are still to come.
    skip: u32,
    account: u32,
    /// DATA that was charged, and not passed on as a small message yet.
    small: u32,
    credited_ms: u64,
    /// Octets sent that have paid for nothing yet.
    sent: u64,
    /// A header block has begun and has not ended, since then.
    block_since_ms: Option<u64>,
    /// It ends with the frame under way.
    block_ends: bool,
}

impl Guard {
    /// For a connection whose client begins with the preface.
    pub fn new(now_ms: u64) -> Guard {
        Guard {
            preface: PREFACE.len(),
            head: [0; HEAD],
            read: 0,
            skip: 0,
            account: FULL,
            small: 0,
            credited_ms: now_ms,
            sent: 0,
            block_since_ms: None,
            block_ends: false,
        }
    }

    /// Octets that were received, in order, in pieces of any size.
    pub fn received(&mut self, mut octets: &[u8], now_ms: u64) -> Result<(), Flood> {
        self.credit(now_ms);
        let preface = octets.len().min(self.preface);
        self.preface -= preface;
        octets = octets.get(preface..).unwrap_or_default();
        while !octets.is_empty() {
            let skipped = octets.len().min(self.skip as usize);
            self.skip -= skipped as u32;
            octets = octets.get(skipped..).unwrap_or_default();
            self.close_block();
            while let Some((octet, rest)) = octets.split_first()
                && self.skip == 0
            {
                if let Some(place) = self.head.get_mut(usize::from(self.read)) {
                    *place = *octet;
                }
                self.read += 1;
                octets = rest;
                if usize::from(self.read) == HEAD {
                    self.read = 0;
                    self.frame(now_ms)?;
                }
            }
        }
        Ok(())
    }

    /// Octets that were sent.
    pub fn sent(&mut self, octets: usize) {
        self.sent = self.sent.saturating_add(octets as u64);
    }

    /// A request was answered in full.
    pub fn answered(&mut self) {
        self.account = FULL.min(self.account + 1);
    }

    /// So many pieces of a WebSocket or of a call of gRPC were passed on. Only what was charged for such is given back.
    pub fn passed(&mut self, pieces: u32) {
        let back = pieces.min(self.small);
        self.small -= back;
        self.account = FULL.min(self.account + back);
    }

    /// A header block has begun and has not ended, since then.
    pub fn block_since_ms(&self) -> Option<u64> {
        self.block_since_ms
    }

    /// The last octet of a header block has come.
    fn close_block(&mut self) {
        if self.skip == 0 && self.block_ends {
            (self.block_since_ms, self.block_ends) = (None, false);
        }
    }

    fn credit(&mut self, now_ms: u64) {
        let elapsed = now_ms.saturating_sub(self.credited_ms);
        let earned = elapsed * PER_SECOND / 1_000;
        if earned > 0 {
            self.credited_ms = now_ms;
            let earned = u32::try_from(earned).unwrap_or(FULL);
            self.account = FULL.min(self.account.saturating_add(earned));
        }
    }

    /// A whole head of a frame has come.
    fn frame(&mut self, now_ms: u64) -> Result<(), Flood> {
        let head = FrameHead::read(self.head);
        self.skip = head.len;
        if matches!(head.kind, Kind::Headers | Kind::Continuation) {
            self.block_since_ms.get_or_insert(now_ms);
            self.block_ends = head.has(flag::END_HEADERS);
            self.close_block();
        }
        let flood = match head.kind {
            Kind::Data if head.len >= SMALL_DATA || head.has(flag::END_STREAM) => return Ok(()),
            Kind::WindowUpdate if self.sent >= OCTETS_PER_UPDATE => {
                // What was sent long ago is not saved up for a flood.
                self.sent =
                    (self.sent - OCTETS_PER_UPDATE).min(u64::from(FULL) * OCTETS_PER_UPDATE);
                return Ok(());
            }
            Kind::Data => Flood::SmallData,
            Kind::Headers => Flood::Requests,
            Kind::Priority => Flood::Priorities,
            Kind::Reset => Flood::Resets,
            Kind::Settings => Flood::Settings,
            Kind::Ping => Flood::Pings,
            Kind::WindowUpdate => Flood::WindowUpdates,
            Kind::Continuation => Flood::Continuations,
            Kind::PushPromise | Kind::GoAway | Kind::Unknown => Flood::Unknown,
        };
        match self.account.checked_sub(1) {
            Some(left) => {
                self.account = left;
                if flood == Flood::SmallData {
                    self.small = FULL.min(self.small + 1);
                }
                Ok(())
            }
            None => Err(flood),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, flags: u8, length: u8) -> Vec<u8> {
        let mut octets = vec![0, 0, length, kind, flags, 0, 0, 0, 1];
        octets.resize(HEAD + usize::from(length), 0);
        octets
    }

    fn begun() -> Guard {
        let mut guard = Guard::new(0);
        guard.received(PREFACE, 0).expect("no frame yet");
        guard
    }

    #[test]
    fn small_pieces_of_a_websocket_are_given_back() {
        let mut guard = begun();
        for _ in 0..5 * FULL {
            guard.received(&frame(0, 0, 5), 0).expect("it is paid");
            guard.passed(1);
        }
        // What was not charged earns nothing.
        guard.passed(FULL);
        let mut pings = 0;
        while guard.received(&frame(6, 0, 8), 0).is_ok() {
            guard.received(&frame(0, 0, 200), 0).expect("it is free");
            guard.passed(1);
            pings += 1;
        }
        assert_eq!(pings, FULL);
    }

    /// How many of a frame pass at once, and what the next one is called.
    fn passes(octets: &[u8]) -> (u32, Flood) {
        let mut guard = begun();
        let mut n = 0;
        loop {
            match guard.received(octets, 0) {
                Ok(()) => n += 1,
                Err(flood) => return (n, flood),
            }
            assert!(n < 10 * FULL, "no end");
        }
    }

    #[test]
    fn floods_end_by_what_they_are() {
        let table: &[(Vec<u8>, u32, Flood)] = &[
            (frame(4, 0, 6), FULL, Flood::Settings),
            (frame(6, 0, 8), FULL, Flood::Pings),
            (frame(2, 0, 5), FULL, Flood::Priorities),
            (frame(0, 0, 0), FULL, Flood::SmallData),
            (frame(8, 0, 4), FULL, Flood::WindowUpdates),
            (frame(9, 0, 1), FULL, Flood::Continuations),
            (frame(77, 0, 0), FULL, Flood::Unknown),
            (
                [frame(1, 5, 9), frame(3, 0, 4)].concat(),
                FULL / 2,
                Flood::Requests,
            ),
        ];
        for (octets, most, flood) in table {
            assert_eq!(passes(octets), (*most, *flood));
        }
    }

    #[test]
    fn honest_traffic_passes_for_ever() {
        let mut guard = begun();
        for _ in 0..10 * FULL {
            guard.received(&frame(1, 5, 40), 0).expect("a request");
            guard.sent(300);
            guard.received(&frame(8, 0, 4), 0).expect("an update");
            guard.received(&frame(0, 0, 200), 0).expect("content");
            guard.received(&frame(0, 1, 0), 0).expect("an end");
            guard.answered();
        }
    }

    #[test]
    fn time_brings_credit_and_no_more_than_a_full_account() {
        let mut guard = begun();
        let ping = frame(6, 0, 8);
        for second in 0..60 {
            for _ in 0..PER_SECOND {
                guard.received(&ping, second * 1_000).expect("a ping");
            }
        }
        let mut guard = begun();
        let pass = (0..2 * FULL).take_while(|_| guard.received(&ping, 1 << 40).is_ok());
        assert_eq!(pass.count() as u32, FULL);
    }

    #[test]
    fn cuts_do_not_matter() {
        let all = [
            &PREFACE[..],
            &frame(4, 0, 12),
            &frame(1, 0, 30),
            &frame(9, 4, 200),
            &frame(6, 0, 8),
        ]
        .concat();
        for cut in 0..all.len() {
            let mut guard = Guard::new(0);
            let (one, two) = all.split_at(cut);
            guard.received(one, 0).expect("few frames");
            guard.received(two, 0).expect("few frames");
            assert_eq!(guard.account, FULL - 4, "cut at {cut}");
            assert_eq!((guard.skip, guard.read), (0, 0));
        }
    }

    #[test]
    fn a_block_is_open_until_its_end() {
        let mut guard = begun();
        guard.received(&frame(1, 1, 3), 7).expect("a head");
        assert_eq!(guard.block_since_ms(), Some(7));
        guard.received(&frame(9, 0, 3), 9).expect("more");
        assert_eq!(guard.block_since_ms(), Some(7));
        let end = frame(9, 4, 3);
        guard.received(&end[..11], 9).expect("the end's beginning");
        assert_eq!(guard.block_since_ms(), Some(7));
        guard.received(&end[11..], 9).expect("its end");
        assert_eq!(guard.block_since_ms(), None);
    }
}
