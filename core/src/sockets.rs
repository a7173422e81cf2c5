//! Listening sockets, made on the side thread so that what can fail has failed before a plan is published.

use std::fmt;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Arc;

use socket2::{Domain, SockRef, Socket, Type};

use crate::plan::DoorKey;
use crate::socket_file::{self, Permit, SocketFile};
use crate::spread::Crowd;
use ringway_config::UnixBind;

/// Connections that may wait to be accepted, per socket; the kernel cuts it to `net.core.somaxconn`.
const BACKLOG: i32 = 4096;

/// Bytes of datagrams that may wait in the kernel, per socket; it cuts that to `net.core.rmem_max`. Datagrams come in bursts, and what does not fit
/// is lost: some thousand short ones.
const DATAGRAM_QUEUE: usize = 4 << 20;

/// Which connections a listening socket takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Takes {
    /// To the address that it is bound to.
    ItsAddress,
    /// To any address, where the kernel's rules bring them here (needs CAP_NET_ADMIN).
    AnyAddress,
}

/// What to bind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Stream(Takes),
    Datagrams,
}

/// What a worker's door of datagrams is made of.
#[derive(Debug)]
pub(crate) struct NewDatagrams {
    pub(crate) key: DoorKey,
    pub(crate) socket: UdpSocket,
}

/// What a worker's door is made of.
#[derive(Debug)]
pub(crate) struct NewDoor {
    pub(crate) socket: OwnedFd,
    /// The same for all workers that listen on this address.
    pub(crate) crowd: Arc<Crowd>,
}

/// Where a door is bound. A Unix socket's file goes with the last clone.
#[derive(Debug, Clone)]
pub(crate) enum Local {
    Tcp(SocketAddr),
    Udp(SocketAddr),
    File(Arc<SocketFile>),
    /// An abstract name, with its `@`.
    Name(PathBuf),
}

impl Local {
    /// The address, where it is one of TCP.
    pub(crate) fn tcp(&self) -> Option<SocketAddr> {
        match self {
            Local::Tcp(address) => Some(*address),
            Local::Udp(_) | Local::File(_) | Local::Name(_) => None,
        }
    }
}

impl fmt::Display for Local {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Local::Tcp(address) | Local::Udp(address) => write!(f, "{address}"),
            Local::File(file) => write!(f, "unix:{}", file.path().display()),
            Local::Name(name) => write!(f, "unix:{}", name.display()),
        }
    }
}

/// One Unix socket for all `workers`, each with a descriptor of its own: there is no SO_REUSEPORT for them. The kernel gives each
/// connection to one of those that wait.
pub(crate) fn listen_unix(
    bind: &UnixBind,
    workers: usize,
) -> Result<(Local, Vec<OwnedFd>), String> {
    let (socket, local) = if bind.is_abstract() {
        let socket = socket_file::listen_on_name(&bind.path, BACKLOG).map_err(|e| e.to_string())?;
        (socket, Local::Name(bind.path.clone()))
    } else {
        let permit = Permit::of(bind)?;
        let (socket, file) = socket_file::listen_on_file(&bind.path, &permit, BACKLOG)?;
        (socket, Local::File(Arc::new(file)))
    };
    let socket = OwnedFd::from(socket);
    let copies = (0..workers).map(|_| socket.try_clone());
    let copies = copies
        .collect::<io::Result<_>>()
        .map_err(|e| e.to_string())?;
    Ok((local, copies))
}

/// One listening socket for each of `workers`, all on one address (SO_REUSEPORT: the kernel spreads connections by hash).
/// Port 0 becomes a free port, the same for all. `[::]` takes IPv4 as well. `ours`: this process holds the port already.
pub(crate) fn listen(
    address: SocketAddr,
    workers: usize,
    ours: bool,
    takes: Takes,
) -> io::Result<(SocketAddr, Vec<TcpListener>)> {
    let (address, sockets) = everywhere(address, workers, ours, Kind::Stream(takes))?;
    for socket in &sockets {
        socket.listen(BACKLOG)?;
    }
    Ok((address, sockets.into_iter().map(Socket::into).collect()))
}

