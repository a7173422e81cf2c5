//! Which entry of a listener's `tcp` takes a connection: the first whose conditions all hold. Not reading what the conditions ask
//! for (`session::tcp`), and nothing of requests. Pure, as its neighbours.
//!
//! Entries are looked at in turn: a list is as long as somebody has written it, and this is done once per connection.

use std::net::SocketAddr;

use ringway_config::{Destination, HostMatch, TcpMatch, TcpRoute};
use ringway_protocols::client_hello::ClientHello;

use crate::plan::holds;

/// What is known of a connection before it goes anywhere.
#[derive(Debug)]
pub(crate) struct Opening<'a> {
    /// What a TLS client began with; None where nothing was read, or something else was.
    pub(crate) hello: Option<ClientHello<'a>>,
    /// Where it was going, if it was intercepted.
    pub(crate) original: Option<SocketAddr>,
}

/// The entries of one listener.
#[derive(Debug)]
pub(crate) struct TcpRouter {
    entries: Vec<TcpMatch>,
    /// The plan's route that belongs to the first entry; the others follow.
    first_route: usize,
}

impl TcpRouter {
    /// `first_route` is the index in the plan of the first entry's route.
    pub(crate) fn compile(routes: &[TcpRoute], first_route: usize) -> TcpRouter {
        TcpRouter {
            entries: routes.iter().map(|route| route.matches.clone()).collect(),
            first_route,
        }
    }

    /// Whether an entry that can be reached asks for what a TLS client says.
    pub(crate) fn asks_for_hello(&self) -> bool {
        self.entries.first().is_some_and(|first| !first.is_any())
    }

    /// The index of the route in the plan.
    pub(crate) fn find(&self, opening: &Opening<'_>) -> Option<usize> {
        let at = self.entries.iter().position(|entry| fits(entry, opening))?;
        Some(self.first_route + at)
    }
}

fn fits(entry: &TcpMatch, opening: &Opening<'_>) -> bool {
    let hello = opening.hello.as_ref();
    let named = |wanted: &HostMatch| {
        let name = hello.and_then(|hello| hello.server_name);
        name.is_some_and(|name| is(wanted, name.as_str()))
    };
    let offered = |protocol: &String| hello.is_some_and(|hello| hello.offers(protocol.as_bytes()));
    let meant = |wanted: &Destination| opening.original.is_some_and(|to| is_to(wanted, to));
    (entry.sni.is_empty() || entry.sni.iter().any(named))
        && (entry.alpn.is_empty() || entry.alpn.iter().any(offered))
        && (entry.destinations.is_empty() || entry.destinations.iter().any(meant))
}

fn is_to(wanted: &Destination, to: SocketAddr) -> bool {
    wanted.port.is_none_or(|port| port == to.port())
        && wanted.block.is_none_or(|block| holds(&block, to.ip()))
}

