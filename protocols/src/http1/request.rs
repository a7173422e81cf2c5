//! Request heads: bytes to a checked [`Request`] (RFC 9112 sections 2 to 6).
//!
//! Not here: the rewritten head (`write_request`), the body (`chunked`).
//!
//! Lines are read as they come in, so a fault or a limit shows on the part that is there, and what trickles in is not read again
//! and again. What is remembered between two calls only says where to look: a head that came in pieces is read once more as a
//! whole before it is believed, so a call with the bytes of another connection costs time and nothing else.

use std::ops::Range;

use super::connection;
use super::field::Known;
use super::framing::{self, Claim};
use super::line::{LineCursor, has_empty_line};
use super::octets::{decimal, elements, is_token, is_token_octet, token_end};
use super::scan::{path_end, target_end};
use super::sink::put;
use super::table::{FieldTable, Lines, Span};
use super::target::{self, Form, Target};
use super::{BodyFraming, HeadLimits, RequestFault, Version, authority};

/// Empty lines skipped before a request line. RFC 9112 section 2.2 asks for at least one; some clients send one after a body.
const EMPTY_LINES_MAX: u8 = 4;

/// The longest registered method, `UPDATEREDIRECTREF`, has 17 octets.
const METHOD_MAX: usize = 64;

/// A space, the version and CRLF.
const VERSION_LENGTH: usize = " HTTP/1.1\r\n".len();

/// The first octet of a TLS record that holds a handshake.
const TLS_HANDSHAKE: u8 = 0x16;

/// A parsed request head as spans into its bytes; owns no text, is reused from request to request, allocates only until
/// its table has grown to the largest head seen.
#[derive(Debug, Default)]
pub struct RequestHead {
    cursor: LineCursor,
    empty_lines: u8,
    started: bool,
    method: Span,
    pub(crate) target: Target,
    version: Version,
    framing: BodyFraming,
    /// The target is as secret as a field may be.
    pub(crate) secret_target: bool,
    pub(crate) table: FieldTable,
}

impl RequestHead {
    /// An empty head, to be reused.
    pub fn new() -> Self {
        Self::default()
    }

    /// Forget a head that was begun; saves the double reading where the next call brings other bytes than the last one. After
    /// `Ok(Some)` or a fault it has happened already.
    pub fn reset(&mut self) {
        self.cursor = LineCursor::default();
        self.empty_lines = 0;
        self.started = false;
        self.secret_target = false;
        self.table.clear();
    }

