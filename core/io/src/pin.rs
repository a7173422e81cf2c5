//! Pinning the calling thread to one CPU.
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
