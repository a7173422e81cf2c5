//! Pure protocol knowledge: bytes in, values out. No socket, no clock, no thread, no `unsafe`.
#![forbid(unsafe_code)]
#![allow(unused_variables, missing_docs, clippy::todo)]
//! INTERFACE SKELETON: signatures that `core` is written against. Implementation goes to the modules named in the
//! architecture: `http1/{framing,request,response,chunked,trailers,write,field,fault}.rs`, `path.rs`.

pub mod http1;
pub mod path;
