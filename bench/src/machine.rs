//! What machine a number comes from: kernel, processor, cores, load. No names, no paths.

use std::fs::read_to_string;

/// A line of markdown.
pub(crate) fn facts() -> String {
    let read = |path| read_to_string(path).unwrap_or_default();
    let cpuinfo = read("/proc/cpuinfo");
    let model = cpuinfo
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(':'))
        .map_or("unknown", |(_, model)| model.trim());
    // Not those that this thread may use: the load has pinned it.
    let cores = cpuinfo.lines().filter(|l| l.starts_with("processor"));
    let cores = cores.count();
    let load = read("/proc/loadavg");
    let load: Vec<&str> = load.split_ascii_whitespace().take(3).collect();
    let kernel = read("/proc/sys/kernel/osrelease");
    let kernel: String = kernel
        .trim()
        .chars()
        .take_while(|c| c.is_ascii_digit() || *c == '.')
        .collect();
    let kind = if cpuinfo.contains(" hypervisor") {
        "virtual machine"
    } else {
        "machine"
    };
    format!(
        "A {kind} of {cores} cores, {model}, Linux {kernel}; load average at the end {}.\n",
        load.join(" "),
    )
}
