//! Pure protocol knowledge: bytes in, values out.
//!
//! Not here: sockets, clocks, randomness, threads, buffers of our own, `unsafe`.
#![forbid(unsafe_code)]

#[macro_use]
mod fault_table;

pub mod client_hello;
mod cursor;
pub mod detect;
pub mod grpc;
pub mod grpc_web;
pub mod http1;
pub mod http2;
pub mod path;
pub mod proxy_header;
pub mod websocket;
