//! Step 8: bytes between the client and the upstream. `framed` relays one request and its response, `body` moves one body in
//! one direction, `raw` moves bytes both ways after an
//! upgrade, `head` writes the heads, `answer_head` receives one, `endings` says how it ends badly, `patience` how long it
//! may wait.

mod answer_head;
pub(crate) mod body;
mod endings;
pub(crate) mod framed;
pub(crate) mod head;
mod patience;
pub(crate) mod raw;
