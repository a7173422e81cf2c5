//! From the octets of a header block to its fields.
//!
//! Not here: putting HEADERS and CONTINUATIONs together, and how long a block may be.

use super::fields::Most;
use super::table::Table;
use super::{Fields, HpackFault, INITIAL_TABLE_SIZE, huffman, integer, static_table};
use crate::cursor::Cursor;

/// No larger table is kept, and no larger list, whatever is allowed: positions in them are numbers of 32 bits.
const MOST_OCTETS: usize = 1 << 24;

/// The decoder of what a peer sends in one connection.
#[derive(Debug)]
pub struct Decoder {
    table: Table,
    /// What the peer may set the table's size to.
    allowed: usize,
    /// What our SETTINGS say.
    announced: usize,
    /// Octets of names that were copied for fields that are dropped, in this block.
    copied: usize,
}

impl Decoder {
    /// `table_size`: what our SETTINGS_HEADER_TABLE_SIZE says, at most 16 MiB. A peer that has not seen it yet may use 4,096 octets, if that is more.
    pub fn new(table_size: usize) -> Decoder {
        let announced = table_size.min(MOST_OCTETS);
        Decoder {
            table: Table::new(INITIAL_TABLE_SIZE),
            allowed: announced.max(INITIAL_TABLE_SIZE),
            announced,
            copied: 0,
        }
    }

    /// The peer has acknowledged our SETTINGS: from now on it keeps to them. To be called only where they say less than 4,096.
    pub fn acknowledged(&mut self) {
        self.allowed = self.announced;
    }

    /// Decode a whole block (HEADERS and its CONTINUATIONs put together) and append its fields to `into`. What goes beyond `most_octets` of
    /// [`Fields::list_size`] or `most_fields` is decoded, so that the table stays in step, and dropped. After a fault `into` holds the fields before it, and
    /// the decoder is of no use.
    pub fn decode(
        &mut self,
        block: &[u8],
        into: &mut Fields,
        most_octets: usize,
        most_fields: usize,
    ) -> Result<(), HpackFault> {
        let most = Most {
            octets: most_octets.min(MOST_OCTETS),
            fields: most_fields,
        };
        self.copied = 0;
        let mut rest = Cursor(block);
        let done = self
            .sizes(&mut rest)
            .and_then(|()| self.fields(&mut rest, into, most));
        if done.is_err() {
            into.drop_opened();
        }
        done
    }

    /// What a block may begin with: the table's new size, behind the smallest that it had meanwhile (section 4.2).
    fn sizes(&mut self, rest: &mut Cursor<'_>) -> Result<(), HpackFault> {
        let mut times = 0;
        while let [first @ 0x20..=0x3f, behind @ ..] = rest.0 {
            rest.0 = behind;
            let size = integer::read(*first, 5, rest)?;
            times += 1;
            if times > 2 {
                return Err(HpackFault::SizeRepeated);
            }
            if size > self.allowed {
                return Err(HpackFault::SizeTooLarge);
            }
            self.table.resize(size);
        }
        match self.table.most() > self.allowed {
            true => Err(HpackFault::SizeMissing),
            false => Ok(()),
        }
    }

    fn fields(
        &mut self,
        rest: &mut Cursor<'_>,
        into: &mut Fields,
        most: Most,
    ) -> Result<(), HpackFault> {
        while let Some(first) = rest.u8() {
            match first {
                0x80.. => {
                    let index = integer::read(first, 7, rest)?;
                    let (octets, name) = self.entry(index)?;
                    into.add(octets, name, most);
                }
                0x20..=0x3f => return Err(HpackFault::SizeLate),
                _ => self.literal(first, rest, into, most)?,
            }
        }
        Ok(())
    }

    fn literal(
        &mut self,
        first: u8,
        rest: &mut Cursor<'_>,
        into: &mut Fields,
        most: Most,
    ) -> Result<(), HpackFault> {
        let incremental = first & 0x40 != 0;
        let never = first & 0xf0 == 0x10;
        let index = integer::read(first, if incremental { 6 } else { 4 }, rest)?;
        let length = match index {
            0 => {
                string(rest, into.open())?;
                into.opened().len()
            }
            _ => {
                self.charge(index, into, most)?;
                let (octets, length) = self.entry(index)?;
                let name = octets.get(..length).unwrap_or_default();
                into.open().extend_from_slice(name);
                length
            }
        };
        string(rest, into.open())?;
        if incremental {
            let (name, value) = into.opened().split_at(length);
            self.table.insert(name, value);
        }
        into.close(length, never, most);
        Ok(())
    }

    #[inline]
    fn entry(&self, index: usize) -> Result<(&[u8], usize), HpackFault> {
        match index.checked_sub(static_table::FIRST_DYNAMIC) {
            None => static_table::get(index),
            Some(index) => self.table.get(index),
        }
        .ok_or(HpackFault::Index)
    }

    /// A name that is taken from the table costs a peer two octets, and us as many as it has. Within a list that is kept they count against its limit;
    /// beyond it, where all else costs no more than the block is long, they may be as many once more.
    #[inline]
    fn charge(&mut self, index: usize, into: &Fields, most: Most) -> Result<(), HpackFault> {
        if into.is_over() && index >= static_table::FIRST_DYNAMIC {
            self.copied += self.entry(index)?.1;
            if self.copied > most.octets {
                return Err(HpackFault::Copies);
            }
        }
        Ok(())
    }
}

#[inline]
fn string(rest: &mut Cursor<'_>, out: &mut Vec<u8>) -> Result<(), HpackFault> {
    let first = rest.u8().ok_or(HpackFault::Truncated)?;
    let length = integer::read(first, 7, rest)?;
    let octets = rest.take(length).ok_or(HpackFault::Truncated)?;
    if first & 0x80 != 0 {
        return huffman::decode(octets, out);
    }
    out.extend_from_slice(octets);
    Ok(())
}
