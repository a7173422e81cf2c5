//! TLS as bytes in and bytes out, for servers and clients, on rustls.
//!
//! ```text
//! files' bytes -> Pair, Trust          read and judged once, on the side thread
//! Pair, Trust  -> Acceptor, Connector  immutable, shared by all workers in an `Arc`
//! Acceptor::session(now)               -> Session, of a client's connection
//! Connector::session(host, now)        -> Session, of a connection to an upstream
//!
//! Session::receive(bytes, now, &mut plain)   bytes from the peer, cut anywhere; what they decrypt to is appended to `plain`
//! Session::send(&[head, body], &mut out)     plain bytes; records for the peer are appended to `out`
//! Session::output(&mut out)                  records that are due without plain bytes: the handshake, alerts, tickets
//! Session::close(&mut out)                   our close_notify; nothing may be sent afterwards
//! Session::end()                             the peer's end of stream came: was it announced, or is something missing?
//! Session::facts()                           what the handshake agreed on, and who the peer is
//! ```
//!
//! After `receive`, `output` is asked also where it fails: the alert for the peer lies there. `now` is Unix time in seconds.
//!
//! Not here: sockets, clocks, files, threads, `unsafe`, and what is done with an identity.
#![forbid(unsafe_code)]

mod acceptor;
mod alert;
mod certificate;
mod choice;
mod civil;
mod clock;
mod connector;
mod copy;
mod der;
mod facts;
mod fault;
mod identity;
mod material;
mod pair;
mod provider;
mod session;
mod sessions;
mod spiffe;
mod tickets;
mod trust;
mod verify;

pub use acceptor::{Acceptor, Clients, Offer};
pub use certificate::Certificate;
pub use connector::{Connector, Demand, Verify};
pub use facts::{Facts, Peer, Version};
pub use fault::Fault;
pub use identity::Identity;
pub use material::Unusable;
pub use pair::{Pair, Part};
pub use provider::Spoken;
pub use session::Session;
pub use spiffe::{Expected, is_spiffe_id};
pub use tickets::Tickets;
pub use trust::Trust;
