//! How other threads reach a worker: an inbox of task ids and an eventfd, found by the worker's small number.
//!
//! Entries are made once and never freed, so a waker that outlives its worker points nowhere: at worst it causes one spurious wake
//! in a later worker of the same number, which futures must bear anyway.

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::sync::OnceLock;
use std::sync::atomic::{
    AtomicBool, Ordering::AcqRel, Ordering::Acquire, Ordering::Release, Ordering::SeqCst, fence,
};

use crossbeam_queue::ArrayQueue;

/// Workers alive at the same time in one process.
const WORKERS: usize = 256;
/// Wakes that may wait; beyond it every task of the worker is woken instead.
const INBOX: usize = 1024;

static REMOTES: [OnceLock<Remote>; WORKERS] = [const { OnceLock::new() }; WORKERS];

/// One worker as seen from other threads.
pub(crate) struct Remote {
    inbox: ArrayQueue<u64>,
    overflow: AtomicBool,
    sleeping: AtomicBool,
    taken: AtomicBool,
    eventfd: OwnedFd,
}

impl Remote {
    fn new() -> io::Result<Remote> {
        // Blocking on purpose: io_uring answers EAGAIN at once for a non-blocking eventfd instead of waiting. Nobody else reads it.
        // SAFETY: no pointers; the result is checked.
        let fd = unsafe { libc::eventfd(0, libc::EFD_CLOEXEC) };
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(Remote {
            inbox: ArrayQueue::new(INBOX),
            overflow: AtomicBool::new(false),
            sleeping: AtomicBool::new(false),
            taken: AtomicBool::new(true),
            // SAFETY: a fresh descriptor that is ours.
            eventfd: unsafe { OwnedFd::from_raw_fd(fd) },
        })
    }

    /// The descriptor that becomes readable when a sleeping worker is woken.
    pub(crate) fn eventfd(&self) -> i32 {
        self.eventfd.as_raw_fd()
    }

    /// Announce that the worker is about to wait. `false` when something came in meanwhile: then it must not wait.
    pub(crate) fn may_sleep(&self) -> bool {
        self.sleeping.store(true, SeqCst);
        fence(SeqCst);
        if self.inbox.is_empty() && !self.overflow.load(SeqCst) {
            return true;
        }
        self.sleeping.store(false, SeqCst);
        false
    }

    /// The worker is awake again: no system call is needed to wake it.
    #[inline]
    pub(crate) fn awake(&self) {
        self.sleeping.store(false, Release);
    }

    /// The next task id that another thread woke.
    #[inline]
    pub(crate) fn pop(&self) -> Option<u64> {
        if self.inbox.is_empty() {
            None
        } else {
            self.inbox.pop()
        }
    }

    /// Did more wakes come in than the inbox holds? Clears the mark.
    #[inline]
    pub(crate) fn take_overflow(&self) -> bool {
        self.overflow.load(Acquire) && self.overflow.swap(false, AcqRel)
    }

    fn wake(&self, id: u64) {
        if self.inbox.push(id).is_err() {
            self.overflow.store(true, SeqCst);
        }
        fence(SeqCst);
        if self.sleeping.load(SeqCst) && self.sleeping.swap(false, SeqCst) {
            let one = 1u64.to_ne_bytes();
            // SAFETY: eight readable bytes, an open descriptor that is never closed. It blocks only at u64::MAX - 1 unread wakes, and
            // one is written per sleep.
            unsafe { libc::write(self.eventfd(), one.as_ptr().cast(), one.len()) };
        }
    }

    /// The number may be used by a later worker.
    pub(crate) fn give_back(&self) {
        while self.inbox.pop().is_some() {}
        self.overflow.store(false, SeqCst);
        self.sleeping.store(false, SeqCst);
        self.taken.store(false, SeqCst);
    }
}

/// A free worker number and its entry.
pub(crate) fn claim() -> io::Result<(u8, &'static Remote)> {
    for (id, entry) in REMOTES.iter().enumerate() {
        match entry.get() {
            Some(remote) => {
                if !remote.taken.swap(true, SeqCst) {
                    return Ok((id as u8, remote));
                }
            }
            None => {
                if entry.set(Remote::new()?).is_ok()
                    && let Some(remote) = entry.get()
                {
                    return Ok((id as u8, remote));
                }
            }
        }
    }
    Err(io::Error::other("256 workers run already"))
}

/// Wake a task of another thread's worker.
pub(crate) fn wake(worker: u8, id: u64) {
    if let Some(remote) = REMOTES[usize::from(worker)].get() {
        remote.wake(id);
    }
}
