//! What the kernel says of a process tree and of CPUs: time, memory, switches. Read from /proc.
//!
//! Readings are cheap and made twice; what is reported is the difference.

use std::collections::BTreeMap;
use std::fs;
use std::io;

use rustix::param::{clock_ticks_per_second, page_size};
use serde::{Deserialize, Serialize};

/// A process and all that came from it, at one moment.
#[derive(Debug, Clone, Default)]
pub(crate) struct Reading {
    /// Clock ticks, of ended and awaited children too.
    user: u64,
    system: u64,
    /// Nanoseconds on a CPU, by thread: finer than ticks, but it goes with its thread.
    run_ns: BTreeMap<u32, u64>,
    voluntary: u64,
    forced: u64,
    /// Resident bytes; pages shared by two processes count twice.
    pub(crate) resident: u64,
}

/// What was used between two readings.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Used {
    pub(crate) user_us: f64,
    pub(crate) system_us: f64,
    /// Context switches: waiting for something, and being made to wait.
    pub(crate) switches: u64,
    pub(crate) forced_switches: u64,
}

impl Used {
    pub(crate) fn cpu_us(&self) -> f64 {
        self.user_us + self.system_us
    }
}

/// The tree of `root` as it is now. Processes that end meanwhile are left out.
pub(crate) fn read(root: u32) -> Reading {
    let mut sum = Reading::default();
    for pid in tree(root) {
        // Cannot be read: has ended.
        let _ = read_process(pid, &mut sum);
    }
    sum
}

/// `root` and its descendants that are alive.
pub(crate) fn tree(root: u32) -> Vec<u32> {
    let mut all = vec![root];
    let mut at = 0;
    while let Some(pid) = all.get(at).copied() {
        at += 1;
        for task in entries(&format!("/proc/{pid}/task")) {
            let children = fs::read_to_string(format!("/proc/{pid}/task/{task}/children"));
            let children = children.unwrap_or_default();
            all.extend(
                children
                    .split_whitespace()
                    .filter_map(|c| c.parse::<u32>().ok()),
            );
        }
    }
    all
}

fn entries(folder: &str) -> Vec<u32> {
    let listed = fs::read_dir(folder).into_iter().flatten().flatten();
    listed
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .collect()
}

fn read_process(pid: u32, sum: &mut Reading) -> io::Result<()> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let numbers = after_name(&stat);
    // user, system, children's user, children's system: fields 14 to 17 of proc(5), that is 11 to 14 after the name.
    let tick = |i: usize| numbers.get(i).copied().unwrap_or(0);
    sum.user += tick(11) + tick(13);
    sum.system += tick(12) + tick(14);
    let statm = fs::read_to_string(format!("/proc/{pid}/statm"))?;
    let pages = statm.split(' ').nth(1).and_then(|p| p.parse::<u64>().ok());
    sum.resident += pages.unwrap_or(0) * page_size() as u64;
    for task in entries(&format!("/proc/{pid}/task")) {
        let folder = format!("/proc/{pid}/task/{task}");
        if let Ok(text) = fs::read_to_string(format!("{folder}/schedstat"))
            && let Some(ns) = text.split(' ').next().and_then(|n| n.parse().ok())
        {
            sum.run_ns.insert(task, ns);
        }
        let status = fs::read_to_string(format!("{folder}/status")).unwrap_or_default();
        sum.voluntary += field(&status, "voluntary_ctxt_switches:");
        sum.forced += field(&status, "nonvoluntary_ctxt_switches:");
    }
    Ok(())
}

/// The numbers after the name of the program, which may have spaces and brackets. Field 3 is a letter and counts as 0.
fn after_name(stat: &str) -> Vec<u64> {
    let rest = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    rest.split_whitespace()
        .map(|word| word.parse().unwrap_or(0))
        .collect()
}

fn field(text: &str, name: &str) -> u64 {
    text.lines()
        .find_map(|line| line.strip_prefix(name))
        .and_then(|value| value.split_whitespace().next()?.parse().ok())
        .unwrap_or(0)
}

impl Reading {
    /// What was used since an earlier reading.
    pub(crate) fn since(&self, before: &Reading) -> Used {
        let tick_us = 1e6 / clock_ticks_per_second() as f64;
        let user = self.user.saturating_sub(before.user) as f64 * tick_us;
        let system = self.system.saturating_sub(before.system) as f64 * tick_us;
        // With the same threads at both ends the nanoseconds are complete; the ticks then only tell how they are split.
        let same = self.run_ns.keys().eq(before.run_ns.keys());
        let fine: u64 = self
            .run_ns
            .iter()
            .zip(before.run_ns.values())
            .map(|((_, now), then)| now.saturating_sub(*then))
            .sum();
        let ticks = user + system;
        let scale = if same && fine > 0 && ticks > 0.0 {
            fine as f64 / 1000.0 / ticks
        } else {
            1.0
        };
        Used {
            user_us: user * scale,
            system_us: system * scale,
            switches: self.voluntary.saturating_sub(before.voluntary),
            forced_switches: self.forced.saturating_sub(before.forced),
        }
    }
}

