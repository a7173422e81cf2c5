//! The four forms of a request target (RFC 9112 section 3.2).
//!
//! Not here: normalising a path; see [`crate::path`].

use super::RequestFault;
use super::authority;
use super::field::starts_with;
use super::octets::is_target;
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

/// `start` is where `text` begins in the head.
pub(crate) fn read(text: &[u8], start: usize, method: &[u8]) -> Result<Target, RequestFault> {
    if !is_target(text) {
        return Err(match text.contains(&b'#') {
            true => RequestFault::TargetFragment,
            false => RequestFault::TargetOctet,
        });
    }
    let whole = Span::new(start, start + text.len());
    if text == b"*" {
        return match method {
            b"OPTIONS" => Ok(Target {
                form: Form::Asterisk,
                whole,
                path: whole,
                ..Target::default()
            }),
            _ => Err(RequestFault::TargetForm),
        };
    }
    let (form, authority, path_at) = match text {
        [b'/', ..] => (Form::Origin, Span::default(), 0),
        _ => {
            let (authority_at, path_at) = split_absolute(text)?;
            let authority = Span::new(start + authority_at, start + path_at);
            (Form::Absolute, authority, path_at)
        }
    };
    let rest = text.get(path_at..).unwrap_or_default();
    let path_length = memchr::memchr(b'?', rest).unwrap_or(rest.len());
    let path_end = path_at + path_length;
    let query =
        (path_length < rest.len()).then(|| Span::new(start + path_end + 1, start + text.len()));
    Ok(Target {
        form,
        whole,
        path: Span::new(start + path_at, start + path_end),
        query,
        authority,
    })
}

/// Where the authority and where the path begin.
fn split_absolute(text: &[u8]) -> Result<(usize, usize), RequestFault> {
    let authority_at = match text {
        _ if starts_with(text, b"http://") => 7,
        _ if starts_with(text, b"https://") => 8,
        _ => return Err(RequestFault::TargetForm),
    };
    let rest = text.get(authority_at..).unwrap_or_default();
    let length = memchr::memchr2(b'/', b'?', rest).unwrap_or(rest.len());
    match authority::is_valid(rest.get(..length).unwrap_or_default()) {
        true => Ok((authority_at, authority_at + length)),
        false => Err(RequestFault::TargetAuthority),
    }
}
