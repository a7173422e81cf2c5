//! Heads between the library's form and the one that both versions share. What may stand in them is judged in `ringway_protocols::http2`; here
//! are only the two conversions.

use bytes::Bytes;
use h2::ext::Protocol;
use http::header::{HeaderMap, HeaderName, HeaderValue};
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{Method, Request, Response, StatusCode, Uri, request, response};
use ringway_protocols::http1::{Known, Version};
use ringway_protocols::http2::{self, HeadFault, Pseudo};
use ringway_protocols::websocket;

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const FORWARDED_PORT: HeaderName = HeaderName::from_static("x-forwarded-port");
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// A client's request as the octets of a head.
pub(crate) fn write_request(
    out: &mut Vec<u8>,
    request: &request::Parts,
    ends: bool,
) -> Result<(), HeadFault> {
    http2::write_request_head(out, &pseudo(request), || fields(&request.headers), ends)
}

/// A client's extended CONNECT for a WebSocket, as the octets of a handshake of HTTP/1.1.
pub(crate) fn write_websocket(
    out: &mut Vec<u8>,
    request: &request::Parts,
    key: &websocket::Key,
) -> Result<(), HeadFault> {
    http2::write_websocket_head(out, &pseudo(request), || fields(&request.headers), key)
}

fn pseudo(request: &request::Parts) -> Pseudo<'_> {
    let uri = &request.uri;
    Pseudo {
        method: request.method.as_str().as_bytes(),
        scheme: uri.scheme_str().map(str::as_bytes),
        authority: uri.authority().map(|a| a.as_str().as_bytes()),
        path: uri
            .path_and_query()
            .map_or(&b""[..], |p| p.as_str().as_bytes()),
    }
}

/// An upstream's response as the octets of a head.
pub(crate) fn write_response(
    out: &mut Vec<u8>,
    response: &response::Parts,
    unannounced: &[u8],
) -> Result<(), HeadFault> {
    let status = response.status.as_u16();
    http2::write_response_head(out, status, fields(&response.headers), unannounced)
}

/// An upstream's 2xx to an extended CONNECT, as the octets of a switch of protocols.
pub(crate) fn write_websocket_answer(
    out: &mut Vec<u8>,
    response: &response::Parts,
    accept: &websocket::Accept,
) -> Result<(), HeadFault> {
    http2::write_websocket_answer(out, fields(&response.headers), accept)
}

/// A trailer section as lines.
pub(crate) fn write_trailers(out: &mut Vec<u8>, trailers: &HeaderMap) -> Result<(), HeadFault> {
    http2::write_trailers(out, fields(trailers))
}

fn fields(map: &HeaderMap) -> impl Iterator<Item = (&[u8], &[u8])> {
    map.iter()
        .map(|(name, value)| (name.as_str().as_bytes(), value.as_bytes()))
}

/// The head that `write_request` of HTTP/1.1 wrote, as a request. None where it cannot be said in HTTP/2 (a target or an authority that the
/// library does not know how to hold).
pub(crate) fn request(head: &[u8], scheme: Scheme) -> Option<Request<()>> {
    let (method, target) = http2::request_line(head)?;
    let head = Bytes::copy_from_slice(head);
    let path = PathAndQuery::from_maybe_shared(head.slice(target)).ok()?;
    let mut parts = http::uri::Parts::default();
    parts.path_and_query = Some(path);
    let mut request = Request::new(());
    let authority = http2::host(&head).unwrap_or(0..0);
    if authority.is_empty() {
        // Only a client of HTTP/1.0 may leave it out; the library lets a request do without if it came so.
        *request.version_mut() = http::Version::HTTP_11;
    } else {
        parts.authority = Some(Authority::from_maybe_shared(head.slice(authority)).ok()?);
        parts.scheme = Some(scheme);
        *request.version_mut() = http::Version::HTTP_2;
    }
    *request.method_mut() = Method::from_bytes(&head[method]).ok()?;
    *request.uri_mut() = Uri::from_parts(parts).ok()?;
    *request.headers_mut() = map(&head, true);
    Some(request)
}

/// The handshake of a WebSocket that `write_request` of HTTP/1.1 wrote, as an extended CONNECT (RFC 8441 section 5). None as for `request`.
pub(crate) fn websocket_request(head: &[u8], scheme: Scheme) -> Option<Request<()>> {
    let mut request = request(head, scheme)?;
    // Without an authority there is none to connect to.
    request.uri().authority()?;
    *request.method_mut() = Method::CONNECT;
    request
        .extensions_mut()
        .insert(Protocol::from_static("websocket"));
    leave_handshake(request.headers_mut());
    Some(request)
}

/// The 101 that `write_response` of HTTP/1.1 wrote, as the answer that accepts an extended CONNECT.
pub(crate) fn websocket_answer(head: &[u8]) -> Response<()> {
    let mut answer = response(200, head);
    leave_handshake(answer.headers_mut());
    answer
}

fn leave_handshake(fields: &mut HeaderMap) {
    fields.remove(http::header::SEC_WEBSOCKET_KEY);
    fields.remove(http::header::SEC_WEBSOCKET_ACCEPT);
}

/// The head that `write_response` or `answer` of HTTP/1.1 wrote, as a response.
pub(crate) fn response(status: u16, head: &[u8]) -> Response<()> {
    let mut response = Response::new(());
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_GATEWAY);
    *response.version_mut() = http::Version::HTTP_2;
    *response.headers_mut() = map(&Bytes::copy_from_slice(head), true);
    response
}

/// Lines of a trailer section, as a map.
pub(crate) fn trailers(lines: &[u8]) -> HeaderMap {
    map(&Bytes::copy_from_slice(lines), false)
}

fn map(head: &Bytes, has_first_line: bool) -> HeaderMap {
    let mut map = HeaderMap::with_capacity(memchr::memchr_iter(b'\n', head).count());
    for line in http2::lines(head, has_first_line) {
        let name = match line.known {
            Known::XForwardedFor => Ok(FORWARDED_FOR),
            Known::XForwardedProto => Ok(FORWARDED_PROTO),
            Known::XForwardedHost => Ok(FORWARDED_HOST),
            Known::XForwardedPort => Ok(FORWARDED_PORT),
            Known::XRequestId => Ok(REQUEST_ID),
            _ => HeaderName::from_bytes(&head[line.name]),
        };
        // The reader has found both to be right.
        if let (Ok(name), Ok(mut value)) =
            (name, HeaderValue::from_maybe_shared(head.slice(line.value)))
        {
            // Never the same twice: in the table of a connection's fields (RFC 7541 section 2.3.2) it would only be in the way of others, and of
            // whoever looks for it there. The library has no other word for that.
            value.set_sensitive(line.known == Known::XRequestId);
            // Bounded by the limit on fields, far below what the map can hold.
            let _ = map.try_append(name, value);
        }
    }
    map
}

/// How the log calls it.
pub(crate) fn version_text(version: Version) -> &'static str {
    match version {
        Version::Http10 => "HTTP/1.0",
        Version::Http11 => "HTTP/1.1",
        Version::Http2 => "HTTP/2",
    }
}
