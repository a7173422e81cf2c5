//! Transparent interception as seen from outside of the workers: the kernel's rules that bring connections here (`ringway intercept`), as
//! text, and what they need of this process. How a connection that was intercepted is served is in `intercepted.rs`.
//!
//! ```text
//!   wish (the command line) -> rules (chains of plain values) -> nft | iptables (text) -> steps (commands) -> command (runs or prints them)
//! ```

mod command;
mod iptables;
mod nft;
pub mod privilege;
mod rules;
mod steps;
mod wish;

pub use command::{Backend, apply, has_rules_program, remove, show};
pub use wish::{Block, Deployment, Door, Interface, User, Way, Wish};

/// Where a sidecar's rules bring what its service sends, as with Istio.
pub const OUTBOUND: u16 = 15001;
/// The same for what is sent to its service.
pub const INBOUND: u16 = 15006;

/// The name of our table (nftables), and in capitals the beginning of our chains' names (iptables).
const NAME: &str = "ringway";
/// The table of routes by which packets for other addresses are delivered here, and the priority of the rule that leads there.
const ROUTES: u32 = 1338;
