//! The fields of one head as spans into its bytes.
//!
//! Not here: text of its own. A table is reused from head to head and allocates only until it has grown to the largest.

use std::ops::Range;

use super::connection::ConnectionOptions;
use super::field::{KNOWN_COUNT, Known};
use super::line::{LineFault, blame};
use super::octets::{is_text, token_length, trim_ows};

/// A piece of the head, as offsets.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span {
    start: u32,
    end: u32,
}

impl Span {
    /// Offsets above 4 GiB cannot occur: a head is limited by a `u32`.
    #[inline]
    pub(crate) fn new(start: usize, end: usize) -> Span {
        Span {
            start: start as u32,
            end: end as u32,
        }
    }

    #[inline]
    pub(crate) fn of(self, bytes: &[u8]) -> &[u8] {
        bytes
            .get(self.start as usize..self.end as usize)
            .unwrap_or_default()
    }

    pub(crate) fn start(self) -> usize {
        self.start as usize
    }

    pub(crate) fn end(self) -> usize {
        self.end as usize
    }

    pub(crate) fn is_empty(self) -> bool {
        self.start == self.end
    }
}

/// One field line.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Field {
    pub(crate) name: Span,
    pub(crate) value: Span,
    pub(crate) known: Known,
    /// Named by a `Connection` field, so it ends here.
    pub(crate) ends_here: bool,
}

/// How often a field occurs, with its value where there is exactly one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lines<'a> {
    None,
    One(&'a [u8]),
    Several,
}

/// All fields of a head, in order.
#[derive(Debug)]
pub(crate) struct FieldTable {
    fields: Vec<Field>,
    /// Index of the first field of each known name.
    first: [u16; KNOWN_COUNT],
    /// A bit per known name: occurs; occurs more than once.
    seen: u32,
    repeated: u32,
    pub(crate) connection: ConnectionOptions,
}

impl Default for FieldTable {
    fn default() -> Self {
        FieldTable {
            fields: Vec::new(),
            first: [0; KNOWN_COUNT],
            seen: 0,
            repeated: 0,
            connection: ConnectionOptions::default(),
        }
    }
}

impl FieldTable {
    pub(crate) fn clear(&mut self) {
        self.fields.clear();
        self.seen = 0;
        self.repeated = 0;
        self.connection = ConnectionOptions::default();
    }

    pub(crate) fn fields(&self) -> &[Field] {
        &self.fields
    }

    pub(crate) fn fields_mut(&mut self) -> &mut [Field] {
        &mut self.fields
    }

    /// Read one field line (without CRLF, not empty) and add it.
    #[inline]
    pub(crate) fn push(
        &mut self,
        bytes: &[u8],
        line: Range<usize>,
        limit: u16,
    ) -> Result<(), LineFault> {
        let index = self.fields.len();
        if index >= limit as usize {
            return Err(LineFault::TooManyFields);
        }
        let start = line.start;
        let text = bytes.get(line).unwrap_or_default();
        let (name, value) = split_field(text)?;
        let value_start = start + (value.as_ptr() as usize - text.as_ptr() as usize);
        let known = Known::of(name);
        self.fields.push(Field {
            name: Span::new(start, start + name.len()),
            value: Span::new(value_start, value_start + value.len()),
            known,
            ends_here: false,
        });
        if known != Known::Other {
            self.note(known, index as u16);
        }
        Ok(())
    }

    #[inline]
    fn note(&mut self, known: Known, index: u16) {
        let bit = 1u32 << known as u32;
        if self.seen & bit != 0 {
            self.repeated |= bit;
        } else {
            self.seen |= bit;
            self.first[known as usize] = index;
        }
    }

    #[inline]
    pub(crate) fn has(&self, known: Known) -> bool {
        self.seen & (1 << known as u32) != 0
    }

    /// Value of the first field of this name.
    pub(crate) fn value<'a>(&self, bytes: &'a [u8], known: Known) -> Option<&'a [u8]> {
        if !self.has(known) {
            return None;
        }
        let field = self.fields.get(self.first[known as usize] as usize)?;
        Some(field.value.of(bytes))
    }

    pub(crate) fn lines<'a>(&self, bytes: &'a [u8], known: Known) -> Lines<'a> {
        if self.repeated & (1 << known as u32) != 0 {
            return Lines::Several;
        }
        match self.value(bytes, known) {
            Some(value) => Lines::One(value),
            None => Lines::None,
        }
    }

    /// Name and value of each field, in order.
    pub(crate) fn iter<'a>(
        &'a self,
        bytes: &'a [u8],
    ) -> impl Iterator<Item = (Known, &'a [u8], &'a [u8])> + use<'a> {
        self.fields
            .iter()
            .map(move |field| (field.known, field.name.of(bytes), field.value.of(bytes)))
    }
}

/// `field-name ":" OWS field-value OWS` (RFC 9112 section 5), strictly.
#[inline]
pub(crate) fn split_field(text: &[u8]) -> Result<(&[u8], &[u8]), LineFault> {
    let stop = token_length(text);
    match text.split_at_checked(stop) {
        Some((name, [b':', value @ ..])) if !name.is_empty() => {
            let value = trim_ows(value);
            match is_text(value) {
                true => Ok((name, value)),
                false => Err(blame(value)),
            }
        }
        _ => Err(blame_name(text, stop)),
    }
}

#[cold]
fn blame_name(text: &[u8], stop: usize) -> LineFault {
    if !is_text(text) {
        return blame(text);
    }
    match text.get(stop) {
        Some(b' ' | b'\t') if stop == 0 => LineFault::ObsFold,
        Some(b' ' | b'\t') => LineFault::WhitespaceBeforeColon,
        _ => LineFault::FieldName,
    }
}
