//! Which route a request takes. Compiled once per snapshot; finding is a few hash look-ups, not a walk.
//! Not here: what the route then does (policy, pick, answer), parsing, and path normalisation. Pure: no socket, no clock.
//!
//! Rules (the reference that the tests compare with says the same in the obvious way):
//! - The first route in file order whose conditions all hold wins.
//! - Host: letter case, port and one trailing dot do not matter; IPv6 literals compare as addresses.
//! - Path: byte for byte on the normalised path; a prefix ends at a `/` or at the end; a regex matches the whole path.
//! - Method: exact; GET does not stand for HEAD.
//! - Field with several lines: one that fits is enough. Lines are not split at commas.
//! - Query: pairs between `&`; `+` is a space and `%41` an `A` on both sides of `=`; of several values one that fits is enough.
//! - A regex matches the whole value, on bytes; `.` is a character of UTF-8, so a byte that is none needs `(?s-u:.)`.

mod bucket;
mod captures;
mod conditions;
mod cookie;
mod fields;
mod host;
mod index;
mod pattern;
mod query;
mod router;
mod split;
pub(crate) mod step;
mod tcp;
mod template;

#[cfg(test)]
mod made;
#[cfg(test)]
mod reference;
#[cfg(test)]
mod tests;

pub use captures::Captures;
pub(crate) use conditions::Conditions;
pub use cookie::cookie;
pub use fields::{Ask, Fields};
pub(crate) use pattern::Patterns;
pub use router::Router;
pub use split::{Split, hash_for_split};
pub(crate) use tcp::{Opening, TcpRouter};
pub use template::{Template, Variables};
