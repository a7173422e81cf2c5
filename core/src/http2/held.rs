//! Whose link a connection of HTTP/2 has.

use std::rc::Rc;

use crate::accept::Client;
use crate::link::Link;
use crate::upstream::Upstream;

/// See the module.
#[derive(Debug)]
pub(crate) enum Held {
    Client(Rc<Client>),
    Upstream(Box<Upstream>),
}

impl Held {
    pub(super) fn link(&self) -> &Link {
        match self {
            Held::Client(client) => &client.stream,
            Held::Upstream(upstream) => &upstream.stream,
        }
    }
}
