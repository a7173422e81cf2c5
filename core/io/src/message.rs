//! Datagrams with their addresses: sendmsg(2) and recvmsg(2), and what the kernel writes beside the bytes (socket addresses, the address that
//! was asked), as values.
//!
//! Not a socket: who owns the descriptor and when it is read is in `datagrams`.

use std::io;
use std::mem;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};

use socket2::SockAddr;

use crate::errno;
use crate::socket;

/// Room for the address of whoever sent: the longer of the two families.
pub(crate) const NAME: usize = mem::size_of::<libc::sockaddr_in6>();
/// A control message's header, which is aligned as a word is.
const HEAD: usize = mem::size_of::<libc::cmsghdr>();
const WORD: usize = mem::size_of::<usize>();
/// Room for the control message that names the asked address: the longer of the two families.
pub(crate) const CONTROL: usize = HEAD + mem::size_of::<libc::in6_pktinfo>().next_multiple_of(WORD);

/// Control messages must lie as words do.
#[repr(C, align(8))]
struct Control([u8; CONTROL]);

/// What recvmsg(2) tells beside the bytes.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Received {
    pub(crate) len: usize,
    pub(crate) from: Option<SocketAddr>,
    pub(crate) to: Option<IpAddr>,
    pub(crate) truncated: bool,
}

/// An empty header. The kernel's own calls take what is set in it later.
pub(crate) fn header() -> libc::msghdr {
    // SAFETY: a msghdr is plain old data, for which zero is valid.
    unsafe { mem::zeroed() }
}

/// One datagram into `into`, without waiting.
pub(crate) fn receive(fd: RawFd, into: &mut [u8]) -> Result<Received, i32> {
    let (mut name, mut control) = ([0u8; NAME], Control([0; CONTROL]));
    let mut piece = libc::iovec {
        iov_base: into.as_mut_ptr().cast(),
        iov_len: into.len(),
    };
    let mut message = header();
    message.msg_name = name.as_mut_ptr().cast();
    message.msg_namelen = NAME as libc::socklen_t;
    message.msg_iov = &mut piece;
    message.msg_iovlen = 1;
    message.msg_control = control.0.as_mut_ptr().cast();
    message.msg_controllen = CONTROL as _;
    let len = loop {
        // SAFETY: name, piece and control are writable for the lengths told, and outlive the call.
        let n = unsafe { libc::recvmsg(fd, &mut message, libc::MSG_DONTWAIT) };
        if n >= 0 {
            break n as usize;
        }
        match errno::last() {
            libc::EINTR => {}
            e => return Err(e),
        }
    };
    let (named, told) = (message.msg_namelen as usize, message.msg_controllen);
    Ok(Received {
        len,
        from: read_address(&name[..named.min(NAME)]),
        to: read_asked(&control.0[..told.min(CONTROL)]),
        truncated: message.msg_flags & libc::MSG_TRUNC != 0,
    })
}

/// One datagram out, without waiting: to `to` (None: to whom the socket is connected), from the address `from`.
pub(crate) fn send(
    fd: RawFd,
    bytes: &[u8],
    to: Option<&SockAddr>,
    from: Option<IpAddr>,
) -> Result<(), i32> {
    let mut piece = libc::iovec {
        iov_base: bytes.as_ptr().cast_mut().cast(),
        iov_len: bytes.len(),
    };
    let mut message = header();
    message.msg_iov = &mut piece;
    message.msg_iovlen = 1;
    if let Some(to) = to {
        message.msg_name = to.as_ptr().cast_mut().cast();
        message.msg_namelen = to.len();
    }
    let mut control = Control([0; CONTROL]);
    if let Some(from) = from {
        let over_v6 = to.is_some_and(SockAddr::is_ipv6);
        message.msg_controllen = write_source(&mut control.0, from, over_v6) as _;
        message.msg_control = control.0.as_mut_ptr().cast();
    }
    loop {
        // SAFETY: name, piece and control are readable for the lengths told, and outlive the call; none of them is written to.
        let n = unsafe { libc::sendmsg(fd, &message, libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL) };
        if n >= 0 {
            return Ok(());
        }
        match errno::last() {
            libc::EINTR => {}
            e => return Err(e),
        }
    }
}

