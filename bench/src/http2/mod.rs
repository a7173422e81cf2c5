//! Requests and answers by HTTP/2, which load and origin make and check, and connections of it, without TLS, by prior knowledge. Load and origin read
//! and write frames themselves, by Ringway's own codec (`reader`, `writer`, `heads`): what they cost is what the proxy's CPU does not get, or waits for.
//! What is compared or only looked at is on the `h2` crate (`library`, `face`).
//!
//! Not when a request is made (`load::streams`) and not what is answered when (`origin::http2`).

mod blocks;
mod face;
mod first;
mod frames;
mod heads;
pub(crate) mod library;
mod out;
mod reader;
#[cfg(test)]
pub(crate) mod script;
mod window;
mod writer;

use crate::message;
pub(crate) use face::Face;
pub(crate) use first::first_answer;
pub(crate) use frames::{Frames, Turn};
pub(crate) use heads::{Head, Wanted, is_asked, is_ok, told};
pub(crate) use reader::{Event, Fault, Role};
pub(crate) use window::Window;
pub(crate) use writer::{Sending, Sent, Writer};

/// Windows of load and origin: so large that it is the proxy's windows that count.
const STREAM_WINDOW: u32 = 1024 * 1024;
const CONNECTION_WINDOW: u32 = 16 * 1024 * 1024;
/// Requests at once on a connection to the origin, which is what servers usually allow.
pub(crate) const STREAMS: u32 = 100;

/// What a body has: octets, or one message of gRPC.
pub(crate) fn body(len: usize, grpc: bool) -> &'static [u8] {
    if !grpc {
        return message::body(len);
    }
    let mut bytes = vec![0];
    bytes.extend_from_slice(&u32::try_from(len).unwrap_or(u32::MAX).to_be_bytes());
    bytes.extend_from_slice(message::body(len));
    bytes.leak()
}
