//! What is changed in a head on its way, and the small writings that requests and responses share.
//!
//! Not here: the order of a head; see `write_request` and `write_response`.

use std::ops::Range;

use super::field::Known;
use super::octets::{is_target_octet, is_text, put_decimal};
use super::scan::target_end;
use super::table::Field;
use super::{BodyFraming, Version};

/// A change to the fields of a head; names are lower-case. Fields that decide framing or belong to one connection cannot be
/// edited: such an edit is ignored. A request's Host is changed by [`RequestEdit::host`], an edit of it is ignored as well.
#[derive(Debug, Clone, Copy)]
#[allow(missing_docs, reason = "name and value are what they are called")]
pub enum FieldEdit<'a> {
    /// Drop all fields of this name.
    Remove { name: &'a [u8] },
    /// Replaces all fields of this name; stands at the end of the head.
    Set { name: &'a [u8], value: &'a [u8] },
    /// One more field of this name, at the end of the head.
    Add { name: &'a [u8], value: &'a [u8] },
}

/// Who the client is, for X-Forwarded-* (semantics 39).
#[derive(Debug, Clone, Copy)]
pub struct Forwarded<'a> {
    /// The peer is a trusted proxy: append to what it sent; else replace -For/-Proto/-Host/-Port and drop Forwarded.
    pub trusted: bool,
    /// The peer's address in text.
    pub peer: &'a [u8],
    /// `http` or `https`.
    pub proto: &'a [u8],
    /// The listener's port in text.
    pub port: &'a [u8],
    /// What X-Forwarded-Client-Cert says of the client's certificate (semantics 45). None: it has shown none, and whatever it claims is
    /// dropped, also from a trusted proxy.
    pub client_cert: Option<&'a [u8]>,
}

/// How a request head is rewritten for the upstream.
#[derive(Debug, Clone, Copy)]
pub struct RequestEdit<'a> {
    /// Origin-form to send; None keeps the received one (absolute-form becomes origin-form).
    pub target: Option<&'a [u8]>,
    /// Host to send; None keeps the client's (with an absolute-form target: its authority).
    pub host: Option<&'a [u8]>,
    /// Our name in Via.
    pub via: &'a [u8],
    /// Who the client is.
    pub forwarded: Forwarded<'a>,
    /// Some: replaces the client's X-Request-Id; None keeps it.
    pub request_id: Option<&'a [u8]>,
    /// Keep `Connection: upgrade` + `Upgrade: websocket`; otherwise any Upgrade is stripped.
    pub websocket: bool,
    /// It becomes a call of gRPC: `TE: trailers` is said whatever the client takes, and no length, since the body may leave in another form.
    pub into_grpc: bool,
    /// Changes by configuration, after everything else.
    pub edits: &'a [FieldEdit<'a>],
}

/// What the connection to the client does after this response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientConnection {
    /// The next request may follow.
    KeepAlive,
    /// It is closed.
    Close,
}

/// How a response head is rewritten for the client.
#[derive(Debug, Clone, Copy)]
pub struct ResponseEdit<'a> {
    /// Our name in Via.
    pub via: &'a [u8],
    /// The client's version: HTTP/1.0 gets no chunked coding and an explicit keep-alive.
    pub client: Version,
    /// What follows on the connection.
    pub connection: ClientConnection,
    /// How the body will be sent to this client (differs from the received framing where an HTTP/1.0 client gets a chunked one).
    pub framing: BodyFraming,
    /// Some: the X-Request-Id to echo, in place of the upstream's.
    pub request_id: Option<&'a [u8]>,
    /// Keep `Connection: upgrade` + `Upgrade: websocket` on a 101.
    pub websocket: bool,
    /// Changes by configuration, after everything else.
    pub edits: &'a [FieldEdit<'a>],
}

/// The edits of one head.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Edits<'a> {
    edits: &'a [FieldEdit<'a>],
    /// A bit for the length, modulo 32, of each name that is taken away: most names are found innocent by it.
    lengths: u32,
}

impl<'a> Edits<'a> {
    #[inline]
    pub(crate) fn new(edits: &'a [FieldEdit<'a>]) -> Self {
        let lengths = edits.iter().map(|edit| match edit {
            FieldEdit::Remove { name } | FieldEdit::Set { name, .. } => length_bit(name.len()),
            FieldEdit::Add { .. } => 0,
        });
        let lengths = lengths.fold(0, |bits, bit| bits | bit);
        Edits { edits, lengths }
    }

    /// Received or own fields of this name are not written.
    #[inline]
    pub(crate) fn takes_away(self, name: &[u8], known: Known) -> bool {
        self.may_take(name.len()) && is_editable(known) && Self::any_replaces(self.edits, name)
    }

    /// The same for a received field.
    #[inline]
    pub(crate) fn takes(self, bytes: &[u8], field: &Field) -> bool {
        self.may_take(field.name.len()) && self.takes_away(field.name.of(bytes), field.known)
    }

    #[inline]
    fn may_take(self, length: usize) -> bool {
        self.lengths & length_bit(length) != 0
    }

    fn any_replaces(edits: &[FieldEdit<'_>], name: &[u8]) -> bool {
        edits.iter().any(|edit| match edit {
            FieldEdit::Remove { name: edited } | FieldEdit::Set { name: edited, .. } => {
                name.len() == edited.len() && name.eq_ignore_ascii_case(edited)
            }
            FieldEdit::Add { .. } => false,
        })
    }

    /// Write what is set and added, except what a later edit takes away again.
    pub(crate) fn write(self, out: &mut Vec<u8>) {
        for (index, edit) in self.edits.iter().enumerate() {
            let (name, value) = match *edit {
                FieldEdit::Remove { .. } => continue,
                FieldEdit::Set { name, value } | FieldEdit::Add { name, value } => (name, value),
            };
            let later = self.edits.get(index + 1..).unwrap_or_default();
            if is_editable(Known::of(name)) && !Self::any_replaces(later, name) {
                put_foreign_field(out, name, value);
            }
        }
    }
}

