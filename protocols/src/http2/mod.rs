//! HTTP/2 (RFC 9113) as far as it needs no clock and no socket: frames (`frame`), header blocks (`hpack`), heads on their way into and out of the
//! one form that both versions share, and what a client may send before it is a flood.
//!
//! Not here: connections, streams and flow control, which have tasks to wake.
//!
//! The shared form of a head is the octets of an HTTP/1.1 head. An HTTP/2 head is written into it by `request` and `response`, which
//! refuse what would mean something else there, and then read by the very reader of HTTP/1.1. So nothing gets through HTTP/2 that
//! HTTP/1.1 would refuse, and routes, policies, logs and the rewriting of heads know one form.

mod fault;
mod field;
pub mod frame;
mod guard;
pub mod hpack;
mod lines;
mod parts;
mod request;
mod response;

pub use fault::HeadFault;
pub use guard::{Flood, Guard};
pub use lines::{Line, host, lines, request_line};
pub use request::{Pseudo, status_of, write_request_head, write_websocket_head};
pub use response::{write_response_head, write_websocket_answer};

pub use field::{are_fields, write_trailers};
