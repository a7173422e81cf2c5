//! What the process asks of the scheduler and of memory: pinning a thread to one CPU, the CPUs there are, huge pages.
//!
//! Best effort: a container may forbid the CPU, and an unpinned worker is slower, not wrong.

/// Pin the calling thread. `false` when the kernel refused.
pub(crate) fn pin(cpu: usize) -> bool {
    if cpu >= libc::CPU_SETSIZE as usize {
        return false;
    }
    // SAFETY: cpu_set_t is plain bits, for which zero is valid; CPU_SET stays inside it by the check above; the call reads the set
    // during the call only.
    unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        libc::CPU_SET(cpu, &mut set);
        libc::sched_setaffinity(0, std::mem::size_of::<libc::cpu_set_t>(), &set) == 0
    }
}

/// The CPUs that this process may run on, in order. Empty when the kernel does not say.
pub fn allowed_cpus() -> Vec<usize> {
    // SAFETY: cpu_set_t is plain bits, for which zero is valid; the kernel writes at most the size given; CPU_ISSET reads inside the
    // set, since the range ends at CPU_SETSIZE.
    unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        if libc::sched_getaffinity(0, std::mem::size_of::<libc::cpu_set_t>(), &mut set) != 0 {
            return Vec::new();
        }
        (0..libc::CPU_SETSIZE as usize)
            .filter(|cpu| libc::CPU_ISSET(*cpu, &set))
            .collect()
    }
}

/// No huge pages for this process from now on. Memory is then taken by 4 KiB instead of 2 MiB, which is what many small and idle connections
/// want. False when the kernel refused.
pub fn without_huge_pages() -> bool {
    // SAFETY: plain numbers; the call touches no memory.
    unsafe { libc::prctl(libc::PR_SET_THP_DISABLE, 1, 0, 0, 0) == 0 }
}