#[inline]
fn length_bit(length: usize) -> u32 {
    1 << (length % 32)
}

fn is_editable(known: Known) -> bool {
    !known.is_ours_alone() && known != Known::Host
}

#[inline]
pub(crate) fn put(out: &mut Vec<u8>, text: &[u8]) {
    out.extend_from_slice(text);
}

/// A field whose name and value come from a head that was checked.
#[inline]
pub(crate) fn put_field(out: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    put(out, name);
    put(out, b": ");
    put(out, value);
    put(out, b"\r\n");
}

/// A field of ours: `prefix` is its name with a colon and a space.
#[inline]
pub(crate) fn put_own(out: &mut Vec<u8>, prefix: &[u8], value: &[u8]) {
    put(out, prefix);
    put(out, value);
    put(out, b"\r\n");
}

/// Writes a head from a received one: neighbouring lines that stay as they are go out in one copy.
#[derive(Debug)]
pub(crate) struct HeadWriter<'o, 'b> {
    out: &'o mut Vec<u8>,
    bytes: &'b [u8],
    /// What stays and is not written yet.
    run: Range<usize>,
}

impl<'o, 'b> HeadWriter<'o, 'b> {
    /// `bytes` is the head received.
    pub(crate) fn new(out: &'o mut Vec<u8>, bytes: &'b [u8]) -> Self {
        let run = 0..0;
        HeadWriter { out, bytes, run }
    }

    /// Received lines, with their CRLF, stay as they are.
    #[inline]
    pub(crate) fn keep(&mut self, lines: Range<usize>) {
        if lines.start != self.run.end {
            self.write_run();
            self.run.start = lines.start;
        }
        self.run.end = lines.end;
    }

    /// A received field stays.
    #[inline(always)]
    pub(crate) fn keep_field(&mut self, field: &Field) {
        match field.canonical {
            true => self.keep(field.name.start()..field.value.end() + 2),
            false => {
                let (name, value) = (field.name.of(self.bytes), field.value.of(self.bytes));
                put_field(self.own(), name, value);
            }
        }
    }

    /// To write something of ours, behind what stays of what was received before.
    #[inline]
    pub(crate) fn own(&mut self) -> &mut Vec<u8> {
        self.write_run();
        self.out
    }

    #[inline]
    fn write_run(&mut self) {
        if self.run.start < self.run.end {
            let run = std::mem::take(&mut self.run);
            put(self.out, self.bytes.get(run).unwrap_or_default());
        }
    }
}

/// A field whose parts come from elsewhere. A control octet in them would be a line of somebody else's making: it becomes a
/// space in a value, and a field with a name that is no token is left out.
pub(crate) fn put_foreign_field(out: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    if !super::octets::is_token(name) {
        return;
    }
    put(out, name);
    put(out, b": ");
    if is_text(value) {
        put(out, value);
    } else {
        out.extend(value.iter().map(|&octet| match octet {
            0..=0x1f | 0x7f => b' ',
            _ => octet,
        }));
    }
    put(out, b"\r\n");
}

/// A target that comes from elsewhere: what may not stand in one is percent-encoded, so it cannot end the request line.
pub(crate) fn put_foreign_target(out: &mut Vec<u8>, target: &[u8]) {
    if target_end(target, 0) == target.len() {
        put(out, target);
        return;
    }
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    for octet in target {
        if is_target_octet(*octet) {
            out.push(*octet);
        } else {
            put(out, b"%");
            out.push(DIGITS[usize::from(octet >> 4)]);
            out.push(DIGITS[usize::from(octet & 15)]);
        }
    }
}

/// A field with a number as its value.
pub(crate) fn put_number_field(out: &mut Vec<u8>, name: &[u8], number: u64) {
    put(out, name);
    put(out, b": ");
    put_decimal(out, number);
    put(out, b"\r\n");
}

/// One Via member: the version as received, then our name (RFC 9110 section 7.6.3).
pub(crate) fn put_via(out: &mut Vec<u8>, version: Version, name: &[u8]) {
    put(
        out,
        match version {
            Version::Http10 => b"Via: 1.0 ",
            Version::Http11 => b"Via: 1.1 ",
            Version::Http2 => b"Via: 2.0 ",
        },
    );
    put(out, name);
    put(out, b"\r\n");
}
