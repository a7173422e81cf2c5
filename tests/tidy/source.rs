//! A Rust file with its comments and strings blanked, so that a rule sees only code. Not a parser: it knows tokens, and
//! braces enough to find where a test module ends.

use crate::tree::text;

/// One file, seen by a rule.
pub(crate) struct Source {
    /// Relative to the repository.
    pub(crate) path: String,
    /// As it is.
    raw: String,
    /// The same lines with comments, strings and test modules blanked.
    pub(crate) code: String,
}

impl Source {
    pub(crate) fn read(path: &str) -> Source {
        Source::new(path, &text(path))
    }

    pub(crate) fn new(path: &str, raw: &str) -> Source {
        let mut source = Source {
            path: path.to_owned(),
            raw: raw.to_owned(),
            code: blanked(raw),
        };
        if !source.path.starts_with("tests/") {
            source.code = without_test_items(&source.code);
        }
        source
    }

    /// A file that holds nothing but tests, by where it is or what it is called.
    pub(crate) fn is_test(&self) -> bool {
        let folder = self
            .path
            .split('/')
            .any(|part| matches!(part, "tests" | "benches" | "examples" | "fuzz"));
        folder || self.path.ends_with("tests.rs") || self.path.ends_with("_test.rs")
    }

    /// Files of modules that are declared under `#[cfg(test)]`.
    pub(crate) fn test_modules(&self) -> Vec<String> {
        let code = blanked(&self.raw);
        let (folder, file) = self.path.rsplit_once('/').unwrap_or(("", &self.path));
        let own = file.trim_end_matches(".rs");
        let mut found = Vec::new();
        for behind in code.split("#[cfg(test)]").skip(1) {
            let declared: String = behind
                .chars()
                .take_while(|c| !matches!(c, '{' | ';'))
                .collect();
            if !behind[declared.len()..].starts_with(';') {
                continue;
            }
            let mut names = words(&declared).skip_while(|word| *word != "mod").skip(1);
            if let Some(name) = names.next() {
                for base in [folder.to_owned(), format!("{folder}/{own}")] {
                    found.push(format!("{base}/{name}.rs"));
                    found.push(format!("{base}/{name}/mod.rs"));
                }
            }
        }
        found
    }

    /// Places of `unsafe {` and `unsafe impl` without a `SAFETY:` in the comment above.
    pub(crate) fn unsafe_without_reason(&self) -> Vec<String> {
        let raw: Vec<&str> = self.raw.lines().collect();
        let code = blanked(&self.raw);
        let code: Vec<&str> = code.lines().collect();
        let mut found = Vec::new();
        for (number, line) in code.iter().enumerate() {
            let mut rest = *line;
            while let Some(at) = rest.find("unsafe") {
                rest = &rest[at + 6..];
                let next = rest.trim_start();
                let opens = next.starts_with('{')
                    || next.starts_with("impl")
                    || (next.is_empty()
                        && code
                            .get(number + 1)
                            .is_some_and(|l| l.trim().starts_with('{')));
                if opens && !reason_above(&raw, &code, number) {
                    found.push(format!(
                        "{}:{}: {}",
                        self.path,
                        number + 1,
                        raw[number].trim()
                    ));
                }
            }
        }
        found
    }
}

/// Upwards over comments, attributes and the beginning of the same statement.
fn reason_above(raw: &[&str], code: &[&str], number: usize) -> bool {
    if raw[number].contains("SAFETY:") {
        return true;
    }
    for above in (0..number).rev() {
        if raw[above].contains("SAFETY:") {
            return true;
        }
        let ends = code[above].trim_end();
        if raw[above].trim().is_empty() || ends.ends_with([';', '{', '}']) {
            return false;
        }
    }
    false
}

/// Identifiers and keywords of a line.
pub(crate) fn words(line: &str) -> impl Iterator<Item = &str> {
    line.split(|c: char| !c.is_alphanumeric() && c != '_')
        .filter(|word| !word.is_empty())
}

/// The parts of `snake_case`, `CamelCase` and `LOUD_CASE`, in lower case.
pub(crate) fn parts(word: &str) -> Vec<String> {
    let mut parts = Vec::new();
    for piece in word.split('_') {
        let mut part = String::new();
        let mut small_before = false;
        for c in piece.chars() {
            if c.is_uppercase() && small_before {
                parts.push(std::mem::take(&mut part));
            }
            small_before = c.is_lowercase();
            part.extend(c.to_lowercase());
        }
        parts.push(part);
    }
    parts
}

/// Comments and the insides of strings become spaces; lines stay lines.
fn blanked(raw: &str) -> String {
    let bytes: Vec<char> = raw.chars().collect();
    let (mut out, mut at) = (String::with_capacity(raw.len()), 0);
    while at < bytes.len() {
        let end = match token(&bytes, at) {
            Some(end) => end.min(bytes.len()),
            None => {
                out.push(bytes[at]);
                at += 1;
                continue;
            }
        };
        out.extend(
            bytes[at..end]
                .iter()
                .map(|c| if *c == '\n' { '\n' } else { ' ' }),
        );
        at = end;
    }
    out
}

