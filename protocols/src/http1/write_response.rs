//! The response head as the client gets it (RFC 9110 section 7.6, RFC 9112 section 4).
//!
//! Not here: judging the response; replies of our own (`answer`).
//!
//! The status line always says HTTP/1.1, our own version (RFC 9110 section 6.2); what an HTTP/1.0 client cannot read is not sent to it.

use super::edit::Edits;
use super::field::Known;
use super::octets::{decimal, is_shortest};
use super::response::Response;
use super::sink::{HeadSink, Lines};
use super::table::Field;
use super::write_request::{REQUEST_ID, put_via};
use super::{BodyFraming, ClientConnection, ResponseEdit, Version};

/// As in `write_request`.
const ADDED_BYTES: usize = 256;

/// Append the client's response head to `out`: order and spelling kept, hop-by-hop fields removed, framing as
/// [`ResponseEdit::framing`] says (with `None`, a Content-Length stays that describes the body of an answer to HEAD or of a
/// 304), ends with the empty line. An interim response (1xx) gets neither `Connection` nor X-Request-Id; the final one does.
pub fn write_response(out: &mut Vec<u8>, response: &Response<'_>, edit: &ResponseEdit<'_>) {
    let last = response.head.table.fields().last();
    out.reserve(last.map_or(64, |field| field.value.end()) + ADDED_BYTES);
    write(&mut Lines::new(out, response.bytes), response, edit);
}

/// The same, wherever it goes.
pub(crate) fn write(out: &mut impl HeadSink, response: &Response<'_>, edit: &ResponseEdit<'_>) {
    let table = &response.head.table;
    let edits = Edits::new(edit.edits, edit.removed);
    out.response(response);
    let mut written = Written::default();
    let mut vias_left = table.count(Known::Via);
    for field in table.fields() {
        let name = || field.name.of(response.bytes);
        match field.known {
            Known::Other if field.ends_here => {}
            Known::ContentLength if !written.framing && length_stays(field, response, edit) => {
                written.framing = true;
                out.keep(field);
            }
            Known::ContentLength | Known::TransferEncoding => {
                let value = field.value.of(response.bytes);
                written.put_framing(out, response, edit, field.known, name(), value);
            }
            Known::Upgrade if edit.websocket && response.status() == 101 => {
                out.keep(field);
            }
            Known::Trailer if edit.framing == BodyFraming::Chunked => out.keep(field),
            known if known.is_hop_by_hop() || edits.takes(response.bytes, field) => {}
            Known::XRequestId if edit.request_id.is_some() => {
                written.put_request_id(out, edit, name());
            }
            Known::Via => {
                out.keep(field);
                vias_left -= 1;
                if vias_left == 0 {
                    written.via = true;
                    put_via(out, response.version(), edit.via);
                }
            }
            _ => out.keep(field),
        }
    }
    written.rest(out, response, edit, edits);
    edits.write(out);
    out.end();
}

/// Content-Length is as we would write it.
#[inline]
fn length_stays(field: &Field, response: &Response<'_>, edit: &ResponseEdit<'_>) -> bool {
    matches!(edit.framing, BodyFraming::Length(_))
        && edit.framing == response.framing()
        && is_shortest(field.value.of(response.bytes))
}

/// What of ours has found its place already.
#[derive(Debug, Default)]
struct Written {
    framing: bool,
    request_id: bool,
    via: bool,
}

impl Written {
    fn put_framing(
        &mut self,
        out: &mut impl HeadSink,
        response: &Response<'_>,
        edit: &ResponseEdit<'_>,
        known: Known,
        name: &[u8],
        value: &[u8],
    ) {
        let describes = known == Known::ContentLength
            && edit.framing == BodyFraming::None
            && !never_has_length(response.status());
        match (edit.framing, known) {
            _ if self.framing => {}
            (BodyFraming::Length(length), Known::ContentLength) => {
                self.framing = true;
                out.number(known, name, length);
            }
            (BodyFraming::Chunked, Known::TransferEncoding) => {
                self.framing = true;
                out.field(known, name, b"chunked");
            }
            (BodyFraming::None, _) if describes => {
                self.framing = true;
                if let Some(length) = decimal(value) {
                    out.number(known, name, length);
                }
            }
            _ => {}
        }
    }

    fn put_request_id(&mut self, out: &mut impl HeadSink, edit: &ResponseEdit<'_>, name: &[u8]) {
        if let Some(id) = edit.request_id
            && !std::mem::replace(&mut self.request_id, true)
        {
            out.field(Known::XRequestId, name, id);
        }
    }

    /// What of ours has found no place among the received fields.
    fn rest(
        &mut self,
        out: &mut impl HeadSink,
        response: &Response<'_>,
        edit: &ResponseEdit<'_>,
        edits: Edits<'_>,
    ) {
        if !self.framing {
            match edit.framing {
                BodyFraming::Length(length) => {
                    out.number(Known::ContentLength, b"Content-Length", length);
                }
                BodyFraming::Chunked => {
                    out.field(Known::TransferEncoding, b"Transfer-Encoding", b"chunked");
                }
                BodyFraming::None | BodyFraming::UntilClose => {}
            }
        }
        let interim = response.status() < 200;
        if !interim
            && !self.request_id
            && let Some(id) = edit.request_id
            && !edits.takes_away(b"x-request-id", Known::XRequestId)
        {
            out.own(REQUEST_ID, [id, b""]);
        }
        if !self.via && !edits.takes_away(b"via", Known::Via) {
            put_via(out, response.version(), edit.via);
        }
        if edit.websocket && response.status() == 101 {
            out.connection(b"upgrade");
        } else if !interim {
            put_connection(out, edit.connection, edit.client);
        }
    }
}

/// RFC 9110 section 8.6: no Content-Length in 1xx and 204.
fn never_has_length(status: u16) -> bool {
    matches!(status, 100..=199 | 204)
}

/// Persistence is said where it is not the default of the client's version (RFC 9112 section 9.3).
pub(crate) fn put_connection(
    out: &mut impl HeadSink,
    connection: ClientConnection,
    client: Version,
) {
    match (connection, client) {
        // HTTP/2 has frames for it.
        (_, Version::Http2) => {}
        (ClientConnection::Close, _) => out.connection(b"close"),
        (ClientConnection::KeepAlive, Version::Http10) => out.connection(b"keep-alive"),
        (ClientConnection::KeepAlive, _) => {}
    }
}
