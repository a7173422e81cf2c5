//! What counters are made of: numbers with one writer each, latency buckets, endings by class and flag.
//!
//! Adding is a plain load and store, never a locked instruction; any thread may read. Not who owns which (`cells.rs`).

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};

use crate::outcome::Flag;

/// A counter that only one thread adds to. Wraps at 2^64.
#[derive(Debug, Default)]
pub struct Count(AtomicU64);

impl Count {
    /// Add `n`. Load and store, not `fetch_add`: there is one writer, and a locked instruction would cost ten times as much.
    #[inline]
    pub fn add(&self, n: u64) {
        self.0.store(self.0.load(Relaxed).wrapping_add(n), Relaxed);
    }

    /// The value, from any thread.
    pub fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// A gauge that only one thread moves. May be negative in one worker; the sum over workers is what counts.
#[derive(Debug, Default)]
pub struct Level(AtomicI64);

impl Level {
    /// Move by `delta`.
    #[inline]
    pub fn add(&self, delta: i64) {
        self.0
            .store(self.0.load(Relaxed).wrapping_add(delta), Relaxed);
    }

    /// The value, from any thread.
    pub fn get(&self) -> i64 {
        self.0.load(Relaxed)
    }
}

/// How many latency buckets there are, with the last one that has no bound.
pub const BUCKETS: usize = 14;

/// Upper bounds of the latency buckets in microseconds, inclusive; what is slower than the last falls into `+Inf`.
///
/// A fast service behind a proxy on the same network answers in 0.2 to 2 ms, so the steps are fine there; from 5 s on only the
/// timeouts live, and those have flags of their own.
pub const BOUNDS_US: [u64; BUCKETS - 1] = [
    250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000,
    5_000_000,
];

/// Latencies in [`BUCKETS`] buckets and their sum.
#[derive(Debug, Default)]
pub struct Histogram {
    sum_us: Count,
    buckets: [Count; BUCKETS],
}

impl Histogram {
    /// Count one latency of `us` microseconds.
    #[inline]
    pub fn observe(&self, us: u64) {
        // Counting the bounds below it has no branch to mispredict, and the compiler does several at once.
        let index = BOUNDS_US
            .iter()
            .map(|b| usize::from(us > *b))
            .sum::<usize>();
        self.buckets[index].add(1);
        self.sum_us.add(us);
    }

    /// Sum of all latencies in microseconds.
    pub fn sum_us(&self) -> u64 {
        self.sum_us.get()
    }

    /// How many fell into bucket `index` (not cumulative).
    pub fn bucket(&self, index: usize) -> u64 {
        self.buckets[index].get()
    }
}

/// Labels of the code classes, in the order of their cells: no answer first.
pub const CLASSES: [&str; 6] = ["none", "1xx", "2xx", "3xx", "4xx", "5xx"];

/// The class of a status: 1 to 5, and 0 for no answer (or for a number that is no status).
#[inline]
fn class_of(status: u16) -> usize {
    match status {
        100..=599 => usize::from(status / 100),
        _ => 0,
    }
}

/// Exchanges by code class and by flag.
#[derive(Debug, Default)]
pub struct Endings {
    classes: [Count; CLASSES.len()],
    flags: [Count; Flag::ALL.len()],
}

impl Endings {
    #[inline]
    pub(super) fn add(&self, status: u16, flag: Flag) {
        self.classes[class_of(status)].add(1);
        if flag != Flag::None {
            self.flags[flag as usize].add(1);
        }
    }

    /// How many ended in the class of this index of [`CLASSES`].
    pub fn class(&self, index: usize) -> u64 {
        self.classes[index].get()
    }

    /// How many ended with this flag; always 0 for [`Flag::None`].
    pub fn flag(&self, flag: Flag) -> u64 {
        self.flags[flag as usize].get()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn latencies_fall_into_the_bucket_whose_bound_holds_them() {
        let table = [
            (0, 0),
            (250, 0),
            (251, 1),
            (1_000, 2),
            (1_001, 3),
            (5_000_000, 12),
            (5_000_001, 13),
            (u64::MAX, 13),
        ];
        for (us, bucket) in table {
            let histogram = Histogram::default();
            histogram.observe(us);
            let found: Vec<u64> = (0..BUCKETS).map(|i| histogram.bucket(i)).collect();
            let mut expected = vec![0; BUCKETS];
            expected[bucket] = 1;
            assert_eq!(found, expected, "{us} us");
            assert_eq!(histogram.sum_us(), us);
        }
        assert!(BOUNDS_US.is_sorted());
    }

    #[test]
    fn statuses_have_classes() {
        let table = [
            (0, "none"),
            (99, "none"),
            (100, "1xx"),
            (204, "2xx"),
            (399, "3xx"),
            (404, "4xx"),
            (599, "5xx"),
            (600, "none"),
        ];
        for (status, class) in table {
            assert_eq!(CLASSES[class_of(status)], class, "{status}");
        }
    }
}
