//! One exchange as one line of JSON, appended to bytes that are already there. No allocation, no number formatting by the
//! standard library, and runs of ordinary text are copied at once.
//!
//! # Format
//!
//! One object, keys in a fixed order, ends with a line feed. Texts that are empty and times that are unknown are left out.
//! `time` is the start of the exchange in RFC 3339 UTC, `*_us` are microseconds.
//!
//! Texts are UTF-8 as it came. Quote, backslash, control characters (DEL and U+0080 to U+009F as well, since terminals obey
//! them) are escaped; a byte that is not part of valid UTF-8 is written as `\u00XX` with its value, so the line is always valid
//! JSON. A text longer than its limit ends with `…`.
//!
//! Not the buffers (`writer.rs`) and not the file (`sink.rs`).

use super::Record;
use crate::observe::civil::Stamp;
use crate::observe::request_id::hex;

/// Limit of the path in bytes of the line: the longest request target that is served at all, as long as it needs no escapes.
const PATH_MAX: usize = 16 * 1024;
/// Limit of every other text in bytes of the line; arbitrary, far above real ones.
const TEXT_MAX: usize = 1024;
/// A mark for a text that was cut.
const CUT: &str = "…";
/// How many texts other than the path a line has.
const TEXTS: usize = 13;
/// All keys, numbers and punctuation; the test of the longest line holds it.
const REST_MAX: usize = 1024;

/// No line is longer.
pub(super) const LINE_MAX: usize = PATH_MAX + TEXTS * TEXT_MAX + (TEXTS + 1) * CUT.len() + REST_MAX;

/// Append the line of `r`.
pub(super) fn append(out: &mut Vec<u8>, stamp: &mut Stamp, r: &Record<'_>) {
    put(out, "{\"time\":\"");
    out.extend_from_slice(stamp.at(r.time_unix_us));
    put(out, "\",\"duration_us\":");
    number(out, r.duration_us);
    optional(out, ",\"upstream_us\":", r.upstream_us);
    optional(out, ",\"connect_us\":", r.connect_us);
    text(out, ",\"client\":\"", r.client.as_bytes());
    text(out, ",\"peer\":\"", r.peer.as_bytes());
    text(out, ",\"identity\":\"", r.identity.as_bytes());
    text(out, ",\"tls\":\"", r.tls.as_bytes());
    text(out, ",\"listener\":\"", r.listener.as_bytes());
    text(out, ",\"method\":\"", r.method);
    text(out, ",\"authority\":\"", r.authority);
    limited(out, ",\"path\":\"", r.path, PATH_MAX);
    text(out, ",\"protocol\":\"", r.protocol.as_bytes());
    put(out, ",\"status\":");
    number(out, u64::from(r.status));
    text(out, ",\"grpc_status\":\"", r.grpc_status.as_bytes());
    put(out, ",\"flag\":\"");
    put(out, r.flag.letters());
    put(out, "\"");
    text(out, ",\"reason\":\"", r.reason.as_bytes());
    text(out, ",\"route\":\"", r.route.as_bytes());
    text(out, ",\"cluster\":\"", r.cluster.as_bytes());
    text(out, ",\"destination\":\"", r.destination.as_bytes());
    text(out, ",\"endpoint\":\"", r.endpoint.as_bytes());
    put(out, ",\"attempts\":");
    number(out, u64::from(r.attempts));
    put(
        out,
        if r.reused {
            ",\"reused\":true,\"bytes_in\":"
        } else {
            ",\"reused\":false,\"bytes_in\":"
        },
    );
    number(out, r.bytes_in);
    put(out, ",\"bytes_out\":");
    number(out, r.bytes_out);
    if let Some((from_client, to_client)) = r.datagrams {
        put(out, ",\"datagrams_in\":");
        number(out, from_client);
        put(out, ",\"datagrams_out\":");
        number(out, to_client);
    }
    text(out, ",\"request_id\":\"", r.request_id);
    text(out, ",\"user_agent\":\"", r.user_agent);
    put(out, ",\"worker\":");
    number(out, r.worker as u64);
    put(out, "}\n");
}

