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

use super::edit::{
    Edits, HeadWriter, put, put_field, put_foreign_field, put_foreign_target, put_number_field,
    put_own, put_via,
};
use super::field::Known;
use super::octets::{elements, is_shortest, trim_ows};
use super::request::Request;
use super::table::Field;
use super::target::Form;
use super::{BodyFraming, RequestEdit, Version};

/// Bytes that we add to a head at most, with names of usual length; a guess that only saves a second allocation.
const ADDED_BYTES: usize = 512;

/// Append the upstream's request head to `out`: HTTP/1.1, order and spelling of fields kept, hop-by-hop fields removed
/// (semantics 38), framing fields as [`Request::framing`] says, ends with the empty line.
pub fn write_request(out: &mut Vec<u8>, request: &Request<'_>, edit: &RequestEdit<'_>) {
    let head = request.head;
    out.reserve(request.bytes.len().min(head_length(request)) + ADDED_BYTES);
    let mut lines = HeadWriter::new(out, request.bytes);
    let line_stays = edit.target.is_none()
        && head.target.form != Form::Absolute
        && request.version() != Version::Http10;
    if line_stays {
        lines.keep(request.line());
    } else {
        let out = lines.own();
        put(out, request.method());
        put(out, b" ");
        put_target(out, request, edit);
        put(out, b" HTTP/1.1\r\n");
    }

    let mut writer = Writer {
        request,
        edit,
        edits: Edits::new(edit.edits),
        written: Written::default(),
        left: Left::of(request),
    };
    if !head.table.has(Known::Host) {
        writer.put_host(lines.own(), b"Host");
    }
    for field in head.table.fields() {
        if writer.stays(field) {
            lines.keep_field(field);
        } else if field.known != Known::Other {
            let name = field.name.of(request.bytes);
            writer.known(
                lines.own(),
                field.known,
                name,
                field.value.of(request.bytes),
            );
        }
    }
    let out = lines.own();
    writer.rest(out);
    writer.edits.write(out);
    put(out, b"\r\n");
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
    fn known(&mut self, out: &mut Vec<u8>, known: Known, name: &[u8], value: &[u8]) {
        match known {
            Known::Host => self.put_host(out, name),
            Known::ContentLength | Known::TransferEncoding => self.put_framing(out, name),
            Known::Te => self.put_te(out, name, value),
            Known::Upgrade => self.put_upgrade(out, name),
            Known::Trailer if self.request.framing() == BodyFraming::Chunked => {
                put_field(out, name, value);
            }
            Known::Expect if self.request.version() == Version::Http10 => {}
            Known::Forwarded if !self.edit.forwarded.trusted => {}
            _ if known.is_hop_by_hop() => {}
            _ if self.edits.takes_away(name, known) => self.mark(known),
            Known::Via => {
                put_field(out, name, value);
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
                Some(left) => put_number_field(out, name, left.saturating_sub(1)),
                None => put_field(out, name, value),
            },
            _ => put_field(out, name, value),
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

    fn put_host(&self, out: &mut Vec<u8>, name: &[u8]) {
        match self.edit.host {
            Some(host) => put_foreign_field(out, name, host),
            None => put_field(out, name, self.request.authority()),
        }
    }

    /// One field that says the framing canonically, in the place and spelling of the received one. The framing table lets no
    /// second one come here; that there is one only is not left to it alone.
    fn put_framing(&mut self, out: &mut Vec<u8>, name: &[u8]) {
        if std::mem::replace(&mut self.written.framing, true) {
            return;
        }
        match self.request.framing() {
            BodyFraming::Length(_) if self.edit.into_grpc => {
                put_field(out, b"Transfer-Encoding", b"chunked");
            }
            BodyFraming::Length(length) => put_number_field(out, name, length),
            BodyFraming::Chunked => put_field(out, name, b"chunked"),
            BodyFraming::None | BodyFraming::UntilClose => {}
        }
    }

    fn put_te(&mut self, out: &mut Vec<u8>, name: &[u8], value: &[u8]) {
        let passes = !self.edit.websocket && self.request.version() != Version::Http10;
        if passes && takes_trailers(value) {
            self.put_te_trailers(out, name);
        }
    }

    fn put_te_trailers(&mut self, out: &mut Vec<u8>, name: &[u8]) {
        if !std::mem::replace(&mut self.written.te, true) {
            put_field(out, name, b"trailers");
            put(out, b"Connection: TE\r\n");
        }
    }

    fn put_upgrade(&mut self, out: &mut Vec<u8>, name: &[u8]) {
        if self.edit.websocket && !self.written.upgrade {
            self.written.upgrade = true;
            put_field(out, name, b"websocket");
            put(out, b"Connection: upgrade\r\n");
        }
    }

    fn put_forwarded_for(&mut self, out: &mut Vec<u8>, name: &[u8], value: &[u8]) {
        self.left.forwarded_for -= 1;
        if !self.edit.forwarded.trusted {
            if !std::mem::replace(&mut self.written.forwarded_for, true) {
                put_field(out, name, self.edit.forwarded.peer);
            }
            return;
        }
        if self.left.forwarded_for > 0 {
            put_field(out, name, value);
            return;
        }
        self.written.forwarded_for = true;
        put(out, name);
        put(out, b": ");
        if !value.is_empty() {
            put(out, value);
            put(out, b", ");
        }
        put(out, self.edit.forwarded.peer);
        put(out, b"\r\n");
    }

    /// -Proto, -Host, -Port: kept from a trusted peer, else replaced once.
    fn put_forwarded(&mut self, out: &mut Vec<u8>, known: Known, name: &[u8], value: &[u8]) {
        let trusted = self.edit.forwarded.trusted;
        let (ours, written) = self.forwarded(known);
        let first = !std::mem::replace(written, true);
        if trusted {
            put_field(out, name, value);
        } else if first && !ours.is_empty() {
            put_field(out, name, ours);
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
    fn put_client_cert(&mut self, out: &mut Vec<u8>, name: &[u8]) {
        if !std::mem::replace(&mut self.written.client_cert, true)
            && let Some(ours) = self.edit.forwarded.client_cert
        {
            put_foreign_field(out, name, ours);
        }
    }

    fn put_request_id(&mut self, out: &mut Vec<u8>, name: &[u8], value: &[u8]) {
        let first = !std::mem::replace(&mut self.written.request_id, true);
        match self.edit.request_id {
            None => put_field(out, name, value),
            Some(id) if first => put_field(out, name, id),
            Some(_) => {}
        }
    }

    /// What of ours has found no place among the received fields.
    fn rest(&mut self, out: &mut Vec<u8>) {
        let edits = self.edits;
        let forwarded = &self.edit.forwarded;
        let fresh = |known, name: &[u8]| !edits.takes_away(name, known);
        if !self.written.forwarded_for && fresh(Known::XForwardedFor, b"x-forwarded-for") {
            put_own(out, b"X-Forwarded-For: ", forwarded.peer);
        }
        if !self.written.forwarded_proto && fresh(Known::XForwardedProto, b"x-forwarded-proto") {
            put_own(out, b"X-Forwarded-Proto: ", forwarded.proto);
        }
        let authority = self.request.authority();
        if !self.written.forwarded_host
            && !authority.is_empty()
            && fresh(Known::XForwardedHost, b"x-forwarded-host")
        {
            put_own(out, b"X-Forwarded-Host: ", authority);
        }
        if !self.written.forwarded_port
            && !forwarded.port.is_empty()
            && fresh(Known::XForwardedPort, b"x-forwarded-port")
        {
            put_own(out, b"X-Forwarded-Port: ", forwarded.port);
        }
        if !self.written.client_cert
            && let Some(ours) = forwarded.client_cert
            && fresh(Known::XForwardedClientCert, b"x-forwarded-client-cert")
        {
            put_foreign_field(out, b"X-Forwarded-Client-Cert", ours);
        }
        if !self.written.request_id
            && let Some(id) = self.edit.request_id
            && fresh(Known::XRequestId, b"x-request-id")
        {
            put_own(out, b"X-Request-Id: ", id);
        }
        if !self.written.via && fresh(Known::Via, b"via") {
            put_via(out, self.request.version(), self.edit.via);
        }
        if self.edit.into_grpc {
            self.put_te_trailers(out, b"TE");
        }
    }
}

fn put_target(out: &mut Vec<u8>, request: &Request<'_>, edit: &RequestEdit<'_>) {
    if let Some(target) = edit.target {
        return put_foreign_target(out, target);
    }
    let target = &request.head.target;
    match target.form {
        Form::Origin | Form::Asterisk => put(out, request.target()),
        Form::Absolute if target.path.is_empty() && target.query.is_none() => {
            let path: &[u8] = match request.method() {
                b"OPTIONS" => b"*",
                _ => b"/",
            };
            put(out, path);
        }
        Form::Absolute => {
            put(out, request.path());
            if let Some(query) = request.query() {
                put(out, b"?");
                put(out, query);
            }
        }
    }
}

/// `trailers` is among the codings, with whatever weight.
fn takes_trailers(value: &[u8]) -> bool {
    elements(value).any(|element| {
        let name = element.split(|&octet| octet == b';').next();
        name.is_some_and(|name| trim_ows(name).eq_ignore_ascii_case(b"trailers"))
    })
}
