//! Every reason to refuse a message: a stable label for counters and logs, a sentence for people, and for requests a status.
//!
//! Not here: what happens to the connection; it is always closed, since after a fault nobody knows where the next message begins.

use super::line::LineFault;

/// Why a request is refused; knows its status and a stable label for the counter and the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "`explain` says it for each variant")]
pub enum RequestFault {
    TlsOnPlainPort,
    Http2OnPlainPort,
    EmptyLines,
    BareLf,
    BareCr,
    RequestLine,
    Method,
    MethodTooLong,
    ConnectMethod,
    TargetOctet,
    TargetFragment,
    TargetForm,
    TargetAuthority,
    TargetTooLong,
    VersionSyntax,
    VersionUnsupported,
    ObsFold,
    WhitespaceBeforeColon,
    FieldName,
    ControlOctet,
    HeadTooLarge,
    TooManyFields,
    TooManyConnectionOptions,
    HostMissing,
    HostRepeated,
    HostInvalid,
    ContentLengthWithTransferEncoding,
    ContentLengthRepeated,
    ContentLengthInvalid,
    TransferEncodingInvalid,
    TransferEncodingInHttp10,
    TraceWithBody,
}

impl RequestFault {
    /// 400, 414, 431, 501 or 505.
    pub fn status(self) -> u16 {
        self.row().0
    }

    /// A stable, snake_case label, e.g. `content_length_with_transfer_encoding`.
    pub fn label(self) -> &'static str {
        self.row().1
    }

    /// A sentence for people, with the RFC section.
    pub fn explain(self) -> &'static str {
        self.row().2
    }

    /// Every fault once, in the order of the definition.
    pub const ALL: &'static [RequestFault] = {
        use RequestFault::*;
        &[
            TlsOnPlainPort,
            Http2OnPlainPort,
            EmptyLines,
            BareLf,
            BareCr,
            RequestLine,
            Method,
            MethodTooLong,
            ConnectMethod,
            TargetOctet,
            TargetFragment,
            TargetForm,
            TargetAuthority,
            TargetTooLong,
            VersionSyntax,
            VersionUnsupported,
            ObsFold,
            WhitespaceBeforeColon,
            FieldName,
            ControlOctet,
            HeadTooLarge,
            TooManyFields,
            TooManyConnectionOptions,
            HostMissing,
            HostRepeated,
            HostInvalid,
            ContentLengthWithTransferEncoding,
            ContentLengthRepeated,
            ContentLengthInvalid,
            TransferEncodingInvalid,
            TransferEncodingInHttp10,
            TraceWithBody,
        ]
    };

    #[rustfmt::skip]
    fn row(self) -> (u16, &'static str, &'static str) {
        use RequestFault::*;
        match self {
            TlsOnPlainPort => (400, "tls_on_plain_port", "a TLS handshake arrived on a plain HTTP port; use http:// here, or a TLS listener"),
            Http2OnPlainPort => (400, "http2_on_plain_port", "an HTTP/2 preface arrived on an HTTP/1.1 port (RFC 9113 3.4)"),
            EmptyLines => (400, "empty_lines", "more than four empty lines before the request line (RFC 9112 2.2)"),
            BareLf => (400, "bare_lf", "a line ends with LF instead of CRLF (RFC 9112 2.2)"),
            BareCr => (400, "bare_cr", "a CR stands without LF (RFC 9112 2.2)"),
            RequestLine => (400, "request_line", "the request line is not method, one space, target, one space, version (RFC 9112 3)"),
            Method => (400, "method", "the method is not a token (RFC 9110 9.1)"),
            MethodTooLong => (501, "method_too_long", "the method is longer than any that is known (RFC 9112 3)"),
            ConnectMethod => (501, "connect_method", "CONNECT is not offered: this is a reverse proxy (RFC 9110 9.3.6)"),
            TargetOctet => (400, "target_octet", "the target holds an octet outside of visible ASCII (RFC 9112 3.2)"),
            TargetFragment => (400, "target_fragment", "the target holds a fragment (RFC 9112 3.2)"),
            TargetForm => (400, "target_form", "the target is neither a path nor an http URI, or `*` stands without OPTIONS (RFC 9112 3.2)"),
            TargetAuthority => (400, "target_authority", "the authority in the target is not a host with an optional port (RFC 9110 4.2)"),
            TargetTooLong => (414, "target_too_long", "the target is longer than the limit (RFC 9110 15.5.15)"),
            VersionSyntax => (400, "version_syntax", "the version is not `HTTP/` digit `.` digit (RFC 9112 2.3)"),
            VersionUnsupported => (505, "version_unsupported", "the version is neither HTTP/1.0 nor HTTP/1.1 (RFC 9110 15.6.6)"),
            ObsFold => (400, "obs_fold", "a field line begins with white space (RFC 9112 5.2)"),
            WhitespaceBeforeColon => (400, "whitespace_before_colon", "white space between a field name and its colon (RFC 9112 5.1)"),
            FieldName => (400, "field_name", "a field name is not a token followed by a colon (RFC 9110 5.1)"),
            ControlOctet => (400, "control_octet", "NUL or another control octet stands in the head (RFC 9110 5.5)"),
            HeadTooLarge => (431, "head_too_large", "the head is larger than the limit (RFC 6585 5)"),
            TooManyFields => (431, "too_many_fields", "the head has more fields than the limit (RFC 6585 5)"),
            TooManyConnectionOptions => (400, "too_many_connection_options", "Connection names more than 64 options (RFC 9110 7.6.1)"),
            HostMissing => (400, "host_missing", "an HTTP/1.1 request without Host (RFC 9112 3.2)"),
            HostRepeated => (400, "host_repeated", "more than one Host (RFC 9112 3.2)"),
            HostInvalid => (400, "host_invalid", "Host is not a host with an optional port (RFC 9112 3.2)"),
            ContentLengthWithTransferEncoding => (400, "content_length_with_transfer_encoding", "both Content-Length and Transfer-Encoding (RFC 9112 6.1)"),
            ContentLengthRepeated => (400, "content_length_repeated", "more than one Content-Length (RFC 9112 6.3)"),
            ContentLengthInvalid => (400, "content_length_invalid", "Content-Length is not one decimal number below 2^63 (RFC 9110 8.6)"),
            TransferEncodingInvalid => (400, "transfer_encoding_invalid", "Transfer-Encoding is not exactly `chunked` (RFC 9112 6.1)"),
            TransferEncodingInHttp10 => (400, "transfer_encoding_in_http10", "Transfer-Encoding in an HTTP/1.0 message (RFC 9112 6.1)"),
            TraceWithBody => (400, "trace_with_body", "TRACE with a body (RFC 9110 9.3.8)"),
        }
    }
}

