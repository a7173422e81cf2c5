//! Golden errors: `bad/NAME.toml` is what somebody wrote, `bad/NAME.txt` is what they are told.
//! A file may hold several sources, each after a line `#file NAME`. After a wanted change of wording, run with
//! `BLESS=1` and read the difference.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

use ringway_config::{Source, check, render};
use std::path::Path;

fn sources(text: &str) -> Vec<Source> {
    let mut sources = Vec::new();
    for part in text.split("#file ") {
        match part.split_once('\n') {
            Some((name, text))
                if text.len() + name.len() + 1 == part.len() && !sources.is_empty() =>
            {
                sources.push(Source {
                    path: name.to_owned(),
                    text: text.to_owned(),
                });
            }
            _ => sources.push(Source {
                path: "ringway.toml".to_owned(),
                text: part.to_owned(),
            }),
        }
    }
    sources
}

#[test]
fn every_bad_file_is_told_what_is_wrong() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/bad");
    let mut names: Vec<_> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|ext| ext == "toml"))
        .collect();
    names.sort();
    assert!(names.len() >= 50, "only {} cases", names.len());
    let mut wrong = Vec::new();
    for file in names {
        let text = std::fs::read_to_string(&file).unwrap();
        let checked = check(&sources(&text));
        let shown = render(&checked.diagnostics);
        assert!(!shown.is_empty(), "{} is not bad", file.display());
        assert_eq!(checked.config.is_none(), checked.errors() > 0);
        let golden = file.with_extension("txt");
        if std::env::var_os("BLESS").is_some() {
            std::fs::write(&golden, &shown).unwrap();
        }
        let expected = std::fs::read_to_string(&golden).unwrap_or_default();
        if shown != expected {
            wrong.push(format!(
                "=== {}\n--- expected\n{expected}--- got\n{shown}",
                file.file_name().unwrap().to_string_lossy()
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_text_has_its_file() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/bad");
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        assert!(path.with_extension("toml").exists(), "{}", path.display());
    }
}
