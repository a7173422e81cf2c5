//! The dynamic table of one direction (RFC 7541 section 2.3.2): entries as pieces of one buffer, the newest first.
//!
//! Not here: finding an entry by what it says; the encoder has a `Lookup` beside it.

use std::collections::VecDeque;

use super::FIELD_OVERHEAD;

/// The buffer begins with so many octets: the recurring fields of one simple client.
const FIRST_OCTETS: usize = 256;

#[derive(Debug)]
pub(super) struct Table {
    /// Octets of the entries, the oldest first, behind those of entries that are gone.
    octets: Vec<u8>,
    /// The newest at the back.
    entries: VecDeque<Entry>,
    /// How many octets were ever put in front of `octets`, and are gone.
    gone: u32,
    size: usize,
    most: usize,
    /// How many entries there ever were.
    inserted: u32,
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    /// How many octets were ever put in before it.
    start: u32,
    name: u32,
    /// Of name and value.
    whole: u32,
    /// The number of the entry that was sent behind this one when it was sent last, for an encoder.
    follower: u32,
}

impl Entry {
    fn size(self) -> usize {
        self.whole as usize + FIELD_OVERHEAD
    }
}

impl Table {
    /// Without memory until something is put in.
    pub(super) fn new(most: usize) -> Table {
        Table {
            octets: Vec::new(),
            entries: VecDeque::new(),
            gone: 0,
            size: 0,
            most,
            inserted: 0,
        }
    }

    pub(super) fn most(&self) -> usize {
        self.most
    }

    /// What remains is smaller than that.
    pub(super) fn resize(&mut self, most: usize) {
        self.most = most;
        self.evict(most);
    }

    /// Name and value in one piece, and where the name ends. The newest is at 0.
    #[inline]
    pub(super) fn get(&self, index: usize) -> Option<(&[u8], usize)> {
        let entry = self.entries.get(self.place(index)?)?;
        let start = entry.start.wrapping_sub(self.gone) as usize;
        let octets = self.octets.get(start..start + entry.whole as usize)?;
        Some((octets, entry.name as usize))
    }

    /// Put a field in; the oldest make room. One that is larger than the table leaves it empty (section 4.4).
    pub(super) fn insert(&mut self, name: &[u8], value: &[u8]) {
        let whole = name.len() + value.len();
        let Some(room) = self.most.checked_sub(whole + FIELD_OVERHEAD) else {
            self.evict(0);
            return;
        };
        self.evict(room);
        self.make_room(whole);
        let start = self.gone.wrapping_add(self.octets.len() as u32);
        self.octets.extend_from_slice(name);
        self.octets.extend_from_slice(value);
        self.entries.push_back(Entry {
            start,
            name: name.len() as u32,
            whole: whole as u32,
            // As it was put in itself, so was what comes next.
            follower: self.inserted.wrapping_add(1),
        });
        self.size += whole + FIELD_OVERHEAD;
        self.inserted = self.inserted.wrapping_add(1);
    }

    /// The number of the entry that is put in next.
    pub(super) fn next_number(&self) -> u32 {
        self.inserted
    }

    /// The index of an entry by its number, or something out of range if it is gone.
    #[inline]
    pub(super) fn index_of(&self, number: u32) -> usize {
        self.inserted.wrapping_sub(number).wrapping_sub(1) as usize
    }

    /// It says this, and is not gone.
    #[inline]
    pub(super) fn is(&self, number: u32, name: &[u8], value: &[u8]) -> bool {
        self.get(self.index_of(number))
            .is_some_and(|(octets, length)| {
                let (its_name, its_value) = octets.split_at(length);
                is_same(its_value, value) && is_same(its_name, name)
            })
    }

    /// See [`Entry::follower`].
    #[inline]
    pub(super) fn follower(&self, number: u32) -> Option<u32> {
        let at = self.place(self.index_of(number))?;
        self.entries.get(at).map(|entry| entry.follower)
    }

    #[inline]
    pub(super) fn set_follower(&mut self, number: u32, follower: u32) {
        if let Some(at) = self.place(self.index_of(number))
            && let Some(entry) = self.entries.get_mut(at)
        {
            entry.follower = follower;
        }
    }

    /// Where among the entries the one with this index stands.
    #[inline]
    fn place(&self, index: usize) -> Option<usize> {
        self.entries.len().checked_sub(index + 1)
    }

    fn evict(&mut self, room: usize) {
        while self.size > room
            && let Some(entry) = self.entries.pop_front()
        {
            self.size -= entry.size();
        }
    }

