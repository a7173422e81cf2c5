//! Which entry of a listener's `tcp` takes a connection: the first whose conditions all hold. Not reading what the conditions ask
//! for (`session::tcp`), and nothing of requests. Pure, as its neighbours.
//!
//! Entries are looked at in turn: a list is as long as somebody has written it, and this is done once per connection.

use ringway_config::{HostMatch, TcpRoute};
use ringway_protocols::client_hello::ClientHello;

/// What is known of a connection before it goes anywhere.
#[derive(Debug)]
pub(crate) struct Opening<'a> {
    /// What a TLS client began with; None where nothing was read, or something else was.
    pub(crate) hello: Option<ClientHello<'a>>,
}

/// The entries of one listener, compiled.
#[derive(Debug)]
pub(crate) struct TcpRouter {
    entries: Vec<Entry>,
    /// The plan's route that belongs to the first entry; the others follow.
    first_route: usize,
}

/// The conditions of one entry; an empty list is none.
#[derive(Debug)]
struct Entry {
    sni: Vec<HostMatch>,
    alpn: Vec<String>,
}

impl TcpRouter {
    /// `first_route` is the index in the plan of the first entry's route.
    pub(crate) fn compile(routes: &[TcpRoute], first_route: usize) -> TcpRouter {
        let entry = |route: &TcpRoute| Entry {
            sni: route.matches.sni.clone(),
            alpn: route.matches.alpn.clone(),
        };
        TcpRouter {
            entries: routes.iter().map(entry).collect(),
            first_route,
        }
    }

    /// The index of the route in the plan.
    pub(crate) fn find(&self, opening: &Opening<'_>) -> Option<usize> {
        let at = self.entries.iter().position(|entry| entry.fits(opening))?;
        Some(self.first_route + at)
    }
}

impl Entry {
    fn fits(&self, opening: &Opening<'_>) -> bool {
        let hello = opening.hello.as_ref();
        let name = || hello.and_then(|hello| hello.server_name);
        let offers = |hello: &ClientHello<'_>| {
            let offers = |protocol: &String| hello.offers(protocol.as_bytes());
            self.alpn.iter().any(offers)
        };
        (self.sni.is_empty()
            || name().is_some_and(|name| self.sni.iter().any(|wanted| is(wanted, name.as_str()))))
            && (self.alpn.is_empty() || hello.is_some_and(offers))
    }
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
