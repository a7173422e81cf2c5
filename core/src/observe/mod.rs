//! What can be seen from outside: counters and their Prometheus page, the access log, the process log, request ids.
//!
//! Workers write only into cells and buffers of their own; a thread that is no worker sums, prints and writes files. Nothing
//! here decides anything about an exchange, and nothing here serves HTTP (the admin listener asks for [`Registry::render`]).

pub mod access_log;
pub mod cells;
pub mod civil;
pub mod count;
mod errors;
mod handshake;
pub mod lost;
pub mod names;
mod page;
pub mod process_log;
pub mod registry;
mod render;
pub mod request_id;
mod retired;

pub use access_log::{AccessLog, LogWriter, Record};
pub use cells::{
    ClientTimeout, ClusterCell, ClusterCells, Guess, LaneCell, LaneCells, ListenerCell,
    ListenerCells, ProcessCells, RouteCell, RouteCells,
};
pub use handshake::Handshake;
pub use lost::Lost;
pub use registry::{
    CertificateGauge, ClusterGauges, EndpointGauges, GateGauges, Gauges, NoGauges, Registry,
};
pub use request_id::{Dice, RequestIds};
pub use retired::Retired;
