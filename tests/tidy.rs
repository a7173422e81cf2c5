//! The house rules that a machine can judge. Each message says what to do. What needs reading (size, shape, good names)
//! is not judged here.
#![forbid(unsafe_code)]

#[path = "tidy/source.rs"]
mod source;
#[path = "tidy/tree.rs"]
mod tree;

use ringway_tests::{binary, repository};
use source::{Source, words};
use std::path::Path;
use std::process::Command;
use tree::{files, manifest, members, rust_files, text};

/// Crates without a ringway crate below them.
const LEVEL_0: [&str; 5] = [
    "ringway-io",
    "ringway-protocols",
    "ringway-balancer",
    "ringway-tls",
    "ringway-config",
];
/// Of these, the ones that touch nothing.
const PURE: [&str; 4] = ["protocols/", "balancer/", "tls/", "config/"];
/// tokio and what stands on it: for the side thread, tests, bench and control only.
const ON_TOKIO: [&str; 9] = [
    "tokio",
    "axum",
    "hyper",
    "hyper-util",
    "h2",
    "tonic",
    "tower",
    "reqwest",
    "hickory-resolver",
];
const MAY_HAVE_TOKIO: [&str; 4] = [
    "ringway",
    "ringway-tests",
    "ringway-bench",
    "ringway-control",
];
const TOP_LEVEL: [&str; 19] = [
    ".ci",
    ".clippy.toml",
    ".gitignore",
    "ARCHITECTURE.md",
    "CHANGELOG.md",
    "Cargo.lock",
    "Cargo.toml",
    "LICENSE",
    "README.md",
    "balancer",
    "bench",
    "config",
    "control",
    "core",
    "protocols",
    "rust-toolchain.toml",
    "rustfmt.toml",
    "tests",
    "tls",
];

fn report(rule: &str, findings: &[String]) {
    assert!(findings.is_empty(), "{rule}\n  {}\n", findings.join("\n  "));
}

/// Own Rust files that are not test code, with what is test code within them blanked.
fn sources() -> Vec<Source> {
    let all: Vec<Source> = rust_files().iter().map(|path| Source::read(path)).collect();
    let of_tests: Vec<String> = all.iter().flat_map(Source::test_modules).collect();
    all.into_iter()
        .filter(|source| !source.is_test() && !of_tests.contains(&source.path))
        .collect()
}

#[test]
fn crates_have_only_the_edges_that_the_architecture_draws() {
    let mut findings = Vec::new();
    for member in members() {
        let manifest = manifest(&member);
        let name = manifest.name.as_str();
        for dependency in &manifest.dependencies {
            if LEVEL_0.contains(&name) && dependency.starts_with("ringway") {
                findings.push(format!(
                    "{member}/Cargo.toml: {name} may not depend on {dependency}"
                ));
            }
            if ON_TOKIO.contains(&dependency.as_str()) && !MAY_HAVE_TOKIO.contains(&name) {
                findings.push(format!(
                    "{member}/Cargo.toml: {name} may not depend on {dependency}"
                ));
            }
            if dependency == "io-uring" && !["ringway-io", "ringway-bench"].contains(&name) {
                findings.push(format!(
                    "{member}/Cargo.toml: only ringway-io talks to the kernel by {dependency}"
                ));
            }
        }
    }
    report(
        "Level-0 crates know nothing of each other; map their types in core/src/assemble/ (ARCHITECTURE.md, Crates).",
        &findings,
    );
}

#[test]
fn unsafe_is_only_in_core_io() {
    let mut findings = Vec::new();
    for path in rust_files() {
        let source = Source::read(&path);
        for (number, line) in source.code.lines().enumerate() {
            if !path.starts_with("core/io/") && words(line).any(|word| word == "unsafe") {
                findings.push(format!("{path}:{}", number + 1));
            }
        }
    }
    report(
        "`unsafe` belongs to core/io alone: use a safe interface, or give core/io one.",
        &findings,
    );
}

#[test]
fn every_unsafe_block_says_why_it_is_sound() {
    let mut findings = Vec::new();
    for path in rust_files()
        .into_iter()
        .filter(|path| path.starts_with("core/io/"))
    {
        findings.extend(Source::read(&path).unsafe_without_reason());
    }
    report(
        "Write `// SAFETY:` above it: which invariant holds, and who upholds it.",
        &findings,
    );
}

