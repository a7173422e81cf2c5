//! From fields to the octets of a header block.
//!
//! Not here: cutting a block into frames; whether a field may be sent at all.

use super::lookup::{self, Lookup};
use super::static_table::{self, FIRST_DYNAMIC, find_name, find_value};
use super::table::Table;
use super::{FIELD_OVERHEAD, INITIAL_TABLE_SIZE, huffman, integer};

/// Whether a field goes into the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Indexing {
    /// It recurs.
    Incremental,
    /// It is new each time, and would push out what recurs.
    Without,
    /// It is a secret, and nobody on its way may put it into a table (RFC 7541 section 7.1.3).
    Never,
}

/// The encoder of what we send in one connection.
#[derive(Debug)]
pub struct Encoder {
    table: Table,
    /// Made with the first field that goes into the table.
    lookup: Option<Box<Lookup>>,
    /// The number of the entry that was sent last.
    before: u32,
    due: Option<Sizes>,
    /// For whoever puts a value together before it is encoded.
    scratch: Vec<u8>,
}

/// Sizes of the table that the peer has not heard of.
#[derive(Debug, Clone, Copy)]
struct Sizes {
    smallest: usize,
    last: usize,
}

impl Default for Encoder {
    fn default() -> Self {
        Encoder::new()
    }
}

impl Encoder {
    /// With a table of 4,096 octets at most, whatever the peer allows: more would be for fields that recur seldom.
    pub fn new() -> Encoder {
        Encoder {
            table: Table::new(INITIAL_TABLE_SIZE),
            lookup: None,
            before: 0,
            due: None,
            scratch: Vec::new(),
        }
    }

    /// The peer's SETTINGS_HEADER_TABLE_SIZE. The next block begins with what changes by it.
    pub fn allow(&mut self, peers_table_size: u32) {
        let last = INITIAL_TABLE_SIZE.min(peers_table_size as usize);
        if self.due.is_some() || last != self.table.most() {
            let smallest = self.due.map_or(last, |due| due.smallest.min(last));
            self.due = Some(Sizes { smallest, last });
        }
    }

    /// Begin a block: append the sizes that are due (section 4.2).
    pub fn begin(&mut self, out: &mut Vec<u8>) {
        let Some(Sizes { smallest, last }) = self.due.take() else {
            return;
        };
        if smallest < last {
            self.table.resize(smallest);
            integer::write(smallest, 0x20, 5, out);
        }
        self.table.resize(last);
        integer::write(last, 0x20, 5, out);
    }

    /// Append a field of the block. What is known to be a secret or seldom to recur is never put into the table, whatever `indexing` says.
    #[inline]
    pub fn field(&mut self, name: &[u8], value: &[u8], out: &mut Vec<u8>, indexing: Indexing) {
        // Most of those that recur stand in the table. Of pseudo-fields it is only `:authority`.
        let may_recur = indexing == Indexing::Incremental
            && match name {
                [b':', second, ..] => *second == b'a',
                _ => true,
            };
        if may_recur && let Some(at) = self.find(name, value) {
            integer::write(at, 0x80, 7, out);
            return;
        }
        self.put_new(name, value, out, indexing);
    }

    /// Where a whole field stands in the table. A message is like the one before it: most fields come behind the same one as then, and need no search.
    #[inline]
    fn find(&mut self, name: &[u8], value: &[u8]) -> Option<usize> {
        let lookup = self.lookup.as_ref()?;
        let guess = self.table.follower(self.before);
        let number = match guess.filter(|guess| self.table.is(*guess, name, value)) {
            Some(number) => number,
            None => {
                let number = lookup.find(Hashes::of(name, value).whole)?;
                if !self.table.is(number, name, value) {
                    return None;
                }
                self.table.set_follower(self.before, number);
                number
            }
        };
        self.before = number;
        Some(FIRST_DYNAMIC + self.table.index_of(number))
    }

