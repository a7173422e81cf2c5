//! What interception needs of this process: CAP_NET_ADMIN to take connections of any address (`tproxy`), to take on a client's address
//! (`source = "client"`), and to mark our own traffic. It is found out by trying.

use std::io;

use ringway_config::{Config, Intercept, MARK, SourceSent};
use ringway_io::transparent;
use socket2::{Domain, SockRef, Socket, Type};

use crate::sockets::Takes;

const FIX: &str = "AmbientCapabilities=CAP_NET_ADMIN in the systemd unit, or setcap cap_net_admin=+ep on the binary";

/// Whether this process may use addresses that are not this machine's.
#[must_use]
pub fn may_be_transparent() -> bool {
    socket().is_ok_and(|socket| transparent(&SockRef::from(&socket), false).is_ok())
}

/// Whether it may mark its traffic.
#[must_use]
pub fn may_mark() -> bool {
    socket().is_ok_and(|socket| socket.set_mark(MARK).is_ok())
}

fn socket() -> io::Result<Socket> {
    Socket::new(Domain::IPV4, Type::STREAM.cloexec(), None)
}

/// What a configuration needs and this process may not, a line each, with its fix.
#[must_use]
pub fn lacks(config: &Config) -> Vec<String> {
    let transparent = may_be_transparent();
    let mut lines = Vec::new();
    for listener in &config.listeners {
        if listener.intercept == Intercept::Tproxy && !transparent {
            lines.push(format!(
                "{}:{}: listener `{}`: intercept = \"tproxy\" needs CAP_NET_ADMIN ({FIX}); \"redirect\" needs nothing",
                listener.at.path, listener.at.line, listener.name
            ));
        }
    }
    for cluster in &config.clusters {
        if cluster.source == SourceSent::Client && !transparent {
            lines.push(format!(
                "{}:{}: cluster `{}`: source = \"client\" needs CAP_NET_ADMIN ({FIX})",
                cluster.at.path, cluster.at.line, cluster.name
            ));
        }
    }
    if config.server.mark.is_some_and(|mark| mark != 0) && !may_mark() {
        lines.push(format!("server.mark needs CAP_NET_ADMIN ({FIX})"));
    }
    lines
}

/// The mark of our own connections, 0 for none.
///
/// Errors: those of [`lacks`]. Where nobody wrote a mark, not to be allowed one is no error: rules can exempt us by user.
pub(crate) fn mark(config: &Config) -> Result<u32, Vec<String>> {
    let lacks = lacks(config);
    if !lacks.is_empty() {
        return Err(lacks);
    }
    let intercepts = config
        .listeners
        .iter()
        .any(|listener| listener.intercept != Intercept::Off);
    match config.server.mark {
        Some(mark) => Ok(mark),
        None if !intercepts => Ok(0),
        None if may_mark() => Ok(MARK),
        None => {
            tracing::warn!(
                "our own connections carry no mark, since that needs CAP_NET_ADMIN: rules of interception must exempt the user of this process, else it intercepts itself (ringway intercept apply --uid)"
            );
            Ok(0)
        }
    }
}

/// What is to be said behind an error of a listening socket.
pub(crate) fn hint(error: &io::Error, takes: Takes) -> String {
    match (takes, error.kind()) {
        (Takes::AnyAddress, io::ErrorKind::PermissionDenied) => {
            format!(" (intercept = \"tproxy\" needs CAP_NET_ADMIN: {FIX})")
        }
        _ => String::new(),
    }
}