    /// These came so that nobody on their way may put them into a table (RFC 7541 section 6.2.3): what of them goes on as it is says so again.
    pub fn keep_secret<'a>(&mut self, bytes: &[u8], names: impl Iterator<Item = &'a [u8]>) {
        for name in names {
            match name {
                b":path" => self.secret_target = true,
                b":authority" => self.table.keep_secret(bytes, b"host"),
                name => self.table.keep_secret(bytes, name),
            }
        }
    }

    /// `bytes` starts at the request (leading CRLFs are skipped and counted in the result). `Ok(None)`: more bytes are
    /// needed; call again with the same bytes and those that followed. `Ok(Some(n))`: the head is the first `n` bytes. Limits
    /// are enforced on partial heads as well.
    pub fn parse(
        &mut self,
        bytes: &[u8],
        limits: &HeadLimits,
    ) -> Result<Option<usize>, RequestFault> {
        let resumed = self.cursor.is_resumed(bytes);
        if !resumed {
            self.reset();
        }
        let mut outcome = self.read_lines(bytes, limits);
        if resumed && (!matches!(outcome, Ok(None)) || has_empty_line(bytes)) {
            self.reset();
            outcome = self.read_lines(bytes, limits);
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
    ) -> Result<Option<usize>, RequestFault> {
        if !self.started && !self.begin(bytes, limits)? {
            return Ok(None);
        }
        let end = self.table.read(bytes, &mut self.cursor, limits)?;
        if end.is_some() {
            self.conclude(bytes)?;
        }
        Ok(end)
    }

    /// The request line, and empty lines before it. True when it was read.
    fn begin(&mut self, bytes: &[u8], limits: &HeadLimits) -> Result<bool, RequestFault> {
        loop {
            let start = self.cursor.start();
            if !self.cursor.still_waits(bytes)
                && let Some(end) = self.read_request_line(bytes, start, limits)?
            {
                self.cursor.go_on(end);
                self.started = true;
                return Ok(true);
            }
            // It is not whole, it is empty, or it breaks a limit or a rule.
            let lf = self.cursor.find(bytes);
            let line = bytes.get(start..lf.unwrap_or(bytes.len()));
            check_beginning(line.unwrap_or_default(), limits)?;
            let Some(line) = self.cursor.take(bytes, lf, limits.head_bytes as usize)? else {
                return Ok(false);
            };
            if !line.is_empty() {
                return Err(blame_request_line(bytes.get(line).unwrap_or_default()));
            }
            if self.empty_lines == EMPTY_LINES_MAX {
                return Err(RequestFault::EmptyLines);
            }
            self.empty_lines += 1;
        }
    }

    /// `method SP request-target SP HTTP-version CRLF` (RFC 9112 section 3), with exactly one space each; answers where it
    /// ends. This is the only place where a request line is accepted. The fault is one of the target's form: every octet of
    /// the line is right then.
    fn read_request_line(
        &mut self,
        bytes: &[u8],
        start: usize,
        limits: &HeadLimits,
    ) -> Result<Option<usize>, RequestFault> {
        let method_end = token_end(bytes, start);
        let target_start = method_end + 1;
        let path_end = path_end(bytes, target_start);
        let target_end = match bytes.get(path_end) {
            Some(b'?') => target_end(bytes, path_end + 1),
            _ => path_end,
        };
        let end = target_end + VERSION_LENGTH;
        self.version = match bytes.get(target_end..end) {
            Some(text) if text == b" HTTP/1.1\r\n" => Version::Http11,
            Some(text) if text == b" HTTP/1.0\r\n" => Version::Http10,
            _ => return Ok(None),
        };
        let method = bytes.get(start..method_end).unwrap_or_default();
        let is_right = matches!(method.len(), 1..=METHOD_MAX)
            && method != b"CONNECT"
            && bytes.get(method_end) == Some(&b' ')
            && target_end > target_start
            && target_end - target_start <= limits.target_bytes as usize
            && end <= limits.head_bytes as usize;
        if !is_right {
            return Ok(None);
        }
        self.method = Span::new(start, method_end);
        self.target = target::read(bytes, target_start..target_end, path_end, method)?;
        Ok(Some(end))
    }

    /// What can only be judged with all fields at hand.
    fn conclude(&mut self, bytes: &[u8]) -> Result<(), RequestFault> {
        match self.table.span(Known::Host) {
            _ if self.table.repeats(Known::Host) => return Err(RequestFault::HostRepeated),
            Some(host) if host.is_empty() => {}
            Some(host) if authority::is_valid(bytes, host.start()..host.end()) => {}
            Some(_) => return Err(RequestFault::HostInvalid),
            None if self.version == Version::Http10 => {}
            None => return Err(RequestFault::HostMissing),
        }
        let claim = Claim {
            version: self.version,
            content_length: self.table.lines(bytes, Known::ContentLength),
            transfer_encoding: self.table.lines(bytes, Known::TransferEncoding),
        };
        self.framing = framing::of_request(claim, self.method.of(bytes))?;
        connection::read(&mut self.table, bytes)?;
        Ok(())
    }

    /// Begin a head that another version brought, at the beginning of `out`: its method and its target were checked. Its fields follow by
    /// [`FieldTable::write`] and an empty line, then [`RequestHead::written`].
    pub(crate) fn write(&mut self, out: &mut Vec<u8>, method: &[u8], target: &[u8]) {
        self.reset();
        put(out, method);
        put(out, b" ");
        let start = out.len();
        put(out, target);
        self.method = Span::new(0, method.len());
        self.target.whole = Span::new(start, out.len());
        put(out, b" HTTP/1.1\r\n");
    }

    /// A head is written: what reading it would judge.
    pub(crate) fn written(
        &mut self,
        bytes: &[u8],
        limits: &HeadLimits,
    ) -> Result<(), RequestFault> {
        let method = self.method.of(bytes);
        if method.len() > METHOD_MAX {
            return Err(RequestFault::MethodTooLong);
        }
        if method == b"CONNECT" {
            return Err(RequestFault::ConnectMethod);
        }
        let whole = self.target.whole;
        if whole.len() > limits.target_bytes as usize {
            return Err(RequestFault::TargetTooLong);
        }
        let at = whole.start()..whole.end();
        let path_end = match memchr::memchr(b'?', whole.of(bytes)) {
            Some(query) => at.start + query,
            None => at.end,
        };
        self.target = target::read(bytes, at, path_end, method)?;
        self.table.check_size(bytes, limits)?;
        self.version = Version::Http11;
        self.conclude(bytes)?;
        self.version = Version::Http2;
        Ok(())
    }

    /// The head with its bytes: those that the last successful `parse` was given.
    pub fn view<'a>(&'a self, bytes: &'a [u8]) -> Request<'a> {
        Request { head: self, bytes }
    }
}

