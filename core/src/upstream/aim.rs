//! Endpoints that a client has for itself: its connection's original destination, or an endpoint of the cluster reached from the client's
//! own address. Not which endpoint is picked.
//!
//! The cluster's endpoint gives its id and its load, so that limits, counts and the pool are the cluster's; the address (and the source)
//! is part of what the pool looks for.

use std::fmt::Write;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use ringway_config::Original;
use socket2::SockAddr;

use crate::accept::Client;
use crate::plan::{ClusterPlan, Target};

/// Whether there is such an endpoint.
#[derive(Debug)]
pub(crate) enum Aim {
    /// The cluster's own will do.
    Shared,
    /// This one.
    Own(Arc<Target>),
    /// The connection was not intercepted, so that it has no original destination.
    Nowhere,
}

/// Where `client` goes when the cluster has picked `picked`. Remembered with the client, so that its next request finds the same.
pub(crate) fn at(cluster: &ClusterPlan, picked: &Arc<Target>, client: &Client) -> Aim {
    if cluster.original.is_none() && !cluster.as_client {
        return Aim::Shared;
    }
    let ends = client.ends();
    let address = match cluster.original.map(|original| (original, ends.original)) {
        None => picked.address.clone(),
        Some((_, None)) => return Aim::Nowhere,
        Some((original, Some(to))) => resolve(original, to).into(),
    };
    let source = cluster.as_client.then_some(client.peer).flatten();
    let mut last = ends.aimed.borrow_mut();
    let fits = |last: &&Arc<Target>| {
        last.is_kin(picked) && last.address == address && last.source == source
    };
    if let Some(last) = last.as_ref().filter(fits) {
        return Aim::Own(last.clone());
    }
    let target = Arc::new(Target {
        id: picked.id,
        text: text(&address, picked),
        host: address
            .as_socket()
            .map_or_else(String::new, |address| address.ip().to_string()),
        address,
        source,
        aimed: true,
        load: picked.load.clone(),
    });
    *last = Some(target.clone());
    Aim::Own(target)
}

fn resolve(original: Original, to: SocketAddr) -> SocketAddr {
    let ip = match (original, to.ip()) {
        (Original::Destination, ip) | (Original::At(ip), _) => ip,
        (Original::Localhost, IpAddr::V4(_)) => Ipv4Addr::LOCALHOST.into(),
        (Original::Localhost, IpAddr::V6(_)) => Ipv6Addr::LOCALHOST.into(),
    };
    SocketAddr::new(ip, to.port())
}

fn text(address: &SockAddr, picked: &Target) -> String {
    let mut text = String::new();
    match address.as_socket() {
        // Writing to a String cannot fail.
        Some(address) => write!(text, "{address}").unwrap_or_default(),
        None => text.push_str(&picked.text),
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_an_original_destination_leads() {
        for (original, to, expected) in [
            (Original::Destination, "10.1.2.3:80", "10.1.2.3:80"),
            (Original::Localhost, "10.1.2.3:80", "127.0.0.1:80"),
            (Original::Localhost, "[fd00::1]:80", "[::1]:80"),
            (
                Original::At(Ipv4Addr::new(127, 0, 0, 6).into()),
                "[fd00::1]:81",
                "127.0.0.6:81",
            ),
        ] {
            assert_eq!(
                resolve(original, to.parse().unwrap()),
                expected.parse().unwrap()
            );
        }
    }
}
