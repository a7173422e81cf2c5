//! Step 8: bytes between the client and the upstream. `framed` relays one request and its response, `body` moves one body in
//! one direction, `raw` moves bytes both ways after an upgrade, `side` is what a body comes from or goes to, `traffic` what is seen of it, `stream_body`
//! moves one that comes by HTTP/2, `translation` changes one between gRPC-Web and gRPC, `websocket` opens a WebSocket over either version and moves its
//! bytes where a stream is among them, `one_way` is a direction of it, `head` writes the heads, `answer_head` receives one, `endings` says how it ends
//! badly, `patience` how long it may wait.

mod answer_head;
pub(crate) mod body;
mod endings;
pub(crate) mod framed;
pub(crate) mod head;
mod one_way;
mod patience;
pub(crate) mod raw;
mod settling;
pub(crate) mod side;
mod stream_body;
mod traffic;
pub(crate) mod translation;
mod websocket;