/// Why a line that is whole was not accepted as a request line; given without its CRLF.
#[cold]
fn blame_request_line(line: &[u8]) -> RequestFault {
    let Some((method, rest)) = cut_at_space(line) else {
        return RequestFault::RequestLine;
    };
    if !is_token(method) {
        return RequestFault::Method;
    }
    let Some((target, version)) = cut_at_space(rest) else {
        return RequestFault::RequestLine;
    };
    if line == b"PRI * HTTP/2.0" {
        return RequestFault::Http2OnPlainPort;
    }
    if target.is_empty() {
        return RequestFault::RequestLine;
    }
    match version {
        b"HTTP/1.1" | b"HTTP/1.0" if method == b"CONNECT" => RequestFault::ConnectMethod,
        b"HTTP/1.1" | b"HTTP/1.0" if target.contains(&b'#') => RequestFault::TargetFragment,
        b"HTTP/1.1" | b"HTTP/1.0" => RequestFault::TargetOctet,
        [b'H', b'T', b'T', b'P', b'/', major, b'.', minor]
            if major.is_ascii_digit() && minor.is_ascii_digit() =>
        {
            RequestFault::VersionUnsupported
        }
        _ if version.contains(&b'\r') => RequestFault::BareCr,
        _ => RequestFault::VersionSyntax,
    }
}

fn cut_at_space(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let at = memchr::memchr(b' ', text)?;
    match text.split_at(at) {
        (before, [_, after @ ..]) => Some((before, after)),
        _ => None,
    }
}

/// What shows before the request line is complete: another protocol, a method or a target that is too long. `line` may end
/// with its CR. Whatever is found here does not depend on how much of the line is there.
fn check_beginning(line: &[u8], limits: &HeadLimits) -> Result<(), RequestFault> {
    match line.first() {
        None | Some(b'\r') => return Ok(()),
        Some(&TLS_HANDSHAKE) => return Err(RequestFault::TlsOnPlainPort),
        Some(&octet) if !is_token_octet(octet) => return Err(RequestFault::Method),
        Some(_) => {}
    }
    let target_max = limits.target_bytes as usize;
    if line.len() <= METHOD_MAX && line.len() <= target_max {
        return Ok(());
    }
    let method_area = line.get(..METHOD_MAX + 1).unwrap_or(line);
    let Some(space) = memchr::memchr(b' ', method_area) else {
        return match line.len() > METHOD_MAX {
            false => Ok(()),
            true if is_token(method_area) => Err(RequestFault::MethodTooLong),
            true => Err(RequestFault::Method),
        };
    };
    let rest = line.get(space + 1..).unwrap_or_default();
    let too_long =
        rest.len() > target_max && memchr::memchr(b' ', rest).unwrap_or(rest.len()) > target_max;
    match too_long {
        true => Err(RequestFault::TargetTooLong),
        false => Ok(()),
    }
}

/// A request head with its bytes.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    pub(crate) head: &'a RequestHead,
    pub(crate) bytes: &'a [u8],
}

