//! Ringway: an L4/L7 proxy on io_uring.
#![forbid(unsafe_code)]
pub mod admin;
pub mod control;
pub mod demo;
pub mod doctor;
pub mod outcome;
pub mod start;
