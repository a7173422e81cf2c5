//! The configuration's files on disk: the main file, what its `include` patterns match, and the files that hold secrets.
//! Reading, hashing, and the places where a change of them can be seen.
//!
//! Not here: what the text means (`ringway-config`), when to read again (`watch`), what to do with it (`reload`).

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Component, Path, PathBuf};

use ringway_config::{Checked, Config, Secret, Source};

use super::named;

/// Largest file that is read. Far above any written configuration (10,000 routes are about 2 MiB); it keeps a path to a device
/// or a disk image from filling memory.
const FILE_BYTES: u64 = 32 << 20;
/// Most files of one configuration. One per service of a large control plane; beyond it somebody included the wrong folder.
const FILES: usize = 4096;
/// Symlinks followed in one path, as many as Linux itself follows.
const LINKS: usize = 40;
/// Largest secret. Tokens and passwords; not certificates.
const SECRET_BYTES: u64 = 64 << 10;

/// A main file, and what was last loaded from it.
#[derive(Debug)]
pub struct ConfigFiles {
    main: PathBuf,
    last: Option<Read>,
    token: Option<String>,
}

/// One reading of all files.
#[derive(Debug, Clone)]
pub struct Read {
    /// The main file first, then the included ones in the order of the patterns and their sorted names.
    pub sources: Vec<Source>,
    /// Of every text and every secret file. Shown to people, stable over versions and machines, not for security.
    pub hash: u64,
    /// Where a change can be seen: a directory, and the names in it.
    pub places: Vec<Place>,
}

/// A directory to watch, and what in it matters.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The directory, without symlinks as far as it exists.
    pub directory: PathBuf,
    /// What in it matters.
    pub names: Names,
}

/// Which names of a directory matter.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Names {
    /// This file, symlink or directory.
    One(OsString),
    /// All that a pattern's last part matches.
    Matching(String),
    /// Any: a directory of an include pattern that has wildcards in its directories.
    All,
}

/// What `load` found.
#[derive(Debug)]
pub struct Loaded {
    /// As read.
    pub sources: Vec<Source>,
    /// What checking said about them.
    pub checked: Checked,
    /// See [`Read::hash`].
    pub hash: u64,
    /// The admin token, resolved.
    pub token: Option<String>,
    /// Secrets that could not be read, a line each. Any of them refuses the configuration.
    pub unresolved: Vec<String>,
}

impl Loaded {
    /// How many errors forbid it.
    pub fn errors(&self) -> usize {
        self.checked.errors() + self.unresolved.len()
    }

    /// The configuration and the diagnostics that came with it (warnings), or every reason why there is none.
    ///
    /// # Errors
    /// A line each, for people: the rendered diagnostics, then the unresolved secrets.
    pub fn accept(self) -> Result<(Config, Vec<String>), Rejected> {
        let lines: Vec<String> = if self.checked.diagnostics.is_empty() {
            Vec::new()
        } else {
            let text = ringway_config::render(&self.checked.diagnostics);
            text.lines().map(str::to_owned).collect()
        };
        let errors = self.errors();
        match self.checked.config {
            Some(config) if errors == 0 => Ok((config, lines)),
            _ => Err(Rejected {
                errors: errors.max(1),
                lines: [lines, self.unresolved].concat(),
            }),
        }
    }
}

/// Why a configuration was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejected {
    /// How many errors.
    pub errors: usize,
    /// For people, a line each.
    pub lines: Vec<String>,
}

impl Rejected {
    /// A refusal with one line per error.
    pub fn lines(lines: Vec<String>) -> Rejected {
        Rejected {
            errors: lines.len().max(1),
            lines,
        }
    }
}

impl ConfigFiles {
    /// The configuration that begins with this file. Nothing is read yet.
    pub fn new(main: impl Into<PathBuf>) -> ConfigFiles {
        ConfigFiles {
            main: main.into(),
            last: None,
            token: None,
        }
    }

    /// The main file, as given.
    pub fn main(&self) -> &Path {
        &self.main
    }

    /// What `load` read last, if it could.
    pub fn last(&self) -> Option<&Read> {
        self.last.as_ref()
    }

    /// The admin token that `load` resolved last.
    pub fn token(&self) -> Option<&str> {
        self.token.as_deref()
    }

