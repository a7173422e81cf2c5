//! The facts of an exchange: memory that the next one uses again, what was read and decided, and how it ended. They have no say in
//! anything: who writes them is the exchange's step.

use ringway_protocols::http1::{RequestHead, ResponseHead};

use crate::grpc::GrpcCall;
use crate::observe::request_id::LENGTH;
use crate::outcome::Flag;
use crate::route::Captures;

/// Memory above this is given back when an exchange ends, so that one large head does not stay for ever.
const KEPT_BYTES: usize = 8 * 1024;

/// The reusable memory of an exchange, and the facts that it gathers.
#[derive(Debug, Default)]
pub(crate) struct Facts {
    pub(crate) head: RequestHead,
    /// The request's head as received.
    pub(crate) bytes: Vec<u8>,
    /// Whether `head` describes `bytes`.
    pub(crate) parsed: bool,
    /// The path in normal form.
    pub(crate) path: Vec<u8>,
    pub(crate) captures: Captures,
    pub(crate) answer: ResponseHead,
    /// The response's head as received, where it came in several pieces.
    pub(crate) answer_bytes: Vec<u8>,
    /// Expanded header values, and the rewritten target.
    pub(crate) text: Vec<u8>,
    /// For people; empty when there is nothing to say.
    pub(crate) reason: String,
    pub(crate) client_ip: String,
    pub(crate) peer_text: String,
    /// What a TLS client asked for, where we read that.
    pub(crate) server_name: String,
    /// Its bytes are nobody's requests.
    pub(crate) is_bytes: bool,
    pub(crate) id: Id,
    /// The request carries an id that we keep (its field), else `id` is ours.
    pub(crate) id_kept: bool,
    pub(crate) peer_trusted: bool,
    pub(crate) route: Option<usize>,
    pub(crate) cluster: Option<usize>,
    /// Of the cluster's endpoints, the one picked last.
    pub(crate) endpoint: Option<usize>,
    /// Its address where this client has it for itself.
    pub(crate) endpoint_text: String,
    pub(crate) status: u16,
    pub(crate) flag: Option<Flag>,
    pub(crate) started_us: u64,
    pub(crate) sent_us: u64,
    pub(crate) first_byte_us: Option<u64>,
    pub(crate) connect_us: Option<u64>,
    pub(crate) attempts: u8,
    pub(crate) reused: bool,
    /// The upstream's status, if it answered.
    pub(crate) upstream_status: u16,
    /// Something of the request's body was taken from the client: the request cannot be sent once more.
    pub(crate) body_begun: bool,
    /// A policy that is not enforced would have refused it.
    pub(crate) would_deny: bool,
    /// Some for a call of gRPC.
    pub(crate) grpc: Option<GrpcCall>,
}

/// An id of ours, as text.
#[derive(Debug)]
pub(crate) struct Id(pub(crate) [u8; LENGTH]);

impl Default for Id {
    fn default() -> Id {
        Id([b'0'; LENGTH])
    }
}

impl Facts {
    /// The upstream has answered, and the client gets it.
    pub(crate) fn note_answer(&mut self, status: u16) {
        (self.status, self.upstream_status) = (status, status);
    }

    /// Ready for the next exchange; keeps the memory.
    pub(crate) fn clear(&mut self) {
        for memory in [
            &mut self.bytes,
            &mut self.path,
            &mut self.answer_bytes,
            &mut self.text,
        ] {
            memory.clear();
            memory.shrink_to(KEPT_BYTES);
        }
        for text in [
            &mut self.reason,
            &mut self.client_ip,
            &mut self.peer_text,
            &mut self.server_name,
            &mut self.endpoint_text,
        ] {
            text.clear();
        }
        self.is_bytes = false;
        self.captures.clear();
        self.head.reset();
        self.answer.reset();
        (self.parsed, self.id_kept, self.peer_trusted, self.reused) = (false, false, false, false);
        (self.route, self.cluster, self.endpoint, self.flag) = (None, None, None, None);
        (self.status, self.attempts) = (0, 0);
        (self.started_us, self.sent_us) = (0, 0);
        (self.upstream_status, self.body_begun, self.would_deny) = (0, false, false);
        (self.first_byte_us, self.connect_us, self.grpc) = (None, None, None);
    }
}
