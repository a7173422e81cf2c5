//! Why a client's connection was told to end though it worked: what is counted, by listener.
//!
//! Not the counts (`cells.rs`), nor when it is over (`term.rs`).

/// Why a connection was told to end though it worked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retired {
    /// `timeouts.max_age`.
    Age,
    /// `limits.max_requests`.
    Requests,
}

impl Retired {
    /// Both, in order of their discriminants.
    pub const ALL: [Retired; 2] = [Retired::Age, Retired::Requests];

    /// The label in the metrics.
    pub fn label(self) -> &'static str {
        match self {
            Retired::Age => "age",
            Retired::Requests => "requests",
        }
    }
}