#[test]
fn every_crate_root_forbids_unsafe() {
    let mut findings = Vec::new();
    for root in tree::crate_roots() {
        if !root.starts_with("core/io/") && !text(&root).contains("#![forbid(unsafe_code)]") {
            findings.push(root);
        }
    }
    report(
        "Begin the crate with `#![forbid(unsafe_code)]`, behind its `//!`.",
        &findings,
    );
}

#[test]
fn nothing_unwraps_outside_of_tests() {
    let mut findings = Vec::new();
    for source in sources() {
        for (number, line) in source.code.lines().enumerate() {
            if line.contains(".unwrap()")
                || line.contains("todo!(")
                || line.contains("unimplemented!(")
            {
                findings.push(format!("{}:{}: {}", source.path, number + 1, line.trim()));
            }
        }
    }
    report(
        "Return an error, or `expect` with the invariant of ours that makes it impossible.",
        &findings,
    );
}

#[test]
fn every_file_opens_with_what_it_is() {
    let opens = |path: &String| {
        text(path)
            .lines()
            .find(|line| !line.trim().is_empty())
            .is_some_and(|line| line.starts_with("//!"))
    };
    let findings: Vec<String> = rust_files()
        .into_iter()
        .filter(|path| !opens(path))
        .collect();
    report(
        "Open the file with `//!`: what it is, then what it is not.",
        &findings,
    );
}

#[test]
fn words_that_say_nothing_are_not_names() {
    const BANNED: [&str; 9] = [
        "manager", "handler", "handlers", "helper", "helpers", "util", "utils", "common", "context",
    ];
    // Names of others: std's and tracing's types, crates, and what rustls and rcgen call their states and faults.
    const FOREIGN: [&str; 12] = [
        "Context",
        "FmtContext",
        "hyper_util",
        "crossbeam_utils",
        "CommonName",
        "CommonState",
        "NoCertificateRequestSignatureSchemesInCommon",
        "NoCipherSuitesInCommon",
        "NoEcPointFormatsInCommon",
        "NoKxGroupsInCommon",
        "NoSignatureSchemesInCommon",
        "RequiredEkuNotFoundContext",
    ];
    let mut findings = Vec::new();
    for path in rust_files() {
        let stem = Path::new(&path)
            .file_stem()
            .and_then(|stem| stem.to_str())
            .unwrap_or_default()
            .to_owned();
        if stem.split('_').any(|part| BANNED.contains(&part)) {
            findings.push(format!("{path}: the file's name"));
        }
        let source = Source::read(&path);
        for (number, line) in source.code.lines().enumerate() {
            // What another crate calls its modules is its own affair.
            let imports = line.starts_with("use ") && !line.starts_with("use crate");
            if imports && !line.starts_with("use super") && !line.starts_with("use ringway") {
                continue;
            }
            for word in words(line).filter(|word| !FOREIGN.contains(word)) {
                if source::parts(word)
                    .iter()
                    .any(|part| BANNED.contains(&part.as_str()))
                {
                    findings.push(format!("{path}:{}: {word}", number + 1));
                }
            }
        }
    }
    report(
        "Name it by what it does or holds (ARCHITECTURE.md, Words).",
        &findings,
    );
}

#[test]
fn pure_crates_touch_nothing() {
    const TOUCHES: [&str; 11] = [
        "Instant::now",
        "SystemTime::now",
        "std::fs",
        "std::env",
        "std::process",
        "std::thread",
        "TcpStream",
        "TcpListener",
        "UdpSocket",
        "UnixStream",
        "std::io::stdout",
    ];
    let mut findings = Vec::new();
    for source in sources()
        .into_iter()
        .filter(|source| PURE.iter().any(|pure| source.path.starts_with(pure)))
    {
        for (number, line) in source.code.lines().enumerate() {
            for touch in TOUCHES.iter().filter(|touch| line.contains(**touch)) {
                findings.push(format!("{}:{}: {touch}", source.path, number + 1));
            }
        }
    }
    report(
        "Pure crates have no clock, no dice, no file, no socket: take `now` and bytes as arguments.",
        &findings,
    );
}