/// The same for datagrams. The hash is one of both addresses, so that a client stays with its worker.
pub(crate) fn listen_for_datagrams(
    address: SocketAddr,
    workers: usize,
    ours: bool,
) -> io::Result<(SocketAddr, Vec<UdpSocket>)> {
    let (address, sockets) = everywhere(address, workers, ours, Kind::Datagrams)?;
    Ok((address, sockets.into_iter().map(Socket::into).collect()))
}

fn everywhere(
    address: SocketAddr,
    workers: usize,
    ours: bool,
    kind: Kind,
) -> io::Result<(SocketAddr, Vec<Socket>)> {
    match on(address, workers, ours, kind) {
        // No IPv6 on this machine: `:8080` still means every address that there is.
        Err(error)
            if error.raw_os_error() == Some(libc::EAFNOSUPPORT)
                && address.ip().is_unspecified() =>
        {
            let address = (Ipv4Addr::UNSPECIFIED, address.port()).into();
            on(address, workers, ours, kind)
        }
        other => other,
    }
}

fn on(
    mut address: SocketAddr,
    workers: usize,
    ours: bool,
    kind: Kind,
) -> io::Result<(SocketAddr, Vec<Socket>)> {
    // With SO_REUSEPORT another process of the same user could share the port without a word. Asking without it first
    // shows that.
    if address.port() != 0 && !ours {
        bind(address, false, kind)?;
    }
    let mut sockets = Vec::with_capacity(workers);
    for _ in 0..workers {
        let socket = bind(address, true, kind)?;
        let bound = socket.local_addr()?.as_socket();
        address = bound.ok_or_else(|| io::Error::from_raw_os_error(libc::EAFNOSUPPORT))?;
        sockets.push(socket);
    }
    Ok((address, sockets))
}

fn bind(address: SocketAddr, share: bool, kind: Kind) -> io::Result<Socket> {
    let of = match kind {
        Kind::Stream(_) => Type::STREAM,
        Kind::Datagrams => Type::DGRAM,
    };
    let of = of.nonblocking().cloexec();
    let socket = Socket::new(Domain::for_address(address), of, None)?;
    match kind {
        Kind::Stream(takes) => {
            // (For datagrams this would share the port with strangers.)
            socket.set_reuse_address(true)?;
            // Accepted sockets inherit it.
            socket.set_tcp_nodelay(true)?;
            if takes == Takes::AnyAddress {
                ringway_io::transparent(&SockRef::from(&socket), address.is_ipv6())?;
            }
        }
        Kind::Datagrams => socket.set_recv_buffer_size(DATAGRAM_QUEUE)?,
    }
    socket.set_reuse_port(share)?;
    if address.is_ipv6() {
        socket.set_only_v6(!address.ip().is_unspecified())?;
    }
    socket.bind(&address.into())?;
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workers_share_a_port_and_strangers_do_not() {
        let (address, sockets) =
            listen("127.0.0.1:0".parse().unwrap(), 2, false, Takes::ItsAddress).unwrap();
        assert_eq!(sockets.len(), 2);
        assert!(sockets.iter().all(|s| s.local_addr().unwrap() == address));
        let again = listen(address, 1, false, Takes::ItsAddress).unwrap_err();
        assert_eq!(again.kind(), io::ErrorKind::AddrInUse);
        drop(sockets);
        listen(address, 1, false, Takes::ItsAddress).unwrap();
    }

    #[test]
    fn datagrams_have_ports_of_their_own() {
        let (address, sockets) =
            listen("127.0.0.1:0".parse().unwrap(), 1, false, Takes::ItsAddress).unwrap();
        let (same, datagrams) = listen_for_datagrams(address, 2, false).unwrap();
        assert_eq!(same, address);
        assert!(datagrams.iter().all(|s| s.local_addr().unwrap() == address));
        let again = listen_for_datagrams(address, 1, false).unwrap_err();
        assert_eq!(again.kind(), io::ErrorKind::AddrInUse);
        drop((sockets, datagrams));
        listen_for_datagrams(address, 1, false).unwrap();
    }
}
