//! Requests and answers by HTTP/2, which load and origin make and check: heads, bodies and their sizes, and connections of the library over our
//! streams. All is without TLS, by prior knowledge.
//!
//! Not when a request is made (`load::streams`) and not what is answered when (`origin::http2`).

mod face;
mod first;

use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Method, Request, Response, StatusCode, Uri};

use crate::message;
use crate::scenario::{Load, Origin};
pub(crate) use face::Face;
pub(crate) use first::first_answer;

/// Windows of load and origin: so large that it is the proxy's windows that count.
const STREAM_WINDOW: u32 = 1024 * 1024;
const CONNECTION_WINDOW: u32 = 16 * 1024 * 1024;
/// Requests at once on a connection to the origin, which is what servers usually allow.
pub(crate) const STREAMS: u32 = 100;

const GRPC: HeaderValue = HeaderValue::from_static("application/grpc");
const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");

/// How the load's connections are made.
pub(crate) fn client() -> h2::client::Builder {
    let mut builder = h2::client::Builder::new();
    builder
        .enable_push(false)
        .initial_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW);
    builder
}

/// How the origin's are.
pub(crate) fn server() -> h2::server::Builder {
    let mut builder = h2::server::Builder::new();
    builder
        .max_concurrent_streams(STREAMS)
        .initial_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW);
    builder
}

/// What a body has: octets, or one message of gRPC.
pub(crate) fn body(len: usize, grpc: bool) -> &'static [u8] {
    if !grpc {
        return message::body(len);
    }
    let mut bytes = vec![0];
    bytes.extend_from_slice(&u32::try_from(len).unwrap_or(u32::MAX).to_be_bytes());
    bytes.extend_from_slice(message::body(len));
    bytes.leak()
}

fn path(grpc: bool) -> &'static str {
    match grpc {
        true => "/bench.Bench/Unary",
        false => "/bench",
    }
}

/// The one request of a scenario. Its body, if it has one, is not in it.
pub(crate) fn request(load: &Load, grpc: bool) -> Result<Request<()>, http::Error> {
    let uri = format!("http://{}{}", message::HOST, path(grpc));
    let mut request = Request::builder()
        .uri(Uri::try_from(uri)?)
        .header(header::USER_AGENT, "ringway-bench");
    if grpc {
        request = request
            .method(Method::POST)
            .header(header::CONTENT_TYPE, GRPC)
            .header(header::TE, "trailers");
    } else {
        request = request.header(header::ACCEPT, "*/*");
        if load.body > 0 {
            request = request
                .method(Method::POST)
                .header(header::CONTENT_LENGTH, load.body);
        }
    }
    request.body(())
}

/// Is it the one?
pub(crate) fn is_asked<B>(request: &Request<B>, upload: &[u8], grpc: bool) -> bool {
    let method = match upload.is_empty() {
        true => Method::GET,
        false => Method::POST,
    };
    request.method() == method
        && request.uri().path() == path(grpc)
        && (!grpc
            || request
                .headers()
                .get(header::TE)
                .is_some_and(|te| te == "trailers"))
}

/// The answer's head.
pub(crate) fn answer(origin: &Origin) -> Response<()> {
    let mut answer = Response::new(());
    let fields = answer.headers_mut();
    if origin.grpc {
        fields.insert(header::CONTENT_TYPE, GRPC);
    } else {
        fields.insert(header::CONTENT_LENGTH, origin.body.into());
        let octets = HeaderValue::from_static("application/octet-stream");
        fields.insert(header::CONTENT_TYPE, octets);
    }
    answer
}

/// What ends an answer of gRPC.
pub(crate) fn trailers() -> HeaderMap {
    let mut trailers = HeaderMap::with_capacity(1);
    trailers.insert(GRPC_STATUS, HeaderValue::from_static("0"));
    trailers
}

/// What is wrong with an answer's head, if anything is. gRPC says no length.
pub(crate) fn fault_of<B>(answer: &Response<B>, length: usize, grpc: bool) -> Option<&'static str> {
    if answer.status() != StatusCode::OK {
        return Some("not a 200");
    }
    let said = answer.headers().get(header::CONTENT_LENGTH);
    let said = said.and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
    match said {
        None if !grpc => Some("no Content-Length"),
        Some(said) if said != length => Some("not the length that the origin sent"),
        _ if grpc && answer.headers().get(header::CONTENT_TYPE) != Some(&GRPC) => {
            Some("not an answer of gRPC")
        }
        _ => None,
    }
}

/// Are these an answer's good end?
pub(crate) fn is_ok(trailers: Option<&HeaderMap>) -> bool {
    trailers.is_some_and(|t| t.get(GRPC_STATUS).is_some_and(|status| status == "0"))
}

/// The octets, without a copy.
pub(crate) fn octets(bytes: &'static [u8]) -> Bytes {
    Bytes::from_static(bytes)
}
