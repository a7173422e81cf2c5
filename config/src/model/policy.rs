//! Who may do what: `allow`.
//! Not the policies' names: each listener and route holds what is in force for it.

use super::{Cidr, PathMatch, ValueMatch};

/// Exchanges that none of the rules lets through are refused.
#[derive(Debug, Clone, PartialEq)]
pub struct Allow {
    /// At least one.
    pub rules: Vec<AllowRule>,
    /// False: what would be refused is counted and logged only.
    pub enforce: bool,
    /// What said so, for logs: `policy mesh`, `route orders`, `defaults`.
    pub from: String,
}

/// All given conditions must hold; at least one is given.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct AllowRule {
    /// The peer is any of these; empty: anyone, also nobody.
    pub identities: Vec<IdentityMatch>,
    /// Upper-case; empty: any. Empty on a listener with `tcp`, as the next two.
    pub methods: Vec<String>,
    /// Any of these; empty: any path.
    pub paths: Vec<PathMatch>,
    /// Lower-case name, and what one of its values must be.
    pub headers: Vec<(String, ValueMatch)>,
    /// The client's address is in one of these; empty: anywhere.
    pub addresses: Vec<Cidr>,
}

/// A condition on the verified identity of a peer.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum IdentityMatch {
    /// It has one, whichever.
    Any,
    /// This one.
    Exact(String),
    /// Every one that begins so; ends with `/`.
    Below(String),
}
