//! Which endpoints an exchange has tried: a few indices, copied by value, no allocation.
//! Not a set of any size: attempts are few, endpoints may be many.

/// How many are remembered. Attempts per exchange are 3 by default; 15 indices and a length fill one cache line.
const CAPACITY: usize = 15;

/// Endpoints already tried for this exchange.
///
/// Bound: the last 15 different ones are remembered; a 16th makes it forget the oldest.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Tried {
    indices: [u32; CAPACITY],
    /// How many different indices were marked since the start. What is remembered is the last `CAPACITY` of them.
    marked: u32,
}

impl Tried {
    /// Remember that the endpoint at `index` was tried. Marking it again changes nothing.
    pub fn mark(&mut self, index: usize) {
        if self.contains(index) {
            return;
        }
        self.indices[self.marked as usize % CAPACITY] = index as u32;
        self.marked += 1;
    }

    /// Whether `index` was marked (and not forgotten, see the type).
    pub fn contains(&self, index: usize) -> bool {
        let known = (self.marked as usize).min(CAPACITY);
        self.indices[..known].contains(&(index as u32))
    }

    /// Nothing was tried yet: the first attempt, nearly every pick.
    pub fn is_empty(&self) -> bool {
        self.marked == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn remembers_what_was_marked() {
        let mut tried = Tried::default();
        assert!(tried.is_empty());
        assert!(
            !tried.contains(0),
            "the zeroed table must not read as index 0"
        );
        tried.mark(0);
        tried.mark(70_000);
        assert!(tried.contains(0) && tried.contains(70_000));
        assert!(!tried.contains(1));
        assert!(!tried.is_empty());
    }

    #[test]
    fn marking_twice_takes_no_second_place() {
        let mut tried = Tried::default();
        for _ in 0..100 {
            tried.mark(3);
        }
        for index in 10..24 {
            tried.mark(index);
        }
        assert!(tried.contains(3), "3 and 14 others fit");
    }

    #[test]
    fn forgets_the_oldest_at_the_bound() {
        let mut tried = Tried::default();
        for index in 0..=CAPACITY {
            tried.mark(index);
        }
        assert!(!tried.contains(0));
        assert!((1..=CAPACITY).all(|index| tried.contains(index)));
    }

    #[test]
    fn is_one_cache_line() {
        assert_eq!(size_of::<Tried>(), 64);
    }
}
