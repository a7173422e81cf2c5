//! The fields of one head as spans into its bytes.
//!
//! Not here: text of its own. A table is reused from head to head and allocates only until it has grown to the largest.

use super::HeadLimits;
use super::connection::ConnectionOptions;
use super::field::{KNOWN_COUNT, Known, KnownSet, imitates_known};
use super::line::{FieldLine, LineCursor, LineFault};
use super::sink::put;

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

    #[inline]
    pub(crate) fn len(self) -> usize {
        self.end.saturating_sub(self.start) as usize
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
    /// Looks to some like a field that is known; see [`imitates_known`].
    pub(crate) imitates: bool,
    /// See [`FieldLine::canonical`].
    pub(crate) canonical: bool,
    /// Nobody on its way may put it into a table (RFC 7541 section 6.2.3).
    pub(crate) secret: bool,
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
    /// Known names that occur; those that occur more than once.
    seen: KnownSet,
    repeated: KnownSet,
    pub(crate) connection: ConnectionOptions,
}

impl Default for FieldTable {
    fn default() -> Self {
        FieldTable {
            fields: Vec::new(),
            first: [0; KNOWN_COUNT],
            seen: KnownSet::default(),
            repeated: KnownSet::default(),
            connection: ConnectionOptions::default(),
        }
    }
}

impl FieldTable {
    pub(crate) fn clear(&mut self) {
        self.fields.clear();
        self.seen = KnownSet::default();
        self.repeated = KnownSet::default();
        self.connection = ConnectionOptions::default();
    }

    pub(crate) fn fields(&self) -> &[Field] {
        &self.fields
    }

    pub(crate) fn fields_mut(&mut self) -> &mut [Field] {
        &mut self.fields
    }

    /// Read field lines from where the cursor stands to the empty line behind them; answers where the head ends, or `None`
    /// while it is incomplete.
    pub(crate) fn read(
        &mut self,
        bytes: &[u8],
        cursor: &mut LineCursor,
        limits: &HeadLimits,
    ) -> Result<Option<usize>, LineFault> {
        let limit = limits.head_bytes as usize;
        let mut start = cursor.start();
        if cursor.still_waits(bytes) {
            return self.without_line(bytes, cursor, limits);
        }
        while bytes.get(start) != Some(&b'\r')
            && let Some(line) = FieldLine::read(bytes, start)
        {
            if line.end > limit {
                break;
            }
            start = line.end;
            self.push(bytes, line, limits.fields)?;
        }
        cursor.go_on(start);
        let end = start + 2;
        if end <= limit && bytes.get(start..end) == Some(b"\r\n") {
            cursor.go_on(end);
            return Ok(Some(end));
        }
        self.without_line(bytes, cursor, limits)
    }

    /// No line was accepted at the cursor: there is none yet, or it breaks a limit or a rule.
    #[cold]
    fn without_line(
        &self,
        bytes: &[u8],
        cursor: &mut LineCursor,
        limits: &HeadLimits,
    ) -> Result<Option<usize>, LineFault> {
        let lf = cursor.find(bytes);
        match cursor.take(bytes, lf, limits.head_bytes as usize)? {
            None => Ok(None),
            Some(_) if self.fields.len() >= limits.fields as usize => Err(LineFault::TooManyFields),
            Some(line) => Err(FieldLine::blame(bytes.get(line).unwrap_or_default())),
        }
    }

    #[inline]
    fn push(&mut self, bytes: &[u8], line: FieldLine, limit: u16) -> Result<(), LineFault> {
        let index = self.fields.len();
        if index >= limit as usize {
            return Err(LineFault::TooManyFields);
        }
        let known = Known::at(bytes, line.name.clone());
        self.fields.push(Field {
            name: Span::new(line.name.start, line.name.end),
            value: Span::new(line.value.start, line.value.end),
            known,
            ends_here: false,
            imitates: line.odd_name && imitates_known(bytes.get(line.name).unwrap_or_default()),
            canonical: line.canonical,
            secret: false,
        });
        if known != Known::Other {
            self.note(known, index as u16);
        }
        Ok(())
    }

