//! `[[routes]]`: which requests, and what becomes of them.
//! Not the matching itself: regexes are checked here and kept as text.

use super::{Allow, IdentityMatch, Place};
use std::time::Duration;

/// One route.
#[derive(Debug, Clone, PartialEq)]
pub struct Route {
    /// Given, or made from the position: `route-1`. Unique.
    pub name: String,
    /// Where it is defined.
    pub at: Place,
    /// Which requests.
    pub matches: Match,
    /// What becomes of them.
    pub action: Action,
    /// Edits of the request's fields, in the order to be done: removals, then sets, then adds.
    pub request_headers: Vec<HeaderEdit>,
    /// Edits of the response's fields, in the same order.
    pub response_headers: Vec<HeaderEdit>,
    /// Taken whole from the route, else from `[defaults]`, else built in.
    pub timeouts: RouteTimeouts,
    /// Body limit of this route in bytes, before the listener's.
    pub body_limit: Option<u64>,
    /// Who may do what: of the route itself, else of its policies. None: the listener's.
    pub allow: Option<Allow>,
    /// Calls of gRPC-Web are translated into calls of gRPC, and their answers back.
    pub grpc_web: bool,
}

/// All given conditions must hold.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Match {
    /// Any of these listeners (by index); empty: all.
    pub listeners: Vec<usize>,
    /// Any of these; empty: any host.
    pub hosts: Vec<HostMatch>,
    /// Any of these; empty: any path.
    pub paths: Vec<PathMatch>,
    /// Upper-case; empty: any.
    pub methods: Vec<String>,
    /// Lower-case name, and what one of its values must be.
    pub headers: Vec<(String, ValueMatch)>,
    /// Parameter name, and what its value must be.
    pub query: Vec<(String, ValueMatch)>,
    /// The client is any of these; empty: anyone.
    pub identities: Vec<IdentityMatch>,
    /// Which of them are calls; of what, `paths` say.
    pub calls: Calls,
}

/// A condition on what a request is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Calls {
    /// Anything.
    #[default]
    Unasked,
    /// A call of gRPC.
    Grpc,
    /// A call of gRPC or of gRPC-Web.
    GrpcOrWeb,
}

/// A condition on the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HostMatch {
    /// Lower-case, without port.
    Exact(String),
    /// `*.x`: one or more labels in front of `.x`; holds `x`.
    Wildcard(String),
}

/// A condition on the normalised path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PathMatch {
    /// The whole path.
    Exact(String),
    /// `"/api/*"`: holds `/api`; matches it and what is below at a segment boundary. `"/*"` holds the empty string.
    Prefix(String),
    /// Must match the whole path.
    Regex(String),
}

/// A condition on a field's or parameter's value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ValueMatch {
    /// Equal, byte for byte.
    Exact(String),
    /// There, whatever it holds.
    Present,
    /// Must match the whole value.
    Regex(String),
}

/// What becomes of a matched request.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// To an endpoint of a cluster.
    Forward {
        /// Weights relative, at least one above 0.
        targets: Vec<Target>,
        /// What keeps a user on one side of the split; None: by chance.
        split_by: Option<SplitBy>,
        /// What the upstream sees as path; None: the client's.
        rewrite: Option<Rewrite>,
    },
    /// An answer of ours with `Location`.
    Redirect {
        /// 301, 302, 303, 307 or 308.
        status: u16,
        /// Template: `https://{host}{path}{query}` and captures.
        location: Template,
    },
    /// An answer of ours.
    Respond {
        /// 200 to 599.
        status: u16,
        /// As written; empty for 204, 205 and 304.
        body: String,
        /// Value of `Content-Type`.
        content_type: String,
    },
}

/// One side of a split.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Target {
    /// Index into `clusters`.
    pub cluster: usize,
    /// Relative to the others; 0: none.
    pub weight: u32,
}

/// What a split is decided by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SplitBy {
    /// This field's value; the name is lower-case.
    Header(String),
    /// This cookie's value.
    Cookie(String),
    /// The client's address.
    ClientIp,
}

/// How the path is changed before it is sent on. The query stays.
#[derive(Debug, Clone, PartialEq)]
pub enum Rewrite {
    /// The matched prefix (of the route's only prefix path) is replaced by this. Held without a `/` at its end, so `"/"` is the
    /// empty string; should nothing be left of the path, it is `/`.
    Prefix(String),
    /// The whole path becomes this template.
    Path(Template),
}

/// Text with `{name}` parts: captures of the route's regexes, or `host`, `path`, `query` (with its `?`), `client_ip`, `identity`, `request_id`, `listener`, `route`. `{{` is `{`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    /// In order; two literals never follow each other.
    pub parts: Vec<Part>,
}

/// One part of a template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// As it is.
    Literal(String),
    /// Filled in by each exchange.
    Variable(String),
}

/// One edit of a message's fields. Names are lower-case.
#[derive(Debug, Clone, PartialEq)]
pub enum HeaderEdit {
    /// All fields of this name become this one.
    Set {
        /// Lower-case.
        name: String,
        /// Without control bytes.
        value: Template,
    },
    /// One field more.
    Add {
        /// Lower-case.
        name: String,
        /// Without control bytes.
        value: Template,
    },
    /// No field of this name.
    Remove {
        /// Lower-case.
        name: String,
    },
}

/// How long an upstream may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RouteTimeouts {
    /// For a connection to stand (503).
    pub connect: Duration,
    /// From the request sent to the response's head (504).
    pub first_byte: Duration,
    /// No byte in either direction.
    pub idle: Duration,
    /// For upgraded streams.
    pub tunnel_idle: Duration,
    /// The whole exchange; None: streams may live.
    pub total: Option<Duration>,
}