    /// Room for so many octets at the end. Octets are moved only once a quarter of the buffer is of entries that are gone, so that each is moved
    /// three times at most, on the average; and the buffer is never larger than four thirds of the table.
    fn make_room(&mut self, octets: usize) {
        let needed = self.octets.len() + octets;
        let capacity = self.octets.capacity();
        if needed <= capacity {
            return;
        }
        let dead = match self.entries.front() {
            Some(oldest) => oldest.start.wrapping_sub(self.gone) as usize,
            None => self.octets.len(),
        };
        if dead > 0 && (dead >= capacity / 4 || needed - dead <= capacity / 4 * 3) {
            self.octets.drain(..dead);
            self.gone = self.gone.wrapping_add(dead as u32);
        }
        let needed = self.octets.len() + octets;
        if needed > self.octets.capacity() {
            let most = self.most + self.most / 3;
            let larger = (self.octets.capacity() * 2).max(FIRST_OCTETS).min(most);
            self.octets
                .reserve_exact(larger.max(needed) - self.octets.len());
        }
    }
}

/// A comparison of octets that are mostly few: the call of a function would take longer.
#[inline]
fn is_same(one: &[u8], other: &[u8]) -> bool {
    if one.len() != other.len() {
        return false;
    }
    match one.len() {
        8..=16 => {
            one.first_chunk::<8>() == other.first_chunk()
                && one.last_chunk::<8>() == other.last_chunk()
        }
        4..8 => {
            one.first_chunk::<4>() == other.first_chunk()
                && one.last_chunk::<4>() == other.last_chunk()
        }
        _ => one == other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_stay_whole_while_the_buffer_goes_round() {
        for most in [100, 256, 1_000, 4_096, 65_536] {
            let mut table = Table::new(most);
            let mut model: VecDeque<(Vec<u8>, Vec<u8>)> = VecDeque::new();
            let mut moved = 0;
            for n in 0..20_000_usize {
                let name = vec![n as u8; n * 7 % 23];
                let value = vec![!n as u8; n * n % 67];
                let gone = table.gone;
                table.insert(&name, &value);
                moved += usize::from(table.gone != gone) * table.octets.len();
                model.push_front((name, value));
                let size = |model: &VecDeque<(Vec<u8>, Vec<u8>)>| -> usize {
                    model.iter().map(|(n, v)| n.len() + v.len() + 32).sum()
                };
                while size(&model) > most {
                    model.pop_back();
                }
                assert_eq!(table.size, size(&model));
                assert_eq!(table.entries.len(), model.len());
                assert!(table.octets.capacity() <= (most * 4).div_ceil(3).max(FIRST_OCTETS));
                if n % 97 == 0 {
                    for (index, (name, value)) in model.iter().enumerate() {
                        let whole = [name.as_slice(), value].concat();
                        assert_eq!(table.get(index), Some((&whole[..], name.len())));
                    }
                    assert_eq!(table.get(model.len()), None);
                }
            }
            let put_in = table.gone as usize + table.octets.len();
            assert!(moved <= 3 * put_in, "{moved} of {put_in}");
        }
    }

    #[test]
    fn octets_are_the_same_or_not() {
        for length in 0..40 {
            let octets: Vec<u8> = (0..length).collect();
            assert!(is_same(&octets, &octets.clone()));
            assert!(!is_same(&octets, &[&octets[..], b"x"].concat()));
            for at in 0..octets.len() {
                let mut other = octets.clone();
                other[at] ^= 0x80;
                assert!(!is_same(&octets, &other), "{at} of {length}");
            }
        }
    }

    #[test]
    fn followers_go_with_their_entries() {
        let mut table = Table::new(3 * 34);
        let numbers: Vec<u32> = (0..3)
            .map(|n| {
                let number = table.next_number();
                table.insert(&[b'a' + n], b"v");
                number
            })
            .collect();
        assert_eq!(table.follower(numbers[0]), Some(numbers[1]));
        table.set_follower(numbers[2], numbers[0]);
        assert_eq!(table.follower(numbers[2]), Some(numbers[0]));
        assert!(table.is(numbers[0], b"a", b"v"));
        assert!(!table.is(numbers[0], b"a", b"w"));
        table.insert(b"d", b"v");
        assert_eq!(table.follower(numbers[0]), None, "it is gone");
        assert!(!table.is(numbers[0], b"a", b"v"));
        table.set_follower(numbers[0], 7);
        assert_eq!(
            table.follower(table.next_number()),
            None,
            "it is not there yet"
        );
    }

    #[test]
    fn what_is_too_large_empties_it() {
        let mut table = Table::new(100);
        table.insert(b"name", b"value");
        assert_eq!(table.get(0), Some((&b"namevalue"[..], 4)));
        table.insert(&[b'x'; 60], &[b'y'; 8]);
        assert_eq!(
            table.get(0).map(|(octets, name)| (octets.len(), name)),
            Some((68, 60))
        );
        table.insert(&[b'x'; 60], &[b'y'; 9]);
        assert_eq!((table.get(0), table.size), (None, 0));
        table.insert(b"", b"");
        assert_eq!(table.get(0), Some((&b""[..], 0)));
        table.resize(31);
        assert_eq!((table.get(0), table.size), (None, 0));
    }
}
