//! What belongs to the repository: files, members, manifests. Not what lies around beside it.

use ringway_tests::repository;
use std::path::Path;
use std::process::Command;
use toml::{Table, Value};

/// Files that are tracked or could be, relative to the root, with `/`.
pub(crate) fn files() -> Vec<String> {
    let mut git = Command::new("git");
    git.current_dir(repository())
        .args(["ls-files", "--cached", "--others", "--exclude-standard"]);
    let listed = git.output().ok().filter(|done| done.status.success());
    let mut files: Vec<String> = match listed {
        Some(done) => String::from_utf8_lossy(&done.stdout)
            .lines()
            .map(str::to_owned)
            .collect(),
        None => walked(repository(), ""),
    };
    files.retain(|path| repository().join(path).is_file());
    files.sort();
    files.dedup();
    files
}

/// Without git: everything but what is built.
fn walked(folder: &Path, prefix: &str) -> Vec<String> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder)
        .expect("the repository can be read")
        .flatten()
    {
        let name = entry.file_name().to_string_lossy().into_owned();
        match entry.file_type() {
            Ok(kind)
                if kind.is_dir()
                    && !["target", ".git", "node_modules"].contains(&name.as_str()) =>
            {
                files.extend(walked(&entry.path(), &format!("{prefix}{name}/")));
            }
            Ok(kind) if kind.is_file() => files.push(format!("{prefix}{name}")),
            _ => {}
        }
    }
    files
}

/// All Rust files.
pub(crate) fn rust_files() -> Vec<String> {
    let found: Vec<String> = files()
        .into_iter()
        .filter(|path| path.ends_with(".rs"))
        .collect();
    assert!(
        found.len() > 10,
        "only {} Rust files are found",
        found.len()
    );
    found
}

/// A file's text.
pub(crate) fn text(path: &str) -> String {
    std::fs::read_to_string(repository().join(path)).unwrap_or_else(|e| panic!("{path}: {e}"))
}

fn table(path: &str) -> Table {
    text(path).parse().unwrap_or_else(|e| panic!("{path}: {e}"))
}

/// The workspace's members.
pub(crate) fn members() -> Vec<String> {
    let root = table("Cargo.toml");
    let members = root["workspace"]
        .get("members")
        .and_then(Value::as_array)
        .expect("the workspace lists its members");
    members
        .iter()
        .filter_map(Value::as_str)
        .map(str::to_owned)
        .collect()
}

/// What a rule asks of a manifest.
pub(crate) struct Manifest {
    pub(crate) name: String,
    pub(crate) dependencies: Vec<String>,
    pub(crate) inherits_lints: bool,
}

/// A member's manifest. Dependencies of every kind, for every target.
pub(crate) fn manifest(member: &str) -> Manifest {
    let table = table(&format!("{member}/Cargo.toml"));
    let mut dependencies = Vec::new();
    let mut collect = |table: &Table| {
        for kind in ["dependencies", "dev-dependencies", "build-dependencies"] {
            if let Some(found) = table.get(kind).and_then(Value::as_table) {
                let real = |(name, value): (&String, &Value)| {
                    value
                        .get("package")
                        .and_then(Value::as_str)
                        .unwrap_or(name)
                        .to_owned()
                };
                dependencies.extend(found.iter().map(real));
            }
        }
    };
    collect(&table);
    for target in table
        .get("target")
        .and_then(Value::as_table)
        .into_iter()
        .flat_map(|targets| targets.values())
    {
        if let Some(target) = target.as_table() {
            collect(target);
        }
    }
    let lints = table
        .get("lints")
        .and_then(|lints| lints.get("workspace"))
        .and_then(Value::as_bool);
    let name = table["package"]
        .get("name")
        .and_then(Value::as_str)
        .expect("a package has a name")
        .to_owned();
    Manifest {
        name,
        dependencies,
        inherits_lints: lints == Some(true),
    }
}

/// Roots of libraries, binaries and examples of all members, and of what their manifests name. Integration tests are under
/// the workspace's lint alone.
pub(crate) fn crate_roots() -> Vec<String> {
    let files = files();
    let mut roots = Vec::new();
    for member in members() {
        let table = table(&format!("{member}/Cargo.toml"));
        let given = |target: &Value| {
            target
                .get("path")
                .and_then(Value::as_str)
                .map(|path| format!("{member}/{path}"))
        };
        roots.extend(table.get("lib").and_then(given));
        for kind in ["bin", "test", "bench", "example"] {
            roots.extend(
                table
                    .get(kind)
                    .and_then(Value::as_array)
                    .into_iter()
                    .flatten()
                    .filter_map(given),
            );
        }
        for usual in ["src/lib.rs", "src/main.rs"] {
            roots.push(format!("{member}/{usual}"));
        }
        let beside = |path: &&String| {
            let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
            path.ends_with(".rs")
                && ["examples", "src/bin"]
                    .iter()
                    .any(|kind| folder == format!("{member}/{kind}"))
        };
        roots.extend(files.iter().filter(beside).cloned());
    }
    roots.retain(|root| files.contains(root));
    roots.sort();
    roots.dedup();
    roots
}
