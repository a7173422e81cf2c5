//! Who goes first where they share a CPU: the client beside an attack and its origin before the attacker and what it asks.
//!
//! By `chrt` of util-linux, which becomes what it starts.

use std::process::{Command, Stdio};

/// What the two kinds of processes are started by.
pub(super) struct Ranks {
    pub(super) first: &'static [&'static str],
    pub(super) last: &'static [&'static str],
}

/// What may be had, the best first. The last needs no permission and no program.
const FIRST: [&[&str]; 3] = [&["chrt", "-f", "10"], &["nice", "-n", "-19"], &[]];
const LAST: [&[&str]; 3] = [&["chrt", "-i", "0"], &["nice", "-n", "19"], &[]];

impl Ranks {
    /// As far as this user may.
    pub(super) fn find() -> Ranks {
        let best = |of: [&'static [&'static str]; 3]| {
            let found = of.into_iter().find(|starter| may(starter));
            found.unwrap_or_default()
        };
        Ranks {
            first: best(FIRST),
            last: best(LAST),
        }
    }

    /// For people.
    pub(super) fn describe(&self) -> String {
        format!(
            "bystander and its origin: {}; attacker and its origin: {}",
            word(self.first),
            word(self.last)
        )
    }
}

fn word(starter: &[&str]) -> String {
    match starter {
        ["chrt", "-f", priority] => format!("SCHED_FIFO {priority}"),
        ["chrt", "-i", _] => "SCHED_IDLE".to_owned(),
        ["nice", _, niceness] => format!("nice {niceness}"),
        _ => "as all".to_owned(),
    }
}

/// `nice` starts what it is to start in any case, and only complains of what it may not.
fn may(starter: &[&str]) -> bool {
    let Some((program, arguments)) = starter.split_first() else {
        return true;
    };
    let said = Command::new(program)
        .args(arguments)
        .arg("true")
        .stdin(Stdio::null())
        .output();
    said.is_ok_and(|said| said.status.success() && said.stderr.is_empty())
}
