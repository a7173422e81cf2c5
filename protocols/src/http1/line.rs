//! Lines of a head, found once each even when bytes trickle in one at a time.
//!
//! Not here: what a line says.

use std::ops::Range;

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

    /// Index of the LF of the current line.
    #[inline]
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
    #[inline]
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