    /// What was written is within the limits of what is read.
    pub(crate) fn check_size(&self, bytes: &[u8], limits: &HeadLimits) -> Result<(), LineFault> {
        if self.fields.len() > limits.fields as usize {
            return Err(LineFault::TooManyFields);
        }
        match bytes.len() > limits.head_bytes as usize {
            true => Err(LineFault::TooLarge),
            false => Ok(()),
        }
    }

    /// Write a line behind `out`, and note it here. Name and value were checked; whether there are too many is found out when the head is whole.
    #[inline]
    pub(crate) fn write(&mut self, out: &mut Vec<u8>, known: Known, name: &[u8], value: &[u8]) {
        self.write_pieces(out, known, name, std::iter::once(value));
    }

    /// The field that was written last looks to some like one that is known; see [`imitates_known`].
    pub(crate) fn mark_imitation(&mut self) {
        if let Some(last) = self.fields.last_mut() {
            last.imitates = true;
        }
    }

    /// All fields of this name are secrets.
    pub(crate) fn keep_secret(&mut self, bytes: &[u8], name: &[u8]) {
        let named = self.fields.iter_mut();
        let named = named.filter(|field| field.name.of(bytes).eq_ignore_ascii_case(name));
        named.for_each(|field| field.secret = true);
    }

    /// The same as `write`, with a value that is put together.
    #[inline]
    pub(crate) fn write_pieces<'a>(
        &mut self,
        out: &mut Vec<u8>,
        known: Known,
        name: &[u8],
        value: impl Iterator<Item = &'a [u8]>,
    ) {
        let start = out.len();
        put(out, name);
        put(out, b": ");
        let begun = out.len();
        value.for_each(|piece| put(out, piece));
        let index = self.fields.len();
        self.fields.push(Field {
            name: Span::new(start, begun - 2),
            value: Span::new(begun, out.len()),
            known,
            ends_here: false,
            imitates: false,
            canonical: true,
            secret: false,
        });
        put(out, b"\r\n");
        if known != Known::Other && index <= usize::from(u16::MAX) {
            self.note(known, index as u16);
        }
    }

    #[inline]
    fn note(&mut self, known: Known, index: u16) {
        if self.seen.has(known) {
            self.repeated.insert(known);
        } else {
            self.seen.insert(known);
            self.first[known as usize] = index;
        }
    }

    #[inline]
    pub(crate) fn has(&self, known: Known) -> bool {
        self.seen.has(known)
    }

    /// How many fields there are of this name.
    #[inline]
    pub(crate) fn count(&self, known: Known) -> usize {
        match self.repeats(known) {
            false => usize::from(self.has(known)),
            true => {
                let fields = self.fields.iter();
                fields.filter(|field| field.known == known).count()
            }
        }
    }

    /// Index of the first field of this name.
    #[inline]
    pub(crate) fn position(&self, known: Known) -> Option<usize> {
        self.has(known)
            .then_some(self.first[known as usize] as usize)
    }

    /// Where the value of the first field of this name stands.
    #[inline]
    pub(crate) fn span(&self, known: Known) -> Option<Span> {
        let field = self.fields.get(self.position(known)?)?;
        Some(field.value)
    }

    /// Value of the first field of this name.
    #[inline]
    pub(crate) fn value<'a>(&self, bytes: &'a [u8], known: Known) -> Option<&'a [u8]> {
        self.span(known).map(|value| value.of(bytes))
    }

    /// There is more than one field of this name.
    #[inline]
    pub(crate) fn repeats(&self, known: Known) -> bool {
        self.repeated.has(known)
    }

    #[inline]
    pub(crate) fn lines<'a>(&self, bytes: &'a [u8], known: Known) -> Lines<'a> {
        if self.repeats(known) {
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
