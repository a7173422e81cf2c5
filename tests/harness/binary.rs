//! Finding the binary under test: `RINGWAY_BIN`, else built once for the profile of the test. Not an installer.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// The root of the repository.
pub fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("the tests live one folder below the root")
}

/// The `ringway` binary. Fails the test if it cannot be built.
pub fn binary() -> &'static Path {
    static BINARY: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    match BINARY.get_or_init(find) {
        Ok(path) => path,
        Err(why) => panic!("{why}"),
    }
}

fn find() -> Result<PathBuf, String> {
    if let Some(given) = std::env::var_os("RINGWAY_BIN") {
        let path = PathBuf::from(given);
        return if path.is_file() {
            Ok(path)
        } else {
            Err(format!("RINGWAY_BIN={} is no file", path.display()))
        };
    }
    let own =
        std::env::current_exe().map_err(|e| format!("a test does not know its own path: {e}"))?;
    // target/<profile>/deps/<test>
    let folder = own
        .ancestors()
        .nth(2)
        .ok_or("a test lives in target/<profile>/deps")?;
    let target = folder
        .parent()
        .ok_or("a profile's folder lives in the target folder")?;
    let mut build = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    build
        .current_dir(repository())
        .args([
            "build",
            "--quiet",
            "--package",
            "ringway",
            "--bin",
            "ringway",
            "--target-dir",
        ])
        .arg(target);
    match folder.file_name().and_then(|name| name.to_str()) {
        Some("debug") | None => {}
        Some(profile) => {
            build.args(["--profile", profile]);
        }
    }
    let done = build
        .output()
        .map_err(|e| format!("cannot run cargo to build ringway: {e}"))?;
    if !done.status.success() {
        return Err(format!(
            "ringway does not build:\n{}",
            String::from_utf8_lossy(&done.stderr)
        ));
    }
    Ok(folder.join("ringway"))
}
