//! HTTP/2 (RFC 9113) as far as it needs no clock and no socket: frames (`frame`), header blocks (`hpack`), heads on their way into and out of the
//! one form that both versions share, and what a client may send before it is a flood.
//!
//! Not here: connections, streams and flow control, which have tasks to wake.
//!
//! The shared form of a head is the octets of an HTTP/1.1 head, with a table of where what stands in them. An HTTP/2 head is written into it by
//! `request` and `response`, which refuse what would mean something else there, and then judged as one that was read: so nothing gets through HTTP/2
//! that HTTP/1.1 would refuse, and routes, policies, logs and the rewriting of heads know one form. (The tests read each head once more, as HTTP/1.1
//! would.) On its way out `block` takes what `http1` writes, field by field.

mod block;
mod fault;
mod field;
pub mod frame;
mod guard;
pub mod hpack;
mod lines;
mod parts;
mod request;
mod response;

pub use block::{Asked, encode_lines, encode_request, encode_response, encode_status};
pub use fault::{HeadFault, Refused};
pub use guard::{Flood, Guard};
pub use lines::{Line, lines};
pub use request::{Pseudo, status_of, take_request, take_websocket};
pub use response::{Answers, Unannounced, take_response};

pub use field::{are_fields, write_trailers};