impl<'a> Request<'a> {
    /// The method, case-sensitive.
    pub fn method(&self) -> &'a [u8] {
        self.head.method.of(self.bytes)
    }

    /// The method is HEAD: the response has no body.
    pub fn is_head(&self) -> bool {
        self.method() == b"HEAD"
    }

    /// RFC 9110 section 9.2.2.
    pub fn is_idempotent(&self) -> bool {
        matches!(
            self.method(),
            b"GET" | b"HEAD" | b"OPTIONS" | b"TRACE" | b"PUT" | b"DELETE"
        )
    }

    /// Where the request line stands, with its CRLF.
    pub(crate) fn line(&self) -> Range<usize> {
        self.head.method.start()..self.head.target.whole.end() + VERSION_LENGTH
    }

    /// As received: origin-form, absolute-form or `*`.
    pub fn target(&self) -> &'a [u8] {
        self.head.target.whole.of(self.bytes)
    }

    /// Path without query; `/` for an absolute-form without a path; `*` for `OPTIONS *`.
    pub fn path(&self) -> &'a [u8] {
        match self.head.target.path {
            path if path.is_empty() => b"/",
            path => path.of(self.bytes),
        }
    }

    /// What stands behind `?`; `Some` and empty for a lone `?`.
    pub fn query(&self) -> Option<&'a [u8]> {
        self.head.target.query.map(|query| query.of(self.bytes))
    }

    /// Authority (host with optional port): of the absolute-form if given, else of Host; empty for HTTP/1.0 without Host, and
    /// where Host is empty.
    pub fn authority(&self) -> &'a [u8] {
        match self.head.target.form {
            Form::Absolute => self.head.target.authority.of(self.bytes),
            Form::Origin | Form::Asterisk => self.known(Known::Host).unwrap_or_default(),
        }
    }

    /// The client's version.
    pub fn version(&self) -> Version {
        self.head.version
    }

    /// How the body ends; never `UntilClose`.
    pub fn framing(&self) -> BodyFraming {
        self.head.framing
    }

    /// The client is willing to send another request on this connection.
    pub fn keep_alive(&self) -> bool {
        self.head.table.connection.persists(self.head.version)
    }

    /// Waits for a 100 before it sends its body. HTTP/1.0 cannot, and without a body it means nothing (RFC 9110 section 10.1.1).
    pub fn expects_continue(&self) -> bool {
        self.head.version != Version::Http10
            && !self.is_bodyless()
            && self
                .known(Known::Expect)
                .is_some_and(|value| value.eq_ignore_ascii_case(b"100-continue"))
    }

    /// `Upgrade: websocket` asked for properly (RFC 6455 4.1: GET, HTTP/1.1, Connection: upgrade, no body). `websocket` must be
    /// the only protocol offered, so that the answer can mean nothing else.
    pub fn wants_websocket(&self) -> bool {
        self.head.version != Version::Http10
            && self.method() == b"GET"
            && self.is_bodyless()
            && is_websocket(&self.head.table, self.bytes)
    }

    /// How often OPTIONS or TRACE may still be forwarded (RFC 9110 section 7.6.2): at 0 the proxy answers itself; else
    /// [`super::write_request`] sends one less. `None` for other methods, without the field, and where it is no number.
    pub fn max_forwards(&self) -> Option<u64> {
        match self.method() {
            b"OPTIONS" | b"TRACE" => self.known(Known::MaxForwards).and_then(decimal),
            _ => None,
        }
    }

    /// Each field: what it is known as, name as spelled, value without surrounding white space.
    pub fn fields(&self) -> impl Iterator<Item = (Known, &'a [u8], &'a [u8])> + use<'a> {
        self.head.table.iter(self.bytes)
    }

    /// First value of a field that is in [`Known`].
    pub fn known(&self, k: Known) -> Option<&'a [u8]> {
        self.head.table.value(self.bytes, k)
    }

    /// Values of a field by lower-case name, in order.
    pub fn values<'n>(&self, name: &'n [u8]) -> impl Iterator<Item = &'a [u8]> + use<'a, 'n> {
        self.fields()
            .filter(move |(_, spelled, _)| spelled.eq_ignore_ascii_case(name))
            .map(|(_, _, value)| value)
    }

    fn is_bodyless(&self) -> bool {
        matches!(
            self.head.framing,
            BodyFraming::None | BodyFraming::Length(0)
        )
    }
}

/// `Connection: upgrade`, and `websocket` as the only element of the only Upgrade field.
pub(crate) fn is_websocket(table: &FieldTable, bytes: &[u8]) -> bool {
    table.connection.upgrade
        && match table.lines(bytes, Known::Upgrade) {
            Lines::One(value) => {
                let mut offered = elements(value);
                offered
                    .next()
                    .is_some_and(|token| token.eq_ignore_ascii_case(b"websocket"))
                    && offered.next().is_none()
            }
            Lines::None | Lines::Several => false,
        }
}