impl From<LineFault> for RequestFault {
    fn from(fault: LineFault) -> Self {
        match fault {
            LineFault::BareLf => RequestFault::BareLf,
            LineFault::BareCr => RequestFault::BareCr,
            LineFault::ObsFold => RequestFault::ObsFold,
            LineFault::WhitespaceBeforeColon => RequestFault::WhitespaceBeforeColon,
            LineFault::FieldName => RequestFault::FieldName,
            LineFault::ControlOctet => RequestFault::ControlOctet,
            LineFault::TooLarge => RequestFault::HeadTooLarge,
            LineFault::TooManyFields => RequestFault::TooManyFields,
            LineFault::TooManyConnectionOptions => RequestFault::TooManyConnectionOptions,
        }
    }
}

/// Why a response is not relayed; the client gets 502.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "`explain` says it for each variant")]
pub enum ResponseFault {
    BareLf,
    BareCr,
    StatusLine,
    Version,
    Status,
    ObsFold,
    WhitespaceBeforeColon,
    FieldName,
    ControlOctet,
    HeadTooLarge,
    TooManyFields,
    TooManyConnectionOptions,
    ContentLengthWithTransferEncoding,
    ContentLengthRepeated,
    ContentLengthInvalid,
    TransferEncodingInvalid,
    TransferEncodingInHttp10,
    FramingWithoutBody,
}

impl ResponseFault {
    /// A stable, snake_case label.
    pub fn label(self) -> &'static str {
        self.row().0
    }

    /// A sentence for people, with the RFC section.
    pub fn explain(self) -> &'static str {
        self.row().1
    }

    /// Every fault once, in the order of the definition.
    pub const ALL: &'static [ResponseFault] = {
        use ResponseFault::*;
        &[
            BareLf,
            BareCr,
            StatusLine,
            Version,
            Status,
            ObsFold,
            WhitespaceBeforeColon,
            FieldName,
            ControlOctet,
            HeadTooLarge,
            TooManyFields,
            TooManyConnectionOptions,
            ContentLengthWithTransferEncoding,
            ContentLengthRepeated,
            ContentLengthInvalid,
            TransferEncodingInvalid,
            TransferEncodingInHttp10,
            FramingWithoutBody,
        ]
    };

    #[rustfmt::skip]
    fn row(self) -> (&'static str, &'static str) {
        use ResponseFault::*;
        match self {
            BareLf => ("bare_lf", "a line ends with LF instead of CRLF (RFC 9112 2.2)"),
            BareCr => ("bare_cr", "a CR stands without LF (RFC 9112 2.2)"),
            StatusLine => ("status_line", "the status line is not version, one space, status, reason (RFC 9112 4)"),
            Version => ("version", "the version is neither HTTP/1.0 nor HTTP/1.1 (RFC 9112 2.3)"),
            Status => ("status", "the status is not a number of three digits from 100 to 599 (RFC 9110 15)"),
            ObsFold => ("obs_fold", "a field line begins with white space (RFC 9112 5.2)"),
            WhitespaceBeforeColon => ("whitespace_before_colon", "white space between a field name and its colon (RFC 9112 5.1)"),
            FieldName => ("field_name", "a field name is not a token followed by a colon (RFC 9110 5.1)"),
            ControlOctet => ("control_octet", "NUL or another control octet stands in the head (RFC 9110 5.5)"),
            HeadTooLarge => ("head_too_large", "the head is larger than the limit"),
            TooManyFields => ("too_many_fields", "the head has more fields than the limit"),
            TooManyConnectionOptions => ("too_many_connection_options", "Connection names more than 64 options (RFC 9110 7.6.1)"),
            ContentLengthWithTransferEncoding => ("content_length_with_transfer_encoding", "both Content-Length and Transfer-Encoding (RFC 9112 6.1)"),
            ContentLengthRepeated => ("content_length_repeated", "more than one Content-Length (RFC 9112 6.3)"),
            ContentLengthInvalid => ("content_length_invalid", "Content-Length is not one decimal number below 2^63 (RFC 9110 8.6)"),
            TransferEncodingInvalid => ("transfer_encoding_invalid", "Transfer-Encoding is not exactly `chunked` (RFC 9112 6.1)"),
            TransferEncodingInHttp10 => ("transfer_encoding_in_http10", "Transfer-Encoding in an HTTP/1.0 message (RFC 9112 6.1)"),
            FramingWithoutBody => ("framing_without_body", "1xx or 204 that announces a body (RFC 9110 8.6, RFC 9112 6.1)"),
        }
    }
}

