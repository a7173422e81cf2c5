//! Facts of the machine that belong to a figure: without them it says nothing.
//!
//! No names of hosts, users or folders.

use std::fs;

use serde::{Deserialize, Serialize};

/// What the machine is.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Machine {
    pub(crate) cpu: String,
    pub(crate) cpus: usize,
    /// CPUs that share a core with CPU 0.
    pub(crate) siblings_of_0: String,
    pub(crate) memory_mib: u64,
    pub(crate) kernel: String,
    /// Is it a virtual machine, as far as the CPU tells?
    pub(crate) virtual_machine: bool,
    /// The governor of CPU 0's frequency, if there is one.
    pub(crate) governor: String,
    pub(crate) loopback_mtu: String,
    pub(crate) congestion_control: String,
}

impl Machine {
    /// A line of prose for a recorded table.
    pub(crate) fn line(&self) -> String {
        let kind = if self.virtual_machine {
            "virtual machine"
        } else {
            "machine"
        };
        let version = |c: &char| c.is_ascii_digit() || *c == '.';
        let kernel: String = self.kernel.chars().take_while(version).collect();
        let load = load_average().map(|n| n.to_string()).join(" ");
        format!(
            "A {kind} of {} cores, {}, Linux {kernel}; load average at the end {load}.\n",
            self.cpus, self.cpu
        )
    }
}

/// The kernel's load averages over 1, 5 and 15 minutes.
pub(crate) fn load_average() -> [f64; 3] {
    let text = read("/proc/loadavg");
    let mut words = text.split(' ').map(|word| word.parse().unwrap_or(0.0));
    std::array::from_fn(|_| words.next().unwrap_or(0.0))
}

/// Look around.
pub(crate) fn facts() -> Machine {
    let cpuinfo = read("/proc/cpuinfo");
    let of = |name: &str| {
        cpuinfo
            .lines()
            .find(|line| line.starts_with(name))
            .and_then(|line| line.split_once(':'))
            .map_or(String::new(), |(_, value)| value.trim().to_owned())
    };
    let memory = read("/proc/meminfo");
    let memory = memory
        .split_whitespace()
        .nth(1)
        .and_then(|kib| kib.parse::<u64>().ok());
    Machine {
        cpu: of("model name"),
        cpus: cpuinfo
            .lines()
            .filter(|l| l.starts_with("processor"))
            .count(),
        siblings_of_0: read("/sys/devices/system/cpu/cpu0/topology/thread_siblings_list"),
        memory_mib: memory.unwrap_or(0) / 1024,
        kernel: read("/proc/sys/kernel/osrelease"),
        virtual_machine: of("flags").split(' ').any(|flag| flag == "hypervisor"),
        governor: read("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
        loopback_mtu: read("/sys/class/net/lo/mtu"),
        congestion_control: read("/proc/sys/net/ipv4/tcp_congestion_control"),
    }
}

fn read(path: &str) -> String {
    fs::read_to_string(path)
        .unwrap_or_default()
        .trim()
        .to_owned()
}
