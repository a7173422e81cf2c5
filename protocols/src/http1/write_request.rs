//! The request head as the upstream gets it (RFC 9110 section 7.6, RFC 9112 section 3).
//!
//! Not here: judging the request; only heads that were accepted come here.
//!
//! What is decided where the RFC leaves a choice:
//! - `Connection` of the client never reaches the upstream. What it names is dropped, unless it is a field that the message's
//!   meaning, its framing, its routing or its sender's identity rests on; such a name is ignored.
//! - `TE` is passed on as `TE: trailers`, if that is among what the client takes, with the `Connection: TE` that RFC 9110 section 10.1.4
//!   asks for; every other coding is between the client and us. A websocket handshake and an HTTP/1.0 client get none.
//! - A call that becomes one of gRPC has `TE: trailers` and no Content-Length, whoever its client is; with a body it is chunked.
//! - `Expect` of an HTTP/1.0 client is dropped: it could not read the 100 (RFC 9110 section 10.1.1).
//! - `OPTIONS` of an absolute-form without path and query becomes `OPTIONS *` (RFC 9112 section 3.2.4).
//! - A field that imitates one the proxy decides about, with `_` for `-`, is dropped (nginx drops every `_`, which loses more).
//! - `Trailer` stays where a trailer section can follow, that is with chunked coding.

use super::edit::Edits;
use super::field::Known;
use super::octets::{elements, is_shortest, trim_ows};
use super::request::Request;
use super::sink::{HeadSink, Lines, Own};
use super::table::Field;
use super::target::Form;
use super::{BodyFraming, RequestEdit, Version};

/// Bytes that we add to a head at most, with names of usual length; a guess that only saves a second allocation.
const ADDED_BYTES: usize = 512;

const FORWARDED_FOR: Own = Own::new(
    Known::XForwardedFor,
    b"X-Forwarded-For: ",
    b"x-forwarded-for",
);
const FORWARDED_PROTO: Own = Own::new(
    Known::XForwardedProto,
    b"X-Forwarded-Proto: ",
    b"x-forwarded-proto",
);
const FORWARDED_HOST: Own = Own::new(
    Known::XForwardedHost,
    b"X-Forwarded-Host: ",
    b"x-forwarded-host",
);
const FORWARDED_PORT: Own = Own::new(
    Known::XForwardedPort,
    b"X-Forwarded-Port: ",
    b"x-forwarded-port",
);
/// Of requests and of responses.
pub(crate) const REQUEST_ID: Own = Own::new(Known::XRequestId, b"X-Request-Id: ", b"x-request-id");
const VIA: Own = Own::new(Known::Via, b"Via: ", b"via");

/// Append the upstream's request head to `out`: HTTP/1.1, order and spelling of fields kept, hop-by-hop fields removed
/// (semantics 38), framing fields as [`Request::framing`] says, ends with the empty line.
pub fn write_request(out: &mut Vec<u8>, request: &Request<'_>, edit: &RequestEdit<'_>) {
    out.reserve(request.bytes.len().min(head_length(request)) + ADDED_BYTES);
    write(&mut Lines::new(out, request.bytes), request, edit);
}

/// The same, wherever it goes.
pub(crate) fn write(out: &mut impl HeadSink, request: &Request<'_>, edit: &RequestEdit<'_>) {
    let head = request.head;
    out.request(request, edit);
    let mut writer = Writer {
        request,
        edit,
        edits: Edits::new(edit.edits, edit.removed),
        written: Written::default(),
        left: Left::of(request),
    };
    if !head.table.has(Known::Host) {
        writer.put_host(out, b"Host");
    }
    for field in head.table.fields() {
        if writer.stays(field) {
            out.keep(field);
        } else if field.known != Known::Other {
            let name = field.name.of(request.bytes);
            writer.known(out, field.known, name, field.value.of(request.bytes));
        }
    }
    writer.rest(out);
    writer.edits.write(out);
    out.end();
}

/// Bytes up to the end of the last field.
fn head_length(request: &Request<'_>) -> usize {
    let last = request.head.table.fields().last();
    last.map_or(request.bytes.len(), |field| field.value.end())
}

/// How many lines of a field are still to come, for fields whose last line is where ours is added.
#[derive(Debug, Default)]
struct Left {
    via: usize,
    forwarded_for: usize,
}

impl Left {
    fn of(request: &Request<'_>) -> Left {
        Left {
            via: request.head.table.count(Known::Via),
            forwarded_for: request.head.table.count(Known::XForwardedFor),
        }
    }
}

/// What of ours has found its place already.
#[derive(Debug, Default)]
struct Written {
    framing: bool,
    te: bool,
    upgrade: bool,
    via: bool,
    forwarded_for: bool,
    forwarded_proto: bool,
    forwarded_host: bool,
    forwarded_port: bool,
    client_cert: bool,
    request_id: bool,
}

