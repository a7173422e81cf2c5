//! Which CPUs run the proxy, the load and the origin; and starting a process on some of them.
//!
//! The kernel's own placing is left to `--pin off`.

use std::io;
use std::process::{Child, Command};

use rustix::thread::{CpuSet, sched_setaffinity};
use serde::{Deserialize, Serialize};

/// Who runs where. Empty lists: wherever the kernel likes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Plan {
    pub(crate) proxy: Vec<usize>,
    pub(crate) load: Vec<usize>,
    pub(crate) origin: Vec<usize>,
}

impl Plan {
    /// `auto`, `off`, or `proxy=0,1;load=2;origin=3`.
    pub(crate) fn parse(text: &str, cores: usize) -> io::Result<Plan> {
        match text {
            "auto" => Ok(Plan::auto(cores, &ringway_io::allowed_cpus())),
            "off" => Ok(Plan::default()),
            _ => Plan::written(text),
        }
    }

    /// The first `cores` for the proxy. Of the rest, half for the origin and half for the load; one, if there is one, is
    /// shared by both, and on a machine without a rest everything shares everything.
    fn auto(cores: usize, allowed: &[usize]) -> Plan {
        let cores = cores.min(allowed.len());
        let (proxy, rest) = allowed.split_at(cores);
        let (origin, load) = match rest.len() {
            0 => (allowed, allowed),
            1 => (rest, rest),
            n => rest.split_at(n / 2),
        };
        Plan {
            proxy: proxy.to_vec(),
            load: load.to_vec(),
            origin: origin.to_vec(),
        }
    }

    fn written(text: &str) -> io::Result<Plan> {
        let bad = || {
            io::Error::other(format!(
                "`{text}` is not a plan; write auto, off or proxy=0;load=1;origin=1"
            ))
        };
        let mut plan = Plan::default();
        for part in text.split(';') {
            let (who, cpus) = part.split_once('=').ok_or_else(bad)?;
            let cpus = cpus
                .split(',')
                .map(|cpu| cpu.trim().parse().map_err(|_| bad()))
                .collect::<io::Result<Vec<usize>>>()?;
            match who.trim() {
                "proxy" => plan.proxy = cpus,
                "load" => plan.load = cpus,
                "origin" => plan.origin = cpus,
                _ => return Err(bad()),
            }
        }
        Ok(plan)
    }

    /// For people.
    pub(crate) fn describe(&self) -> String {
        if self.proxy.is_empty() {
            return "not pinned".to_owned();
        }
        let list = |cpus: &[usize]| {
            let words: Vec<String> = cpus.iter().map(usize::to_string).collect();
            words.join(",")
        };
        let shared = self.load.iter().any(|cpu| self.proxy.contains(cpu));
        format!(
            "proxy on CPU {}, load on {}, origin on {}{}",
            list(&self.proxy),
            list(&self.load),
            list(&self.origin),
            if shared {
                " (load and proxy share a CPU: throughput says nothing, CPU per request does)"
            } else {
                ""
            }
        )
    }
}

/// Let this thread, and those that it starts, run on these CPUs only.
pub(crate) fn stay_on(cpus: &[usize]) -> io::Result<()> {
    if cpus.is_empty() {
        return Ok(());
    }
    let mut set = CpuSet::new();
    for cpu in cpus.iter().filter(|cpu| **cpu < CpuSet::MAX_CPU) {
        set.set(*cpu);
    }
    Ok(sched_setaffinity(None, &set)?)
}

/// Start a process that may run on these CPUs only. Its children inherit that.
pub(crate) fn spawn_on(cpus: &[usize], command: &mut Command) -> io::Result<Child> {
    // A child inherits the CPUs of the thread that starts it; a thread of its own, so that ours keeps what it has.
    std::thread::scope(|scope| {
        let started = scope.spawn(|| {
            stay_on(cpus)?;
            command.spawn()
        });
        started
            .join()
            .unwrap_or_else(|_| Err(io::Error::other("starting a process panicked")))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(proxy: &[usize], load: &[usize], origin: &[usize]) -> Plan {
        Plan {
            proxy: proxy.to_vec(),
            load: load.to_vec(),
            origin: origin.to_vec(),
        }
    }

    #[test]
    fn plans() {
        let cases: [(usize, &[usize], Plan); 5] = [
            (1, &[0], plan(&[0], &[0], &[0])),
            (1, &[0, 1], plan(&[0], &[1], &[1])),
            (2, &[0, 1], plan(&[0, 1], &[0, 1], &[0, 1])),
            (1, &[4, 5, 6], plan(&[4], &[6], &[5])),
            (2, &[0, 1, 2, 3, 4, 5], plan(&[0, 1], &[4, 5], &[2, 3])),
        ];
        for (cores, allowed, wanted) in cases {
            assert_eq!(Plan::auto(cores, allowed), wanted, "{cores} of {allowed:?}");
        }
        assert_eq!(
            Plan::parse("proxy=0,1;load=2;origin=3", 1).unwrap(),
            plan(&[0, 1], &[2], &[3])
        );
        for bad in ["", "proxy", "proxy=x", "moon=1"] {
            assert!(Plan::parse(bad, 1).is_err(), "{bad}");
        }
    }
}
