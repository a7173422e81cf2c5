//! Step 3: the protocol that a connection speaks. One file for each; each reads requests and calls the one exchange path.

pub(crate) mod beginning;
pub(crate) mod detect;
pub(crate) mod http1;
pub(crate) mod tcp;
