//! Other people's programs at one end or the other, where they are installed. Not what is asked of them.

use std::process::{Child, Command, Stdio};

/// Ended with the test.
pub(crate) struct Peer(Child);

impl Peer {
    pub(crate) fn new(child: Child) -> Peer {
        Peer(child)
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Whether a program is there; a line says so if not.
pub(crate) fn is_installed(program: &str, flag: &str) -> bool {
    is_there(program, &[flag], program)
}

/// The same of what a program says by how it ends.
pub(crate) fn is_there(program: &str, arguments: &[&str], what: &str) -> bool {
    let asked = Command::new(program)
        .args(arguments)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    let there = asked.is_ok_and(|status| status.success());
    if !there {
        eprintln!("skipped: {what} is not installed");
    }
    there
}

/// A port that nobody had a moment ago; most programs cannot be asked which one they took.
pub(crate) fn free_port() -> u16 {
    ringway_tests::nobody().port()
}