/// `N` bytes at `at`.
fn bytes<const N: usize>(from: &[u8], at: usize) -> Option<[u8; N]> {
    from.get(at..at + N)?.try_into().ok()
}

/// A `sockaddr` of either family of IP; None for anything else.
pub(crate) fn read_address(name: &[u8]) -> Option<SocketAddr> {
    let family = i32::from(u16::from_ne_bytes(bytes(name, 0)?));
    let port = u16::from_be_bytes(bytes(name, 2)?);
    match family {
        libc::AF_INET => {
            let ip = Ipv4Addr::from(bytes::<4>(name, 4)?);
            Some(SocketAddrV4::new(ip, port).into())
        }
        libc::AF_INET6 => {
            let flow = u32::from_ne_bytes(bytes(name, 4)?);
            let ip = Ipv6Addr::from(bytes::<16>(name, 8)?);
            let scope = u32::from_ne_bytes(bytes(name, 24)?);
            Some(SocketAddrV6::new(ip, port, flow, scope).into())
        }
        _ => None,
    }
}

/// The address that the datagram was sent to, from IP_PKTINFO or IPV6_PKTINFO.
pub(crate) fn read_asked(mut control: &[u8]) -> Option<IpAddr> {
    loop {
        let len = usize::from_ne_bytes(bytes(control, 0)?);
        let level = i32::from_ne_bytes(bytes(control, WORD)?);
        let kind = i32::from_ne_bytes(bytes(control, WORD + 4)?);
        let inside = control.get(HEAD..len)?;
        match (level, kind) {
            // The header's destination stands last, behind the interface and the local address.
            (libc::IPPROTO_IP, libc::IP_PKTINFO) => {
                return Some(Ipv4Addr::from(bytes::<4>(inside, 8)?).into());
            }
            (libc::IPPROTO_IPV6, libc::IPV6_PKTINFO) => {
                return Some(Ipv6Addr::from(bytes::<16>(inside, 0)?).into());
            }
            _ => control = control.get(len.next_multiple_of(WORD)..)?,
        }
    }
}

/// The control message that makes `from` the source; its length. A socket of IPv6 takes IPv4 addresses in IPv6's form.
fn write_source(into: &mut [u8; CONTROL], from: IpAddr, over_v6: bool) -> usize {
    let (kind, level, inside) = match (from, over_v6) {
        (IpAddr::V4(ip), false) => {
            let mut info = [0u8; 12];
            info[4..8].copy_from_slice(&ip.octets());
            put(into, &info);
            (libc::IP_PKTINFO, libc::IPPROTO_IP, info.len())
        }
        (ip, _) => {
            let octets = match ip {
                IpAddr::V4(ip) => ip.to_ipv6_mapped().octets(),
                IpAddr::V6(ip) => ip.octets(),
            };
            let mut info = [0u8; 20];
            info[..16].copy_from_slice(&octets);
            put(into, &info);
            (libc::IPV6_PKTINFO, libc::IPPROTO_IPV6, info.len())
        }
    };
    into[..WORD].copy_from_slice(&(HEAD + inside).to_ne_bytes());
    into[WORD..WORD + 4].copy_from_slice(&level.to_ne_bytes());
    into[WORD + 4..HEAD].copy_from_slice(&kind.to_ne_bytes());
    HEAD + inside.next_multiple_of(WORD)
}

fn put(into: &mut [u8; CONTROL], info: &[u8]) {
    into[HEAD..HEAD + info.len()].copy_from_slice(info);
}

