//! Path normalisation before matching: dot segments, `//`, unreserved percent-encoding.
#![allow(unused_variables, missing_docs)]

/// What became of a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Normal { /// The input is already normal; nothing was written.
    Unchanged, /// The normal form was written to `out`.
    Rewritten }

/// Why a path is refused (400).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PathFault { EncodedSlash, EncodedBackslash, EncodedNul, BadEscape, AboveRoot, NotAbsolute, Backslash }
impl PathFault { pub fn reason(self) -> &'static str { todo!() } }

/// `raw` is a path without query (or `*`). `out` is cleared first.
pub fn normalize(raw: &[u8], out: &mut Vec<u8>) -> Result<Normal, PathFault> { todo!() }
