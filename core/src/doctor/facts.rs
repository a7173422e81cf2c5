//! What the doctor looks at: the probe of the kernel and a few files below `/proc` and `/sys`. What cannot be read is `None`.
//!
//! Not here: whether it is good or bad.

use std::fs;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use ringway_io::Probe;

use crate::intercept::has_rules_program;

/// Facts about this machine and this process. All public: tests make their own.
#[derive(Debug, Clone)]
pub struct Facts {
    /// What trying io_uring showed.
    pub probe: Probe,
    /// `kernel.io_uring_disabled`: 0 for all, 1 for a group, 2 for nobody. `None` before Linux 6.6.
    pub io_uring_disabled: Option<u8>,
    /// `Seccomp:` of this process: 0 none, 1 strict, 2 filter.
    pub seccomp: Option<u8>,
    /// Soft and hard limit on open files.
    pub open_files: Option<(u64, u64)>,
    /// `net.core.somaxconn`.
    pub somaxconn: Option<u64>,
    /// First and last port for outgoing connections.
    pub local_ports: Option<(u32, u32)>,
    /// First port that needs no privilege.
    pub unprivileged_port: Option<u32>,
    /// CAP_NET_BIND_SERVICE is in effect.
    pub may_bind_low: Option<bool>,
    /// CAP_NET_ADMIN is in effect.
    pub may_intercept: Option<bool>,
    /// What writes the kernel's rules here.
    pub rules_program: Option<&'static str>,
    /// Cores of the machine that are online.
    pub cores: Option<usize>,
    /// Cores that this process may run on.
    pub allowed_cores: Option<usize>,
    /// CPU time that the control group grants.
    pub cpu_quota: Option<CpuQuota>,
    /// Memory limit of the control group, in bytes; `None` if there is none.
    pub memory_limit: Option<u64>,
    /// `fs.inotify.max_user_instances` and `max_user_watches`.
    pub inotify: Option<(u64, u64)>,
}

/// CPU time per period, both in microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CpuQuota {
    /// Granted.
    pub quota: u64,
    /// In each so long.
    pub period: u64,
}

/// Look.
pub fn gather() -> Facts {
    let status = text("/proc/self/status");
    let limits = text("/proc/self/limits");
    let groups = text("/proc/self/cgroup");
    Facts {
        probe: ringway_io::probe(),
        io_uring_disabled: number("/proc/sys/kernel/io_uring_disabled"),
        seccomp: field(&status, "Seccomp:").and_then(|v| v.parse().ok()),
        open_files: open_files(&limits),
        somaxconn: number("/proc/sys/net/core/somaxconn"),
        local_ports: pair(&text("/proc/sys/net/ipv4/ip_local_port_range")),
        unprivileged_port: number("/proc/sys/net/ipv4/ip_unprivileged_port_start"),
        may_bind_low: field(&status, "CapEff:").and_then(|m| has(m, NET_BIND_SERVICE)),
        may_intercept: field(&status, "CapEff:").and_then(|m| has(m, NET_ADMIN)),
        rules_program: has_rules_program(),
        cores: list_length(&text("/sys/devices/system/cpu/online")),
        allowed_cores: field(&status, "Cpus_allowed_list:").and_then(list_length),
        cpu_quota: cpu_quota(&groups),
        memory_limit: memory_limit(&groups),
        inotify: number("/proc/sys/fs/inotify/max_user_instances")
            .zip(number("/proc/sys/fs/inotify/max_user_watches")),
    }
}

/// Empty when it cannot be read.
fn text(path: impl AsRef<Path>) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

fn number<T: FromStr>(path: impl AsRef<Path>) -> Option<T> {
    text(path).trim().parse().ok()
}

/// The value of a line `Name:\tvalue`.
fn field<'a>(status: &'a str, name: &str) -> Option<&'a str> {
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    Some(line.trim())
}

fn pair<T: FromStr>(text: &str) -> Option<(T, T)> {
    let mut numbers = text.split_whitespace().map(str::parse);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
}

/// `Max open files   1024   524288   files`.
fn open_files(limits: &str) -> Option<(u64, u64)> {
    let mut words = field(limits, "Max open files")?.split_whitespace();
    let mut next = || match words.next()? {
        "unlimited" => Some(u64::MAX),
        word => word.parse().ok(),
    };
    Some((next()?, next()?))
}

/// Bits of a mask of capabilities (linux/capability.h).
const NET_BIND_SERVICE: u32 = 10;
const NET_ADMIN: u32 = 12;

fn has(mask: &str, capability: u32) -> Option<bool> {
    let mask = u64::from_str_radix(mask, 16).ok()?;
    Some(mask & (1 << capability) != 0)
}

/// How many numbers a list such as `0-3,8,10-11` names.
fn list_length(list: &str) -> Option<usize> {
    let mut length = 0;
    for part in list.trim().split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last): (usize, usize) = (first.parse().ok()?, last.parse().ok()?);
        length += (last + 1).checked_sub(first)?;
    }
    Some(length)
}

/// The folder of this process's control group: of version 2 (`controller` is empty), or of one controller of version 1. Inside a
/// container the path may be the host's, which is not visible; then the root of the mount is ours.
fn group_folder(groups: &str, controller: &str) -> Option<PathBuf> {
    let path = groups.lines().find_map(|line| {
        let mut parts = line.splitn(3, ':');
        let (_, controllers, path) = (parts.next()?, parts.next()?, parts.next()?);
        (controllers.split(',').any(|c| c == controller)).then_some(path)
    })?;
    let mount = Path::new("/sys/fs/cgroup").join(controller);
    let folder = mount.join(path.trim_start_matches('/'));
    Some(if folder.is_dir() { folder } else { mount })
}

fn cpu_quota(groups: &str) -> Option<CpuQuota> {
    let new = group_folder(groups, "").and_then(|f| pair(&text(f.join("cpu.max"))));
    let (quota, period) = new.or_else(|| {
        let folder = group_folder(groups, "cpu")?;
        let quota = number(folder.join("cpu.cfs_quota_us"))?;
        Some((quota, number(folder.join("cpu.cfs_period_us"))?))
    })?;
    Some(CpuQuota { quota, period })
}

fn memory_limit(groups: &str) -> Option<u64> {
    // Version 1 says "no limit" by a number near 2^63; version 2 by the word `max`.
    const NONE: u64 = 1 << 60;
    group_folder(groups, "")
        .and_then(|f| number(f.join("memory.max")))
        .or_else(|| number(group_folder(groups, "memory")?.join("memory.limit_in_bytes")))
        .filter(|limit| *limit < NONE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_cores() {
        let cases = [
            ("0", Some(1)),
            ("0-3", Some(4)),
            ("0-3,8,10-11\n", Some(7)),
            ("", None),
            ("3-1", None),
            ("0-x", None),
        ];
        for (list, expected) in cases {
            assert_eq!(list_length(list), expected, "{list:?}");
        }
    }

    #[test]
    fn limits_and_masks() {
        let limits = "Limit  Soft Limit  Hard Limit  Units\nMax open files            1024                 unlimited            files\n";
        assert_eq!(open_files(limits), Some((1024, u64::MAX)));
        assert_eq!(open_files("Max open files  many  1\n"), None);
        assert_eq!(has("0000000000000400", NET_BIND_SERVICE), Some(true));
        assert_eq!(has("0000000000000400", NET_ADMIN), Some(false));
        assert_eq!(has("?", NET_ADMIN), None);
        assert_eq!(pair::<u32>("32768\t60999\n"), Some((32768, 60999)));
        assert_eq!(pair::<u64>("max 100000"), None, "no quota");
    }
}
