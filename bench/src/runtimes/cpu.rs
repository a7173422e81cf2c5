//! Processor time of a process by /proc, and pinning to a core. Nothing that a subject itself would have to count.

use std::io;
use std::ops::Sub;

/// Processor time in microseconds; its grain is the kernel's clock tick (10 ms as a rule).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Cpu {
    pub(crate) user_us: u64,
    pub(crate) system_us: u64,
}

impl Cpu {
    pub(crate) fn total_us(self) -> u64 {
        self.user_us + self.system_us
    }
}

impl Sub for Cpu {
    type Output = Cpu;
    fn sub(self, before: Cpu) -> Cpu {
        Cpu {
            user_us: self.user_us.saturating_sub(before.user_us),
            system_us: self.system_us.saturating_sub(before.system_us),
        }
    }
}

/// What the process has used so far, all threads.
pub(crate) fn of(pid: u32) -> io::Result<Cpu> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let ticks = ticks(&stat).ok_or_else(|| io::Error::other("/proc/PID/stat is not as known"))?;
    let tick_us = 1_000_000 / rustix::param::clock_ticks_per_second().max(1);
    Ok(Cpu {
        user_us: ticks.0 * tick_us,
        system_us: ticks.1 * tick_us,
    })
}

/// Fields 14 and 15; the name in field 2 may hold anything but ends at the last parenthesis.
fn ticks(stat: &str) -> Option<(u64, u64)> {
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_ascii_whitespace().skip(11);
    Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
}

/// Bind the calling thread, and those it starts from now on, to one core.
pub(crate) fn pin(core: usize) -> io::Result<()> {
    let mut set = rustix::thread::CpuSet::new();
    set.set(core);
    Ok(rustix::thread::sched_setaffinity(None, &set)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_spaces_and_parentheses_does_not_shift_the_fields() {
        let stat = "7 (a) b c) S 1 7 7 0 -1 4194560 1 0 0 0 42 23 0 0 20 0 1 0 9 0 0";
        assert_eq!(ticks(stat), Some((42, 23)));
        assert_eq!(ticks("7 (a"), None);
    }
}
