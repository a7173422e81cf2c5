//! How a relay ends badly: what is noted, what the client gets, and what both connections come to. It moves no byte.

use std::cell::Cell;

use ringway_protocols::http1::BodyFraming;

use super::body::{BodyFault, PumpEnd};
use super::framed::Failure;
use crate::answer::Reply;
use crate::exchange::Exchange;
use crate::flow::{After, Stop};
use crate::observe::ClientTimeout;
use crate::outcome::Flag;
use crate::upstream::Upstream;

/// What both directions see of each other.
#[derive(Debug)]
pub(super) struct Progress {
    /// The request's body has left, or nobody wants the rest of it.
    pub(super) uploaded: Cell<bool>,
    /// The final response's head was passed on.
    pub(super) answering: Cell<bool>,
    /// How the client's connection is cut from then on, so that the answer cannot be taken for whole.
    pub(super) cut: Cell<After>,
}

/// How the way back ended badly.
#[derive(Debug)]
pub(super) enum Broken {
    /// The upstream closed (or reset) the connection; `some` bytes of a head had come.
    UpstreamEnded {
        reset: bool,
        some: bool,
    },
    UpstreamSilent,
    UpstreamNonsense(&'static str),
    ClientGone,
    ClientStalled,
}

/// The same for a response body that did not arrive.
pub(super) fn broken(end: PumpEnd) -> Broken {
    match end {
        PumpEnd::Fault(BodyFault::Chunk(fault)) => Broken::UpstreamNonsense(fault.explain()),
        PumpEnd::Fault(BodyFault::Cut | BodyFault::TooLarge) => Broken::UpstreamEnded {
            reset: false,
            some: true,
        },
        PumpEnd::FromTimedOut => Broken::UpstreamSilent,
        PumpEnd::FromBroken(_) => Broken::UpstreamEnded {
            reset: true,
            some: true,
        },
        PumpEnd::ToTimedOut => Broken::ClientStalled,
        PumpEnd::ToBroken => Broken::ClientGone,
    }
}

/// The request's body failed: the upstream must see that it is not whole, so its connection is reset.
pub(super) fn upload_failed(
    exchange: &mut Exchange<'_>,
    end: PumpEnd,
    progress: &Progress,
    upstream: Upstream,
) -> Stop {
    let cells = exchange.listener().cells.clone();
    let cells = cells.of(exchange.lane.index);
    let reply = match end {
        PumpEnd::Fault(BodyFault::Chunk(fault)) => {
            cells.protocol_error(fault.label());
            exchange.note(Flag::ClientProtocol, format_args!("{}", fault.explain()));
            Some(Reply::closing(400, Flag::ClientProtocol))
        }
        PumpEnd::Fault(BodyFault::TooLarge) => {
            exchange.note(Flag::BodyLimit, format_args!("the body is over its limit"));
            Some(Reply::closing(413, Flag::BodyLimit))
        }
        PumpEnd::Fault(BodyFault::Cut) => {
            exchange.note(
                Flag::ClientGone,
                format_args!("the client ended its stream in the middle of the request's body"),
            );
            Some(Reply::closing(400, Flag::ClientGone))
        }
        PumpEnd::FromTimedOut => {
            if !exchange.note_total() {
                cells.timeout(ClientTimeout::Body);
                exchange.note(Flag::ClientTimeout, format_args!("the client sent nothing of its body for too long (listener's timeouts.body)"));
            }
            Some(Reply::closing(408, Flag::ClientTimeout))
        }
        PumpEnd::ToTimedOut => {
            if !exchange.note_total() {
                exchange.note(
                    Flag::StreamIdle,
                    format_args!(
                        "the upstream took nothing of the body for too long (route's timeouts.idle)"
                    ),
                );
            }
            Some(Reply::closing(504, Flag::StreamIdle))
        }
        PumpEnd::FromBroken(error) => {
            exchange.note(
                Flag::ClientGone,
                format_args!("the client went away while sending its body: {error}"),
            );
            None
        }
        PumpEnd::ToBroken => None,
    };
    upstream.stream.abort();
    match reply {
        Some(reply) if !progress.answering.get() => Stop::Reply(reply),
        _ => Stop::End(After::Abort),
    }
}

/// The answer failed: before it began the client gets one of ours, after that its connection is cut.
pub(super) fn answer_failed(
    exchange: &mut Exchange<'_>,
    end: Broken,
    progress: &Progress,
    upstream: Upstream,
) -> Failure {
    let endpoint = upstream.target.text.clone();
    let reply = match end {
        Broken::UpstreamEnded { reset, some } => {
            let flag = if reset {
                Flag::UpstreamReset
            } else {
                Flag::UpstreamClosed
            };
            let how = if reset { "reset" } else { "closed" };
            let when = match (progress.answering.get(), some) {
                (true, _) => "in the middle of its answer",
                (false, true) => "in the middle of its answer's head",
                (false, false) => "without an answer",
            };
            exchange.note(
                flag,
                format_args!("endpoint {endpoint} {how} the connection {when}"),
            );
            if !some && !progress.answering.get() {
                return Failure::Unanswered(closing_if_body(exchange, 502, flag));
            }
            (502, flag)
        }
        Broken::UpstreamSilent => {
            if exchange.note_total() {
                (504, Flag::TotalTimeout)
            } else if progress.answering.get() {
                exchange.note(Flag::StreamIdle, format_args!("endpoint {endpoint} sent nothing for too long in its answer (route's timeouts.idle)"));
                (504, Flag::StreamIdle)
            } else {
                exchange.note(
                    Flag::UpstreamTimeout,
                    format_args!(
                        "endpoint {endpoint} sent no answer in time (route's timeouts.first_byte)"
                    ),
                );
                (504, Flag::UpstreamTimeout)
            }
        }
        Broken::UpstreamNonsense(why) => {
            exchange.note(
                Flag::UpstreamProtocol,
                format_args!("endpoint {endpoint} sent an answer that is not valid: {why}"),
            );
            (502, Flag::UpstreamProtocol)
        }
        end @ (Broken::ClientGone | Broken::ClientStalled) => {
            upstream.stream.abort();
            return Failure::Stop(client_failed(exchange, &end));
        }
    };
    if progress.answering.get() {
        upstream.stream.abort();
        return Failure::Stop(Stop::End(progress.cut.get()));
    }
    let stop = closing_if_body(exchange, reply.0, reply.1);
    upstream.stream.abort();
    Failure::Stop(stop)
}

/// The client did not take its answer.
pub(super) fn client_failed(exchange: &mut Exchange<'_>, end: &Broken) -> Stop {
    match end {
        Broken::ClientStalled => exchange.note(
            Flag::StreamIdle,
            format_args!(
                "the client took nothing of its answer for too long (route's timeouts.idle)"
            ),
        ),
        _ => exchange.note(
            Flag::ClientGone,
            format_args!("the client went away before its answer was complete"),
        ),
    }
    Stop::End(After::Abort)
}

/// With a body on its way the end of the request is not known any more, so that the connection cannot be kept.
pub(super) fn closing_if_body(exchange: &Exchange<'_>, status: u16, flag: Flag) -> Stop {
    let body = exchange.request().framing() != BodyFraming::None;
    Stop::Reply(if body {
        Reply::closing(status, flag)
    } else {
        Reply::new(status, flag)
    })
}
