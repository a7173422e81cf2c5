//! Response heads: bytes to a checked [`Response`] (RFC 9112 sections 4 to 6). An upstream is believed as little as a client.
//!
//! Not here: the rewritten head (`write_response`); whether a 101 was asked for, which the exchange knows.

use std::ops::Range;

use super::connection;
use super::field::Known;
use super::framing::{self, Claim};
use super::line::{LineCursor, blame, has_empty_line};
use super::octets::put_decimal;
use super::request::is_websocket;
use super::scan::text_end;
use super::sink::put;
use super::table::{FieldTable, Span};
use super::{BodyFraming, HeadLimits, ResponseFault, Version, reason_phrase};

/// Where the reason phrase begins, behind its space.
const REASON: usize = "HTTP/1.1 200 ".len();

/// A parsed response head as spans into its bytes; reused like [`super::RequestHead`].
#[derive(Debug, Default)]
pub struct ResponseHead {
    cursor: LineCursor,
    started: bool,
    status: u16,
    reason: Span,
    version: Version,
    framing: BodyFraming,
    pub(crate) table: FieldTable,
}

impl ResponseHead {
    /// An empty head, to be reused.
    pub fn new() -> Self {
        Self::default()
    }

    /// Forget a head that was begun; see [`super::RequestHead::reset`].
    pub fn reset(&mut self) {
        self.cursor = LineCursor::default();
        self.started = false;
        self.table.clear();
    }

    /// See [`super::RequestHead::keep_secret`].
    pub fn keep_secret<'a>(&mut self, bytes: &[u8], names: impl Iterator<Item = &'a [u8]>) {
        names.for_each(|name| self.table.keep_secret(bytes, name));
    }

    /// As [`super::RequestHead::parse`]; no empty line is skipped. `to_head`: the request was HEAD. Framing follows RFC 9112 6.3
    /// for it and for 1xx, 204, 304.
    pub fn parse(
        &mut self,
        bytes: &[u8],
        limits: &HeadLimits,
        to_head: bool,
    ) -> Result<Option<usize>, ResponseFault> {
        let resumed = self.cursor.is_resumed(bytes);
        if !resumed {
            self.reset();
        }
        let mut outcome = self.read_lines(bytes, limits, to_head);
        if resumed && (!matches!(outcome, Ok(None)) || has_empty_line(bytes)) {
            self.reset();
            outcome = self.read_lines(bytes, limits, to_head);
        }
        if !matches!(outcome, Ok(None)) {
            // The next call begins a new head; the spans stay for `view`.
            self.cursor = LineCursor::default();
        }
        outcome
    }

    fn read_lines(
        &mut self,
        bytes: &[u8],
        limits: &HeadLimits,
        to_head: bool,
    ) -> Result<Option<usize>, ResponseFault> {
        if !self.started && !self.begin(bytes, limits)? {
            return Ok(None);
        }
        let end = self.table.read(bytes, &mut self.cursor, limits)?;
        if end.is_some() {
            self.conclude(bytes, to_head)?;
        }
        Ok(end)
    }

    /// What can only be judged with all fields at hand.
    fn conclude(&mut self, bytes: &[u8], to_head: bool) -> Result<(), ResponseFault> {
        let claim = Claim {
            version: self.version,
            content_length: self.table.lines(bytes, Known::ContentLength),
            transfer_encoding: self.table.lines(bytes, Known::TransferEncoding),
        };
        self.framing = framing::of_response(claim, self.status, to_head)?;
        connection::read(&mut self.table, bytes)?;
        Ok(())
    }

    /// The status line. True when it was read.
    fn begin(&mut self, bytes: &[u8], limits: &HeadLimits) -> Result<bool, ResponseFault> {
        if !self.cursor.still_waits(bytes)
            && let Some(end) = self.read_status_line(bytes, limits)
        {
            self.cursor.go_on(end);
            self.started = true;
            return Ok(true);
        }
        // It is not whole, or it breaks a limit or a rule.
        check_beginning(bytes)?;
        let lf = self.cursor.find(bytes);
        match self.cursor.take(bytes, lf, limits.head_bytes as usize)? {
            None => Ok(false),
            Some(line) => Err(blame_status_line(bytes.get(line).unwrap_or_default())),
        }
    }

    /// `HTTP-version SP status-code SP [reason-phrase] CRLF` (RFC 9112 section 4); answers where it ends. The second space is
    /// forgiven where no reason follows: many servers leave it out, and it moves no boundary. This is the only place where a
    /// status line is accepted.
    fn read_status_line(&mut self, bytes: &[u8], limits: &HeadLimits) -> Option<usize> {
        let (start, _) = bytes.split_first_chunk::<12>()?;
        let version = start.first_chunk::<9>()?;
        self.version = if version == b"HTTP/1.1 " {
            Version::Http11
        } else if version == b"HTTP/1.0 " {
            Version::Http10
        } else {
            return None;
        };
        self.status = status(start.last_chunk()?)?;
        let (reason, cr) = match bytes.get(REASON - 1)? {
            b' ' => (REASON, text_end(bytes, REASON)),
            _ => (REASON - 1, REASON - 1),
        };
        if bytes.get(cr..cr + 2) != Some(b"\r\n") || cr + 2 > limits.head_bytes as usize {
            return None;
        }
        self.reason = Span::new(reason, cr);
        Some(cr + 2)
    }

    /// Begin a head that another version brought, at the beginning of `out`; see [`super::RequestHead::write`].
    pub(crate) fn write(&mut self, out: &mut Vec<u8>, status: u16) {
        self.reset();
        self.status = status;
        put(out, b"HTTP/1.1 ");
        put_decimal(out, u64::from(status));
        put(out, b" ");
        put(out, reason_phrase(status).as_bytes());
        self.reason = Span::new(REASON, out.len());
        put(out, b"\r\n");
    }

    /// A head is written: what reading it would judge.
    pub(crate) fn written(
        &mut self,
        bytes: &[u8],
        limits: &HeadLimits,
        to_head: bool,
    ) -> Result<(), ResponseFault> {
        self.table.check_size(bytes, limits)?;
        self.version = Version::Http11;
        self.conclude(bytes, to_head)?;
        self.version = Version::Http2;
        Ok(())
    }

    /// The head with its bytes: those that the last successful `parse` was given.
    pub fn view<'a>(&'a self, bytes: &'a [u8]) -> Response<'a> {
        Response { head: self, bytes }
    }
}