/// Have each datagram say which of our addresses it was sent to.
pub(crate) fn tell_asked(fd: &OwnedFd, address: &SocketAddr) -> io::Result<()> {
    let fd = fd.as_raw_fd();
    if address.is_ipv4() {
        socket::set_int(fd, libc::IPPROTO_IP, libc::IP_PKTINFO, 1)
    } else {
        socket::set_int(fd, libc::IPPROTO_IPV6, libc::IPV6_RECVPKTINFO, 1)
    }
}

/// Datagrams that the kernel dropped because this socket's receive buffer was full: `SK_MEMINFO_DROPS` of SO_MEMINFO.
pub(crate) fn kernel_drops(fd: RawFd) -> io::Result<u32> {
    const DROPS: usize = 8;
    let mut info = [0u32; DROPS + 1];
    let mut len = mem::size_of_val(&info) as libc::socklen_t;
    // SAFETY: the kernel writes at most `len` bytes into the array, and the length into `len`.
    let done = unsafe {
        libc::getsockopt(
            fd,
            libc::SOL_SOCKET,
            libc::SO_MEMINFO,
            info.as_mut_ptr().cast(),
            &mut len,
        )
    };
    if done < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(info[DROPS])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_as_the_kernel_writes_them() {
        for text in ["192.0.2.7:53", "[2001:db8::7]:65535", "[fe80::1%3]:1"] {
            let address: SocketAddr = text.parse().expect("an address");
            let raw = SockAddr::from(address);
            // SAFETY: the storage is valid for the length it tells.
            let raw = unsafe {
                std::slice::from_raw_parts(raw.as_ptr().cast::<u8>(), raw.len() as usize)
            };
            assert_eq!(read_address(raw), Some(address));
            for cut in 0..raw.len() {
                // sockaddr_in has eight bytes of padding at its end.
                if cut < if address.is_ipv4() { 8 } else { 28 } {
                    assert_eq!(read_address(&raw[..cut]), None, "{text} cut to {cut}");
                }
            }
        }
        assert_eq!(
            read_address(&[1, 0, b'/', b'x', 0, 0, 0, 0]),
            None,
            "a path"
        );
    }

    #[test]
    fn the_asked_address_is_found_among_control_messages() {
        let mut control = [0u8; CONTROL];
        for (ip, over_v6, shown) in [
            ("2001:db8::7", true, "2001:db8::7"),
            ("192.0.2.7", true, "::ffff:192.0.2.7"),
        ] {
            let len = write_source(&mut control, ip.parse().expect("an address"), over_v6);
            assert_eq!(
                read_asked(&control[..len]),
                Some(shown.parse().expect("one too"))
            );
            // Behind another message (SCM_TIMESTAMP), and cut.
            let mut two = vec![0u8; 32];
            two[..8].copy_from_slice(&32usize.to_ne_bytes());
            two[8..12].copy_from_slice(&libc::SOL_SOCKET.to_ne_bytes());
            two[12..16].copy_from_slice(&libc::SO_TIMESTAMP.to_ne_bytes());
            two.extend_from_slice(&control[..len]);
            assert_eq!(read_asked(&two), Some(shown.parse().expect("one too")));
            for cut in 0..two.len() - 4 {
                assert_eq!(read_asked(&two[..cut]), None, "cut to {cut}");
            }
        }
        // What is written for IPv4 names the source, what is read the destination: two fields of one structure.
        let ip: Ipv4Addr = "192.0.2.7".parse().expect("an address");
        let len = write_source(&mut control, ip.into(), false);
        assert_eq!(control[HEAD + 4..HEAD + 8], ip.octets());
        control[HEAD + 8..HEAD + 12].copy_from_slice(&[198, 51, 100, 1]);
        assert_eq!(read_asked(&control[..len]), Some([198, 51, 100, 1].into()));
        assert_eq!(read_asked(&[0; CONTROL]), None, "a length of nothing");
    }
}
