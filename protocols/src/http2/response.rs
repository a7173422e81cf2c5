//! A response's head of HTTP/2 in the form that both versions share: the octets of an HTTP/1.1 head.
//!
//! Not here: reading that form (`http1::ResponseHead`). An upstream is believed as little as a client.

use super::HeadFault;
use super::field::{checked, put, put_line};
use crate::http1::{Known, put_decimal, reason_phrase};

/// Append the head to `out`, or leave `out` as it was. `framing` says how a body is delimited that announces no length: chunked for one
/// that comes, `content-length: 0` for none, nothing where the status or the method allows no body.
pub fn write_response_head<'a>(
    out: &mut Vec<u8>,
    status: u16,
    fields: impl Iterator<Item = (&'a [u8], &'a [u8])>,
    unannounced: &[u8],
) -> Result<(), HeadFault> {
    let mark = out.len();
    let written = write(out, status, fields, unannounced);
    if written.is_err() {
        out.truncate(mark);
    }
    written
}

fn write<'a>(
    out: &mut Vec<u8>,
    status: u16,
    fields: impl Iterator<Item = (&'a [u8], &'a [u8])>,
    unannounced: &[u8],
) -> Result<(), HeadFault> {
    // There is no switch of protocols in HTTP/2 (RFC 9113 section 8.6).
    if status == 101 || !(100..=599).contains(&status) {
        return Err(HeadFault::Status);
    }
    put(out, b"HTTP/1.1 ");
    put_decimal(out, u64::from(status));
    put(out, b" ");
    put(out, reason_phrase(status).as_bytes());
    put(out, b"\r\n");
    let mut length = false;
    for (name, value) in fields {
        // TE means nothing in a response.
        match checked(name, value)? {
            Known::Te => {}
            known => {
                length |= known == Known::ContentLength;
                put_line(out, name, value);
            }
        }
    }
    if !length {
        put(out, unannounced);
    }
    put(out, b"\r\n");
    Ok(())
}
