//! Ringway: an L4/L7 proxy on io_uring. The library behind the `ringway` command; start reading in `flow`.
#![forbid(unsafe_code)]

mod accept;
pub mod admin;
mod answer;
mod assemble;
mod attempt;
mod caller;
pub mod control;
pub mod credentials;
pub mod demo;
pub mod doctor;
mod exchange;
mod flow;
mod grpc;
mod grpc_web;
mod http2;
pub mod intercept;
mod intercepted;
mod lane;
mod link;
pub mod observe;
pub mod outcome;
mod plan;
mod policy;
mod proxied;
mod queue;
mod relay;
pub mod route;
mod secure;
mod session;
mod socket_file;
mod sockets;
mod spread;
pub mod start;
mod term;
mod turns;
mod upstream;
