//! The format of the conformance tables: raw messages that a person can read and check against the RFC. Not TOML: the
//! messages hold bytes that TOML must not.
//!
//! ```text
//! === name of the row
//! rfc: 9112 6.3
//! expect: reject 400
//! ---
//! POST / HTTP/1.1
//! Host: a
//!
//! body\
//! ---
//! ```
//!
//! Between the two `---` each line stands for itself and CRLF; a `\` at its end takes the CRLF away. Escapes: `\r \n \t
//! \0 \\ \xHH`, `\|` (the next bytes are sent on their own), `\{text*N}` (N times; `%` in the text is the count from 1).

use crate::text::latin1;

/// One row of a table.
#[derive(Debug, Clone)]
pub struct Row {
    /// Unique in its table.
    pub name: String,
    /// Where it stands: file and line.
    pub at: String,
    keys: Vec<(String, String)>,
    /// The raw bytes, in the pieces in which they are to be sent.
    pub pieces: Vec<Vec<u8>>,
}

impl Row {
    /// The first value of a key.
    pub fn key(&self, name: &str) -> Option<&str> {
        self.keys
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }

    /// All values of a key.
    pub fn all(&self, name: &str) -> Vec<&str> {
        self.keys
            .iter()
            .filter(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
            .collect()
    }

    /// Keys that are not among these: a slip of the table's author.
    pub fn unknown_keys(&self, known: &[&str]) -> Vec<&str> {
        self.keys
            .iter()
            .map(|(key, _)| key.as_str())
            .filter(|key| !known.contains(key))
            .collect()
    }
}

/// The rows of some files.
#[derive(Debug, Default)]
pub struct Rows(pub Vec<Row>);

impl Rows {
    /// Read the files of one table, given as name and text. A slip in a table panics with its place.
    pub fn read(files: &[(&str, &str)]) -> Rows {
        let mut rows = Rows::default();
        for (file, text) in files {
            rows.read_file(file, text);
        }
        for (index, row) in rows.0.iter().enumerate() {
            let twin = rows.0[..index].iter().find(|other| other.name == row.name);
            assert!(
                twin.is_none(),
                "{}: the name `{}` is used twice",
                row.at,
                row.name
            );
        }
        rows
    }

    fn read_file(&mut self, file: &str, text: &str) {
        let mut lines = text.lines().enumerate();
        while let Some((number, line)) = lines.next() {
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let at = format!("{file}:{}", number + 1);
            let Some(name) = line.strip_prefix("=== ") else {
                panic!("{at}: expected `=== name`, found `{line}`")
            };
            let mut row = Row {
                name: name.to_owned(),
                at: at.clone(),
                keys: Vec::new(),
                pieces: vec![Vec::new()],
            };
            loop {
                let (_, line) = lines
                    .next()
                    .unwrap_or_else(|| panic!("{at}: the row has no `---`"));
                if line == "---" {
                    break;
                }
                let (key, value) = line
                    .split_once(':')
                    .unwrap_or_else(|| panic!("{at}: expected `key: value`, found `{line}`"));
                row.keys.push((key.to_owned(), value.trim().to_owned()));
            }
            loop {
                let (_, line) = lines
                    .next()
                    .unwrap_or_else(|| panic!("{at}: the message has no closing `---`"));
                if line == "---" {
                    break;
                }
                escaped(line, &mut row.pieces, &at);
            }
            row.pieces.retain(|piece| !piece.is_empty());
            self.0.push(row);
        }
    }
}

/// A value with the same escapes, for expectations.
fn unescaped(text: &str, at: &str) -> String {
    let mut pieces = vec![Vec::new()];
    escaped(&format!("{text}\\"), &mut pieces, at);
    latin1(&pieces.concat())
}

impl Row {
    /// The first value of a key, with the escapes of messages, as `latin1` text.
    pub fn bytes(&self, name: &str) -> Option<String> {
        self.key(name).map(|value| self.unescape(value))
    }

    /// Text of this row with the escapes of messages, as `latin1` text.
    pub fn unescape(&self, text: &str) -> String {
        unescaped(text, &self.at)
    }
}

fn escaped(line: &str, pieces: &mut Vec<Vec<u8>>, at: &str) {
    let (text, crlf) = match line.strip_suffix('\\') {
        Some(text) if !text.ends_with('\\') => (text, false),
        _ => (line, true),
    };
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        rest = &rest[c.len_utf8()..];
        if c != '\\' {
            push(pieces, c.to_string().as_bytes());
            continue;
        }
        let kind = rest
            .chars()
            .next()
            .unwrap_or_else(|| panic!("{at}: a `\\` with nothing behind it in `{line}`"));
        rest = &rest[kind.len_utf8()..];
        match kind {
            'r' => push(pieces, b"\r"),
            'n' => push(pieces, b"\n"),
            't' => push(pieces, b"\t"),
            '0' => push(pieces, b"\0"),
            '\\' => push(pieces, b"\\"),
            '|' => pieces.push(Vec::new()),
            'x' => {
                let byte = rest
                    .get(..2)
                    .and_then(|hex| u8::from_str_radix(hex, 16).ok());
                push(
                    pieces,
                    &[byte
                        .unwrap_or_else(|| panic!("{at}: `\\x` wants two hex digits in `{line}`"))],
                );
                rest = &rest[2..];
            }
            '{' => rest = repeated(rest, pieces, at),
            other => panic!("{at}: there is no escape `\\{other}` (in `{line}`)"),
        }
    }
    if crlf {
        push(pieces, b"\r\n");
    }
}

/// `text*N}` and what stands behind it.
fn repeated<'a>(rest: &'a str, pieces: &mut [Vec<u8>], at: &str) -> &'a str {
    let (inside, behind) = rest
        .split_once('}')
        .unwrap_or_else(|| panic!("{at}: `\\{{` without `}}`"));
    let (text, count) = inside
        .rsplit_once('*')
        .unwrap_or_else(|| panic!("{at}: `\\{{text*N}}` without `*N`"));
    let count: usize = count
        .parse()
        .unwrap_or_else(|_| panic!("{at}: `{count}` is no number"));
    for n in 1..=count {
        let mut once = vec![Vec::new()];
        escaped(
            &format!("{}\\", text.replace('%', &n.to_string())),
            &mut once,
            at,
        );
        push(pieces, &once.concat());
    }
    behind
}

fn push(pieces: &mut [Vec<u8>], bytes: &[u8]) {
    if let Some(last) = pieces.last_mut() {
        last.extend_from_slice(bytes);
    }
}
