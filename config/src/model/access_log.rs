//! `[access_log]`: where one line per exchange goes.
//! Not what stands in the line.

use std::path::PathBuf;

/// Where one line per exchange goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessLog {
    /// The place.
    pub to: LogTo,
}

/// A place for log lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LogTo {
    /// Nowhere.
    Off,
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
    /// This file, appended to.
    File(PathBuf),
}
