//! The four forms of a request target (RFC 9112 section 3.2).
//!
//! Not here: normalising a path; see [`crate::path`].

use std::ops::Range;

use super::RequestFault;
use super::authority;
use super::field::starts_with;
use super::scan::target_end;
use super::table::Span;

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    #[default]
    Origin,
    Absolute,
    Asterisk,
}

/// A target taken apart.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Target {
    pub(crate) form: Form,
    pub(crate) whole: Span,
    /// Empty where an absolute-form has none.
    pub(crate) path: Span,
    /// Without `?`.
    pub(crate) query: Option<Span>,
    /// Of an absolute-form; else empty.
    pub(crate) authority: Span,
}

/// Take apart a target that stands at `at` and has no octet that may not stand in one. `path_end`: where its `?` stands, or its
/// end.
#[inline]
pub(crate) fn read(
    bytes: &[u8],
    at: Range<usize>,
    path_end: usize,
    method: &[u8],
) -> Result<Target, RequestFault> {
    let text = bytes.get(at.clone()).unwrap_or_default();
    let (form, authority, path_at) = match text {
        [b'/', ..] => (Form::Origin, Span::default(), at.start),
        b"*" if method == b"OPTIONS" => (Form::Asterisk, Span::default(), at.start),
        _ => {
            let authority = authority_of_absolute(bytes, at.clone())?;
            let path_at = authority.end;
            (Form::Absolute, Span::new(authority.start, path_at), path_at)
        }
    };
    Ok(Target {
        form,
        whole: Span::new(at.start, at.end),
        path: Span::new(path_at, path_end),
        query: (path_end < at.end).then(|| Span::new(path_end + 1, at.end)),
        authority,
    })
}

/// Where the authority stands; the path begins behind it.
fn authority_of_absolute(bytes: &[u8], at: Range<usize>) -> Result<Range<usize>, RequestFault> {
    let text = bytes.get(at.clone()).unwrap_or_default();
    let scheme = match text {
        _ if starts_with(text, b"http://") => 7,
        _ if starts_with(text, b"https://") => 8,
        _ => return Err(RequestFault::TargetForm),
    };
    let rest = text.get(scheme..).unwrap_or_default();
    let length = memchr::memchr2(b'/', b'?', rest).unwrap_or(rest.len());
    let start = at.start + scheme;
    match authority::is_valid(bytes, start..start + length) {
        true => Ok(start..start + length),
        false => Err(RequestFault::TargetAuthority),
    }
}

/// Every octet may stand in a target.
pub(crate) fn is_target(text: &[u8]) -> bool {
    target_end(text, 0) == text.len()
}
