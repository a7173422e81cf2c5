//! Where a head is written to: lines of HTTP/1.1, or fields of another version that say the same. What is written, and in which order, `write_request`
//! and `write_response` know.
//!
//! Not here: fields of HTTP/2 (`crate::http2`).

use super::Version;
use super::edit::{RequestEdit, put_foreign_target};
use super::field::Known;
use super::octets::{Digits, is_text, is_token, put_decimal};
use super::request::Request;
use super::response::Response;
use super::table::Field;
use super::target::Form;
use std::ops::Range;

/// A field that we add, in both spellings.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Own {
    pub(crate) known: Known,
    /// With a colon and a space.
    pub(crate) prefix: &'static [u8],
    /// In lower case.
    pub(crate) name: &'static [u8],
}

impl Own {
    pub(crate) const fn new(known: Known, prefix: &'static [u8], name: &'static [u8]) -> Own {
        Own {
            known,
            prefix,
            name,
        }
    }
}

/// See the module. Names and values of fields come from a head that was checked, except where it says otherwise.
pub(crate) trait HeadSink {
    /// What a request begins with. The host is asked for here as well, since it is no field in every version.
    fn request(&mut self, request: &Request<'_>, edit: &RequestEdit<'_>);

    /// What a response begins with.
    fn response(&mut self, response: &Response<'_>);

    /// A received field stays as it is.
    fn keep(&mut self, field: &Field);

    /// A field whose value is put together from pieces.
    fn pieces(&mut self, known: Known, name: &[u8], value: [&[u8]; 3]);

    /// A field of ours.
    fn own(&mut self, own: Own, value: [&[u8]; 2]);

    /// What `Connection` says of this connection alone.
    fn connection(&mut self, option: &[u8]);

    /// Nothing more comes.
    fn end(&mut self);

    /// A field.
    fn field(&mut self, known: Known, name: &[u8], value: &[u8]) {
        self.pieces(known, name, [value, b"", b""]);
    }

    /// A field with a number as its value.
    fn number(&mut self, known: Known, name: &[u8], number: u64) {
        self.field(known, name, Digits::of(number).as_bytes());
    }

    /// A field whose parts come from elsewhere. A control octet in them would be a line of somebody else's making: it becomes a space in a value, and a
    /// field with a name that is no token is left out.
    fn foreign(&mut self, name: &[u8], value: &[u8]) {
        if !is_token(name) {
            return;
        }
        let known = Known::of(name);
        if is_text(value) {
            return self.field(known, name, value);
        }
        let spaced = value.iter().map(|&octet| match octet {
            0..=0x1f | 0x7f => b' ',
            _ => octet,
        });
        self.field(known, name, &spaced.collect::<Vec<_>>());
    }
}

/// Lines of HTTP/1.1, written from a received head: neighbouring lines that stay as they are go out in one copy.
#[derive(Debug)]
pub(crate) struct Lines<'o, 'b> {
    out: &'o mut Vec<u8>,
    bytes: &'b [u8],
    /// What stays and is not written yet.
    run: Range<usize>,
}

impl<'o, 'b> Lines<'o, 'b> {
    /// `bytes` is the head received.
    pub(crate) fn new(out: &'o mut Vec<u8>, bytes: &'b [u8]) -> Self {
        let run = 0..0;
        Lines { out, bytes, run }
    }

    /// Received lines, with their CRLF, stay as they are.
    #[inline]
    fn keep_lines(&mut self, lines: Range<usize>) {
        if lines.start != self.run.end {
            self.write_run();
            self.run.start = lines.start;
        }
        self.run.end = lines.end;
    }

    /// To write something of ours, behind what stays of what was received before.
    #[inline]
    fn ours(&mut self) -> &mut Vec<u8> {
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

impl HeadSink for Lines<'_, '_> {
    fn request(&mut self, request: &Request<'_>, edit: &RequestEdit<'_>) {
        let line_stays = edit.target.is_none()
            && request.head.target.form != Form::Absolute
            && request.version() != Version::Http10;
        if line_stays {
            return self.keep_lines(request.line());
        }
        let out = self.ours();
        put(out, request.method());
        put(out, b" ");
        put_target(out, request, edit);
        put(out, b" HTTP/1.1\r\n");
    }

    fn response(&mut self, response: &Response<'_>) {
        if let Some(line) = response.canonical_line() {
            return self.keep_lines(line);
        }
        let out = self.ours();
        put(out, b"HTTP/1.1 ");
        put_decimal(out, u64::from(response.status()));
        put(out, b" ");
        put(out, response.reason());
        put(out, b"\r\n");
    }

    #[inline(always)]
    fn keep(&mut self, field: &Field) {
        match field.canonical {
            true => self.keep_lines(field.name.start()..field.value.end() + 2),
            false => {
                let (name, value) = (field.name.of(self.bytes), field.value.of(self.bytes));
                put_field(self.ours(), name, value);
            }
        }
    }

    fn pieces(&mut self, _: Known, name: &[u8], value: [&[u8]; 3]) {
        let out = self.ours();
        put(out, name);
        put(out, b": ");
        value.iter().for_each(|piece| put(out, piece));
        put(out, b"\r\n");
    }

    #[inline]
    fn field(&mut self, _: Known, name: &[u8], value: &[u8]) {
        put_field(self.ours(), name, value);
    }

    // Where it is called its prefix is known, and mostly that there is one piece: copies of a known length cost a few instructions.
    #[inline(always)]
    fn own(&mut self, own: Own, [one, other]: [&[u8]; 2]) {
        let out = self.ours();
        put(out, own.prefix);
        put(out, one);
        put(out, other);
        put(out, b"\r\n");
    }

    fn connection(&mut self, option: &[u8]) {
        put_field(self.ours(), b"Connection", option);
    }

    fn end(&mut self) {
        put(self.ours(), b"\r\n");
    }
}

/// The target that is sent.
pub(crate) fn put_target(out: &mut Vec<u8>, request: &Request<'_>, edit: &RequestEdit<'_>) {
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