impl From<LineFault> for ResponseFault {
    fn from(fault: LineFault) -> Self {
        match fault {
            LineFault::BareLf => ResponseFault::BareLf,
            LineFault::BareCr => ResponseFault::BareCr,
            LineFault::ObsFold => ResponseFault::ObsFold,
            LineFault::WhitespaceBeforeColon => ResponseFault::WhitespaceBeforeColon,
            LineFault::FieldName => ResponseFault::FieldName,
            LineFault::ControlOctet => ResponseFault::ControlOctet,
            LineFault::TooLarge => ResponseFault::HeadTooLarge,
            LineFault::TooManyFields => ResponseFault::TooManyFields,
            LineFault::TooManyConnectionOptions => ResponseFault::TooManyConnectionOptions,
        }
    }
}

/// Why a chunked body is broken off. The other side's message is then ended without its last chunk, so that it can see the break.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "`explain` says it for each variant")]
pub enum ChunkFault {
    Size,
    SizeTooLarge,
    LineEnd,
    Extension,
    LineTooLong,
    TooMuchOverhead,
    DataEnd,
    TrailerLineEnd,
    TrailerField,
    TrailersTooLarge,
}

impl ChunkFault {
    /// A stable, snake_case label.
    pub fn label(self) -> &'static str {
        self.row().0
    }

    /// A sentence for people, with the RFC section.
    pub fn explain(self) -> &'static str {
        self.row().1
    }

    /// Every fault once, in the order of the definition.
    pub const ALL: &'static [ChunkFault] = {
        use ChunkFault::*;
        &[
            Size,
            SizeTooLarge,
            LineEnd,
            Extension,
            LineTooLong,
            TooMuchOverhead,
            DataEnd,
            TrailerLineEnd,
            TrailerField,
            TrailersTooLarge,
        ]
    };

    #[rustfmt::skip]
    fn row(self) -> (&'static str, &'static str) {
        use ChunkFault::*;
        match self {
            Size => ("chunk_size", "a chunk size is not hexadecimal (RFC 9112 7.1)"),
            SizeTooLarge => ("chunk_size_too_large", "a chunk size is 2^63 or more, or has more than 16 digits (RFC 9112 7.1)"),
            LineEnd => ("chunk_line_end", "a chunk size line does not end with CRLF (RFC 9112 7.1)"),
            Extension => ("chunk_extension", "a chunk extension is malformed (RFC 9112 7.1.1)"),
            LineTooLong => ("chunk_line_too_long", "a chunk size line is longer than 4 KiB (RFC 9112 7.1.1)"),
            TooMuchOverhead => ("chunk_overhead", "the body spends far more octets on chunk lines than on content (RFC 9112 7.1.1)"),
            DataEnd => ("chunk_data_end", "chunk data is not followed by CRLF (RFC 9112 7.1)"),
            TrailerLineEnd => ("trailer_line_end", "a trailer line does not end with CRLF (RFC 9112 7.1.2)"),
            TrailerField => ("trailer_field", "a trailer field is malformed (RFC 9112 7.1.2)"),
            TrailersTooLarge => ("trailers_too_large", "the trailer section is larger than the limits of a head"),
        }
    }
}

impl From<LineFault> for ChunkFault {
    fn from(fault: LineFault) -> Self {
        match fault {
            LineFault::BareLf => ChunkFault::TrailerLineEnd,
            LineFault::TooLarge | LineFault::TooManyFields => ChunkFault::TrailersTooLarge,
            LineFault::BareCr
            | LineFault::ObsFold
            | LineFault::WhitespaceBeforeColon
            | LineFault::FieldName
            | LineFault::ControlOctet
            | LineFault::TooManyConnectionOptions => ChunkFault::TrailerField,
        }
    }
}
