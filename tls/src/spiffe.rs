//! SPIFFE ids: which text is one, and which ids are expected of a peer (SPIFFE-ID 2).
//!
//! Not here: where a certificate carries it (`identity`).

use std::fmt;

/// The longest id that the standard lets one make.
const LONGEST: usize = 2_048;

/// Is this a SPIFFE id: `spiffe://trust-domain/path`, without what URIs otherwise may have?
pub fn is_spiffe_id(text: &str) -> bool {
    let Some(rest) = text.strip_prefix("spiffe://") else {
        return false;
    };
    let (domain, path) = match rest.split_once('/') {
        Some((domain, path)) => (domain, Some(path)),
        None => (rest, None),
    };
    text.len() <= LONGEST && is_trust_domain(domain) && path.is_none_or(is_path)
}

fn is_trust_domain(domain: &str) -> bool {
    !domain.is_empty()
        && domain.len() <= 255
        && domain
            .bytes()
            .all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'-' | b'_'))
}

fn is_path(path: &str) -> bool {
    path.split('/').all(|segment| {
        !segment.is_empty()
            && segment != "."
            && segment != ".."
            && segment
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_'))
    })
}

/// Who the peer must be.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Expected {
    /// This id and no other.
    Exactly(String),
    /// Every id that begins so; it ends with `/`, so that `spiffe://a.b` does not let `spiffe://a.bc` in.
    Below(String),
}

impl Expected {
    /// Reads `spiffe://domain/path`, or `spiffe://domain/*` and `spiffe://domain/path/*` for all below.
    pub fn read(text: &str) -> Option<Expected> {
        match text.strip_suffix("/*") {
            Some(above) => is_spiffe_id(above).then(|| Expected::Below(format!("{above}/"))),
            None => is_spiffe_id(text).then(|| Expected::Exactly(text.to_owned())),
        }
    }

    /// Is it this peer?
    pub fn fits(&self, id: &str) -> bool {
        match self {
            Expected::Exactly(expected) => id == expected,
            Expected::Below(above) => id.starts_with(above.as_str()),
        }
    }
}

impl fmt::Display for Expected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Expected::Exactly(id) => f.write_str(id),
            Expected::Below(above) => write!(f, "{above}*"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_told_from_what_looks_like_them() {
        for id in [
            "spiffe://mycorp.com",
            "spiffe://mycorp.com/edge",
            "spiffe://a_b-c.1/ns/prod/sa/Web.1",
        ] {
            assert!(is_spiffe_id(id), "{id}");
        }
        let long = format!("spiffe://a/{}", "b".repeat(LONGEST));
        for other in [
            "",
            "spiffe://",
            "spiffe:///edge",
            "https://mycorp.com/edge",
            "SPIFFE://mycorp.com",
            "spiffe://MyCorp.com",
            "spiffe://mycorp.com:1",
            "spiffe://user@mycorp.com",
            "spiffe://mycorp.com/",
            "spiffe://mycorp.com//a",
            "spiffe://mycorp.com/a/",
            "spiffe://mycorp.com/../a",
            "spiffe://mycorp.com/a?b",
            "spiffe://mycorp.com/a%2f",
            &long,
        ] {
            assert!(!is_spiffe_id(other), "{other}");
        }
    }

    #[test]
    fn an_expected_domain_ends_where_it_ends() {
        let domain = Expected::read("spiffe://a.b/*").expect("reads");
        assert!(domain.fits("spiffe://a.b/c/d"));
        assert!(!domain.fits("spiffe://a.b"));
        assert!(!domain.fits("spiffe://a.bc/d"));
        assert_eq!(domain.to_string(), "spiffe://a.b/*");
        let one = Expected::read("spiffe://a.b/c").expect("reads");
        assert!(one.fits("spiffe://a.b/c"));
        assert!(!one.fits("spiffe://a.b/c/d"));
        for wrong in ["spiffe://a.b*", "spiffe:///*", "*", "spiffe://a.b/*/c"] {
            assert_eq!(Expected::read(wrong), None, "{wrong}");
        }
    }
}
