//! What is changed in a head on its way.
//!
//! Not here: the order of a head; see `write_request` and `write_response`.

use super::field::{Known, KnownSet};
use super::octets::is_target_octet;
use super::scan::target_end;
use super::sink::{HeadSink, put};
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

/// Known fields that are dropped, as [`FieldEdit::Remove`] drops them, but found by one bit instead of by name: most of what routes remove
/// are the fields that the proxy itself adds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Removed {
    known: KnownSet,
    /// As in [`Edits`].
    lengths: u32,
}

impl Removed {
    /// False, and nothing is noted, where the name is not a known one or its fields cannot be edited.
    pub fn insert(&mut self, name: &[u8]) -> bool {
        let known = Known::of(name);
        let taken = known != Known::Other && is_editable(known);
        if taken {
            self.known.insert(known);
            self.lengths |= length_bit(name.len());
        }
        taken
    }
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
    /// Known fields that configuration takes away, received ones and ours.
    pub removed: Removed,
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
    /// Known fields that configuration takes away, received ones and ours.
    pub removed: Removed,
    /// Changes by configuration, after everything else.
    pub edits: &'a [FieldEdit<'a>],
}

/// The edits of one head.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Edits<'a> {
    edits: &'a [FieldEdit<'a>],
    removed: KnownSet,
    /// A bit for the length, modulo 32, of each name that is taken away: most names are found innocent by it.
    lengths: u32,
}

impl<'a> Edits<'a> {
    #[inline]
    pub(crate) fn new(edits: &'a [FieldEdit<'a>], removed: Removed) -> Self {
        let lengths = edits.iter().map(|edit| match edit {
            FieldEdit::Remove { name } | FieldEdit::Set { name, .. } => length_bit(name.len()),
            FieldEdit::Add { .. } => 0,
        });
        let lengths = lengths.fold(removed.lengths, |bits, bit| bits | bit);
        Edits {
            edits,
            removed: removed.known,
            lengths,
        }
    }

    /// Received or own fields of this name are not written.
    #[inline]
    pub(crate) fn takes_away(&self, name: &[u8], known: Known) -> bool {
        self.may_take(name.len()) && self.replaces(name, known)
    }

    /// The same for a received field.
    #[inline]
    pub(crate) fn takes(&self, bytes: &[u8], field: &Field) -> bool {
        self.may_take(field.name.len()) && self.replaces(field.name.of(bytes), field.known)
    }

    /// Out of line, so that what most fields are asked is a test of a bit.
    #[inline(never)]
    fn replaces(&self, name: &[u8], known: Known) -> bool {
        self.removed.has(known) || is_editable(known) && Self::any_replaces(self.edits, name)
    }

    #[inline]
    fn may_take(&self, length: usize) -> bool {
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
    pub(crate) fn write(self, out: &mut impl HeadSink) {
        for (index, edit) in self.edits.iter().enumerate() {
            let (name, value) = match *edit {
                FieldEdit::Remove { .. } => continue,
                FieldEdit::Set { name, value } | FieldEdit::Add { name, value } => (name, value),
            };
            let later = self.edits.get(index + 1..).unwrap_or_default();
            if is_editable(Known::of(name)) && !Self::any_replaces(later, name) {
                out.foreign(name, value);
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
