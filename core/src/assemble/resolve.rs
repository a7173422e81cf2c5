//! Addresses of endpoints, on the side thread. Names are looked up when the configuration is loaded.

use std::net::{SocketAddr, ToSocketAddrs};

use ringway_config::Address;
use socket2::SockAddr;

use crate::socket_file;

/// Where an endpoint is. A name with several addresses is several endpoints; where it has both families the IPv4 ones are
/// taken, since a service that is reached by name for both very often listens on IPv4 alone (`localhost` above all).
pub(crate) fn addresses(address: &Address) -> Result<Vec<SockAddr>, String> {
    match address {
        Address::Ip(address) => Ok(vec![(*address).into()]),
        Address::Unix(path) => socket_file::address(path)
            .map(|a| vec![a])
            .map_err(|e| format!("not a usable socket path: {e}")),
        Address::Name { host, port } => {
            let found: Vec<SocketAddr> = match (host.as_str(), *port).to_socket_addrs() {
                Ok(found) => found.collect(),
                Err(error) => return Err(format!("the name cannot be resolved: {error}")),
            };
            let one_family = if found.iter().any(SocketAddr::is_ipv4) {
                SocketAddr::is_ipv4
            } else {
                SocketAddr::is_ipv6
            };
            let mut one: Vec<SocketAddr> = found.into_iter().filter(one_family).collect();
            one.sort();
            one.dedup();
            if one.is_empty() {
                Err("the name has no address".into())
            } else {
                Ok(one.into_iter().map(SockAddr::from).collect())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literal_name_and_path() {
        let ip = addresses(&Address::Ip("127.0.0.1:80".parse().unwrap())).unwrap();
        assert_eq!(ip[0].as_socket(), Some("127.0.0.1:80".parse().unwrap()));
        let name = addresses(&Address::Name {
            host: "localhost".into(),
            port: 81,
        })
        .unwrap();
        assert_eq!(name.len(), 1);
        assert!(
            addresses(&Address::Name {
                host: "no such name".into(),
                port: 81
            })
            .is_err()
        );
        assert!(addresses(&Address::Unix("/run/x.sock".into())).unwrap()[0].is_unix());
        assert!(addresses(&Address::Unix("x".repeat(200).into())).is_err());
    }
}
