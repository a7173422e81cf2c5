//! A response's head of HTTP/2 in the form that both versions share: the octets of an HTTP/1.1 head.
//!
//! Not here: what HTTP/1.1 refuses as well (`http1::ResponseHead`). An upstream is believed as little as a client.

use super::field::checked;
use super::{HeadFault, Refused};
use crate::http1::head::put;
use crate::http1::{HeadLimits, Known, ResponseFault, ResponseHead};
use crate::websocket;

/// What is known of a response besides its head.
#[derive(Debug, Clone, Copy)]
pub struct Answers<'a> {
    /// How a body is delimited that announces no length.
    pub unannounced: Unannounced,
    /// The request was HEAD.
    pub to_head: bool,
    /// Some where a success accepts a WebSocket (RFC 8441 section 5): it becomes the switch of protocols of HTTP/1.1 that means the same, with this
    /// Sec-WebSocket-Accept.
    pub websocket: Option<&'a [u8]>,
}

/// A body whose length is not announced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unannounced {
    /// It comes, and becomes a chunked one.
    Chunked,
    /// There is none: `Content-Length: 0`.
    None,
    /// The status or the method allows none.
    Nothing,
}

/// Write the head into `out`, which is empty, and read it into `head`; an error leaves `out` empty.
pub fn take_response<'a>(
    head: &mut ResponseHead,
    out: &mut Vec<u8>,
    limits: &HeadLimits,
    status: u16,
    fields: impl Iterator<Item = (&'a [u8], &'a [u8])>,
    answers: Answers<'_>,
) -> Result<(), Refused<ResponseFault>> {
    debug_assert!(out.is_empty());
    let written = match answers.websocket {
        Some(accept) if (200..=299).contains(&status) => write_switch(head, out, fields, accept),
        _ => write(head, out, status, fields, answers.unannounced),
    };
    let taken = match written {
        Ok(()) => {
            put(out, b"\r\n");
            let judged = head.written(out, limits, answers.to_head);
            judged.map_err(Refused::AsHttp1)
        }
        Err(fault) => Err(fault.into()),
    };
    if taken.is_err() {
        head.reset();
        out.clear();
    }
    taken
}

fn write_switch<'a>(
    head: &mut ResponseHead,
    out: &mut Vec<u8>,
    fields: impl Iterator<Item = (&'a [u8], &'a [u8])>,
    accept: &[u8],
) -> Result<(), HeadFault> {
    head.write(out, 101);
    let table = &mut head.table;
    table.write(out, Known::Connection, b"connection", b"upgrade");
    table.write(out, Known::Upgrade, b"upgrade", b"websocket");
    table.write(out, Known::Other, websocket::ACCEPT, accept);
    for (name, value) in fields {
        let field = checked(name, value)?;
        match field.known {
            // What follows is a tunnel, whatever length is said (RFC 9110 section 9.3.6).
            Known::Te | Known::ContentLength => {}
            _ if websocket::is_of_handshake(name) => {}
            _ => field.write(table, out, name, value),
        }
    }
    Ok(())
}

fn write<'a>(
    head: &mut ResponseHead,
    out: &mut Vec<u8>,
    status: u16,
    fields: impl Iterator<Item = (&'a [u8], &'a [u8])>,
    unannounced: Unannounced,
) -> Result<(), HeadFault> {
    // There is no switch of protocols in HTTP/2 (RFC 9113 section 8.6).
    if status == 101 || !(100..=599).contains(&status) {
        return Err(HeadFault::Status);
    }
    head.write(out, status);
    let table = &mut head.table;
    let mut length = false;
    for (name, value) in fields {
        // TE means nothing in a response.
        let field = checked(name, value)?;
        match field.known {
            Known::Te => {}
            known => {
                length |= known == Known::ContentLength;
                field.write(table, out, name, value);
            }
        }
    }
    match unannounced {
        _ if length => {}
        Unannounced::Nothing => {}
        Unannounced::None => table.write(out, Known::ContentLength, b"content-length", b"0"),
        Unannounced::Chunked => {
            table.write(
                out,
                Known::TransferEncoding,
                b"transfer-encoding",
                b"chunked",
            );
        }
    }
    Ok(())
}