fn put(out: &mut Vec<u8>, s: &str) {
    out.extend_from_slice(s.as_bytes());
}

/// `,"key":"` and the value, or nothing.
fn text(out: &mut Vec<u8>, key: &str, value: &[u8]) {
    limited(out, key, value, TEXT_MAX);
}

fn limited(out: &mut Vec<u8>, key: &str, value: &[u8], limit: usize) {
    if !value.is_empty() {
        put(out, key);
        escape(out, value, limit);
        out.push(b'"');
    }
}

fn optional(out: &mut Vec<u8>, key: &str, value: Option<u64>) {
    if let Some(n) = value {
        put(out, key);
        number(out, n);
    }
}

/// Append `n` in decimal.
fn number(out: &mut Vec<u8>, mut n: u64) {
    let mut digits = [0_u8; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (n % 10) as u8;
        n /= 10;
        if n == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}

/// Append `bytes` as the inside of a JSON string, at most `limit` bytes of it, plus the mark if it was cut.
fn escape(out: &mut Vec<u8>, bytes: &[u8], limit: usize) {
    let end = out.len() + limit;
    let mut rest = bytes;
    loop {
        let run = plain_run(rest);
        let room = end - out.len();
        if run > room {
            out.extend_from_slice(&rest[..room]);
            return put(out, CUT);
        }
        out.extend_from_slice(&rest[..run]);
        rest = &rest[run..];
        let Some(&byte) = rest.first() else { return };
        if out.len() + 6 > end {
            return put(out, CUT);
        }
        let taken = if byte < 0x80 {
            escape_ascii(out, byte)
        } else {
            escape_high(out, rest)
        };
        rest = &rest[taken..];
    }
}

/// An ASCII byte that may not stand in a string as it is.
fn escape_ascii(out: &mut Vec<u8>, byte: u8) -> usize {
    match byte {
        b'"' => put(out, "\\\""),
        b'\\' => put(out, "\\\\"),
        b'\n' => put(out, "\\n"),
        b'\r' => put(out, "\\r"),
        b'\t' => put(out, "\\t"),
        _ => escape_number(out, byte),
    }
    1
}

/// A character that is not ASCII, at the start of `rest`; gives how many bytes it took.
fn escape_high(out: &mut Vec<u8>, rest: &[u8]) -> usize {
    let window = &rest[..rest.len().min(4)];
    let valid = window
        .utf8_chunks()
        .next()
        .map_or("", |chunk| chunk.valid());
    match valid.chars().next() {
        Some('\u{80}'..='\u{9f}') => {
            escape_number(out, window[1]);
            2
        }
        Some(c) => {
            out.extend_from_slice(&window[..c.len_utf8()]);
            c.len_utf8()
        }
        None => {
            escape_number(out, window[0]);
            1
        }
    }
}

fn escape_number(out: &mut Vec<u8>, byte: u8) {
    out.extend_from_slice(&[b'\\', b'u', b'0', b'0', hex(byte >> 4), hex(byte & 15)]);
}

/// How many leading bytes are printable ASCII without quote and backslash. Eight at a time: a word with any other byte in it
/// stops the fast walk.
fn plain_run(bytes: &[u8]) -> usize {
    let (words, _) = bytes.as_chunks::<8>();
    let fast = words
        .iter()
        .take_while(|w| all_plain(u64::from_ne_bytes(**w)))
        .count()
        * 8;
    let slow = bytes[fast..].iter().take_while(|b| is_plain(**b)).count();
    fast + slow
}

fn is_plain(byte: u8) -> bool {
    matches!(byte, 0x20..=0x7e) && byte != b'"' && byte != b'\\'
}

/// Whether all eight bytes are plain. Exact: borrows between bytes can only come from a byte that is not plain itself.
fn all_plain(word: u64) -> bool {
    const LOW: u64 = u64::from_ne_bytes([0x01; 8]);
    const HIGH: u64 = u64::from_ne_bytes([0x80; 8]);
    let zero = |w: u64| w.wrapping_sub(LOW) & !w;
    let control = word.wrapping_sub(LOW * 0x20) & !word;
    let quote = zero(word ^ (LOW * u64::from(b'"')));
    let backslash = zero(word ^ (LOW * u64::from(b'\\')));
    let delete = zero(word ^ (LOW * 0x7f));
    (word | control | quote | backslash | delete) & HIGH == 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observe::access_log::tests::record;
    use crate::outcome::Flag;
    use serde_json::Value;

    fn line(r: &Record<'_>) -> String {
        let mut out = b"before".to_vec();
        append(&mut out, &mut Stamp::default(), r);
        let text = String::from_utf8(out).unwrap();
        let line = text
            .strip_prefix("before")
            .unwrap()
            .strip_suffix('\n')
            .unwrap();
        assert!(!line.contains(char::is_control), "{line:?}");
        line.to_owned()
    }

    fn escaped(bytes: &[u8], limit: usize) -> String {
        let mut out = Vec::new();
        escape(&mut out, bytes, limit);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_whole_line() {
        let expected = concat!(
            r#"{"time":"2009-02-13T23:31:30.123456Z","duration_us":1234,"upstream_us":900,"connect_us":80,"client":"198.51.100.7","#,
            r#""peer":"10.0.0.9:50000","identity":"spiffe://mycorp.com/edge","tls":"TLSv1.3","listener":"web","method":"GET","authority":"shop.mycorp.com","path":"/products/7?x=1","#,
            r#""protocol":"HTTP/1.1","status":200,"grpc_status":"OK","flag":"-","reason":"via upstream","route":"products","cluster":"products-v1","#,
            r#""destination":"10.0.1.9:80","endpoint":"10.0.1.1:8080","attempts":1,"reused":true,"bytes_in":120,"bytes_out":4096,"datagrams_in":7,"datagrams_out":8,"#,
            r#""request_id":"017f22e2-79b0-7cc3-98c4-dc0c0c07398f","user_agent":"curl/8.5.0","worker":3}"#,
        );
        assert_eq!(line(&record()), expected);
    }

    #[test]
    fn what_is_not_known_is_left_out() {
        let r = Record {
            upstream_us: None,
            connect_us: None,
            route: "",
            cluster: "",
            destination: "",
            endpoint: "",
            user_agent: b"",
            datagrams: None,
            status: 0,
            grpc_status: "",
            flag: Flag::ClientGone,
            ..record()
        };
        let value: Value = serde_json::from_str(&line(&r)).unwrap();
        for key in [
            "upstream_us",
            "connect_us",
            "route",
            "cluster",
            "destination",
            "endpoint",
            "user_agent",
            "grpc_status",
            "datagrams_in",
        ] {
            assert_eq!(value.get(key), None, "{key}");
        }
        assert_eq!(
            (&value["status"], &value["flag"]),
            (&Value::from(0), &Value::from("DC"))
        );
    }

    #[test]
    fn hostile_bytes() {
        let table: [(&[u8], &str); 16] = [
            (b"plain ~ text !#[]^", "plain ~ text !#[]^"),
            (b"\"", "\\\""),
            (b"a\\b", "a\\\\b"),
            (
                b"\",\"status\":200,\"x\":\"",
                "\\\",\\\"status\\\":200,\\\"x\\\":\\\"",
            ),
            (b"\r\n\t", "\\r\\n\\t"),
            (b"\x00\x1f\x1b[31m", "\\u0000\\u001f\\u001b[31m"),
            (b"\x7f", "\\u007f"),
            ("größe 日本 🦀".as_bytes(), "größe 日本 🦀"),
            (b"\xff", "\\u00ff"),
            (b"caf\xe9 x", "caf\\u00e9 x"),
            (b"\xc3", "\\u00c3"),
            (b"\xe2\x82", "\\u00e2\\u0082"),
            (b"\xed\xa0\x80", "\\u00ed\\u00a0\\u0080"),
            (b"\xc0\xaf", "\\u00c0\\u00af"),
            (b"\xf4\x90\x80\x80", "\\u00f4\\u0090\\u0080\\u0080"),
            ("a\u{9b}b".as_bytes(), "a\\u009bb"),
        ];
        for (bytes, expected) in table {
            assert_eq!(escaped(bytes, 100), expected, "{bytes:?}");
        }
    }

    #[test]
    fn any_bytes_give_valid_json_that_says_them() {
        let mut dice = crate::observe::Dice::new(1);
        for round in 0..3_000 {
            let mut bytes: Vec<u8> = (0..dice.next() % 60).map(|_| dice.next() as u8).collect();
            if round % 3 == 0 {
                bytes.iter_mut().for_each(|b| *b &= 0x7f);
            }
            let r = Record {
                path: &bytes,
                user_agent: &bytes,
                method: &bytes,
                ..record()
            };
            let value: Value = serde_json::from_str(&line(&r)).unwrap();
            let mut expected = String::new();
            for chunk in bytes.utf8_chunks() {
                expected.push_str(chunk.valid());
                expected.extend(chunk.invalid().iter().map(|b| char::from(*b)));
            }
            if !bytes.is_empty() {
                assert_eq!(value["path"], *expected, "{bytes:?}");
                assert_eq!(value["user_agent"], *expected, "{bytes:?}");
            }
            assert_eq!(value["worker"], 3);
        }
    }

    #[test]
    fn fast_and_slow_walks_agree() {
        for byte in 0..=u8::MAX {
            for place in 0..8 {
                let mut word = *b"plaintxt";
                word[place] = byte;
                assert_eq!(
                    all_plain(u64::from_ne_bytes(word)),
                    is_plain(byte),
                    "{byte} at {place}"
                );
                let mut bytes = b"0123456789abcdefgh".to_vec();
                bytes[place + 5] = byte;
                let expected = if is_plain(byte) {
                    bytes.len()
                } else {
                    place + 5
                };
                assert_eq!(plain_run(&bytes), expected, "{byte} at {place}");
            }
        }
    }

    #[test]
    fn long_texts_are_cut_between_characters() {
        let table: [(&str, &str); 6] = [
            ("0123456789", "0123456789"),
            ("0123456789a", "0123456789…"),
            ("\"\"\"\"\"", "\\\"\\\"\\\"…"),
            ("0123\n", "0123\\n"),
            ("01234\n", "01234…"),
            ("öööö", "ööö…"),
        ];
        for (from, expected) in table {
            assert_eq!(escaped(from.as_bytes(), 10), expected, "{from:?}");
        }
    }

    #[test]
    fn the_longest_line_fits() {
        let long = "a".repeat(70_000);
        for filler in [long.as_str(), &"\u{1}".repeat(70_000), &"ö".repeat(35_000)] {
            let bytes = filler.as_bytes();
            let r = Record {
                time_unix_us: u64::MAX,
                duration_us: u64::MAX,
                upstream_us: Some(u64::MAX),
                connect_us: Some(u64::MAX),
                client: filler,
                peer: filler,
                identity: filler,
                tls: "TLSv1.3",
                listener: filler,
                method: bytes,
                authority: bytes,
                path: bytes,
                protocol: "HTTP/1.1",
                status: u16::MAX,
                grpc_status: "FAILED_PRECONDITION",
                flag: Flag::TotalTimeout,
                reason: filler,
                route: filler,
                cluster: filler,
                destination: filler,
                endpoint: filler,
                attempts: u8::MAX,
                reused: false,
                bytes_in: u64::MAX,
                bytes_out: u64::MAX,
                datagrams: Some((u64::MAX, u64::MAX)),
                request_id: bytes,
                user_agent: bytes,
                worker: usize::MAX,
            };
            let line = line(&r);
            assert!(line.len() < LINE_MAX, "{}", line.len());
            let value: Value = serde_json::from_str(&line).unwrap();
            assert!(value["path"].as_str().unwrap().ends_with('…'));
        }
    }

    #[test]
    fn numbers() {
        for n in [0, 9, 10, 12_345, u64::MAX] {
            let mut out = Vec::new();
            number(&mut out, n);
            assert_eq!(out, n.to_string().as_bytes());
        }
    }
}
