//! Connections on the `h2` crate: for the forwarder that proxies are compared with (`bare`), and for one request that is not measured (`first`).
//!
//! Not for load and origin, which speak for themselves.

use bytes::Bytes;
use http::Request;

use super::{CONNECTION_WINDOW, Head, STREAM_WINDOW, STREAMS};

/// How a client's connections are made.
pub(crate) fn client() -> h2::client::Builder {
    let mut builder = h2::client::Builder::new();
    builder
        .enable_push(false)
        .initial_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW);
    builder
}

/// How a server's are.
pub(crate) fn server() -> h2::server::Builder {
    let mut builder = h2::server::Builder::new();
    builder
        .max_concurrent_streams(STREAMS)
        .initial_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW);
    builder
}

/// A request's head as the library has it.
pub(super) fn request(head: &Head) -> Result<Request<()>, http::Error> {
    let said = |name: &str| head.value(name).unwrap_or_default();
    let mut uri = said(":scheme").to_owned();
    uri.push_str("://");
    uri.push_str(said(":authority"));
    uri.push_str(said(":path"));
    let request = Request::builder().method(said(":method")).uri(uri);
    let regular = head.iter().filter(|(name, _)| !name.starts_with(':'));
    regular
        .fold(request, |request, (name, value)| {
            request.header(name, value)
        })
        .body(())
}

/// The octets, without a copy.
pub(super) fn octets(bytes: &'static [u8]) -> Bytes {
    Bytes::from_static(bytes)
}
