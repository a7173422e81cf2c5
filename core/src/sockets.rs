//! Listening sockets, made on the side thread so that what can fail has failed before a plan is published.

use std::fmt;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Arc;

use socket2::{Domain, Protocol, SockRef, Socket, Type};

use crate::socket_file::{self, Permit, SocketFile};
use crate::spread::Crowd;
use ringway_config::UnixBind;

/// Connections that may wait to be accepted, per socket; the kernel cuts it to `net.core.somaxconn`.
const BACKLOG: i32 = 4096;

/// Which connections a listening socket takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Takes {
    /// To the address that it is bound to.
    ItsAddress,
    /// To any address, where the kernel's rules bring them here (needs CAP_NET_ADMIN).
    AnyAddress,
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
    File(Arc<SocketFile>),
    /// An abstract name, with its `@`.
    Name(PathBuf),
}

impl Local {
    /// The address, where it is one of TCP.
    pub(crate) fn tcp(&self) -> Option<SocketAddr> {
        match self {
            Local::Tcp(address) => Some(*address),
            Local::File(_) | Local::Name(_) => None,
        }
    }
}

impl fmt::Display for Local {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Local::Tcp(address) => write!(f, "{address}"),
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
    match listen_on(address, workers, ours, takes) {
        // No IPv6 on this machine: `:8080` still means every address that there is.
        Err(error)
            if error.raw_os_error() == Some(libc::EAFNOSUPPORT)
                && address.ip().is_unspecified() =>
        {
            listen_on(
                (Ipv4Addr::UNSPECIFIED, address.port()).into(),
                workers,
                ours,
                takes,
            )
        }
        other => other,
    }
}

fn listen_on(
    mut address: SocketAddr,
    workers: usize,
    ours: bool,
    takes: Takes,
) -> io::Result<(SocketAddr, Vec<TcpListener>)> {
    // With SO_REUSEPORT another process of the same user could share the port without a word. Asking without it first
    // shows that.
    if address.port() != 0 && !ours {
        bind(address, false, takes)?;
    }
    let mut sockets = Vec::with_capacity(workers);
    for _ in 0..workers {
        let socket = bind(address, true, takes)?;
        socket.listen(BACKLOG)?;
        let socket = TcpListener::from(socket);
        address = socket.local_addr()?;
        sockets.push(socket);
    }
    Ok((address, sockets))
}

fn bind(address: SocketAddr, share: bool, takes: Takes) -> io::Result<Socket> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM.nonblocking().cloexec(),
        Some(Protocol::TCP),
    )?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(share)?;
    if address.is_ipv6() {
        socket.set_only_v6(!address.ip().is_unspecified())?;
    }
    if takes == Takes::AnyAddress {
        ringway_io::transparent(&SockRef::from(&socket), address.is_ipv6())?;
    }
    // Accepted sockets inherit it.
    socket.set_tcp_nodelay(true)?;
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
}