#[test]
fn every_metric_is_documented() {
    let names = repository().join("core/src/observe/names.rs");
    let document = repository().join("core/src/observe/METRICS.md");
    let (Ok(names), Ok(document)) = (
        std::fs::read_to_string(&names),
        std::fs::read_to_string(&document),
    ) else {
        panic!(
            "core/src/observe/ needs names.rs (every metric once) and METRICS.md (what each says)"
        );
    };
    let is_name = |text: &&str| {
        text.starts_with("ringway_")
            && text.len() > 8
            && text.bytes().all(|b| b.is_ascii_lowercase() || b == b'_')
    };
    let metrics: Vec<&str> = names
        .split('"')
        .skip(1)
        .step_by(2)
        .filter(is_name)
        .collect();
    assert!(
        metrics.len() > 10,
        "names.rs holds only {} names",
        metrics.len()
    );
    let findings: Vec<String> = metrics
        .iter()
        .filter(|name| !document.contains(&format!("`{name}`")))
        .map(|name| (*name).to_owned())
        .collect();
    report(
        "Write the metric into core/src/observe/METRICS.md.",
        &findings,
    );
}

#[test]
fn every_example_loads() {
    let examples: Vec<String> = files()
        .into_iter()
        .filter(|path| {
            path.starts_with("config/examples/")
                && path.ends_with(".toml")
                && path.matches('/').count() == 2
        })
        .collect();
    assert!(!examples.is_empty(), "config/examples/ holds no example");
    let mut findings = Vec::new();
    for example in examples {
        let mut check = Command::new(binary());
        // What examples name below /etc is on no machine that tests.
        check.args(["check", "--no-certificates"]);
        check.arg(repository().join(&example));
        // Secrets by `{ env = "NAME" }` are there wherever the example is used.
        let text = text(&example);
        for name in text
            .split("env = \"")
            .skip(1)
            .filter_map(|rest| rest.split('"').next())
        {
            check.env(name, "a secret");
        }
        let done = check.output().expect("the binary runs");
        if !done.status.success() {
            findings.push(format!(
                "{example}: {}{}",
                String::from_utf8_lossy(&done.stdout),
                String::from_utf8_lossy(&done.stderr)
            ));
        }
    }
    report("Correct the example, or what reads it.", &findings);
}

#[test]
fn no_path_of_a_machine_is_written_down() {
    // Written in two parts, so that this file may stay.
    let roots = [
        ["/wo", "rk/"].concat(),
        ["/ro", "ot/"].concat(),
        ["/Us", "ers/"].concat(),
    ];
    let home = ["/ho", "me/"].concat();
    let mut findings = Vec::new();
    for path in files() {
        let Ok(text) = std::fs::read_to_string(repository().join(&path)) else {
            continue;
        };
        for (number, line) in text.lines().enumerate() {
            let of_home = line
                .split(&home)
                .skip(1)
                .any(|rest| rest.starts_with(|c: char| c.is_ascii_alphanumeric()));
            if of_home || roots.iter().any(|root| line.contains(root.as_str())) {
                findings.push(format!(
                    "{path}:{}: {}",
                    number + 1,
                    line.trim().chars().take(100).collect::<String>()
                ));
            }
        }
    }
    report(
        "Write a path that means something to everyone: relative to the repository, or below a temporary directory.",
        &findings,
    );
}

#[test]
fn the_top_level_holds_only_what_the_architecture_names() {
    let mut findings: Vec<String> = files()
        .iter()
        .filter_map(|path| path.split('/').next())
        .filter(|name| !TOP_LEVEL.contains(name))
        .map(str::to_owned)
        .collect();
    findings.dedup();
    report(
        "Move it into the crate that it belongs to, or write it into ARCHITECTURE.md and into this test.",
        &findings,
    );
}

#[test]
fn every_member_is_in_the_tree_and_inherits_the_lints() {
    let mut findings = Vec::new();
    for member in members() {
        // core/io may hold unsafe code, thus has a table of its own.
        if member != "core/io" && !manifest(&member).inherits_lints {
            findings.push(format!("{member}/Cargo.toml"));
        }
    }
    report("Add `[lints] workspace = true`.", &findings);
}
