//! A request's head of HTTP/2 in the form that both versions share: the octets of an HTTP/1.1 head.
//!
//! Not here: what HTTP/1.1 refuses as well (several Content-Lengths, a Host that is none, CONNECT, TRACE with a body, and what is over a limit):
//! `http1::RequestHead` judges that of a head, whether it was read or written.

use super::field::{announces_body, checked};
use super::hpack::Fields;
use super::parts::is_pseudo;
use super::{HeadFault, Refused};
use crate::http1::head::put;
use crate::http1::{
    HeadLimits, Known, RequestFault, RequestHead, decimal, is_authority, is_target, is_token,
};
use crate::websocket;

/// What the pseudo-fields say (RFC 9113 section 8.3.1).
#[derive(Debug, Clone, Copy)]
pub struct Pseudo<'a> {
    /// `:method`.
    pub method: &'a [u8],
    /// `:scheme`.
    pub scheme: Option<&'a [u8]>,
    /// `:authority`.
    pub authority: Option<&'a [u8]>,
    /// `:path`.
    pub path: &'a [u8],
    /// `:protocol` (RFC 8441 section 4).
    pub protocol: Option<&'a [u8]>,
}

impl<'a> Pseudo<'a> {
    /// Those of a request. (One behind a regular field has a name that no field may have.)
    pub fn of(fields: &'a Fields) -> Result<Pseudo<'a>, HeadFault> {
        let (mut method, mut scheme, mut authority, mut path, mut protocol) = Default::default();
        for (name, value) in fields.pseudo() {
            let place: &mut Option<&[u8]> = match name {
                b":method" => &mut method,
                b":scheme" => &mut scheme,
                b":authority" => &mut authority,
                b":path" => &mut path,
                b":protocol" => &mut protocol,
                _ => return Err(HeadFault::PseudoField),
            };
            if place.replace(value).is_some() {
                return Err(HeadFault::PseudoField);
            }
        }
        let method = method.ok_or(HeadFault::PseudoField)?;
        // A CONNECT to a host has neither (RFC 9113 section 8.5).
        let is_plain_connect = method == b"CONNECT" && protocol.is_none();
        if !is_plain_connect && (scheme.is_none() || path.is_none()) {
            return Err(HeadFault::PseudoField);
        }
        Ok(Pseudo {
            method,
            scheme,
            authority,
            path: path.unwrap_or_default(),
            protocol,
        })
    }
}

/// The status of a response's head, which has no other pseudo-field.
pub fn status_of(fields: &Fields) -> Result<u16, HeadFault> {
    let mut all = fields.iter();
    let (Some((b":status", value)), next) = (all.next(), all.next()) else {
        return Err(HeadFault::PseudoField);
    };
    if next.is_some_and(|(name, _)| is_pseudo(name)) {
        return Err(HeadFault::PseudoField);
    }
    let status = (value.len() == 3).then(|| decimal(value)).flatten();
    status
        .and_then(|status| u16::try_from(status).ok())
        .ok_or(HeadFault::Status)
}

/// Write the head into `out`, which is empty, and read it into `head`; an error leaves `out` empty. `fields` goes over the fields, name and value, each time
/// that it is called. `ends`: the stream ends with this head, so there is no body. A body whose length is not announced becomes a chunked one.
pub fn take_request<'a, I: Iterator<Item = (&'a [u8], &'a [u8])>>(
    head: &mut RequestHead,
    out: &mut Vec<u8>,
    limits: &HeadLimits,
    pseudo: &Pseudo<'a>,
    fields: impl Fn() -> I,
    ends: bool,
) -> Result<(), Refused<RequestFault>> {
    whole(head, out, limits, |head, out| {
        put_request_line(head, out, pseudo)?;
        let kind = Kind::Message { ends };
        let seen = put_fields(head, out, pseudo.authority, fields, kind)?;
        if !ends && !seen.length {
            let chunked = (Known::TransferEncoding, b"transfer-encoding", b"chunked");
            head.table.write(out, chunked.0, chunked.1, chunked.2);
        }
        Ok(())
    })
}

/// The same for an extended CONNECT whose `:protocol` is `websocket` (RFC 8441 section 5), as the handshake of HTTP/1.1 that means the same. `key` is its
/// Sec-WebSocket-Key: what the client says there is not of this version.
pub fn take_websocket<'a, I: Iterator<Item = (&'a [u8], &'a [u8])>>(
    head: &mut RequestHead,
    out: &mut Vec<u8>,
    limits: &HeadLimits,
    pseudo: &Pseudo<'a>,
    fields: impl Fn() -> I,
    key: &[u8],
) -> Result<(), Refused<RequestFault>> {
    if pseudo.method != b"CONNECT" {
        return Err(HeadFault::Protocol.into());
    }
    // Unlike a CONNECT without a protocol, it has both.
    if pseudo.scheme.is_none() {
        return Err(HeadFault::Scheme.into());
    }
    let handshake = Pseudo {
        method: b"GET",
        ..*pseudo
    };
    whole(head, out, limits, |head, out| {
        put_request_line(head, out, &handshake)?;
        put_fields(head, out, pseudo.authority, fields, Kind::WebSocket)?;
        let table = &mut head.table;
        table.write(out, Known::Connection, b"connection", b"upgrade");
        table.write(out, Known::Upgrade, b"upgrade", b"websocket");
        table.write(out, Known::Other, websocket::KEY, key);
        Ok(())
    })
}

