//! What the doctor thinks of the facts: one function per subject, pure.
//!
//! Not here: the facts.

use ringway_io::UringFeatures;

use super::{CpuQuota, Facts};

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// As it should be.
    Ok,
    /// Works, but slower or smaller than it could.
    Warn,
    /// Will not serve.
    Fail,
}

/// One line of the report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// How bad it is.
    pub level: Level,
    /// What was looked at, in two words.
    pub subject: &'static str,
    /// What was found.
    pub text: String,
    /// A command or a setting.
    pub fix: Option<String>,
}

/// Open files below which not even a few hundred connections fit.
const FILES_LEAST: u64 = 512;
/// Open files for 30,000 clients at once, each with an upstream connection.
const FILES_GOOD: u64 = 65_536;
/// The kernel's own default since 5.4; a burst of connections beyond it is refused by the kernel.
const BACKLOG_GOOD: u64 = 4096;
/// Outgoing connections to one endpoint at once; the default range has 28,232.
const PORTS_GOOD: u32 = 20_000;
/// Least memory of a worker, rings and buffers, with room for a few thousand connections.
const MEMORY_PER_CORE: u64 = 64 << 20;

/// Judge everything, in the order of the report.
pub fn judge(facts: &Facts) -> Vec<Finding> {
    [
        Some(kernel(&facts.probe.kernel)),
        Some(uring(facts)),
        facts.probe.uring.as_ref().ok().map(features),
        facts.open_files.map(open_files),
        facts.somaxconn.map(backlog),
        facts.local_ports.map(local_ports),
        low_ports(facts),
        interception(facts),
        cores(facts),
        memory(facts),
        facts.inotify.map(inotify),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn ok(subject: &'static str, text: impl Into<String>) -> Finding {
    Finding {
        level: Level::Ok,
        subject,
        text: text.into(),
        fix: None,
    }
}

fn warn(subject: &'static str, text: impl Into<String>, fix: impl Into<String>) -> Finding {
    Finding {
        level: Level::Warn,
        subject,
        text: text.into(),
        fix: Some(fix.into()),
    }
}

fn fail(subject: &'static str, text: impl Into<String>, fix: impl Into<String>) -> Finding {
    Finding {
        level: Level::Fail,
        ..warn(subject, text, fix)
    }
}

/// 6.1 is the first long-term kernel with DEFER_TASKRUN, multishot recv and provided-buffer rings.
fn kernel(version: &str) -> Finding {
    let mut numbers = version
        .split(|c: char| !c.is_ascii_digit())
        .map(|n| n.parse().unwrap_or(0));
    let found = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    if found >= (6, 1) {
        return ok("kernel", version);
    }
    let text =
        format!("{version}: too old for what Ringway uses of io_uring; epoll serves instead");
    warn("kernel", text, "Linux 6.1 or later")
}

fn uring(facts: &Facts) -> Finding {
    let why = match &facts.probe.uring {
        Ok(_) => return ok("io_uring", "available"),
        Err(why) => why,
    };
    let text = format!("not available ({why}); epoll serves instead");
    let fix = match (facts.io_uring_disabled, facts.seccomp) {
        (Some(1), _) => {
            "sysctl -w kernel.io_uring_disabled=0, or kernel.io_uring_group=<a group of this process>"
        }
        (Some(2..), _) => "sysctl -w kernel.io_uring_disabled=0",
        (_, Some(2)) => {
            "a seccomp filter is on, as containers have by default: allow io_uring_setup, io_uring_enter and io_uring_register \
             in the profile (docker run --security-opt seccomp=PROFILE.json; Kubernetes securityContext.seccompProfile)"
        }
        _ => {
            "Linux 6.1 or later with CONFIG_IO_URING=y; where it may not be used, server.io = \"epoll\" says so without a warning"
        }
    };
    warn("io_uring", text, fix)
}

fn features(found: &UringFeatures) -> Finding {
    let all = [
        ("buffer ring", found.buffer_ring),
        ("multishot accept", found.multishot_accept),
        ("multishot recv", found.multishot_recv),
        ("deferred task work", found.defer_taskrun),
        ("registered ring", found.registered_ring),
        ("no submission array", found.no_sqarray),
        ("recv byte credit", found.recv_credit),
    ];
    let names = |have: bool| {
        let some: Vec<_> = all.iter().filter(|f| f.1 == have).map(|f| f.0).collect();
        some.join(", ")
    };
    let missing = names(false);
    if missing.is_empty() {
        return ok("features", names(true));
    }
    // The last two are savings, not needs.
    let needed = all[..5].iter().all(|feature| feature.1);
    let text = format!("{}; without: {missing}", names(true));
    if needed {
        return ok("features", text);
    }
    warn("features", text, "Linux 6.1 or later")
}

fn open_files((soft, hard): (u64, u64)) -> Finding {
    const SUBJECT: &str = "open files";
    let show = |n: u64| match n {
        u64::MAX => "unlimited".to_owned(),
        n => n.to_string(),
    };
    let text = format!("soft {}, hard {}", show(soft), show(hard));
    let fix = if hard >= FILES_GOOD {
        "ulimit -n 1048576, or LimitNOFILE=1048576 in the systemd unit"
    } else {
        "LimitNOFILE=1048576 in the systemd unit, docker run --ulimit nofile=1048576, or `* - nofile 1048576` in /etc/security/limits.conf"
    };
    if soft < FILES_LEAST {
        fail(SUBJECT, text, fix)
    } else if soft < FILES_GOOD {
        let pairs = soft / 2;
        let text =
            format!("{text}: about {pairs} clients at once, each with an upstream connection");
        warn(SUBJECT, text, fix)
    } else {
        ok(SUBJECT, text)
    }
}

fn backlog(somaxconn: u64) -> Finding {
    const SUBJECT: &str = "accept queue";
    let text = format!("net.core.somaxconn {somaxconn}");
    if somaxconn >= BACKLOG_GOOD {
        return ok(SUBJECT, text);
    }
    let text = format!("{text}: bursts of new connections overflow it");
    warn(
        SUBJECT,
        text,
        format!("sysctl -w net.core.somaxconn={BACKLOG_GOOD}"),
    )
}

fn local_ports((first, last): (u32, u32)) -> Finding {
    const SUBJECT: &str = "local ports";
    let ports = (last + 1).saturating_sub(first);
    let text = format!("{first} to {last}: {ports} connections to one endpoint");
    if ports >= PORTS_GOOD {
        return ok(SUBJECT, text);
    }
    warn(
        SUBJECT,
        text,
        "sysctl -w net.ipv4.ip_local_port_range=\"10240 65535\"",
    )
}

fn low_ports(facts: &Facts) -> Option<Finding> {
    const SUBJECT: &str = "low ports";
    let first = facts.unprivileged_port?;
    Some(if first <= 80 || facts.may_bind_low? {
        ok(SUBJECT, "80 and 443 may be bound")
    } else {
        warn(
            SUBJECT,
            format!("ports below {first} may not be bound by this user"),
            "AmbientCapabilities=CAP_NET_BIND_SERVICE in the systemd unit, or setcap cap_net_bind_service=+ep on the binary",
        )
    })
}

/// Whoever does not intercept lacks nothing, so that nothing here is a warning.
fn interception(facts: &Facts) -> Option<Finding> {
    let may = facts.may_intercept?;
    let text = match facts.rules_program {
        None => "neither nft nor iptables is in PATH, so `ringway intercept` can write no rules; nftables has it".to_owned(),
        Some(program) if may => format!("redirect and tproxy; rules by {program}"),
        Some(program) => format!(
            "redirect alone (tproxy and marks take CAP_NET_ADMIN); rules by {program}, as root"
        ),
    };
    Some(ok("interception", text))
}

/// One worker is pinned to each allowed core. A quota below that stops all of them in the middle of a period.
fn cores(facts: &Facts) -> Option<Finding> {
    const SUBJECT: &str = "cores";
    let allowed = facts.allowed_cores.or(facts.cores)?;
    let mut text = match facts.cores {
        Some(all) if all != allowed => format!("{allowed} of {all} allowed"),
        _ => format!("{allowed}"),
    };
    let granted = facts.cpu_quota.filter(|q| q.period > 0);
    let Some(CpuQuota { quota, period }) = granted else {
        return Some(ok(SUBJECT, text));
    };
    let share = quota as f64 / period as f64;
    text = format!("{text}, a quota of {share:.1} by the control group");
    if share + 0.01 >= allowed as f64 {
        return Some(ok(SUBJECT, text));
    }
    let workers = (share as usize).max(1);
    let text =
        format!("{text}: {allowed} pinned workers would be throttled, which shows as latency");
    let fix = format!(
        "server.workers = {workers}, or pin whole cores (Kubernetes: static CPU manager policy)"
    );
    Some(warn(SUBJECT, text, fix))
}

fn memory(facts: &Facts) -> Option<Finding> {
    const SUBJECT: &str = "memory";
    let Some(limit) = facts.memory_limit else {
        return Some(ok(SUBJECT, "no limit by the control group"));
    };
    let cores = facts.allowed_cores.or(facts.cores).unwrap_or(1).max(1) as u64;
    let text = format!("limited to {} MiB by the control group", limit >> 20);
    let wanted = cores * MEMORY_PER_CORE;
    if limit >= wanted {
        return Some(ok(SUBJECT, text));
    }
    let text = format!("{text}; {cores} workers want {} MiB", wanted >> 20);
    let fix = format!(
        "a higher limit (MemoryMax=, resources.limits.memory), or server.workers = {}",
        (limit / MEMORY_PER_CORE).max(1)
    );
    Some(if limit < MEMORY_PER_CORE / 4 {
        fail(SUBJECT, text, fix)
    } else {
        warn(SUBJECT, text, fix)
    })
}

/// Live reload needs one instance and a few watches; others of the same user share them.
fn inotify((instances, watches): (u64, u64)) -> Finding {
    const SUBJECT: &str = "file watches";
    let text = format!("{instances} inotify instances, {watches} watches per user");
    if instances >= 128 && watches >= 8192 {
        return ok(SUBJECT, text);
    }
    warn(
        SUBJECT,
        format!("{text}: when they run out, changes are seen by reading the files every 2 s"),
        "sysctl -w fs.inotify.max_user_instances=1024 fs.inotify.max_user_watches=65536",
    )
}

#[cfg(test)]
#[path = "judge_tests.rs"]
mod tests;
