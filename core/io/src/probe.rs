//! What this kernel and its policy allow, found by trying it on a throw-away ring.
//!
//! Not a version check: a number says nothing about seccomp, sysctls and backports.

use std::io;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::OnceLock;

use io_uring::{cqueue, opcode, types};

use crate::buffers::Pool;
use crate::uring::bufring::{BufRing, GROUP};
use crate::uring::receive_entry;
use crate::uring::ring::{BATCH, Ring};

/// What this kernel and its policy allow; used for the choice of the driver and by `ringway doctor`.
#[derive(Debug, Clone)]
pub struct Probe {
    /// Features found, or what forbids io_uring.
    pub uring: Result<UringFeatures, String>,
    /// Release of the running kernel (`uname -r`).
    pub kernel: String,
}

/// Features found by trying them.
#[derive(Debug, Clone, Default)]
pub struct UringFeatures {
    /// Completions run when the worker asks for them (6.1).
    pub defer_taskrun: bool,
    /// The ring's descriptor can be registered (5.18).
    pub registered_ring: bool,
    /// No indirection in the submission queue (6.6).
    pub no_sqarray: bool,
    /// One accept for many connections (5.19).
    pub multishot_accept: bool,
    /// One receive for many messages (6.0).
    pub multishot_recv: bool,
    /// A byte limit on a multishot receive (6.17): back-pressure without cancelling.
    pub recv_credit: bool,
    /// Rings of provided buffers (5.19).
    pub buffer_ring: bool,
}

impl UringFeatures {
    /// All that the io_uring driver cannot do without.
    pub fn suffices(&self) -> bool {
        self.defer_taskrun && self.multishot_accept && self.multishot_recv && self.buffer_ring
    }
}

/// Try out io_uring. The trying is done once per process.
pub fn probe() -> Probe {
    cached().clone()
}

pub(crate) fn uring_suffices() -> bool {
    cached().uring.as_ref().is_ok_and(UringFeatures::suffices)
}

pub(crate) fn credit_works() -> bool {
    cached().uring.as_ref().is_ok_and(|f| f.recv_credit)
}

fn cached() -> &'static Probe {
    static PROBE: OnceLock<Probe> = OnceLock::new();
    PROBE.get_or_init(|| {
        // On a thread of its own: registered ring descriptors belong to the thread.
        let uring =
            std::thread::spawn(|| try_uring().map_err(|e| explain(&e, disabled().as_deref())))
                .join()
                .unwrap_or_else(|_| Err("trying io_uring failed unexpectedly".to_owned()));
        Probe {
            uring,
            kernel: kernel_release(),
        }
    })
}

fn kernel_release() -> String {
    // SAFETY: utsname is plain bytes, for which zero is valid, and uname fills it with terminated strings.
    let release = unsafe {
        let mut name: libc::utsname = std::mem::zeroed();
        libc::uname(&mut name);
        std::ffi::CStr::from_ptr(name.release.as_ptr()).to_owned()
    };
    release.to_string_lossy().into_owned()
}

/// The sysctl that forbids io_uring (6.6), where it exists.
fn disabled() -> Option<String> {
    let value = std::fs::read_to_string("/proc/sys/kernel/io_uring_disabled").ok()?;
    Some(value.trim().to_owned())
}

/// What forbids io_uring, in words that say what to change.
fn explain(error: &io::Error, sysctl: Option<&str>) -> String {
    match (error.raw_os_error(), sysctl) {
        (Some(libc::EPERM), Some(v @ ("1" | "2"))) => {
            format!("the sysctl kernel.io_uring_disabled is {v} (0 allows io_uring for everybody, 1 for a group only)")
        }
        (Some(libc::EPERM | libc::EACCES), _) => {
            "io_uring_setup is not permitted (EPERM): most likely the container's seccomp profile forbids io_uring".to_owned()
        }
        (Some(libc::ENOSYS), _) => "this kernel has no io_uring (ENOSYS): too old, built without it, or a sandbox".to_owned(),
        (Some(libc::EINVAL | libc::EOPNOTSUPP), _) => {
            "this kernel's io_uring is too old (SINGLE_ISSUER needs 6.0, the rest 6.1)".to_owned()
        }
        (Some(libc::ENOMEM), _) => "no memory for a ring (ENOMEM): see the limit of locked memory (ulimit -l)".to_owned(),
        _ => format!("io_uring cannot be set up: {error}"),
    }
}

