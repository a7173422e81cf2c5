//! Four back-ends as they are found in the field, reduced to one question: where does each request begin and end? They
//! judge what the proxy sent on: if two of them disagree, the proxy let a request be smuggled. They are lenient on
//! purpose and no model of how anything here should read.

use crate::text::latin1;

/// The requests that one reader sees: start, end (None: not complete), method and target.
pub type Boundaries = Vec<(usize, Option<usize>, String)>;

/// How a reader decides.
#[derive(Debug, Clone, Copy)]
pub struct Reader {
    /// For messages.
    pub name: &'static str,
    bare_lf: bool,
    trims_names: bool,
    framing: fn(&Found) -> How,
    lenient_chunks: bool,
}

#[derive(Debug, Default)]
struct Found {
    lengths: Vec<String>,
    codings: Vec<String>,
}

enum How {
    Nothing,
    Length(u64),
    Chunked,
    Refused,
}

/// The four: by the RFC; length first; coding first and careless; and one as old servers were.
pub const READERS: [Reader; 4] = [
    Reader {
        name: "strict",
        bare_lf: false,
        trims_names: false,
        framing: strict,
        lenient_chunks: false,
    },
    Reader {
        name: "length first",
        bare_lf: true,
        trims_names: true,
        framing: length_first,
        lenient_chunks: true,
    },
    Reader {
        name: "coding first",
        bare_lf: true,
        trims_names: true,
        framing: coding_first,
        lenient_chunks: true,
    },
    Reader {
        name: "old server",
        bare_lf: true,
        trims_names: false,
        framing: old_server,
        lenient_chunks: true,
    },
];

fn strict(found: &Found) -> How {
    match (found.lengths.as_slice(), found.codings.as_slice()) {
        ([], []) => How::Nothing,
        ([one], []) if one.bytes().all(|b| b.is_ascii_digit()) => {
            one.parse().map_or(How::Refused, How::Length)
        }
        ([], [one]) if one.eq_ignore_ascii_case("chunked") => How::Chunked,
        _ => How::Refused,
    }
}

fn careless_number(text: &str) -> u64 {
    let digits: String = text
        .trim()
        .trim_start_matches('+')
        .chars()
        .take_while(char::is_ascii_digit)
        .collect();
    digits.parse().unwrap_or(0)
}

fn mentions_chunked(found: &Found) -> bool {
    found
        .codings
        .iter()
        .any(|coding| coding.to_ascii_lowercase().contains("chunked"))
}

fn length_first(found: &Found) -> How {
    match found.lengths.first() {
        Some(length) => How::Length(careless_number(length)),
        None if mentions_chunked(found) => How::Chunked,
        None => How::Nothing,
    }
}

fn coding_first(found: &Found) -> How {
    match found.lengths.first() {
        _ if mentions_chunked(found) => How::Chunked,
        Some(length) => How::Length(careless_number(length)),
        None => How::Nothing,
    }
}

/// Only the last coding and only the last length count, and only exactly written.
fn old_server(found: &Found) -> How {
    match (found.codings.last(), found.lengths.last()) {
        (Some(coding), _) if coding == "chunked" || coding == "Chunked" => How::Chunked,
        (_, Some(length)) => How::Length(careless_number(length)),
        _ => How::Nothing,
    }
}

impl Reader {
    /// The requests that this reader sees in the bytes of one connection.
    pub fn read(&self, bytes: &[u8]) -> Boundaries {
        let (mut seen, mut at) = (Boundaries::new(), 0);
        while at < bytes.len() {
            if self.bare_lf && matches!(bytes[at], b'\r' | b'\n') {
                at += 1;
                continue;
            }
            let start = at;
            let (end, line) = self.one(bytes, start);
            seen.push((start, end, line));
            match end {
                Some(end) => at = end,
                None => break,
            }
        }
        seen
    }

    fn one(&self, bytes: &[u8], start: usize) -> (Option<usize>, String) {
        let Some((line, mut at)) = self.line(bytes, start) else {
            return (None, latin1(&bytes[start..]).chars().take(60).collect());
        };
        let first = latin1(line);
        let mut found = Found::default();
        loop {
            let Some((line, next)) = self.line(bytes, at) else {
                return (None, first);
            };
            at = next;
            if line.is_empty() {
                break;
            }
            let text = latin1(line);
            let Some((name, value)) = text.split_once(':') else {
                continue;
            };
            let name = if self.trims_names {
                name.trim_matches(|c: char| c.is_ascii_whitespace() || c.is_control())
            } else {
                name
            };
            let value = value.trim_matches([' ', '\t']).to_owned();
            if name.eq_ignore_ascii_case("content-length") {
                found.lengths.push(value);
            } else if name.eq_ignore_ascii_case("transfer-encoding") {
                found.codings.push(value);
            }
        }
        let end = match (self.framing)(&found) {
            How::Nothing => Some(at),
            How::Length(n) => usize::try_from(n)
                .ok()
                .and_then(|n| at.checked_add(n))
                .filter(|end| *end <= bytes.len()),
            How::Chunked => self.chunked(bytes, at),
            How::Refused => None,
        };
        (end, first)
    }

    /// A line without its end, and where the next one begins.
    fn line<'a>(&self, bytes: &'a [u8], at: usize) -> Option<(&'a [u8], usize)> {
        let rest = bytes.get(at..)?;
        let end = rest.iter().position(|b| *b == b'\n')?;
        let line = &rest[..end];
        match line.split_last() {
            Some((b'\r', line)) => Some((line, at + end + 1)),
            _ if self.bare_lf => Some((line, at + end + 1)),
            _ => None,
        }
    }

    fn chunked(&self, bytes: &[u8], mut at: usize) -> Option<usize> {
        loop {
            let (line, next) = self.line(bytes, at)?;
            let size = self.chunk_size(&latin1(line))?;
            at = next;
            if size == 0 {
                loop {
                    let (line, next) = self.line(bytes, at)?;
                    at = next;
                    if line.is_empty() {
                        return Some(at);
                    }
                }
            }
            at = at.checked_add(size).filter(|at| *at <= bytes.len())?;
            match bytes.get(at..) {
                Some([b'\r', b'\n', ..]) => at += 2,
                Some([b'\n', ..]) if self.lenient_chunks => at += 1,
                _ if self.lenient_chunks => {}
                _ => return None,
            }
        }
    }

    fn chunk_size(&self, line: &str) -> Option<usize> {
        let digits = if self.lenient_chunks {
            let text = line.trim().trim_start_matches("0x");
            text.chars().take_while(char::is_ascii_hexdigit).collect()
        } else {
            line.split(';').next().unwrap_or_default().to_owned()
        };
        usize::from_str_radix(&digits, 16).ok()
    }
}

/// What all four see, if they see the same; else who sees what.
pub fn agree(bytes: &[u8]) -> Result<Boundaries, String> {
    let all: Vec<Boundaries> = READERS.iter().map(|reader| reader.read(bytes)).collect();
    let first = &all[0];
    match all.iter().zip(&READERS).find(|(seen, _)| *seen != first) {
        None => Ok(first.clone()),
        Some((seen, reader)) => Err(format!(
            "two back-ends see different requests: {} sees {first:?}, {} sees {seen:?} in {}",
            READERS[0].name,
            reader.name,
            crate::shown(bytes)
        )),
    }
}

/// The most complete requests that any of the four sees.
pub fn complete_requests(bytes: &[u8]) -> usize {
    READERS
        .iter()
        .map(|reader| {
            reader
                .read(bytes)
                .iter()
                .filter(|(_, end, _)| end.is_some())
                .count()
        })
        .max()
        .unwrap_or(0)
}
