//! Replies that the proxy makes itself, and the names of status codes (RFC 9110 section 15).
//!
//! Not here: which reply is due; that is the exchange's outcome.

use super::field::Known;
use super::octets::put_decimal;
use super::sink::{HeadSink, Lines, put};
use super::write_response::put_connection;
use super::{ClientConnection, Version};

/// Append a whole response of our own. Content-Length and Connection are written here and need not be in `fields`; `to_head`
/// leaves the body out and keeps its length; 1xx, 204 and 304 have neither.
pub fn answer(
    out: &mut Vec<u8>,
    status: u16,
    fields: &[(&str, &str)],
    body: &[u8],
    connection: ClientConnection,
    to_head: bool,
    version: Version,
) {
    let has_body = !matches!(status, 100..=199 | 204 | 304);
    put(out, b"HTTP/1.1 ");
    put_decimal(out, u64::from(status));
    put(out, b" ");
    put(out, reason_phrase(status).as_bytes());
    put(out, b"\r\n");
    let mut lines = Lines::new(out, b"");
    for (name, value) in fields {
        lines.foreign(name.as_bytes(), value.as_bytes());
    }
    if has_body {
        let length = body.len() as u64;
        lines.number(Known::ContentLength, b"Content-Length", length);
    }
    put_connection(&mut lines, connection, version);
    lines.end();
    if has_body && !to_head {
        put(out, body);
    }
}

/// The phrase registered for a status code; empty for one that is not registered.
#[rustfmt::skip]
pub fn reason_phrase(status: u16) -> &'static str {
    match status {
        100 => "Continue", 101 => "Switching Protocols", 102 => "Processing", 103 => "Early Hints",
        200 => "OK", 201 => "Created", 202 => "Accepted", 203 => "Non-Authoritative Information",
        204 => "No Content", 205 => "Reset Content", 206 => "Partial Content", 207 => "Multi-Status",
        208 => "Already Reported", 226 => "IM Used",
        300 => "Multiple Choices", 301 => "Moved Permanently", 302 => "Found", 303 => "See Other",
        304 => "Not Modified", 305 => "Use Proxy", 307 => "Temporary Redirect", 308 => "Permanent Redirect",
        400 => "Bad Request", 401 => "Unauthorized", 402 => "Payment Required", 403 => "Forbidden",
        404 => "Not Found", 405 => "Method Not Allowed", 406 => "Not Acceptable",
        407 => "Proxy Authentication Required", 408 => "Request Timeout", 409 => "Conflict", 410 => "Gone",
        411 => "Length Required", 412 => "Precondition Failed", 413 => "Content Too Large",
        414 => "URI Too Long", 415 => "Unsupported Media Type", 416 => "Range Not Satisfiable",
        417 => "Expectation Failed", 421 => "Misdirected Request", 422 => "Unprocessable Content",
        423 => "Locked", 424 => "Failed Dependency", 425 => "Too Early", 426 => "Upgrade Required",
        428 => "Precondition Required", 429 => "Too Many Requests",
        431 => "Request Header Fields Too Large", 451 => "Unavailable For Legal Reasons",
        500 => "Internal Server Error", 501 => "Not Implemented", 502 => "Bad Gateway",
        503 => "Service Unavailable", 504 => "Gateway Timeout", 505 => "HTTP Version Not Supported",
        506 => "Variant Also Negotiates", 507 => "Insufficient Storage", 508 => "Loop Detected",
        511 => "Network Authentication Required",
        _ => "",
    }
}
