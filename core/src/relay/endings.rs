//! How a relay ends badly: what is noted, what the client gets, and what both connections come to. It moves no byte.

use ringway_protocols::http1::BodyFraming;

use super::body::{BodyFault, PumpEnd};
use super::framed::Failure;
use super::patience::{Late, Progress};
use crate::answer::Reply;
use crate::exchange::Exchange;
use crate::flow::{After, Stop};
use crate::grpc;
use crate::http2::Fault;
use crate::observe::ClientTimeout;
use crate::outcome::Flag;
use crate::upstream::Opened;

/// What ended the relay.
#[derive(Debug)]
pub(super) enum Ended {
    /// The request's body failed.
    Up(PumpEnd),
    /// The answer failed.
    Down(Broken),
    /// Somebody made us wait too long.
    Late(Late),
}

/// How the way back ended badly.
#[derive(Debug)]
pub(super) enum Broken {
    /// The upstream closed (or reset) the connection; `some` bytes of an answer had come.
    UpstreamEnded {
        reset: bool,
        some: bool,
    },
    /// It has said, or it follows, that it has not looked at the request (RFC 9113 sections 6.8 and 8.7).
    UpstreamRefused,
    UpstreamNonsense(&'static str),
    ClientGone,
}

/// A stream to an upstream has ended before its answer did; `some` of the answer had come.
pub(super) fn broken_stream(fault: Fault, some: bool) -> Broken {
    match fault {
        Fault::Refused if !some => Broken::UpstreamRefused,
        Fault::Refused | Fault::Reset(_) => Broken::UpstreamEnded { reset: true, some },
        Fault::Io(kind) => Broken::UpstreamEnded {
            reset: kind == std::io::ErrorKind::ConnectionReset,
            some,
        },
        Fault::Ours(_) => Broken::UpstreamNonsense("its frames are not valid (RFC 9113 5.4)"),
    }
}

/// An end of TLS without a close_notify is a close that came too early.
pub(super) fn is_reset(error: &std::io::Error) -> bool {
    error.kind() != std::io::ErrorKind::UnexpectedEof
}

/// The same for a response body that did not arrive.
pub(super) fn broken(end: PumpEnd) -> Broken {
    match end {
        PumpEnd::Fault(BodyFault::Chunk(fault)) => Broken::UpstreamNonsense(fault.explain()),
        PumpEnd::Fault(BodyFault::WithinMessage) => {
            Broken::UpstreamNonsense("its answer of gRPC ended within a message")
        }
        PumpEnd::Fault(BodyFault::Text(fault)) => Broken::UpstreamNonsense(fault.explain()),
        PumpEnd::Fault(BodyFault::Cut | BodyFault::TooLarge) => Broken::UpstreamEnded {
            reset: false,
            some: true,
        },
        PumpEnd::FromBroken(error) => Broken::UpstreamEnded {
            reset: is_reset(&error),
            some: true,
        },
        PumpEnd::ToBroken => Broken::ClientGone,
    }
}

/// Note it, and say what comes of it. The upstream's connection is reset: neither a cut request nor the rest of an answer may be
/// taken for something else. Before the answer has begun the client gets one of ours, after that its connection is cut.
pub(super) fn failed(
    exchange: &mut Exchange<'_>,
    ended: Ended,
    progress: &Progress<'_>,
    upstream: Opened,
) -> Failure {
    let endpoint = upstream.target().text.clone();
    let answering = progress.answering.get();
    let unanswered = matches!(
        ended,
        Ended::Down(Broken::UpstreamEnded { some: false, .. })
    );
    let refused = matches!(ended, Ended::Down(Broken::UpstreamRefused));
    let reply = match ended {
        Ended::Up(end) => upload_failed(exchange, end),
        Ended::Down(end) => answer_failed(exchange, end, &endpoint, answering),
        Ended::Late(Late::Idle { client: true }) => {
            upstream.abort();
            return Failure::Stop(client_late(exchange));
        }
        Ended::Late(late) => Some(was_late(exchange, late, &endpoint)),
    };
    upstream.abort();
    if answering
        && let Some(reply) = &reply
        && let Some(after) = grpc::end_answer(exchange, reply, progress.down.gap())
    {
        return Failure::Stop(Stop::End(after));
    }
    match reply {
        _ if answering => Failure::Stop(Stop::End(progress.cut.get())),
        None => Failure::Stop(Stop::End(After::Abort)),
        Some(reply) if refused => Failure::Refused(reply.into()),
        Some(reply) if unanswered => Failure::Unanswered(reply.into()),
        Some(reply) => Failure::Stop(reply.into()),
    }
}

/// The request's body failed. None: the client is gone.
fn upload_failed(exchange: &mut Exchange<'_>, end: PumpEnd) -> Option<Reply> {
    match end {
        PumpEnd::Fault(BodyFault::Chunk(fault)) => {
            Some(client_nonsense(exchange, fault.label(), fault.explain()))
        }
        PumpEnd::Fault(BodyFault::Text(fault)) => {
            Some(client_nonsense(exchange, fault.label(), fault.explain()))
        }
        PumpEnd::Fault(BodyFault::TooLarge) => {
            exchange.note(Flag::BodyLimit, format_args!("the body is over its limit"));
            Some(Reply::closing(413, Flag::BodyLimit))
        }
        PumpEnd::Fault(BodyFault::Cut | BodyFault::WithinMessage) => {
            exchange.note(
                Flag::ClientGone,
                format_args!("the client ended its stream in the middle of the request's body"),
            );
            Some(Reply::closing(400, Flag::ClientGone))
        }
        PumpEnd::FromBroken(error) => {
            exchange.note(
                Flag::ClientGone,
                format_args!("the client went away while sending its body: {error}"),
            );
            None
        }
        // Not an end: the answer, if there is one, counts.
        PumpEnd::ToBroken => None,
    }
}

/// The request's body is not valid.
fn client_nonsense(exchange: &mut Exchange<'_>, label: &'static str, why: &str) -> Reply {
    let cells = exchange.listener().cells.of(exchange.lane.index);
    cells.protocol_error(label);
    exchange.note(Flag::ClientProtocol, format_args!("{why}"));
    Reply::closing(400, Flag::ClientProtocol)
}

/// The answer failed. None: the client is gone.
fn answer_failed(
    exchange: &mut Exchange<'_>,
    end: Broken,
    endpoint: &str,
    answering: bool,
) -> Option<Reply> {
    match end {
        Broken::UpstreamEnded { reset, some } => {
            let (flag, how) = if reset {
                (Flag::UpstreamReset, "reset")
            } else {
                (Flag::UpstreamClosed, "closed")
            };
            let when = match (answering, some) {
                (true, _) => "in the middle of its answer",
                (false, true) => "in the middle of its answer's head",
                (false, false) => "without an answer",
            };
            exchange.note(
                flag,
                format_args!("endpoint {endpoint} {how} the connection {when}"),
            );
            Some(closing_if_body(exchange, 502, flag))
        }
        Broken::UpstreamRefused => {
            exchange.note(
                Flag::UpstreamReset,
                format_args!("endpoint {endpoint} took no more requests on its connection"),
            );
            Some(closing_if_body(exchange, 503, Flag::UpstreamReset))
        }
        Broken::UpstreamNonsense(why) => {
            exchange.note(
                Flag::UpstreamProtocol,
                format_args!("endpoint {endpoint} sent an answer that is not valid: {why}"),
            );
            Some(closing_if_body(exchange, 502, Flag::UpstreamProtocol))
        }
        Broken::ClientGone => {
            client_gone(exchange);
            None
        }
    }
}

/// Somebody made us wait too long.
fn was_late(exchange: &mut Exchange<'_>, late: Late, endpoint: &str) -> Reply {
    if exchange.note_total() {
        return closing_if_body(exchange, 504, Flag::TotalTimeout);
    }
    match late {
        // Where nothing else is said, whoever sends the messages of a call may be silent as long as a stream may.
        Late::Body if exchange.facts().grpc.is_some() => {
            exchange.note(
                Flag::StreamIdle,
                format_args!(
                    "no message came from either side for too long (route's timeouts.idle)"
                ),
            );
            Reply::closing(504, Flag::StreamIdle)
        }
        Late::Body => {
            let cells = exchange.listener().cells.of(exchange.lane.index);
            cells.timeout(ClientTimeout::Body);
            exchange.note(
                Flag::ClientTimeout,
                format_args!(
                    "the client sent nothing of its body for too long (listener's timeouts.body)"
                ),
            );
            Reply::closing(408, Flag::ClientTimeout)
        }
        Late::Taking => {
            exchange.note(Flag::StreamIdle, format_args!("endpoint {endpoint} took nothing of the body for too long (route's timeouts.idle)"));
            Reply::closing(504, Flag::StreamIdle)
        }
        Late::FirstByte => {
            exchange.note(
                Flag::UpstreamTimeout,
                format_args!(
                    "endpoint {endpoint} sent no answer in time (route's timeouts.first_byte)"
                ),
            );
            closing_if_body(exchange, 504, Flag::UpstreamTimeout)
        }
        Late::Idle { .. } => {
            exchange.note(Flag::StreamIdle, format_args!("endpoint {endpoint} sent nothing for too long in its answer (route's timeouts.idle)"));
            closing_if_body(exchange, 504, Flag::StreamIdle)
        }
    }
}

/// The client did not take its answer.
pub(super) fn client_late(exchange: &mut Exchange<'_>) -> Stop {
    if !exchange.note_total() {
        exchange.note(
            Flag::StreamIdle,
            format_args!(
                "the client took nothing of its answer for too long (route's timeouts.idle)"
            ),
        );
    }
    Stop::End(After::Abort)
}

/// The client left.
pub(super) fn client_gone(exchange: &mut Exchange<'_>) -> Stop {
    exchange.note(
        Flag::ClientGone,
        format_args!("the client went away before its answer was complete"),
    );
    Stop::End(After::Abort)
}

/// With a body on its way the end of the request is not known any more, so that the connection cannot be kept.
fn closing_if_body(exchange: &Exchange<'_>, status: u16, flag: Flag) -> Reply {
    match exchange.request().framing() {
        BodyFraming::None | BodyFraming::Length(0) => Reply::new(status, flag),
        _ => Reply::closing(status, flag),
    }
}
