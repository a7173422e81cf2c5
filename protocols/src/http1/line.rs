//! Lines of a head: the grammar of a field line, and where lines end when bytes trickle in one at a time.
//!
//! Not here: what a field means; the start lines, see `request` and `response`.
//!
//! A line is read in one go, from its first octet to its CRLF, by a function that accepts what is right and says nothing about
//! anything else. What it does not accept is not whole yet or is a fault: which of them, and what fault, is found out afterwards,
//! where speed is of no matter.

use std::ops::Range;

use super::octets::{is_ows, is_text, token_end, trim_ows};
use super::scan::{plain_end, text_end};

/// What may be wrong with any line of a head or of a trailer section. The three public faults are made from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LineFault {
    BareLf,
    BareCr,
    ObsFold,
    WhitespaceBeforeColon,
    FieldName,
    ControlOctet,
    TooLarge,
    TooManyFields,
    TooManyConnectionOptions,
}

/// A field line that was accepted, as offsets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FieldLine {
    pub(crate) name: Range<usize>,
    pub(crate) value: Range<usize>,
    /// Behind the CRLF.
    pub(crate) end: usize,
    /// The name holds more than letters, digits, `-` and `.`.
    pub(crate) odd_name: bool,
    /// The line is name, `: `, value and CRLF, just as we would write it.
    pub(crate) canonical: bool,
}

impl FieldLine {
    /// `field-name ":" OWS field-value OWS CRLF` at `start` (RFC 9112 section 5), strictly: a token, the colon right behind
    /// it, then nothing but field text (so neither CR nor LF nor another control octet) up to CR and LF together. This is the
    /// only place where a field is accepted.
    #[inline]
    pub(crate) fn read(bytes: &[u8], start: usize) -> Option<FieldLine> {
        let mut colon = plain_end(bytes, start);
        let odd_name = bytes.get(colon) != Some(&b':');
        if odd_name {
            colon = odd_name_end(bytes, colon);
        }
        if colon == start || bytes.get(colon) != Some(&b':') {
            return None;
        }
        let cr = text_end(bytes, colon + 1);
        if bytes.get(cr) != Some(&b'\r') || bytes.get(cr + 1) != Some(&b'\n') {
            return None;
        }
        let (value, canonical) = match bytes.get(colon + 1..cr)? {
            // Of field text only SP and HTAB are not above SP.
            [b' ', first, .., last] if *first > b' ' && *last > b' ' => (colon + 2..cr, true),
            text => trimmed(text, colon + 1),
        };
        Some(FieldLine {
            name: start..colon,
            value,
            end: cr + 2,
            odd_name,
            canonical,
        })
    }

    /// Why [`FieldLine::read`] did not accept a line, given without its CRLF.
    #[cold]
    pub(crate) fn blame(text: &[u8]) -> LineFault {
        let stop = token_end(text, 0);
        match text.split_at(stop) {
            ([_, ..], [b':', value @ ..]) => blame(trim_ows(value)),
            _ if !is_text(text) => blame(text),
            ([], [b' ' | b'\t', ..]) => LineFault::ObsFold,
            (_, [b' ' | b'\t', ..]) => LineFault::WhitespaceBeforeColon,
            _ => LineFault::FieldName,
        }
    }
}

/// Where a name ends of which all octets before `at` are plain.
#[cold]
fn odd_name_end(bytes: &[u8], at: usize) -> usize {
    token_end(bytes, at)
}

/// Where the value stands in what follows a colon, without the white space around it; and whether that is one SP before it.
#[inline(never)]
fn trimmed(text: &[u8], start: usize) -> (Range<usize>, bool) {
    let before = text.iter().take_while(|octet| is_ows(**octet)).count();
    let value = trim_ows(text).len();
    let range = start + before..start + before + value;
    (
        range,
        text.first() == Some(&b' ') && text.len() == value + 1,
    )
}

/// Where the next line starts and how far its end was searched.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct LineCursor {
    start: usize,
    searched: usize,
}

impl LineCursor {
    /// Start of the line being looked for.
    pub(crate) fn start(&self) -> usize {
        self.start
    }

    /// An earlier call has looked at some of these bytes, if they are the same ones.
    pub(crate) fn is_resumed(&self, bytes: &[u8]) -> bool {
        self.searched.max(self.start) > 0 && self.searched.max(self.start) < bytes.len()
    }

    /// Behind a line that was accepted.
    #[inline]
    pub(crate) fn go_on(&mut self, start: usize) {
        self.start = start;
    }

    /// Some of the current line was searched before, and its end is still not here: it need not be read again.
    #[inline]
    pub(crate) fn still_waits(&mut self, bytes: &[u8]) -> bool {
        self.searched > self.start && self.find(bytes).is_none()
    }

    /// Index of the LF of the current line.
    pub(crate) fn find(&mut self, bytes: &[u8]) -> Option<usize> {
        let from = self.searched.max(self.start);
        let found = memchr::memchr(b'\n', bytes.get(from..)?);
        if found.is_none() {
            self.searched = bytes.len();
        }
        found.map(|at| from + at)
    }

    /// The current line without its CRLF, where `lf` is what [`LineCursor::find`] returned; `None` while it is incomplete.
    /// `limit` holds for everything up to the end of the line, complete or not.
    pub(crate) fn take(
        &mut self,
        bytes: &[u8],
        lf: Option<usize>,
        limit: usize,
    ) -> Result<Option<Range<usize>>, LineFault> {
        let Some(lf) = lf else {
            return match bytes.len() > limit {
                true => Err(LineFault::TooLarge),
                false => Ok(None),
            };
        };
        if lf >= limit {
            return Err(LineFault::TooLarge);
        }
        let end = lf.saturating_sub(1);
        if lf == self.start || bytes.get(end) != Some(&b'\r') {
            return Err(LineFault::BareLf);
        }
        let line = self.start..end;
        self.start = lf + 1;
        Ok(Some(line))
    }
}

/// A head seems to be complete, whatever a cursor that may have seen other bytes says.
pub(crate) fn has_empty_line(bytes: &[u8]) -> bool {
    let start = bytes
        .iter()
        .position(|octet| !matches!(octet, b'\r' | b'\n'));
    let text = bytes.get(start.unwrap_or(bytes.len())..);
    memchr::memmem::find(text.unwrap_or_default(), b"\r\n\r\n").is_some()
}

/// Why a text that holds an octet it must not hold is refused.
#[cold]
pub(crate) fn blame(text: &[u8]) -> LineFault {
    match text.contains(&b'\r') {
        true => LineFault::BareCr,
        false => LineFault::ControlOctet,
    }
}
