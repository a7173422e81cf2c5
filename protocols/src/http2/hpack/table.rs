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
        let at = self.entries.len().checked_sub(index + 1)?;
        let entry = self.entries.get(at)?;
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