/// Time of each CPU, in ticks.
#[derive(Debug, Clone, Default)]
pub(crate) struct Cpus(BTreeMap<usize, Ticks>);

#[derive(Debug, Clone, Copy, Default)]
struct Ticks {
    busy: u64,
    /// Of these, had by other machines of the same host.
    stolen: u64,
    all: u64,
}

impl Cpus {
    /// As it is now.
    pub(crate) fn read() -> Cpus {
        Cpus::parse(&fs::read_to_string("/proc/stat").unwrap_or_default())
    }

    fn parse(stat: &str) -> Cpus {
        let each = stat.lines().filter_map(|line| {
            let (name, numbers) = line.split_once(' ')?;
            let cpu: usize = name.strip_prefix("cpu")?.parse().ok()?;
            // user nice system idle iowait irq softirq steal; guest time is in user already.
            let ticks: Vec<u64> = numbers
                .split_whitespace()
                .take(8)
                .filter_map(|n| n.parse().ok())
                .collect();
            let all: u64 = ticks.iter().sum();
            let idle = ticks.get(3)? + ticks.get(4)?;
            let ticks = Ticks {
                busy: all - idle,
                stolen: ticks.get(7).copied().unwrap_or(0),
                all,
            };
            Some((cpu, ticks))
        });
        Cpus(each.collect())
    }

    /// Which part of these CPUs' time was busy since an earlier reading, 0 to 1. All CPUs if none is named.
    pub(crate) fn busy_since(&self, before: &Cpus, cpus: &[usize]) -> f64 {
        self.share_since(before, cpus, |ticks| ticks.busy)
    }

    /// Which part was not had by this machine at all.
    pub(crate) fn stolen_since(&self, before: &Cpus, cpus: &[usize]) -> f64 {
        self.share_since(before, cpus, |ticks| ticks.stolen)
    }

    fn share_since(&self, before: &Cpus, cpus: &[usize], of: fn(&Ticks) -> u64) -> f64 {
        let (mut part, mut all) = (0, 0);
        for (cpu, now) in &self.0 {
            if cpus.is_empty() || cpus.contains(cpu) {
                let then = before.0.get(cpu).copied().unwrap_or_default();
                part += of(now).saturating_sub(of(&then));
                all += now.all.saturating_sub(then.all);
            }
        }
        part as f64 / (all as f64).max(1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_brackets_moves_no_field() {
        let stat = "7 (a) b (c)) S 1 7 7 0 -1 4194560 100 0 0 0 11 22 33 44 20 0 1 0 5";
        let numbers = after_name(stat);
        assert_eq!(&numbers[11..15], [11, 22, 33, 44]);
    }

    #[test]
    fn fine_time_is_split_as_the_ticks_say() {
        let tick = 1e6 / clock_ticks_per_second() as f64;
        let at = |user, system, threads: &[(u32, u64)]| Reading {
            user,
            system,
            run_ns: threads.iter().copied().collect(),
            ..Reading::default()
        };
        let before = at(10, 10, &[(1, 1000), (2, 500)]);
        let used = at(11, 13, &[(1, 5_000_000), (2, 3_001_500)]).since(&before);
        assert!((used.cpu_us() - 8000.0).abs() < 1e-6, "{used:?}");
        assert!((used.user_us - 2000.0).abs() < 1e-6, "{used:?}");
        let other_threads = at(11, 13, &[(1, 5_000_000), (3, 1)]).since(&before);
        assert!((other_threads.cpu_us() - 4.0 * tick).abs() < 1e-6);
    }

    #[test]
    fn busy_cpus() {
        let stat = |idle: u64| {
            format!("cpu 9 9\ncpu0 100 0 20 {idle} 0 0 0 30 0 0\ncpu1 0 0 0 7 0 0 0 0\n")
        };
        let (before, after) = (Cpus::parse(&stat(50)), Cpus::parse(&stat(150)));
        assert_eq!(after.busy_since(&before, &[0]), 0.0);
        assert_eq!(after.busy_since(&Cpus::default(), &[0]), 0.5);
        assert_eq!(after.stolen_since(&Cpus::default(), &[0]), 0.1);
    }

    #[test]
    fn our_own_process_has_used_something() {
        let before = Reading::default();
        let now = read(std::process::id());
        assert!(now.resident > 100_000);
        assert!(!now.run_ns.is_empty());
        assert!(now.since(&before).cpu_us() >= 0.0);
    }
}
