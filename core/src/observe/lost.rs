//! Why a datagram went no further: the reasons that are counted, by listener.
//!
//! Not the counts (`cells.rs`).

/// Why a datagram went no further.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lost {
    /// It would have begun a session, and the listener or the process has as many as it may.
    Sessions,
    /// The same, of the cluster's connections or requests.
    ClusterLimit,
    /// The cluster has no endpoint to choose.
    NoEndpoint,
    /// It would have begun a session on a listener that is being removed or while the process stops.
    Ending,
    /// Whoever it is for does not take them fast enough.
    QueueFull,
    /// It is longer than what can be passed on.
    TooLarge,
    /// Nobody is there, or no way.
    SendFailed,
    /// The kernel's queue of the listening socket was full.
    Kernel,
    /// No `allow` rule lets this client in.
    Denied,
}

impl Lost {
    /// Every reason, in order of its discriminant.
    pub const ALL: [Lost; 9] = [
        Lost::Sessions,
        Lost::ClusterLimit,
        Lost::NoEndpoint,
        Lost::Ending,
        Lost::QueueFull,
        Lost::TooLarge,
        Lost::SendFailed,
        Lost::Kernel,
        Lost::Denied,
    ];

    /// The label in the metrics.
    pub fn label(self) -> &'static str {
        match self {
            Lost::Sessions => "sessions",
            Lost::ClusterLimit => "cluster_limit",
            Lost::NoEndpoint => "no_endpoint",
            Lost::Ending => "ending",
            Lost::QueueFull => "queue_full",
            Lost::TooLarge => "too_large",
            Lost::SendFailed => "send_failed",
            Lost::Kernel => "kernel",
            Lost::Denied => "denied",
        }
    }
}
