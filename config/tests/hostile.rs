//! Whatever a file holds, checking it ends soon and never panics.
//! Not whether the errors are good ones (`bad.rs`).
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

use ringway_config::{Source, check, diff, includes, render};
use std::path::Path;
use std::time::{Duration, Instant};

/// Checks and shows a text, as every caller does.
fn digest(text: &str) {
    let source = Source {
        path: "x.toml".to_owned(),
        text: text.to_owned(),
    };
    includes(&source);
    let checked = check(&[source.clone(), source]);
    let shown = render(&checked.diagnostics);
    assert_eq!(shown.is_empty(), checked.diagnostics.is_empty());
    assert_eq!(checked.config.is_none(), checked.errors() > 0);
    for diagnostic in &checked.diagnostics {
        assert!(diagnostic.line >= 1 && diagnostic.column >= 1 && diagnostic.span >= 1);
        assert!(!diagnostic.message.ends_with('.'), "{}", diagnostic.message);
    }
    if let Some(config) = checked.config {
        assert!(diff(&config, &config).is_empty());
    }
}

fn examples() -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_file())
        .collect();
    files.sort();
    files
        .iter()
        .map(|file| std::fs::read_to_string(file).unwrap())
        .collect()
}

#[test]
fn every_prefix_of_every_example() {
    for text in examples() {
        for end in 0..=text.len() {
            // A cut within a character cannot be UTF-8, so the caller would have refused it.
            if let Some(prefix) = text.get(..end) {
                digest(prefix);
            }
        }
    }
}

/// A small generator, so that a failure can be repeated.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6364136223846793005)
            .wrapping_add(1442695040888963407);
        (self.0 >> 33) as usize % bound
    }
}

#[test]
fn mutated_examples() {
    let pieces = [
        "\"",
        "'",
        "[",
        "]",
        "{",
        "}",
        "=",
        "\n",
        "\r\n",
        "#",
        ",",
        ".",
        "\0",
        "\u{feff}",
        "ä",
        "😀",
        "~(",
        "{{",
        "{x}",
        "0",
        "-1",
        "99999999999999999999",
        "1e999",
        "0xff",
        "true",
        "1979-05-27",
        "\"\"\"",
        "to = 1\n",
        "[[routes]]\n",
        "[clusters.x]\n",
        "like = \"x\"\n",
        "\t",
        "\u{1b}[31m",
        "inf",
        "*",
        "/*",
        "\\u0000",
    ];
    let texts = examples();
    for seed in 0..4000_u64 {
        let mut dice = Dice(seed);
        let mut text = texts[dice.below(texts.len())].clone();
        for _ in 0..=dice.below(4) {
            let mut at = dice.below(text.len() + 1);
            while !text.is_char_boundary(at) {
                at -= 1;
            }
            let mut end = (at + dice.below(12)).min(text.len());
            while !text.is_char_boundary(end) {
                end += 1;
            }
            match dice.below(3) {
                0 => text.replace_range(at..end, ""),
                1 => text.insert_str(at, pieces[dice.below(pieces.len())]),
                _ => text.replace_range(at..end, pieces[dice.below(pieces.len())]),
            }
        }
        digest(&text);
    }
}

#[test]
fn strange_texts() {
    let deep = 100_000;
    let texts = [
        String::new(),
        "\u{feff}".to_owned(),
        "\0".to_owned(),
        "\r".to_owned(),
        "x".to_owned(),
        "=".to_owned(),
        "a = ".to_owned() + &"[".repeat(deep),
        "a = ".to_owned() + &"{a=".repeat(deep),
        "a".to_owned() + &".a".repeat(deep) + " = 1",
        "[".to_owned() + &"a.".repeat(deep) + "a]",
        "version = ".to_owned() + &"9".repeat(deep),
        "version = 0x".to_owned() + &"f".repeat(deep),
        "[server]\ndrain = \"".to_owned() + &"9".repeat(deep) + "s\"",
        "x = 1\n".repeat(20_000),
        "to = \"typo\"\n".repeat(1_000) + "[[routes]]\nto = \"x\"\n",
        "[[routes]]\n".repeat(5_000),
        "[listeners.a]\n".repeat(5_000),
        "k = {".to_owned() + &"a=1,".repeat(20_000) + "}",
        (0..5_000)
            .map(|n: i32| format!("key{n} = {{}} # \u{1F600}\n"))
            .collect(),
        "[[routes]]\nmatch = { path = '~".to_owned() + &"(".repeat(deep) + "' }",
        "[[routes]]\nmatch = { path = '~(((\\w{100}){100}){100})' }".to_owned(),
        "[[routes]]\nmatch = { path = '~a)|(b' }".to_owned(),
        "[[routes]]\nmatch = { path = '~(?x)a # comment' }".to_owned(),
        "[[routes]]\nmatch = { path = '''~a\n(''' }".to_owned(),
        "[[routes]]\nredirect = \"".to_owned() + &"{".repeat(deep) + "\"",
        "[clusters]\nendpoints = []\n".to_owned(),
        "[[clusters.a]]\n[[clusters.a]]\n".to_owned(),
        "routes = [1, {}, []]\nlisteners = 1\nclusters = [[]]\nserver = []\n".to_owned(),
    ];
    for text in texts {
        digest(&text);
    }
}

#[test]
fn a_very_large_file_takes_seconds_at_most() {
    let listener = "[listeners.web]\nbind = \":80\"\n";
    let route = |n: usize| {
        format!(
            "[[routes]]\nmatch = {{ host = \"h{n}.example\", path = \"/p{n}/*\" }}\nto = \"c{n}\"\n"
        )
    };
    let cluster = |n: usize| {
        let like = if n > 0 {
            format!("like = \"c{}\"\n", n / 2)
        } else {
            String::new()
        };
        format!(
            "[clusters.c{n}]\n{like}endpoints = [\"10.0.0.1:{}\"]\n",
            n % 60_000 + 1
        )
    };
    let count = 5_000;
    let good: String = listener.to_owned()
        + &(0..count).map(route).collect::<String>()
        + &(0..count).map(cluster).collect::<String>();
    let start = Instant::now();
    digest(&good.replace("[listeners.web]", "[listener.web]"));
    digest(&good.replace("to = \"c", "to = \"cluster"));
    digest(&good.replace("like = \"c", "like = \"cluster"));
    let checked = check(&[Source {
        path: "x.toml".to_owned(),
        text: good,
    }]);
    assert_eq!(render(&checked.diagnostics), "");
    // Generous, for a debug build on a busy machine: something quadratic would take minutes.
    assert!(
        start.elapsed() < Duration::from_secs(60),
        "{:?}",
        start.elapsed()
    );
}
