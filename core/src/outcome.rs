//! How an exchange ended: who ended it, in which step, and why. Read by the access log, the metrics and the answers.

/// One ending. `letters` are Envoy's response flags (dashboards exist), `reason` is for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Flag {
    /// Nothing to report.
    None,
    /// No route matched (404).
    NoRoute,
    /// No endpoint to choose (503).
    NoEndpoint,
    /// The endpoint could not be reached (503).
    ConnectFailed,
    /// A cluster limit and its queue were full (503).
    Overflow,
    /// Nothing came back in time (504).
    UpstreamTimeout,
    /// The upstream closed before or within its answer (502 / abort).
    UpstreamClosed,
    /// The upstream reset the connection.
    UpstreamReset,
    /// The upstream's bytes were not HTTP (502 / abort).
    UpstreamProtocol,
    /// The whole exchange took longer than `total` (504).
    TotalTimeout,
    /// The client closed or reset before the end.
    ClientGone,
    /// The client's bytes were refused (400, 414, 431, ...).
    ClientProtocol,
    /// The client was too slow (408).
    ClientTimeout,
    /// The body was over the limit (413).
    BodyLimit,
    /// No byte moved in either direction for the stream's idle time.
    StreamIdle,
    /// Our own stop cut it.
    Cut,
    /// The request came back to us (508).
    Loop,
    /// No `allow` rule lets the client do this (403 / close).
    Denied,
    /// The same under a policy that is not enforced: nothing came of it.
    WouldDeny,
}

impl Flag {
    /// Every flag, in order of its discriminant.
    pub const ALL: [Flag; 19] = [
        Flag::None,
        Flag::NoRoute,
        Flag::NoEndpoint,
        Flag::ConnectFailed,
        Flag::Overflow,
        Flag::UpstreamTimeout,
        Flag::UpstreamClosed,
        Flag::UpstreamReset,
        Flag::UpstreamProtocol,
        Flag::TotalTimeout,
        Flag::ClientGone,
        Flag::ClientProtocol,
        Flag::ClientTimeout,
        Flag::BodyLimit,
        Flag::StreamIdle,
        Flag::Cut,
        Flag::Loop,
        Flag::Denied,
        Flag::WouldDeny,
    ];

    /// Whether the reason may be told to the client: what it did itself, not what stands behind us.
    pub fn is_for_the_client(self) -> bool {
        matches!(
            self,
            Flag::NoRoute
                | Flag::ClientProtocol
                | Flag::ClientTimeout
                | Flag::ClientGone
                | Flag::BodyLimit
                | Flag::Loop
        )
    }

    /// Envoy's letters for it; `-` for nothing to report.
    pub fn letters(self) -> &'static str {
        match self {
            Flag::None => "-",
            Flag::NoRoute => "NR",
            Flag::NoEndpoint => "UH",
            Flag::ConnectFailed => "UF",
            Flag::Overflow => "UO",
            Flag::UpstreamTimeout => "UT",
            Flag::UpstreamClosed => "UC",
            Flag::UpstreamReset => "UR",
            Flag::UpstreamProtocol => "UPE",
            Flag::TotalTimeout => "UMSDR",
            Flag::ClientGone => "DC",
            Flag::ClientProtocol => "DPE",
            Flag::ClientTimeout => "DT",
            Flag::BodyLimit => "BL",
            Flag::StreamIdle => "SI",
            Flag::Cut => "LR",
            Flag::Loop => "LOOP",
            Flag::Denied => "DENY",
            Flag::WouldDeny => "WDENY",
        }
    }
}
