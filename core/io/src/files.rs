//! The process's table of open files, made large before there is traffic. Not the limit on them.

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::net::UnixDatagram;

/// Let the table have room for `files` descriptors from now on. The kernel doubles it whenever it is full, and where threads share it, whoever needs the
/// next descriptor then sleeps for an RCU grace period, of 14 to 25 ms as measured: a whole worker with all its connections.
pub fn make_room_for_files(files: u32) -> io::Result<()> {
    let last = libc::c_int::try_from(files.saturating_sub(1)).unwrap_or(libc::c_int::MAX);
    let any = UnixDatagram::unbound()?;
    // SAFETY: plain call on a descriptor that is open as long as `any` is.
    let copy = unsafe { libc::fcntl(any.as_raw_fd(), libc::F_DUPFD_CLOEXEC, last) };
    if copy < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: fresh from the kernel, and nobody else's.
    drop(unsafe { OwnedFd::from_raw_fd(copy) });
    Ok(())
}
