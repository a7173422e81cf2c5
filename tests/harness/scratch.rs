//! A directory of a test's own, removed with it.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

static NUMBER: AtomicU32 = AtomicU32::new(0);

/// A fresh directory; removed on drop. Its path is short, since a Unix socket's path must fit in 107 bytes.
pub struct Scratch(PathBuf);

impl Default for Scratch {
    fn default() -> Self {
        Scratch::new()
    }
}

impl Scratch {
    /// Make one below the system's directory for temporary files.
    pub fn new() -> Scratch {
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("ringway-{}-{number}", std::process::id()));
        if path.exists() {
            std::fs::remove_dir_all(&path)
                .expect("a directory left by an earlier process of the same id can be removed");
        }
        std::fs::create_dir_all(&path).expect("a directory can be made below the temporary one");
        Scratch(path)
    }

    /// The directory.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// The path of a file in it.
    pub fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// Write a file in it, in place.
    pub fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.file(name);
        std::fs::write(&path, text).expect("a file in the test's own directory can be written");
        path
    }

    /// Write a file beside and rename it over, as a careful editor does.
    pub fn replace(&self, name: &str, text: &str) -> PathBuf {
        let beside = self.write(&format!(".{name}.new"), text);
        let path = self.file(name);
        std::fs::rename(beside, &path).expect("a file in the test's own directory can be renamed");
        path
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // A leftover directory is untidy, not a failure.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
