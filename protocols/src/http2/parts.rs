//! The two parts of a list of fields: what describes the message, and its fields proper (RFC 9113 section 8.3).

use super::hpack::Fields;
use crate::http1::decimal;

impl Fields {
    /// The pseudo-fields, which come first.
    pub fn pseudo(&self) -> impl Iterator<Item = (&[u8], &[u8])> + Clone {
        self.iter().take_while(|(name, _)| is_pseudo(name))
    }

    /// What follows them. (A pseudo-field among these has a name that no field may have.)
    pub fn regular(&self) -> impl Iterator<Item = (&[u8], &[u8])> + Clone {
        self.iter().skip_while(|(name, _)| is_pseudo(name))
    }

    /// What Content-Length says. None where there is none, or none that is a number, which the head's reader judges.
    pub fn content_length(&self) -> Option<u64> {
        let mut regular = self.regular();
        let said = regular.find(|(name, _)| *name == b"content-length");
        said.and_then(|(_, value)| decimal(value))
    }
}

#[inline]
pub(super) fn is_pseudo(name: &[u8]) -> bool {
    name.first() == Some(&b':')
}