    /// Read all files, check them, resolve secrets.
    ///
    /// # Errors
    /// One line for people, when the files cannot be read at all; then there is nothing to check.
    pub fn load(&mut self) -> Result<Loaded, String> {
        let mut read = read(&self.main)?;
        let mut checked = ringway_config::check(&read.sources);
        if let Some(config) = &mut checked.config {
            named::resolve(config, &self.main, &mut read);
        }
        let mut unresolved = Vec::new();
        let mut token = None;
        if let Some(secret) = checked.config.as_ref().and_then(|c| c.admin.token.as_ref()) {
            match resolve(secret, &self.main) {
                Ok(text) => token = Some(text),
                Err(why) => unresolved.push(format!("admin.token: {why}")),
            }
            if let Secret::File(path) = secret {
                watch_secret(&mut read, &beside(&self.main, path));
            }
        }
        let loaded = Loaded {
            sources: read.sources.clone(),
            checked,
            hash: read.hash,
            token: token.clone(),
            unresolved,
        };
        self.last = Some(read);
        self.token = token;
        Ok(loaded)
    }
}

/// The main file and what it includes.
///
/// # Errors
/// One line for people.
pub fn read(main: &Path) -> Result<Read, String> {
    let first = Source {
        path: main.display().to_string(),
        text: read_text(main)?,
    };
    let mut places = BTreeSet::new();
    add_places(main, &mut places);
    let mut sources = Vec::new();
    let mut seen = BTreeSet::from([identity(main)]);
    for pattern in ringway_config::includes(&first) {
        for path in expand(main, &pattern, &mut places)? {
            if !seen.insert(identity(&path)) {
                continue;
            }
            if seen.len() > FILES {
                return Err(format!(
                    "{}: include matches more than {FILES} files",
                    main.display()
                ));
            }
            add_places(&path, &mut places);
            sources.push(Source {
                path: path.display().to_string(),
                text: read_text(&path)?,
            });
        }
    }
    sources.insert(0, first);
    let mut hash = Fnv::default();
    for source in &sources {
        hash.part(source.text.as_bytes());
    }
    Ok(Read {
        sources,
        hash: hash.0,
        places: places.into_iter().collect(),
    })
}

/// The same file by any name, as far as it can be told.
fn identity(path: &Path) -> PathBuf {
    fs::canonicalize(path).unwrap_or_else(|_| path.to_owned())
}

/// Files that a pattern matches, sorted. Directories are left out, and so are names that begin with a dot unless the pattern
/// says so: editors keep their swap and lock files there.
fn expand(
    main: &Path,
    pattern: &str,
    places: &mut BTreeSet<Place>,
) -> Result<Vec<PathBuf>, String> {
    let fault = |why: String| format!("{}: include = \"{pattern}\": {why}", main.display());
    let base = directory_of(main);
    let full = if Path::new(pattern).is_absolute() {
        pattern.to_owned()
    } else {
        // The base is a path, not a pattern: brackets in a folder's name are meant as such.
        format!(
            "{}/{pattern}",
            glob::Pattern::escape(&base.to_string_lossy())
        )
    };
    add_pattern_place(&full, places);
    let options = glob::MatchOptions {
        case_sensitive: true,
        require_literal_separator: true,
        require_literal_leading_dot: true,
    };
    let mut found = Vec::new();
    for path in glob::glob_with(&full, options).map_err(|e| fault(e.to_string()))? {
        let path = path.map_err(|e| fault(e.to_string()))?;
        if !path.is_dir() {
            found.push(path.strip_prefix("./").unwrap_or(&path).to_owned());
        }
    }
    if found.is_empty() && !pattern.contains(['*', '?', '[']) {
        return Err(fault("no such file".to_owned()));
    }
    found.sort();
    Ok(found)
}

/// The directory that a pattern's matches appear in: its parts up to the first wildcard.
fn add_pattern_place(full: &str, places: &mut BTreeSet<Place>) {
    let mut directory = PathBuf::new();
    let mut parts = Path::new(full).components().peekable();
    while let Some(part) = parts.next() {
        let text = part.as_os_str().to_string_lossy();
        let last = parts.peek().is_none();
        let plain = unescape(&text);
        if last || plain.contains(['*', '?', '[']) && plain == text {
            let names = if last {
                Names::Matching(text.into_owned())
            } else {
                Names::All
            };
            let directory = if directory.as_os_str().is_empty() {
                Path::new(".")
            } else {
                &directory
            };
            // The folder itself may be a symlink, or may not be there yet.
            add_places(directory, places);
            places.insert(Place {
                directory: identity(directory),
                names,
            });
            return;
        }
        directory.push(plain);
    }
}

/// Undo `glob::Pattern::escape`: `[[]` is `[`.
fn unescape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let bytes = rest.as_bytes();
        if bytes.len() >= 3 && bytes[0] == b'[' && bytes[2] == b']' && b"?*[]".contains(&bytes[1]) {
            out.push(char::from(bytes[1]));
            rest = &rest[3..];
        } else {
            out.push(c);
            rest = &rest[c.len_utf8()..];
        }
    }
    out
}

