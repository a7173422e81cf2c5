//! Is an answer what the origin sent? Status, length and content.
//!
//! Chunked answers are an error: the origin says a length, and a proxy that forgets it does other work than the rest.

use std::fmt;

use crate::secured::Wire;

/// What an answer must be.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Expect {
    pub(crate) body: &'static [u8],
}

/// Why there is no right answer.
#[derive(Debug)]
pub(crate) enum Fault {
    /// The connection ended before the first byte of an answer.
    Closed(String),
    /// Anything else.
    Wrong(String),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Closed(why) => write!(f, "the connection ended before an answer: {why}"),
            Fault::Wrong(why) => f.write_str(why),
        }
    }
}

/// How many bytes at each end of a piece are compared where not all are.
const EDGE: usize = 32;
/// More than any proxy adds to the most that a scenario has.
const FIELDS: usize = 96;

/// Is `piece` what `wanted` has from `at` on? Its ends are compared, or all of it.
pub(crate) fn matches(wanted: &[u8], at: usize, piece: &[u8], whole: bool) -> bool {
    let Some(wanted) = wanted.get(at..at + piece.len()) else {
        return false;
    };
    if whole || piece.len() <= 2 * EDGE {
        return wanted == piece;
    }
    let tail = piece.len() - EDGE;
    wanted[..EDGE] == piece[..EDGE] && wanted[tail..] == piece[tail..]
}

/// Receive one answer and check it.
pub(crate) async fn answer(stream: &Wire, expect: Expect, whole: bool) -> Result<(), Fault> {
    let first = match stream.recv().await {
        Ok(Some(first)) => first,
        Ok(None) => return Err(Fault::Closed("end of stream".to_owned())),
        Err(e) if e.kind() == std::io::ErrorKind::TimedOut => {
            return Err(Fault::Wrong("no answer in time".to_owned()));
        }
        Err(e) => return Err(Fault::Closed(e.to_string())),
    };
    let mut at = match head_of(&first, expect)? {
        Some(head) => body_piece(expect, 0, &first[head..], whole)?,
        None => {
            let mut joined = first.to_vec();
            loop {
                joined.extend_from_slice(&more(stream).await?);
                if let Some(head) = head_of(&joined, expect)? {
                    break body_piece(expect, 0, &joined[head..], whole)?;
                }
            }
        }
    };
    drop(first);
    while at < expect.body.len() {
        at = body_piece(expect, at, &more(stream).await?, whole)?;
    }
    Ok(())
}

/// Receive exactly what was sent.
pub(crate) async fn echo(stream: &Wire, expect: Expect) -> Result<(), Fault> {
    let mut at = 0;
    while at < expect.body.len() {
        at = body_piece(expect, at, &more(stream).await?, true)?;
    }
    Ok(())
}

/// Nothing more comes, and the end does.
pub(crate) async fn end(stream: &Wire) -> Result<(), Fault> {
    match stream.recv().await {
        Ok(None) => Ok(()),
        Ok(Some(buf)) => Err(Fault::Wrong(format!("{} bytes too many", buf.len()))),
        Err(e) => Err(Fault::Wrong(format!("no clean end: {e}"))),
    }
}

async fn more(stream: &Wire) -> Result<ringway_io::Buf, Fault> {
    match stream.recv().await {
        Ok(Some(buf)) => Ok(buf),
        Ok(None) => Err(Fault::Wrong("the answer is cut".to_owned())),
        Err(e) => Err(Fault::Wrong(format!("the answer is cut: {e}"))),
    }
}

/// A piece of the body that comes after `at` bytes of it; how many there are then.
pub(super) fn body_piece(
    expect: Expect,
    at: usize,
    piece: &[u8],
    whole: bool,
) -> Result<usize, Fault> {
    if at + piece.len() > expect.body.len() {
        return Err(Fault::Wrong(format!(
            "{} bytes after the answer's end",
            at + piece.len() - expect.body.len()
        )));
    }
    if !matches(expect.body, at, piece, whole) {
        return Err(Fault::Wrong(format!(
            "the body is wrong in its bytes {at} to {}",
            at + piece.len()
        )));
    }
    Ok(at + piece.len())
}

/// The length of the head, if it is whole and right.
fn head_of(bytes: &[u8], expect: Expect) -> Result<Option<usize>, Fault> {
    let wrong = |what: &str| {
        let head = String::from_utf8_lossy(&bytes[..bytes.len().min(300)]).into_owned();
        Fault::Wrong(format!("{what}: {head:?}"))
    };
    let mut fields = [httparse::EMPTY_HEADER; FIELDS];
    let mut response = httparse::Response::new(&mut fields);
    let head = match response.parse(bytes) {
        Ok(httparse::Status::Complete(head)) => head,
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(e) => return Err(wrong(&format!("not HTTP ({e})"))),
    };
    if response.code != Some(200) {
        return Err(wrong("not a 200"));
    }
    let length = response
        .headers
        .iter()
        .find(|field| field.name.eq_ignore_ascii_case("content-length"))
        .and_then(|field| std::str::from_utf8(field.value).ok())
        .and_then(|value| value.parse::<usize>().ok());
    match length {
        Some(length) if length == expect.body.len() => Ok(Some(head)),
        Some(_) => Err(wrong("not the length that the origin sent")),
        None => Err(wrong("no Content-Length")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads() {
        let expect = Expect { body: b"hello" };
        let cases: [(&str, Result<Option<usize>, &str>); 6] = [
            (
                "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
                Ok(Some(38)),
            ),
            ("HTTP/1.1 200 OK\r\ncontent-le", Ok(None)),
            (
                "HTTP/1.1 502 Bad\r\nContent-Length: 5\r\n\r\n",
                Err("not a 200"),
            ),
            (
                "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n",
                Err("not the length"),
            ),
            (
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
                Err("no Content-Length"),
            ),
            ("SMTP ready\r\n\r\n", Err("not HTTP")),
        ];
        for (bytes, wanted) in cases {
            match (head_of(bytes.as_bytes(), expect), wanted) {
                (Ok(got), Ok(wanted)) => assert_eq!(got, wanted, "{bytes}"),
                (Err(fault), Err(part)) => assert!(fault.to_string().contains(part), "{fault}"),
                (got, wanted) => panic!("{bytes}: {got:?} instead of {wanted:?}"),
            }
        }
    }

    #[test]
    fn bodies() {
        let wanted: Vec<u8> = (0..=255).collect();
        assert!(matches(&wanted, 10, &wanted[10..200], false));
        assert!(!matches(&wanted, 11, &wanted[10..200], false), "shifted");
        assert!(!matches(&wanted, 200, &wanted[..100], false), "too long");
        let mut changed = wanted.clone();
        changed[128] ^= 1;
        assert!(matches(&wanted, 0, &changed, false), "ends are right");
        assert!(!matches(&wanted, 0, &changed, true));
        for edge in [0, 31, 224, 255] {
            let mut changed = wanted.clone();
            changed[edge] ^= 1;
            assert!(!matches(&wanted, 0, &changed, false), "byte {edge}");
        }
    }
}
