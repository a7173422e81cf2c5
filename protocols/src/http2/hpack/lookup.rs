//! Where in the dynamic table a field or a name may stand: a hash table of fixed size that may forget.
//!
//! Not here: the fields, which the caller compares. What is found here is a guess, and what is not found may be there: a field that was forgotten is
//! sent as a literal once more.
//!
//! Peers choose the fields, so that no sequence of them may make a search long. A hash has four places, and the newest four are known.

const WAYS: usize = 4;
const SETS: usize = 64;

/// A table of 4,096 octets has at most 128 entries, each known by its field and some by their name as well.
#[derive(Debug)]
pub(super) struct Lookup([[Place; WAYS]; SETS]);

#[derive(Debug, Clone, Copy, Default)]
struct Place {
    hash: u32,
    /// The number of the entry (`Table::next_number`).
    number: u32,
}

impl Lookup {
    pub(super) fn new() -> Lookup {
        Lookup([[Place::default(); WAYS]; SETS])
    }

    /// The number of an entry that may be it.
    #[inline]
    pub(super) fn find(&self, hash: u32) -> Option<u32> {
        let place = self.0[set(hash)].iter().find(|place| place.hash == hash)?;
        Some(place.number)
    }

    /// The newest entry with this hash, of which one is known. Else the oldest of four is forgotten.
    pub(super) fn put(&mut self, hash: u32, number: u32) {
        let places = &mut self.0[set(hash)];
        let same = places.iter().position(|place| place.hash == hash);
        let newer = same.unwrap_or(WAYS - 1);
        places[..=newer].rotate_right(1);
        places[0] = Place { hash, number };
    }
}

#[inline]
fn set(hash: u32) -> usize {
    // The upper bits of a product are its best ones.
    hash as usize >> 26
}

/// Odd, with bits in no order: the fraction of the golden ratio.
const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;

/// Of octets, behind what was hashed before.
#[inline]
pub(super) fn hash(octets: &[u8], before: u64) -> u64 {
    let mut state = mix(before, octets.len() as u64);
    let (words, rest) = octets.as_chunks::<8>();
    for word in words {
        state = mix(state, u64::from_le_bytes(*word));
    }
    if rest.is_empty() {
        return state;
    }
    mix(state, tail(octets))
}

/// The last eight octets, or as many as there are; some may be in it twice.
#[inline]
fn tail(octets: &[u8]) -> u64 {
    if let Some(last) = octets.last_chunk::<8>() {
        return u64::from_le_bytes(*last);
    }
    if let (Some(first), Some(last)) = (octets.first_chunk::<4>(), octets.last_chunk::<4>()) {
        let [first, last] = [first, last].map(|four| u64::from(u32::from_le_bytes(*four)));
        return first | last << 32;
    }
    let middle = octets.get(octets.len() / 2);
    let three = [octets.first(), middle, octets.last()];
    let [a, b, c] = three.map(|octet| u64::from(octet.copied().unwrap_or_default()));
    a | b << 8 | c << 16
}

#[inline]
pub(super) fn mix(state: u64, word: u64) -> u64 {
    let product = (state ^ word).wrapping_mul(FACTOR);
    product ^ product >> 32
}

/// As the places have it.
#[inline]
pub(super) fn short(hash: u64) -> u32 {
    (hash.wrapping_mul(FACTOR) >> 32) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_octet_counts() {
        for length in 0..40 {
            let octets = vec![7; length];
            let whole = hash(&octets, 1);
            assert_ne!(whole, hash(&octets, 2));
            assert_ne!(whole, hash(&vec![7; length + 1], 1));
            for at in 0..length {
                let mut other = octets.clone();
                other[at] = 8;
                assert_ne!(whole, hash(&other, 1), "{at} of {length}");
            }
        }
    }

    #[test]
    fn four_of_a_set_are_known() {
        let mut lookup = Lookup::new();
        for number in 1..=5 {
            lookup.put(number, number);
        }
        let known = (1..=5).map(|hash| lookup.find(hash).is_some());
        assert_eq!(known.collect::<Vec<_>>(), [false, true, true, true, true]);
        lookup.put(2, 6);
        lookup.put(7, 7);
        assert_eq!(lookup.find(2), Some(6));
        assert_eq!(lookup.find(3), None);
    }
}
