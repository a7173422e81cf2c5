//! Fields of HTTP/2 on their way into lines of HTTP/1.1, and which of those lines go back into HTTP/2.
//!
//! Not here: pseudo-fields.

use super::HeadFault;
use crate::http1::{Known, decimal, is_ows, is_text, is_token_octet, may_trail};

/// A field name as HTTP/2 has it: a token without capitals.
pub(super) fn is_name(name: &[u8]) -> bool {
    !name.is_empty()
        && name
            .iter()
            .all(|octet| is_token_octet(*octet) && !octet.is_ascii_uppercase())
}

/// A field value without control octets and without white space at its ends.
pub(super) fn is_value(value: &[u8]) -> bool {
    let ends_are_right = match value {
        [] => true,
        [first, ..] => {
            let last = value.last().unwrap_or(first);
            !is_ows(*first) && !is_ows(*last)
        }
    };
    ends_are_right && is_text(value)
}

/// Belongs to one connection of HTTP/1.1, and makes a head malformed (RFC 9113 section 8.2.2). TE is judged by its value.
pub(super) fn is_of_connection(known: Known) -> bool {
    matches!(
        known,
        Known::Connection
            | Known::KeepAlive
            | Known::ProxyConnection
            | Known::TransferEncoding
            | Known::Upgrade
    )
}

pub(super) fn put(out: &mut Vec<u8>, text: &[u8]) {
    out.extend_from_slice(text);
}

pub(super) fn put_line(out: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    put(out, name);
    put(out, b": ");
    put(out, value);
    put(out, b"\r\n");
}

/// Name and value may stand in a line. What they are known as.
pub(super) fn checked(name: &[u8], value: &[u8]) -> Result<Known, HeadFault> {
    let known = Known::of(name);
    // A name that is known is a token; it must not have capitals all the same.
    if !is_name(name) {
        return Err(HeadFault::FieldName);
    }
    if !is_value(value) {
        return Err(HeadFault::FieldValue);
    }
    if is_of_connection(known) {
        return Err(HeadFault::ConnectionField);
    }
    Ok(known)
}

/// Whether all of these may stand in a head. Whoever writes one finds out as well.
pub fn are_fields<'a>(mut fields: impl Iterator<Item = (&'a [u8], &'a [u8])>) -> bool {
    fields.all(|(name, value)| checked(name, value).is_ok())
}

/// The number that a Content-Length says; the reader of HTTP/1.1 judges one that is none.
pub(super) fn announces_body(value: &[u8]) -> bool {
    decimal(value).is_none_or(|length| length > 0)
}

/// Append the trailer fields that may be passed on as lines of HTTP/1.1, without the empty line. A fault ends the message: a trailer section
/// that cannot be passed on must not look like a message without one.
pub fn write_trailers<'a>(
    out: &mut Vec<u8>,
    fields: impl Iterator<Item = (&'a [u8], &'a [u8])>,
) -> Result<(), HeadFault> {
    let mark = out.len();
    for (name, value) in fields {
        match checked(name, value) {
            Ok(_) if may_trail(name) => put_line(out, name, value),
            Ok(_) => {}
            Err(fault) => {
                out.truncate(mark);
                return Err(fault);
            }
        }
    }
    Ok(())
}
