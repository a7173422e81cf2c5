//! A response's head of HTTP/2 in the form that both versions share: the octets of an HTTP/1.1 head.
//!
//! Not here: reading that form (`http1::ResponseHead`). An upstream is believed as little as a client.

use super::HeadFault;
use super::field::{checked, put, put_line};
use crate::http1::{Known, put_decimal, reason_phrase};
use crate::websocket;

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

/// Append the head of an answer that has accepted a WebSocket (2xx, RFC 8441 section 5) as the switch of protocols of HTTP/1.1 that means the same, or leave
/// `out` as it was. `accept` is its Sec-WebSocket-Accept.
pub fn write_websocket_answer<'a>(
    out: &mut Vec<u8>,
    fields: impl Iterator<Item = (&'a [u8], &'a [u8])>,
    accept: &[u8],
) -> Result<(), HeadFault> {
    let mark = out.len();
    put(
        out,
        b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n",
    );
    put_line(out, websocket::ACCEPT, accept);
    for (name, value) in fields {
        match checked(name, value) {
            // What follows is a tunnel, whatever length is said (RFC 9110 section 9.3.6).
            Ok(Known::Te | Known::ContentLength) => {}
            Ok(_) if websocket::is_of_handshake(name) => {}
            Ok(_) => put_line(out, name, value),
            Err(fault) => {
                out.truncate(mark);
                return Err(fault);
            }
        }
    }
    put(out, b"\r\n");
    Ok(())
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