/// Every directory entry whose change can change what `path` leads to: each symlink on the way and the file itself. For a
/// Kubernetes ConfigMap these are `ringway.toml`, `..data` (which is swapped) and the real file.
fn add_places(path: &Path, places: &mut BTreeSet<Place>) {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let mut todo: Vec<OsString> = parts_backwards(&absolute);
    let mut at = PathBuf::from("/");
    let mut links = 0;
    while let Some(part) = todo.pop() {
        if part == ".." {
            at.pop();
            continue;
        }
        let next = at.join(&part);
        let target = fs::read_link(&next).ok().filter(|_| links < LINKS);
        if target.is_some() || todo.is_empty() {
            places.insert(Place {
                directory: at.clone(),
                names: Names::One(part),
            });
        }
        match target {
            Some(target) => {
                links += 1;
                if target.is_absolute() {
                    at = PathBuf::from("/");
                }
                todo.extend(parts_backwards(&target));
            }
            None => at = next,
        }
    }
}

fn parts_backwards(path: &Path) -> Vec<OsString> {
    path.components()
        .rev()
        .filter_map(|part| match part {
            Component::Normal(name) => Some(name.to_owned()),
            Component::ParentDir => Some("..".into()),
            _ => None,
        })
        .collect()
}

fn directory_of(file: &Path) -> &Path {
    match file.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

pub(super) fn beside(main: &Path, path: &Path) -> PathBuf {
    directory_of(main).join(path)
}

fn read_text(path: &Path) -> Result<String, String> {
    let shown = path.display();
    let bytes = read_bounded(path, FILE_BYTES).map_err(|e| format!("{shown}: {e}"))?;
    String::from_utf8(bytes).map_err(|e| {
        let at = e.utf8_error().valid_up_to();
        let line = e.as_bytes()[..at].iter().filter(|b| **b == b'\n').count() + 1;
        format!("{shown}:{line}: not UTF-8 text")
    })
}

pub(crate) fn read_bounded(path: &Path, limit: u64) -> Result<Vec<u8>, String> {
    let plain = |e: io::Error| match e.kind() {
        io::ErrorKind::NotFound => "no such file".to_owned(),
        io::ErrorKind::PermissionDenied => "may not be read (permission denied)".to_owned(),
        _ => e.to_string(),
    };
    let file = File::open(path).map_err(plain)?;
    if file.metadata().map_err(plain)?.is_dir() {
        return Err("is a directory, not a file".to_owned());
    }
    let mut bytes = Vec::new();
    file.take(limit + 1)
        .read_to_end(&mut bytes)
        .map_err(plain)?;
    if bytes.len() as u64 > limit {
        return Err(format!("is larger than {} KiB", limit >> 10));
    }
    Ok(bytes)
}

/// The text of a secret. Files are relative to the main file's directory; a line end at the end of a file is not part of it.
///
/// # Errors
/// One line that names the source, never the text.
pub fn resolve(secret: &Secret, main: &Path) -> Result<String, String> {
    let text = match secret {
        Secret::Literal(text) => text.clone(),
        Secret::Env(name) => std::env::var(name)
            .map_err(|_| format!("the environment variable {name} is not set"))?,
        Secret::File(path) => {
            let path = beside(main, path);
            let bytes = read_bounded(&path, SECRET_BYTES)
                .map_err(|e| format!("{}: {e}", path.display()))?;
            let text = String::from_utf8(bytes)
                .map_err(|_| format!("{}: not UTF-8 text", path.display()))?;
            text.trim_end_matches(['\n', '\r']).to_owned()
        }
    };
    if text.is_empty() {
        return Err("the secret is empty".to_owned());
    }
    Ok(text)
}

/// A secret's file belongs to the configuration: it is rotated without an edit of the text.
fn watch_secret(read: &mut Read, path: &Path) {
    follow(read, path, SECRET_BYTES);
}

/// A change of this file is a change of the configuration.
pub(super) fn follow(read: &mut Read, path: &Path, most: u64) {
    let mut places = BTreeSet::from_iter(read.places.drain(..));
    add_places(path, &mut places);
    read.places = places.into_iter().collect();
    let mut hash = Fnv(read.hash);
    hash.part(&read_bounded(path, most).unwrap_or_default());
    read.hash = hash.0;
}

/// FNV-1a, 64 bits: a few lines, the same on every machine and version, good enough to see that a file changed.
struct Fnv(u64);

impl Default for Fnv {
    fn default() -> Self {
        Fnv(0xcbf2_9ce4_8422_2325)
    }
}

impl Fnv {
    /// One part, ended by its length so that moving a border between two files changes the sum.
    fn part(&mut self, bytes: &[u8]) {
        for byte in bytes.iter().chain(&(bytes.len() as u64).to_le_bytes()) {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
}

#[cfg(test)]
#[path = "files_tests.rs"]
mod tests;
