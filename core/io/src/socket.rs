//! Inline system calls on sockets: those that never block and are not worth a trip through the ring.
//!
//! Never the ring's OP_SHUTDOWN: it goes to a kernel worker thread; shutdown(2) itself is short.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};

use socket2::{Domain, SockRef, Socket, Type};

use crate::dial::DialAs;
use crate::errno;

/// shutdown(2); a socket that is not connected any more needs none.
pub(crate) fn shutdown(fd: RawFd, how: i32) {
    // SAFETY: no pointers; a wrong descriptor is an error.
    unsafe { libc::shutdown(fd, how) };
}

pub(crate) fn set_int(fd: RawFd, level: i32, name: i32, value: i32) -> io::Result<()> {
    // SAFETY: four readable bytes of an i32.
    let r = unsafe {
        libc::setsockopt(
            fd,
            level,
            name,
            (&raw const value).cast(),
            std::mem::size_of::<i32>() as libc::socklen_t,
        )
    };
    if r == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// Small writes go out at once. Sockets that are not TCP refuse, which is fine.
pub(crate) fn no_delay(fd: RawFd) {
    let _ = set_int(fd, libc::IPPROTO_TCP, libc::TCP_NODELAY, 1);
}

/// The coming close(2) sends RST and drops what is unsent.
pub(crate) fn reset_on_close(fd: RawFd) {
    let linger = libc::linger {
        l_onoff: 1,
        l_linger: 0,
    };
    // SAFETY: a readable linger of the size told.
    unsafe {
        libc::setsockopt(
            fd,
            libc::SOL_SOCKET,
            libc::SO_LINGER,
            (&raw const linger).cast(),
            std::mem::size_of::<libc::linger>() as libc::socklen_t,
        );
    }
}

/// The socket's pending error, 0 for none. Reading it clears it in the kernel.
pub(crate) fn take_error(fd: RawFd) -> i32 {
    let mut value = 0i32;
    let mut len = std::mem::size_of::<i32>() as libc::socklen_t;
    // SAFETY: four writable bytes, whose length is told.
    let r = unsafe {
        libc::getsockopt(
            fd,
            libc::SOL_SOCKET,
            libc::SO_ERROR,
            (&raw mut value).cast(),
            &mut len,
        )
    };
    if r == 0 { value } else { errno::last() }
}

/// A socket of the address's family, ready for either driver.
fn socket(family: i32, kind: i32) -> io::Result<OwnedFd> {
    // SAFETY: no pointers; the result is checked.
    let fd = unsafe { libc::socket(family, kind | libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC, 0) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: a fresh descriptor that is ours.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// A socket for datagrams to and from the address.
pub(crate) fn datagram_socket(address: &socket2::SockAddr) -> io::Result<OwnedFd> {
    socket(i32::from(address.family()), libc::SOCK_DGRAM)
}

/// A stream socket of the address's family.
pub(crate) fn stream_socket(address: &socket2::SockAddr) -> io::Result<OwnedFd> {
    let family = i32::from(address.family());
    let fd = socket(family, libc::SOCK_STREAM)?;
    if family == libc::AF_INET || family == libc::AF_INET6 {
        no_delay(fd.as_raw_fd());
    }
    Ok(fd)
}

/// Take on a mark and a source address, before connect(2).
pub(crate) fn take_on(fd: &OwnedFd, who: DialAs) -> io::Result<()> {
    let socket = SockRef::from(fd);
    if who.mark != 0 {
        socket.set_mark(who.mark)?;
    }
    let Some(source) = who.source else {
        return Ok(());
    };
    transparent(&socket, source.is_ipv6())?;
    // Else each source port could be used once, not once per destination. A kernel that refuses it does just that.
    let _ = set_int(
        fd.as_raw_fd(),
        libc::IPPROTO_IP,
        libc::IP_BIND_ADDRESS_NO_PORT,
        1,
    );
    socket.bind(&SocketAddr::new(source, 0).into())
}

/// Allow addresses that are not this machine's (CAP_NET_ADMIN): for a listening socket, as the destination; for a connection, as the source.
pub fn transparent(socket: &SockRef<'_>, ipv6: bool) -> io::Result<()> {
    if ipv6 {
        socket.set_ip_transparent_v6(true)
    } else {
        socket.set_ip_transparent_v4(true)
    }
}

/// Whether the address is one of this machine's own, by asking the kernel for a socket on it. Never blocks.
pub fn is_local(ip: IpAddr) -> bool {
    let address = SocketAddr::new(ip, 0);
    Socket::new(Domain::for_address(address), Type::DGRAM.cloexec(), None)
        .and_then(|socket| socket.bind(&address.into()))
        .is_ok()
}

/// connect(2) without waiting. `Ok(false)`: under way.
pub(crate) fn connect(fd: RawFd, address: &socket2::SockAddr) -> Result<bool, i32> {
    // SAFETY: the address is valid for the length it tells.
    let r = unsafe { libc::connect(fd, address.as_ptr().cast(), address.len()) };
    if r == 0 {
        return Ok(true);
    }
    match errno::last() {
        libc::EINPROGRESS | libc::EINTR => Ok(false),
        e => Err(e),
    }
}

/// accept4(2) without waiting.
pub(crate) fn accept(fd: RawFd) -> Result<OwnedFd, i32> {
    // SAFETY: null address: none wanted.
    let r = unsafe {
        libc::accept4(
            fd,
            std::ptr::null_mut(),
            std::ptr::null_mut(),
            libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC,
        )
    };
    if r < 0 {
        return Err(errno::last());
    }
    // SAFETY: a fresh descriptor that is ours.
    Ok(unsafe { OwnedFd::from_raw_fd(r) })
}

/// Set O_NONBLOCK: the epoll driver and splice(2) need it, the ring does not mind.
pub(crate) fn set_nonblocking(fd: RawFd) -> io::Result<()> {
    // SAFETY: no pointers.
    let flags = unsafe { libc::fcntl(fd, libc::F_GETFL) };
    if flags < 0 {
        return Err(io::Error::last_os_error());
    }
    if flags & libc::O_NONBLOCK != 0 {
        return Ok(());
    }
    // SAFETY: no pointers.
    if unsafe { libc::fcntl(fd, libc::F_SETFL, flags | libc::O_NONBLOCK) } < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// `tcpi_bytes_acked` of TCP_INFO (RFC 4898 tcpEStatsAppHCThruOctetsAcked): a u64 at byte 120 of the kernel's `struct tcp_info`, which libc's
/// definition ends before.
pub(crate) fn tcp_acknowledged(fd: RawFd) -> io::Result<u64> {
    const AT: usize = 120;
    let mut info = [0u8; 128];
    let mut len = info.len() as libc::socklen_t;
    // SAFETY: the kernel writes at most `len` bytes into the array, and the length into `len`.
    let done = unsafe {
        libc::getsockopt(
            fd,
            libc::IPPROTO_TCP,
            libc::TCP_INFO,
            info.as_mut_ptr().cast(),
            &mut len,
        )
    };
    if done < 0 {
        return Err(io::Error::last_os_error());
    }
    match info.get(AT..AT + 8).and_then(|b| b.try_into().ok()) {
        Some(bytes) if len as usize >= AT + 8 => Ok(u64::from_ne_bytes(bytes)),
        _ => Err(io::Error::from_raw_os_error(libc::ENOPROTOOPT)),
    }
}

/// Leave the listening state. What still waits in the accept queue is reset.
pub(crate) fn stop_listening(fd: RawFd) {
    // SAFETY: plain numbers. It fails only for a socket that does not listen (any more).
    unsafe { libc::shutdown(fd, libc::SHUT_RDWR) };
}
