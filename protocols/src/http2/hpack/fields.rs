//! The fields of one header block, in one run of octets.
//!
//! Not here: what they mean, and limits of their number and size, which the decoder is told.

use super::FIELD_OVERHEAD;

/// Fields in order, names and values as they came. Cleared and used again, it allocates only until it has grown to the largest block.
#[derive(Debug, Default, Clone)]
pub struct Fields {
    /// Name, value, name, value, with nothing between them.
    octets: Vec<u8>,
    /// Where the name and where the value of each field ends.
    ends: Vec<(u32, u32)>,
    /// Which of them are never to be indexed.
    never: Vec<u32>,
    list_size: usize,
    is_over: bool,
}

impl Fields {
    /// No field any more; the memory stays.
    pub fn clear(&mut self) {
        self.octets.clear();
        self.ends.clear();
        self.never.clear();
        self.list_size = 0;
        self.is_over = false;
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// There is none.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Names and values in order, pseudo-fields among them.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> + Clone {
        self.ends.iter().scan(0, |start, &(middle, end)| {
            let name = self.octets.get(*start..middle as usize)?;
            *start = end as usize;
            Some((name, self.octets.get(middle as usize..*start)?))
        })
    }

    /// Those that came as never to be indexed: whoever passes them on says so again (RFC 7541 section 6.2.3).
    pub fn never_indexed(&self) -> impl Iterator<Item = (&[u8], &[u8])> + Clone {
        self.never.iter().filter_map(|at| {
            let before = at.checked_sub(1);
            let start = match before {
                Some(before) => self.ends.get(before as usize)?.1,
                None => 0,
            };
            let (middle, end) = *self.ends.get(*at as usize)?;
            let name = self.octets.get(start as usize..middle as usize)?;
            Some((name, self.octets.get(middle as usize..end as usize)?))
        })
    }

    /// The size as RFC 9113 section 6.5.2 counts it, name, value and 32 octets for each field, also of those that were not kept.
    pub fn list_size(&self) -> usize {
        self.list_size
    }

    /// There were more than the limits allow. Those beyond were decoded and dropped.
    pub fn is_over(&self) -> bool {
        self.is_over
    }

    /// Append a field, whatever the limits.
    pub fn push(&mut self, name: &[u8], value: &[u8]) {
        self.list_size += name.len() + value.len() + FIELD_OVERHEAD;
        let middle = self.octets.len() + name.len();
        self.octets.extend_from_slice(name);
        self.octets.extend_from_slice(value);
        self.ends.push((middle as u32, self.octets.len() as u32));
    }

    /// A field of so many octets more. Whether it is kept.
    #[inline]
    pub(super) fn admit(&mut self, octets: usize, most: Most) -> bool {
        self.list_size = self
            .list_size
            .saturating_add(octets)
            .saturating_add(FIELD_OVERHEAD);
        self.is_over |= self.list_size > most.octets || self.ends.len() >= most.fields;
        !self.is_over
    }

    /// Name and value in one piece, if they are kept.
    #[inline]
    pub(super) fn add(&mut self, octets: &[u8], name: usize, most: Most) {
        if self.admit(octets.len(), most) {
            let middle = self.octets.len() + name;
            self.octets.extend_from_slice(octets);
            self.ends.push((middle as u32, self.octets.len() as u32));
        }
    }

    /// Where the octets of a field are put before it is [closed](Fields::close).
    #[inline]
    pub(super) fn open(&mut self) -> &mut Vec<u8> {
        &mut self.octets
    }

    /// The octets of the field that is open.
    #[inline]
    pub(super) fn opened(&self) -> &[u8] {
        let start = self.ends.last().map_or(0, |(_, end)| *end);
        self.octets.get(start as usize..).unwrap_or_default()
    }

    /// The open field is complete, with a name of so many octets. It is kept or dropped.
    #[inline]
    pub(super) fn close(&mut self, name: usize, never: bool, most: Most) {
        let octets = self.opened().len();
        if !self.admit(octets, most) {
            self.drop_opened();
            return;
        }
        if never {
            self.never.push(self.ends.len() as u32);
        }
        let end = self.octets.len();
        self.ends.push(((end - octets + name) as u32, end as u32));
    }

    /// What was open never was.
    pub(super) fn drop_opened(&mut self) {
        let octets = self.opened().len();
        self.octets.truncate(self.octets.len() - octets);
    }
}

/// Limits of a list.
#[derive(Debug, Clone, Copy)]
pub(super) struct Most {
    pub(super) octets: usize,
    pub(super) fields: usize,
}
