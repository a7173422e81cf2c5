//! The ring: push never fails, one system call per turn, completions in batches.
//!
//! Knows nothing of sockets. Built on the `io-uring` crate for setup, mappings and queue access; `io_uring_enter` is called here, so
//! that submitting, waiting and the timeout are one call through the registered descriptor.

use std::collections::VecDeque;
use std::io;
use std::os::fd::AsRawFd;

use io_uring::{IoUring, cqueue, squeue};

const ENTER_GETEVENTS: u32 = 1;
const ENTER_EXT_ARG: u32 = 8;
const ENTER_REGISTERED_RING: u32 = 16;
const REGISTER_RING_FDS: u32 = 20;
const UNREGISTER_RING_FDS: u32 = 21;

/// `struct io_uring_getevents_arg`.
#[repr(C)]
struct EnterArg {
    sigmask: u64,
    sigmask_size: u32,
    min_wait_usec: u32,
    timespec: u64,
}

/// `struct __kernel_timespec`.
#[repr(C)]
struct KernelTimespec {
    sec: i64,
    nsec: i64,
}

/// `struct io_uring_rsrc_update`.
#[repr(C)]
struct RingUpdate {
    offset: u32,
    reserved: u32,
    fd: u64,
}

/// Which setup flags the kernel took.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Setup {
    pub(crate) defer_taskrun: bool,
    pub(crate) no_sqarray: bool,
    pub(crate) registered: bool,
}

/// One thread's ring.
pub(crate) struct Ring {
    io: IoUring,
    /// Number for `enter`: the registered index, or the descriptor.
    enter_fd: i32,
    enter_flags: u32,
    registered: bool,
    /// Entries that found the queue full even after submitting: they go first next time, in order.
    waiting: VecDeque<squeue::Entry>,
    pub(crate) enters: u64,
    pub(crate) sq_full: u64,
    pub(crate) cq_overflow: u64,
}

/// Completions taken from the queue at a time.
pub(crate) const BATCH: usize = 64;

impl Ring {
    /// Set up with all that the kernel takes: flags it does not know are left out one by one.
    pub(crate) fn new(sq: u32, cq: u32) -> io::Result<(Ring, Setup)> {
        let mut setup = Setup {
            defer_taskrun: true,
            no_sqarray: true,
            registered: false,
        };
        let io = loop {
            let mut builder = IoUring::builder();
            builder
                .setup_cqsize(cq.max(sq))
                .setup_clamp()
                .setup_submit_all()
                .setup_single_issuer()
                .dontfork();
            if setup.defer_taskrun {
                builder.setup_defer_taskrun();
            } else {
                builder.setup_coop_taskrun();
            }
            if setup.no_sqarray {
                builder.setup_no_sqarray();
            }
            match builder.build(sq.max(1)) {
                Ok(io) => break io,
                Err(e) if e.raw_os_error() == Some(libc::EINVAL) => {
                    if setup.no_sqarray {
                        setup.no_sqarray = false;
                    } else if setup.defer_taskrun {
                        setup.defer_taskrun = false;
                    } else {
                        return Err(e);
                    }
                }
                Err(e) => return Err(e),
            }
        };
        if !io.params().is_feature_ext_arg() || !io.params().is_feature_nodrop() {
            return Err(io::Error::from_raw_os_error(libc::EOPNOTSUPP));
        }
        let fd = io.as_raw_fd();
        let mut ring = Ring {
            io,
            enter_fd: fd,
            enter_flags: 0,
            registered: false,
            waiting: VecDeque::new(),
            enters: 0,
            sq_full: 0,
            cq_overflow: 0,
        };
        ring.register();
        setup.registered = ring.registered;
        Ok((ring, setup))
    }

    /// Register the ring's own descriptor, which saves a look-up per `enter`. Not having it is only slower.
    fn register(&mut self) {
        let mut update = RingUpdate {
            offset: u32::MAX,
            reserved: 0,
            fd: self.io.as_raw_fd() as u64,
        };
        // SAFETY: one readable and writable update, as the call takes.
        let r = unsafe {
            libc::syscall(
                libc::SYS_io_uring_register,
                self.io.as_raw_fd(),
                REGISTER_RING_FDS,
                &raw mut update,
                1,
            )
        };
        if r == 1 {
            self.enter_fd = update.offset as i32;
            self.enter_flags = ENTER_REGISTERED_RING;
            self.registered = true;
        }
    }

