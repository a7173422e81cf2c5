//! Which certificate a client gets: by the name that it asks for, and by what it can verify.
//!
//! Not here: reading certificates (`pair`).

use std::collections::HashMap;
use std::sync::Arc;

use rustls::SignatureScheme;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use crate::pair::Pair;

/// Of one name, the cheapest to sign with first.
type Keys = Vec<Arc<CertifiedKey>>;

/// Names of certificates to keys: exact names before wildcards; who asks for none of them gets the first pair, or that of the same name
/// that it can verify.
#[derive(Debug)]
pub(crate) struct Choice {
    exact: HashMap<Box<str>, Keys>,
    /// By what stands behind `*.`
    wildcard: HashMap<Box<str>, Keys>,
    default: Keys,
}

impl Choice {
    /// For one name and one kind of key, the first pair in the list.
    pub(crate) fn new(pairs: &[Pair]) -> Choice {
        let mut choice = Choice {
            exact: HashMap::new(),
            wildcard: HashMap::new(),
            default: Vec::new(),
        };
        let by_cost = || {
            let quick = pairs.iter().filter(|pair| !pair.is_rsa());
            quick.chain(pairs.iter().filter(|pair| pair.is_rsa()))
        };
        for pair in by_cost() {
            for name in &pair.leaf().dns {
                let name = name.to_ascii_lowercase();
                let keys = match name.strip_prefix("*.") {
                    Some(behind) => choice.wildcard.entry(behind.into()).or_default(),
                    None => choice.exact.entry(name.into()).or_default(),
                };
                keys.push(pair.key.clone());
            }
        }
        let Some(first) = pairs.first() else {
            return choice;
        };
        let names = &first.leaf().dns;
        let is_like_first = |pair: &&Pair| {
            std::ptr::eq(*pair, first) || (!names.is_empty() && pair.leaf().dns == *names)
        };
        choice.default = by_cost()
            .filter(is_like_first)
            .map(|pair| pair.key.clone())
            .collect();
        choice
    }

    fn find(&self, name: Option<&str>, schemes: &[SignatureScheme]) -> Option<&Arc<CertifiedKey>> {
        let name = name.map(str::to_ascii_lowercase);
        let exact = name.as_ref().and_then(|name| self.exact.get(name.as_str()));
        let wildcard = || {
            let (_, behind) = name.as_ref()?.split_once('.')?;
            self.wildcard.get(behind)
        };
        let keys = exact.or_else(wildcard).unwrap_or(&self.default);
        keys.iter()
            .find(|key| key.key.choose_scheme(schemes).is_some())
            // Then the handshake says what the two have not in common.
            .or(keys.first())
    }
}

impl ResolvesServerCert for Choice {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.find(hello.server_name(), hello.signature_schemes())
            .cloned()
    }
}
