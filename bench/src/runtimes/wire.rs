//! The little that every forwarder knows of HTTP/1.1: where a head ends, and how long its body is by Content-Length.
//! Not a parser, and not safe in front of anything: it is the same few lines for every runtime, so that they cancel out.

use std::io;

use memchr::memmem;

/// The size of every receive buffer, whatever the runtime.
pub(crate) const READ: usize = 16 * 1024;

/// How many bytes of the message at the start of `bytes` are still to come. `None`: its head is not complete.
///
/// # Errors
/// The head does not fit [`READ`], or more than one message is here (nobody pipelines).
pub(crate) fn missing(bytes: &[u8]) -> io::Result<Option<u64>> {
    let Some(end) = memmem::find(bytes, b"\r\n\r\n") else {
        return if bytes.len() < READ {
            Ok(None)
        } else {
            Err(io::Error::other("the head is too large"))
        };
    };
    let whole = end as u64 + 4 + content_length(&bytes[..end]);
    whole
        .checked_sub(bytes.len() as u64)
        .map(Some)
        .ok_or_else(|| io::Error::other("bytes behind the end of a message"))
}

fn content_length(head: &[u8]) -> u64 {
    head.split(|b| *b == b'\n')
        .filter_map(|line| {
            let (name, value) = line.split_at_checked(15)?;
            if !name.eq_ignore_ascii_case(b"content-length:") {
                return None;
            }
            str::from_utf8(value).ok()?.trim().parse().ok()
        })
        .next()
        .unwrap_or(0)
}

/// The peer ended its stream in the middle of a message.
pub(crate) fn cut() -> io::Error {
    io::ErrorKind::UnexpectedEof.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_ends_where_its_length_says() {
        let cases: &[(&[u8], Option<u64>)] = &[
            (b"GET / HTTP/1.1\r\nhost: a\r\n", None),
            (b"GET / HTTP/1.1\r\nhost: a\r\n\r\n", Some(0)),
            (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab", Some(3)),
            (b"HTTP/1.1 200 OK\r\ncontent-LENGTH:2\r\n\r\nab", Some(0)),
        ];
        for (bytes, expected) in cases {
            let found = missing(bytes).expect("every case is within the limits");
            assert_eq!(found, *expected, "{}", bytes.escape_ascii());
        }
        assert!(missing(b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\nab").is_err());
        assert!(missing(&[b'a'; READ]).is_err());
    }
}