fn whole(
    head: &mut RequestHead,
    out: &mut Vec<u8>,
    limits: &HeadLimits,
    write: impl FnOnce(&mut RequestHead, &mut Vec<u8>) -> Result<(), HeadFault>,
) -> Result<(), Refused<RequestFault>> {
    debug_assert!(out.is_empty());
    let taken = match write(head, out) {
        Ok(()) => {
            put(out, b"\r\n");
            head.written(out, limits).map_err(Refused::AsHttp1)
        }
        Err(fault) => Err(fault.into()),
    };
    if taken.is_err() {
        head.reset();
        out.clear();
    }
    taken
}

/// What the head begins.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Message { ends: bool },
    WebSocket,
}

fn put_fields<'a, I: Iterator<Item = (&'a [u8], &'a [u8])>>(
    head: &mut RequestHead,
    out: &mut Vec<u8>,
    authority_said: Option<&'a [u8]>,
    fields: impl Fn() -> I,
    kind: Kind,
) -> Result<Seen, HeadFault> {
    let host = || {
        let host = fields().find(|(name, _)| *name == b"host");
        host.map(|(_, value)| value)
    };
    let authority = authority(authority_said, host)?;
    head.table.write(out, Known::Host, b"host", authority);
    let mut seen = Seen::default();
    for (name, value) in fields() {
        let field = checked(name, value)?;
        match field.known {
            Known::Host if std::mem::replace(&mut seen.host, true) => {
                return Err(HeadFault::HostRepeated);
            }
            Known::Host => {}
            Known::Te if !value.eq_ignore_ascii_case(b"trailers") => return Err(HeadFault::Te),
            Known::Cookie => seen.cookie = true,
            known => {
                if known == Known::ContentLength {
                    seen.length = true;
                    check_length(kind, value)?;
                }
                if kind == Kind::WebSocket && websocket::is_of_handshake(name) {
                    continue;
                }
                field.write(&mut head.table, out, name, value);
            }
        }
    }
    if seen.cookie {
        put_cookies(head, out, fields());
    }
    Ok(seen)
}

fn check_length(kind: Kind, value: &[u8]) -> Result<(), HeadFault> {
    match kind {
        Kind::Message { ends: true } if announces_body(value) => Err(HeadFault::LengthWithoutBody),
        Kind::Message { .. } => Ok(()),
        Kind::WebSocket => Err(HeadFault::TunnelLength),
    }
}

#[derive(Default)]
struct Seen {
    host: bool,
    cookie: bool,
    length: bool,
}

fn put_request_line(
    head: &mut RequestHead,
    out: &mut Vec<u8>,
    pseudo: &Pseudo<'_>,
) -> Result<(), HeadFault> {
    if !is_token(pseudo.method) {
        return Err(HeadFault::Method);
    }
    let scheme_is_right = pseudo.scheme.is_none_or(|scheme| {
        scheme.eq_ignore_ascii_case(b"http") || scheme.eq_ignore_ascii_case(b"https")
    });
    if !scheme_is_right {
        return Err(HeadFault::Scheme);
    }
    // An absolute form would be believed before Host: it cannot come in here.
    let path_is_right = match pseudo.path {
        b"*" => pseudo.method == b"OPTIONS",
        [b'/', ..] => is_target(pseudo.path),
        _ => pseudo.method == b"CONNECT",
    };
    if !path_is_right {
        return Err(HeadFault::Path);
    }
    // A CONNECT is refused as it is of HTTP/1.1, by its method.
    let path: &[u8] = match pseudo.method {
        b"CONNECT" => b"/",
        _ => pseudo.path,
    };
    head.write(out, pseudo.method, path);
    Ok(())
}

/// Who is asked: what `:authority` and Host say in common.
fn authority<'a>(
    authority: Option<&'a [u8]>,
    host: impl FnOnce() -> Option<&'a [u8]>,
) -> Result<&'a [u8], HeadFault> {
    let asked = match (authority, host()) {
        (Some(authority), Some(host)) if !authority.eq_ignore_ascii_case(host) => {
            return Err(HeadFault::HostDiffers);
        }
        (Some(authority), _) => authority,
        (None, Some(host)) => host,
        (None, None) => return Err(HeadFault::AuthorityMissing),
    };
    match is_authority(asked) {
        true => Ok(asked),
        false => Err(HeadFault::Authority),
    }
}

/// HTTP/2 may bring cookies in pieces; HTTP/1.1 has one field (RFC 9113 section 8.2.3).
fn put_cookies<'a>(
    head: &mut RequestHead,
    out: &mut Vec<u8>,
    fields: impl Iterator<Item = (&'a [u8], &'a [u8])>,
) {
    let cookies = fields.filter(|(name, _)| *name == b"cookie");
    let pieces = cookies.flat_map(|(_, value)| [&b"; "[..], value]);
    // Nothing stands before the first.
    let pieces = pieces.skip(1);
    let table = &mut head.table;
    table.write_pieces(out, Known::Cookie, b"cookie", pieces);
}
