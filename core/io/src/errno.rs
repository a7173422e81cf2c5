//! Errors as the kernel's numbers, so that a slot keeps one in four bytes and building an `io::Error` allocates nothing.
//!
//! Not an error type of its own: what leaves the crate is `std::io::Error`.

use std::io;

/// The thread's last error number.
pub(crate) fn last() -> i32 {
    io::Error::last_os_error()
        .raw_os_error()
        .unwrap_or(libc::EIO)
}

/// The error for a kernel number; our own deadline becomes `ErrorKind::TimedOut` this way too.
pub(crate) fn error(errno: i32) -> io::Error {
    io::Error::from_raw_os_error(errno)
}

/// What every wait answers once the deadline has passed.
pub(crate) fn timed_out() -> io::Error {
    error(libc::ETIMEDOUT)
}

/// What every wait answers when its worker has ended.
pub(crate) fn worker_ended() -> io::Error {
    error(libc::ECONNABORTED)
}

/// Accepting failed for want of descriptors or memory: waiting helps, asking again at once does not.
pub(crate) fn is_exhaustion(errno: i32) -> bool {
    matches!(
        errno,
        libc::EMFILE | libc::ENFILE | libc::ENOBUFS | libc::ENOMEM
    )
}

/// Accepting failed for one connection only (accept(2), "Error handling"): the next may be fine.
pub(crate) fn is_per_connection(errno: i32) -> bool {
    matches!(
        errno,
        libc::ECONNABORTED
            | libc::EINTR
            | libc::EPROTO
            | libc::EPERM
            | libc::ENETDOWN
            | libc::ENOPROTOOPT
            | libc::EHOSTDOWN
            | libc::ENONET
            | libc::EHOSTUNREACH
            | libc::ENETUNREACH
            | libc::ETIMEDOUT
            | libc::ECANCELED
            | libc::EAGAIN
    )
}

/// Sending a datagram failed because of the peer or the way there; the kernel says so once, of whichever was sent before.
pub(crate) fn is_of_the_peer(errno: i32) -> bool {
    matches!(
        errno,
        libc::ECONNREFUSED
            | libc::EHOSTUNREACH
            | libc::ENETUNREACH
            | libc::EHOSTDOWN
            | libc::ENETDOWN
            | libc::ENOPROTOOPT
            | libc::EPROTO
    )
}