struct Writer<'a> {
    request: &'a Request<'a>,
    edit: &'a RequestEdit<'a>,
    edits: Edits<'a>,
    written: Written,
    left: Left,
}

impl Writer<'_> {
    /// A received field goes on just as it is. Where this says no of a field that is known, [`Writer::known`] decides.
    #[inline]
    fn stays(&mut self, field: &Field) -> bool {
        let bytes = self.request.bytes;
        match field.known {
            Known::Other => !field.ends_here && !field.imitates && !self.edits.takes(bytes, field),
            Known::UserAgent | Known::Cookie | Known::Authorization => {
                !self.edits.takes(bytes, field)
            }
            Known::Host => {
                self.edit.host.is_none() && self.request.head.target.form != Form::Absolute
            }
            Known::ContentLength if !self.written.framing && !self.edit.into_grpc => {
                self.written.framing = is_shortest(field.value.of(bytes));
                self.written.framing
            }
            _ => false,
        }
    }

    /// A received field that the proxy treats specially and that does not just stay.
    #[inline(never)]
    fn known(&mut self, out: &mut impl HeadSink, known: Known, name: &[u8], value: &[u8]) {
        match known {
            Known::Host => self.put_host(out, name),
            Known::ContentLength | Known::TransferEncoding => self.put_framing(out, name),
            Known::Te => self.put_te(out, name, value),
            Known::Upgrade => self.put_upgrade(out, name),
            Known::Trailer if self.request.framing() == BodyFraming::Chunked => {
                out.field(known, name, value);
            }
            Known::Expect if self.request.version() == Version::Http10 => {}
            Known::Forwarded if !self.edit.forwarded.trusted => {}
            _ if known.is_hop_by_hop() => {}
            _ if self.edits.takes_away(name, known) => self.mark(known),
            Known::Via => {
                out.field(known, name, value);
                self.left.via -= 1;
                if self.left.via == 0 {
                    put_via(out, self.request.version(), self.edit.via);
                    self.written.via = true;
                }
            }
            Known::XForwardedFor => self.put_forwarded_for(out, name, value),
            Known::XForwardedProto | Known::XForwardedHost | Known::XForwardedPort => {
                self.put_forwarded(out, known, name, value);
            }
            Known::XForwardedClientCert => self.put_client_cert(out, name),
            Known::XRequestId => self.put_request_id(out, name, value),
            Known::MaxForwards => match self.request.max_forwards() {
                Some(left) => out.number(known, name, left.saturating_sub(1)),
                None => out.field(known, name, value),
            },
            _ => out.field(known, name, value),
        }
    }

    /// A field that configuration took away is not added again behind its back.
    fn mark(&mut self, known: Known) {
        match known {
            Known::Via => self.written.via = true,
            Known::XForwardedFor => self.written.forwarded_for = true,
            Known::XForwardedProto => self.written.forwarded_proto = true,
            Known::XForwardedHost => self.written.forwarded_host = true,
            Known::XForwardedPort => self.written.forwarded_port = true,
            Known::XForwardedClientCert => self.written.client_cert = true,
            Known::XRequestId => self.written.request_id = true,
            _ => {}
        }
    }

    fn put_host(&self, out: &mut impl HeadSink, name: &[u8]) {
        match self.edit.host {
            Some(host) => out.foreign(name, host),
            None => out.field(Known::Host, name, self.request.authority()),
        }
    }

    /// One field that says the framing canonically, in the place and spelling of the received one. The framing table lets no
    /// second one come here; that there is one only is not left to it alone.
    fn put_framing(&mut self, out: &mut impl HeadSink, name: &[u8]) {
        if std::mem::replace(&mut self.written.framing, true) {
            return;
        }
        match self.request.framing() {
            BodyFraming::Length(_) if self.edit.into_grpc => {
                out.field(Known::TransferEncoding, b"Transfer-Encoding", b"chunked");
            }
            BodyFraming::Length(length) => out.number(Known::ContentLength, name, length),
            BodyFraming::Chunked => out.field(Known::TransferEncoding, name, b"chunked"),
            BodyFraming::None | BodyFraming::UntilClose => {}
        }
    }

    fn put_te(&mut self, out: &mut impl HeadSink, name: &[u8], value: &[u8]) {
        let passes = !self.edit.websocket && self.request.version() != Version::Http10;
        if passes && takes_trailers(value) {
            self.put_te_trailers(out, name);
        }
    }

    fn put_te_trailers(&mut self, out: &mut impl HeadSink, name: &[u8]) {
        if !std::mem::replace(&mut self.written.te, true) {
            out.field(Known::Te, name, b"trailers");
            out.connection(b"TE");
        }
    }

    fn put_upgrade(&mut self, out: &mut impl HeadSink, name: &[u8]) {
        if self.edit.websocket && !self.written.upgrade {
            self.written.upgrade = true;
            out.field(Known::Upgrade, name, b"websocket");
            out.connection(b"upgrade");
        }
    }

    fn put_forwarded_for(&mut self, out: &mut impl HeadSink, name: &[u8], value: &[u8]) {
        self.left.forwarded_for -= 1;
        if !self.edit.forwarded.trusted {
            if !std::mem::replace(&mut self.written.forwarded_for, true) {
                out.field(Known::XForwardedFor, name, self.edit.forwarded.peer);
            }
            return;
        }
        if self.left.forwarded_for > 0 {
            out.field(Known::XForwardedFor, name, value);
            return;
        }
        self.written.forwarded_for = true;
        let comma: &[u8] = if value.is_empty() { b"" } else { b", " };
        let pieces = [value, comma, self.edit.forwarded.peer];
        out.pieces(Known::XForwardedFor, name, pieces);
    }

    /// -Proto, -Host, -Port: kept from a trusted peer, else replaced once.
    fn put_forwarded(&mut self, out: &mut impl HeadSink, known: Known, name: &[u8], value: &[u8]) {
        let trusted = self.edit.forwarded.trusted;
        let (ours, written) = self.forwarded(known);
        let first = !std::mem::replace(written, true);
        if trusted {
            out.field(known, name, value);
        } else if first && !ours.is_empty() {
            out.field(known, name, ours);
        }
    }

    fn forwarded(&mut self, known: Known) -> (&[u8], &mut bool) {
        match known {
            Known::XForwardedProto => {
                (self.edit.forwarded.proto, &mut self.written.forwarded_proto)
            }
            Known::XForwardedHost => (self.request.authority(), &mut self.written.forwarded_host),
            _ => (self.edit.forwarded.port, &mut self.written.forwarded_port),
        }
    }

    /// Ours once, for whatever the client wrote.
    fn put_client_cert(&mut self, out: &mut impl HeadSink, name: &[u8]) {
        if !std::mem::replace(&mut self.written.client_cert, true)
            && let Some(ours) = self.edit.forwarded.client_cert
        {
            out.foreign(name, ours);
        }
    }

    fn put_request_id(&mut self, out: &mut impl HeadSink, name: &[u8], value: &[u8]) {
        let first = !std::mem::replace(&mut self.written.request_id, true);
        match self.edit.request_id {
            None => out.field(Known::XRequestId, name, value),
            Some(id) if first => out.field(Known::XRequestId, name, id),
            Some(_) => {}
        }
    }

    /// What of ours has found no place among the received fields.
    fn rest(&mut self, out: &mut impl HeadSink) {
        let edits = self.edits;
        let forwarded = &self.edit.forwarded;
        let fresh = |known, name: &[u8]| !edits.takes_away(name, known);
        if !self.written.forwarded_for && fresh(Known::XForwardedFor, b"x-forwarded-for") {
            out.own(FORWARDED_FOR, [forwarded.peer, b""]);
        }
        if !self.written.forwarded_proto && fresh(Known::XForwardedProto, b"x-forwarded-proto") {
            out.own(FORWARDED_PROTO, [forwarded.proto, b""]);
        }
        let authority = self.request.authority();
        if !self.written.forwarded_host
            && !authority.is_empty()
            && fresh(Known::XForwardedHost, b"x-forwarded-host")
        {
            out.own(FORWARDED_HOST, [authority, b""]);
        }
        if !self.written.forwarded_port
            && !forwarded.port.is_empty()
            && fresh(Known::XForwardedPort, b"x-forwarded-port")
        {
            out.own(FORWARDED_PORT, [forwarded.port, b""]);
        }
        if !self.written.client_cert
            && let Some(ours) = forwarded.client_cert
            && fresh(Known::XForwardedClientCert, b"x-forwarded-client-cert")
        {
            out.foreign(b"X-Forwarded-Client-Cert", ours);
        }
        if !self.written.request_id
            && let Some(id) = self.edit.request_id
            && fresh(Known::XRequestId, b"x-request-id")
        {
            out.own(REQUEST_ID, [id, b""]);
        }
        if !self.written.via && fresh(Known::Via, b"via") {
            put_via(out, self.request.version(), self.edit.via);
        }
        if self.edit.into_grpc {
            self.put_te_trailers(out, b"TE");
        }
    }
}

/// One Via member: the version as received, then our name (RFC 9110 section 7.6.3).
pub(crate) fn put_via(out: &mut impl HeadSink, version: Version, name: &[u8]) {
    let version: &[u8] = match version {
        Version::Http10 => b"1.0 ",
        Version::Http11 => b"1.1 ",
        Version::Http2 => b"2.0 ",
    };
    out.own(VIA, [version, name]);
}

/// `trailers` is among the codings, with whatever weight.
fn takes_trailers(value: &[u8]) -> bool {
    elements(value).any(|element| {
        let name = element.split(|&octet| octet == b';').next();
        name.is_some_and(|name| trim_ows(name).eq_ignore_ascii_case(b"trailers"))
    })
}