fn try_uring() -> io::Result<UringFeatures> {
    let (mut ring, setup) = Ring::new(8, 16)?;
    let mut features = UringFeatures {
        defer_taskrun: setup.defer_taskrun,
        registered_ring: setup.registered,
        no_sqarray: setup.no_sqarray,
        ..UringFeatures::default()
    };
    features.multishot_accept = try_accept(&mut ring).unwrap_or(false);
    let pool = Pool::new(4, 64)?;
    if let Ok(mut buffers) = BufRing::new(ring.io(), GROUP, 4) {
        features.buffer_ring = true;
        buffers.publish(&pool);
        let plain = try_recv(&mut ring, 0);
        let credit = if matches!(plain, Ok(true)) {
            try_recv(&mut ring, 4)
        } else {
            Ok(false)
        };
        // A receive that was not waited for may still take a buffer: then the pool stays mapped.
        let ended = plain.is_ok() && credit.is_ok();
        features.multishot_recv = plain.unwrap_or(false);
        features.recv_credit = credit.unwrap_or(false);
        if buffers.close(ring.io()) && ended {
            // SAFETY: both receives have ended, and the kernel has forgotten the buffer ring.
            unsafe { pool.close() };
        } else {
            std::mem::forget(pool);
        }
    }
    Ok(features)
}

/// Wait (at most about a second) for the next completions.
fn next(ring: &mut Ring, batch: &mut Vec<cqueue::Entry>) -> io::Result<()> {
    for _ in 0..100 {
        ring.enter(10_000)?;
        ring.take(batch);
        if !batch.is_empty() {
            return Ok(());
        }
    }
    Err(io::Error::from(io::ErrorKind::TimedOut))
}

/// One connection through a multishot accept, which must go on afterwards.
fn try_accept(ring: &mut Ring) -> io::Result<bool> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let entry = opcode::AcceptMulti::new(types::Fd(listener.as_raw_fd()))
        .flags(libc::SOCK_CLOEXEC)
        .build();
    // SAFETY: points to nothing.
    unsafe { ring.push(&entry.user_data(1)) };
    let _client = TcpStream::connect(listener.local_addr()?)?;
    let mut batch = Vec::with_capacity(BATCH);
    next(ring, &mut batch)?;
    let Some(cqe) = batch.first() else {
        return Ok(false);
    };
    if cqe.result() >= 0 {
        // SAFETY: a fresh descriptor that nobody else knows of.
        drop(unsafe { OwnedFd::from_raw_fd(cqe.result()) });
    }
    let works = cqe.result() >= 0 && cqueue::more(cqe.flags());
    if works {
        // SAFETY: points to nothing.
        unsafe { ring.push(&opcode::AsyncCancel::new(1).build().user_data(2)) };
        let mut left = 2;
        while left > 0 {
            next(ring, &mut batch)?;
            left -= batch.len().min(left);
        }
    }
    Ok(works)
}

/// Eight bytes through a multishot receive. With a credit of four the receive must end by itself before it sees the end of the stream.
/// The kernel looks at the credit after each buffer, so that up to a buffer more than the credit may come (6.18 gives all eight).
fn try_recv(ring: &mut Ring, credit: u32) -> io::Result<bool> {
    let (ours, theirs) = UnixStream::pair()?;
    io::Write::write_all(&mut &theirs, b"12345678")?;
    // SAFETY: points to nothing; the buffer ring outlives the receive: it is waited for below.
    unsafe { ring.push(&receive_entry(ours.as_raw_fd(), credit).user_data(3)) };
    drop(theirs);
    let mut batch = Vec::with_capacity(BATCH);
    let mut results = Vec::new();
    loop {
        next(ring, &mut batch)?;
        results.extend(batch.iter().map(|c| (c.result(), cqueue::more(c.flags()))));
        if results.last().is_none_or(|&(_, more)| !more) {
            break;
        }
    }
    Ok(match credit {
        0 => results.first() == Some(&(8, true)),
        n => matches!(results[..], [(got, false)] if got >= n as i32),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_what_forbids() {
        for (errno, sysctl, word) in [
            (libc::EPERM, Some("2"), "kernel.io_uring_disabled is 2"),
            (libc::EPERM, Some("1"), "kernel.io_uring_disabled is 1"),
            (libc::EPERM, Some("0"), "seccomp"),
            (libc::EPERM, None, "seccomp"),
            (libc::ENOSYS, None, "ENOSYS"),
            (libc::EINVAL, Some("0"), "too old"),
            (libc::ENOMEM, Some("0"), "ulimit -l"),
            (libc::EIO, Some("0"), "os error 5"),
        ] {
            let text = explain(&io::Error::from_raw_os_error(errno), sysctl);
            assert!(text.contains(word), "{errno}: {text}");
        }
    }
}
