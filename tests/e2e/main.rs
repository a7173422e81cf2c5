//! End to end: the real binary between scripted clients and origins, one module for each thing that users see. Every
//! test runs on both drivers. What a malformed byte does is in `golden/`, what a dying peer under load does in `faults/`.
#![forbid(unsafe_code)]

mod access_log;
mod admin;
mod bodies;
mod connections;
mod limits;
mod reload;
mod reload_files;
mod rewriting;
mod routing;
mod splitting;
mod stop;
mod timeouts;
mod upgrade;
mod upstreams;

/// A listener `web` on a free port, with more lines of its own.
pub(crate) fn web(more: &str) -> String {
    format!("[listeners.web]\nbind = \"127.0.0.1:0\"\n{more}\n")
}

/// A request with these field lines (each ends with CRLF) and the Host `test`.
pub(crate) fn request(method: &str, target: &str, fields: &str) -> String {
    format!("{method} {target} HTTP/1.1\r\nHost: test\r\n{fields}\r\n")
}
