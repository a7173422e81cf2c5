//! Pure protocol knowledge: bytes in, values out.
//!
//! Not here: sockets, clocks, randomness, threads, buffers of our own, `unsafe`.
#![forbid(unsafe_code)]

pub mod http1;
pub mod path;
