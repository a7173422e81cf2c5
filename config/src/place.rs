//! Places in the sources: byte spans while reading, lines and columns for people.
//! Not the findings themselves.

use crate::Source;
use std::ops::Range;

/// Bytes of one source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Span {
    pub(crate) source: usize,
    pub(crate) start: usize,
    pub(crate) end: usize,
}

/// A value and where it stands.
#[derive(Debug, Clone)]
pub(crate) struct At<T> {
    pub(crate) value: T,
    pub(crate) span: Span,
}

/// A span as people count: line and column from 1, in characters; CR LF is one line end and a byte order mark is no column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Spot {
    pub(crate) line: u32,
    pub(crate) column: u32,
    /// Marked characters, at least 1, all on this line.
    pub(crate) length: u32,
}

/// Where each line of a source starts.
pub(crate) struct Lines {
    starts: Vec<usize>,
}

impl Lines {
    pub(crate) fn of(source: &Source) -> Lines {
        let first = if source.text.starts_with('\u{feff}') {
            3
        } else {
            0
        };
        let mut starts = vec![first];
        starts.extend(source.text.match_indices('\n').map(|(at, _)| at + 1));
        Lines { starts }
    }

    /// Index (from 0) of the line that holds this byte.
    pub(crate) fn line_of(&self, byte: usize) -> usize {
        self.starts
            .partition_point(|start| *start <= byte)
            .saturating_sub(1)
    }

    /// The line's bytes, without its end.
    pub(crate) fn range(&self, line: usize, text: &str) -> Range<usize> {
        let start = self.starts.get(line).copied().unwrap_or(text.len());
        let end = self
            .starts
            .get(line + 1)
            .map_or(text.len(), |next| next.saturating_sub(1));
        let slice = text.get(start..end).unwrap_or("");
        start..start + slice.strip_suffix('\r').unwrap_or(slice).len()
    }

    pub(crate) fn spot(&self, span: Span, text: &str) -> Spot {
        let line = self.line_of(span.start);
        let range = self.range(line, text);
        let start = span.start.clamp(range.start, range.end);
        let end = span.end.clamp(start, range.end);
        let length = characters(text, start..end).max(1);
        Spot {
            line: clip(line + 1),
            column: clip(characters(text, range.start..start) + 1),
            length: clip(length),
        }
    }
}

/// Characters that start within these bytes (a parser's span may cut one in half).
fn characters(text: &str, range: Range<usize>) -> usize {
    text.as_bytes()[range]
        .iter()
        .filter(|byte| **byte & 0xC0 != 0x80)
        .count()
}

fn clip(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spot_of(text: &str, part: &str) -> (u32, u32, u32) {
        let source = Source {
            path: "x".into(),
            text: text.into(),
        };
        let start = text.find(part).unwrap();
        let span = Span {
            source: 0,
            start,
            end: start + part.len(),
        };
        let spot = Lines::of(&source).spot(span, text);
        (spot.line, spot.column, spot.length)
    }

    #[test]
    fn columns_count_characters() {
        let cases = [
            ("ab = 1", "1", (1, 6, 1)),
            ("# ä\nk = \"ü\" # é\nx = 2", "x", (3, 1, 1)),
            ("k = \"äöü\", z = 1", "z", (1, 12, 1)),
            ("a = 1\r\nb = 22\r\n", "22", (2, 5, 2)),
            ("\tkey = 1", "key", (1, 2, 3)),
            ("\u{feff}key = 1", "key", (1, 1, 3)),
            ("a = \"\"\"x\ny\"\"\"", "\"\"\"x\ny\"\"\"", (1, 5, 4)),
        ];
        for (text, part, expected) in cases {
            assert_eq!(spot_of(text, part), expected, "{text:?}");
        }
    }

    #[test]
    fn any_span_has_a_spot() {
        let text = "ä\r\n\r\nb\u{1F600}";
        let source = Source {
            path: "x".into(),
            text: text.into(),
        };
        let lines = Lines::of(&source);
        for start in 0..text.len() + 3 {
            for end in 0..text.len() + 3 {
                let span = Span {
                    source: 0,
                    start,
                    end,
                };
                let spot = lines.spot(span, text);
                assert!(spot.line >= 1 && spot.line <= 3 && spot.length >= 1);
            }
        }
    }
}
