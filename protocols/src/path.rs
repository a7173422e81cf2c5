//! Path normalisation before matching (RFC 3986 section 6.2.2): dot segments, `//`, percent-encoding.
//!
//! Not here: matching. Path parameters (`/a;b/..;x`) are ordinary text here.

/// What became of a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Normal {
    /// The input is already normal; nothing was written.
    Unchanged,
    /// The normal form was written to `out`.
    Rewritten,
}

/// Why a path is refused (400).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PathFault {
    /// `%2F`: some decode it to a separator before matching, some after.
    EncodedSlash,
    /// `%5C`: as `%2F`, where a backslash separates.
    EncodedBackslash,
    /// `%00`: ends the path for whoever uses C strings.
    EncodedNul,
    /// `%` without two hexadecimal digits.
    BadEscape,
    /// More `..` than segments.
    AboveRoot,
    /// Does not begin with `/`.
    NotAbsolute,
    /// `\`: a separator to some.
    Backslash,
}

impl PathFault {
    /// A sentence for people.
    pub fn reason(self) -> &'static str {
        match self {
            PathFault::EncodedSlash => "the path holds an encoded slash (%2F)",
            PathFault::EncodedBackslash => "the path holds an encoded backslash (%5C)",
            PathFault::EncodedNul => "the path holds an encoded NUL (%00)",
            PathFault::BadEscape => "the path holds a % without two hexadecimal digits behind it",
            PathFault::AboveRoot => "the path leads above its root",
            PathFault::NotAbsolute => "the path does not begin with a slash",
            PathFault::Backslash => "the path holds a backslash",
        }
    }
}

/// `raw` is a path without query (or `*`). `out` is cleared first. The normal form has unreserved characters decoded, other
/// escapes in upper case, empty and dot segments resolved; it keeps a slash at the end.
pub fn normalize(raw: &[u8], out: &mut Vec<u8>) -> Result<Normal, PathFault> {
    out.clear();
    match raw {
        b"*" => return Ok(Normal::Unchanged),
        [b'/', ..] => {}
        _ => return Err(PathFault::NotAbsolute),
    }
    if looks_normal(raw) {
        return Ok(Normal::Unchanged);
    }
    decode(raw, out)?;
    let length = resolve(out)?;
    out.truncate(length);
    if out == raw {
        out.clear();
        return Ok(Normal::Unchanged);
    }
    Ok(Normal::Rewritten)
}

/// Nothing stands in it that normalising could change or refuse.
fn looks_normal(raw: &[u8]) -> bool {
    let mut before = 0;
    raw.iter().all(|&octet| {
        let plain = match octet {
            b'%' | b'\\' => false,
            b'/' | b'.' => before != b'/',
            _ => true,
        };
        before = octet;
        plain
    })
}

/// Decode what need not be encoded, refuse what is read in two ways.
fn decode(raw: &[u8], out: &mut Vec<u8>) -> Result<(), PathFault> {
    out.reserve(raw.len());
    let mut rest = raw;
    loop {
        rest = match rest {
            [] => return Ok(()),
            [b'\\', ..] => return Err(PathFault::Backslash),
            [b'%', high, low, after @ ..] => {
                let (Some(high_value), Some(low_value)) = (hex(*high), hex(*low)) else {
                    return Err(PathFault::BadEscape);
                };
                match (high_value << 4) | low_value {
                    b'/' => return Err(PathFault::EncodedSlash),
                    b'\\' => return Err(PathFault::EncodedBackslash),
                    0 => return Err(PathFault::EncodedNul),
                    octet if is_unreserved(octet) => out.push(octet),
                    _ => out.extend([b'%', high.to_ascii_uppercase(), low.to_ascii_uppercase()]),
                }
                after
            }
            [b'%', ..] => return Err(PathFault::BadEscape),
            [octet, after @ ..] => {
                out.push(*octet);
                after
            }
        };
    }
}

fn hex(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

/// RFC 3986 section 2.3.
fn is_unreserved(octet: u8) -> bool {
    octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'.' | b'_' | b'~')
}

/// Resolve empty and dot segments in place; the result is never longer. Returns its length.
fn resolve(path: &mut [u8]) -> Result<usize, PathFault> {
    let mut read = 0;
    // Invariant: path[..write] is normal and, unless empty, does not end with a slash; write <= read.
    let mut write = 0;
    let mut ends_with_slash = false;
    while read < path.len() {
        // path[read] is a slash.
        let start = read + 1;
        let tail = path.get(start..).unwrap_or_default();
        let length = memchr::memchr(b'/', tail).unwrap_or(tail.len());
        let segment = tail.get(..length).unwrap_or_default();
        read = start + length;
        ends_with_slash = matches!(segment, b"" | b"." | b"..");
        match segment {
            b"" | b"." => {}
            b".." if write == 0 => return Err(PathFault::AboveRoot),
            b".." => {
                let kept = path.get(..write).unwrap_or_default();
                write = memchr::memrchr(b'/', kept).unwrap_or(0);
            }
            _ => {
                path.copy_within(start - 1..read, write);
                write += length + 1;
            }
        }
    }
    if ends_with_slash {
        // A segment was left out behind path[..write], so there is room.
        if let Some(slot) = path.get_mut(write) {
            *slot = b'/';
            write += 1;
        }
    }
    Ok(write)
}