    /// A field that stands in no table as a whole, or in the static one.
    #[inline(never)]
    fn put_new(&mut self, name: &[u8], value: &[u8], out: &mut Vec<u8>, indexing: Indexing) {
        let known = find_name(name);
        if indexing != Indexing::Never
            && let Some(whole) = known.and_then(|known| find_value(known, value))
        {
            out.push(0x80 | whole);
            return;
        }
        let size = name.len() + value.len() + FIELD_OVERHEAD;
        let at = known.map_or(0, usize::from);
        match decided(known, value, indexing) {
            Indexing::Never => put_literal(at, 0x10, name, value, out),
            // What takes most of the table would push out everything else.
            Indexing::Incremental if size <= self.table.most() / 4 * 3 => {
                self.put_indexed(known, name, value, out);
            }
            Indexing::Incremental | Indexing::Without => put_literal(at, 0, name, value, out),
        }
    }

    /// Empty memory to put a value together in; to be given back.
    pub(crate) fn take_scratch(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.scratch)
    }

    /// What was taken.
    pub(crate) fn give_scratch(&mut self, mut scratch: Vec<u8>) {
        scratch.clear();
        scratch.shrink_to(INITIAL_TABLE_SIZE);
        self.scratch = scratch;
    }

    fn put_indexed(&mut self, known: Option<u8>, name: &[u8], value: &[u8], out: &mut Vec<u8>) {
        let hashes = Hashes::of(name, value);
        let at = match known {
            Some(known) => Some(known.into()),
            None => self.find_name(hashes.name, name),
        };
        integer::write(at.unwrap_or(0), 0x40, 6, out);
        if at.is_none() {
            put_shorter(name, out);
        }
        put_shorter(value, out);
        let number = self.table.next_number();
        self.table.insert(name, value);
        self.table.set_follower(self.before, number);
        self.before = number;
        let lookup = self.lookup.get_or_insert_with(|| Box::new(Lookup::new()));
        lookup.put(hashes.whole, number);
        if known.is_none() {
            lookup.put(hashes.name, number);
        }
    }

    /// Where some field of this name stands in the table.
    fn find_name(&self, hash: u32, name: &[u8]) -> Option<usize> {
        let index = self.table.index_of(self.lookup.as_ref()?.find(hash)?);
        let (octets, length) = self.table.get(index)?;
        (octets.get(..length)? == name).then_some(FIRST_DYNAMIC + index)
    }
}

/// By which a field, or one of its name, is looked up.
struct Hashes {
    whole: u32,
    name: u32,
}

impl Hashes {
    #[inline]
    fn of(name: &[u8], value: &[u8]) -> Hashes {
        let by_name = lookup::hash(name, 0);
        Hashes {
            whole: lookup::short(lookup::hash(value, by_name)),
            name: lookup::short(by_name),
        }
    }
}

/// Secrets that may be guessed octet by octet stay out of tables; so does what differs from message to message (both as nghttp2 has it).
fn decided(known: Option<u8>, value: &[u8], asked: Indexing) -> Indexing {
    use static_table::index as name;
    match known {
        Some(name::AUTHORIZATION | name::PROXY_AUTHORIZATION) => Indexing::Never,
        Some(name::COOKIE) if value.len() < 20 => Indexing::Never,
        Some(
            name::PATH
            | name::AGE
            | name::CONTENT_LENGTH
            | name::ETAG
            | name::IF_MODIFIED_SINCE
            | name::IF_NONE_MATCH
            | name::LOCATION
            | name::SET_COOKIE,
        ) if asked == Indexing::Incremental => Indexing::Without,
        _ => asked,
    }
}

/// A field that goes into no table, behind the index of its name.
fn put_literal(at: usize, first: u8, name: &[u8], value: &[u8], out: &mut Vec<u8>) {
    integer::write(at, first, 4, out);
    if at == 0 {
        put_plain(name, out);
    }
    put_plain(value, out);
}

fn put_plain(octets: &[u8], out: &mut Vec<u8>) {
    integer::write(octets.len(), 0, 7, out);
    out.extend_from_slice(octets);
}

/// By the Huffman code where that is shorter.
fn put_shorter(octets: &[u8], out: &mut Vec<u8>) {
    let length = huffman::encoded_len(octets);
    if length >= octets.len() {
        put_plain(octets, out);
        return;
    }
    integer::write(length, 0x80, 7, out);
    huffman::encode(octets, out);
}
