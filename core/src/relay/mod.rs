//! Step 8: bytes between the client and the upstream. `framed` relays one request and its response, `body` moves one body in
//! one direction, `raw` moves bytes both ways after an upgrade, `head` writes the heads.

pub(crate) mod body;
pub(crate) mod framed;
pub(crate) mod head;
pub(crate) mod raw;
