//! What a request shows to matching. Not the request itself: any protocol's request can be asked.

use ringway_protocols::http1::Request;

/// The header fields of a request.
pub trait Fields {
    /// Calls `each` with every value of the field `name` (lower-case), in order, until it returns true.
    fn values(&self, name: &[u8], each: &mut dyn FnMut(&[u8]) -> bool);
}

impl Fields for Request<'_> {
    fn values(&self, name: &[u8], each: &mut dyn FnMut(&[u8]) -> bool) {
        for value in Request::values(self, name) {
            if each(value) {
                return;
            }
        }
    }
}

/// A request as matching sees it.
#[derive(Clone, Copy)]
pub struct Ask<'a> {
    /// Index in the configuration's listeners.
    pub listener: usize,
    /// As received; methods are case-sensitive (RFC 9110 section 9.1).
    pub method: &'a [u8],
    /// Host with optional port, as received; empty if there is none (HTTP/1.0).
    pub authority: &'a [u8],
    /// Normalised, without query; `*` for `OPTIONS *`.
    pub path: &'a [u8],
    /// Without its `?`.
    pub query: Option<&'a [u8]>,
    /// Whom the client's verified certificate names; None for nobody.
    pub identity: Option<&'a str>,
    /// The header fields.
    pub fields: &'a dyn Fields,
}

impl std::fmt::Debug for Ask<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ask")
            .field("listener", &self.listener)
            .field("method", &self.method.escape_ascii().to_string())
            .field("authority", &self.authority.escape_ascii().to_string())
            .field("path", &self.path.escape_ascii().to_string())
            .field("query", &self.query.map(|q| q.escape_ascii().to_string()))
            .finish_non_exhaustive()
    }
}