/// Where a comment, a string or a character that begins here ends.
fn token(text: &[char], at: usize) -> Option<usize> {
    let starts = |what: &str| text[at..].iter().take(what.len()).copied().eq(what.chars());
    let in_word = at > 0 && (text[at - 1].is_alphanumeric() || text[at - 1] == '_');
    if starts("//") {
        return Some(
            text[at..]
                .iter()
                .position(|c| *c == '\n')
                .map_or(text.len(), |n| at + n),
        );
    }
    if starts("/*") {
        return Some(block_comment(text, at));
    }
    if !in_word && matches!(text[at], 'r' | 'b' | 'c') {
        let prefix = text[at..]
            .iter()
            .take_while(|c| matches!(c, 'r' | 'b' | 'c'))
            .count();
        let hashes = text[at + prefix..]
            .iter()
            .take_while(|c| **c == '#')
            .count();
        let raw = text[at..at + prefix].contains(&'r');
        if prefix <= 2 && text.get(at + prefix + hashes) == Some(&'"') {
            return match (raw, hashes) {
                (true, _) => Some(raw_string(text, at + prefix + hashes + 1, hashes)),
                (false, 0) => Some(string(text, at + prefix + 1, '"')),
                _ => None,
            };
        }
        if text[at] == 'b' && text.get(at + 1) == Some(&'\'') {
            return Some(string(text, at + 2, '\''));
        }
        return None;
    }
    match text[at] {
        '"' => Some(string(text, at + 1, '"')),
        // A character, not a lifetime: it is escaped, or ends right behind one character.
        '\'' if text.get(at + 1) == Some(&'\\') || text.get(at + 2) == Some(&'\'') => {
            Some(string(text, at + 1, '\''))
        }
        _ => None,
    }
}

fn string(text: &[char], mut at: usize, end: char) -> usize {
    while at < text.len() {
        match text[at] {
            '\\' => at += 2,
            c if c == end => return at + 1,
            _ => at += 1,
        }
    }
    at
}

fn raw_string(text: &[char], mut at: usize, hashes: usize) -> usize {
    while at < text.len() {
        if text[at] == '"'
            && text[at + 1..]
                .iter()
                .take(hashes)
                .filter(|c| **c == '#')
                .count()
                == hashes
        {
            return at + 1 + hashes;
        }
        at += 1;
    }
    at
}

fn block_comment(text: &[char], mut at: usize) -> usize {
    let mut depth = 0;
    while at + 1 < text.len() {
        match (text[at], text[at + 1]) {
            ('/', '*') => (depth, at) = (depth + 1, at + 2),
            ('*', '/') => {
                (depth, at) = (depth - 1, at + 2);
                if depth == 0 {
                    return at;
                }
            }
            _ => at += 1,
        }
    }
    text.len()
}

/// Blank each item behind `#[cfg(test)]` up to its closing brace.
fn without_test_items(code: &str) -> String {
    let mut out = String::with_capacity(code.len());
    let mut rest = code;
    while let Some(at) = rest.find("#[cfg(test)]") {
        out.push_str(&rest[..at]);
        let (mut depth, mut end) = (0, rest.len());
        for (offset, c) in rest[at..].char_indices() {
            match c {
                '{' => depth += 1,
                '}' => depth -= 1,
                _ => {}
            }
            if (c == '}' || c == ';') && depth == 0 {
                end = at + offset + 1;
                break;
            }
        }
        out.extend(
            rest[at..end]
                .chars()
                .map(|c| if c == '\n' { '\n' } else { ' ' }),
        );
        rest = &rest[end..];
    }
    out.push_str(rest);
    out
}

#[test]
fn comments_and_strings_are_no_code() {
    let raw = "let a = \"unsafe \\\" {\"; // unsafe {\nlet b = r#\"unsafe \" {\"#; /* unsafe /* { */ */ let c = '\"'; let d: &'a str = b\"unsafe\"; keep";
    let code = blanked(raw);
    assert!(!code.contains("unsafe"), "{code}");
    assert!(
        code.contains("keep") && code.contains("&'a str") && code.lines().count() == 2,
        "{code}"
    );
}

#[test]
fn test_items_are_no_code() {
    let source = Source::new(
        "core/src/x.rs",
        "fn a() {}\n#[cfg(test)]\nmod tests {\n fn b() { x.unwrap() }\n}\nfn c() { y.unwrap() }\n#[cfg(test)]\nmod more;\n",
    );
    assert_eq!(source.code.matches(".unwrap()").count(), 1);
    assert!(
        source
            .test_modules()
            .contains(&"core/src/x/more.rs".to_owned())
    );
}

#[test]
fn a_reason_belongs_to_its_block() {
    let bad = Source::new(
        "core/io/src/x.rs",
        "// SAFETY: of another\nunsafe { a() };\nlet b = 1;\nlet c = unsafe { d() };\nunsafe impl Send for X {}\n",
    );
    assert_eq!(bad.unsafe_without_reason().len(), 2);
    let good = Source::new(
        "core/io/src/x.rs",
        "// SAFETY: ours\n#[inline]\nunsafe impl Send for X {}\n// SAFETY: two\n// lines\nlet c =\n    unsafe { d() };\nunsafe fn e() {}\n",
    );
    assert_eq!(good.unsafe_without_reason(), Vec::<String>::new());
}

#[test]
fn words_have_parts() {
    assert_eq!(parts("ConnectionManager"), ["connection", "manager"]);
    assert_eq!(parts("EVENT_HANDLER"), ["event", "handler"]);
    assert_eq!(parts("commonly"), ["commonly"]);
}