/// Both in lower case, without a dot at the end. A wildcard takes names with one label more, or several.
fn is(wanted: &HostMatch, name: &str) -> bool {
    match wanted {
        HostMatch::Exact(wanted) => wanted == name,
        HostMatch::Wildcard(domain) => name
            .strip_suffix(domain.as_str())
            .and_then(|front| front.strip_suffix('.'))
            .is_some_and(|front| !front.is_empty()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ringway_config::Cidr;
    use ringway_protocols::client_hello::{HELLO_BYTES, Reading, read};

    /// One that asks for this name and offers these protocols; both may be empty.
    fn hello(name: &str, protocols: &[&str]) -> Vec<u8> {
        fn behind(length: usize, within: Vec<u8>) -> Vec<u8> {
            let octets = within.len().to_be_bytes();
            [&octets[octets.len() - length..], &within].concat()
        }
        let mut extensions = Vec::new();
        if !name.is_empty() {
            let entry = [vec![0], behind(2, name.into())].concat();
            extensions.extend([vec![0, 0], behind(2, behind(2, entry))].concat());
        }
        if !protocols.is_empty() {
            let list = protocols.iter().flat_map(|p| behind(1, (*p).into()));
            extensions.extend([vec![0, 16], behind(2, behind(2, list.collect()))].concat());
        }
        let fixed = [&[3, 3][..], &[7; 32], &[0, 0, 2, 0x13, 1, 1, 0]].concat();
        let message = [fixed, behind(2, extensions)].concat();
        let message = [vec![1], behind(3, message)].concat();
        [vec![0x16, 3, 1], behind(2, message)].concat()
    }

    const NOTHING: Opening<'static> = Opening {
        hello: None,
        original: None,
    };

    fn entry(sni: &[&str], alpn: &[&str]) -> TcpRoute {
        let host = |text: &&str| match text.strip_prefix("*.") {
            Some(domain) => HostMatch::Wildcard(domain.to_owned()),
            None => HostMatch::Exact((*text).to_owned()),
        };
        TcpRoute {
            matches: TcpMatch {
                sni: sni.iter().map(host).collect(),
                alpn: alpn.iter().map(|p| (*p).to_owned()).collect(),
                destinations: Vec::new(),
            },
            targets: Vec::new(),
        }
    }

    fn found(router: &TcpRouter, name: &str, protocols: &[&str]) -> Option<usize> {
        let (bytes, mut joined) = (hello(name, protocols), Vec::new());
        let Ok(Reading::Hello(hello)) = read(&bytes, HELLO_BYTES, &mut joined) else {
            panic!("no hello for {name}");
        };
        router.find(&Opening {
            hello: Some(hello),
            original: None,
        })
    }

    #[test]
    fn the_first_that_fits_as_a_table() {
        let entries = [
            entry(&["db.example", "db2.example"], &[]),
            entry(&["*.example"], &["h2", "http/1.1"]),
            entry(&["*.example"], &[]),
            entry(&[], &["postgresql"]),
        ];
        let router = TcpRouter::compile(&entries, 10);
        assert!(router.asks_for_hello());
        type Case = (&'static str, &'static [&'static str], Option<usize>);
        let cases: &[Case] = &[
            ("db.example", &[], Some(10)),
            ("DB2.Example", &["h2"], Some(10)),
            ("a.example", &["h2"], Some(11)),
            ("a.example", &["x", "http/1.1"], Some(11)),
            ("a.example", &["h3"], Some(12)),
            ("a.b.example", &[], Some(12)),
            ("example", &[], None),
            ("xexample", &[], None),
            ("example.org", &["h2"], None),
            ("example.org", &["postgresql"], Some(13)),
            ("", &["postgresql"], Some(13)),
            ("", &[], None),
        ];
        for (name, protocols, expected) in cases {
            assert_eq!(
                found(&router, name, protocols),
                *expected,
                "{name} {protocols:?}"
            );
        }
        assert_eq!(router.find(&NOTHING), None);
    }

    #[test]
    fn an_entry_without_conditions_takes_all() {
        let entries = [entry(&["a.example"], &[]), entry(&[], &[])];
        let router = TcpRouter::compile(&entries, 0);
        assert_eq!(found(&router, "a.example", &[]), Some(0));
        assert_eq!(found(&router, "b.example", &[]), Some(1));
        assert_eq!(router.find(&NOTHING), Some(1));
        assert!(!TcpRouter::compile(&entries[1..], 0).asks_for_hello());
    }

    #[test]
    fn by_where_an_intercepted_connection_was_going() {
        let to = |block: Option<([u8; 4], u8)>, port| Destination {
            block: block.map(|(octets, prefix)| Cidr {
                addr: octets.into(),
                prefix,
            }),
            port,
        };
        let mut entries = [entry(&[], &[]), entry(&[], &[]), entry(&[], &[])];
        entries[0].matches.destinations =
            vec![to(Some(([10, 0, 0, 0], 8)), Some(5432)), to(None, Some(1))];
        entries[1].matches.destinations = vec![to(Some(([10, 1, 0, 0], 16)), None)];
        let router = TcpRouter::compile(&entries, 0);
        for (original, expected) in [
            (Some("10.9.9.9:5432"), 0),
            (Some("192.0.2.1:1"), 0),
            (Some("[fd00::1]:1"), 0),
            (Some("10.1.0.7:80"), 1),
            (Some("10.9.9.9:80"), 2),
            (Some("[fd00::1]:5432"), 2),
            (None, 2),
        ] {
            let opening = Opening {
                original: original.map(|to| to.parse().unwrap()),
                ..NOTHING
            };
            assert_eq!(router.find(&opening), Some(expected), "{original:?}");
        }
    }
}
