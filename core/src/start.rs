//! Starts the proxy: workers, plan, sockets.

use std::process::ExitCode;

use crate::control::{ConfigFiles, Loaded};

/// Run the proxy with what was loaded from `files`, until it is stopped.
#[allow(clippy::todo)]
pub fn run(files: ConfigFiles, loaded: Loaded) -> ExitCode {
    let _ = (files, loaded);
    todo!("workers, plan and sockets")
}
