//! Pipes that bulk bytes pass through without being copied, and a worker's stock of them.
//!
//! Not the splicing, which is in `splice`: here a pipe is made, lent, and taken back only empty.

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use crate::errno;

/// A pipe, and how much is in it.
pub(crate) struct Pipe {
    read: OwnedFd,
    write: OwnedFd,
    /// Bytes that it is asked to hold at most.
    size: u32,
    held: u32,
}

/// Splicing never waits: who finds a socket empty or full is told, and a poll says when that changes.
const FLAGS: u32 = libc::SPLICE_F_MOVE | libc::SPLICE_F_NONBLOCK;

impl Pipe {
    fn new(size: u32) -> io::Result<Pipe> {
        let mut fds = [0i32; 2];
        // SAFETY: room for two descriptors; the result is checked.
        if unsafe { libc::pipe2(fds.as_mut_ptr(), libc::O_CLOEXEC | libc::O_NONBLOCK) } < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: two fresh descriptors that are ours.
        let (read, write) = unsafe { fds.map(|fd| OwnedFd::from_raw_fd(fd)).into() };
        // A user without privileges may be out of pages for pipes (fs.pipe-user-pages-soft); then it keeps the size that it has.
        // SAFETY: no pointers.
        unsafe { libc::fcntl(write.as_raw_fd(), libc::F_SETPIPE_SZ, size as i32) };
        // SAFETY: no pointers.
        let got = unsafe { libc::fcntl(write.as_raw_fd(), libc::F_GETPIPE_SZ) };
        Ok(Pipe {
            read,
            write,
            size: u32::try_from(got).unwrap_or(0).min(size),
            held: 0,
        })
    }

    pub(crate) fn size(&self) -> u32 {
        self.size
    }

    pub(crate) fn held(&self) -> u32 {
        self.held
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.held == 0
    }

    /// Move what a socket has into the pipe, which is empty.
    pub(crate) fn fill(&mut self, socket: i32) -> Result<u32, i32> {
        let n = splice(socket, self.write.as_raw_fd(), self.size - self.held)?;
        self.held += n;
        Ok(n)
    }

    /// Move what the pipe holds into a socket.
    pub(crate) fn drain(&mut self, socket: i32) -> Result<u32, i32> {
        let n = splice(self.read.as_raw_fd(), socket, self.held)?;
        self.held = self.held.saturating_sub(n);
        Ok(n)
    }

    /// What the pipe holds, copied to the end of `to`.
    pub(crate) fn unload(&mut self, to: &mut Vec<u8>) {
        to.reserve(self.held as usize);
        while self.held > 0 {
            let spare = to.spare_capacity_mut();
            // SAFETY: writes at most `spare.len()` bytes into the vector's spare room, and its length grows by what was written.
            unsafe {
                let n = libc::read(
                    self.read.as_raw_fd(),
                    spare.as_mut_ptr().cast(),
                    spare.len().min(self.held as usize),
                );
                let Ok(n @ 1..) = u32::try_from(n) else {
                    break;
                };
                to.set_len(to.len() + n as usize);
                self.held = self.held.saturating_sub(n);
            }
        }
    }
}

fn splice(from: i32, to: i32, most: u32) -> Result<u32, i32> {
    loop {
        // SAFETY: no offsets: both ends are sockets or pipes. Rust ignores SIGPIPE at the start of a program, so that a closed socket is an error.
        let n = unsafe {
            libc::splice(
                from,
                std::ptr::null_mut(),
                to,
                std::ptr::null_mut(),
                most as usize,
                FLAGS,
            )
        };
        match u32::try_from(n) {
            Ok(n) => return Ok(n),
            Err(_) => match errno::last() {
                libc::EINTR => {}
                e => return Err(e),
            },
        }
    }
}

/// A worker's pipes. Lent only while they hold something, so that few serve many tunnels.
pub(crate) struct PipePool {
    idle: Vec<Pipe>,
    lent: u16,
    most: u16,
    size: u32,
}

/// Idle pipes that are kept: each takes two descriptors. As many directions of a worker seldom hold something at the same time.
const KEEP: usize = 16;
/// A pipe below this is not worth its system calls; the kernel gives a page or two to a user who has too many.
const LEAST: u32 = 64 * 1024;

impl PipePool {
    pub(crate) fn new(most: u16, size: u32) -> PipePool {
        PipePool {
            idle: Vec::new(),
            lent: 0,
            most,
            size,
        }
    }

    /// An empty pipe. `None`: all are lent, or none can be made now.
    pub(crate) fn take(&mut self) -> Option<Pipe> {
        if self.lent >= self.most {
            return None;
        }
        let pipe = match self.idle.pop() {
            Some(pipe) => pipe,
            None => Pipe::new(self.size)
                .ok()
                .filter(|pipe| pipe.size >= LEAST.min(self.size))?,
        };
        self.lent += 1;
        Some(pipe)
    }

    /// Take one back. One that still holds something is closed: its bytes must not come out of another connection.
    pub(crate) fn give(&mut self, pipe: Pipe) {
        self.lent -= 1;
        if pipe.is_empty() && self.idle.len() < KEEP {
            self.idle.push(pipe);
        }
    }

    pub(crate) fn lent(&self) -> u16 {
        self.lent
    }
}