/// 100 to 599.
#[inline]
fn status(digits: &[u8; 3]) -> Option<u16> {
    match digits {
        [a @ b'1'..=b'5', b @ b'0'..=b'9', c @ b'0'..=b'9'] => {
            Some(u16::from(a - b'0') * 100 + u16::from(b - b'0') * 10 + u16::from(c - b'0'))
        }
        _ => None,
    }
}

/// Why a line that is whole was not accepted as a status line; given without its CRLF.
#[cold]
fn blame_status_line(line: &[u8]) -> ResponseFault {
    let Some((version, rest)) = line.split_first_chunk::<8>() else {
        return ResponseFault::StatusLine;
    };
    if !matches!(version, b"HTTP/1.1" | b"HTTP/1.0") {
        return ResponseFault::Version;
    }
    let [b' ', rest @ ..] = rest else {
        return ResponseFault::StatusLine;
    };
    let Some((_, rest)) = rest
        .split_first_chunk()
        .filter(|(digits, _)| status(digits).is_some())
    else {
        return ResponseFault::Status;
    };
    match rest {
        [b' ', reason @ ..] => blame(reason).into(),
        [b'0'..=b'9', ..] => ResponseFault::Status,
        _ => ResponseFault::StatusLine,
    }
}

/// Something that does not begin like a status line is refused at once, so that an upstream of another protocol that never sends
/// a line end is not waited for.
fn check_beginning(bytes: &[u8]) -> Result<(), ResponseFault> {
    const PREFIX: &[u8] = b"HTTP/1.";
    let length = bytes.len().min(PREFIX.len());
    match bytes.get(..length) == PREFIX.get(..length) {
        true => Ok(()),
        false => Err(ResponseFault::Version),
    }
}

/// A response head with its bytes.
#[derive(Debug, Clone, Copy)]
pub struct Response<'a> {
    pub(crate) head: &'a ResponseHead,
    pub(crate) bytes: &'a [u8],
}

impl<'a> Response<'a> {
    /// 100 to 599.
    pub fn status(&self) -> u16 {
        self.head.status
    }

    /// The reason phrase as received; may be empty.
    pub fn reason(&self) -> &'a [u8] {
        self.head.reason.of(self.bytes)
    }

    /// Where the status line stands, with its CRLF, if it is as we would write it.
    pub(crate) fn canonical_line(&self) -> Option<Range<usize>> {
        let reason = self.head.reason;
        (self.head.version != Version::Http10 && reason.start() == REASON)
            .then(|| 0..reason.end() + 2)
    }

    /// The upstream's version.
    pub fn version(&self) -> Version {
        self.head.version
    }

    /// How the body ends.
    pub fn framing(&self) -> BodyFraming {
        self.head.framing
    }

    /// The upstream connection may be used again after this message.
    pub fn keep_alive(&self) -> bool {
        self.head.framing != BodyFraming::UntilClose
            && self.head.status != 101
            && self.head.table.connection.persists(self.head.version)
    }

    /// 101 with `Upgrade: websocket` and `Connection: upgrade`.
    pub fn is_websocket_upgrade(&self) -> bool {
        self.head.status == 101
            && self.head.version != Version::Http10
            && is_websocket(&self.head.table, self.bytes)
    }

    /// Each field: what it is known as, name as spelled, value without surrounding white space.
    pub fn fields(&self) -> impl Iterator<Item = (Known, &'a [u8], &'a [u8])> + use<'a> {
        self.head.table.iter(self.bytes)
    }

    /// First value of a field that is in [`Known`].
    pub fn known(&self, k: Known) -> Option<&'a [u8]> {
        self.head.table.value(self.bytes, k)
    }
}
