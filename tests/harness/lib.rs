//! The harness of the black-box tests: it runs the real binary as a child process with a configuration in a fresh
//! directory, plays the clients and the origins on raw sockets, and reads what came out: bytes, log lines, metrics.
//!
//! A test reads as a sentence: script an [`Origin`], start a [`Proxy`] from TOML text on port 0, ask with a [`Client`],
//! assert. Nothing waits by sleeping for something that can be observed, and every wait ends with a message.
//!
//! It is not an HTTP library: it reads strictly and minimally, so that what a peer would trip over fails a test, and it
//! knows the proxy only from outside. A wrong expectation panics with a sentence, as an assertion does.
#![forbid(unsafe_code)]

mod admin;
mod binary;
mod client;
pub mod frames;
mod gate;
pub mod grpc_web;
pub mod http2;
mod load;
mod origin;
mod pattern;
mod proxy;
mod readers;
mod scratch;
mod socket;
mod table;
mod text;
mod tls;
mod wait;
mod wire;

pub use admin::{Metrics, ask_admin};
pub use binary::{binary, repository};
pub use client::{Answer, Client, End, ask, get};
pub use gate::Gate;
pub use http2::{Http2Answer, Http2Client, Http2Origin, Manners};
pub use load::{Load, LoadPlan, LoadReport};
pub use origin::{Asked, Origin, Visit, ok};
pub use pattern::Pattern;
pub use proxy::{Lines, Proxy, Setup, front, signal};
pub use readers::{Boundaries, READERS, agree, complete_requests};
pub use scratch::Scratch;
pub use socket::Socket;
pub use table::{Row, Rows};
pub use text::{latin1, shown};
pub use tls::{Authority, Leaf, Made, TlsStream};
pub use wait::{PATIENCE, await_refused, nobody, until};
pub use wire::{Body, Field, Framing, Head, Wire, WireError};

/// Which driver the proxy is told to use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Io {
    /// `io = "io_uring"`: no fallback.
    Uring,
    /// `io = "epoll"`.
    Epoll,
}

impl Io {
    /// As it is written in the configuration.
    pub fn name(self) -> &'static str {
        match self {
            Io::Uring => "io_uring",
            Io::Epoll => "epoll",
        }
    }
}

/// Make two tests of each function, one for each driver: `both_drivers! { fn keeps_alive(io) { ... } }`.
#[macro_export]
macro_rules! both_drivers {
    ($($(#[$meta:meta])* fn $name:ident($io:ident) $body:block)*) => {
        $(
            $(#[$meta])*
            mod $name {
                #[allow(unused_imports)]
                use super::*;
                fn run($io: $crate::Io) $body
                #[test]
                fn io_uring() {
                    run($crate::Io::Uring);
                }
                #[test]
                fn epoll() {
                    run($crate::Io::Epoll);
                }
            }
        )*
    };
}