    pub(crate) fn io(&self) -> &IoUring {
        &self.io
    }

    /// Queue an operation. Never fails: a full queue is submitted first, and what does not fit even then waits in order.
    ///
    /// # Safety
    /// All that the entry points to stays valid until the operation's last completion.
    #[inline]
    pub(crate) unsafe fn push(&mut self, entry: &squeue::Entry) {
        if self.waiting.is_empty() {
            // SAFETY: the caller's promise.
            if unsafe { self.io.submission().push(entry) }.is_ok() {
                return;
            }
            self.sq_full += 1;
            // Without GETEVENTS: completions are taken in one place only.
            let _ = self.call(0, 0, 0);
            // SAFETY: the caller's promise.
            if unsafe { self.io.submission().push(entry) }.is_ok() {
                return;
            }
        }
        self.waiting.push_back(entry.clone());
    }

    /// Fill the queue from those that wait.
    fn refill(&mut self) {
        while let Some(entry) = self.waiting.front() {
            // SAFETY: who pushed it promised that it stays valid.
            if unsafe { self.io.submission().push(entry) }.is_err() {
                break;
            }
            self.waiting.pop_front();
        }
    }

    /// Is there something that an `enter` without waiting would bring forward?
    pub(crate) fn has_more(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Submit all, run deferred work, wait at most `wait_us` for one completion.
    pub(crate) fn enter(&mut self, wait_us: u64) -> io::Result<()> {
        self.refill();
        let overflow = self.io.submission().cq_overflow();
        if overflow {
            self.cq_overflow += 1;
        }
        let mut min_complete = u32::from(wait_us > 0 && !overflow);
        loop {
            let r = self.call(min_complete, ENTER_GETEVENTS, wait_us);
            match r {
                Ok(()) => {}
                // The time is over, a signal came, or the kernel wants its completions taken first.
                Err(libc::ETIME | libc::EINTR | libc::EBUSY | libc::EAGAIN) => break,
                Err(e) => return Err(io::Error::from_raw_os_error(e)),
            }
            if self.waiting.is_empty() {
                break;
            }
            let before = self.waiting.len();
            self.refill();
            if self.waiting.len() == before {
                break;
            }
            min_complete = 0;
        }
        Ok(())
    }

    fn call(&mut self, min_complete: u32, flags: u32, wait_us: u64) -> Result<(), i32> {
        let timespec = KernelTimespec {
            sec: (wait_us / 1_000_000) as i64,
            nsec: (wait_us % 1_000_000 * 1000) as i64,
        };
        let arg = EnterArg {
            sigmask: 0,
            sigmask_size: 0,
            min_wait_usec: 0,
            timespec: (&raw const timespec) as u64,
        };
        let (flags, arg, size) = if min_complete > 0 {
            (
                flags | ENTER_EXT_ARG,
                &raw const arg,
                std::mem::size_of::<EnterArg>(),
            )
        } else {
            (flags, std::ptr::null(), 0)
        };
        let submit = self.io.submission().len() as u32;
        self.enters += 1;
        // SAFETY: `arg` and the timespec it names outlive the call; the entries in the queue are valid (promised to `push`).
        let r = unsafe {
            libc::syscall(
                libc::SYS_io_uring_enter,
                self.enter_fd,
                submit,
                min_complete,
                flags | self.enter_flags,
                arg,
                size,
            )
        };
        if r < 0 {
            Err(crate::errno::last())
        } else {
            Ok(())
        }
    }

    /// Move up to `BATCH` completions out of the queue, so that dealing with them may push.
    #[inline]
    pub(crate) fn take(&mut self, batch: &mut Vec<cqueue::Entry>) {
        batch.clear();
        let mut queue = self.io.completion();
        batch.extend(queue.by_ref().take(BATCH));
    }

    /// Do the last entries need another `enter`? (For winding up only.)
    pub(crate) fn unsubmitted(&mut self) -> usize {
        self.io.submission().len() + self.waiting.len()
    }
}

impl Drop for Ring {
    fn drop(&mut self) {
        if self.registered {
            let mut update = RingUpdate {
                offset: self.enter_fd as u32,
                reserved: 0,
                fd: 0,
            };
            // SAFETY: one readable update; only this thread's table is concerned.
            unsafe {
                libc::syscall(
                    libc::SYS_io_uring_register,
                    self.io.as_raw_fd(),
                    UNREGISTER_RING_FDS,
                    &raw mut update,
                    1,
                )
            };
        }
    }
}
