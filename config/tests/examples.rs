//! Every file in `config/examples` is read, and none of them gives so much as a warning.
//! Not what the values become (`good.rs`).
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

use ringway_config::{Checked, Source, check, includes, render};
use std::path::{Path, PathBuf};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples")
}

fn toml_files(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|ext| ext == "toml"))
        .collect();
    files.sort();
    files
}

fn source(path: &Path) -> Source {
    Source {
        path: path.file_name().unwrap().to_string_lossy().into_owned(),
        text: std::fs::read_to_string(path).unwrap(),
    }
}

/// As the command does it; the only pattern form that the examples use is `FOLDER/*.toml`.
fn load(path: &Path) -> (Vec<Source>, Checked) {
    let mut sources = vec![source(path)];
    for pattern in includes(&sources[0]) {
        let included = folder().join(pattern.strip_suffix("/*.toml").unwrap());
        sources.extend(toml_files(&included).iter().map(|path| source(path)));
    }
    let checked = check(&sources);
    (sources, checked)
}

#[test]
fn all_examples_are_clean() {
    let files = toml_files(&folder());
    assert!((8..=40).contains(&files.len()), "{} examples", files.len());
    for file in files {
        let (_, checked) = load(&file);
        assert!(
            checked.diagnostics.is_empty(),
            "{}",
            render(&checked.diagnostics)
        );
        assert!(checked.config.is_some());
    }
}

#[test]
fn no_file_is_left_out() {
    let mut read = 0;
    for file in toml_files(&folder()) {
        read += load(&file).0.len();
    }
    let all = toml_files(&folder()).len() + toml_files(&folder().join("conf.d")).len();
    assert_eq!(read, all, "a file in conf.d is included by no example");
}

#[test]
fn the_shortest_example_is_five_lines() {
    let text = std::fs::read_to_string(folder().join("minimal.toml")).unwrap();
    assert_eq!(text.lines().count(), 5);
}
