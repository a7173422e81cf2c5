//! The lines of a head or of a trailer section that we wrote, for a message of HTTP/2: each field that HTTP/2 has too.
//!
//! Not here: judging them. A head comes here from `http1::answer`; what is not a line is left out.

use std::ops::Range;

use crate::http1::Known;

/// One field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// What it is known as.
    pub known: Known,
    /// Where its name stands.
    pub name: Range<usize>,
    /// Where its value stands.
    pub value: Range<usize>,
}

/// The fields that HTTP/2 has too, behind the first line if there is one, up to the empty line. Fields of the connection are not among them, nor
/// is Host, which becomes `:authority`; TE stays, since what we write says `trailers`.
pub fn lines(head: &[u8], has_first_line: bool) -> impl Iterator<Item = Line> {
    let mut at = match has_first_line {
        true => memchr::memchr(b'\n', head).map_or(head.len(), |lf| lf + 1),
        false => 0,
    };
    std::iter::from_fn(move || {
        loop {
            let (line, next) = line_at(head, at)?;
            at = next;
            if !stays_behind(line.known) {
                return Some(line);
            }
        }
    })
}

fn line_at(head: &[u8], at: usize) -> Option<(Line, usize)> {
    let rest = head.get(at..)?;
    let colon = memchr::memchr2(b':', b'\r', rest).filter(|c| rest.get(*c) == Some(&b':'))?;
    let cr = colon + memchr::memchr(b'\r', rest.get(colon..)?)?;
    let name = at..at + colon;
    // Behind the colon and a space.
    let value = (at + colon + 2).min(at + cr)..at + cr;
    let known = Known::of(head.get(name.clone())?);
    Some((Line { known, name, value }, at + cr + 2))
}

/// Belongs to one connection of HTTP/1.1, or is said otherwise.
pub(super) fn stays_behind(known: Known) -> bool {
    matches!(
        known,
        Known::Host
            | Known::Connection
            | Known::KeepAlive
            | Known::ProxyConnection
            | Known::TransferEncoding
            | Known::Upgrade
            | Known::Http2Settings
    )
}
