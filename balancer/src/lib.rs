//! Choosing an endpoint, and limits per cluster: one file per algorithm behind one match, and an exact gate.
//! Not here: sockets, clocks, randomness, threads. Dice are arguments; what workers share is a few padded atomics.
#![forbid(unsafe_code)]

mod cluster;
mod draw;
mod endpoint;
mod gate;
mod p2c;
mod random;
mod round_robin;
mod sync;
mod tried;

pub use cluster::{Algorithm, Cursor, Endpoints};
pub use endpoint::{Active, Endpoint, Load};
pub use gate::{Enter, Gate, Overflow, Permit};
pub use tried::Tried;
